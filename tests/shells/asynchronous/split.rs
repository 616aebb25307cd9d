//! The halves of a connection, in one task or in two, over a scripted stream.

use std::{future::Future, pin::pin, task::Poll};

use futures_util::{
    FutureExt,
    future::{join, select},
};
use tokio::net::TcpStream;
use websocket_proto::{
    CloseCode, Config, Connection, Error, Limits, Negotiated, ProtocolError, Role, SendError, asynchronous, futures,
    tokio::{RecvHalf, SendHalf, WebSocket},
};

use crate::support::{CLOSE, Driver, FIN, PING, PONG, Pipe, Step, TEXT, Task, close, frames, masked, server, unmasked};

fn assert_send_static<T: Send + 'static>() {}

fn assert_send<T: Send>(_: &T) {}

/// Whatever goes through a connection of a stream that is `Send` can be spawned.
#[test]
fn halves_and_futures_are_send() {
    assert_send_static::<WebSocket<TcpStream>>();
    assert_send_static::<SendHalf<TcpStream>>();
    assert_send_static::<RecvHalf<TcpStream>>();
    assert_send_static::<futures::WebSocket<async_net::TcpStream>>();
    assert_send_static::<futures::SendHalf<async_net::TcpStream>>();
    assert_send_static::<futures::RecvHalf<async_net::TcpStream>>();
    assert_send_static::<asynchronous::Acceptor<websocket_proto::tokio::Io<TcpStream>>>();
    assert_send_static::<asynchronous::Connector<websocket_proto::tokio::Io<TcpStream>>>();
    assert_send_static::<Error>();

    let (mut websocket, _script) = server(&Config::new());
    assert_send(&websocket.recv());
    assert_send(&websocket.recv_ref());
    assert_send(&websocket.recv_event());
    assert_send(&websocket.send("x"));
    assert_send(&websocket.feed(vec![1]));
    assert_send(&websocket.ping(b""));
    assert_send(&websocket.close(None));
    let (mut send, mut recv) = websocket.split();
    assert_send(&recv.recv());
    assert_send(&recv.recv_ref());
    assert_send(&recv.recv_event());
    assert_send(&send.send("x"));
    assert_send(&send.flush());
    assert_send(&send.close(None));
}

/// Futures are small, so that those of the application are: nothing of the connection is in them.
#[test]
fn futures_are_small() {
    let (mut websocket, _script) = server(&Config::new());
    let recv = size_of_val(&websocket.recv());
    let recv_ref = size_of_val(&websocket.recv_ref());
    let recv_event = size_of_val(&websocket.recv_event());
    let flush = size_of_val(&websocket.flush());
    let sizes = [recv, recv_ref, recv_event, flush, size_of_val(&websocket.close(None))];
    assert!(sizes.iter().all(|&size| size <= 256), "{sizes:?}");
    assert!(
        size_of_val(&websocket.send("x")) <= 512,
        "{}",
        size_of_val(&websocket.send("x"))
    );
    let (pipe, _script) = Pipe::new();
    let mut acceptor = asynchronous::Acceptor::<Pipe>::new(pipe, &Config::new());
    let size = size_of_val(&acceptor.recv_request());
    assert!(size <= 64, "{size}");
    let whole = size_of_val(&WebSocket::accept(tokio::io::empty()));
    assert!(whole <= 4096, "{whole}");
}

/// Pings and the Close are answered by the receiving half while nobody touches the other.
#[test]
fn the_receiving_half_answers() {
    let (websocket, script) = server(&Config::new());
    let (send, mut recv) = websocket.split();
    script.bytes(masked(FIN | PING, b"x"));
    let mut task = Task::new(recv.recv());
    assert!(task.settle().is_pending());
    assert_eq!(script.written(), unmasked(FIN | PONG, b"x"));
    script.bytes(close(1001));
    assert!(task.settle().is_pending());
    assert_eq!(
        frames(&script.written())[1],
        (FIN | CLOSE, 1001_u16.to_be_bytes().to_vec())
    );
    script.push(Step::Eof);
    assert!(matches!(task.settle(), Poll::Ready(Ok(None))));
    drop(task);
    assert!(send.close_info().unwrap().clean);
    assert_eq!(recv.close_info(), send.close_info());
}

fn narrow() -> Config {
    Config::new().limits(Limits::new().output_high_water(10))
}

/// A sender that waits for room does not keep the other half from receiving.
#[test]
fn a_waiting_sender_does_not_block_the_receiver() {
    let (websocket, script) = server(&narrow());
    let (mut send, mut recv) = websocket.split();
    script.block();
    let mut sender = Task::new(async {
        for _ in 0..3 {
            send.feed("more than ten bytes").await?;
        }
        send.flush().await
    });
    assert!(sender.settle().is_pending());
    for n in 0..5 {
        script.bytes(masked(FIN | TEXT, &[b'0' + n]));
        let mut receiver = Task::new(recv.recv());
        let message = receiver.settle();
        assert!(matches!(message, Poll::Ready(Ok(Some(_)))), "{message:?}");
        assert!(sender.settle().is_pending());
    }
    script.unblock();
    assert!(sender.is_woken(), "there is room again");
    assert!(matches!(sender.settle(), Poll::Ready(Ok(()))));
    assert_eq!(frames(&script.written()).len(), 3);
}

/// A Ping waits for room as a message does, with a whole connection and with halves.
#[test]
fn pings_wait_for_room() {
    let (mut websocket, script) = server(&narrow());
    script.block();
    assert!(websocket.send("more than enough").now_or_never().is_none());
    let mut waiting = Task::new(async {
        websocket.ping(b"one").await.unwrap();
        websocket.pong(b"two").await.unwrap();
    });
    assert!(waiting.settle().is_pending());
    script.unblock();
    assert!(waiting.settle().is_ready());
    let frames = [
        unmasked(FIN | TEXT, b"more than enough"),
        unmasked(FIN | PING, b"one"),
        unmasked(FIN | PONG, b"two"),
    ];
    assert_eq!(script.written(), frames.concat());
    drop(waiting);

    let (mut send, _recv) = websocket.split();
    script.block();
    assert!(send.send("more than enough").now_or_never().is_none());
    let mut waiting = Task::new(async {
        send.ping(b"one").await.unwrap();
        send.pong(b"two").await.unwrap();
    });
    assert!(waiting.settle().is_pending());
    script.unblock();
    assert!(waiting.settle().is_ready());
    assert_eq!(script.written(), frames.concat().repeat(2));
}

/// Both tasks wait for the write side. Whoever polled it last, both are woken when it can be written.
#[test]
fn both_waiting_tasks_are_woken() {
    for sender_first in [true, false] {
        let (websocket, script) = server(&Config::new());
        let (mut send, mut recv) = websocket.split();
        script.block();
        script.bytes(masked(FIN | PING, b"x"));
        let mut receiver = Task::new(recv.recv());
        let mut sender = Task::new(send.send("hello"));
        if sender_first {
            assert!(sender.settle().is_pending());
            assert!(receiver.settle().is_pending());
        } else {
            assert!(receiver.settle().is_pending());
            assert!(sender.settle().is_pending());
            assert!(receiver.settle().is_pending());
        }
        // Nobody wakes the other without need, so both rest.
        assert!(!sender.is_woken() && !receiver.is_woken());
        script.unblock();
        assert!(sender.is_woken(), "sender first: {sender_first}");
        assert!(receiver.is_woken(), "sender first: {sender_first}");
        // The receiver writes everything, and the sender learns of it.
        assert!(receiver.settle().is_pending());
        assert!(matches!(sender.settle(), Poll::Ready(Ok(()))));
        assert_eq!(frames(&script.written()).len(), 2);
    }
}

/// The receiver waits for the write side, the sender comes and goes: the receiver is still woken.
#[test]
fn a_dropped_sender_takes_no_wake_along() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    script.block();
    script.bytes(masked(FIN | PING, b"x"));
    let mut receiver = Task::new(recv.recv());
    assert!(receiver.settle().is_pending());
    let mut sender = Task::new(send.send("hello"));
    assert!(sender.settle().is_pending());
    drop(sender);
    drop(send);
    assert!(receiver.settle().is_pending());
    script.unblock();
    assert!(receiver.is_woken());
    assert!(receiver.settle().is_pending());
    assert_eq!(frames(&script.written()).len(), 2, "what was queued leaves as well");
}

/// Halves in one task: the sending half tells the other that it waits, once, and the task does not wake itself for ever.
#[test]
fn halves_in_one_task_rest_while_nothing_can_be_written() {
    for buffering in [false, true] {
        let (websocket, script) = server(&Config::new());
        if buffering {
            script.buffering();
        }
        let (mut send, mut recv) = websocket.split();
        script.block();
        let mut both = Task::new(join(send.send("hello"), recv.recv()));
        assert!(both.settle().is_pending());
        assert!(both.polls <= 4, "{} polls", both.polls);
        // Neither do spurious wakes start it, nor polls for reasons of the task itself, nor what arrives.
        script.wake_writer();
        assert!(both.settle().is_pending());
        assert!(both.poll().is_pending());
        assert!(both.settle().is_pending());
        script.bytes(masked(FIN | PING, b"x"));
        assert!(both.settle().is_pending());
        assert!(both.polls <= 12, "{} polls", both.polls);
        script.bytes(masked(FIN | TEXT, b"x"));
        script.unblock();
        assert!(matches!(both.settle(), Poll::Ready((Ok(()), Ok(Some(_))))));
    }
}

/// The same while the sink of the sending half is closed, and while a failed connection is waited for.
#[test]
fn halves_in_one_task_rest_while_closing() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    script.block();
    let mut both = Task::new(join(futures_util::SinkExt::close(&mut send), recv.recv()));
    assert!(both.settle().is_pending());
    assert!(both.poll().is_pending());
    assert!(both.settle().is_pending());
    assert!(both.polls <= 8, "{} polls", both.polls);
    drop(both);
    script.bytes(masked(FIN | TEXT, b"\xFF"));
    let mut both = Task::new(join(send.flush(), async { recv.recv_ref().await.map(|_| ()) }));
    assert!(both.settle().is_pending());
    assert!(both.poll().is_pending());
    assert!(both.settle().is_pending());
    assert!(both.polls <= 8, "{} polls", both.polls);
    script.unblock();
    script.push(Step::Eof);
    let Poll::Ready((Ok(()), Err(error))) = both.settle() else {
        panic!("both end");
    };
    assert!(matches!(error, Error::Protocol(ProtocolError::InvalidUtf8)));
}

/// Two tasks do not wake each other in turn while the peer takes nothing.
#[test]
fn two_tasks_rest_while_nothing_can_be_written() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    script.block();
    let mut sender = Task::new(send.send("hello"));
    let mut receiver = Task::new(recv.recv());
    for _ in 0..100 {
        if sender.is_woken() {
            assert!(sender.settle().is_pending());
        }
        if receiver.is_woken() {
            assert!(receiver.settle().is_pending());
        }
    }
    assert!(!sender.is_woken() && !receiver.is_woken());
    assert!(sender.wakes() + receiver.wakes() <= 4);
}

/// A peer that ends its stream, or resets it, while the sender waits: the sender gets an error.
#[test]
fn a_waiting_sender_learns_of_the_end() {
    for (step, io) in [
        (Step::Eof, false),
        (Step::Error(std::io::ErrorKind::ConnectionReset), true),
    ] {
        let (websocket, script) = server(&Config::new());
        let (mut send, mut recv) = websocket.split();
        script.block();
        let mut sender = Task::new(send.send("hello"));
        let mut receiver = Task::new(recv.recv());
        assert!(sender.settle().is_pending());
        assert!(receiver.settle().is_pending());
        script.push(step);
        let Poll::Ready(Err(error)) = receiver.settle() else {
            panic!("an error")
        };
        assert_eq!(matches!(error, Error::Io(_)), io, "{error:?}");
        assert!(sender.is_woken());
        let Poll::Ready(Err(error)) = sender.settle() else {
            panic!("an error")
        };
        assert!(
            matches!(error, Error::Protocol(ProtocolError::ConnectionLost)),
            "{error:?}"
        );
        drop(sender);
        assert!(matches!(
            Task::new(send.send("again")).settle(),
            Poll::Ready(Err(Error::Send(SendError::Closing(()))))
        ));
    }
}

/// Nothing can be sent after the peer's Close, so that waiting for room to send is over, however long the peer reads nothing.
#[test]
fn a_sender_that_waits_for_room_learns_of_the_peers_close() {
    let (websocket, script) = server(&Config::new().limits(Limits::new().output_high_water(100)));
    let (mut send, mut recv) = websocket.split();
    let mut other = send.clone();
    script.block();
    send.try_feed(&[0; 200]).unwrap();
    let mut sender = Task::new(send.feed("no room"));
    let mut flusher = Task::new(other.flush());
    let mut receiver = Task::new(recv.recv());
    assert!(sender.settle().is_pending());
    assert!(flusher.settle().is_pending());
    assert!(receiver.settle().is_pending());
    script.bytes(masked(FIN | CLOSE, &1000_u16.to_be_bytes()));
    assert!(receiver.settle().is_pending(), "the answer is not written");
    assert!(sender.is_woken());
    assert!(matches!(
        sender.settle(),
        Poll::Ready(Err(Error::Send(SendError::Closing(()))))
    ));
    assert!(flusher.settle().is_pending(), "that waits for the output");
    assert!(!flusher.is_woken(), "and does not spin");
    script.unblock();
    assert!(matches!(flusher.settle(), Poll::Ready(Ok(()))));
}

/// As many tasks as there are clones of a sending half may wait at once. Each is woken, and one that is gone is forgotten.
#[test]
fn clones_of_a_sending_half_wait_at_once() {
    let (websocket, script) = server(&Config::new());
    let (send, mut recv) = websocket.split();
    script.block();
    let mut senders: Vec<_> = (0..3).map(|_| send.clone()).collect();
    let mut gone = send.clone();
    let mut tasks: Vec<_> = senders
        .iter_mut()
        .map(|send| Task::new(send.send("together")))
        .collect();
    for task in &mut tasks {
        assert!(task.settle().is_pending());
    }
    let mut dropped = Task::new(gone.send("together"));
    assert!(dropped.settle().is_pending());
    drop(dropped);
    drop(gone);
    let mut receiver = Task::new(recv.recv());
    assert!(receiver.settle().is_pending());
    script.unblock();
    assert!(receiver.settle().is_pending());
    for mut task in tasks {
        assert!(task.is_woken());
        assert!(matches!(task.settle(), Poll::Ready(Ok(()))));
    }
    let one = unmasked(FIN | TEXT, b"together");
    assert_eq!(script.written(), one.repeat(4));
}

/// DRV-02: a write that fails for the sender ends the sending direction only. The receiver gets what the peer has sent, with its
/// Close, or else the error.
#[test]
fn the_receiver_gets_what_came_before_a_failed_write_was_known() {
    for closes in [false, true] {
        let (websocket, script) = server(&Config::new());
        let (mut send, mut recv) = websocket.split();
        let mut receiver = Task::new(recv.recv());
        assert!(receiver.settle().is_pending());
        script.fail_writes_after(0);
        assert!(matches!(
            Task::new(send.send("x")).settle(),
            Poll::Ready(Err(Error::Io(_)))
        ));
        for _ in 0..2 {
            assert!(matches!(
                Task::new(send.send("y")).settle(),
                Poll::Ready(Err(Error::Protocol(ProtocolError::ConnectionLost)))
            ));
        }
        script.bytes(masked(FIN | TEXT, b"last words"));
        if closes {
            script.bytes(close(4001));
        }
        script.push(Step::Eof);
        assert!(matches!(receiver.settle(), Poll::Ready(Ok(Some(_)))));
        drop(receiver);
        let ended = Task::new(recv.recv()).settle();
        if closes {
            assert!(matches!(ended, Poll::Ready(Ok(None))), "{ended:?}");
        } else {
            assert!(
                matches!(ended, Poll::Ready(Err(Error::Protocol(ProtocolError::ConnectionLost)))),
                "{ended:?}"
            );
        }
        assert_eq!(
            recv.close_info().unwrap().code.value(),
            if closes { 4001 } else { 1006 }
        );
    }
}

/// With nobody who sends, an error of the transport is told by the half that receives.
#[test]
fn the_receiver_learns_of_a_failed_write() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    let mut receiver = Task::new(recv.recv());
    assert!(receiver.settle().is_pending());
    script.fail_writes_after(0);
    send.try_feed("x").unwrap();
    script.bytes(masked(FIN | PING, b"x"));
    assert!(receiver.is_woken());
    assert!(receiver.settle().is_pending());
    script.push(Step::Eof);
    assert!(matches!(receiver.settle(), Poll::Ready(Err(Error::Io(_)))));
}

/// CL-11: closing from either half, even from both, sends one Close.
#[test]
fn either_half_closes() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    let mut receiver = Task::new(recv.recv());
    assert!(receiver.settle().is_pending());
    assert!(matches!(
        Task::new(send.close(CloseCode::NORMAL)).settle(),
        Poll::Ready(Ok(()))
    ));
    assert!(receiver.is_woken(), "there is a deadline to watch");
    assert!(matches!(
        Task::new(send.close(CloseCode::GOING_AWAY)).settle(),
        Poll::Ready(Ok(()))
    ));
    script.bytes(close(1000));
    script.push(Step::Eof);
    assert!(matches!(receiver.settle(), Poll::Ready(Ok(None))));
    assert_eq!(script.written(), unmasked(FIN | CLOSE, &[3, 0xE8]));
}

/// CL-13: the client closes behind the server, also when it keeps the connection, so that the server need not wait.
#[test]
fn a_client_closes_behind_the_server() {
    for split in [false, true] {
        let (pipe, script) = Pipe::new();
        let mut websocket = asynchronous::WebSocket::from_parts(
            pipe,
            Connection::from_negotiated(&Negotiated::new(Role::Client), &Config::new()),
        );
        script.bytes(unmasked(FIN | CLOSE, &[3, 0xE8]));
        if split {
            let (_send, mut recv) = websocket.split();
            let mut task = Task::new(recv.recv());
            assert!(task.settle().is_pending());
            script.push(Step::Eof);
            assert!(matches!(task.settle(), Poll::Ready(Ok(None))));
        } else {
            let mut task = Task::new(websocket.close(CloseCode::NORMAL));
            assert!(task.settle().is_pending());
            assert_eq!(script.shutdowns(), 0, "the server goes first");
            script.push(Step::Eof);
            assert!(matches!(task.settle(), Poll::Ready(Ok(()))));
        }
        assert_eq!(script.shutdowns(), 1);
    }
}

#[test]
fn halves_reunite_with_their_other_only() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    let (strange_send, strange_recv) = server(&Config::new()).0.split();
    // State of both directions survives: half a frame received, a message queued.
    let text = masked(FIN | TEXT, b"whole");
    script.bytes(&text[..4]);
    assert!(Task::new(recv.recv()).settle().is_pending());
    send.try_feed("queued").unwrap();

    let error = send.reunite(strange_recv).unwrap_err();
    assert!(error.to_string().starts_with("halves belong to different connections"));
    let (send, strange_recv) = error.into_halves();
    let (strange_send, recv) = strange_send.reunite(recv).unwrap_err().into_halves();
    assert!(strange_send.reunite(strange_recv).is_ok());
    let clone = send.clone();
    let (send, recv) = send.reunite(recv).unwrap_err().into_halves();
    drop(clone);

    let mut websocket = send.reunite(recv).unwrap();
    script.bytes(&text[4..]);
    let Poll::Ready(Ok(Some(message))) = Task::new(websocket.recv()).settle() else {
        panic!("the message")
    };
    assert_eq!(message.as_text(), Some("whole"));
    assert_eq!(script.written(), unmasked(FIN | TEXT, b"queued"));
}

/// Both halves in one `select!`-like future, dropped all the time.
#[test]
fn a_select_of_both_halves_loses_nothing() {
    let (websocket, script) = server(&narrow());
    let (mut send, mut recv) = websocket.split();
    script.write_width(2);
    script.write_pauses();
    let texts: Vec<String> = (0..30).map(|n| format!("message {n}")).collect();
    let input: Vec<u8> = texts
        .iter()
        .flat_map(|text| masked(FIN | TEXT, text.as_bytes()))
        .collect();
    script.trickle(&input, 5);
    let (mut received, mut fed) = (vec![], 0);
    let mut driver = Driver::new(&script, crate::support::Cut::Every(3));
    while received.len() < texts.len() || fed < texts.len() {
        let text = &*texts[fed.min(texts.len() - 1)];
        let (is_done, all_received) = (fed == texts.len(), received.len() == texts.len());
        let chosen = driver.run(async {
            let feed = pin!(unless(is_done, send.feed(text)));
            let recv = pin!(unless(all_received, recv.recv()));
            match select(feed, recv).await {
                futures_util::future::Either::Left((fed, _)) => Err(fed),
                futures_util::future::Either::Right((message, _)) => Ok(message.unwrap().unwrap()),
            }
        });
        match chosen {
            Some(Ok(message)) => received.push(message.as_text().unwrap().to_owned()),
            Some(Err(result)) => {
                result.unwrap();
                fed += 1;
            }
            None => {}
        }
    }
    driver.repeat(|driver| driver.run(send.flush())).unwrap();
    assert_eq!(received, texts);
    let expected: Vec<u8> = texts
        .iter()
        .flat_map(|text| unmasked(FIN | TEXT, text.as_bytes()))
        .collect();
    assert_eq!(script.written(), expected);
}

async fn unless<F: Future>(never: bool, future: F) -> F::Output {
    if never {
        std::future::pending().await
    } else {
        future.await
    }
}
