//! This crate on tokio, in the loop that its README shows. (On mio, it is `examples/echo_mio.rs`.)

use tokio::net::TcpStream;
use websocket_proto::{Config, DeflateConfig, Error, Limits, handshake::Accept, tokio::WebSocket};

use super::MAX_MESSAGE;

pub fn config(deflate: bool) -> Config {
    let limits = Limits::new()
        .max_frame_size(MAX_MESSAGE as u64)
        .max_message_size(MAX_MESSAGE as u64);
    Config::new()
        .limits(limits)
        .deflate(deflate.then(DeflateConfig::with_takeover))
}

pub async fn echo(stream: TcpStream, config: Config) -> Result<(), Error> {
    let mut websocket = WebSocket::accept_with(stream, &config, |_| Ok(Accept::new())).await?;
    while let Some((message, outbound)) = websocket.recv_ref().await? {
        outbound.send(message)?;
    }
    Ok(())
}
