//! The limits: bytes are echoed unread.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
};

use mio::{Events, Interest, Poll, Token, net::TcpListener};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// More than the longest short message, with its header.
const READ: usize = 128 << 10;

/// All connections share a buffer, because no connection holds it while it waits.
pub async fn echo(mut stream: TcpStream) -> io::Result<()> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
    }
    loop {
        stream.readable().await?;
        let echoed = BUFFER.with_borrow_mut(|buffer| {
            let Some(read) = ready(stream.try_read(buffer))? else {
                return Ok((1, Vec::new()));
            };
            if read == 0 {
                return Ok((0, Vec::new()));
            }
            let written = ready(stream.try_write(&buffer[..read]))?.unwrap_or(0);
            Ok::<_, io::Error>((read, buffer[written..read].to_vec()))
        });
        match echoed? {
            (0, _) => return Ok(()),
            (_, rest) => stream.write_all(&rest).await?,
        }
    }
}

/// A connection, and the bytes that could not be written yet.
struct Connection {
    stream: mio::net::TcpStream,
    pending: Vec<u8>,
}

/// One thread, one buffer, and as few system calls as possible: one read and one write for the available bytes.
pub fn epoll() -> io::Result<()> {
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    super::announce(listener.local_addr()?);
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; READ]);
    let (mut connections, mut next) = (HashMap::new(), 0);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), both)?;
                    let pending = Vec::new();
                    connections.insert(next, Connection { stream, pending });
                    next += 1;
                }
                continue;
            }
            let Token(id) = event.token();
            let goes_on = connections.get_mut(&id).map(|connection| connection.echo(&mut buffer));
            if !matches!(goes_on, Some(Ok(true))) {
                connections.remove(&id);
            }
        }
    }
}

impl Connection {
    /// Whether the connection continues.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        while !self.pending.is_empty() {
            match ready(self.stream.write(&self.pending))? {
                Some(n) => drop(self.pending.drain(..n)),
                None => return Ok(true),
            }
        }
        loop {
            let Some(read) = ready(self.stream.read(buffer))? else {
                return Ok(true);
            };
            if read == 0 {
                return Ok(false);
            }
            let written = ready(self.stream.write(&buffer[..read]))?.unwrap_or(0);
            if written < read {
                self.pending.extend_from_slice(&buffer[written..read]);
                return self.echo(buffer);
            }
            // The read returned less than the buffer could hold, so another read would find nothing.
            if read < buffer.len() {
                return Ok(true);
            }
        }
    }
}

fn ready(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
