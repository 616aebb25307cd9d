//! This crate on tokio, in the loop from its README. (On mio, it is `examples/echo_mio.rs`.)

use std::sync::Arc;

use tokio::net::TcpStream;
use websocket_proto::{Config, DeflateConfig, Delivery, Error, Event, Fragment, Limits, handshake::Accept, tokio::WebSocket};

use super::MAX_MESSAGE;

pub fn config(deflate: bool, is_wide: bool) -> Config {
    let takeover = DeflateConfig::context_takeover();
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

/// Holds no whole message, however long it is.
pub async fn echo_streamed(stream: TcpStream) -> Result<(), Error> {
    let limits = Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
    let config = Config::new().limits(limits).delivery(Delivery::Fragments);
    let (mut websocket, _) = WebSocket::accept_with(stream, &config, async |_| Ok(Accept::new())).await?;
    while let Some(event) = websocket.recv_event().await? {
        if let Event::Fragment(fragment) = event {
            let (data, is_last) = (fragment.data.into_owned(), fragment.is_last);
            websocket.feed(Fragment::new(data, is_last)).await?;
        }
    }
    Ok(())
}

pub async fn echo(stream: TcpStream, config: Arc<Config>) -> Result<(), Error> {
    let (mut websocket, _) = WebSocket::accept_with(stream, &config, async |_| Ok(Accept::new())).await?;
    while let Some((message, outbound)) = websocket.recv_split().await? {
        outbound.feed(message)?;
    }
    Ok(())
}
