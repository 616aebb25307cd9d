//! Gathering by hand: take all available messages, answer them, flush once.

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

/// The most messages that are gathered.
const MOST: usize = 64;

/// `reply` turns a received message into the one to send, or reports that the connection ends.
///
/// All are taken before the first is answered, because some libraries flush whenever they are asked for a message.
pub async fn echo<W, I, O>(websocket: &mut W, reply: impl Fn(I) -> Option<O>)
where
    W: Stream<Item = I> + Sink<O> + Unpin,
{
    let mut gathered = Vec::new();
    while let Some(received) = websocket.next().await {
        gathered.push(received);
        while let (true, Some(Some(received))) = (gathered.len() < MOST, websocket.next().now_or_never()) {
            gathered.push(received);
        }
        for received in gathered.drain(..) {
            let Some(message) = reply(received) else { return };
            if websocket.feed(message).await.is_err() {
                return;
            }
        }
        if websocket.flush().await.is_err() {
            return;
        }
    }
}
