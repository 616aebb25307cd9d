//! Compression through the shells: negotiated by the configuration alone, told to the application, and left out of single
//! messages.

#![cfg(all(feature = "deflate", feature = "os-entropy", feature = "std"))]

use std::{
    io,
    net::{TcpListener, TcpStream},
    thread,
};

use websocket_proto::{CloseCode, Config, ContextTakeover, DeflateConfig, Error, blocking};

/// What the client and the server have in common is less than either has.
fn configs() -> [Config; 2] {
    let client = DeflateConfig::with_takeover().threshold(0);
    let server = DeflateConfig::with_takeover()
        .server_max_window_bits(10)
        .client_context_takeover(ContextTakeover::Forbid);
    [client, server].map(|deflate| Config::new().deflate(deflate))
}

#[track_caller]
fn assert_agreed(params: Option<websocket_proto::DeflateParams>) {
    let params = params.expect("both sides want it");
    assert_eq!((params.server_max_window_bits, params.client_max_window_bits), (10, 12));
    assert_eq!(params.server_context_takeover, ContextTakeover::Allow);
    assert_eq!(params.client_context_takeover, ContextTakeover::Forbid);
}

fn text() -> String {
    "all work and no play makes Jack a dull boy. ".repeat(100)
}

/// PMD-45: both ends agree without help from the application, which can exempt single messages.
#[test]
fn blocking_shell() -> Result<(), Error> {
    let [client, server] = configs();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = thread::spawn(move || -> Result<(), Error> {
        let (stream, _) = listener.accept()?;
        let mut websocket =
            blocking::WebSocket::accept_with(stream, &server, |_| Ok(websocket_proto::handshake::Accept::new()))?;
        assert_agreed(websocket.deflate());
        while let Some((message, outbound)) = websocket.recv_ref()? {
            outbound.send(message)?;
        }
        Ok(())
    });
    let request = format!("ws://{address}/").parse()?;
    let mut websocket = blocking::WebSocket::client_with(TcpStream::connect(address)?, request, &client)?;
    assert_agreed(websocket.deflate());
    for _ in 0..3 {
        websocket.feed(text())?;
        websocket.feed_uncompressed(text())?;
        for _ in 0..2 {
            let message = websocket.recv()?.map(|message| message.as_text() == Some(&text()));
            assert_eq!(message, Some(true));
        }
    }
    let (send, mut recv) = websocket.split()?;
    send.feed_uncompressed("plain")?;
    send.feed(text())?;
    assert_eq!(recv.recv()?.map(|message| message.len()), Some(5));
    assert_eq!(recv.recv()?.map(|message| message.len()), Some(text().len()));
    // Closing waits for what the receiving half does.
    let received = thread::spawn(move || while let Ok(Some(_)) = recv.recv() {});
    send.close(CloseCode::NORMAL)?;
    received.join().map_err(|_| io::Error::other("the client panicked"))?;
    // The server waits for the end of the stream.
    drop(send);
    echo.join().map_err(|_| io::Error::other("the server panicked"))?
}

/// The same through the async shells, which have one engine.
#[cfg(feature = "tokio")]
#[test]
fn tokio_shell() -> Result<(), Error> {
    use websocket_proto::tokio::WebSocket;

    let [client, server] = configs();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (near, far) = tokio::io::duplex(1000);
        let serve = async {
            let mut websocket =
                WebSocket::accept_with(far, &server, |_| Ok(websocket_proto::handshake::Accept::new())).await?;
            assert_agreed(websocket.deflate());
            while let Some((message, outbound)) = websocket.recv_ref().await? {
                outbound.send(message)?;
            }
            Ok::<(), Error>(())
        };
        let talk = async {
            let request = "ws://localhost/".parse()?;
            let mut websocket = WebSocket::client_with(near, request, &client).await?;
            assert_agreed(websocket.deflate());
            for _ in 0..3 {
                websocket.feed(text()).await?;
                websocket.feed_uncompressed(text()).await?;
                for _ in 0..2 {
                    let message = websocket.recv().await?;
                    assert_eq!(message.as_ref().and_then(|message| message.as_text()), Some(&*text()));
                }
            }
            let (mut send, mut recv) = websocket.split();
            send.feed_uncompressed("plain").await?;
            send.send(text()).await?;
            assert_eq!(recv.recv().await?.map(|message| message.len()), Some(5));
            assert_eq!(recv.recv().await?.map(|message| message.len()), Some(text().len()));
            let received = async { while let Ok(Some(_)) = recv.recv().await {} };
            let (closed, ()) = tokio::join!(send.close(CloseCode::NORMAL), received);
            closed
        };
        let (served, talked) = tokio::join!(serve, talk);
        served.and(talked)
    })
}
