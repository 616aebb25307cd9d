//! The same verbs on every surface: one walk through all of them, compiled and run for each shell, whole and in halves.
//!
//! If a surface lacks a verb, or the verb has other arguments or results there, this file does not compile.

use std::{fmt::Debug, os::unix::net::UnixStream, thread, time::Duration};

use bytes::Bytes;
use tokio_util::compat::TokioAsyncReadCompatExt;
use websocket_proto::{
    Buf, CloseCode, CloseInfo, Config, Connection, DeflateParams, Error, Event, Fragment, Message, Negotiated,
    Outgoing, PreparedMessage, Role, SendError, blocking, futures, tokio as shell,
};

/// What the peer receives from each walk.
fn expected() -> Vec<Message<'static>> {
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.extend(["str", "string", "borrowed"].map(Message::text));
        expected.extend(["text", "lent again", "prepared", "in two fragments", "a secret"].map(Message::text));
        expected
            .extend(["slice", "array", "vec", "borrowed vec", "bytes"].map(|data| Message::binary(data.as_bytes())));
    }
    expected.push("after room".into());
    expected
}

/// Everything that can be sent.
macro_rules! send_all {
    ($side:ident.$verb:ident $(.$await:ident)?) => {{
        let (string, vec) = (String::from("borrowed"), b"borrowed vec".to_vec());
        let (text, prepared) = (Message::text("lent again"), PreparedMessage::text("prepared"));
        $side.$verb("str")$(.$await)?.unwrap();
        $side.$verb(String::from("string"))$(.$await)?.unwrap();
        $side.$verb(&string)$(.$await)?.unwrap();
        $side.$verb(Message::text("text"))$(.$await)?.unwrap();
        $side.$verb(&text)$(.$await)?.unwrap();
        $side.$verb(&prepared)$(.$await)?.unwrap();
        $side.$verb(Fragment::more("in two "))$(.$await)?.unwrap();
        $side.$verb(Fragment::last("fragments"))$(.$await)?.unwrap();
        $side.$verb(Outgoing::from("a secret").uncompressed())$(.$await)?.unwrap();
        $side.$verb(&b"slice"[..])$(.$await)?.unwrap();
        $side.$verb(b"array")$(.$await)?.unwrap();
        $side.$verb(b"vec".to_vec())$(.$await)?.unwrap();
        $side.$verb(&vec)$(.$await)?.unwrap();
        $side.$verb(Bytes::from_static(b"bytes"))$(.$await)?.unwrap();
    }};
}

/// The sending side: a whole connection, or a sending half.
macro_rules! walk_sending {
    ($side:ident $(.$await:ident)?) => {{
        send_all!($side.feed $(.$await)?);
        send_all!($side.try_feed);
        send_all!($side.send $(.$await)?);
        $side.ready()$(.$await)?.unwrap();
        let refused: Result<(), SendError<Outgoing<'_>>> = $side.try_feed("after room");
        assert_eq!(refused, Ok(()));
        assert!($side.queued() > 0);
        $side.flush()$(.$await)?.unwrap();
        assert_eq!($side.queued(), 0);
        $side.ping(b"ping")$(.$await)?.unwrap();
        $side.pong(b"pong")$(.$await)?.unwrap();
        assert!(matches!($side.ping(&[0; 126])$(.$await)?, Err(Error::Send(SendError::ControlTooLong))));
    }};
}

/// The receiving side: a whole connection, or a receiving half. The peer has sent one message for each verb.
macro_rules! walk_receiving {
    ($side:ident $(.$await:ident)?) => {{
        let owned: Option<Message<'static>> = $side.recv()$(.$await)?.unwrap();
        assert_eq!(owned, Some("owned".into()));
        let lent: Option<Message<'_>> = $side.recv_ref()$(.$await)?.unwrap();
        assert_eq!(lent, Some("lent".into()));
        let event: Option<Event<'_>> = $side.recv_event()$(.$await)?.unwrap();
        assert_eq!(event, Some(Event::Message("event".into())));
    }};
}

/// What all of them report.
macro_rules! walk_state {
    ($side:ident) => {{
        let closure: Option<CloseInfo> = $side.close_info();
        assert_eq!(closure, None);
        let subprotocol: Option<&str> = $side.subprotocol();
        assert_eq!(subprotocol, Some("chat"));
        let deflate: Option<DeflateParams> = $side.deflate();
        assert_eq!(deflate, None);
        let latency: Option<Duration> = $side.latency();
        let _ = latency;
        $side.measure_latency();
    }};
}

/// A second Close is never an error.
macro_rules! walk_closing {
    ($side:ident $(.$await:ident)?) => {{
        $side.feed_close(CloseCode::NORMAL).unwrap();
        $side.feed_close(CloseCode::NORMAL).unwrap();
        $side.close(CloseCode::GOING_AWAY)$(.$await)?.unwrap();
        $side.close(None)$(.$await)?.unwrap();
    }};
}

/// A whole connection, which is split, reunited and taken apart.
macro_rules! walk {
    ($client:ident, $split:expr, $from_parts:path $(, $await:ident)?) => {{
        let mut client = $client;
        walk_state!(client);
        walk_sending!(client $(.$await)?);
        walk_receiving!(client $(.$await)?);
        let (lent, sending) = client.recv_split()$(.$await)?.unwrap().unwrap();
        assert_eq!(lent, "with the sending side".into());
        sending.feed("answer").unwrap();
        client.flush()$(.$await)?.unwrap();

        let (mut send, mut recv) = $split(client);
        walk_state!(send);
        walk_state!(recv);
        let mut clone = send.clone();
        walk_sending!(clone $(.$await)?);
        walk_receiving!(recv $(.$await)?);
        drop(clone);
        let client = send.reunite(recv).unwrap();

        let (transport, connection) = client.into_parts();
        assert_eq!(connection.subprotocol(), Some("chat"));
        let mut client = $from_parts(transport, connection);
        assert_eq!(client.subprotocol(), Some("chat"));
        walk_sending!(client $(.$await)?);
        walk_closing!(client $(.$await)?);
        assert_eq!(client.recv()$(.$await)?.unwrap(), None);
        let closure = client.close_info().unwrap();
        assert!(closure.clean, "{closure:?}");
    }};
}

/// Closing through halves.
macro_rules! walk_halves_to_the_end {
    ($send:ident, $recv:ident $(, $await:ident)?) => {{
        let (mut send, mut recv) = ($send, $recv);
        walk_sending!(send $(.$await)?);
        walk_closing!(send $(.$await)?);
        while recv.recv()$(.$await)?.unwrap().is_some() {}
        assert!(recv.close_info().unwrap().clean);
        assert!(send.close_info().unwrap().clean);
    }};
}

/// What the peer sends.
const SENT: [&str; 7] = [
    "owned",
    "lent",
    "event",
    "with the sending side",
    "owned",
    "lent",
    "event",
];

/// The peer: sends, and returns what it has received until the end.
macro_rules! peer {
    ($peer:ident $(, $await:ident)?) => {{
        let mut peer = $peer;
        for text in SENT {
            peer.feed(text)$(.$await)?.unwrap();
        }
        let mut received: Vec<Message<'static>> = Vec::new();
        while let Some(message) = peer.recv()$(.$await)?.unwrap() {
            received.push(message);
        }
        received
    }};
}

fn negotiated(role: Role) -> Negotiated {
    Negotiated::new(role).with_subprotocol("chat")
}

/// What the peer of a `walk` receives.
fn assert_received(received: &[Message<'static>]) {
    let answer = [Message::from("answer")];
    let all = [expected(), answer.to_vec(), expected(), expected()].concat();
    assert_eq!(received, all);
}

fn assert_all_received(received: impl PartialEq<Vec<Message<'static>>> + Debug) {
    assert!(received == expected(), "{received:?}");
}

#[test]
fn the_core() {
    let mut connection = Connection::from_negotiated(&negotiated(Role::Server), &Config::new());
    let (prepared, text) = (PreparedMessage::text("prepared"), Message::text("lent again"));
    connection.feed("str").unwrap();
    connection.feed(&text).unwrap();
    connection.feed(&prepared).unwrap();
    connection.feed(Fragment::more("in two ")).unwrap();
    connection.feed(Fragment::last("fragments")).unwrap();
    connection.feed(Outgoing::from("a secret").uncompressed()).unwrap();
    let (_, outbound) = connection.split_mut();
    assert!(outbound.queued() > 0);
    assert_eq!(outbound.subprotocol(), Some("chat"));
    connection.measure_latency();
    connection.ping(b"ping").unwrap();
    connection.pong(b"pong").unwrap();
    assert_eq!(connection.latency(), None);
    assert_eq!(connection.deflate(), None);
    assert_eq!(connection.close_info(), None);
    connection.close(CloseCode::NORMAL).unwrap();
    assert!(connection.output().has_remaining());
}

#[test]
fn the_blocking_shell() {
    for ends_in_halves in [false, true] {
        let (near, far) = UnixStream::pair().unwrap();
        let config = Config::new();
        let client = blocking::WebSocket::from_negotiated(near, &negotiated(Role::Client), &config);
        let peer = blocking::WebSocket::from_negotiated(far, &negotiated(Role::Server), &config);
        let peer = thread::spawn(move || peer!(peer));
        if ends_in_halves {
            let (send, recv) = client.split().unwrap();
            walk_halves_to_the_end!(send, recv);
            assert_all_received(peer.join().unwrap());
        } else {
            walk!(
                client,
                |client: blocking::WebSocket<UnixStream>| client.split().unwrap(),
                blocking::WebSocket::from_parts
            );
            assert_received(&peer.join().unwrap());
        }
    }
}

#[tokio::test]
async fn the_tokio_shell() {
    for ends_in_halves in [false, true] {
        let (near, far) = tokio::io::duplex(1 << 10);
        let config = Config::new();
        let client = shell::WebSocket::from_negotiated(near, &negotiated(Role::Client), &config);
        let peer = shell::WebSocket::from_negotiated(far, &negotiated(Role::Server), &config);
        let peer = tokio::spawn(async move { peer!(peer, await) });
        if ends_in_halves {
            let (send, recv) = client.split();
            walk_halves_to_the_end!(send, recv, await);
            assert_all_received(peer.await.unwrap());
        } else {
            walk!(client, shell::WebSocket::split, shell::WebSocket::from_parts, await);
            assert_received(&peer.await.unwrap());
        }
    }
}

#[tokio::test]
async fn the_futures_shell() {
    for ends_in_halves in [false, true] {
        let (near, far) = tokio::io::duplex(1 << 10);
        let config = Config::new();
        let client = futures::WebSocket::from_negotiated(near.compat(), &negotiated(Role::Client), &config);
        let peer = futures::WebSocket::from_negotiated(far.compat(), &negotiated(Role::Server), &config);
        let peer = tokio::spawn(async move { peer!(peer, await) });
        if ends_in_halves {
            let (send, recv) = client.split();
            walk_halves_to_the_end!(send, recv, await);
            assert_all_received(peer.await.unwrap());
        } else {
            walk!(client, futures::WebSocket::split, futures::WebSocket::from_parts, await);
            assert_received(&peer.await.unwrap());
        }
    }
}
