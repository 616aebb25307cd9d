//! The same deadlines with the timers of the futures-io shell, which run in real time.

use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use smol::{io::AsyncReadExt, net::unix::UnixStream};
use websocket_proto::{
    CloseCode, Config, Error, Negotiated, ProtocolError, Role, Timer, Timers, futures::WebSocket,
    handshake::HandshakeError,
};

const SHORT: Duration = Duration::from_millis(80);

fn within_bounds<O>(future: impl Future<Output = O>) -> O {
    let start = Instant::now();
    let output = smol::block_on(async {
        match select(std::pin::pin!(future), smol::Timer::after(Duration::from_secs(10))).await {
            Either::Left((output, _)) => output,
            Either::Right(_) => panic!("a hang"),
        }
    });
    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    output
}

fn server(timers: Timers) -> (WebSocket<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let config = Config::new().timers(timers);
    (
        WebSocket::from_negotiated(ours, &Negotiated::new(Role::Server), &config),
        theirs,
    )
}

#[test]
fn a_silent_client_is_told_408() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let config = Config::new().timers(Timers::new().handshake(SHORT));
    within_bounds(async {
        let accepting = WebSocket::accept_with(ours, &config, async |_| Ok(Default::default()));
        let mut response = String::new();
        let (accepted, read) = futures_util::future::join(accepting, async {
            let read = theirs.read_to_string(&mut response).await;
            drop(theirs);
            read
        })
        .await;
        assert!(
            matches!(accepted, Err(Error::Handshake(HandshakeError::TimedOut))),
            "{accepted:?}"
        );
        read.unwrap();
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    });
}

#[test]
fn closing_and_keepalive_are_bounded() {
    let (mut websocket, _peer) = server(Timers::new().close(SHORT));
    let error = within_bounds(websocket.close(CloseCode::NORMAL)).unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Close))),
        "{error:?}"
    );

    let (mut websocket, _peer) = server(Timers::new().keepalive(SHORT).pong(SHORT));
    let error = within_bounds(websocket.recv()).unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Keepalive))),
        "{error:?}"
    );
}

#[test]
fn a_stalled_write_ends_the_connection() {
    let (mut websocket, _peer) = server(Timers::new().write(SHORT));
    let error = within_bounds(websocket.send(vec![0; 4 << 20])).unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Write))),
        "{error:?}"
    );
}

/// The longest duration there is means never, and overflows nothing.
#[test]
fn the_longest_deadline_is_never() {
    let (mut websocket, _peer) = server(Timers::new().idle(Duration::MAX).keepalive(Duration::MAX));
    let waited = within_bounds(async {
        let recv = std::pin::pin!(websocket.recv());
        matches!(select(recv, smol::Timer::after(SHORT)).await, Either::Right(_))
    });
    assert!(waited);
}
