//! Streams that fail, end or bring rubbish: an error that says so, never a hang or a panic.

use std::{io, task::Poll};

use futures_util::{FutureExt, StreamExt, stream::FusedStream};
use websocket_proto::{
    Config, Connection, Delivery, Error, Negotiated, ProtocolError, Role, SendError,
    asynchronous::{Transport, WebSocket},
    futures, tokio,
};

use crate::support::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, Pipe, Script, Step, TEXT, Task, block_on, close, frames, masked, server,
    unmasked,
};

/// Receives and answers until the end.
async fn echo<T: Transport>(websocket: &mut WebSocket<T>) -> (usize, Result<(), Error>) {
    let mut received = 0;
    loop {
        match websocket.recv().await {
            Ok(None) => return (received, Ok(())),
            Err(error) => return (received, Err(error)),
            Ok(Some(message)) => {
                received += 1;
                // DRV-02: a failure to send is no reason not to hear what the peer still says.
                if let Err(error) = websocket.send(message).await {
                    assert!(matches!(
                        error,
                        Error::Io(_) | Error::Protocol(ProtocolError::ConnectionLost)
                    ));
                }
            }
        }
    }
}

fn conversation() -> Vec<Vec<u8>> {
    vec![
        masked(FIN | TEXT, b"one"),
        masked(FIN | PING, b"x"),
        masked(TEXT, b"tw"),
        masked(FIN | CONTINUATION, b"o"),
        masked(FIN | BINARY, &[3; 500]),
        close(1000),
    ]
}

/// Runs the conversation over a stream that fails at a certain read, or at a certain write, through a shell.
fn run_failing<T: Transport>(
    fail_read: Option<(usize, Step)>,
    fail_write: Option<usize>,
    wrap: impl Fn(Pipe) -> T,
) -> bool {
    let (pipe, script) = Pipe::new();
    let reads = conversation();
    for (n, bytes) in reads.into_iter().enumerate() {
        if let Some((_, step)) = fail_read.iter().find(|(at, _)| *at == n) {
            script.push(step.clone());
        }
        script.push(Step::Pending);
        script.bytes(bytes);
    }
    script.push(Step::Eof);
    if let Some(n) = fail_write {
        script.fail_writes_after(n);
        script.write_width(50);
    }
    let mut websocket = WebSocket::from_parts(
        wrap(pipe),
        Connection::from_negotiated(&Negotiated::new(Role::Server), &Config::new()),
    );
    let (received, ended) = block_on(&script, echo(&mut websocket));
    let is_eof = matches!(fail_read, Some((_, Step::Eof)));
    match &ended {
        // Clean it is only if this side's Close was written.
        Ok(()) => {
            assert_eq!(received, 3);
            let is_written = script
                .written()
                .ends_with(&unmasked(FIN | CLOSE, &1000_u16.to_be_bytes()));
            assert_eq!(websocket.close_info().unwrap().clean, is_written);
        }
        Err(Error::Io(error)) => {
            let expected = if fail_write.is_some() {
                io::ErrorKind::BrokenPipe
            } else {
                io::ErrorKind::ConnectionReset
            };
            assert_eq!(error.kind(), expected);
            assert!(!is_eof);
        }
        Err(error) => assert!(
            is_eof && matches!(error, Error::Protocol(ProtocolError::ConnectionLost)),
            "{error:?}"
        ),
    }
    // However often it is called afterwards: the same again, at once.
    for _ in 0..3 {
        let again = websocket.recv().now_or_never().expect("no wait");
        match &ended {
            Ok(()) => assert!(matches!(again, Ok(None))),
            Err(_) => assert!(
                matches!(again, Err(Error::Protocol(ProtocolError::ConnectionLost))),
                "{again:?}"
            ),
        }
        let sent = websocket.send("x").now_or_never().expect("no wait");
        assert!(matches!(sent, Err(Error::Send(SendError::Closing(())))), "{sent:?}");
        let flushed = websocket.flush().now_or_never().expect("no wait");
        assert_eq!(flushed.is_ok(), websocket.close_info().unwrap().clean);
        let closed = websocket.close(None).now_or_never().expect("no wait");
        assert_eq!(closed.is_ok(), ended.is_ok());
    }
    ended.is_ok() && websocket.close_info().unwrap().clean
}

/// CL-22: at whatever read or write it happens, through both shells.
#[test]
fn a_failure_at_any_read_or_write_is_reported() {
    let runtime = ::tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    for n in 0..conversation().len() {
        for step in [Step::Eof, Step::Error(io::ErrorKind::ConnectionReset)] {
            assert!(!run_failing(Some((n, step.clone())), None, tokio::Io::new));
            assert!(!run_failing(Some((n, step)), None, futures::Io::new));
        }
    }
    let mut failed = 0;
    for n in 0.. {
        let ok = run_failing(None, Some(n), tokio::Io::new);
        assert_eq!(run_failing(None, Some(n), futures::Io::new), ok);
        if ok {
            break;
        }
        failed = n + 1;
    }
    assert!(failed > 10, "{failed} writes could fail");
}

/// CL-24: behind a completed closing handshake, an error of the stream is just its end.
#[test]
fn a_reset_behind_the_close_is_no_failure() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(close(1000));
    script.push(Step::Pending);
    script.push(Step::Error(io::ErrorKind::ConnectionReset));
    assert!(block_on(&script, websocket.recv()).unwrap().is_none());
    assert!(websocket.close_info().unwrap().clean);
}

/// Messages that were decoded before the end are delivered before it is told.
#[test]
fn what_arrived_comes_before_the_end() {
    for step in [Step::Eof, Step::Error(io::ErrorKind::ConnectionReset)] {
        let (mut websocket, script) = server(&Config::new());
        script.bytes(
            [
                masked(FIN | TEXT, b"a"),
                masked(FIN | TEXT, b"b"),
                masked(FIN | TEXT, b"cut")[..5].to_vec(),
            ]
            .concat(),
        );
        script.push(step);
        for expected in ["a", "b"] {
            assert_eq!(
                block_on(&script, websocket.recv()).unwrap().unwrap().as_text(),
                Some(expected)
            );
        }
        assert!(block_on(&script, websocket.recv()).is_err());
    }
}

fn code(script: &Script) -> Option<u16> {
    let frames = frames(&script.written());
    let (first, payload) = frames.last()?;
    (*first == FIN | CLOSE).then(|| u16::from_be_bytes([payload[0], payload[1]]))
}

/// CL-21, CL-23: the peer gets the Close although it keeps sending; the application learns of it after the peer's end.
#[test]
fn a_failed_connection_is_drained() {
    for (bad, expected) in [
        (masked(FIN | 3, b""), 1002),
        (masked(FIN | TEXT | 0x40, b""), 1002),
        (masked(FIN | BINARY, &[0; 2000]), 1009),
        (masked(FIN | TEXT, b"\xFF"), 1007),
        (unmasked(FIN | TEXT, b"x"), 1002),
        (close(1005), 1002),
    ] {
        let config = Config::new().limits(websocket_proto::Limits::new().max_message_size(1000));
        let (mut websocket, script) = server(&config);
        script.bytes([masked(FIN | TEXT, b"good"), bad].concat());
        assert_eq!(
            block_on(&script, websocket.recv()).unwrap().unwrap().as_text(),
            Some("good")
        );
        let mut recv = Task::new(websocket.recv());
        for _ in 0..20 {
            assert!(recv.settle().is_pending(), "the peer is still there");
            script.bytes(masked(FIN | BINARY, &[1; 5000]));
            script.bytes(masked(FIN | PING, b"no answer"));
        }
        assert!(recv.settle().is_pending());
        assert!(
            script.is_exhausted(),
            "what comes is read, so that it provokes no reset"
        );
        assert_eq!(code(&script), Some(expected));
        assert_eq!(frames(&script.written()).len(), 1, "no Pong, no second Close");
        assert_eq!(script.shutdowns(), 1);
        script.push(Step::Eof);
        assert!(matches!(recv.settle(), Poll::Ready(Err(Error::Protocol(_)))));
    }
}

/// CL-23: also while the Close cannot be written yet, since a peer that is writing may not read before that is taken.
#[test]
fn a_failed_connection_reads_while_its_close_waits() {
    for call in 0..2 {
        let (mut websocket, script) = server(&Config::new());
        script.block();
        script.bytes(masked(FIN | TEXT, b"\xFF"));
        let mut recv = Task::new(async {
            match call {
                0 => websocket.recv().await.map(|_| ()),
                _ => websocket.recv_ref().await.map(|_| ()),
            }
        });
        for _ in 0..5 {
            assert!(recv.settle().is_pending());
            script.bytes(masked(FIN | BINARY, &[1; 5000]));
        }
        assert!(recv.settle().is_pending());
        assert!(script.is_exhausted());
        // Its end does not take the Close away from it.
        script.push(Step::Eof);
        assert!(recv.settle().is_pending());
        script.unblock();
        assert!(matches!(
            recv.settle(),
            Poll::Ready(Err(Error::Protocol(ProtocolError::InvalidUtf8)))
        ));
        assert_eq!(code(&script), Some(1007));
    }
}

/// A peer that has closed its direction but reads on: the engine waits until it can write, and does not read the end
/// again and again.
#[test]
fn a_half_closed_stream_is_no_busy_loop() {
    for split in [false, true] {
        let (mut websocket, script) = server(&Config::new());
        websocket.try_feed("still to be written").unwrap();
        script.block();
        script.bytes(close(1000));
        script.push(Step::Eof);
        let (mut halves, mut whole) = if split {
            (Some(websocket.split()), None)
        } else {
            (None, Some(websocket))
        };
        let mut recv = Task::new(async {
            match (&mut whole, &mut halves) {
                (Some(websocket), _) => websocket.recv().await,
                (_, Some((_, recv))) => recv.recv().await,
                _ => unreachable!(),
            }
        });
        assert!(recv.settle().is_pending());
        assert!(script.reads() <= 3, "{} reads", script.reads());
        script.unblock();
        assert!(matches!(recv.settle(), Poll::Ready(Ok(None))));
        assert_eq!(frames(&script.written()).len(), 2, "the text and the Close");
    }
}

/// CL-24: a Close that a buffering stream took and did not pass on has not left, so the end waits for it.
#[test]
fn the_end_waits_for_a_close_that_is_held_back() {
    let (mut websocket, script) = server(&Config::new());
    script.hold();
    script.bytes(close(1000));
    script.push(Step::Eof);
    let mut recv = Task::new(websocket.recv());
    assert!(recv.settle().is_pending());
    script.unblock();
    assert!(matches!(recv.settle(), Poll::Ready(Ok(None))));
    drop(recv);
    assert!(websocket.close_info().unwrap().clean);
    assert_eq!(code(&script), Some(1000));
}

/// Text that is not UTF-8 fails the connection with 1007, whichever way it is received.
#[test]
fn invalid_text_fails_in_every_way_to_receive() {
    let fragments = [masked(TEXT, b"\xE2\x82"), masked(FIN | CONTINUATION, b"x")].concat();
    for bytes in [masked(FIN | TEXT, b"ok\xC0\x80"), fragments] {
        for way in 0..8 {
            let (websocket, script) = server(&Config::new());
            script.bytes(bytes.clone());
            script.trickle(&masked(FIN | TEXT, b"later"), 2);
            script.push(Step::Eof);
            let (mut websocket, halves) = if way < 4 {
                (Some(websocket), None)
            } else {
                (None, Some(websocket.split()))
            };
            let (mut send, mut half) = halves.unzip();
            let result = block_on(&script, async {
                match (way, &mut websocket, &mut half) {
                    (0, Some(websocket), _) => websocket.recv().await.map(|_| ()),
                    (1, Some(websocket), _) => websocket.recv_ref().await.map(|_| ()),
                    (2, Some(websocket), _) => websocket.recv_event().await.map(|_| ()),
                    (_, Some(websocket), _) => websocket.next().await.unwrap().map(|_| ()),
                    (4, _, Some(recv)) => recv.recv().await.map(|_| ()),
                    (5, _, Some(recv)) => recv.recv_ref().await.map(|_| ()),
                    (6, _, Some(recv)) => recv.recv_event().await.map(|_| ()),
                    (_, _, Some(recv)) => recv.next().await.unwrap().map(|_| ()),
                    _ => unreachable!(),
                }
            });
            assert!(
                matches!(result, Err(Error::Protocol(ProtocolError::InvalidUtf8))),
                "way {way}: {result:?}"
            );
            assert_eq!(
                script.written(),
                unmasked(FIN | CLOSE, &1007_u16.to_be_bytes()),
                "way {way}"
            );
            if let Some(websocket) = &mut websocket {
                assert_eq!(
                    websocket.close_info().unwrap().failure,
                    Some(ProtocolError::InvalidUtf8)
                );
                assert_eq!(websocket.is_terminated(), way == 3);
            }
            if let (Some(send), Some(recv)) = (&mut send, &mut half) {
                assert_eq!(send.close_info().unwrap().failure, Some(ProtocolError::InvalidUtf8));
                assert!(matches!(
                    send.send("x").now_or_never(),
                    Some(Err(Error::Send(SendError::Closing(()))))
                ));
                assert!(recv.recv().now_or_never().unwrap().is_err());
                assert_eq!(recv.is_terminated(), way == 7);
            }
        }
    }
}

/// The stream of messages ends behind an error, and behind a proper end.
#[test]
fn the_stream_is_fused() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes([masked(FIN | TEXT, b"a"), unmasked(FIN | TEXT, b"bad")].concat());
    script.push(Step::Eof);
    let items: Vec<_> = block_on(&script, async { (&mut websocket).take(10).collect().await });
    assert!(
        matches!(&items[..], [Ok(_), Err(Error::Protocol(ProtocolError::UnmaskedFrame))]),
        "{items:?}"
    );
    assert!(websocket.is_terminated());
    assert!(websocket.next().now_or_never().unwrap().is_none());

    let (websocket, script) = server(&Config::new());
    script.bytes([masked(FIN | TEXT, b"a"), close(1000)].concat());
    script.push(Step::Eof);
    let (_send, mut recv) = websocket.split();
    let items: Vec<_> = block_on(&script, async { (&mut recv).collect().await });
    assert!(matches!(&items[..], [Ok(_)]), "{items:?}");
    assert!(recv.is_terminated());
}

/// With fragments to be delivered, `recv` says that it is the wrong call.
#[test]
fn fragments_are_no_messages() {
    let (mut websocket, script) = server(&Config::new().delivery(Delivery::Fragments));
    script.bytes(masked(FIN | TEXT, b"a"));
    assert!(matches!(
        block_on(&script, websocket.recv()),
        Err(Error::FragmentDelivery)
    ));
}
