//! The ways to run a connection, under one trait: each call does what it can do now.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use allocation_counter::opt_out;
use websocket_proto::{
    Buf, Closure, Config, Connection, Error, Event, ReadyState, Role, Time, blocking,
    handshake::{Accept, ClientHandshake, ClientRequest, ServerHandshake},
};

use crate::{
    application::{Op, message},
    clock::{self, Alarm},
    network::Pipe,
    raw::Got,
    streams::NonBlocking,
};

/// An open connection.
pub trait Shell {
    /// Whether it is used from two tasks, one for each direction.
    fn is_split(&self) -> bool {
        false
    }

    /// Does one thing of an application. `Pending`, or a refusal, has done nothing of it.
    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Writes what is queued, as far as it goes.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// The next event, in one of the ways to receive; `None` is the end.
    fn receive(&mut self, way: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>>;

    fn closure(&self) -> Option<Closure>;
}

/// A copy of an event, which is the application's and not the connection's.
pub fn got(event: Event<'_>) -> Got {
    let mut got = None;
    opt_out(|| got = Some(event.into()));
    got.expect("copied")
}

pub fn request() -> ClientRequest {
    "ws://example.com/chat".parse().expect("an address")
}

/// The bare core, in a loop of its own.
struct Core {
    connection: Connection,
    pipe: Pipe,
    origin: Duration,
    alarm: Alarm,
    unflushed: bool,
    shut_down: bool,
}

/// Opens a connection of the bare core.
pub async fn open_core(pipe: Pipe, role: Role, config: Config) -> Result<Box<dyn Shell>, Error> {
    let alarm = Alarm::new();
    let deadline = clock::now() + config.timers.handshake.expect("a deadline");
    let negotiated = match role {
        Role::Client => {
            let mut handshake = ClientHandshake::new(request(), config.nonce()?, &config)?;
            let request = handshake.request().to_vec();
            let mut written = 0;
            let response = poll_fn(|cx| -> Poll<Result<_, Error>> {
                if alarm.poll_until(deadline, cx).is_ready() {
                    return Poll::Ready(Err(handshake.handle_timeout().into()));
                }
                while written < request.len() {
                    match ready!(pipe.poll_write(cx, &[io::IoSlice::new(&request[written..])]))? {
                        0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                        n => written += n,
                    }
                }
                ready!(pipe.poll_flush(cx))?;
                let mut buffer = [0; 300];
                loop {
                    match ready!(pipe.poll_read(cx, &mut buffer))? {
                        0 => return Poll::Ready(Err(handshake.receive_eof().into())),
                        n => {
                            if let Some(response) = handshake.receive(&buffer[..n])? {
                                return Poll::Ready(Ok(response));
                            }
                        }
                    }
                }
            })
            .await?;
            response.into_negotiated()
        }
        Role::Server => {
            let mut handshake = ServerHandshake::new(&config);
            let request = poll_fn(|cx| -> Poll<Result<_, Error>> {
                if alarm.poll_until(deadline, cx).is_ready() {
                    return Poll::Ready(Err(handshake.handle_timeout().into()));
                }
                let mut buffer = [0; 300];
                loop {
                    match ready!(pipe.poll_read(cx, &mut buffer))? {
                        0 => return Poll::Ready(Err(handshake.receive_eof().into())),
                        n => {
                            if let Some(request) = handshake.receive(&buffer[..n])? {
                                return Poll::Ready(Ok(request));
                            }
                        }
                    }
                }
            })
            .await?;
            let accepted = request.accept(Accept::new())?;
            let response = accepted.response().to_vec();
            accepted.into_negotiated().with_prelude(response)
        }
    };
    Ok(Box::new(Core {
        connection: Connection::from_negotiated(&negotiated, &config),
        pipe,
        origin: clock::now(),
        alarm,
        unflushed: false,
        shut_down: false,
    }))
}

impl Core {
    fn now(&self) -> Time {
        Time::from_origin(clock::now() - self.origin)
    }

    /// Handles what is due. Returns whether something was.
    fn handle_timeouts(&mut self, cx: &Context<'_>) -> bool {
        let mut handled = false;
        for round in 0.. {
            assert!(round < 10, "a deadline that was handled is due again");
            let now = self.now();
            match self.connection.poll_timeout() {
                Some(due) if due <= now => self.connection.handle_timeout(now),
                Some(due) => {
                    self.alarm.set(self.origin + due.since_origin(), cx.waker());
                    break;
                }
                None => {
                    self.alarm.clear();
                    break;
                }
            }
            handled = true;
        }
        handled
    }

    fn poll_write(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            let output = self.connection.output();
            let mut slices = [io::IoSlice::new(&[]); 4];
            let used = output.chunks_vectored(&mut slices);
            match ready!(self.pipe.poll_write(cx, &slices[..used]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => output.advance(n),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(self.pipe.poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.connection.wants_shutdown() && !self.shut_down {
            self.pipe.shut_down();
            self.shut_down = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Shell for Core {
    fn operate(&mut self, op: &Op, owned: bool, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let connection = &mut self.connection;
        let done = match op {
            Op::Message(data) => connection
                .send(message(data, owned))
                .map_err(|error| error.without_unsent()),
            Op::Fragment(data, fin) => {
                let sent = connection.send_fragment(message(data, owned), *fin);
                sent.map_err(|error| error.without_unsent())
            }
            Op::Ping(payload) => connection.ping(payload),
            Op::Pong(payload) => connection.pong(payload),
            Op::Close(code) => connection.close(Op::close_frame(*code)),
            Op::MeasureLatency => {
                connection.measure_latency();
                Ok(())
            }
            Op::Release => {
                connection.release();
                Ok(())
            }
        };
        Poll::Ready(done.map_err(Error::Send))
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.connection.ready_state() != ReadyState::Closed && ready!(self.poll_write(cx)).is_err() {
            self.connection.abort();
        }
        Poll::Ready(Ok(()))
    }

    fn receive(&mut self, _: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        loop {
            let failure = match self.connection.next_event() {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(got(event)))),
                Ok(None) => None,
                Err(failure) => Some(failure),
            };
            if self.connection.ready_state() == ReadyState::Closed {
                self.alarm.clear();
                return Poll::Ready(failure.map_or(Ok(None), |failure| Err(failure.into())));
            }
            if self.handle_timeouts(cx) {
                continue;
            }
            if let Poll::Ready(Err(_)) = self.poll_write(cx) {
                self.connection.abort();
                continue;
            }
            if self.connection.ready_state() == ReadyState::Closed || self.handle_timeouts(cx) {
                continue;
            }
            if !self.connection.wants_read() {
                return Poll::Pending;
            }
            match self.pipe.poll_read(cx, self.connection.space()) {
                Poll::Ready(Ok(0)) => self.connection.receive_eof(),
                Poll::Ready(Ok(n)) => self.connection.advance(n),
                Poll::Ready(Err(_)) => self.connection.abort(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn closure(&self) -> Option<Closure> {
        self.connection.closure()
    }
}

/// The blocking shell over a stream that is never waited for.
struct Blocking {
    websocket: blocking::WebSocket<NonBlocking>,
    waker: Rc<RefCell<Waker>>,
    /// Closing is a call that goes on to the end.
    closing: Option<Option<u16>>,
}

/// What a call gave, if the stream was ready for it.
fn ready_only<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match result {
        Err(error) if error.is_would_block() => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// Opens a connection of the blocking shell.
pub async fn open_blocking(pipe: Pipe, role: Role, config: Config) -> Result<Box<dyn Shell>, Error> {
    let (stream, waker) = NonBlocking::new(pipe);
    let websocket = match role {
        Role::Client => {
            let mut connector = blocking::Connector::new(stream, request(), &config)?;
            let response = poll_fn(|cx| {
                waker.replace(cx.waker().clone());
                ready_only(connector.recv_response())
            });
            let response = response.await?;
            connector.open(response)?
        }
        Role::Server => {
            let mut acceptor = blocking::Acceptor::new(stream, &config);
            let request = poll_fn(|cx| {
                waker.replace(cx.waker().clone());
                ready_only(acceptor.recv_request())
            });
            let request = request.await?;
            acceptor.accept(&request, Accept::new())?
        }
    };
    Ok(Box::new(Blocking {
        websocket,
        waker,
        closing: None,
    }))
}

impl Shell for Blocking {
    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.waker.replace(cx.waker().clone());
        let websocket = &mut self.websocket;
        let done = match op {
            Op::Message(data) => websocket.feed(message(data, owned)),
            Op::Fragment(data, fin) => websocket.feed_fragment(message(data, owned), *fin),
            // Whether it is queued by then cannot be told, and does not matter.
            Op::Ping(payload) => match websocket.ping(payload) {
                Err(error) if error.is_would_block() => Ok(()),
                done => done,
            },
            Op::Pong(payload) => websocket.pong(payload),
            Op::Close(code) => {
                self.closing = Some(*code);
                Ok(())
            }
            Op::MeasureLatency => {
                websocket.measure_latency();
                Ok(())
            }
            Op::Release => Ok(()),
        };
        ready_only(done)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.waker.replace(cx.waker().clone());
        ready_only(self.websocket.flush())
    }

    fn receive(&mut self, way: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        self.waker.replace(cx.waker().clone());
        if let Some(code) = self.closing {
            return ready_only(self.websocket.close(Op::close_frame(code)).map(|()| None));
        }
        let received = match way {
            0 => self.websocket.recv_event().map(|event| event.map(got)),
            1 => {
                let message = self.websocket.recv();
                message.map(|message| message.map(|message| got(Event::Message(message))))
            }
            _ => {
                let message = self.websocket.recv_ref();
                message.map(|message| message.map(|(message, _)| got(Event::Message(message))))
            }
        };
        ready_only(received)
    }

    fn closure(&self) -> Option<Closure> {
        self.websocket.closure()
    }
}
