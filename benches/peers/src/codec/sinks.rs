//! The peers that are streams and sinks of messages, and tungstenite, which is the same without async.

use std::{cell::Cell, hint::black_box, rc::Rc, sync::Arc};

use futures_util::{Sink, SinkExt, Stream as Messages, StreamExt};
use tungstenite::protocol::{Role as TungsteniteRole, WebSocketConfig};
use websocket_proto::Role;

use super::{
    Batch, Content, Subject,
    memory::{Memory, block_on},
    support::stream::Stream,
};

const LIMIT: usize = 64 << 20;

pub fn receivers(stream: &Arc<Stream>) -> Vec<Subject> {
    let memory = Memory::new(stream, &Rc::default());
    let role = stream.receiver;
    let own = Arc::clone(stream);
    let mut websocket = tungstenite(memory.clone(), role);
    let receive = move || {
        for _ in 0..own.messages {
            let message = websocket.read().expect("the stream is valid");
            assert_eq!(message.len(), own.len);
            black_box(message);
        }
    };
    vec![
        Subject::new("tungstenite", receive),
        receiver(
            "tokio-websockets",
            stream,
            tokio_websockets(memory.clone(), role),
            |message| message.expect("the stream is valid").as_payload().len(),
        ),
        receiver("sockudo-ws", stream, sockudo(memory.clone(), role), |message| {
            message.expect("the stream is valid").as_bytes().len()
        }),
        receiver("yawc", stream, yawc(memory, role), |frame| frame.payload().len()),
    ]
}

fn receiver<W>(name: &'static str, stream: &Stream, mut websocket: W, len: fn(W::Item) -> usize) -> Subject
where
    W: Messages + Unpin + 'static,
{
    let (messages, expected) = (stream.messages, stream.len);
    Subject::new(name, move || {
        block_on(async {
            for _ in 0..messages {
                let message = black_box(websocket.next().await.expect("the stream has no end"));
                assert_eq!(len(message), expected);
            }
        });
    })
}

pub fn senders(batch: &Batch, writes: &Rc<Cell<u64>>) -> Vec<Subject> {
    // Nothing is received.
    let input = Arc::new(Stream::new(batch.role, Content::Binary, 1));
    let memory = Memory::new(&input, writes);
    let own = batch.clone();
    let mut websocket = tungstenite(memory.clone(), batch.role);
    let send = move || {
        for i in 1..=own.messages {
            let message = tungstenite::Message::Binary(own.payload.clone());
            websocket.write(message).expect("there is room");
            if i % own.per_flush == 0 {
                websocket.flush().expect("the stream takes all");
            }
        }
    };
    let payloads = || {
        let payload = batch.payload.clone();
        move || payload.clone()
    };
    let (first, second, third) = (payloads(), payloads(), payloads());
    vec![
        Subject::new("tungstenite", send),
        sender(
            "tokio-websockets",
            batch,
            tokio_websockets(memory.clone(), batch.role),
            move || tokio_websockets::Message::binary(first()),
        ),
        sender("sockudo-ws", batch, sockudo(memory.clone(), batch.role), move || {
            sockudo_ws::Message::Binary(second())
        }),
        sender("yawc", batch, yawc(memory, batch.role), move || {
            yawc::Frame::binary(third())
        }),
    ]
}

fn sender<W, M>(name: &'static str, batch: &Batch, mut websocket: W, message: impl Fn() -> M + 'static) -> Subject
where
    W: Sink<M> + Unpin + 'static,
{
    let (messages, per_flush) = (batch.messages, batch.per_flush);
    Subject::new(name, move || {
        block_on(async {
            for i in 1..=messages {
                assert!(websocket.feed(message()).await.is_ok(), "there is room");
                if i % per_flush == 0 {
                    assert!(websocket.flush().await.is_ok(), "the stream takes all");
                }
            }
        });
    })
}

fn tungstenite(memory: Memory, role: Role) -> tungstenite::WebSocket<Memory> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let role = match role {
        Role::Server => TungsteniteRole::Server,
        Role::Client => TungsteniteRole::Client,
    };
    tungstenite::WebSocket::from_raw_socket(memory, role, Some(config))
}

fn tokio_websockets(memory: Memory, role: Role) -> tokio_websockets::WebSocketStream<Memory> {
    let limits = tokio_websockets::Limits::default().max_payload_len(Some(LIMIT));
    match role {
        Role::Server => tokio_websockets::ServerBuilder::new().limits(limits).serve(memory),
        Role::Client => tokio_websockets::ClientBuilder::new().limits(limits).take_over(memory),
    }
}

fn sockudo(memory: Memory, role: Role) -> sockudo_ws::WebSocketStream<Memory> {
    let config = sockudo_ws::Config::builder().max_payload_length(LIMIT).build();
    match role {
        Role::Server => sockudo_ws::WebSocketStream::server(memory, config),
        Role::Client => sockudo_ws::WebSocketStream::client(memory, config),
    }
}

fn yawc(memory: Memory, role: Role) -> yawc::WebSocket<Memory> {
    let options = yawc::Options::default()
        .with_limits(LIMIT + 1, 2 * LIMIT)
        .with_utf8()
        .without_compression();
    let role = match role {
        Role::Server => yawc::Role::Server,
        Role::Client => yawc::Role::Client,
    };
    yawc::WebSocket::from_stream(memory, role, options).expect("nothing is negotiated")
}
