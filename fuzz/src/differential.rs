//! The same bytes to this crate, to tungstenite and to tokio-websockets, in both roles: the same messages up to the first
//! rejection, and the same verdict, except for the differences listed in [`is_allowed`].

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket_proto::{Config, Connection, Limits, ProtocolError, Role, frame::FrameError};

use crate::bodies::{
    plan,
    raw::{Got, take_events},
    setup::Setup,
    wire,
};

/// The limit on the payload of a frame and of a message, for all of them.
const MAX_SIZE: usize = 1 << 20;

pub fn run(data: &[u8]) {
    let Some((setup, rest)) = Setup::take(data) else { return };
    let bytes = if setup.is_plan {
        plan::bytes(setup.role, None, rest)
    } else {
        rest.to_vec()
    };
    let ours = ours(setup.role, &bytes);
    let mut tungstenite = by_tungstenite(setup.role, &bytes);
    // It rejects a code that must not be sent by replacing it with 1002.
    if tungstenite.0.last() == Some(&Got::close(1002, "Protocol violation")) {
        match (&ours.1, ours.0.last()) {
            (Verdict::Rejected(_), _) => {
                tungstenite.0.pop();
                tungstenite.1 = Verdict::Rejected("a close code that may not be sent".into());
            }
            // The registry of close codes (RFC 6455 §11.7) has 1014 for gateways, which tungstenite does not know.
            (Verdict::Closed, Some(Got::Close(Some((1014, reason))))) => {
                tungstenite.0.pop();
                tungstenite.0.push(Got::close(1014, reason));
            }
            _ => {}
        }
    }
    compare(Peer::Tungstenite, setup.role, &ours, &tungstenite, &bytes);
    compare(
        Peer::TokioWebsockets,
        setup.role,
        &ours,
        &by_tokio_websockets(setup.role, &bytes),
        &bytes,
    );
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Tungstenite,
    TokioWebsockets,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict<E> {
    /// The peer's Close arrived.
    Closed,
    /// The bytes ended without one.
    Lost,
    Rejected(E),
}

/// The outcome of a run: events, and how it ended.
type Outcome<E> = (Vec<Got>, Verdict<E>);

/// The permitted differences between this crate and a peer. Each line names the section that decides who is right.
fn is_allowed(peer: Peer, ours: ProtocolError, theirs: &Verdict<String>) -> bool {
    let _ = theirs;
    match (peer, ours) {
        // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
        // tungstenite accepts any number of them, even if that makes a short control frame use a long form (§5.5).
        (Peer::Tungstenite, ProtocolError::Frame(FrameError::OverlongLength | FrameError::LongControl)) => true,
        // RFC 6455 §8.1, §5.6: a whole message is UTF-8; tokio-websockets accepts fragments that end inside a code point.
        (Peer::TokioWebsockets, ProtocolError::InvalidUtf8) => true,
        _ => false,
    }
}

fn compare(
    peer: Peer,
    role: Role,
    (events, verdict): &Outcome<ProtocolError>,
    (their_events, theirs): &Outcome<String>,
    bytes: &[u8],
) {
    let differ = || format!("{peer:?}: {their_events:?} {theirs:?}\nthis crate: {events:?} {verdict:?}\n{bytes:x?}");
    match (verdict, theirs) {
        (Verdict::Closed, Verdict::Closed) | (Verdict::Lost, Verdict::Lost) => {
            assert_eq!(their_events, events, "{}", differ());
        }
        (Verdict::Rejected(_), Verdict::Rejected(_)) if their_events == events => {}
        // This crate reports a fault at the first byte that shows it; others wait for the end of the frame or the message, which
        // never arrives.
        (Verdict::Rejected(_), Verdict::Lost) if their_events == events => {}
        // Sometimes it is the other way round, for example with an announced size before the masking key has arrived. Then this
        // crate reports the fault when the frame continues.
        (Verdict::Lost, Verdict::Rejected(_)) if their_events == events && !wire::parse(bytes).1.is_empty() => {
            let (longer, verdict) = ours(role, &[bytes, &[0; 200]].concat());
            assert!(
                longer == *events && matches!(verdict, Verdict::Rejected(_)),
                "{}",
                differ()
            );
        }
        (Verdict::Rejected(error), theirs) => {
            assert!(their_events.starts_with(events), "{}", differ());
            assert!(is_allowed(peer, *error, theirs), "{}", differ());
        }
        _ => panic!("{}", differ()),
    }
}

fn ours(role: Role, bytes: &[u8]) -> Outcome<ProtocolError> {
    let limits = Limits::new()
        .max_frame_size(MAX_SIZE as u64)
        .max_message_size(MAX_SIZE as u64);
    let mut connection = Connection::new(role, &Config::new().limits(limits));
    let mut events = Vec::new();
    connection.receive(bytes);
    connection.receive_eof();
    let verdict = match take_events(&mut connection, &mut events) {
        Ok(()) => Verdict::Closed,
        Err(ProtocolError::ConnectionLost) => Verdict::Lost,
        Err(error) => Verdict::Rejected(error),
    };
    (events, verdict)
}

/// A stream that contains these bytes and then ends, and accepts everything.
struct Bytes<'a>(&'a [u8]);

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Bytes<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (now, rest) = self.0.split_at(self.0.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bytes<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn by_tungstenite(role: Role, bytes: &[u8]) -> Outcome<String> {
    use tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{self, WebSocketConfig},
    };

    let role = match role {
        Role::Client => protocol::Role::Client,
        Role::Server => protocol::Role::Server,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_frame_size(Some(MAX_SIZE))
        .max_message_size(Some(MAX_SIZE));
    let mut websocket = protocol::WebSocket::from_raw_socket(Bytes(bytes), role, Some(config));
    let mut events = Vec::new();
    let verdict = loop {
        match websocket.read() {
            Ok(Message::Text(text)) => events.push(Got::text(&text)),
            Ok(Message::Binary(payload)) => events.push(Got::binary(&payload)),
            Ok(Message::Ping(payload)) => events.push(Got::ping(&payload)),
            Ok(Message::Pong(payload)) => events.push(Got::pong(&payload)),
            Ok(Message::Close(frame)) => {
                events.push(Got::Close(
                    frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
                ));
                break Verdict::Closed;
            }
            Ok(Message::Frame(frame)) => panic!("{frame:?}"),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break Verdict::Lost,
            Err(error) => break Verdict::Rejected(format!("{error:?}")),
        }
    };
    (events, verdict)
}

fn by_tokio_websockets(role: Role, bytes: &[u8]) -> Outcome<String> {
    use tokio_websockets::{ClientBuilder, Error, Limits, ServerBuilder};

    let limits = Limits::default().max_payload_len(Some(MAX_SIZE));
    let mut websocket = match role {
        Role::Client => ClientBuilder::new().limits(limits).take_over(Bytes(bytes)),
        Role::Server => ServerBuilder::new().limits(limits).serve(Bytes(bytes)),
    };
    let mut events = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let verdict = loop {
        match Pin::new(&mut websocket).poll_next(&mut cx) {
            Poll::Pending => panic!("the stream is always ready"),
            Poll::Ready(None) => break Verdict::Lost,
            Poll::Ready(Some(Ok(message))) => {
                let payload = message.as_payload();
                if let Some((code, reason)) = message.as_close() {
                    let has_code = !payload.is_empty();
                    events.push(Got::Close(has_code.then(|| (code.into(), reason.to_owned()))));
                    break Verdict::Closed;
                }
                events.push(match () {
                    // Not `as_text`, which assumes that text is UTF-8.
                    () if message.is_text() => Got::text(&String::from_utf8_lossy(payload)),
                    () if message.is_ping() => Got::ping(payload),
                    () if message.is_pong() => Got::pong(payload),
                    () => Got::binary(payload),
                });
            }
            // The stream itself never fails, so this is its end inside a frame.
            Poll::Ready(Some(Err(Error::Io(_)))) => break Verdict::Lost,
            Poll::Ready(Some(Err(error))) => break Verdict::Rejected(format!("{error:?}")),
        }
    };
    (events, verdict)
}
