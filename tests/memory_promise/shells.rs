//! The blocking and the tokio shell, which receive into a buffer of the process.

use std::{
    io::{self, Cursor, Read, Write},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket_proto::{Config, Error, Negotiated, Role, SendError, blocking, tokio::WebSocket};

use crate::{
    assert_kept,
    attacks::{attacks, config},
    promise,
    wire::ROLES,
};

/// A peer that sends its bytes, then nothing, and accepts nothing.
struct Peer(Cursor<Vec<u8>>);

impl Peer {
    fn new(bytes: &[u8]) -> Self {
        Self(Cursor::new(bytes.to_vec()))
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Peer {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl blocking::Stream for Peer {}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.read(buffer.initialize_unfilled()) {
            Ok(n) => {
                buffer.advance(n);
                Poll::Ready(Ok(()))
            }
            Err(_) => Poll::Pending,
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// The two shells, as far as this test needs them.
trait Shell {
    fn open(peer: Peer, role: Role, config: &Config) -> Self;

    /// Takes messages until no more arrive.
    fn recv_all(&mut self);

    /// Queues a message. `false` if there is no room.
    fn feed(&mut self, payload: &[u8]) -> bool;
}

impl Shell for blocking::WebSocket<Peer> {
    fn open(peer: Peer, role: Role, config: &Config) -> Self {
        Self::from_negotiated(peer, &Negotiated::new(role), config)
    }

    fn recv_all(&mut self) {
        while let Ok(Some(_)) = self.recv_event() {}
    }

    fn feed(&mut self, payload: &[u8]) -> bool {
        match self.feed(payload) {
            Ok(()) => true,
            Err(error) if error.is_would_block() => false,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Shell for WebSocket<Peer> {
    fn open(peer: Peer, role: Role, config: &Config) -> Self {
        Self::from_negotiated(peer, &Negotiated::new(role), config)
    }

    fn recv_all(&mut self) {
        let mut idle = 0;
        // The engine yields to other tasks from time to time.
        while idle < 1000 {
            let received = pin!(self.recv_event())
                .poll(&mut Context::from_waker(Waker::noop()))
                .map_ok(|event| event.is_some());
            match received {
                Poll::Ready(Ok(true)) => idle = 0,
                Poll::Ready(_) => return,
                Poll::Pending => idle += 1,
            }
        }
    }

    fn feed(&mut self, payload: &[u8]) -> bool {
        match self.try_feed(payload) {
            Ok(()) => true,
            Err(SendError::Full(_)) => false,
            Err(error) => panic!("{}", Error::from(error)),
        }
    }
}

/// What the attacks cost while this side sends as much as possible.
fn attack<S: Shell>(shell: &str) {
    let config = config();
    let largest = 5000;
    for role in ROLES {
        for attack in attacks(role.peer()) {
            let peer = Peer::new(&attack.bytes);
            let peak = measure(|| {
                let mut websocket = S::open(peer, role, &config);
                let payload = [7; 5000];
                while websocket.feed(&payload) {}
                websocket.recv_all();
            });
            let promise = promise::in_a_shell(&config, role, largest);
            let name = format!("{shell}, {role:?}, {}", attack.name);
            assert_kept(&name, peak.bytes_max, promise, false);
        }
    }
}

/// SEC-10: a peer that attacks and never reads.
#[test]
fn the_blocking_shell_keeps_the_promise() {
    attack::<blocking::WebSocket<Peer>>("blocking");
}

/// SEC-10: a peer that attacks and never reads.
#[test]
fn the_tokio_shell_keeps_the_promise() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    attack::<WebSocket<Peer>>("tokio");
}
