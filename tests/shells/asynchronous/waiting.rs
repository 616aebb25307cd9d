//! Waiting for the write side in one half of a connection, and what the other half does meanwhile.

use std::task::Poll;

use futures_util::{FutureExt, future::join};
use websocket_proto::{Config, Error, Limits, ProtocolError, SendError};

use crate::support::{CLOSE, FIN, PING, PONG, Step, TEXT, Task, close, frames, masked, narrow, server, unmasked};

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
