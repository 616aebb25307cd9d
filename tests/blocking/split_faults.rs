//! Halves over a stream whose n-th operation fails, for every n: the error is reported once, to the call that met it, the other
//! half finds out, and nothing hangs.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use websocket_proto::{
    CloseCode, Config, Error, Message, Negotiated, ProtocolError, Role,
    blocking::{RecvHalf, SendHalf, SplitStream, Stream, WebSocket},
};

use crate::{script::retry, support::within_seconds};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// This and all later operations fail.
    Fails,
    /// Reads report the end from here on, and writes take nothing.
    Ends,
    /// One operation moves a single byte.
    Short,
    /// One operation is not ready.
    NotReady,
    /// One operation is interrupted by a signal.
    Interrupted,
}

/// A socket with a fault; all its clones share the fault.
#[derive(Debug)]
struct Faulty {
    stream: UnixStream,
    fault: Fault,
    at: usize,
    done: Arc<AtomicUsize>,
}

impl Faulty {
    /// Counts an operation. Returns how many bytes of `len` it may move.
    fn begin(&self, len: usize) -> io::Result<usize> {
        let n = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault {
            Fault::Fails if n >= self.at => Err(ErrorKind::ConnectionReset.into()),
            Fault::Ends if n >= self.at => Ok(0),
            Fault::Short if n == self.at => Ok(len.min(1)),
            Fault::NotReady if n == self.at => Err(ErrorKind::WouldBlock.into()),
            Fault::Interrupted if n == self.at => Err(ErrorKind::Interrupted.into()),
            _ => Ok(len),
        }
    }
}

impl Read for Faulty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.begin(buffer.len())? {
            0 => Ok(0),
            n => self.stream.read(&mut buffer[..n]),
        }
    }
}

impl Write for Faulty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.begin(bytes.len())? {
            0 => Ok(0),
            n => self.stream.write(&bytes[..n]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.begin(1)? {
            0 => Err(ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }
}

impl Stream for Faulty {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }
}

impl SplitStream for Faulty {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            stream: self.stream.try_clone()?,
            done: Arc::clone(&self.done),
            ..*self
        })
    }
}

const MESSAGES: u32 = 4;

fn message(n: u32) -> Message<'static> {
    Message::from(format!("message {n}"))
}

/// Sends everything, and closes.
fn send_all(send: &mut SendHalf<Faulty>) -> Result<(), Error> {
    for n in 0..MESSAGES {
        // What is not written yet is queued, and sent with the next call.
        match send.send(message(n)) {
            Err(error) if error.is_would_block() => {}
            sent => sent?,
        }
    }
    match send.close(CloseCode::NORMAL) {
        Err(error) if error.is_would_block() => retry(|| send.flush()),
        closed => closed,
    }
}

/// Receives all echoes.
fn recv_all(recv: &mut RecvHalf<Faulty>) -> (u32, Result<(), Error>) {
    for n in 0.. {
        match retry(|| Ok(recv.recv()?.map(Message::into_owned))) {
            Ok(Some(received)) => assert_eq!(received, message(n)),
            Ok(None) => return (n, Ok(())),
            Err(error) => return (n, Err(error)),
        }
    }
    unreachable!("the loop has no end")
}

/// Echoes until the connection ends, however it ends.
fn echo(stream: UnixStream) {
    let mut server = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &Config::new());
    while let Ok(Some((message, outbound))) = server.recv_split() {
        outbound.feed(message).expect("open");
    }
}

/// Runs a conversation. Returns whether the fault was met.
fn run(fault: Fault, at: usize) -> bool {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let echoing = thread::spawn(move || echo(theirs));
    let done = Arc::new(AtomicUsize::new(0));
    let stream = Faulty {
        stream: ours,
        fault,
        at,
        done: Arc::clone(&done),
    };
    let client = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Client), &Config::new());
    let (mut send, mut recv) = client.split().unwrap();
    let sending = thread::spawn(move || (send_all(&mut send), send));
    let (received, ended) = recv_all(&mut recv);
    let (sent, mut send) = sending.join().unwrap();
    let closure = recv.close_info().expect("an end");

    let is_io = |result: &Result<(), Error>| matches!(result, Err(Error::Io(_)));
    assert!(!is_io(&sent) || !is_io(&ended), "reported twice: {sent:?} {ended:?}");
    for result in [&sent, &ended] {
        if let Err(error) = result {
            let known = matches!(
                error,
                Error::Io(_) | Error::Send(_) | Error::Protocol(ProtocolError::ConnectionLost)
            );
            assert!(known, "{error:?}");
        }
    }
    if matches!(fault, Fault::Fails | Fault::Ends) {
        assert!(received <= MESSAGES);
        assert!(ended.is_ok() || !closure.clean);
    } else {
        assert!(sent.is_ok() && ended.is_ok(), "{sent:?} {ended:?}");
        assert!(closure.clean);
        assert_eq!(received, MESSAGES);
    }
    // After the end, every call returns at once, and nothing has changed.
    assert!(matches!(send.send("more"), Err(Error::Send(_))));
    match (recv.recv(), &ended) {
        (Ok(None), Ok(())) | (Err(Error::Protocol(_)), Err(_)) => {}
        (again, _) => panic!("{again:?} after {ended:?}"),
    }
    assert_eq!(recv.close_info(), Some(closure));
    drop((send, recv));
    echoing.join().unwrap();
    done.load(Ordering::Relaxed) >= at
}

/// CL-22: halves over a stream that fails, ends, moves single bytes or is interrupted, at any operation.
#[test]
fn halves_survive_every_fault() {
    for fault in [
        Fault::Fails,
        Fault::Ends,
        Fault::Short,
        Fault::NotReady,
        Fault::Interrupted,
    ] {
        let mut at = 1;
        while within_seconds(20, move || run(fault, at)) {
            at += 1;
            assert!(at < 1000, "the conversation has no end");
        }
        assert!(at > 5, "{fault:?}: only {at} operations");
    }
}
