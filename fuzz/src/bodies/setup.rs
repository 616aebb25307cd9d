//! The settings that targets with raw input read from its beginning: a few bytes at fixed positions, so that seeds are easy to
//! write and mutations stay small.

use websocket_proto::{
    Config, ContextTakeover, DeflateParams, Delivery, Limits, Negotiated, PingPolicy, Role, frame::Rsv,
};

use super::{
    raw::{Cuts, Feed, Scenario},
    rng::Rng,
};

/// The receiving role, the kind of delivery, and how the bytes arrive.
///
/// ```text
///   byte 0   1: client, 2: pieces are delivered, 4: Pings are left to the application, 8: the rest is a plan of frames,
///            16: compression was negotiated, 32 and 64: without context takeover of the server and of the client,
///            128: extensions of the application claim the reserved bits
///   byte 1   how the bytes are fed, and the window bits
///   byte 2   the limits: none, or ones that are small enough to be met
///   byte 3   where the bytes are cut
/// ```
#[derive(Clone, Debug)]
pub struct Setup {
    pub role: Role,
    pub config: Config,
    pub deflate: Option<DeflateParams>,
    pub claimed: Rsv,
    pub is_plan: bool,
    pub feed: Feed,
    pub cuts: Cuts,
}

pub const LEN: usize = 4;

impl Setup {
    pub fn take(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[flags, feed, limits, seed], rest) = data.split_first_chunk::<LEN>()?;
        let is = |bit: u8| flags & bit != 0;
        let takeover = |bit| {
            if is(bit) {
                ContextTakeover::Forbid
            } else {
                ContextTakeover::Allow
            }
        };
        let config = Config::new()
            .delivery(if is(2) { Delivery::Fragments } else { Delivery::Messages })
            .pings(if is(4) { PingPolicy::Report } else { PingPolicy::Answer })
            .limits(self::limits(limits));
        let params = DeflateParams::new()
            .server_context_takeover(takeover(32))
            .client_context_takeover(takeover(64))
            .server_max_window_bits(8 + (feed >> 2) % 8)
            .client_max_window_bits(8 + (feed >> 5));
        let setup = Self {
            role: if is(1) { Role::Client } else { Role::Server },
            config,
            // Without the codec, a connection does not support compression.
            deflate: (is(16) && cfg!(feature = "deflate")).then_some(params),
            claimed: Rsv::from_bits(if is(128) { 7 } else { 0 }),
            is_plan: is(8),
            feed: [Feed::Space, Feed::Receive, Feed::LentBuffer][usize::from(feed % 4 % 3)],
            cuts: match seed {
                0 => Cuts::Bytes,
                1..64 => Cuts::At(usize::from(seed)),
                seed => Cuts::Random(Rng::new(seed.into())),
            },
        };
        Some((setup, rest))
    }

    /// The result of the opening handshake.
    pub fn negotiated(&self) -> Negotiated {
        let negotiated = Negotiated::new(self.role).with_reserved_bits(self.claimed);
        #[cfg(feature = "deflate")]
        if let Some(params) = self.deflate {
            return negotiated.with_deflate(params);
        }
        negotiated
    }

    /// A connection with these settings, and the bytes that it receives.
    pub fn scenario(&self, bytes: Vec<u8>) -> Scenario<'static> {
        let scenario = Scenario::new(self.role, bytes).config(&self.config).claim(self.claimed);
        #[cfg(feature = "deflate")]
        if let Some(params) = self.deflate {
            return scenario.deflate(params);
        }
        scenario
    }
}

/// Limits that an input of some hundred bytes can meet.
fn limits(byte: u8) -> Limits {
    let limits = Limits::new();
    match byte % 8 {
        0 => limits.max_message_size(2 << 20),
        1 => limits.max_message_size(100),
        2 => limits.max_frame_size(50).max_message_size(150),
        3 => limits.max_fragments(3),
        4 => limits.max_message_size(70_000),
        5 => limits.max_message_size(0),
        6 => limits.max_frame_size(125).max_message_size(5000).max_fragments(20),
        _ => limits.max_message_size(u64::from(byte >> 3)).max_fragments(1),
    }
}
