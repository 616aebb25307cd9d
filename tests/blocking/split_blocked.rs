//! Halves on two threads while one direction is blocked: by a full queue, by a peer that does not read, or by a stream that is
//! not ready.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{Config, Error, Limits, Message, Role, SendError, Timers, frame::Opcode};

use crate::{
    split::{HUGE, receiving},
    split_closing::failing,
    support::{connected, millis, timed, with_raw_peer, within_seconds},
};

/// A payload that contains its number.
fn numbered(n: u64, len: usize) -> Vec<u8> {
    n.to_be_bytes().into_iter().cycle().take(len).collect()
}

/// A peer that does not read for a while blocks a sender, but not the receiver; later it finds whole frames.
#[test]
fn the_receiver_continues_while_a_sender_is_blocked() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let sending = thread::spawn(move || send.send(vec![7; HUGE]));
        peer.wait_for_data();
        peer.send(Opcode::Ping, b"still there?");
        peer.send(Opcode::Text, b"a message");
        assert_eq!(recv.recv().unwrap(), Some(Message::from("a message")));
        assert!(!sending.is_finished(), "the sender is blocked");

        let receiving = receiving(recv);
        assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
        assert_eq!(peer.recv(), Some((Opcode::Pong, b"still there?".to_vec())));
        sending.join().unwrap().unwrap();
        peer.send(Opcode::Close, b"");
        assert_eq!(peer.recv(), Some((Opcode::Close, Vec::new())));
        drop(peer);
        receiving.join().unwrap().1.unwrap();
    });
}

#[test]
fn a_sender_that_waits_for_room_does_not_block_the_receiver() {
    within_seconds(10, || {
        let config = Config::new().limits(Limits::new().output_high_water(1000));
        let (server, mut peer) = with_raw_peer(Role::Server, &config);
        let (mut send, mut recv) = server.split().unwrap();
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let mut send = send.clone();
                thread::spawn(move || (0..8).try_for_each(|_| send.feed(vec![7; 1 << 20])))
            })
            .collect();
        thread::sleep(millis(50));
        for n in 0..10 {
            peer.send(Opcode::Text, format!("{n}").as_bytes());
            assert_eq!(recv.recv().unwrap(), Some(Message::from(format!("{n}"))));
        }
        assert!(
            senders.iter().any(|sender| !sender.is_finished()),
            "at least one sender waits"
        );
        let reading = thread::spawn(move || {
            for _ in 0..32 {
                assert!(peer.recv() == Some((Opcode::Binary, vec![7; 1 << 20])));
            }
            peer
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap().unwrap());
        send.flush().unwrap();
        drop(reading.join().unwrap());
    });
}

/// Nothing can be sent after the peer's Close, so a sender stops waiting for room, however long the peer reads nothing.
#[test]
fn a_sender_that_waits_for_room_notices_the_peers_close() {
    within_seconds(10, || {
        let config = Config::new().limits(Limits::new().output_high_water(1000));
        let (server, mut peer) = with_raw_peer(Role::Server, &config);
        let (mut send, mut recv) = server.split().unwrap();
        let sender = thread::spawn(move || {
            let fed = (0..64).try_for_each(|_| send.feed(vec![7; 1 << 20]));
            (fed, Instant::now())
        });
        let receiver = thread::spawn(move || recv.recv().map(drop));
        thread::sleep(millis(50));
        assert!(!sender.is_finished(), "it waits for room");
        let closed = Instant::now();
        peer.send(Opcode::Close, &1000_u16.to_be_bytes());
        let (fed, ended) = sender.join().unwrap();
        assert!(matches!(fed, Err(Error::Send(SendError::Closing(())))), "{fed:?}");
        assert!(ended.duration_since(closed) < Duration::from_secs(1));
        drop(peer);
        let _ = receiver.join().unwrap();
    });
}

/// A peer that writes each answer before it reads again waits for this side to read, so the receiver must not wait for the peer.
#[test]
fn a_peer_that_only_echoes_does_not_lock_up_with_the_halves() {
    const MESSAGES: u64 = 1000;
    const LEN: usize = 20_000;
    within_seconds(20, || {
        let (client, mut server) = connected(&Config::new(), &Config::new());
        let echoing = thread::spawn(move || -> Result<(), Error> {
            let mut n = 0_u64;
            while let Some(message) = server.recv()? {
                let message = message.into_owned();
                n += 1;
                server.ping(&n.to_be_bytes())?;
                server.send(message)?;
            }
            Ok(())
        });
        let (mut send, mut recv) = client.split().unwrap();
        let sending = thread::spawn(move || {
            for n in 0..MESSAGES {
                send.send(numbered(n, LEN)).unwrap();
            }
            send
        });
        for n in 0..MESSAGES {
            let message = recv.recv().unwrap().expect("an echo");
            assert!(message.as_bytes() == numbered(n, LEN));
        }
        let mut send = sending.join().unwrap();
        send.close(None).unwrap();
        assert_eq!(recv.recv().unwrap(), None);
        echoing.join().unwrap().unwrap();
    });
}

/// Pending output does not keep the receiver from reading data that the peer must send before it reads.
#[test]
fn the_receiver_reads_while_the_peer_does_not() {
    const LEN: usize = 100_000;
    const MESSAGES: u64 = (HUGE / LEN) as u64;
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        send.feed(vec![7; HUGE]).unwrap();
        let talking = thread::spawn(move || {
            for n in 0..MESSAGES {
                peer.send(Opcode::Binary, &numbered(n, LEN));
            }
            assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
            peer.send(Opcode::Text, b"got it");
            peer
        });
        for n in 0..MESSAGES {
            let message = recv.recv().unwrap().expect("a message");
            assert!(message.as_bytes() == numbered(n, LEN));
        }
        assert_eq!(recv.recv().unwrap(), Some(Message::from("got it")));
        drop(talking.join().unwrap());
    });
}

/// A receiver that has to answer a Ping must not be kept writing for senders that never stop feeding.
#[test]
fn endless_feeding_does_not_keep_the_receiver_from_receiving() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let feeding = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                while !done.load(Ordering::Relaxed) {
                    send.feed("a feed").unwrap();
                }
            }
        });
        let mut discarding = peer.stream.try_clone().unwrap();
        let discarding = thread::spawn(move || io::copy(&mut discarding, &mut io::sink()));
        for n in 0..50 {
            peer.send(Opcode::Ping, b"answer me");
            peer.send(Opcode::Text, format!("{n}").as_bytes());
            assert_eq!(recv.recv().unwrap(), Some(Message::from(format!("{n}"))));
        }
        done.store(true, Ordering::Relaxed);
        feeding.join().unwrap();
        drop(recv);
        let _ = peer.stream.shutdown(Shutdown::Both);
        let _ = discarding.join().unwrap();
    });
}

/// A Pong that waits after a large message, which the peer takes slowly, is not a stalled write.
#[test]
fn a_pong_that_waits_for_a_slow_reader_does_not_end_the_connection() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(millis(400))));
        let (mut send, recv) = server.split().unwrap();
        let receiving = receiving(recv);
        let sending = thread::spawn(move || send.send(vec![7; HUGE]).map(|()| send));
        peer.wait_for_data();
        let chatter = peer.frame(true, Opcode::Ping, b"slow");
        // In total, this takes longer than one write may wait.
        let mut part = vec![0; HUGE / 16];
        for _ in 0..16 {
            peer.stream.write_all(&chatter).unwrap();
            thread::sleep(millis(40));
            peer.stream.read_exact(&mut part).expect("the connection is still open");
        }
        let send = sending.join().unwrap().unwrap();
        assert_eq!(send.close_info(), None);
        drop(peer);
        assert!(receiving.join().unwrap().1.is_err());
    });
}

/// The receiver sleeps while a sender writes to a peer that has ended its side.
#[test]
fn the_end_of_the_stream_does_not_make_the_receiver_spin() {
    within_seconds(30, || {
        // Enough time for a busy machine to take everything.
        let config = Config::new().timers(Timers::new().close(Duration::from_secs(30)));
        let (server, _, reads, mut peer) = failing(&config);
        let (mut send, mut recv) = server.split().unwrap();
        let receiving = thread::spawn(move || recv.recv().map(|message| message.is_none()));
        let sending = thread::spawn(move || send.send(vec![7; HUGE]));
        peer.wait_for_data();
        peer.send(Opcode::Close, b"");
        peer.stream.shutdown(Shutdown::Write).unwrap();
        thread::sleep(millis(150));
        assert!(reads.load(Ordering::Relaxed) < 20, "{reads:?} reads");
        assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
        assert_eq!(peer.recv(), Some((Opcode::Close, Vec::new())));
        assert_eq!(peer.recv(), None);
        sending.join().unwrap().unwrap();
        assert!(receiving.join().unwrap().unwrap());
    });
}

/// An event loop can also use the halves of a non-blocking stream.
#[test]
fn halves_of_a_stream_that_is_not_ready_lose_nothing() {
    within_seconds(10, || {
        let limits = Limits::new().output_high_water(2 * HUGE);
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new().limits(limits));
        server.stream().set_nonblocking(true).unwrap();
        let (mut send, mut recv) = server.split().unwrap();
        assert!(recv.recv().is_err_and(|error| error.is_would_block()));
        let (done, reading) = mpsc::channel();
        assert!(send.send(vec![7; HUGE]).is_err_and(|error| error.is_would_block()));
        send.feed("after it").unwrap();
        let reader = thread::spawn(move || {
            assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
            assert_eq!(peer.recv(), Some((Opcode::Text, b"after it".to_vec())));
            peer.send(Opcode::Text, b"thanks");
            done.send(()).unwrap();
            peer
        });
        let message = loop {
            match recv.recv() {
                Err(error) if error.is_would_block() => thread::sleep(millis(1)),
                message => break message.unwrap().map(Message::into_owned),
            }
        };
        assert_eq!(message, Some(Message::from("thanks")));
        reading.recv().unwrap();
        drop(reader.join().unwrap());
    });
}
