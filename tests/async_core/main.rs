//! The async engine without a runtime: a custom transport, polled by hand, on a clock that the test sets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use websocket_proto::{
    CloseCode, Config, Error, Message, ProtocolError, Time, Timers,
    asynchronous::{Acceptor, RuntimeTimer, Transport, WebSocket},
    handshake::{Accept, ClientRequest, HandshakeError},
};

/// One direction of a pipe: bytes, and the task that waits for them.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    is_ended: bool,
    reader: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// One end of two pipes.
struct End {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.is_ended = true;
        outgoing.wake();
    }
}

fn pipe() -> (End, End) {
    let (there, back) = (Rc::default(), Rc::default());
    let far = End {
        incoming: Rc::clone(&there),
        outgoing: Rc::clone(&back),
    };
    let near = End {
        incoming: back,
        outgoing: there,
    };
    (near, far)
}

impl Transport for End {
    type Timer = Clock;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.bytes.is_empty() && !incoming.is_ended {
            incoming.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(io::Read::read(&mut incoming.bytes, buffer))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut outgoing = self.outgoing.borrow_mut();
        // A few bytes at a time, so that every message takes several writes.
        let n = slices[0].len().min(1000);
        outgoing.bytes.extend(&slices[0][..n]);
        outgoing.wake();
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.is_ended = true;
        outgoing.wake();
        Poll::Ready(Ok(()))
    }
}

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The clock of the test. It wakes no task: the test polls again after it has set the time.
struct Clock;

impl RuntimeTimer for Clock {
    fn new() -> Self {
        Self
    }

    fn now(&self) -> Time {
        Time::from_origin(NOW.get())
    }

    fn poll_until(&mut self, due: Time, _: &mut Context<'_>) -> Poll<()> {
        if self.now() >= due {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls two futures until both are done. Fails if neither is awake.
fn run<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    loop {
        assert!(flag.0.swap(false, Ordering::Relaxed), "neither future is awake");
        poll(&mut first, a.as_mut(), &mut cx);
        poll(&mut second, b.as_mut(), &mut cx);
        if let (Some(_), Some(_)) = (&first, &second) {
            return (first.unwrap(), second.unwrap());
        }
    }
}

fn poll<F: Future>(output: &mut Option<F::Output>, future: Pin<&mut F>, cx: &mut Context<'_>) {
    if output.is_none() {
        if let Poll::Ready(done) = future.poll(cx) {
            *output = Some(done);
        }
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn client(end: End, config: &Config) -> Result<WebSocket<End>, Error> {
    let request: ClientRequest = "ws://localhost/chat".parse().unwrap();
    let (websocket, _) = WebSocket::<End>::client_with(end, request, config).await?;
    Ok(websocket)
}

async fn server(end: End, config: &Config) -> Result<WebSocket<End>, Error> {
    let mut acceptor = Acceptor::<End>::new(end, config);
    let request = acceptor.recv_request().await?;
    assert_eq!(request.target(), "/chat");
    acceptor.accept(&request, Accept::new()).await
}

fn connected(config: &Config) -> (WebSocket<End>, WebSocket<End>) {
    let (near, far) = pipe();
    let (client, server) = run(client(near, config), server(far, config));
    (client.unwrap(), server.unwrap())
}

#[test]
fn a_transport_of_the_application_carries_a_connection() {
    let (mut client, mut server) = connected(&Config::new());
    let long = "x".repeat(100_000);
    let talk = async {
        for text in ["hello", long.as_str()] {
            client.send(text).await?;
            let echoed = client.recv().await?;
            assert_eq!(echoed.as_ref().and_then(Message::as_text), Some(text));
        }
        client.close(CloseCode::NORMAL).await
    };
    let echo = async {
        while let Some((message, outbound)) = server.recv_split().await? {
            outbound.feed(message)?;
        }
        Ok::<(), Error>(())
    };
    let (talked, echoed) = run(talk, echo);
    talked.unwrap();
    echoed.unwrap();
}

#[test]
fn halves_work_over_it() {
    let (client, server) = connected(&Config::new());
    let (mut send, mut recv) = client.split();
    let (mut server_send, mut server_recv) = server.split();
    let client = async {
        send.send("question").await?;
        let answer = recv.recv().await?;
        assert_eq!(answer, Some(Message::from("answer")));
        send.close(CloseCode::NORMAL).await?;
        assert_eq!(recv.recv().await?, None);
        Ok::<(), Error>(())
    };
    let server = async {
        assert_eq!(server_recv.recv().await?, Some(Message::from("question")));
        server_send.send("answer").await?;
        assert_eq!(server_recv.recv().await?, None);
        Ok::<(), Error>(())
    };
    let (client, server) = run(client, server);
    client.unwrap();
    server.unwrap();
}

#[test]
fn deadlines_use_its_timer() {
    let config = Config::new().timers(Timers::new().keepalive(Duration::from_secs(20)));
    let (mut client, server) = connected(&config);
    let mut recv = pin!(client.recv());
    assert!(poll_once(recv.as_mut()).is_pending());
    NOW.set(Duration::from_secs(20));
    // The Ping, which the server never answers.
    assert!(poll_once(recv.as_mut()).is_pending());
    NOW.set(Duration::from_secs(100));
    let mut outcome = poll_once(recv.as_mut());
    // The connection has failed, and its end is awaited.
    if outcome.is_pending() {
        NOW.set(Duration::from_secs(200));
        outcome = poll_once(recv.as_mut());
    }
    assert!(
        matches!(outcome, Poll::Ready(Err(Error::Protocol(ProtocolError::TimedOut(_))))),
        "{outcome:?}"
    );
    drop(server);
}

#[test]
fn the_deadline_of_the_opening_handshake_uses_its_timer() {
    let (near, far) = pipe();
    let config = Config::new();
    let mut accept = pin!(server(near, &config));
    assert!(poll_once(accept.as_mut()).is_pending());
    NOW.set(Duration::from_secs(10));
    // The client gets an answer, and some time to read it.
    assert!(poll_once(accept.as_mut()).is_pending());
    let answer: Vec<u8> = far.incoming.borrow().bytes.iter().copied().collect();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
    NOW.set(Duration::from_secs(13));
    let mut outcome = poll_once(accept.as_mut()).map_ok(|_| ());
    // A late caller gets a short grace period to notice available bytes.
    if outcome.is_pending() {
        NOW.set(Duration::from_millis(13_002));
        outcome = poll_once(accept.as_mut()).map_ok(|_| ());
    }
    assert!(
        matches!(outcome, Poll::Ready(Err(Error::Handshake(HandshakeError::TimedOut)))),
        "{outcome:?}"
    );
}
