//! Compression through the shell: negotiated by the configuration alone, reported to the application, and disabled for single
//! messages.

use std::{
    io,
    net::{TcpListener, TcpStream},
    thread,
};

use websocket_proto::{CloseCode, Config, ContextTakeover, DeflateConfig, Error, Outgoing, blocking};

/// What the client and the server have in common is less than either offers.
fn configs() -> [Config; 2] {
    let client = DeflateConfig::context_takeover().threshold(0);
    let server = DeflateConfig::context_takeover()
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

/// PMD-45: both ends negotiate compression without help from the application, which can exclude single messages.
#[test]
fn both_ends_agree() -> Result<(), Error> {
    let [client, server] = configs();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = thread::spawn(move || -> Result<(), Error> {
        let (stream, _) = listener.accept()?;
        let (mut websocket, _) =
            blocking::WebSocket::accept_with(stream, &server, |_| Ok(websocket_proto::handshake::Accept::new()))?;
        assert_agreed(websocket.deflate());
        while let Some((message, outbound)) = websocket.recv_split()? {
            outbound.feed(message)?;
        }
        Ok(())
    });
    let request = format!("ws://{address}/").parse()?;
    let (mut websocket, _) = blocking::WebSocket::client_with(TcpStream::connect(address)?, request, &client)?;
    assert_agreed(websocket.deflate());
    for _ in 0..3 {
        websocket.feed(text())?;
        websocket.feed(Outgoing::from(text()).uncompressed())?;
        for _ in 0..2 {
            let message = websocket.recv()?.map(|message| message.as_text() == Some(&text()));
            assert_eq!(message, Some(true));
        }
    }
    let (mut send, mut recv) = websocket.split()?;
    send.feed(Outgoing::from("plain").uncompressed())?;
    send.feed(text())?;
    assert_eq!(recv.recv()?.map(|message| message.len()), Some(5));
    assert_eq!(recv.recv()?.map(|message| message.len()), Some(text().len()));
    // Closing waits until the receiving half has finished.
    let received = thread::spawn(move || while let Ok(Some(_)) = recv.recv() {});
    send.close(CloseCode::NORMAL)?;
    received.join().map_err(|_| io::Error::other("the client panicked"))?;
    // The server waits for the end of the stream.
    drop(send);
    echo.join().map_err(|_| io::Error::other("the server panicked"))?
}
