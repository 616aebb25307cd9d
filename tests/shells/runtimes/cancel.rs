//! Futures that are dropped before they are done.

use std::{io::Write, thread, time::Duration};

use websocket_proto::{CloseCode, Config, Limits, Negotiated, Role, blocking};

use crate::{
    shell::Shell,
    support::{ended, millis, open, server, sockets, within},
    wire::{FIN, TEXT, close, masked},
};

/// A `recv` that is dropped again and again loses nothing.
pub(crate) async fn receiving<S: Shell>() {
    const MESSAGES: usize = 60;
    for splits in [false, true] {
        let (mut websocket, mut peer) = server::<S>(&Config::new());
        let peer = thread::spawn(move || {
            let mut bytes: Vec<u8> = (0..MESSAGES)
                .flat_map(|n| masked(FIN | TEXT, n.to_string().as_bytes()))
                .collect();
            bytes.extend(close(1000));
            for piece in bytes.chunks(3) {
                peer.write_all(piece).unwrap();
                thread::sleep(Duration::from_micros(700));
            }
            peer
        });
        let mut received = Vec::new();
        let mut dropped = 0;
        if splits {
            let (send, mut recv) = websocket.split();
            loop {
                match within::<S, _>(Duration::from_micros(300), recv.recv()).await {
                    Some(message) => match message.unwrap() {
                        Some(message) => received.push(message.as_text().unwrap().to_owned()),
                        None => break,
                    },
                    None => dropped += 1,
                }
            }
            drop(send);
        } else {
            loop {
                match within::<S, _>(Duration::from_micros(300), websocket.recv_ref()).await {
                    Some(message) => match message.unwrap() {
                        Some(message) => received.push(message.as_text().unwrap().to_owned()),
                        None => break,
                    },
                    None => dropped += 1,
                }
            }
        }
        let expected: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
        assert_eq!(received, expected);
        assert!(dropped > 0, "no future was dropped");
        ended::<S, _>(peer).await;
    }
}

/// A `send` that is dropped has queued its message wholly or not at all, and what is queued leaves with the next call.
pub(crate) async fn sending<S: Shell>() {
    const MESSAGES: usize = 60;
    let (near, far) = sockets();
    let peer = thread::spawn(move || {
        let mut websocket = blocking::WebSocket::from_negotiated(far, &Negotiated::new(Role::Client), &Config::new());
        let mut received = Vec::new();
        while let Some(message) = websocket.recv().unwrap() {
            let bytes = message.as_bytes();
            assert!(
                bytes.iter().all(|byte| *byte == bytes[0]),
                "a message is mixed with another"
            );
            assert_eq!(bytes.len(), 200_000);
            received.push(usize::from(bytes[0]));
            thread::sleep(Duration::from_micros(500));
        }
        received
    });
    let config = Config::new().limits(Limits::new().output_high_water(100_000));
    let mut websocket = open::<S>(near, Role::Server, &config);
    let mut sent = Vec::new();
    for n in 0..MESSAGES {
        let message = vec![u8::try_from(n).unwrap(); 200_000];
        if let Some(done) = within::<S, _>(Duration::from_micros(400), websocket.send(message)).await {
            done.unwrap();
            sent.push(n);
        }
    }
    websocket.flush().await.unwrap();
    websocket.close(CloseCode::NORMAL).await.unwrap();
    let received = ended::<S, _>(peer).await;
    assert!(received.is_sorted_by(|a, b| a < b), "{received:?}");
    assert!(sent.iter().all(|n| received.contains(n)), "{sent:?} {received:?}");
}

/// A `close` that is dropped goes on with the next call.
pub(crate) async fn closing<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    assert!(
        within::<S, _>(millis(20), websocket.close(CloseCode::NORMAL))
            .await
            .is_none()
    );
    peer.write_all(&close(1000)).unwrap();
    websocket.close(None).await.unwrap();
    assert!(websocket.close_info().unwrap().clean);
}
