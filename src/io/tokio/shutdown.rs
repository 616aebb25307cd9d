//! Graceful server shutdown.

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

/// How long a server waits before it tries again when it cannot accept connections, for example for lack of file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long aborted tasks may take to be dropped. Only tasks that block their thread need any time.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Shuts a server down gracefully: accepts no new connection, sends a Close on each open one, waits for a limited time,
/// and drops the rest.
///
/// It runs the connections' tasks, so it knows which are left and can drop them. Each task gets a [`ShutdownGuard`],
/// which asks it to end.
///
/// | connection | what happens |
/// |---|---|
/// | not accepted yet | [`serve`](Self::serve) has closed the listener, and [`spawn`](Self::spawn) drops the task unstarted |
/// | in the opening handshake | dropped at once, by [`ShutdownGuard::unless_requested`] |
/// | open | its task sends a Close with 1001 after all queued output ([RFC 6455 §7.4.1]), and waits for the peer's |
/// | still open at the deadline of [`finish`](Self::finish) | its task is aborted, which drops the stream |
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
/// A clone is another handle to the same tasks. When all handles are dropped, the tasks keep running and are never
/// asked to end.
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
    /// Notified when the last task has ended.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Tasks {
    /// The remaining tasks. A task without a handle is just being started, or run elsewhere.
    left: HashMap<u64, Option<AbortHandle>>,
    next_id: u64,
    /// Whether no more tasks are started.
    closed: bool,
    /// Whether the deadline has passed: any task left must be dropped.
    overdue: bool,
}

impl Shutdown {
    /// Creates a handle without tasks.
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

    /// Accepts connections and runs a task for each, until shutdown is requested. Then closes the listener.
    ///
    /// `handle` creates the task from the stream, the peer's address, and the guard that tells the task when to end.
    /// `TCP_NODELAY` is set on the stream: messages are written as a whole, so there is nothing to gain from delaying
    /// them.
    ///
    /// A connection that fails before it is accepted does not affect others. If the system is short of a resource, such
    /// as file descriptors, accepting is retried a little later.
    ///
    /// # Panics
    ///
    /// Panics if called outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no accepted connection is lost. Dropping the future closes the listener, which is one way to begin
    /// a shutdown.
    pub async fn serve<H, T>(&self, listener: TcpListener, mut handle: H)
    where
        H: FnMut(TcpStream, SocketAddr, ShutdownGuard) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut guard = self.uncounted();
        while let Some(accepted) = guard.unless_requested(listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    // A stream that refuses it reports its failure with the first read.
                    let _ = stream.set_nodelay(true);
                    self.spawn(|guard| handle(stream, peer, guard));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(_) => {
                    guard.unless_requested(sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }

    /// Runs a task, which should end when its guard says so and is otherwise aborted at the deadline. Returns whether
    /// the task was started; once shutdown is requested, it is not.
    ///
    /// # Panics
    ///
    /// Panics if called outside of a tokio runtime.
    pub fn spawn<T>(&self, task: impl FnOnce(ShutdownGuard) -> T) -> bool
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let Some(ticket) = self.ticket() else {
            return false;
        };
        let id = ticket.id;
        // Boxed, since the future that awaits it reserves space for it twice: before it is polled, and while it is.
        let task = Box::pin(task(self.uncounted()));
        // Not under the lock: a runtime that is shutting down drops the task, and its ticket, at once.
        let spawned = ::tokio::spawn(async move {
            // Dropped after the task, so that the task is really gone when its ticket is.
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
            // The deadline passed while the task was being started, so `abort_all` could not abort it.
            spawned.abort();
        }
        true
    }

    /// Returns a guard for a task that is run elsewhere, for example by an HTTP server. It asks the task to end, and
    /// [`finish`](Self::finish) waits until it and all its clones are dropped, but cannot drop the task.
    #[must_use]
    pub fn guard(&self) -> ShutdownGuard {
        ShutdownGuard {
            _ticket: self.ticket().map(Arc::new),
            ..self.uncounted()
        }
    }

    /// Returns a guard that nobody waits for.
    fn uncounted(&self) -> ShutdownGuard {
        ShutdownGuard {
            requested: self.shared.requested.subscribe(),
            _shared: Arc::clone(&self.shared),
            _ticket: None,
        }
    }

    /// Returns the number of remaining tasks, including those elsewhere that hold a [`guard`](Self::guard).
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.shared.lock().left.len()
    }

    /// Asks all tasks to end, and starts no more. [`finish`](Self::finish) also does this.
    pub fn request(&self) {
        self.shared.lock().closed = true;
        self.shared.requested.send_replace(true);
    }

    /// Asks all tasks to end, waits for them for at most `grace`, and drops those that are left.
    ///
    /// Returns as soon as all tasks have ended. The closing handshake of a connection takes up to
    /// [`Timers::close`](crate::Timers::close), 5 s by default; a slightly longer grace lets every connection end by
    /// itself.
    ///
    /// A task that blocks its thread cannot be dropped until it next awaits something, and a task elsewhere that holds a
    /// [`guard`](Self::guard) not at all. Both are waited for at most 1 s after the grace period.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all tasks have been asked to end, and none is dropped unless the grace period is over. The next
    /// call starts its own grace period.
    pub async fn finish(&self, grace: Duration) -> ShutdownOutcome {
        self.request();
        if timeout(grace, self.all_gone()).await.is_ok() {
            return ShutdownOutcome { dropped: 0 };
        }
        let dropped = self.abort_all();
        // What the tasks hold should be released when this returns.
        let _ = timeout(ABORT_TIMEOUT, self.all_gone()).await;
        ShutdownOutcome { dropped }
    }

    async fn all_gone(&self) {
        loop {
            let mut gone = pin!(self.shared.gone.notified());
            // From here on no notification is missed.
            gone.as_mut().enable();
            if self.tasks() == 0 {
                return;
            }
            gone.await;
        }
    }

    /// Aborts the remaining tasks and returns their number.
    fn abort_all(&self) -> usize {
        let mut tasks = self.shared.lock();
        tasks.overdue = true;
        let handles: Vec<_> = tasks.left.values().flatten().cloned().collect();
        let left = tasks.left.len();
        // Not under the lock: dropping the last handle of a task may drop the task, and its ticket.
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
    /// The state is consistent after a panic: nothing under the lock can panic half way through.
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a task from the list when it is gone, for whatever reason.
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

/// Tells a task when to end. A clone can tell another task, for example that of the connection's other half.
#[derive(Clone, Debug)]
pub struct ShutdownGuard {
    requested: watch::Receiver<bool>,
    /// Keeps the sender alive while a guard waits for it.
    _shared: Arc<Server>,
    /// What [`Shutdown::finish`] waits for if the task is run elsewhere.
    _ticket: Option<Arc<Ticket>>,
}

impl ShutdownGuard {
    /// Waits until the task should end. After that, every call returns at once.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn requested(&mut self) {
        // The sender outlives this guard.
        let _ = self.requested.wait_for(|requested| *requested).await;
    }

    /// Returns whether the task should end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Runs a future that is not worth finishing during a shutdown, such as the opening handshake. If shutdown is
    /// requested first, drops the future and returns `None`.
    ///
    /// # Cancel safety
    ///
    /// As for `future`.
    pub async fn unless_requested<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut requested = pin!(self.requested());
        poll_fn(|cx| {
            // The shutdown is checked first, or a busy listener could delay it forever.
            if requested.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// What happened to the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it tells whether connections had to be dropped"]
#[non_exhaustive]
pub struct ShutdownOutcome {
    /// The number of tasks that were left at the deadline, and dropped. Tasks elsewhere, which hold a
    /// [`guard`](Shutdown::guard), count, but cannot be dropped.
    pub dropped: usize,
}

impl ShutdownOutcome {
    /// Returns whether all tasks ended by themselves.
    #[must_use]
    pub const fn is_graceful(&self) -> bool {
        self.dropped == 0
    }
}

/// Returns whether an error of `accept` concerns one connection and not the listener.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
