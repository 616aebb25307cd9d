//! When bytes leave, and in how many writes.

use std::task::Poll;

use websocket_proto::{
    Bytes, Config, Event, Limits, Message, Negotiated, Role,
    asynchronous::{Transport, WebSocket},
    futures, tokio,
};

use crate::support::{
    BINARY, CLOSE, FIN, PING, PONG, Pipe, Script, Step, TEXT, Task, block_on, close, frames, masked, server, unmasked,
};

fn numbered(n: usize) -> Vec<u8> {
    (0..n)
        .flat_map(|n| masked(FIN | TEXT, n.to_string().as_bytes()))
        .collect()
}

fn echoed(n: usize) -> Vec<u8> {
    (0..n)
        .flat_map(|n| unmasked(FIN | TEXT, n.to_string().as_bytes()))
        .collect()
}

/// Answers to messages that arrived together leave together.
#[test]
fn answers_to_one_read_leave_in_one_write() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(numbered(100));
    let mut echo = Task::new(async {
        while let Some((message, outbound)) = websocket.recv_split().await.unwrap() {
            outbound.feed(message).unwrap();
        }
    });
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes(), [echoed(100)]);
    script.bytes(numbered(2));
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes(), [echoed(100), echoed(2)]);
}

/// The same with owned messages and `feed`; `send` writes each.
#[test]
fn what_was_fed_leaves_before_the_wait() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(numbered(10));
    let mut echo = Task::new(async {
        while let Some(message) = websocket.recv().await.unwrap() {
            websocket.feed(message).await.unwrap();
        }
    });
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes(), [echoed(10)]);

    let (mut websocket, script) = server(&Config::new());
    script.bytes(numbered(10));
    let mut echo = Task::new(async {
        while let Some(message) = websocket.recv().await.unwrap() {
            websocket.send(message).await.unwrap();
        }
    });
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes().len(), 10);
    assert_eq!(script.written(), echoed(10));
}

/// Replies leave before the connection waits for more, also those to control frames behind a message.
#[test]
fn automatic_replies_leave_before_the_wait() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes([masked(FIN | TEXT, b"a"), masked(FIN | PING, b"1")].concat());
    assert!(matches!(Task::new(websocket.recv()).settle(), Poll::Ready(Ok(Some(_)))));
    assert!(script.writes().is_empty(), "there was no wait yet");
    assert!(Task::new(websocket.recv()).settle().is_pending());
    assert_eq!(script.writes(), [unmasked(FIN | PONG, b"1")]);

    script.bytes([masked(FIN | PING, b"2"), close(1000)].concat());
    let expected = [unmasked(FIN | PONG, b"2"), unmasked(FIN | CLOSE, &[3, 0xE8])].concat();
    assert!(Task::new(websocket.recv()).settle().is_pending(), "the end is to come");
    assert_eq!(script.writes()[1..], [expected]);
    assert_eq!(script.shutdowns(), 1, "CL-12: the server ends the stream at once");
}

/// The same for events, where the application sees the Ping whose Pong is not written yet.
#[test]
fn a_pong_leaves_before_the_wait_for_the_next_event() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(masked(FIN | PING, b"x"));
    let event = Task::new(async { matches!(websocket.recv_event().await, Ok(Some(Event::Ping(b"x")))) }).settle();
    assert_eq!(event, Poll::Ready(true));
    assert!(
        Task::new(websocket.recv_event())
            .settle()
            .map(|event| event.is_ok())
            .is_pending()
    );
    assert_eq!(script.written(), unmasked(FIN | PONG, b"x"));
}

/// What a blocked stream did not take leaves when it is writable again, without a call of the application.
#[test]
fn a_reply_that_had_to_wait_leaves_when_it_can() {
    let (mut websocket, script) = server(&Config::new());
    script.block();
    script.bytes(masked(FIN | PING, b"x"));
    let mut recv = Task::new(websocket.recv());
    assert!(recv.settle().is_pending());
    assert!(script.writes().is_empty());
    script.unblock();
    assert!(recv.is_woken());
    assert!(recv.settle().is_pending());
    assert_eq!(script.written(), unmasked(FIN | PONG, b"x"));
}

fn send_large<T: Transport>(script: &Script, websocket: &mut WebSocket<T>) -> Vec<u8> {
    let payload = Bytes::from(vec![9; 100_000]);
    block_on(script, async {
        websocket.feed("before").await.unwrap();
        websocket.feed(Message::binary(payload.clone())).await.unwrap();
        websocket.feed("after").await.unwrap();
        websocket.flush().await.unwrap();
    });
    [
        unmasked(FIN | TEXT, b"before"),
        unmasked(FIN | BINARY, &payload),
        unmasked(FIN | TEXT, b"after"),
    ]
    .concat()
}

/// A large payload that is owned goes out from where it is, beside the frames around it, if the stream can do that.
#[test]
fn vectored_writes_are_used_where_they_are_supported() {
    let negotiated = Negotiated::new(Role::Server);
    for vectored in [true, false] {
        let (pipe, script) = Pipe::new();
        let mut websocket = tokio::WebSocket::from_negotiated(pipe, &negotiated, &Config::new());
        if vectored {
            script.vectored();
        }
        let expected = send_large(&script, &mut websocket);
        assert_eq!(script.written(), expected);
        assert_eq!(script.writes().len(), if vectored { 1 } else { 3 });

        let (pipe, script) = Pipe::new();
        let mut websocket = futures::WebSocket::from_negotiated(pipe, &negotiated, &Config::new());
        if vectored {
            script.vectored();
        }
        let expected = send_large(&script, &mut websocket);
        assert_eq!(script.written(), expected);
        assert_eq!(script.writes().len(), if vectored { 1 } else { 3 });
    }
}

/// A stream that buffers, as TLS does, is flushed behind the writes, and not when nothing was written.
#[test]
fn a_buffering_stream_is_flushed() {
    let (mut websocket, script) = server(&Config::new());
    script.buffering();
    script.write_width(4);
    script.bytes(numbered(10));
    let mut echo = Task::new(async {
        while let Some((message, outbound)) = websocket.recv_split().await.unwrap() {
            outbound.feed(message).unwrap();
        }
    });
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes(), [echoed(10)], "many writes, one flush");
    assert_eq!(script.flushes(), 1);

    // A flush that has to wait is finished later.
    script.block();
    script.bytes(masked(FIN | TEXT, b"0"));
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes().len(), 1);
    script.unblock();
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes()[1..], [echoed(1)]);
    let flushes = script.flushes();

    for _ in 0..3 {
        script.bytes(masked(FIN | PONG, b""));
        assert!(echo.settle().is_pending());
    }
    assert_eq!(script.flushes(), flushes, "nothing was written");
}

/// Both halves: what the sending half feeds leaves with the next wait of the receiving half.
#[test]
fn the_receiving_half_writes_what_was_fed() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    script.bytes(numbered(3));
    let mut echo = Task::new(async {
        while let Some(message) = recv.recv().await.unwrap() {
            send.feed(message).await.unwrap();
        }
    });
    assert!(echo.settle().is_pending());
    assert_eq!(script.writes(), [echoed(3)]);
    script.bytes(close(1000));
    script.push(Step::Eof);
    assert_eq!(echo.settle(), Poll::Ready(()));
    assert_eq!(frames(&script.written()).last().unwrap().0, FIN | CLOSE);
}

/// A peer that does not read is not read from either: `recv_ref` waits until an answer would not be refused.
#[test]
fn a_loop_of_answers_waits_for_room() {
    let config = Config::new().limits(Limits::new().output_high_water(10));
    let (mut websocket, script) = server(&config);
    script.block();
    script.bytes(numbered(100));
    let mut echo = Task::new(async {
        while let Some((message, outbound)) = websocket.recv_split().await.unwrap() {
            outbound.feed(message).unwrap();
        }
    });
    assert!(echo.settle().is_pending());
    assert!(script.written().is_empty());
    script.unblock();
    assert!(echo.settle().is_pending());
    assert_eq!(script.written(), echoed(100));
}
