//! Both ends of a TLS connection over a real socket, and peers that misuse it in ways that no WebSocket would.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    panic,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use websocket_proto::{
    Config, Negotiated, Role,
    blocking::{Stream, TlsStream, WebSocket},
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    tls::rustls::{ClientConnection, Connection, ServerConnection},
};

use crate::support::Certificate;

/// Runs a scenario on its own thread; one that hangs fails.
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

/// Both ends of a TCP connection.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
    let (far, _) = listener.accept().expect("accepted");
    for stream in [&near, &far] {
        stream.set_nodelay(true).expect("a socket");
    }
    (near, far)
}

/// Both ends of a TLS connection over these streams, of the client and of the server.
pub(crate) fn tls<S: Stream + Send + 'static>(near: S, far: S) -> (TlsStream<S>, TlsStream<S>) {
    let certificate = Certificate::of("localhost");
    let config = certificate.server_config();
    let server = thread::spawn(move || TlsStream::server(far, config, None));
    let config = certificate.trusted().client_config().expect("valid");
    let client = TlsStream::client(near, "localhost", config, None).expect("TLS");
    (client, server.join().expect("no panic").expect("TLS"))
}

/// A client and a server over TLS, after their opening handshake.
pub(crate) fn connected(config: &Config) -> (WebSocket<TlsStream<TcpStream>>, WebSocket<TlsStream<TcpStream>>) {
    let (near, far) = tcp();
    let (client, server) = tls(near, far);
    (
        WebSocket::from_negotiated(client, &Negotiated::new(Role::Client), config),
        WebSocket::from_negotiated(server, &Negotiated::new(Role::Server), config),
    )
}

/// A WebSocket in this role after its opening handshake, with a peer that the test controls.
pub(crate) fn with_raw_peer(role: Role, config: &Config) -> (WebSocket<TlsStream<TcpStream>>, RawPeer) {
    let (stream, peer) = stream_with_raw_peer(role);
    (WebSocket::from_negotiated(stream, &Negotiated::new(role), config), peer)
}

/// TLS in this role, and its peer.
pub(crate) fn stream_with_raw_peer(role: Role) -> (TlsStream<TcpStream>, RawPeer) {
    let (near, far) = tcp();
    let certificate = Certificate::of("localhost");
    let server = certificate.server_config();
    let client = certificate.trusted().client_config().expect("valid");
    let tls: Connection = match role {
        Role::Client => ServerConnection::new(server.clone()).expect("valid").into(),
        Role::Server => ClientConnection::new(Arc::clone(&client), "localhost".try_into().expect("a name"))
            .expect("valid")
            .into(),
    };
    let mut peer = RawPeer {
        tls,
        tcp: far,
        masks: role == Role::Server,
    };
    let peer = thread::spawn(move || {
        while peer.tls.is_handshaking() {
            peer.tls.complete_io(&mut peer.tcp).expect("TLS");
        }
        peer
    });
    let stream = match role {
        Role::Client => TlsStream::client(near, "localhost", client, None),
        Role::Server => TlsStream::server(near, server, None),
    };
    let mut peer = peer.join().expect("no panic");
    peer.tcp
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    peer.flush().expect("written");
    (stream.expect("TLS"), peer)
}

/// A peer that sends and receives raw frames, over a rustls session that the test controls.
pub(crate) struct RawPeer {
    pub(crate) tls: Connection,
    pub(crate) tcp: TcpStream,
    masks: bool,
}

impl RawPeer {
    /// A client that connects to this port, after the TLS handshake.
    pub(crate) fn client(port: u16, certificate: &Certificate) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        Self::client_over(tcp, certificate)
    }

    /// A client over a stream, after the TLS handshake.
    pub(crate) fn client_over(tcp: TcpStream, certificate: &Certificate) -> Self {
        let config = certificate.trusted().client_config().expect("valid");
        let tls = ClientConnection::new(config, "localhost".try_into().expect("a name")).expect("valid");
        Self::shaken(tls.into(), tcp, true)
    }

    /// A server for the next connection, after the TLS handshake.
    pub(crate) fn server(listener: &TcpListener, certificate: &Certificate) -> Self {
        let (tcp, _) = listener.accept().expect("accepted");
        let tls = ServerConnection::new(certificate.server_config()).expect("valid");
        Self::shaken(tls.into(), tcp, false)
    }

    fn shaken(mut tls: Connection, mut tcp: TcpStream, masks: bool) -> Self {
        tcp.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).expect("TLS");
        }
        let mut peer = Self { tls, tcp, masks };
        peer.flush().expect("written");
        peer
    }

    /// Reads an HTTP head.
    pub(crate) fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("a head")
    }

    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.try_send(opcode, payload).expect("written");
    }

    pub(crate) fn try_send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let frame = self.frame(opcode, payload);
        self.write_all(&frame)
    }

    fn frame(&self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let masking_key = self.masks.then(|| MaskingKey::new([9, 8, 7, 6]));
        let header = FrameHeader {
            fin: true,
            rsv: Rsv::NONE,
            opcode,
            masking_key,
            payload_len: payload.len() as u64,
        };
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut bytes);
        let mut frame = bytes[..len].to_vec();
        frame.extend_from_slice(payload);
        if let Some(key) = masking_key {
            key.apply(&mut frame[len..]);
        }
        frame
    }

    /// The next frame, unmasked; `None` after `close_notify`. An end without it panics.
    pub(crate) fn recv(&mut self) -> Option<(Opcode, Vec<u8>)> {
        let mut head = Vec::new();
        let header = loop {
            if let Some((header, _)) = FrameHeader::decode(&head).expect("a valid header") {
                break header;
            }
            let mut byte = [0];
            match self.read(&mut byte).expect("TLS") {
                0 => {
                    assert!(head.is_empty(), "the stream ends inside a frame");
                    return None;
                }
                _ => head.push(byte[0]),
            }
        };
        let mut payload = vec![0; usize::try_from(header.payload_len).expect("short")];
        self.read_exact(&mut payload).expect("a whole payload");
        if let Some(key) = header.masking_key {
            key.apply(&mut payload);
        }
        Some((header.opcode, payload))
    }

    /// Sends `close_notify`, and keeps the socket open.
    pub(crate) fn send_close_notify(&mut self) {
        self.tls.send_close_notify();
        self.flush().expect("written");
    }

    /// Reads to the end, which must be that of TLS.
    pub(crate) fn read_to_close_notify(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).expect("`close_notify`");
        bytes
    }
}

impl Read for RawPeer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.tls.read_tls(&mut self.tcp)?;
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for RawPeer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.tls.writer().write(bytes)?;
        self.flush()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}
