//! Clients that show what the server promises: those that fit are served, the next is refused, and however hostile they
//! are, the heap is never used up.

use std::{
    fmt::Debug,
    io::{self, ErrorKind, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, Error, Message,
    blocking::WebSocket,
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    handshake::{ClientRequest, HandshakeError},
};

/// Stops the server when it is dropped.
pub(crate) struct Stop(pub(crate) Arc<mio::Waker>);

impl Drop for Stop {
    fn drop(&mut self) {
        // The server stops on its own account if it cannot be woken.
        let _ = self.0.wake();
    }
}

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks a server that has room for a number of connections, and accepts messages of at most `limit` bytes.
pub(crate) fn check(addr: SocketAddr, connections: usize, limit: usize) -> io::Result<()> {
    served_and_refused(addr, connections, limit)?;
    for attack in [unfinished_heads, unfinished_messages, messages_unread, pings_unread] {
        let hostile = attack(addr, connections, limit)?;
        // However much these hold, the next is refused, and nobody ends.
        expect("the next client", status_of_refusal(addr)?, Some(503))?;
        drop(hostile);
        served_and_refused(addr, connections, limit)?;
    }
    Ok(())
}

/// As many as there is room for are served, and one more is not.
fn served_and_refused(addr: SocketAddr, connections: usize, limit: usize) -> io::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(until_there_is_room(addr)?);
    }
    let payload = "x".repeat(limit);
    for client in &mut clients {
        for message in [
            Message::from(&payload),
            Message::from(payload.as_bytes()),
            Message::from(""),
        ] {
            client.send(&message).map_err(io::Error::from)?;
            let echo = client.recv().map_err(io::Error::from)?;
            expect("the echo", echo, Some(message.into_owned()))?;
        }
    }
    expect("the next client", status_of_refusal(addr)?, Some(503))?;
    for mut client in clients {
        client.close(CloseCode::NORMAL).map_err(io::Error::from)?;
    }
    Ok(())
}

/// The connections that were closed before give their memory back when the server has noticed.
fn until_there_is_room(addr: SocketAddr) -> io::Result<WebSocket<TcpStream>> {
    let began = Instant::now();
    loop {
        match WebSocket::client(stream(addr)?, request(addr)?) {
            Err(Error::Handshake(HandshakeError::Refused(refusal)))
                if refusal.status() == 503 && began.elapsed() < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            opened => return opened.map_err(io::Error::from),
        }
    }
}

/// The status with which a client is refused; `None` if it is not.
fn status_of_refusal(addr: SocketAddr) -> io::Result<Option<u16>> {
    match WebSocket::client(stream(addr)?, request(addr)?) {
        Ok(_) => Ok(None),
        Err(Error::Handshake(HandshakeError::Refused(refusal))) => Ok(Some(refusal.status())),
        Err(error) => Err(error.into()),
    }
}

fn request(addr: SocketAddr) -> io::Result<ClientRequest> {
    format!("ws://{addr}/").parse().map_err(io::Error::other)
}

fn stream(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Clients whose request is as long as it may be, but for its end.
fn unfinished_heads(addr: SocketAddr, connections: usize, _: usize) -> io::Result<Vec<TcpStream>> {
    let clients = (0..connections).map(|_| {
        let mut stream = stream(addr)?;
        let mut head = String::from("GET / HTTP/1.1\r\n");
        while head.len() < 1000 {
            head += "x: 234567890123456789012345678901234567890\r\n";
        }
        stream.write_all(&head.as_bytes()[..1000])?;
        Ok(stream)
    });
    settle(clients.collect())
}

/// Clients that have sent all of the largest message but its last byte.
fn unfinished_messages(addr: SocketAddr, connections: usize, limit: usize) -> io::Result<Vec<TcpStream>> {
    let message = frame(Opcode::Text, limit);
    let clients = (0..connections).map(|_| {
        let mut client = until_there_is_room(addr)?.into_parts().0;
        client.write_all(&message[..message.len() - 1])?;
        Ok(client)
    });
    settle(clients.collect())
}

/// Clients that send the largest messages, and read no echo, until the server reads nothing more.
fn messages_unread(addr: SocketAddr, connections: usize, limit: usize) -> io::Result<Vec<TcpStream>> {
    flood(
        addr,
        connections,
        &[frame(Opcode::Binary, limit), frame(Opcode::Ping, 125)].concat(),
    )
}

/// Clients that send Pings, and read no Pong.
fn pings_unread(addr: SocketAddr, connections: usize, _: usize) -> io::Result<Vec<TcpStream>> {
    flood(addr, connections, &frame(Opcode::Ping, 125))
}

/// Sends the same frames again and again, for as long as the server reads them, at most for a second.
fn flood(addr: SocketAddr, connections: usize, frames: &[u8]) -> io::Result<Vec<TcpStream>> {
    let frames = frames.repeat((64 << 10) / frames.len() + 1);
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = until_there_is_room(addr)?.into_parts().0;
        client.set_nonblocking(true)?;
        clients.push((client, 0));
    }
    let mut last = Instant::now();
    let end = Instant::now() + Duration::from_secs(5);
    while last.elapsed() < Duration::from_millis(300) && Instant::now() < end {
        for (client, sent) in &mut clients {
            match client.write(&frames[*sent..]) {
                Ok(n) => {
                    *sent = (*sent + n) % frames.len();
                    last = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(clients.into_iter().map(|(client, _)| client).collect())
}

/// Gives the server the time to read what was sent.
fn settle(clients: io::Result<Vec<TcpStream>>) -> io::Result<Vec<TcpStream>> {
    thread::sleep(Duration::from_millis(200));
    clients
}

/// A client's frame with as many letters.
fn frame(opcode: Opcode, len: usize) -> Vec<u8> {
    let key = MaskingKey::new([1, 2, 3, 4]);
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode,
        masking_key: Some(key),
        payload_len: len as u64,
    };
    let mut head = [0; FrameHeader::MAX_LEN];
    let head_len = header.encode(&mut head);
    let mut bytes = head[..head_len].to_vec();
    key.apply_into(&vec![b'x'; len], &mut bytes);
    bytes
}

fn expect<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> io::Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("{what}: {got:?} instead of {expected:?}")))
}
