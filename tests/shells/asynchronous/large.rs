//! Long messages, which are answered from the buffer that they were received into.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use smol::io as futures_io;
use tokio_util::compat::FuturesAsyncReadCompatExt;
use websocket_proto::{
    Config, Connection, Limits, Message, Negotiated, Role, SendError, Timers,
    asynchronous::{Transport, WebSocket},
};

use crate::support::{BINARY, FIN, Pipe, TEXT, Task, masked, server, unmasked};

/// Lengths around those at which a message takes another path: alone in the receive buffer, just too long for it.
const LENGTHS: [usize; 9] = [32_767, 32_768, 65_535, 65_536, 66_033, 66_034, 66_035, 70_000, 200_000];

fn payload(len: usize) -> Vec<u8> {
    (0..=250).cycle().step_by(31).take(len).collect()
}

/// Answers everything with itself, as a loop of the shell does, until there is nothing more.
async fn echo<T: Transport>(websocket: &mut WebSocket<T>) {
    while let Some((message, outbound)) = websocket.recv_split().await.unwrap() {
        outbound.feed(message).unwrap();
    }
}

/// Whatever is cut, and whatever lies beside a long message, the answers are the same.
#[test]
fn long_messages_come_back_whatever_is_cut() {
    for len in LENGTHS {
        let (long, short) = (payload(len), b"short".to_vec());
        for messages in [
            vec![&long],
            vec![&long, &long],
            vec![&short, &long],
            vec![&long, &short, &long],
        ] {
            for (read, write) in [
                (usize::MAX, usize::MAX),
                (66_048, 70_000),
                (40_000, 10_000),
                (4_096, 33_000),
            ] {
                let (mut websocket, script) = server(&Config::new());
                script.write_width(write);
                let (mut sent, mut expected) = (Vec::new(), Vec::new());
                for message in &messages {
                    sent.extend(masked(FIN | BINARY, message));
                    expected.extend(unmasked(FIN | BINARY, message));
                }
                script.trickle(&sent, read);
                let mut task = Task::new(echo(&mut websocket));
                assert!(task.settle().is_pending());
                while script.tick() {
                    assert!(task.settle().is_pending());
                }
                assert!(
                    script.written() == expected,
                    "{} messages, {len} bytes, {read} a read, {write} a write: {} of {}",
                    messages.len(),
                    script.written().len(),
                    expected.len()
                );
            }
        }
    }
}

/// A client masks its answer where it lies, behind a header that is longer than the one that it came with.
#[test]
fn a_client_masks_what_it_answers() {
    for len in LENGTHS {
        let (pipe, script) = Pipe::new();
        let mut websocket = WebSocket::from_parts(
            pipe,
            Connection::from_negotiated(&Negotiated::new(Role::Client), &Config::new()),
        );
        let long = payload(len);
        script.bytes(unmasked(FIN | BINARY, &long));
        assert!(Task::new(echo(&mut websocket)).settle().is_pending());

        let (mut peer, replay) = server(&Config::new());
        replay.bytes(script.written());
        let mut recv = Task::new(peer.recv());
        match recv.settle() {
            std::task::Poll::Ready(Ok(Some(message))) => assert!(message.as_bytes() == long, "{len} bytes"),
            other => panic!("{other:?}"),
        }
    }
}

/// The header goes where the message's own header was, so that it takes one write on any stream.
#[test]
fn a_long_answer_leaves_in_one_write() {
    let (mut websocket, script) = server(&Config::new());
    for _ in 0..3 {
        script.bytes(masked(FIN | BINARY, &payload(65_536)));
        assert!(Task::new(echo(&mut websocket)).settle().is_pending());
    }
    assert_eq!(script.writes().len(), 3);
}

/// Taking the buffer away, or not, leaves the connection as it should be.
#[test]
fn a_long_message_may_be_left_or_handed_back() {
    let config = Config::new().limits(Limits::new().output_high_water(1000));
    let (mut websocket, script) = server(&config);
    let long = payload(40_000);
    for _ in 0..4 {
        script.bytes(masked(FIN | BINARY, &long));
    }
    let mut handed_back = None;
    let mut talk = Task::new(async {
        let (message, _) = websocket.recv_split().await.unwrap().unwrap();
        drop(message);
        let (message, outbound) = websocket.recv_split().await.unwrap().unwrap();
        assert!(outbound.feed(message).is_ok());
        websocket.flush().await.unwrap();
        let (message, outbound) = websocket.recv_split().await.unwrap().unwrap();
        outbound.feed(&[0; 1000]).unwrap();
        match outbound.feed(message) {
            Err(SendError::Full(message)) => handed_back = message.into_message().map(Message::into_owned),
            other => panic!("{other:?}"),
        }
        websocket.flush().await.unwrap();
        echo(&mut websocket).await;
    });
    assert!(talk.settle().is_pending());
    drop(talk);
    assert!(handed_back == Some(Message::from(&long)));
    let echoed = unmasked(FIN | BINARY, &long);
    let filler = unmasked(FIN | BINARY, &[0; 1000]);
    assert!(script.written() == [&echoed[..], &filler, &echoed].concat());

    // Texts lie elsewhere, and go on as before.
    let text = "é".repeat(20_000);
    script.bytes(masked(FIN | TEXT, text.as_bytes()));
    assert!(Task::new(echo(&mut websocket)).settle().is_pending());
    assert!(script.written().ends_with(&unmasked(FIN | TEXT, text.as_bytes())));
}

/// A stream that counts the bytes that it is lent.
struct Counting {
    pipe: Pipe,
    lent: Rc<Cell<usize>>,
}

impl futures_io::AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.lent.set(self.lent.get() + buffer.len());
        futures_io::AsyncRead::poll_read(Pin::new(&mut self.pipe), cx, buffer)
    }
}

impl futures_io::AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(Pin::new(&mut self.pipe), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_flush(Pin::new(&mut self.pipe), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_close(Pin::new(&mut self.pipe), cx)
    }
}

/// DRV-06: what a stream is lent is in proportion to what arrives, also for the second long message, for which there is a large
/// buffer already. The stream of tokio-util fills it with zeros before each read, those that bring nothing included.
#[test]
fn what_a_stream_is_lent_is_in_proportion_to_what_arrives() {
    const LEN: usize = 16 << 20;
    let (pipe, script) = Pipe::new();
    let lent = Rc::new(Cell::new(0));
    let stream = Counting {
        pipe,
        lent: Rc::clone(&lent),
    }
    .compat();
    // Without a runtime there are no timers.
    let config = Config::new().timers(Timers::new().message(None));
    let mut websocket =
        websocket_proto::tokio::WebSocket::from_negotiated(stream, &Negotiated::new(Role::Client), &config);
    let message = unmasked(FIN | BINARY, &payload(LEN));
    script.trickle(&message, 60_000);
    let mut task = Task::new(websocket.recv());
    while task.settle().is_pending() {
        assert!(script.tick(), "a hang");
    }
    drop(task);
    let first = lent.replace(0);
    assert!(first < 8 * LEN, "{first} bytes for a message of {LEN}");

    let (head, dripped) = (100_000, 3_000);
    script.bytes(&message[..head]);
    script.trickle(&message[head..head + dripped], 1);
    let mut task = Task::new(websocket.recv());
    while task.settle().is_pending() && script.tick() {}
    assert!(script.is_exhausted());
    let second = lent.get();
    assert!(
        second < 8 * head + 17 * 1024 * dripped,
        "{second} bytes for {dripped} that dripped"
    );
}
