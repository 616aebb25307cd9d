//! An extension of the application with a reserved bit, over tokio: RSV2 says that every bit of a payload is inverted.

use tokio::io::DuplexStream;
use websocket_proto::{
    CloseCode, Config, Error, Event, ExtensionFrame, MessageKind, SendError,
    frame::Rsv,
    handshake::{Accept, ClientRequest, Extension, UpgradeRequest},
    tokio::WebSocket,
};

fn inverted(payload: &[u8]) -> Vec<u8> {
    payload.iter().map(|byte| !byte).collect()
}

fn frame(payload: &[u8], is_last: bool) -> ExtensionFrame<'_> {
    ExtensionFrame {
        rsv: Rsv::RSV2,
        kind: MessageKind::Text,
        is_last,
        payload,
    }
}

/// Both ends after a handshake in which they agreed on the extension.
async fn connected() -> Result<(WebSocket<DuplexStream>, WebSocket<DuplexStream>), Error> {
    let (near, far) = tokio::io::duplex(300);
    let config = Config::new();
    let extension = || Extension::new("x-invert");
    let request: ClientRequest = "ws://localhost/".parse()?;
    let request = request.extension_claiming(extension(), Rsv::RSV2);
    let (client, server) = tokio::join!(
        WebSocket::client_with(near, request, &config),
        WebSocket::accept_with(far, &config, async |request: &UpgradeRequest| {
            assert!(request.extensions().any(|offer| offer.name() == "x-invert"));
            Ok(Accept::new().extension_claiming(extension(), Rsv::RSV2))
        })
    );
    Ok((client?.0, server?.0))
}

/// Puts the message of the next frames together.
async fn recv(websocket: &mut WebSocket<DuplexStream>) -> Result<Option<String>, Error> {
    let mut message = Vec::new();
    loop {
        match websocket.recv_event().await? {
            Some(Event::Extension(frame)) => {
                let is_inverted = frame.rsv.contains(Rsv::RSV2);
                message.extend(if is_inverted {
                    inverted(frame.payload)
                } else {
                    frame.payload.to_vec()
                });
                if frame.is_last {
                    return Ok(Some(String::from_utf8(message).expect("text again")));
                }
            }
            Some(Event::Message(message)) => return Ok(message.as_text().map(str::to_owned)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// EXT-10: messages whole and in fragments, longer than the stream holds, with plain ones in between, there and back.
#[tokio::test]
async fn an_extension_works() -> Result<(), Error> {
    let (mut client, mut server) = connected().await?;
    let long = "a long text \u{e4} ".repeat(10_000);
    let echo = async {
        while let Some(text) = recv(&mut server).await? {
            server.send(frame(&inverted(text.as_bytes()), true)).await?;
        }
        Ok::<(), Error>(())
    };
    let talk = async {
        for text in ["", "whole", &long] {
            client.send(frame(&inverted(text.as_bytes()), true)).await?;
            assert_eq!(recv(&mut client).await?.as_deref(), Some(text));
        }
        let bytes = long.as_bytes();
        for (index, piece) in bytes.chunks(40_001).enumerate() {
            client
                .feed(frame(&inverted(piece), (index + 1) * 40_001 >= bytes.len()))
                .await?;
            client.ping(b"between").await?;
        }
        client.send("plain").await?;
        assert_eq!(recv(&mut client).await?, Some(long.clone()));
        assert_eq!(recv(&mut client).await?.as_deref(), Some("plain"));
        client.close(CloseCode::NORMAL).await?;
        assert_eq!(recv(&mut client).await?, None);
        Ok::<(), Error>(())
    };
    let (echoed, talked) = tokio::join!(echo, talk);
    echoed.and(talked)
}

/// EXT-10, EXT-13: `recv` says that it is the wrong call, and goes on after that; and other bits are not sent.
#[tokio::test]
async fn frames_are_no_messages() -> Result<(), Error> {
    let (mut client, mut server) = connected().await?;
    client.feed(frame(b"\xff", true)).await?;
    client.feed(frame(b"\xff", true)).await?;
    client.send("plain").await?;
    assert!(matches!(server.recv().await, Err(Error::ExtensionFrame)));
    assert!(matches!(server.recv_ref().await, Err(Error::ExtensionFrame)));
    assert_eq!(
        server.recv().await?.as_ref().and_then(|message| message.as_text()),
        Some("plain")
    );

    let mut unclaimed = frame(b"", true);
    unclaimed.rsv = Rsv::RSV3;
    let refused = client.send(unclaimed).await;
    assert!(matches!(refused, Err(Error::Send(SendError::ReservedBits(Rsv::RSV3)))));

    let (mut send, mut recv) = server.split();
    send.send(frame(b"", true)).await?;
    assert!(matches!(client.recv_event().await?, Some(Event::Extension(_))));
    client.send(frame(b"", true)).await?;
    assert!(matches!(recv.recv().await, Err(Error::ExtensionFrame)));
    Ok(())
}
