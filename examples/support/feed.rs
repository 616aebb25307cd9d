//! A client of a price feed, which subscribes, keeps the connection alive, and reconnects when it is lost.
//!
//! The feed sends JSON, one object per line. Feeds differ in their objects: those of this one are in `subscription` and
//! `read_lines`.

use std::time::Duration;

use serde_json::{Value, json};
use websocket_proto::{
    Config, ConnectOptions, Error, Timers,
    handshake::ClientRequest,
    reconnect::{Policy, Verdict, Wait},
    tokio::{GaveUp, MaybeTls, Reconnect, WebSocket},
};

/// Follows the feed until connecting is given up: for example, after a refusal such as 401.
pub(crate) async fn follow(
    request: &ClientRequest,
    symbols: &[String],
    policy: Policy,
    mut on_price: impl FnMut(&str, f64),
) -> Result<(), GaveUp> {
    // A server that is silent for 20 s is pinged, and the connection fails if it does not answer.
    let timers = Timers::new().keepalive(Duration::from_secs(20));
    let options = ConnectOptions::new().config(&Config::new().timers(timers));
    let mut reconnect = Reconnect::new(policy, || {
        websocket_proto::tokio::connect_with(request.clone(), &options)
    })
    .classify(|error| {
        eprintln!("cannot connect: {error}");
        error.into()
    });
    while let Some((mut websocket, _)) = reconnect.next().await? {
        if let Err(error) = read(&mut websocket, symbols, &mut on_price).await {
            eprintln!("{error}");
        }
        reconnect.ended(match Verdict::from(websocket.close_info()) {
            // A feed has no end: the server has closed an old connection.
            Verdict::Finished => Verdict::Retry(Wait::Backoff),
            verdict => verdict,
        });
    }
    Ok(())
}

async fn read(
    websocket: &mut WebSocket<MaybeTls>,
    symbols: &[String],
    on_price: &mut impl FnMut(&str, f64),
) -> Result<(), Error> {
    websocket.send(subscription(symbols)).await?;
    while let Some(message) = websocket.recv_ref().await? {
        read_lines(message.as_text().unwrap_or_default(), on_price);
    }
    Ok(())
}

fn subscription(symbols: &[String]) -> String {
    json!({ "subscribe": symbols }).to_string()
}

/// Takes the prices from a message. Other objects, such as heartbeats, contain no prices.
fn read_lines(text: &str, on_price: &mut impl FnMut(&str, f64)) {
    for line in text.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(object) => {
                if let (Some(symbol), Some(price)) = (object["symbol"].as_str(), object["price"].as_f64()) {
                    on_price(symbol, price);
                }
            }
            Err(error) => eprintln!("not JSON: {error}"),
        }
    }
}
