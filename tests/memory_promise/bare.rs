//! The bare core, which receives into its own buffer.

use allocation_counter::measure;
use websocket_proto::{Buf, Config, Connection, Delivery, Fragment, Limits, Negotiated, Role, SendError};

use crate::{
    assert_kept,
    attacks::{HIGH_WATER, MESSAGE, attacks, config},
    wire::{self, ROLES},
};

/// Reads everything, as much at a time as there is space for, and answers nothing.
fn read_all(negotiated: &Negotiated, config: &Config, mut bytes: &[u8]) -> u64 {
    let peak = measure(|| {
        let mut connection = Connection::from_negotiated(negotiated, config);
        while !bytes.is_empty() {
            let space = connection.space();
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            connection.advance(n);
            bytes = &bytes[n..];
            while let Ok(Some(_)) = connection.next_event() {}
        }
    });
    peak.bytes_max
}

/// The settings of the attacks without what sending and the opening handshake may cost.
fn only_receiving(config: Config) -> Config {
    let limits = config.limits.output_high_water(1).max_head_size(0);
    config.limits(limits)
}

/// The settings of the attacks without what receiving and the opening handshake may cost.
fn only_sending(config: Config) -> Config {
    let limits = config.limits.max_message_size(0).recv_buffer_size(0).max_head_size(0);
    config.limits(limits)
}

/// SEC-03, SEC-05, SEC-09, FR-24: whatever arrives, a connection that sends nothing holds at most what receiving may cost.
#[test]
fn receiving_keeps_the_promise() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let config = only_receiving(config().delivery(delivery));
            let promise = config.worst_case(role, 0).total();
            for attack in attacks(role.peer()) {
                let peak = read_all(&Negotiated::new(role), &config, &attack.bytes);
                let is_worst = attack.is_worst && delivery == Delivery::Messages;
                assert_kept(
                    &format!("{role:?}, {delivery:?}, {}", attack.name),
                    peak,
                    promise,
                    is_worst,
                );
            }
        }
    }
}

/// SEC-03: the same with the default limits.
#[test]
fn the_defaults_keep_the_promise() {
    let config = Config::new();
    let bytes = wire::binary(Role::Client, &vec![1; 16 << 20]);
    let peak = read_all(&Negotiated::new(Role::Server), &config, &bytes);
    let promise = only_receiving(config).worst_case(Role::Server, 0).total();
    assert_kept("16 MiB with the defaults", peak, promise, true);
}

/// PMD-43: a bomb costs at most what a message may cost, and decompression.
#[cfg(feature = "deflate")]
#[test]
fn bombs_keep_the_promise() {
    use websocket_proto::{ContextTakeover, DeflateConfig, DeflateParams};

    let forbid = ContextTakeover::Forbid;
    let no_takeover = DeflateParams::new()
        .server_context_takeover(forbid)
        .client_context_takeover(forbid);
    for (params, window_bits) in [
        (no_takeover, 15),
        (DeflateParams::new(), 15),
        (
            DeflateParams::new().client_max_window_bits(9).server_max_window_bits(9),
            9,
        ),
    ] {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            for opcode in [wire::TEXT, wire::BINARY] {
                for (len, cut) in [(MESSAGE, usize::MAX), (MESSAGE + 1, 100), (8 * MESSAGE, usize::MAX)] {
                    let deflate = DeflateConfig::context_takeover()
                        .client_max_window_bits(window_bits)
                        .server_max_window_bits(9);
                    let config = only_receiving(config().delivery(delivery).deflate(deflate));
                    let bytes = crate::attacks::bomb(Role::Client, opcode, len, cut);
                    let negotiated = Negotiated::new(Role::Server).with_deflate(params);
                    // States in the thread's pool would not be counted.
                    let peak = std::thread::spawn({
                        let config = config.clone();
                        move || read_all(&negotiated, &config, &bytes)
                    });
                    let peak = peak.join().unwrap();
                    let promise = config.worst_case(Role::Server, 0).total();
                    let name = format!("{delivery:?}, {opcode}, a bomb of {len} bytes, window bits {window_bits}");
                    assert_kept(&name, peak, promise, delivery == Delivery::Messages);
                }
            }
        }
    }
}

/// How a message is passed to the connection.
#[derive(Clone, Copy, Debug)]
enum Given {
    Lent,
    Owned,
    Fragments,
}

/// Sends messages of `len` bytes until the output is full, and again whenever the peer has accepted `taken` bytes.
fn send_all(connection: &mut Connection, given: Given, len: usize, taken: usize, rounds: usize) {
    let payload: Vec<u8> = (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for _ in 0..rounds {
        loop {
            let sent = match given {
                Given::Lent => connection.feed(&payload).map_err(|error| error.without_unsent()),
                Given::Owned => connection.feed(payload.clone()).map_err(|error| error.without_unsent()),
                Given::Fragments => connection
                    .feed(Fragment::more(&payload))
                    .map_err(|error| error.without_unsent()),
            };
            match sent {
                Ok(()) => {}
                Err(SendError::Full(())) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let mut left = taken.min(connection.output().remaining());
        while left > 0 {
            let n = connection.output().chunk().len().min(left);
            connection.output().advance(n);
            left -= n;
        }
    }
}

/// SEC-10: when a peer never reads, or reads slowly, a connection holds at most what sending may cost.
#[test]
fn sending_keeps_the_promise() {
    for role in ROLES {
        let (config, mut worst) = (only_sending(config()), (0, 0));
        for given in [Given::Lent, Given::Owned, Given::Fragments] {
            for len in [1, 125, 4000, 5000, 100_000, MESSAGE] {
                for taken in [0, 1, 300, HIGH_WATER / 3, HIGH_WATER - 1] {
                    let peak = measure(|| {
                        let mut connection = Connection::new(role, &config);
                        let rounds = if taken == 300 { 2000 } else { 10 };
                        send_all(&mut connection, given, len, taken, rounds);
                    });
                    // The message that is being sent belongs to the application, but counts, too.
                    let promise = config.worst_case(role, len).total() + len;
                    let name = format!("{role:?}, {given:?} of {len} bytes, {taken} taken at a time");
                    assert_kept(&name, peak.bytes_max, promise, false);
                    if len <= 4000 {
                        worst = worst.max((peak.bytes_max, promise));
                    }
                }
            }
        }
        assert_kept(
            &format!("{role:?}, the worst of short messages"),
            worst.0,
            worst.1,
            true,
        );
    }
}

/// SEC-10: with compression, the compressor and the compressed message are added.
#[cfg(feature = "deflate")]
#[test]
fn compressing_keeps_the_promise() {
    use websocket_proto::{DeflateConfig, DeflateParams};

    for (window_bits, len) in [(9, 1000), (12, 1000), (15, 1000), (15, 100_000), (9, MESSAGE)] {
        let deflate = DeflateConfig::context_takeover()
            .server_max_window_bits(window_bits)
            .threshold(0)
            .level(1);
        let config = only_sending(config().deflate(deflate));
        let negotiated =
            Negotiated::new(Role::Server).with_deflate(DeflateParams::new().server_max_window_bits(window_bits));
        let promise = config.worst_case(Role::Server, len).total() + len;
        // States in the thread's pool would not be counted.
        let thread = std::thread::spawn(move || {
            measure(|| {
                let mut connection = Connection::from_negotiated(&negotiated, &config);
                send_all(&mut connection, Given::Lent, len, HIGH_WATER / 3, 2);
            })
        });
        let peak = thread.join().unwrap().bytes_max;
        assert_kept(
            &format!("window bits {window_bits}, messages of {len}"),
            peak,
            promise,
            false,
        );
    }
}

/// SEC-10: every limit can be set to zero.
#[test]
fn small_limits_are_small_promises() {
    let config = Config::new().limits(Limits::small(1000));
    let promise = config.worst_case(Role::Server, 1000).total();
    assert!(promise < 24 << 10, "{promise}");
    for attack in attacks(Role::Client) {
        let peak = read_all(&Negotiated::new(Role::Server), &config, &attack.bytes);
        assert_kept(&format!("small limits, {}", attack.name), peak, promise, false);
    }
}
