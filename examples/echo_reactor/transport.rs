//! The async engine on the reactor: a stream and a timer are all that it takes.

use std::{
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
    task::{Context, Poll},
    time::Instant,
};

use mio::{Interest, net::TcpStream};
use websocket_proto::{
    Time,
    asynchronous::{RuntimeTimer, Transport},
};

use super::reactor::{Alarm, Direction, Registered};

/// A stream of mio, for [`websocket_proto::asynchronous`].
#[derive(Debug)]
pub(crate) struct Io(Registered<TcpStream>);

impl Io {
    /// Registers a stream.
    ///
    /// # Errors
    ///
    /// The errors of the system's poll.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        Registered::new(stream, Interest::READABLE | Interest::WRITABLE).map(Self)
    }
}

impl Transport for Io {
    type Timer = Timer;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_io(Direction::Read, cx, |stream| stream.read(buffer))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0
            .poll_io(Direction::Write, cx, |stream| stream.write_vectored(slices))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // a socket holds nothing back
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get().shutdown(Shutdown::Write))
    }
}

/// A timer of the reactor.
#[derive(Debug)]
pub(crate) struct Timer {
    origin: Instant,
    alarm: Alarm,
}

impl RuntimeTimer for Timer {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            alarm: Alarm::default(),
        }
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    fn poll_until(&mut self, due: Time, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll_until(self.origin + due.since(Time::ZERO), cx)
    }
}
