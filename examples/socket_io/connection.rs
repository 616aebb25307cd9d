//! The task of a WebSocket: frames in, everything queued out.
//!
//! Everything that is queued is fed to the connection before it is flushed, and the queue of the session holds what the
//! connection does not take. So a client that reads too slowly fills its own bounded queue, and nobody waits for it.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::net::TcpStream;
use websocket_proto::{
    CloseCode, Config, Error, Limits, Message, Negotiated, Outbound, Outgoing, PreparedMessage, ProtocolError,
    SendError, Timers,
    tokio::{ShutdownGuard, WebSocket},
};

use crate::{
    engine::{Data, Drain, Engine, Key, Reason, Service, Settings, WebSocketId, packet::Packet},
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

impl<S: Service> Carrier<S> {
    /// Carries the session until it or the WebSocket ends.
    pub(crate) async fn run(
        self,
        stream: TcpStream,
        negotiated: &Negotiated,
        config: &Config,
        guard: ShutdownGuard,
    ) -> Result<(), Error> {
        let mut websocket = WebSocket::from_negotiated(stream, negotiated, config);
        if guard.is_requested() {
            // It was opened after all sessions were closed.
            self.hub.with(|engine, _| engine.close(self.key));
        }
        match self.carry(&mut websocket).await {
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
        poll_fn(|cx| self.poll_carry(websocket, cx)).await
    }

    /// Sends what is queued and receives messages, until there is nothing to do but wait. The futures of the WebSocket are
    /// cancel safe: nothing is lost with one that waits.
    ///
    /// A wake-up takes the lock once, and so does a message: it is handled, and what answers it is fed, in one go.
    fn poll_carry(&self, websocket: &mut WebSocket<TcpStream>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut drain = self.poll_feed(websocket, cx);
        loop {
            drain = match drain {
                Drain::Close => return Poll::Ready(Ok(())),
                Drain::Blocked => {
                    ready!(pin!(websocket.ready()).poll(cx))?;
                    self.poll_feed(websocket, cx)
                }
                Drain::Wait => match ready!(pin!(websocket.recv_split()).poll(cx))? {
                    Some((message, outbound)) => self.receive(message, outbound, cx),
                    None => return Poll::Ready(Ok(())),
                },
            };
        }
    }

    /// Feeds everything queued to the connection.
    fn poll_feed(&self, websocket: &mut WebSocket<TcpStream>, cx: &Context<'_>) -> Drain {
        self.hub
            .with(|engine, _| self.drain(engine, cx, |message| websocket.try_feed(message)))
    }

    /// Handles a message, and feeds everything queued by then.
    fn receive(&self, message: Message<'_>, outbound: &mut Outbound, cx: &Context<'_>) -> Drain {
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
            self.drain(engine, cx, |message| outbound.feed(message))
        })
    }

    fn drain<F>(&self, engine: &mut Engine, cx: &Context<'_>, mut feed: F) -> Drain
    where
        F: FnMut(&PreparedMessage) -> Result<(), SendError<Outgoing<'_>>>,
    {
        let mut is_closing = false;
        let drain = engine.drain(self.key, self.id, cx, |message| {
            let fed = feed(message);
            is_closing = matches!(fed, Err(SendError::Closing(_)));
            fed.is_ok()
        });
        match drain {
            // The peer has closed: what it has sent before is still received.
            Drain::Blocked if is_closing => Drain::Wait,
            drain => drain,
        }
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
