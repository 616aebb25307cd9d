//! The order of reads, writes, deadlines and the end of an opening handshake, on a script: no I/O, no clock.

use core::time::Duration;

use websocket_proto::{
    Config, Connection, Limits, Step, Time, Timers,
    handshake::{
        Accept, AcceptError, ClientHandshake, ClientRequest, Handshake, HandshakeError, Opening, RejectError,
        Rejection, ServerHandshake,
    },
};

use crate::support::{Head, NONCE};

fn ms(n: u64) -> Time {
    Time::from_origin(Duration::from_millis(n))
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn timed(handshake: impl Into<Option<Duration>>) -> Config {
    Config::new().timers(Timers::new().handshake(handshake))
}

/// A transport whose behaviour is set by hand, and the loop that drives a handshake over it.
struct World<H: Handshake> {
    opening: Opening<H>,
    now: u64,
    /// Bytes ready to be read; when it is empty, a read blocks.
    waiting: Vec<u8>,
    /// Whether the same bytes arrive again after each read.
    floods: bool,
    /// Whether the transport ends, or fails, after `waiting`.
    ended: Option<Result<(), ()>>,
    /// The number of bytes that writes may take; `None`: they fail.
    room: Option<usize>,
    written: Vec<u8>,
    steps: Vec<Step>,
}

fn server(config: &Config) -> World<ServerHandshake> {
    World::of(Opening::server(config, Time::ZERO))
}

fn client(config: &Config) -> World<ClientHandshake> {
    let request: ClientRequest = "ws://example.com/chat".parse().expect("a valid URI");
    World::of(Opening::client(request, NONCE, config, Time::ZERO).expect("a valid request"))
}

impl<H: Handshake> World<H> {
    fn of(opening: Opening<H>) -> Self {
        Self {
            opening,
            now: 0,
            waiting: vec![],
            floods: false,
            ended: None,
            room: Some(usize::MAX),
            written: vec![],
            steps: vec![],
        }
    }

    /// One turn. Returns its last step: wait, yield, or the end.
    fn turn(&mut self) -> Step {
        self.opening.turn();
        self.go_on()
    }

    fn go_on(&mut self) -> Step {
        loop {
            let step = self.opening.next_step();
            self.steps.push(step);
            assert!(self.steps.len() < 200_000, "it spins: {:?}", &self.steps[..20]);
            if !self.perform(step) {
                return step;
            }
        }
    }

    /// Performs a step. Returns whether that was possible.
    fn perform(&mut self, step: Step) -> bool {
        let opening = &mut self.opening;
        match step {
            Step::Write => match self.room {
                None => opening.write_failed(),
                Some(0) => opening.write_blocked(),
                Some(room) => {
                    let n = opening.chunk().len().min(room);
                    assert!((1..=Opening::<H>::MAX_WRITE).contains(&n));
                    self.written.extend(&opening.chunk()[..n]);
                    self.room = Some(room - n);
                    opening.wrote(n);
                }
            },
            Step::Flush => opening.flushed(),
            Step::Shutdown => opening.shut_down(),
            Step::Read | Step::Discard if self.waiting.is_empty() => match self.ended {
                None => opening.read_blocked(),
                Some(Ok(())) => opening.read_ended(),
                Some(Err(())) => opening.read_failed(),
            },
            Step::Read | Step::Discard if self.floods => opening.read(&self.waiting),
            Step::Read | Step::Discard => opening.read(&std::mem::take(&mut self.waiting)),
            Step::Time => opening.at(ms(self.now)),
            Step::Wait(Some(due)) if due <= ms(self.now) => opening.at(ms(self.now)),
            _ => return false,
        }
        true
    }

    /// Lets time pass, with a turn whenever a deadline is due. Returns the time of the end.
    fn until(&mut self, end: u64) -> Option<u64> {
        loop {
            match self.turn() {
                Step::Ended => return Some(self.now),
                Step::Wait(Some(due)) if due <= ms(end) => {
                    let due = due.since_origin().as_nanos().div_ceil(1_000_000);
                    self.now = self.now.max(u64::try_from(due).expect("a short time"));
                }
                Step::Yield => self.now += 1,
                _ => {
                    self.now = end;
                    return None;
                }
            }
        }
    }

    fn written(&self) -> &str {
        core::str::from_utf8(&self.written).expect("ASCII")
    }

    fn count(&self, step: Step) -> usize {
        self.steps.iter().filter(|&&taken| taken == step).count()
    }
}

/// DRV-18: a request that is accepted, in pieces, with frames after it.
#[test]
fn a_request_is_received_and_accepted() {
    let config = Config::new();
    let mut world = server(&config);
    let head = Head::request().bytes();
    for piece in head.chunks(20) {
        assert_eq!(world.turn(), Step::Wait(Some(ms(10_000))));
        world.waiting = piece.to_vec();
    }
    world.waiting.extend(b"\x89\x80\0\0\0\0");
    assert_eq!(world.turn(), Step::Ended);
    let request = world.opening.outcome().unwrap();
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::Ended)), "once");
    assert_eq!(world.turn(), Step::Ended, "until the decision there is nothing to do");
    let negotiated = world.opening.accept(&request, Accept::new()).unwrap();
    assert!(negotiated.unsent_response().starts_with(b"HTTP/1.1 101 "));
    let mut connection = Connection::from_negotiated(&negotiated, &config);
    assert!(connection.next_event().unwrap().is_some(), "the Ping after the request");
    assert_eq!(world.written(), "");
}

/// DRV-18: the client writes its request, flushes it, and receives the response.
#[test]
fn a_request_is_sent_and_the_response_received() {
    let mut world = client(&Config::new());
    assert_eq!(world.turn(), Step::Wait(Some(ms(10_000))));
    assert!(world.written().starts_with("GET /chat HTTP/1.1\r\n"));
    assert!(world.written().ends_with("\r\n\r\n"));
    assert_eq!(&world.steps[..3], [Step::Write, Step::Flush, Step::Read]);
    world.waiting = [&Head::response().bytes()[..], b"\x89\0"].concat();
    assert_eq!(world.turn(), Step::Ended);
    let negotiated = world.opening.outcome().unwrap().into_negotiated();
    assert_eq!(negotiated.leftover(), b"\x89\0");
}

/// DRV-18, DRV-17: a refusal is written, flushed and shut down once, and later data is discarded until the client's end.
#[test]
fn a_refusal_is_sent_completely() {
    let mut world = server(&Config::new());
    world.waiting = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    world.room = Some(10);
    assert_eq!(world.turn(), Step::Wait(Some(ms(2000))), "the write blocks");
    world.now = 1000;
    world.room = Some(usize::MAX);
    world.waiting = vec![b'x'; 1000];
    assert_eq!(world.turn(), Step::Wait(Some(ms(2000))));
    assert!(world.written().starts_with("HTTP/1.1 405 ") && world.written().ends_with("\r\n\r\n"));
    assert!(world.waiting.is_empty());
    world.ended = Some(Ok(()));
    assert_eq!(world.turn(), Step::Ended);
    assert_eq!((world.count(Step::Flush), world.count(Step::Shutdown)), (1, 1));
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::Method)));
}

/// DRV-18: a client that was refused and does not end its side is disconnected after 2 s, whatever it sends.
#[test]
fn a_refused_client_has_a_bounded_time() {
    for (reads, sends) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = server(&timed(None));
        world.now = 500;
        world.waiting = b"nonsense\r\n\r\n".to_vec();
        world.room = Some(if reads { usize::MAX } else { 5 });
        assert_ne!(world.turn(), Step::Ended);
        if sends {
            (world.waiting, world.floods) = (vec![b'x'; 100], true);
        }
        let ended = world.until(100_000).unwrap();
        assert!((2500..=2501).contains(&ended), "{ended}");
        assert!(matches!(world.opening.outcome(), Err(HandshakeError::MalformedHead)));
    }
}

/// DRV-18: a silent client gets 408 when its time is over, and is disconnected 2 s later.
#[test]
fn a_late_request_is_refused() {
    for (timeout, expected) in [(millis(300), 300), (Duration::ZERO, 1), (Duration::from_nanos(1), 1)] {
        let mut world = server(&timed(timeout));
        assert_eq!(world.until(expected), None);
        world.turn();
        assert!(world.written().starts_with("HTTP/1.1 408 "), "{}", world.written());
        assert_eq!(world.until(10_000), Some(expected + 2000));
        assert!(matches!(world.opening.outcome(), Err(HandshakeError::TimedOut)));
        assert_eq!(world.count(Step::Shutdown), 1);
    }
}

/// DRV-10: a time of over 49 days means no deadline, and so does `None`.
#[test]
fn the_longest_time_is_no_deadline() {
    for timeout in [None, Some(Duration::MAX), Some(Duration::from_secs(5_000_000))] {
        assert_eq!(server(&timed(timeout)).turn(), Step::Wait(None));
        assert_eq!(client(&timed(timeout)).turn(), Step::Wait(None));
    }
}

/// DRV-01: available bytes are read before the deadline is judged, however late the caller comes.
#[test]
fn a_head_that_has_arrived_is_in_time() {
    for timeout in [millis(300), Duration::ZERO] {
        let mut world = server(&timed(timeout));
        world.turn();
        world.now = 100_000;
        world.waiting = Head::request().bytes();
        assert_eq!(world.turn(), Step::Ended);
        assert!(world.opening.outcome().is_ok());

        let mut world = client(&timed(timeout));
        world.turn();
        world.now = 100_000;
        world.waiting = Head::response().bytes();
        assert_eq!(world.turn(), Step::Ended);
        assert!(world.opening.outcome().is_ok());
    }
}

/// DRV-01: a late call leaves a millisecond for available bytes to be noticed; a punctual one does not.
#[test]
fn a_runtime_that_notices_late_gets_a_grace_period() {
    let mut world = client(&timed(millis(300)));
    world.turn();
    world.now = 1000;
    assert_eq!(world.turn(), Step::Wait(Some(ms(1001))));
    assert_eq!(world.opening.patience(), Some(ms(1001)));
    world.waiting = Head::response().bytes();
    world.now = 1001;
    assert_eq!(world.turn(), Step::Ended);
    assert!(world.opening.outcome().is_ok());

    let mut world = client(&timed(millis(300)));
    assert_eq!(world.until(1000), Some(300));
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::TimedOut)));
    assert_eq!(world.turn(), Step::Ended);
}

/// DRV-13: a turn has a bounded number of reads, and a flood does not delay the deadline.
#[test]
fn a_flood_ends_in_time() {
    let limits = Limits::new().max_head_size(1 << 30);
    let mut world = server(&timed(millis(300)).limits(limits));
    (world.waiting, world.floods) = (b"x".to_vec(), true);
    assert_eq!(world.turn(), Step::Yield);
    assert_eq!(world.count(Step::Read), 32);
    world.now = 299;
    assert_eq!(world.turn(), Step::Yield);
    world.now = 300;
    world.turn();
    assert!(world.written().starts_with("HTTP/1.1 408 "));

    let mut world = server(&timed(None).limits(limits));
    (world.waiting, world.floods) = (b"x".to_vec(), true);
    assert_eq!(world.turn(), Step::Yield);
    assert_eq!(world.count(Step::Time), 0, "the time is not needed");
}

/// DRV-18: a decision that cannot be sent is a 500.
#[test]
fn an_impossible_decision_is_a_500() {
    let decide = |reject: bool| {
        let mut world = server(&Config::new());
        world.waiting = Head::request().bytes();
        world.turn();
        let request = world.opening.outcome().unwrap();
        world.now = 60_000;
        if reject {
            let rejected = world.opening.reject(&Rejection::new(101));
            assert_eq!(rejected, Err(RejectError::Status));
        } else {
            let accepted = world.opening.accept(&request, Accept::new().subprotocol("unheard-of"));
            assert_eq!(accepted.unwrap_err(), AcceptError::UnofferedSubprotocol);
        }
        assert_eq!(world.until(61_999), None, "the time for the decision does not count");
        assert!(world.written().starts_with("HTTP/1.1 500 "));
        assert_eq!(world.until(63_000), Some(62_000));
        assert!(matches!(world.opening.outcome(), Err(HandshakeError::Ended)));
    };
    decide(true);
    decide(false);
}

/// DRV-18: a rejection is sent like a refusal.
#[test]
fn a_rejection_is_sent_completely() {
    let mut world = server(&Config::new());
    world.waiting = Head::request().bytes();
    world.turn();
    world.opening.reject(&Rejection::new(404).body("gone")).unwrap();
    assert_eq!(world.turn(), Step::Wait(Some(ms(2000))));
    assert!(world.written().ends_with("\r\n\r\ngone"));
    world.ended = Some(Err(()));
    assert_eq!(world.turn(), Step::Ended);
}

/// DRV-18: if the refusal cannot be delivered, there is nothing to wait for.
#[test]
fn a_refusal_that_cannot_be_written_ends_at_once() {
    let mut world = server(&Config::new());
    world.waiting = b"nonsense\r\n\r\n".to_vec();
    world.room = None;
    assert_eq!(world.turn(), Step::Ended);
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::MalformedHead)));
    for ended in [Ok(()), Err(())] {
        let mut world = server(&Config::new());
        world.ended = Some(ended);
        assert_eq!(world.turn(), Step::Ended);
        assert!(matches!(world.opening.outcome(), Err(HandshakeError::Eof)));
        assert_eq!(world.written(), "");
    }
}

/// DRV-02: a server's response is received although the server does not take the request.
#[test]
fn a_refusal_takes_precedence_over_a_failed_write() {
    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    for room in [None, Some(10)] {
        let mut world = client(&Config::new());
        world.room = room;
        world.waiting = refusal.to_vec();
        assert_eq!(world.turn(), Step::Ended);
        assert!(matches!(world.opening.outcome(), Err(HandshakeError::Refused(refusal)) if refusal.status() == 503));
    }
}

/// DRV-02: after a failed write, a server has 2 s, and no more than the deadline.
#[test]
fn the_wait_after_a_failed_write_is_bounded() {
    for (timeout, expected) in [(None, 2000), (Some(millis(20_000)), 2000), (Some(millis(300)), 300)] {
        let mut world = client(&timed(timeout));
        world.room = None;
        assert_eq!(world.until(30_000), Some(expected));
        assert!(matches!(world.opening.outcome(), Err(HandshakeError::Eof)));
    }
}

/// DRV-18: a response to part of the request opens nothing before all of the request is written.
#[test]
fn a_response_does_not_cut_the_request() {
    let begin = || {
        let mut world = client(&timed(millis(300)));
        world.room = Some(100);
        world.waiting = Head::response().bytes();
        assert_eq!(world.turn(), Step::Wait(Some(ms(300))));
        world
    };
    let mut world = begin();
    world.room = Some(usize::MAX);
    assert_eq!(world.turn(), Step::Ended);
    assert!(world.written().ends_with("\r\n\r\n"));
    assert!(world.opening.outcome().is_ok());

    let mut world = begin();
    world.room = None;
    assert_eq!(world.turn(), Step::Ended);
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::Eof)));

    let mut world = begin();
    assert_eq!(world.until(1000), Some(300));
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::TimedOut)));
}

/// DRV-11: an operation that was started is not requested again, and its late result is used or discarded.
#[test]
fn completion_io_starts_each_operation_once() {
    let mut world = server(&timed(millis(300)));
    assert_eq!(world.opening.next_step(), Step::Read);
    world.opening.read_started();
    assert_eq!(world.opening.next_step(), Step::Wait(Some(ms(300))));
    world.opening.at(ms(300));
    assert_eq!(world.opening.next_step(), Step::Time, "the refusal begins");
    world.opening.at(ms(300));
    assert_eq!(world.opening.next_step(), Step::Write);
    world.opening.write_started();
    assert_eq!(world.opening.next_step(), Step::Wait(Some(ms(2300))));
    let n = world.opening.chunk().len();
    world.opening.wrote(n);
    assert_eq!(world.opening.next_step(), Step::Flush);
    world.opening.flushed();
    assert_eq!(world.opening.next_step(), Step::Shutdown);
    world.opening.shut_down();
    assert_eq!(world.opening.next_step(), Step::Wait(Some(ms(2300))));
    world.opening.read(&Head::request().bytes());
    assert_eq!(world.opening.next_step(), Step::Discard);
    world.opening.read_ended();
    assert_eq!(world.opening.next_step(), Step::Ended);
    assert!(matches!(world.opening.outcome(), Err(HandshakeError::TimedOut)));
}

/// DRV-18: edge-triggered loops report which side is ready.
#[test]
fn only_the_side_that_is_ready_is_tried() {
    let mut world = client(&Config::new());
    world.room = Some(10);
    world.turn();
    world.steps.clear();
    world.opening.readable();
    world.go_on();
    assert_eq!(world.steps, [Step::Read, Step::Wait(Some(ms(10_000)))]);
    world.opening.writable();
    world.go_on();
    assert_eq!(world.steps[2..], [Step::Write, Step::Wait(Some(ms(10_000)))]);
}

/// DRV-18: earlier steps, such as the TLS handshake, can share the time.
#[test]
fn the_deadline_can_be_set() {
    let mut world = server(&Config::new());
    world.opening.set_deadline(Some(ms(50)));
    assert_eq!(world.turn(), Step::Wait(Some(ms(50))));
    world.opening.set_deadline(None);
    assert_eq!(world.turn(), Step::Wait(None));
}

/// SEC-16: a handshake that has failed shuts the write side down, once, so that TLS can send its `close_notify`. A transport that
/// has failed is left alone.
#[test]
fn failures_end_with_a_shutdown() {
    fn check<H: Handshake>(mut world: World<H>, shutdowns: usize) {
        assert!(world.until(20_000).is_some());
        world.opening.outcome().expect_err("it has failed");
        assert_eq!(world.count(Step::Shutdown), shutdowns, "{:?}", world.steps);
        assert_eq!(world.steps.last(), Some(&Step::Ended));
        assert_eq!(world.turn(), Step::Ended, "once");
        assert_eq!(world.count(Step::Shutdown), shutdowns);
    }
    // The end of the transport inside a head.
    for (ended, shutdowns) in [(Ok(()), 1), (Err(()), 0)] {
        let (mut server, mut client) = (server(&Config::new()), client(&Config::new()));
        (server.waiting, client.waiting) = (b"GET / HT".to_vec(), b"HTTP/1.1 1".to_vec());
        (server.ended, client.ended) = (Some(ended), Some(ended));
        check(server, shutdowns);
        check(client, shutdowns);
    }
    // A refusal, invalid data, and no data at all.
    for response in [
        &b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"[..],
        b"220 mail.example ESMTP\r\n",
        b"",
    ] {
        let mut client = client(&Config::new());
        client.waiting = response.to_vec();
        check(client, 1);
    }
    // The rest of a request that the server does not read is dropped.
    let mut client = client(&Config::new());
    client.room = Some(10);
    client.waiting = b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n".to_vec();
    check(client, 0);
}
