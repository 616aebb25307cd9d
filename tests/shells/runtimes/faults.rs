//! Sockets that fail: nothing that has arrived is lost, and nobody waits for what cannot come.

use std::{
    io::Write,
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use websocket_proto::{Config, Error, Message};

use crate::{
    shell::Shell,
    support::{ended, millis, server, sleep, tasks},
    wire::{CLOSE, FIN, TEXT, close, masked},
};

/// DRV-02: the peer has said why, and is gone, so that every write meets a reset. What it said is still there.
pub(crate) async fn last_words<S: Shell>() {
    for (splits, sends) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut websocket, mut peer) = server::<S>(&Config::new());
        let banned = [&4001_u16.to_be_bytes()[..], b"banned"].concat();
        let words = [masked(FIN | TEXT, b"last words"), masked(FIN | CLOSE, &banned)];
        peer.write_all(&words.concat()).unwrap();
        drop(peer);
        // The first write makes the peer's system answer with a reset, which the second one meets.
        websocket.send("x").await.unwrap();
        sleep::<S>(millis(50)).await;
        let (received, ended, closure);
        if splits {
            let (mut send, mut recv) = websocket.split();
            if sends {
                assert!(matches!(send.send("y").await, Err(Error::Io(_))));
            } else {
                send.feed("y").await.unwrap();
            }
            received = recv.recv().await;
            ended = recv.recv().await;
            closure = recv.close_info().unwrap();
        } else {
            if sends {
                assert!(matches!(websocket.send("y").await, Err(Error::Io(_))));
            } else {
                websocket.feed("y").await.unwrap();
            }
            received = websocket.recv().await;
            ended = websocket.recv().await;
            closure = websocket.close_info().unwrap();
        }
        assert_eq!(received.unwrap(), Some(Message::text("last words")));
        assert!(matches!(ended, Ok(None)), "{ended:?}");
        assert_eq!((closure.code.value(), &*closure.reason), (4001, "banned"));
    }
}

/// The peer's system resets the connection while this side waits for a message.
pub(crate) async fn a_reset<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&Config::new());
    // What the peer has not read when it closes makes its system send a reset.
    websocket.send("unread").await.unwrap();
    let gone = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        drop(peer);
    });
    let began = Instant::now();
    let failed = websocket.recv().await;
    assert!(matches!(failed, Err(Error::Io(_) | Error::Protocol(_))), "{failed:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(!websocket.close_info().unwrap().clean);
    ended::<S, _>(gone).await;
}

/// DRV-20: the peer closes while a message waits that it does not take: that ends the wait, and its code is known.
pub(crate) async fn a_close_while_sending<S: Shell>() {
    for splits in [false, true] {
        let (mut websocket, mut peer) = server::<S>(&Config::new());
        let closing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            peer.write_all(&close(1011)).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            peer
        });
        let began = Instant::now();
        let message = vec![0; 15 << 20];
        let closure = if splits {
            let (mut send, mut recv) = websocket.split();
            let sending = async { assert!(send.send(message).await.is_err(), "it was not taken") };
            let receiving = async { assert_eq!(recv.recv().await.unwrap(), None) };
            tasks([sending.boxed_local(), receiving.boxed_local()]).await;
            recv.close_info()
        } else {
            assert!(websocket.send(message).await.is_err(), "it was not taken");
            assert_eq!(websocket.recv().await.unwrap(), None);
            websocket.close_info()
        };
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(closure.unwrap().code.value(), 1011);
        ended::<S, _>(closing).await;
    }
}
