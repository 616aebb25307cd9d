//! The peers with an API of their own: fastwebsockets, soketto, wtx.

use std::{cell::Cell, hint::black_box, rc::Rc, sync::Arc};

use fastwebsockets::{FragmentCollector, Frame, Payload};
use soketto::connection::{Builder, Mode, Receiver, Sender};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use websocket_proto::Role;
use wtx::{
    collection::Vector,
    rng::Xorshift64,
    web_socket::{Frame as WtxFrame, OpCode, WebSocket as Wtx, WebSocketBuffer, WebSocketPayloadOrigin},
};

use super::{
    Batch, Content, Subject,
    memory::{Memory, block_on},
    support::stream::Stream,
};

const LIMIT: usize = 64 << 20;

pub fn receivers(stream: &Arc<Stream>) -> Vec<Subject> {
    let memory = Memory::new(stream, &Rc::default());
    let (role, messages, len) = (stream.receiver, stream.messages, stream.len);
    let mut fast = fastwebsockets(memory.clone(), role);
    let (_, mut receiver) = soketto(memory.clone(), role);
    let is_text = stream.content.is_text();
    let mut buffer = Vec::new();
    vec![
        Subject::new("fastwebsockets", move || {
            block_on(async {
                for _ in 0..messages {
                    let frame = fast.read_frame().await.expect("the stream is valid");
                    assert_eq!(frame.payload.len(), len);
                    black_box(frame);
                }
            });
        }),
        Subject::new("soketto", move || {
            block_on(async {
                for _ in 0..messages {
                    buffer.clear();
                    receiver.receive_data(&mut buffer).await.expect("the stream is valid");
                    assert_eq!(buffer.len(), len);
                    // It leaves that check to the application.
                    if is_text {
                        black_box(simdutf8::basic::from_utf8(&buffer).expect("the text is valid"));
                    }
                    black_box(&buffer);
                }
            });
        }),
        match role {
            Role::Server => wtx_receiver::<false>(memory, messages, len),
            Role::Client => wtx_receiver::<true>(memory, messages, len),
        },
    ]
}

fn wtx_receiver<const IS_CLIENT: bool>(memory: Memory, messages: usize, len: usize) -> Subject {
    let mut websocket = wtx::<IS_CLIENT>(memory);
    let mut buffer = Vector::new();
    Subject::new("wtx", move || {
        block_on(async {
            for _ in 0..messages {
                buffer.clear();
                let frame = websocket
                    .read_frame(&mut buffer, WebSocketPayloadOrigin::Adaptive)
                    .await;
                let frame = frame.expect("the stream is valid");
                assert_eq!(frame.payload().len(), len);
                black_box(frame.payload());
            }
        });
    })
}

pub fn senders(batch: &Batch, writes: &Rc<Cell<u64>>) -> Vec<Subject> {
    // Nothing is received.
    let input = Arc::new(Stream::new(batch.role, Content::Binary, 1));
    let memory = Memory::new(&input, writes);
    let mut fast = fastwebsockets(memory.clone(), batch.role);
    let (mut sender, _receiver) = soketto(memory.clone(), batch.role);
    let (first, second) = (batch.clone(), batch.clone());
    vec![
        Subject::new("fastwebsockets", move || {
            block_on(async {
                for _ in 0..first.messages {
                    // It has nothing to flush.
                    let frame = Frame::binary(Payload::Borrowed(&first.payload));
                    fast.write_frame(frame).await.expect("the stream takes all");
                }
            });
        }),
        Subject::new("soketto", move || {
            block_on(async {
                for i in 1..=second.messages {
                    sender.send_binary(&second.payload).await.expect("the stream takes all");
                    if i % second.per_flush == 0 {
                        sender.flush().await.expect("the stream takes all");
                    }
                }
            });
        }),
        match batch.role {
            Role::Server => wtx_sender::<false>(memory, batch),
            Role::Client => wtx_sender::<true>(memory, batch),
        },
    ]
}

fn wtx_sender<const IS_CLIENT: bool>(memory: Memory, batch: &Batch) -> Subject {
    let mut websocket = wtx::<IS_CLIENT>(memory);
    let messages = batch.messages;
    // It masks in place, so it gets a payload that it may overwrite.
    let mut payload = batch.payload.to_vec();
    Subject::new("wtx", move || {
        block_on(async {
            for _ in 0..messages {
                let mut frame = WtxFrame::new_fin(OpCode::Binary, &mut payload[..]);
                websocket.write_frame(&mut frame).await.expect("the stream takes all");
            }
        });
    })
}

fn fastwebsockets(memory: Memory, role: Role) -> FragmentCollector<Memory> {
    let role = match role {
        Role::Server => fastwebsockets::Role::Server,
        Role::Client => fastwebsockets::Role::Client,
    };
    let mut websocket = fastwebsockets::WebSocket::after_handshake(memory, role);
    websocket.set_max_message_size(LIMIT);
    FragmentCollector::new(websocket)
}

fn soketto(memory: Memory, role: Role) -> (Sender<Compat<Memory>>, Receiver<Compat<Memory>>) {
    let mode = match role {
        Role::Server => Mode::Server,
        Role::Client => Mode::Client,
    };
    let mut builder = Builder::new(memory.compat(), mode);
    builder.set_max_message_size(LIMIT);
    builder.set_max_frame_size(LIMIT);
    builder.finish()
}

fn wtx<const IS_CLIENT: bool>(memory: Memory) -> Wtx<(), Xorshift64, Memory, WebSocketBuffer, IS_CLIENT> {
    Wtx::new((), false, Xorshift64::from(1), memory, WebSocketBuffer::new())
}
