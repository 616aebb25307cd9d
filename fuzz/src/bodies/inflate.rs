//! Decompression: equal to the result of another inflater for the same data, bounded exactly by the limits, and the
//! same under all cuts.

use websocket_proto::{ContextTakeover, DeflateParams, Limits, ProtocolError, Role};

use super::{
    raw::{Cuts, Feed, Got, Scenario},
    reference_inflate::Inflater,
    rng::Rng,
    setup::Setup,
    wire::{self, BINARY},
};

const RSV1: u8 = 0x40;

/// Longer inputs find nothing that shorter ones do not.
const MAX_LEN: usize = 3000;

/// ```
///   byte 4   1: the rest is compressed first, 2: and then changed, 12: how many messages it is, 48: in how many frames,
///            64: the limit is small
///   byte 5   what is changed, and where it is cut
/// ```
pub fn run(data: &[u8]) {
    let Some((setup, rest)) = Setup::take(data) else { return };
    let Some((&[how, seed], rest)) = rest.split_first_chunk() else {
        return;
    };
    if rest.len() > MAX_LEN {
        return;
    }
    let mut rng = Rng::new(seed.into());
    let (compress, change) = (how & 1 == 1, how & 3 == 3);
    // The independent compressor only uses the largest window.
    let params = match setup.deflate.unwrap_or_default() {
        params if compress => params.server_max_window_bits(15).client_max_window_bits(15),
        params => params,
    };
    let takeover = sender_takeover(setup.role, params);
    let limit = if how & 64 == 0 { 1 << 20 } else { usize::from(seed) * 8 };

    let mut compressor = flate2::Compress::new(flate2::Compression::new(u32::from(seed % 10)), false);
    let (mut plain, mut payloads, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for part in rest.chunks(1 + rest.len() / (1 + usize::from(how >> 2 & 3))) {
        // A few bytes that become many.
        let part = if compress {
            part.repeat(1 + usize::from(seed & 1) * rng.below(40))
        } else {
            part.to_vec()
        };
        let mut payload = if compress {
            message(&mut compressor, &part, takeover)
        } else {
            part.clone()
        };
        if change && !payload.is_empty() {
            let at = rng.below(payload.len());
            payload[at] ^= 1 << rng.below(8);
        }
        let frames = 1 + usize::from(how >> 4 & 3);
        let pieces: Vec<&[u8]> = payload.chunks(1 + payload.len() / frames).collect();
        let mut message = wire::fragments(
            setup.role.peer(),
            BINARY,
            if pieces.is_empty() { &[&[]] } else { &pieces },
        );
        message[0] |= RSV1;
        bytes.extend(message);
        plain.push(part);
        payloads.push(payload);
    }

    let limits = Limits::new().max_message_size(limit as u64);
    let scenario = Scenario::new(setup.role, bytes)
        .config(&setup.config.limits(limits))
        .deflate(params);
    let outcome = scenario.run_once(setup.feed, setup.cuts);
    let whole = scenario.run_once(Feed::Space, Cuts::Whole);
    assert_eq!(outcome, whole);

    check_messages(&whole.events, &payloads, takeover, limit);
    let expected_error = if whole.events.len() == payloads.len() {
        None
    } else {
        whole.error
    };
    assert_eq!(
        whole.error, expected_error,
        "only a message that never arrives may fail"
    );
    if compress && !change {
        check_valid(&whole.events, whole.error, &plain, &payloads, limit);
    }
}

fn sender_takeover(receiver: Role, params: DeflateParams) -> ContextTakeover {
    match receiver {
        Role::Client => params.server_context_takeover,
        Role::Server => params.client_context_takeover,
    }
}

/// Compresses a whole message, without its tail.
fn message(compressor: &mut flate2::Compress, plain: &[u8], takeover: ContextTakeover) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(plain.len() + plain.len() / 8 + 100);
    compressor
        .compress_vec(plain, &mut bytes, flate2::FlushCompress::Sync)
        .unwrap();
    assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
    bytes.truncate(bytes.len() - 4);
    if takeover == ContextTakeover::Forbid {
        compressor.reset();
    }
    bytes
}

/// What was accepted equals the result of other inflaters.
fn check_messages(events: &[Got], payloads: &[Vec<u8>], takeover: ContextTakeover, limit: usize) {
    let mut reference = Inflater::default();
    for (i, (event, payload)) in events.iter().zip(payloads).enumerate() {
        let Got::Binary(message) = event else {
            panic!("{event:?}")
        };
        assert!(message.len() <= limit);
        assert_eq!(by_reference(&mut reference, payload).as_ref(), Some(message));
        if takeover == ContextTakeover::Forbid {
            reference.reset();
        }
        if let Some(other) = (i == 0).then(|| by_flate2(payload, message.len())).flatten() {
            assert_eq!(other, *message);
        }
    }
}

/// A message as the tests' inflater reads it.
fn by_reference(reference: &mut Inflater, payload: &[u8]) -> Option<Vec<u8>> {
    let start = reference.output.len();
    reference.message(payload).or_else(|| {
        // §7.2.3.4 requires a sender to append an empty block after a final one; without it the tail belongs to no block. This
        // crate treats a message that ends there as complete.
        reference.output.truncate(start);
        reference.message(&[payload, &[0]].concat())
    })
}

/// A message as flate2 inflates it, if it finds no fault and no final block.
fn by_flate2(payload: &[u8], len: usize) -> Option<Vec<u8>> {
    let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut inflater = flate2::Decompress::new(false);
    let mut plain = Vec::with_capacity(len + 1);
    let status = inflater
        .decompress_vec(&bytes, &mut plain, flate2::FlushDecompress::Sync)
        .ok()?;
    let all = inflater.total_in() == bytes.len() as u64;
    (all && status != flate2::Status::StreamEnd).then_some(plain)
}

/// A compressor's output decompresses to its input, up to the first message that is too large.
fn check_valid(events: &[Got], error: Option<ProtocolError>, plain: &[Vec<u8>], payloads: &[Vec<u8>], limit: usize) {
    let fits = |(plain, payload): &(&Vec<u8>, &Vec<u8>)| plain.len() <= limit && payload.len() <= limit;
    let expected: Vec<Got> = plain
        .iter()
        .zip(payloads)
        .take_while(fits)
        .map(|(plain, _)| Got::binary(plain))
        .collect();
    assert_eq!(events, expected);
    let too_big = expected.len() < plain.len();
    assert_eq!(error, too_big.then_some(ProtocolError::MessageTooBig));
}
