//! Real sockets, peers that send raw frames over them, and a watchdog for calls that block.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    panic,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    Config, Negotiated, Role, Timers,
    blocking::WebSocket,
    frame::{FrameHeader, MaskingKey, Opcode},
};

use crate::script::frame;

/// Runs a scenario on a separate thread; one that hangs fails.
pub(crate) fn within_seconds<T: Send + 'static>(seconds: u64, scenario: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(scenario());
    });
    match outcome.recv_timeout(Duration::from_secs(seconds)) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {seconds} s"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(failure) => panic::resume_unwind(failure),
            Ok(()) => unreachable!("the outcome is sent before the thread ends"),
        },
    }
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Settings with these timers.
pub(crate) fn timed(timers: Timers) -> Config {
    Config::new().timers(timers)
}

/// Asserts that a wait that was bounded by `limit` did not last much longer.
pub(crate) fn assert_took_about(began: Instant, limit: Duration) {
    let took = began.elapsed();
    assert!(
        took < limit + Duration::from_secs(2),
        "took {took:?} instead of {limit:?}"
    );
}

/// Both ends of a TCP connection: the connecting one and the accepting one.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// A client and a server after their opening handshake.
pub(crate) fn connected(client: &Config, server: &Config) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let (near, far) = tcp();
    (
        WebSocket::from_negotiated(near, &Negotiated::new(Role::Client), client),
        WebSocket::from_negotiated(far, &Negotiated::new(Role::Server), server),
    )
}

/// A connection after its opening handshake, with a peer that the test controls.
pub(crate) fn with_raw_peer(role: Role, config: &Config) -> (WebSocket<TcpStream>, RawPeer) {
    let (near, far) = tcp();
    let websocket = WebSocket::from_negotiated(near, &Negotiated::new(role), config);
    (websocket, RawPeer::new(far, role))
}

/// A peer that sends and receives raw frames.
pub(crate) struct RawPeer {
    pub(crate) stream: TcpStream,
    masks: bool,
}

impl RawPeer {
    /// The peer of an endpoint in this role.
    pub(crate) fn new(stream: TcpStream, role: Role) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self {
            stream,
            masks: role == Role::Server,
        }
    }

    pub(crate) fn frame(&self, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        frame(fin, opcode, self.masks.then(|| MaskingKey::new([9, 8, 7, 6])), payload)
    }

    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.frame(true, opcode, payload);
        self.stream.write_all(&frame).unwrap();
    }

    /// The next frame, unmasked; `None` at the end of the stream.
    pub(crate) fn recv(&mut self) -> Option<(Opcode, Vec<u8>)> {
        let mut head = Vec::new();
        let header = loop {
            if let Some((header, _)) = FrameHeader::decode(&head).expect("a valid header") {
                break header;
            }
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) if head.is_empty() => return None,
                Ok(0) => panic!("the stream ends inside a frame"),
                Ok(_) => head.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("instead of a frame: {error}"),
            }
        };
        let mut payload = vec![0; usize::try_from(header.payload_len).unwrap()];
        self.stream.read_exact(&mut payload).expect("a whole payload");
        if let Some(key) = header.masking_key {
            key.apply(&mut payload);
        }
        Some((header.opcode, payload))
    }

    /// Waits until there is something to receive.
    pub(crate) fn wait_for_data(&self) {
        assert_eq!(self.stream.peek(&mut [0]).expect("data"), 1);
    }

    /// Asserts that the peer sends nothing and does not end its side for a while.
    pub(crate) fn assert_silence(&mut self) {
        self.stream.set_read_timeout(Some(millis(50))).unwrap();
        match self.stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            read => panic!("instead of silence: {read:?}"),
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
}
