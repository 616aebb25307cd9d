//! A board that is this machine: its network through `mio`, and its clock.
//!
//! One thread polls one future: whatever happens, everything that waits is tried again.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, ErrorKind as Kind, Read as _, Write as _},
    net::{Shutdown, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use embedded_server::{Board, ShutDown, Socket};
use mio::{
    Events, Interest, Token,
    net::{TcpListener, TcpStream},
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use websocket_proto::Time;

use crate::support::listen::cannot_listen;

const NETWORK: Token = Token(0);
const SIGNALS: Token = Token(1);
const STOP: Token = Token(2);

/// Sockets that were accepted and may be in use at a time.
const EVENTS: usize = 64;

pub(crate) struct Host {
    poll: RefCell<mio::Poll>,
    events: RefCell<Events>,
    listener: TcpListener,
    signals: RefCell<Signals>,
    stopper: Arc<mio::Waker>,
    origin: Instant,
    /// The earliest time that something waits for.
    due: Cell<Option<Time>>,
    is_stopped: Cell<bool>,
}

impl Host {
    pub(crate) fn new(addr: SocketAddr) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let mut listener = TcpListener::bind(addr).map_err(cannot_listen(addr))?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut listener, NETWORK, Interest::READABLE)?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let stopper = Arc::new(mio::Waker::new(poll.registry(), STOP)?);
        Ok(Self {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            listener,
            signals: RefCell::new(signals),
            stopper,
            origin: Instant::now(),
            due: Cell::new(None),
            is_stopped: Cell::new(false),
        })
    }

    pub(crate) fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns what stops the board, for another thread.
    pub(crate) fn stopper(&self) -> Arc<mio::Waker> {
        self.stopper.clone()
    }

    /// Runs a future to its end.
    pub(crate) fn block_on(&self, awake: &Arc<Awake>, future: impl Future<Output = ()>) -> io::Result<()> {
        let mut future = pin!(future);
        let waker = Waker::from(awake.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            self.due.set(None);
            if future.as_mut().poll(&mut context).is_ready() {
                return Ok(());
            }
            self.wait(awake.take())?;
        }
    }

    /// Waits until something has happened, or is due.
    fn wait(&self, is_awake: bool) -> io::Result<()> {
        let due = self.due.get().map(|due| due.since(self.now()));
        let timeout = if is_awake {
            Some(core::time::Duration::ZERO)
        } else {
            due
        };
        let events = &mut self.events.borrow_mut();
        match self.poll.borrow_mut().poll(events, timeout) {
            Err(error) if error.kind() != Kind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            let is_stop = match event.token() {
                SIGNALS => self.signals.borrow_mut().pending().next().is_some(),
                token => token == STOP,
            };
            self.is_stopped.set(self.is_stopped.get() || is_stop);
        }
        Ok(())
    }
}

/// Whether the future wants to be polled again at once.
#[derive(Default)]
pub(crate) struct Awake(AtomicBool);

impl Awake {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Board for &Host {
    type Socket = Stream;

    async fn accept(&self) -> Stream {
        poll_fn(|_| {
            // A client that is gone already is passed over.
            loop {
                match self.listener.accept() {
                    Ok((mut stream, _)) => {
                        let poll = self.poll.borrow();
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        let registered = poll.registry().register(&mut stream, NETWORK, interest);
                        if registered.and_then(|()| stream.set_nodelay(true)).is_ok() {
                            return Poll::Ready(Stream(stream));
                        }
                    }
                    Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::ConnectionAborted) => {}
                    Err(_) => return Poll::Pending,
                }
            }
        })
        .await
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    async fn until(&self, due: Time) {
        poll_fn(|_| {
            if self.now() >= due {
                return Poll::Ready(());
            }
            let earlier = self.due.get().map_or(due, |other| other.min(due));
            self.due.set(Some(earlier));
            Poll::Pending
        })
        .await;
    }

    async fn stopped(&self) {
        poll_fn(|_| match self.is_stopped.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

pub(crate) struct Stream(TcpStream);

impl Socket for Stream {
    type Reader<'a> = Half<'a>;
    type Writer<'a> = Half<'a>;

    fn split(&mut self) -> (Half<'_>, Half<'_>) {
        (Half(&self.0), Half(&self.0))
    }
}

/// Either side of a stream.
pub(crate) struct Half<'a>(&'a TcpStream);

impl ErrorType for Half<'_> {
    type Error = ErrorKind;
}

impl Read for Half<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| ready(|| self.0.read(buffer))).await
    }
}

impl Write for Half<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| ready(|| self.0.write(bytes))).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl ShutDown for Half<'_> {
    fn shut_down(&mut self) {
        // A client that has gone needs no notice.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

fn ready(mut operation: impl FnMut() -> io::Result<usize>) -> Poll<Result<usize, ErrorKind>> {
    loop {
        match operation() {
            Ok(n) => return Poll::Ready(Ok(n)),
            Err(error) => match error.kind() {
                Kind::WouldBlock => return Poll::Pending,
                Kind::Interrupted => {}
                _ => return Poll::Ready(Err(ErrorKind::Other)),
            },
        }
    }
}
