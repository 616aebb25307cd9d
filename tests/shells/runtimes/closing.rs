//! The closing handshake, from either side, and ends without one.

use std::{io::Write, net::Shutdown, thread};

use futures_util::join;
use websocket_proto::{CloseCode, CloseFrame, Config, Error, ProtocolError, Timer, Timers};

use crate::{
    shell::Shell,
    support::{ended, millis, pair, read_all, server, within},
    wire::{BINARY, CLOSE, FIN, TEXT, close, frames, masked},
};

/// The peer closes: its messages and its reason are received, and its Close is answered.
pub(crate) async fn by_the_peer<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    let peer = thread::spawn(move || {
        let reason = [&4001_u16.to_be_bytes()[..], b"banned"].concat();
        let said = [masked(FIN | TEXT, b"last words"), masked(FIN | CLOSE, &reason)];
        peer.write_all(&said.concat()).unwrap();
        read_all(&peer)
    });
    assert_eq!(websocket.recv().await.unwrap(), Some("last words".into()));
    assert_eq!(websocket.recv().await.unwrap(), None);
    let closure = websocket.close_info().unwrap();
    assert_eq!(
        (closure.code.value(), &*closure.reason, closure.clean),
        (4001, "banned", true)
    );
    assert!(matches!(websocket.send("too late").await, Err(Error::Send(_))));
    drop(websocket);
    assert_eq!(
        frames(&ended::<S, _>(peer).await),
        [(FIN | CLOSE, 4001_u16.to_be_bytes().to_vec())]
    );
}

/// This side closes: what still arrives is discarded, and the end is awaited.
pub(crate) async fn by_this_side<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    let peer = thread::spawn(move || {
        for _ in 0..100 {
            peer.write_all(&masked(FIN | BINARY, &[0; 1000])).unwrap();
        }
        peer.write_all(&close(1000)).unwrap();
        read_all(&peer)
    });
    websocket
        .close(CloseFrame::new(CloseCode::NORMAL, "done"))
        .await
        .unwrap();
    websocket.close(CloseCode::GOING_AWAY).await.unwrap();
    assert_eq!(websocket.recv().await.unwrap(), None);
    assert!(websocket.close_info().unwrap().clean);
    let said = frames(&ended::<S, _>(peer).await);
    assert_eq!(said, [(FIN | CLOSE, [&1000_u16.to_be_bytes()[..], b"done"].concat())]);
}

/// Both at once.
pub(crate) async fn by_both<S: Shell>() {
    let (mut client, mut server) = pair::<S>(&Config::new());
    let both = join!(client.close(CloseCode::NORMAL), server.close(CloseCode::GOING_AWAY));
    assert!(matches!(both, (Ok(()), Ok(()))), "{both:?}");
    assert!(client.close_info().unwrap().clean);
    assert!(server.close_info().unwrap().clean);
}

/// After a Close was queued, what the peer still says is received.
pub(crate) async fn in_two_steps<S: Shell>() {
    let (mut client, mut server) = pair::<S>(&Config::new());
    let leaving = async {
        client.feed_close(CloseCode::NORMAL).unwrap();
        let mut got = 0;
        while client.recv().await.unwrap().is_some() {
            got += 1;
        }
        got
    };
    let serving = async {
        for n in 0..10 {
            server.feed(format!("{n}")).await.unwrap();
        }
        while server.recv().await.unwrap().is_some() {}
    };
    assert_eq!(join!(leaving, serving).0, 10);
}

/// A stream that ends without a Close is a lost connection.
pub(crate) async fn without_a_close<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    peer.write_all(&masked(FIN | TEXT, b"and then")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(websocket.recv().await.unwrap(), Some("and then".into()));
    let ended = websocket.recv().await;
    assert!(
        matches!(ended, Err(Error::Protocol(ProtocolError::ConnectionLost))),
        "{ended:?}"
    );
    assert!(websocket.recv().await.is_err());
    assert_eq!(websocket.close_info().unwrap().code, CloseCode::ABNORMAL);
}

/// A peer that violates the protocol is told so, and nothing that it says afterwards counts.
pub(crate) async fn for_a_violation<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    let peer = thread::spawn(move || {
        let said = [masked(FIN | TEXT, b"\xFF"), masked(FIN | TEXT, b"behind")];
        peer.write_all(&said.concat()).unwrap();
        let heard = frames(&read_all(&peer));
        drop(peer);
        heard
    });
    let failed = websocket.recv().await;
    assert!(
        matches!(failed, Err(Error::Protocol(ProtocolError::InvalidUtf8))),
        "{failed:?}"
    );
    assert!(websocket.recv().await.is_err());
    drop(websocket);
    let heard = ended::<S, _>(peer).await;
    assert_eq!(
        (heard[0].0, &heard[0].1[..2]),
        (FIN | CLOSE, &1007_u16.to_be_bytes()[..])
    );
}

/// A peer that never answers a Close is given up.
pub(crate) async fn in_vain<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&Config::new().timers(Timers::new().close(millis(80))));
    let closed = websocket.close(CloseCode::NORMAL).await;
    assert!(
        matches!(closed, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Close)))),
        "{closed:?}"
    );
    drop(peer);
}

/// Whoever drops a connection drops its socket, although it waits for the peer.
pub(crate) async fn by_dropping<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&Config::new());
    let peer = thread::spawn(move || read_all(&peer));
    websocket.send("sent").await.unwrap();
    assert!(within::<S, _>(millis(20), websocket.recv()).await.is_none());
    drop(websocket);
    assert_eq!(frames(&ended::<S, _>(peer).await), [(FIN | TEXT, b"sent".to_vec())]);
}
