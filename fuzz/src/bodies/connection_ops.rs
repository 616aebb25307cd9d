//! Two ends that exchange messages, following a list of operations, over a transport that cuts, delays and breaks: no message is
//! lost, reordered or invented before a Close, and both ends terminate.

mod check;
mod end;

use core::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use websocket_proto::{
    Config, Delivery, Limits, Negotiated, PingPolicy, PreparedMessage, ProtocolError, Role, Side, Time, Timers,
};

use self::{
    check::{check_close, check_messages, check_pings, check_pongs},
    end::End,
};
use super::{
    raw::{Ended, Got},
    rng::Rng,
    wire,
};

/// The most operations of a run.
const MAX_OPS: usize = 400;

#[derive(Clone, Debug, Arbitrary)]
struct Plan<'a> {
    ends: [Settings; 2],
    deflate: bool,
    ops: Vec<(bool, Op<'a>)>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Settings {
    pieces: bool,
    report_pings: bool,
    small_queue: bool,
    keepalive: Option<u8>,
    idle: Option<u8>,
    no_write_timer: bool,
}

/// What happens at one end, or on the way from it.
#[derive(Clone, Debug, Arbitrary)]
enum Op<'a> {
    Send(Data<'a>),
    SendUncompressed(Data<'a>),
    SendPrepared(Data<'a>),
    Fragment(Data<'a>, bool),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    MeasureLatency,
    Release,
    Close(Option<u16>, &'a str),
    /// Up to this number of bytes are written.
    Write(u16),
    /// Up to this number of bytes arrive at the other end, by `space` or by `receive`.
    Deliver(u16, bool),
    Pass(u16),
    Break(Break),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Break {
    Abort,
    Eof,
    Both,
}

#[derive(Clone, Debug, Arbitrary)]
enum Data<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Noise, owned or lent.
    Long(u8, u16, bool),
    LongText(u16),
}

impl Data<'_> {
    fn message(&self) -> Got {
        match self {
            Self::Text(text) => Got::text(text),
            Self::Bytes(bytes) => Got::binary(bytes),
            Self::Long(seed, len, _) => Got::Binary(Rng::new((*seed).into()).bytes(usize::from(*len))),
            Self::LongText(len) => Got::Text("ä€".repeat(usize::from(*len) / 4)),
        }
    }

    fn is_lent(&self) -> bool {
        !matches!(self, Self::Long(_, _, true))
    }
}

pub fn run(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut talk = Talk::new(&plan);
    for (which, op) in plan.ops.iter().take(MAX_OPS) {
        talk.operate(usize::from(*which), op);
    }
    talk.finish();
    talk.check();
}

struct Talk {
    ends: [End; 2],
    now: Time,
    /// Nothing was lost, and no end was kept waiting: both must end cleanly.
    fair: bool,
}

impl Talk {
    fn new(plan: &Plan<'_>) -> Self {
        let configs = plan.ends.map(|settings| settings.config());
        let (client, server, configs) = negotiate(configs, plan.deflate);
        Self {
            ends: [End::new(&client, &configs[0]), End::new(&server, &configs[1])],
            now: Time::ZERO,
            fair: true,
        }
    }

    fn operate(&mut self, which: usize, op: &Op<'_>) {
        let end = &mut self.ends[which];
        match op {
            Op::Send(data) => end.send(data, true),
            Op::SendUncompressed(data) => end.send(data, false),
            Op::SendPrepared(data) => end.send_prepared(data.message()),
            Op::Fragment(data, last) => end.send_fragment(data, *last),
            Op::Ping(payload) => end.send_control(payload, true),
            Op::Pong(payload) => end.send_control(payload, false),
            Op::MeasureLatency => end.connection.measure_latency(),
            Op::Release => end.connection.release(),
            Op::Close(code, reason) => end.close(*code, reason),
            Op::Write(most) => drop(end.write((*most).into())),
            Op::Deliver(most, by_space) => drop(self.deliver(which, (*most).into(), *by_space)),
            Op::Pass(millis) => self.pass(Duration::from_millis((*millis).into())),
            Op::Break(how) => self.lose(which, *how),
        }
    }

    /// Delivers up to `most` bytes that `from` wrote to the other end, followed by the end of the stream.
    fn deliver(&mut self, from: usize, most: usize, by_space: bool) -> bool {
        let [client, server] = &mut self.ends;
        let (from, to) = if from == 0 { (client, server) } else { (server, client) };
        let n = most.min(from.under_way.len());
        let bytes: Vec<u8> = from.under_way.drain(..n).collect();
        to.read(&bytes, by_space);
        let ends = from.shut && from.under_way.is_empty() && !from.shut_arrived;
        if ends {
            from.shut_arrived = true;
            to.connection.receive_eof();
            to.poll();
        }
        n > 0 || ends
    }

    /// Time passes; deadlines are handled at both ends, sometimes late.
    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for end in &mut self.ends {
            for round in 0.. {
                if end.connection.poll_timeout().is_none_or(|due| due > self.now) {
                    break;
                }
                assert!(round < 10, "a deadline that was handled is due again");
                end.connection.handle_timeout(self.now);
                end.poll();
                self.fair &= !matches!(end.error, Some(ProtocolError::TimedOut(_)));
            }
            // A deadline that passes after the Close is not a failure, but may cut off pending output.
            self.fair &= !end.is_closed() || end.connection.close_info().is_some_and(|closure| closure.clean);
        }
    }

    /// The transport breaks, for one end or for both, with the data in flight.
    fn lose(&mut self, which: usize, how: Break) {
        self.fair = false;
        match how {
            Break::Abort => self.ends[which].connection.abort(),
            Break::Eof => self.ends[which].connection.receive_eof(),
            Break::Both => {
                for end in &mut self.ends {
                    end.under_way.clear();
                    end.shut = true;
                }
            }
        }
        self.ends[which].poll();
    }

    /// Closes, and moves everything until both ends are closed.
    fn finish(&mut self) {
        self.ends[0].close(Some(1000), "");
        for _ in 0..5000 {
            let mut moved = false;
            for which in 0..2 {
                moved |= self.ends[which].write(usize::MAX);
                moved |= self.deliver(which, usize::MAX, true);
            }
            if self.ends.iter().all(End::is_closed) {
                return;
            }
            if !moved {
                self.pass(Duration::from_millis(250));
            }
        }
        panic!(
            "the run does not end: {:?}",
            self.ends.each_ref().map(|end| end.connection.close_info())
        );
    }

    fn check(&self) {
        let [client, server] = &self.ends;
        for (end, peer) in [(client, server), (server, client)] {
            let (frames, rest) = wire::parse(&end.written);
            assert!(rest.is_empty() || !self.fair, "{:?} ended inside a frame", end.role);
            wire::check_sent(end.role, &frames);
            check_close(end, &frames);
            check_messages(end, peer);
            check_pings(end, peer);
            check_pongs(end, peer, &frames);
            let closure = end.connection.close_info().expect("closed");
            assert_eq!(closure.failure, end.error);
            if let Some(error) = end.error {
                let lost = matches!(error, ProtocolError::ConnectionLost | ProtocolError::TimedOut(_));
                assert!(lost && !self.fair, "{:?}: {error}", end.role);
            }
            assert!(!self.fair || closure.clean, "{:?}: {closure:?}", end.role);
            assert!(end.connection.poll_timeout().is_none(), "a deadline after the end");
        }
        let [client, server] = [client, server].map(|end| Ended::from(end.connection.close_info().expect("closed")));
        if client.clean && server.clean {
            assert_eq!((Some(client.code), client.sent), (server.sent, Some(server.code)));
            assert_ne!(
                (client.initiator, server.initiator),
                (Side::Peer, Side::Peer),
                "one end began"
            );
        }
    }
}

impl Settings {
    fn config(self) -> Config {
        let seconds = |n: u8| Duration::from_secs(1 + u64::from(n % 60));
        let mut timers = Timers::new()
            .keepalive(self.keepalive.map(seconds))
            .idle(self.idle.map(seconds));
        if self.no_write_timer {
            timers = timers.write(None);
        }
        let mut limits = Limits::new();
        if self.small_queue {
            limits = limits.output_high_water(1000);
        }
        Config::new()
            .timers(timers)
            .limits(limits)
            .delivery(if self.pieces {
                Delivery::Fragments
            } else {
                Delivery::Messages
            })
            .pings(if self.report_pings {
                PingPolicy::Report
            } else {
                PingPolicy::Answer
            })
    }
}

#[cfg(feature = "deflate")]
fn deflate_config() -> websocket_proto::DeflateConfig {
    websocket_proto::DeflateConfig::context_takeover()
        .threshold(20)
        .level(1)
}

/// The message, encoded once, in all possible forms.
fn prepared(message: &Got) -> PreparedMessage {
    let prepared = match message {
        Got::Text(text) => PreparedMessage::text(text),
        Got::Binary(payload) => PreparedMessage::binary(payload),
        other => panic!("{other:?}"),
    };
    #[cfg(feature = "deflate")]
    let prepared = prepared.deflated(deflate_config());
    prepared
}

#[cfg(feature = "deflate")]
fn negotiate(configs: [Config; 2], deflate: bool) -> (Negotiated, Negotiated, [Config; 2]) {
    let (client, server) = (Negotiated::new(Role::Client), Negotiated::new(Role::Server));
    if !deflate {
        return (client, server, configs);
    }
    let deflate = deflate_config();
    let (params, answer) = deflate.answer(deflate.offers()).expect("our own offer");
    let agreed = deflate.check_answer(&answer).expect("our own answer");
    (
        client.with_deflate(agreed),
        server.with_deflate(params),
        configs.map(|config| config.deflate(deflate)),
    )
}

#[cfg(not(feature = "deflate"))]
fn negotiate(configs: [Config; 2], _: bool) -> (Negotiated, Negotiated, [Config; 2]) {
    (Negotiated::new(Role::Client), Negotiated::new(Role::Server), configs)
}
