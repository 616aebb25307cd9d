//! The floor: this crate's tokio shell with the frames that the load expects, and no Socket.IO. Nothing is parsed, and there
//! are no sessions, no ids, no heartbeats and no time-outs: what the example costs beyond this is the price of the protocol.

#![forbid(unsafe_code)]

use std::{env, error::Error};

use tokio::net::{TcpListener, TcpStream};
use websocket_proto::{
    Error as WebSocketError, PreparedMessage,
    tokio::{Broadcast, Subscription, SubscriptionEnd, WebSocket, WhenSlow},
};

/// 20 broadcasts at once must fit.
const CAPACITY: usize = 1024;

const OPEN: &str = "0{\"sid\":\"AAAAAAAAAAAAAAAAAAAA\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";
const JOINED: &str = "40{\"sid\":\"AAAAAAAAAAAAAAAAAAAA\"}";
const AUTH: &str = "42[\"auth\",{}]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("SIO_PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let all = Broadcast::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let all = all.clone();
        tokio::spawn(async move {
            // The load closes its connections without a handshake.
            let _ = serve(stream, &all).await;
        });
    }
}

async fn serve(stream: TcpStream, all: &Broadcast) -> Result<(), WebSocketError> {
    let mut websocket = WebSocket::accept(stream).await?;
    websocket.feed(OPEN).await?;
    let mut subscription = all.subscribe(CAPACITY, WhenSlow::Disconnect);
    loop {
        tokio::select! {
            biased;
            message = subscription.recv() => {
                let Ok(message) = message else { return Ok(()) };
                websocket.feed(&message).await?;
                if feed_all(&mut websocket, &mut subscription).await?.is_err() {
                    return Ok(());
                }
            }
            received = websocket.recv_split() => {
                let Some((message, outbound)) = received? else { return Ok(()) };
                let Some(text) = message.as_text() else { return Ok(()) };
                if text == "40" {
                    outbound.feed(JOINED)?;
                    outbound.feed(AUTH)?;
                } else if let Some(args) = text.strip_prefix("42[\"message\",") {
                    let answer = format!("42[\"message-back\",{args}");
                    outbound.feed(answer.as_str())?;
                } else if let Some(args) = text.strip_prefix("42[\"all\",") {
                    all.send(&PreparedMessage::text(format!("42[\"news\",{args}"))).await;
                }
            }
        }
    }
}

/// Feeds everything that is queued, before one flush.
async fn feed_all(
    websocket: &mut WebSocket<TcpStream>,
    subscription: &mut Subscription,
) -> Result<Result<(), SubscriptionEnd>, WebSocketError> {
    loop {
        match subscription.try_recv() {
            Ok(Some(message)) => websocket.feed(&message).await?,
            Ok(None) => return Ok(Ok(())),
            Err(end) => return Ok(Err(end)),
        }
    }
}
