//! The ways to run a connection, under one trait: each call does as much as it can do now.

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use allocation_counter::opt_out;
use websocket_proto::{
    CloseInfo, Config, Error, Event, Fragment, Outbound, Role, blocking,
    handshake::{Accept, ClientRequest},
};

use crate::{
    application::{Op, message},
    network::Pipe,
    raw::Got,
    streams::NonBlocking,
};

/// An open connection.
pub trait Shell {
    /// Whether two tasks use it, one for each direction.
    fn is_split(&self) -> bool {
        false
    }

    /// Performs one action of an application. `Pending`, or a refusal, means that no part of it was done.
    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Writes what is queued, as far as possible.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// The next event, by one of the ways to receive; `None` means the end.
    fn receive(&mut self, way: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>>;

    fn close_info(&self) -> Option<CloseInfo>;

    /// Bytes of pending output, if known.
    fn queued(&mut self) -> Option<usize> {
        None
    }
}

/// Performs one action of an application through the sending half.
pub fn operate(outbound: &mut Outbound, op: &Op, owned: bool) -> Result<(), Error> {
    let done = match op {
        Op::Message(data) => outbound
            .feed(message(data, owned))
            .map_err(|error| error.without_unsent()),
        Op::Fragment(data, is_last) => {
            let sent = outbound.feed(Fragment::new(message(data, owned), *is_last));
            sent.map_err(|error| error.without_unsent())
        }
        Op::Ping(payload) => outbound.ping(payload),
        Op::Pong(payload) => outbound.pong(payload),
        Op::Close(code) => outbound.close(Op::close_frame(*code)),
        Op::MeasureLatency | Op::Release => Ok(()),
    };
    done.map_err(Error::Send)
}

/// A copy of an event, which belongs to the application and not to the connection.
pub fn got(event: Event<'_>) -> Got {
    let mut got = None;
    opt_out(|| got = Some(event.into()));
    got.expect("copied")
}

pub fn request() -> ClientRequest {
    "ws://example.com/chat".parse().expect("an address")
}

/// The blocking shell over a stream that never blocks.
struct Blocking {
    websocket: blocking::WebSocket<NonBlocking>,
    waker: Rc<RefCell<Waker>>,
    /// Closing is a call that continues until the end.
    closing: Option<Option<u16>>,
}

/// The result of a call, if the stream was ready for it.
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
            connector.open(response)
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
            Op::Fragment(data, is_last) => websocket.feed(Fragment::new(message(data, owned), *is_last)),
            // Whether it is queued by then is unknown, and does not matter.
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
                let message = self.websocket.recv_split();
                message.map(|message| message.map(|(message, _)| got(Event::Message(message))))
            }
        };
        ready_only(received)
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.websocket.close_info()
    }
}
