//! tokio-tungstenite, whose default limit is 64 MiB (of a frame: 16 MiB).

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

use super::{MAX_MESSAGE, batched};

async fn accept(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    accept_async_with_config(stream, Some(config)).await
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
