//! The task of a WebSocket: frames in, everything queued out.
//!
//! Everything that is queued is fed to the connection before it is flushed, and the queue of the session holds what the
//! connection does not take. So a client that reads too slowly fills its own bounded queue, and nobody waits for it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::TcpStream;
use websocket_proto::{
    CloseCode, Config, Error, Limits, Message, Negotiated, ProtocolError, Timers,
    tokio::{ShutdownGuard, WebSocket},
};

use crate::{
    engine::{Data, Drain, Key, Reason, Service, Settings, WebSocketId, packet::Packet},
    hub::Hub,
};

/// How long a closing handshake may take.
const CLOSE: Duration = Duration::from_secs(2);

/// What a connection queues beyond the queue of its session, in bytes.
const HIGH_WATER: usize = 64 << 10;

/// Returns the settings of the WebSockets of a server.
///
/// Keepalive is off, as it is by default: Engine.IO has its own heartbeat. A connection that has failed reports its error
/// when its Close was sent and the peer has ended, or after the time of the closing handshake; that is short, since the
/// session lasts until then.
#[must_use]
pub fn config(settings: &Settings) -> Config {
    let max = settings.max_payload as u64;
    let limits = Limits::new()
        .max_message_size(max)
        .max_frame_size(max)
        .output_high_water(HIGH_WATER);
    Config::new()
        .limits(limits)
        .timers(Timers::new().keepalive(None).close(CLOSE))
}

/// A WebSocket of a session.
pub(crate) struct Carrier<S: Service> {
    pub(crate) hub: Arc<Hub<S>>,
    pub(crate) key: Key,
    pub(crate) id: WebSocketId,
}

/// A carrier that is dropped, for whatever reason, lets go of its session.
impl<S: Service> Drop for Carrier<S> {
    fn drop(&mut self) {
        self.hub.with(|engine, _| {
            engine.websocket_lost(self.key, self.id, Reason::TransportClose);
            engine.detach(self.key, self.id);
        });
    }
}

enum Turn {
    /// A message was handled.
    Received,
    /// There is something to send, or the session has ended.
    Woken,
    /// The WebSocket was closed.
    Closed,
}

impl<S: Service> Carrier<S> {
    /// Carries the session until it or the WebSocket ends.
    pub(crate) async fn run(
        self,
        stream: TcpStream,
        negotiated: &Negotiated,
        config: &Config,
        mut guard: ShutdownGuard,
    ) -> Result<(), Error> {
        let mut websocket = WebSocket::from_negotiated(stream, negotiated, config);
        let carried = tokio::select! {
            biased;
            carried = self.carry(&mut websocket) => carried,
            () = guard.requested() => {
                // What is queued is still sent.
                self.hub.with(|engine, _| engine.close(self.key));
                self.carry(&mut websocket).await
            }
        };
        match carried {
            Ok(()) => {
                let code = match guard.is_requested() {
                    true => CloseCode::GOING_AWAY,
                    false => CloseCode::NORMAL,
                };
                // The session is over before the closing handshake, which may take its time.
                drop(self);
                websocket.close(code).await
            }
            Err(error) => {
                self.hub
                    .with(|engine, _| engine.websocket_lost(self.key, self.id, reason(&error)));
                Err(error)
            }
        }
    }

    /// Returns when the WebSocket is to be closed, or was.
    async fn carry(&self, websocket: &mut WebSocket<TcpStream>) -> Result<(), Error> {
        loop {
            let mut closing = false;
            let drain = self.hub.with(|engine, _| {
                engine.drain(self.key, self.id, |message| {
                    let fed = websocket.try_feed(message);
                    closing = matches!(fed, Err(websocket_proto::SendError::Closing(_)));
                    fed.is_ok()
                })
            });
            match drain {
                Drain::Close => return Ok(()),
                // The peer has closed: what it has sent before is still received.
                Drain::Blocked if !closing => tokio::select! {
                    biased;
                    ready = websocket.ready() => {
                        ready?;
                        continue;
                    }
                    () = self.woken() => continue,
                },
                _ => {}
            }
            match self.turn(websocket).await? {
                Turn::Received | Turn::Woken => {}
                Turn::Closed => return Ok(()),
            }
        }
    }

    /// Receives a message, or waits until there is something to send.
    async fn turn(&self, websocket: &mut WebSocket<TcpStream>) -> Result<Turn, Error> {
        tokio::select! {
            biased;
            received = websocket.recv_ref() => {
                let Some(message) = received? else { return Ok(Turn::Closed) };
                self.receive(message);
                Ok(Turn::Received)
            }
            () = self.woken() => Ok(Turn::Woken),
        }
    }

    fn receive(&self, message: Message<'_>) {
        let text;
        let packet = match message {
            Message::Text(received) => {
                text = received;
                Packet::parse(&text)
            }
            Message::Binary(payload) => Ok(Packet::Message(Data::Binary(payload.into_bytes()))),
        };
        self.hub.with(|engine, service| {
            engine.awake(self.key);
            if let Some(data) = engine.frame(self.key, self.id, packet) {
                service.received(engine, self.key, data);
            }
        });
    }

    async fn woken(&self) {
        poll_fn(|cx: &mut Context<'_>| {
            if self.hub.with(|engine, _| engine.poll_websocket(self.key, self.id, cx)) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Closes a WebSocket that no session wants.
pub(crate) async fn refuse(stream: TcpStream, negotiated: &Negotiated, config: &Config) -> Result<(), Error> {
    let mut websocket = WebSocket::from_negotiated(stream, negotiated, config);
    websocket.close(CloseCode::POLICY).await
}

/// Returns what the failure of a WebSocket means for its session.
fn reason(error: &Error) -> Reason {
    match error {
        Error::Io(_) | Error::Protocol(ProtocolError::ConnectionLost) => Reason::TransportClose,
        _ => Reason::TransportError,
    }
}
