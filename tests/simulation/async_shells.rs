//! The engine of the async shells, as a whole connection, in halves, and as a stream and a sink that two tasks use.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_sink::Sink;
use websocket_proto::{
    CloseInfo, Config, Error, Event, Fragment, Role,
    asynchronous::{Acceptor, Connector, RecvHalf, SendHalf, Transport, WebSocket},
    handshake::Accept,
};

use crate::{
    application::{Op, message},
    endpoint::Use,
    raw::Got,
    shells::{Shell, got, request},
};

/// Polls a future once and drops it, which must not lose anything.
fn once<O>(cx: &mut Context<'_>, future: impl Future<Output = O>) -> Poll<O> {
    pin!(future).poll(cx)
}

/// A future that queues at its first poll, because there is room, has done so whether it is ready or not.
fn queued<E>(polled: Poll<Result<(), E>>) -> Poll<Result<(), E>> {
    Poll::Ready(match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Ok(()),
    })
}

/// Opens a connection of an async shell, and splits it if requested.
pub async fn open<T: Transport + 'static>(
    transport: T,
    role: Role,
    config: Config,
    usage: Use,
) -> Result<Box<dyn Shell>, Error> {
    let websocket = match role {
        Role::Client => {
            let mut connector = Connector::<T>::new(transport, request(), &config)?;
            let response = connector.recv_response().await?;
            connector.open(response)
        }
        Role::Server => {
            let mut acceptor = Acceptor::<T>::new(transport, &config);
            let request = acceptor.recv_request().await?;
            acceptor.accept(&request, Accept::new()).await?
        }
    };
    Ok(match usage {
        Use::Whole => Box::new(Whole {
            websocket,
            closing: None,
        }),
        Use::Halves => {
            let (send, recv) = websocket.split();
            Box::new(Halves { send, recv })
        }
        Use::Sink => Box::new(StreamAndSink(websocket)),
    })
}

struct Whole<T: Transport> {
    websocket: WebSocket<T>,
    /// Closing is a call that continues until the end.
    closing: Option<Option<u16>>,
}

impl<T: Transport> Shell for Whole<T> {
    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let websocket = &mut self.websocket;
        match op {
            Op::Message(data) => once(cx, websocket.feed(message(data, owned))),
            Op::Fragment(data, is_last) => once(cx, websocket.feed(Fragment::new(message(data, owned), *is_last))),
            Op::Ping(payload) => {
                ready!(once(cx, websocket.ready()))?;
                queued(once(cx, websocket.ping(payload)))
            }
            Op::Pong(payload) => {
                ready!(once(cx, websocket.ready()))?;
                queued(once(cx, websocket.pong(payload)))
            }
            Op::Close(code) => {
                self.closing = Some(*code);
                Poll::Ready(Ok(()))
            }
            Op::MeasureLatency => {
                websocket.measure_latency();
                Poll::Ready(Ok(()))
            }
            Op::Release => Poll::Ready(Ok(())),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        once(cx, self.websocket.flush())
    }

    fn receive(&mut self, way: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        let websocket = &mut self.websocket;
        if let Some(code) = self.closing {
            return once(cx, websocket.close(Op::close_frame(code))).map_ok(|()| None);
        }
        once(cx, async {
            Ok(match way {
                0 => websocket.recv_event().await?.map(got),
                1 => websocket.recv().await?.map(|message| got(Event::Message(message))),
                _ => {
                    let received = websocket.recv_split().await?;
                    received.map(|(message, _)| got(Event::Message(message)))
                }
            })
        })
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.websocket.close_info()
    }

    fn queued(&mut self) -> Option<usize> {
        Some(self.websocket.queued())
    }
}

struct Halves<T: Transport> {
    send: SendHalf<T>,
    recv: RecvHalf<T>,
}

impl<T: Transport> Shell for Halves<T> {
    fn is_split(&self) -> bool {
        true
    }

    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let send = &mut self.send;
        match op {
            Op::Message(data) => once(cx, send.feed(message(data, owned))),
            Op::Fragment(data, is_last) => once(cx, send.feed(Fragment::new(message(data, owned), *is_last))),
            Op::Ping(payload) => {
                ready!(once(cx, send.ready()))?;
                queued(once(cx, send.ping(payload)))
            }
            Op::Pong(payload) => {
                ready!(once(cx, send.ready()))?;
                queued(once(cx, send.pong(payload)))
            }
            Op::Close(code) => queued(once(cx, send.close(Op::close_frame(*code)))),
            Op::MeasureLatency | Op::Release => Poll::Ready(Ok(())),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        once(cx, self.send.flush())
    }

    fn receive(&mut self, way: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        let recv = &mut self.recv;
        once(cx, async {
            Ok(match way {
                0 => recv.recv_event().await?.map(got),
                1 => recv.recv().await?.map(|message| got(Event::Message(message))),
                _ => recv.recv_ref().await?.map(|message| got(Event::Message(message))),
            })
        })
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.recv.close_info()
    }
}

/// A whole connection that one task uses as a stream and another as a sink.
struct StreamAndSink<T: Transport>(WebSocket<T>);

impl<T: Transport> StreamAndSink<T> {
    fn pinned(&mut self) -> Pin<&mut WebSocket<T>> {
        Pin::new(&mut self.0)
    }
}

impl<T: Transport> Shell for StreamAndSink<T> {
    fn is_split(&self) -> bool {
        true
    }

    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match op {
            Op::Message(data) => {
                ready!(self.pinned().poll_ready(cx))?;
                Poll::Ready(self.pinned().start_send(message(data, true).into_owned()))
            }
            Op::Fragment(data, is_last) => {
                ready!(self.pinned().poll_ready(cx))?;
                once(cx, self.0.feed(Fragment::new(message(data, owned), *is_last)))
            }
            Op::Close(_) => queued(self.pinned().poll_close(cx)),
            Op::MeasureLatency => {
                self.0.measure_latency();
                Poll::Ready(Ok(()))
            }
            // A sink only takes messages.
            Op::Ping(_) | Op::Pong(_) | Op::Release => Poll::Ready(Ok(())),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.pinned().poll_flush(cx)
    }

    fn receive(&mut self, _: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        let next = ready!(self.pinned().poll_next(cx));
        Poll::Ready(
            next.transpose()
                .map(|message| message.map(|message| got(Event::Message(message)))),
        )
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.0.close_info()
    }

    fn queued(&mut self) -> Option<usize> {
        Some(self.0.queued())
    }
}
