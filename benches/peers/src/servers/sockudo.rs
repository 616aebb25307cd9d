//! sockudo-ws. `send` flushes; fed messages are sent when the connection waits for input, so gathering means feeding.

use bytes::{Buf, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::{
    CompressedWebSocketStream, Config, Error, Http1, Message,
    deflate::{DeflateConfig, negotiate_server_deflate},
    handshake::{build_response, generate_accept_key, parse_request},
    server::WebSocketServer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::MAX_MESSAGE;

fn config() -> Config {
    Config::builder().max_payload_length(MAX_MESSAGE).build()
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

pub async fn echo(stream: TcpStream, deflate: bool) -> Result<(), Error> {
    if deflate {
        return run(accept_compressed(stream).await?).await;
    }
    let (websocket, _) = WebSocketServer::<Http1>::new(config()).accept_raw(stream).await?;
    run(websocket).await
}

async fn run<W>(mut websocket: W) -> Result<(), Error>
where
    W: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = websocket.next().await {
        let message = message?;
        if is_data(&message) {
            websocket.send(message).await?;
        }
    }
    Ok(())
}

pub async fn echo_batched(stream: TcpStream) -> Result<(), Error> {
    let (mut websocket, _) = WebSocketServer::<Http1>::new(config()).accept_raw(stream).await?;
    while let Some(message) = websocket.next().await {
        let message = message?;
        if is_data(&message) {
            websocket.feed(message).await?;
        }
    }
    Ok(())
}

/// Its HTTP/1.1 server does not negotiate compression, so the application does, with parts of the library.
async fn accept_compressed(mut stream: TcpStream) -> Result<CompressedWebSocketStream<TcpStream>, Error> {
    let mut bytes = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        let Some((request, consumed)) = parse_request(&bytes)? else {
            continue;
        };
        let negotiated = negotiate_server_deflate(request.extensions.unwrap_or(""), &DeflateConfig::default())
            .ok_or(Error::HandshakeFailed("no compression was offered"))?;
        let extensions = negotiated.to_response_header();
        let response = build_response(&generate_accept_key(request.key), None, Some(&extensions));
        stream.write_all(&response).await?;
        bytes.advance(consumed);
        return Ok(CompressedWebSocketStream::server(stream, config(), negotiated.config));
    }
}
