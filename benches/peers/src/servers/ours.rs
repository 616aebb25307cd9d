//! This crate on tokio, in the loop that its README shows. (On mio, it is `examples/echo_mio.rs`.)

use tokio::net::TcpStream;
use websocket_proto::{Config, DeflateConfig, Error, Limits, handshake::Accept, tokio::WebSocket};

use super::MAX_MESSAGE;

pub fn config(deflate: bool, is_wide: bool) -> Config {
    let takeover = DeflateConfig::with_takeover();
    let takeover = if is_wide {
        takeover.server_max_window_bits(15).client_max_window_bits(15)
    } else {
        takeover
    };
    let limits = Limits::new()
        .max_frame_size(MAX_MESSAGE as u64)
        .max_message_size(MAX_MESSAGE as u64);
    Config::new().limits(limits).deflate(deflate.then_some(takeover))
}

pub async fn echo(stream: TcpStream, config: Config) -> Result<(), Error> {
    let mut websocket = WebSocket::accept_with(stream, &config, |_| Ok(Accept::new())).await?;
    while let Some((message, outbound)) = websocket.recv_ref().await? {
        outbound.send(message)?;
    }
    Ok(())
}
