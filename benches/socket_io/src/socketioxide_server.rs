//! socketioxide as a server of what is measured, on one thread. Its settings are those of the conformance server.

#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = setting("SIO_PORT", 3000).try_into()?;
    let (service, io) = SocketIo::builder()
        .ping_interval(Duration::from_millis(setting("SIO_PING_INTERVAL", 25_000)))
        .ping_timeout(Duration::from_millis(setting("SIO_PING_TIMEOUT", 20_000)))
        .max_payload(setting("SIO_MAX_PAYLOAD", 1_000_000))
        // 20 broadcasts at once must fit.
        .max_buffer_size(1024)
        .build_svc();
    io.ns("/", async |socket: SocketRef| {
        let _ = socket.emit("auth", &json!({}));
        socket.on("message", async |socket: SocketRef, Data(data): Data<Value>| {
            let _ = socket.emit("message-back", &data);
        });
        socket.on("whoami", async |socket: SocketRef, ack: AckSender| {
            let _ = ack.send(&socket.id);
        });
        socket.on("all", async |io: SocketIo, Data(data): Data<Value>| {
            let _ = io.emit("news", &data).await;
        });
    });

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service.clone())
            .with_upgrades();
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(otherwise)
}
