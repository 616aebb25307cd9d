//! Frames for an extension of the application.

use std::net::{TcpListener, TcpStream};

use websocket_proto::{
    Config, Error, Event, ExtensionFrame, MessageKind, Negotiated, Role, SendError, blocking::WebSocket, frame::Rsv,
};

use crate::support::within_seconds;

const FRAME: ExtensionFrame<'_> = ExtensionFrame {
    rsv: Rsv::RSV2,
    kind: MessageKind::Text,
    is_last: true,
    payload: b"\xff",
};

fn connected() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("the listener is there");
    let (far, _) = listener.accept().expect("a connection");
    let websocket = |stream, role| {
        let negotiated = Negotiated::new(role).with_reserved_bits(Rsv::RSV2);
        WebSocket::from_negotiated(stream, &negotiated, &Config::new())
    };
    (websocket(near, Role::Client), websocket(far, Role::Server))
}

/// EXT-10, EXT-13: frames are delivered as events; `recv` reports that it is the wrong call, and continues after that; and other
/// bits are not sent.
#[test]
fn frames_are_events() -> Result<(), Error> {
    within_seconds(10, || {
        let (mut client, mut server) = connected();
        for _ in 0..3 {
            client.feed(FRAME)?;
        }
        client.send("plain")?;
        assert_eq!(server.recv_event()?, Some(Event::Extension(FRAME)));
        assert!(matches!(server.recv(), Err(Error::ExtensionFrame)));
        assert!(matches!(server.recv_ref(), Err(Error::ExtensionFrame)));
        assert_eq!(
            server.recv()?.and_then(|message| message.as_text().map(str::to_owned)),
            Some("plain".to_owned())
        );

        let unclaimed = ExtensionFrame {
            rsv: Rsv::RSV1,
            ..FRAME
        };
        let refused = client.send(unclaimed);
        assert!(matches!(refused, Err(Error::Send(SendError::ReservedBits(Rsv::RSV1)))));

        let (mut send, mut recv) = server.split()?;
        send.send(FRAME)?;
        assert_eq!(client.recv_event()?, Some(Event::Extension(FRAME)));
        client.send(FRAME)?;
        assert!(matches!(recv.recv(), Err(Error::ExtensionFrame)));
        Ok(())
    })
}
