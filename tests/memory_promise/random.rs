//! `Config::worst_case` for settings at random, with peers and applications that do what costs most.
//!
//! What a connection holds is compared after each call, and what a call uses beyond that, too: a server that counts on
//! both numbers never runs out of memory.

use core::{mem, time::Duration};

use allocation_counter::measure;
use proptest::prelude::*;
use websocket_proto::{
    Buf, CloseCode, Config, Connection, Delivery, Event, Limits, Negotiated, Role, Step, Time, Timers, WorstCase,
    handshake::{Accept, Opening},
};

use crate::{
    rng::Rng,
    wire::{self, BINARY, CONTINUATION, FIN, TEXT},
};

/// What was reached of both numbers.
#[derive(Debug, Default)]
struct Reached {
    held: usize,
    transient: usize,
}

impl Reached {
    fn or(self, other: Self) -> Self {
        Self {
            held: self.held.max(other.held),
            transient: self.transient.max(other.transient),
        }
    }
}

/// Counts the heap of one connection, call by call.
struct Meter {
    promised: WorstCase,
    now: i64,
    reached: Reached,
}

impl Meter {
    fn new(promised: WorstCase) -> Self {
        Self {
            promised,
            now: 0,
            reached: Reached::default(),
        }
    }

    /// Makes a call. The application itself holds `lent` bytes meanwhile.
    fn call<T>(&mut self, what: &str, lent: usize, call: impl FnOnce() -> T) -> T {
        let mut result = None;
        let info = measure(|| result = Some(call()));
        let peak = usize::try_from(self.now + i64::try_from(info.bytes_max).unwrap()).unwrap_or_default();
        let before = usize::try_from(self.now).unwrap_or_default();
        self.now += info.bytes_current;
        let held = usize::try_from(self.now).unwrap_or_default();
        let transient = peak.saturating_sub(before.max(held) + lent);
        self.reached = mem::take(&mut self.reached).or(Reached { held, transient });
        let WorstCase { held: most, .. } = self.promised;
        assert!(
            held <= most,
            "{held} bytes are held after {what}, but {:?}",
            self.promised
        );
        let most = self.promised.total() + lent;
        assert!(peak <= most, "{peak} bytes during {what}, but {:?}", self.promised);
        result.unwrap()
    }
}

/// What an application does.
#[derive(Clone, Copy, Debug)]
struct Application {
    role: Role,
    /// The longest message that it sends.
    largest: usize,
    /// Whether it echoes messages while they are lent.
    echoes: bool,
    seed: u64,
}

/// Frames that cost as much as frames can, at random, up to about `len` bytes.
fn hostile(rng: &mut Rng, from: Role, limits: &Limits, len: usize) -> Vec<u8> {
    let most = usize::try_from(limits.max_message_size.min(limits.max_frame_size)).unwrap();
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let opcode = [TEXT, BINARY][rng.below(2)];
        match rng.below(6) {
            0 => bytes.extend(wire::frame(from, FIN | opcode, &vec![b'a'; most])),
            1 => bytes.extend(wire::frame(from, FIN | opcode, &vec![b'a'; rng.length(most)])),
            2 => bytes.extend((0..rng.below(40)).flat_map(|_| wire::ping(from, &[7; 125]))),
            3 => bytes.extend((0..rng.below(20)).flat_map(|n| wire::ping(from, &[7; 125][..n]))),
            _ => {
                // A message in fragments, up to the limit.
                let mut left = usize::try_from(limits.max_message_size).unwrap();
                let mut first = opcode;
                for _ in 0..rng.below(20) {
                    let piece = rng.length(left.min(most));
                    bytes.extend(wire::frame(from, first, &vec![b'a'; piece]));
                    (first, left) = (CONTINUATION, left - piece);
                }
                if first == CONTINUATION {
                    bytes.extend(wire::frame(from, FIN | CONTINUATION, &vec![b'a'; left.min(most)]));
                }
            }
        }
    }
    bytes
}

/// Opens a server's connection by a handshake with a long head, and receives what comes with it. Returns how many bytes
/// of the stream that was.
fn open(meter: &mut Meter, config: &Config, rng: &mut Rng, stream: &[u8]) -> (Connection, usize) {
    let mut head = String::from(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    );
    let room = config.limits.max_head_size - head.len() - 30;
    head += match rng.below(3) {
        0 => format!("Sec-WebSocket-Protocol: {}\r\n\r\n", list(room, ",")),
        1 => format!("Sec-WebSocket-Extensions: {}\r\n\r\n", list(room, ";")),
        _ => format!(
            "{}\r\n",
            "x: y\r\n".repeat((config.limits.max_head_fields - 10).min(room / 6))
        ),
    }
    .as_str();
    let bytes = [head.as_bytes(), stream].concat();
    let mut opening = meter.call("Opening::server", 0, || Opening::server(config, Time::ZERO));
    let read = config.limits.recv_buffer_size.max(256);
    let width = [1, 1 + rng.below(read), read][rng.below(3)];
    let mut end = 0;
    loop {
        match meter.call("next_step", 0, || opening.next_step()) {
            Step::Read => {
                let piece = &bytes[end..bytes.len().min(end + width)];
                meter.call("Opening::read", 0, || opening.read(piece));
                end += piece.len();
            }
            Step::Time => opening.at(Time::ZERO),
            Step::Yield => {}
            _ => break,
        }
    }
    let request = meter.call("outcome", 0, || opening.outcome()).expect("a valid request");
    let negotiated = meter
        .call("accept", 0, || opening.accept(&request, Accept::new()))
        .expect("no subprotocol");
    let connection = meter.call("from_negotiated", 0, || {
        Connection::from_negotiated(&negotiated, config)
    });
    meter.call("drop", 0, || drop((opening, request, negotiated)));
    (connection, end - head.len())
}

/// What the costliest request uses, which is refused: as many subprotocols as fit, all of them the same.
fn refused(config: &Config) -> Reached {
    let room = config.limits.max_head_size - 200;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        "a,".repeat(room / 2)
    );
    let mut meter = Meter::new(config.worst_case(Role::Server, 0));
    let mut opening = meter.call("Opening::server", 0, || Opening::server(config, Time::ZERO));
    for piece in head.as_bytes().chunks(config.limits.recv_buffer_size) {
        meter.call("Opening::read", 0, || opening.read(piece));
    }
    assert!(opening.outcome().is_err_and(|error| error.status() == Some(400)));
    meter.reached
}

/// A list of different elements, which are as short as possible.
fn list(len: usize, separator: &str) -> String {
    let mut list = String::from("x");
    for n in 0_u32.. {
        let element = format!("{separator}{n:x}");
        if list.len() + element.len() > len {
            break;
        }
        list += &element;
    }
    list
}

/// Lets a peer and an application do their worst, and returns how much of the promise they have reached.
fn drive(config: &Config, application: Application) -> Reached {
    let Application {
        role, largest, echoes, ..
    } = application;
    let mut rng = Rng::new(application.seed);
    let mut meter = Meter::new(config.worst_case(role, largest));
    let total = 4 * usize::try_from(config.limits.max_message_size).unwrap() + 20_000;
    let stream = hostile(&mut rng, role.peer(), &config.limits, total);
    let mut stream = &stream[..];
    let mut connection = if role == Role::Server && rng.below(2) == 0 {
        let (connection, received) = open(&mut meter, config, &mut rng, stream);
        stream = &stream[received..];
        connection
    } else {
        meter.call("new", 0, || Connection::from_negotiated(&Negotiated::new(role), config))
    };
    let payload = vec![b'p'; largest];
    let mut now = Time::ZERO;
    for _ in 0..3000 {
        match rng.below(10) {
            // The peer sends.
            0..=3 => {
                let most = [usize::MAX, 1, 300][rng.below(3)];
                let n = meter.call("space", 0, || {
                    let space = connection.space();
                    let n = space.len().min(stream.len()).min(most);
                    space[..n].copy_from_slice(&stream[..n]);
                    connection.advance(n);
                    n
                });
                stream = &stream[n..];
                loop {
                    let (inbound, outbound) = connection.split_mut();
                    let taken = meter.call("next_event", 0, || match inbound.next_event(outbound) {
                        Ok(Some(Event::Message(message))) if echoes && message.len() <= largest => {
                            drop(outbound.feed(message));
                            true
                        }
                        Ok(Some(_)) => true,
                        Ok(None) | Err(_) => false,
                    });
                    if !taken {
                        break;
                    }
                }
            }
            // The application sends, until it is refused.
            4 | 5 => {
                let len = [largest, rng.length(largest)][rng.below(2)];
                let owned = rng.below(2) == 0;
                for _ in 0..1 + rng.below(100) {
                    let fed = match owned {
                        true => meter.call("feed of a vector", largest, || {
                            connection.feed(payload[..len].to_vec()).is_ok()
                        }),
                        false => meter.call("feed", 0, || connection.feed(&payload[..len]).is_ok()),
                    };
                    if !fed {
                        break;
                    }
                }
            }
            // The peer reads.
            6 | 7 => {
                let most = [1, 100, 300, usize::MAX][rng.below(4)];
                let mut left = most.min(rng.below(connection.output().remaining() + 1));
                meter.call("advance", 0, || {
                    while left > 0 {
                        let n = connection.output().chunk().len().min(left);
                        connection.output().advance(n);
                        left -= n;
                    }
                });
            }
            8 => {
                now = now + Duration::from_millis(rng.below(20) as u64);
                meter.call("handle_timeout", 0, || connection.handle_timeout(now));
            }
            _ => meter.call("release", 0, || connection.release()),
        }
    }
    let _ = meter.call("close", 0, || connection.close(CloseCode::NORMAL));
    meter.call("drop", 0, || drop(connection));
    assert_eq!(meter.now, 0, "something is left");
    meter.reached
}

fn settings() -> impl Strategy<Value = Config> {
    let limits = (512_usize..5000, 20_usize..200, 0_u32..16, 0_u32..16, 0_u32..16).prop_map(
        |(head, fields, message, mark, buffer)| {
            let message = (1_u64 << message) + 300;
            Limits::new()
                .max_head_size(head)
                .max_head_fields(fields)
                .max_message_size(message)
                .max_frame_size(message)
                .output_high_water(1 << mark)
                .recv_buffer_size(1 << buffer)
        },
    );
    let some = prop::option::of((1_u64..40).prop_map(Duration::from_millis));
    let timers = (some.clone(), some.clone(), some)
        .prop_map(|(keepalive, pong, write)| Timers::off().keepalive(keepalive).pong(pong).write(write));
    let delivery = prop_oneof![Just(Delivery::Messages), Just(Delivery::Fragments)];
    (limits, timers, delivery)
        .prop_map(|(limits, timers, delivery)| Config::new().limits(limits).timers(timers).delivery(delivery))
}

fn application() -> impl Strategy<Value = Application> {
    let role = prop_oneof![Just(Role::Server), Just(Role::Client)];
    (role, 0_u32..16, 0_usize..300, any::<bool>(), any::<u64>()).prop_map(|(role, largest, more, echoes, seed)| {
        Application {
            role,
            largest: (1 << largest) + more,
            echoes,
            seed,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// SEC-03, SEC-09, SEC-10: whatever the settings, and whatever a peer and an application do.
    #[test]
    fn the_worst_case_is_not_exceeded(config in settings(), application in application()) {
        drive(&config, application);
    }
}

/// The numbers are not far from what is reached: a server may have to refuse connections because of them.
#[test]
fn the_worst_case_is_tight() {
    for message in [256, 512, 1000, 4096, 64 << 10] {
        let config = Config::new().limits(Limits::small(message)).timers(Timers::off());
        let promised = config.worst_case(Role::Server, message);
        let mut reached = refused(&config);
        for seed in 0..300 {
            let application = Application {
                role: Role::Server,
                largest: message,
                echoes: seed % 2 == 0,
                seed,
            };
            reached = reached.or(drive(&config, application));
        }
        println!("messages of {message} bytes: {reached:?} of {promised:?}");
        assert!(promised.held <= 2 * reached.held, "{reached:?} of {promised:?}");
        assert!(
            promised.transient <= 2 * reached.transient,
            "{reached:?} of {promised:?}"
        );
    }
}
