//! What a connection uses at most after its opening handshake: the formula of the guide's page on memory.

use super::{inbound::MAX_UNREAD, mask_keys::MaskKeys, outbound::max_pongs, output::Output, recv_buffer::RecvBuffer};
use crate::{
    config::{Config, Delivery, WorstCase},
    deflate::params::{DeflateConfig, OfferPolicy},
    frame::FrameHeader,
    negotiated::Agreed,
    role::Role,
};

/// A server's response, which is the first output, without what the application adds to it.
pub(crate) const RESPONSE: usize = 192;

/// A control frame with the longest header that it can have.
const CONTROL: usize = 6 + FrameHeader::MAX_CONTROL_LEN;

/// What a decompressor uses besides its history, and a compressor besides what depends on its settings.
const INFLATE: usize = 66 << 10;
const DEFLATE: usize = 136 << 10;

/// Returns what a connection uses whose application sends messages of at most `largest` bytes.
pub(crate) fn worst_case(config: &Config, role: Role, largest: usize) -> WorstCase {
    let config_of_deflate = config.deflate_config().map(DeflateConfig::bounded);
    let mut frame = largest;
    let mut all = receiving(config);
    if let Some(deflate) = config_of_deflate {
        // Data that cannot be compressed becomes longer.
        frame = frame.saturating_add(frame / 8 + 64);
        all = all.and(inflating(&deflate, role)).and(deflating(&deflate, role, frame));
    }
    let agreed = size_of::<Agreed>() + 2 * size_of::<usize>();
    let keys = match role {
        Role::Client => MaskKeys::ALLOCATED,
        Role::Server => 0,
    };
    all.and(sending(config, frame)).and(WorstCase::new(agreed + keys, 0))
}

fn receiving(config: &Config) -> WorstCase {
    // The unread bytes of an unfinished header exist twice while they move.
    let buffer = WorstCase::new(RecvBuffer::rounded(config.limits.recv_buffer_size), MAX_UNREAD);
    let message = match config.delivery {
        // Room for a code point that may have been cut.
        Delivery::Messages => to_usize(config.limits.max_message_size).saturating_add(3),
        Delivery::Fragments => 0,
    };
    // A message is moved when its buffer grows.
    buffer.and(WorstCase::new(message, message))
}

fn sending(config: &Config, frame: usize) -> WorstCase {
    let mark = config.limits.output_high_water;
    // All Pongs, the one that waits, and the Close.
    let control = (usize::from(max_pongs(mark)) + 2) * CONTROL + RESPONSE;
    Output::worst_case(mark, frame.max(CONTROL), control)
}

/// The state of a decompressor, and its history, which doubles as it grows.
fn inflating(deflate: &DeflateConfig, role: Role) -> WorstCase {
    let bits = match role {
        Role::Server => deflate.client_max_window_bits,
        Role::Client if deflate.offer_policy == OfferPolicy::Strict => deflate.server_max_window_bits,
        // The server decides.
        Role::Client => DeflateConfig::MAX_WINDOW_BITS,
    };
    let history = 1 << bits;
    WorstCase::new(INFLATE + history, history)
}

/// The state of a compressor, its history, and what becomes of the largest message.
fn deflating(deflate: &DeflateConfig, role: Role, frame: usize) -> WorstCase {
    let bits = match role {
        Role::Server => deflate.server_max_window_bits,
        Role::Client => deflate.client_max_window_bits,
    };
    let history = 1 << bits;
    let state = DEFLATE + 5 * history + (7 << (deflate.memory_level + 6));
    WorstCase::new(state.saturating_add(frame.saturating_mul(2)), history.max(frame))
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
