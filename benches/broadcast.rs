//! One message to many connections in memory: prepared once, or sent to each connection separately.
//!
//! A pass sends one message to each of 10,000 server connections, and writes what it queued to a sink that accepts everything. An
//! idle connection holds no buffers, also after a pass: each one is released after the write, as the shells do before they wait.
//! A prepared message is prepared (and compressed) during the pass.
//!
//! The last bench measures the queues of the tokio shell alone: one message to as many subscriptions, and out of them again.
//!
//! With context takeover, "anew" compresses each message with the connection's history, so its messages are shorter.

use divan::{Bencher, counter::ItemsCount};
use websocket_proto::{
    Buf, Config, Connection, ContextTakeover, DeflateConfig, DeflateParams, Negotiated, PreparedMessage, Role,
};

const CONNECTIONS: usize = 10_000;

const SIZES: [usize; 3] = [125, 1 << 10, 16 << 10];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    NoTakeover,
    /// With a window of 4 KiB, like `DeflateConfig::context_takeover`.
    Takeover12,
}

impl Mode {
    fn deflate(self) -> Option<DeflateConfig> {
        let config = match self {
            Self::Plain => return None,
            Self::NoTakeover => DeflateConfig::new(),
            Self::Takeover12 => DeflateConfig::context_takeover(),
        };
        Some(config.threshold(100))
    }

    fn connections(self) -> Vec<Connection> {
        let (mut config, mut negotiated) = (Config::new(), Negotiated::new(Role::Server));
        if let Some(deflate) = self.deflate() {
            config = config.deflate(deflate);
            let mut params = DeflateParams::new().server_max_window_bits(deflate.server_max_window_bits);
            if self == Self::NoTakeover {
                params = params.server_context_takeover(ContextTakeover::Forbid);
            }
            negotiated = negotiated.with_deflate(params);
        }
        let connection = || Connection::from_negotiated(&negotiated, &config);
        (0..CONNECTIONS).map(|_| connection()).collect()
    }

    fn prepare(self, text: &str) -> PreparedMessage {
        let message = PreparedMessage::text(text);
        match self.deflate() {
            Some(deflate) => message.deflated(deflate),
            None => message,
        }
    }
}

fn main() {
    for (mode, len) in cases() {
        let mut connection = mode.connections().swap_remove(0);
        connection.feed(&mode.prepare(&text(len, 0))).expect("room");
        let prepared = write(&mut connection);
        let anew = [0, 1].map(|round| {
            connection.feed(text(len, round)).expect("room");
            write(&mut connection)
        });
        println!(
            "{mode:?}, {len} bytes: {prepared} on the wire prepared, {} anew",
            anew[1]
        );
    }
    divan::main();
}

fn cases() -> impl Iterator<Item = (Mode, usize)> {
    let modes = [Mode::Plain, Mode::NoTakeover, Mode::Takeover12];
    modes.into_iter().flat_map(|mode| SIZES.map(|len| (mode, len)))
}

/// A message like those of a ticker, different in each round.
fn text(len: usize, round: usize) -> String {
    let mut text = String::with_capacity(len + 100);
    for i in 0.. {
        if text.len() >= len {
            break;
        }
        let (price, volume) = (round * 7919 + i * 104_729, round * 31 + i * 977);
        text.push_str(&format!(
            "{{\"symbol\":\"S{}\",\"price\":{}.{:02},\"volume\":{}}},",
            i * 31 % 500,
            price % 1000,
            price % 100,
            volume % 10_000
        ));
    }
    text.truncate(len);
    text
}

/// Writes everything that is queued. Returns the number of bytes.
fn write(connection: &mut Connection) -> usize {
    let mut written = 0;
    while connection.output().has_remaining() {
        let n = divan::black_box(connection.output().chunk()).len();
        connection.output().advance(n);
        written += n;
    }
    connection.release();
    written
}

#[divan::bench(args = cases(), min_time = 1, max_time = 5, sample_count = 20, sample_size = 1)]
fn prepared(bencher: Bencher<'_, '_>, (mode, len): (Mode, usize)) {
    let (mut connections, mut round) = (mode.connections(), 0);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        round += 1;
        let message = mode.prepare(&text(len, round));
        let send = |connection: &mut Connection| {
            connection.feed(&message).expect("room");
            write(connection)
        };
        connections.iter_mut().map(send).sum::<usize>()
    });
}

#[divan::bench(args = cases(), min_time = 1, max_time = 5, sample_count = 20, sample_size = 1)]
fn anew(bencher: Bencher<'_, '_>, (mode, len): (Mode, usize)) {
    let (mut connections, mut round) = (mode.connections(), 0);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        round += 1;
        let text = text(len, round);
        let send = |connection: &mut Connection| {
            connection.feed(&text).expect("room");
            write(connection)
        };
        connections.iter_mut().map(send).sum::<usize>()
    });
}

#[cfg(feature = "tokio")]
#[divan::bench(min_time = 1, max_time = 5, sample_count = 20, sample_size = 1)]
fn subscriptions(bencher: Bencher<'_, '_>) {
    use websocket_proto::tokio::{Broadcast, WhenSlow};

    let group = Broadcast::new();
    let mut subscriptions: Vec<_> = (0..CONNECTIONS)
        .map(|_| group.subscribe(16, WhenSlow::Disconnect))
        .collect();
    let message = PreparedMessage::text(text(1 << 10, 0));
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        group.try_send(&message).expect("no receiver to wait for");
        let received = subscriptions.iter_mut().map(|subscription| subscription.try_recv());
        assert!(received.into_iter().all(|received| matches!(received, Ok(Some(_)))));
    });
}
