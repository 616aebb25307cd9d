//! The end of a server that says goodbye to its clients.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    task::Poll,
    time::Duration,
};
use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ::tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

/// How long a server that cannot accept connections, for lack of file descriptors say, waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long tasks that were aborted may take to be dropped. Only those that block a thread need any time.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Ends a server gracefully: no new connection, a Close for each open one, a bounded wait, then the rest is dropped.
///
/// It runs the tasks of the connections, so that it knows which are left and can drop them. Each task is given a
/// [`ShutdownGuard`], by which it is asked to end.
///
/// | connection | what happens |
/// |---|---|
/// | not accepted yet | [`serve`](Self::serve) has closed the listener, and [`spawn`](Self::spawn) drops the task unstarted |
/// | in the opening handshake | dropped at once, by [`ShutdownGuard::unless_requested`] |
/// | open | its task sends a Close with 1001 behind all that is queued ([RFC 6455 §7.4.1]), and waits for the peer's |
/// | still there at the deadline of [`finish`](Self::finish) | its task is aborted, which drops the stream |
///
/// ```no_run
/// use std::time::Duration;
/// use tokio::net::{TcpListener, TcpStream};
/// use websocket_proto::{
///     CloseCode, Error,
///     tokio::{Shutdown, ShutdownGuard, WebSocket},
/// };
///
/// # async fn run() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:9001").await?;
/// let shutdown = Shutdown::new();
/// tokio::select! {
///     () = shutdown.serve(listener, |stream, peer, guard| async move {
///         if let Err(error) = echo(stream, guard).await {
///             eprintln!("{peer}: {error}");
///         }
///     }) => {}
///     _ = tokio::signal::ctrl_c() => {}
/// }
/// shutdown.finish(Duration::from_secs(6)).await;
/// # Ok(())
/// # }
///
/// async fn echo(stream: TcpStream, mut guard: ShutdownGuard) -> Result<(), Error> {
///     let Some(accepted) = guard.unless_requested(WebSocket::accept(stream)).await else {
///         return Ok(());
///     };
///     let mut websocket = accepted?;
///     loop {
///         tokio::select! {
///             received = websocket.recv_split() => match received? {
///                 Some((message, outbound)) => outbound.feed(message)?,
///                 None => return Ok(()),
///             },
///             () = guard.requested() => return websocket.close(CloseCode::GOING_AWAY).await,
///         }
///     }
/// }
/// ```
///
/// A clone is another handle for the same tasks. When all handles are dropped, the tasks go on without ever being asked
/// to end.
///
/// [RFC 6455 §7.4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    requested: watch::Sender<bool>,
    tasks: Mutex<Tasks>,
    /// Told when the last task is gone.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Tasks {
    /// The tasks that are left. One without a handle is just being started.
    left: HashMap<u64, Option<AbortHandle>>,
    next_id: u64,
    /// No task is started any more.
    closed: bool,
    /// The deadline has passed: whatever is left is to be dropped.
    overdue: bool,
}

impl Shutdown {
    /// A handle without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Server {
                requested: watch::Sender::new(false),
                tasks: Mutex::default(),
                gone: Notify::new(),
            }),
        }
    }

    /// Accepts connections, and runs a task for each, until the shutdown is requested. Then the listener is closed.
    ///
    /// `handle` makes the task, from the stream, the address of the peer, and the guard that tells the task when to end.
    ///
    /// A connection that fails before it is accepted is no concern of the others. When the system is short of something,
    /// such as file descriptors, it tries again a little later.
    ///
    /// # Panics
    ///
    /// Outside of tokio's runtime.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no connection is lost that was accepted. Dropping it closes the listener, which is one way to begin a
    /// shutdown.
    pub async fn serve<H, T>(&self, listener: TcpListener, mut handle: H)
    where
        H: FnMut(TcpStream, SocketAddr, ShutdownGuard) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut guard = self.guard();
        while let Some(accepted) = guard.unless_requested(listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    self.spawn(|guard| handle(stream, peer, guard));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(_) => {
                    guard.unless_requested(sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }

    /// Runs a task that is to end when its guard says so, and which is aborted at the deadline otherwise. Returns whether
    /// it was started, which is not the case any more once the shutdown is requested.
    ///
    /// # Panics
    ///
    /// Outside of tokio's runtime.
    pub fn spawn<T>(&self, task: impl FnOnce(ShutdownGuard) -> T) -> bool
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let Some(ticket) = self.ticket() else {
            return false;
        };
        let id = ticket.id;
        // Boxed, since the future that awaits it has room for it twice: before it is polled, and while it is.
        let task = Box::pin(task(self.guard()));
        // Not under the lock: a runtime that is shutting down drops the task, and its ticket, at once.
        let spawned = ::tokio::spawn(async move {
            // Dropped behind the task, so that the task is really gone when its ticket is.
            let _ticket = ticket;
            task.await;
        });
        let mut tasks = self.shared.lock();
        let overdue = tasks.overdue;
        if let Some(handle) = tasks.left.get_mut(&id) {
            *handle = Some(spawned.abort_handle());
        }
        drop(tasks);
        if overdue {
            // The deadline passed while the task was being started, so nobody else could.
            spawned.abort();
        }
        true
    }

    /// A guard for a task that is not run by this: it is told, but neither waited for nor dropped.
    #[must_use]
    pub fn guard(&self) -> ShutdownGuard {
        ShutdownGuard {
            requested: self.shared.requested.subscribe(),
            _shared: Arc::clone(&self.shared),
        }
    }

    /// The number of tasks that are left.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.shared.lock().left.len()
    }

    /// Asks all tasks to end, and starts no more. [`finish`](Self::finish) does so, too.
    pub fn request(&self) {
        self.shared.lock().closed = true;
        self.shared.requested.send_replace(true);
    }

    /// Asks all tasks to end, waits until they are gone, but at most so long, and drops those that are left.
    ///
    /// Returns as soon as all are gone. The closing handshake of a connection takes up to
    /// [`Timers::close`](crate::Timers::close), 5 s by default; a grace a little longer than that lets every connection
    /// end in its own way.
    ///
    /// A task that blocks its thread cannot be dropped before it awaits something. It is waited for 1 s at most behind
    /// the grace, and ends when it next awaits.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all tasks were asked to end, and none was dropped, unless the grace is over. The next call waits for
    /// its own grace.
    pub async fn finish(&self, grace: Duration) -> ShutdownOutcome {
        self.request();
        if timeout(grace, self.all_gone()).await.is_ok() {
            return ShutdownOutcome { dropped: 0 };
        }
        let dropped = self.abort_all();
        // What they hold is to be gone when this returns.
        let _ = timeout(ABORT_TIMEOUT, self.all_gone()).await;
        ShutdownOutcome { dropped }
    }

    async fn all_gone(&self) {
        loop {
            let mut gone = pin!(self.shared.gone.notified());
            // From here on nothing is missed.
            gone.as_mut().enable();
            if self.tasks() == 0 {
                return;
            }
            gone.await;
        }
    }

    /// Aborts what is left and returns its number.
    fn abort_all(&self) -> usize {
        let mut tasks = self.shared.lock();
        tasks.overdue = true;
        let handles: Vec<_> = tasks.left.values().flatten().cloned().collect();
        let left = tasks.left.len();
        // Not under the lock: the last handle of a task may drop it, and its ticket.
        drop(tasks);
        for handle in handles {
            handle.abort();
        }
        left
    }

    fn ticket(&self) -> Option<Ticket> {
        let mut tasks = self.shared.lock();
        if tasks.closed {
            return None;
        }
        let id = tasks.next_id;
        tasks.next_id += 1;
        tasks.left.insert(id, None);
        drop(tasks);
        Some(Ticket {
            id,
            shared: Arc::clone(&self.shared),
        })
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// What a panicking task leaves behind is whole: nothing under the lock can panic half way.
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a task off the list when it is gone, however it went.
#[derive(Debug)]
struct Ticket {
    id: u64,
    shared: Arc<Server>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut tasks = self.shared.lock();
        let handle = tasks.left.remove(&self.id);
        let is_last = tasks.left.is_empty();
        drop(tasks);
        drop(handle);
        if is_last {
            self.shared.gone.notify_waiters();
        }
    }
}

/// Tells a task when it is to end. A clone tells another one, such as that of the connection's other half.
#[derive(Clone, Debug)]
pub struct ShutdownGuard {
    requested: watch::Receiver<bool>,
    /// The sender must not be dropped while somebody waits for it.
    _shared: Arc<Server>,
}

impl ShutdownGuard {
    /// Waits until the task is to end. Then it returns at once, as often as it is called.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn requested(&mut self) {
        // The sender is never gone.
        let _ = self.requested.wait_for(|requested| *requested).await;
    }

    /// Whether the task is to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Does something that is not worth finishing when the task is to end, such as the opening handshake. Returns `None`,
    /// and drops it, if the task is to end before it is done.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub async fn unless_requested<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut requested = pin!(self.requested());
        poll_fn(|cx| {
            // A shutdown comes first, or a busy listener could put it off for ever.
            if requested.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// What became of the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it tells whether connections had to be dropped"]
#[non_exhaustive]
pub struct ShutdownOutcome {
    /// Tasks that were left at the deadline, and were dropped.
    pub dropped: usize,
}

impl ShutdownOutcome {
    /// Whether all tasks ended by themselves.
    #[must_use]
    pub const fn is_graceful(&self) -> bool {
        self.dropped == 0
    }
}

/// Whether an error of `accept` is about one connection, and not about the listener.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
