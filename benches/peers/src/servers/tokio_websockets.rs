//! tokio-websockets, with fastrand and sha1_smol.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Error, Limits, Message, ServerBuilder, WebSocketStream};

use super::{MAX_MESSAGE, batched};

async fn accept(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
    let (_, websocket) = ServerBuilder::new().limits(limits).accept(stream).await?;
    Ok(websocket)
}

pub async fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut websocket = accept(stream).await?;
    while let Some(message) = websocket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            websocket.send(message).await?;
        }
    }
    Ok(())
}

pub async fn echo_batched(stream: TcpStream) -> Result<(), Error> {
    let mut websocket = accept(stream).await?;
    batched::echo(&mut websocket, |message: Result<Message, Error>| {
        message.ok().filter(|message| message.is_text() || message.is_binary())
    })
    .await;
    Ok(())
}
