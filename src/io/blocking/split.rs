//! The two directions of a connection, for two threads.
//!
//! All senders share the driver, protected by a lock that is never held while the stream is read or written. A caller
//! that writes takes out the writer and the output, and puts them back afterwards. A caller that finds the writer taken
//! waits for it if it must know that everything is written; otherwise it has nothing to do.
//!
//! ```text
//!   RecvHalf: stream -> Inbound --(Pong, Close)--+
//!                                                v
//!   SendHalf: messages ----------------------> Driver -> Writer -> stream
//!                                             `----- Mutex -----'
//! ```
//!
//! A blocked read cannot be interrupted, so the receiving half checks from time to time whether the sending half has
//! started something that has a deadline ([`Driver::glance`]).

mod recv;
mod send;

use alloc::sync::Arc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{
    SplitStream, Stream, WebSocket,
    clock::Clock,
    drive::{Asks, Failure, Hold, Next},
    limit::Limit,
    transport::{Reader, WriteOutcome},
};
use crate::{
    connection::{Driver, Outbound, Time},
    error::Error,
};

pub use self::{recv::RecvHalf, send::SendHalf};

impl<S: Stream> WebSocket<S> {
    /// Splits the connection into its two directions, for several threads. [`SendHalf::reunite`] puts them together
    /// again.
    ///
    /// The receiving half continues to answer Pings and finishes the closing handshake, even while the sending half
    /// blocks or does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the stream cannot be cloned.
    pub fn split(self) -> Result<(SendHalf<S>, RecvHalf<S>), Error>
    where
        S: SplitStream,
    {
        let writer = Writer {
            stream: self.stream.try_clone()?,
            limit: self.sides.writes,
        };
        let (inbound, driver) = self.connection.into_halves();
        let mut reader = self.sides.reader;
        reader.most = driver.glance();
        let agreed = driver.outbound_ref().agreed().cloned();
        let shared = Arc::new(SharedDriver {
            sending: Mutex::new(Sending {
                driver,
                failure: self.sides.failure,
                writer: Some(writer),
            }),
            returned: Condvar::new(),
            clock: self.sides.clock,
        });
        let recv = RecvHalf {
            stream: self.stream,
            inbound,
            reader,
            shared: Arc::clone(&shared),
            agreed: agreed.clone(),
        };
        Ok((SendHalf { shared, agreed }, recv))
    }
}

/// The state that both halves share.
#[derive(Debug)]
struct SharedDriver<S> {
    sending: Mutex<Sending<S>>,
    /// Notified when the writer is put back.
    returned: Condvar,
    clock: Clock,
}

#[derive(Debug)]
struct Sending<S> {
    driver: Driver,
    failure: Failure,
    /// `None` while a caller is writing.
    writer: Option<Writer<S>>,
}

/// The write side of the stream.
#[derive(Debug)]
struct Writer<S> {
    stream: S,
    limit: Limit,
}

impl<S: Stream> SharedDriver<S> {
    fn lock(&self) -> MutexGuard<'_, Sending<S>> {
        // The state is consistent after a panic: no call under the lock leaves its work half done.
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        read(self.lock().driver.outbound_ref())
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        change(self.lock().driver.outbound())
    }

    /// Returns the next step. A step of the write side is performed.
    ///
    /// With `once`, output that other callers queue during a write that took everything is left for later. Otherwise
    /// they could keep the receiver from reading forever.
    fn next(&self, asks: &mut Asks<'_>, once: bool) -> Next {
        let mut sending = self.lock();
        let Some(mut writer) = sending.writer.take() else {
            return asks.look(&mut sending.driver);
        };
        let mut writing = match asks.begin(&mut sending.driver) {
            Ok(writing) => writing,
            Err(next) => {
                sending.writer = Some(writer);
                return next;
            }
        };
        drop(sending);
        let wrote = writing.perform(&mut writer.stream, &mut writer.limit, self.clock);
        let mut sending = self.lock();
        let sending = &mut *sending;
        let is_complete = writing.report(&mut sending.driver, &wrote);
        sending.writer = Some(writer);
        self.returned.notify_all();
        if once && is_complete && sending.driver.outbound().queued() > 0 {
            sending.driver.write_blocked();
            return Next::WriteOutcome(WriteOutcome::Blocked { has_waited: true });
        }
        Next::WriteOutcome(sending.failure.noted(wrote))
    }

    /// Waits for another thread that is writing, if there still is one.
    fn wait(&self, until: Option<Time>) {
        let sending = self.lock();
        if sending.writer.is_some() {
            return;
        }
        match until {
            None => drop(self.returned.wait(sending)),
            Some(until) => {
                let most = until.since(self.clock.now());
                drop(self.returned.wait_timeout(sending, most));
            }
        }
    }
}

/// A half being driven, with or without the read side.
struct Half<'a, S> {
    shared: &'a SharedDriver<S>,
    reading: Option<(&'a mut S, &'a mut Reader)>,
}

impl<S: Stream> Hold for Half<'_, S> {
    type Stream = S;

    fn clock(&self) -> Clock {
        self.shared.clock
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Failure) -> T) -> T {
        let Sending { driver, failure, .. } = &mut *self.shared.lock();
        act(driver, failure)
    }

    fn next(&mut self, asks: &mut Asks<'_>) -> Next {
        self.shared.next(asks, self.reading.is_some())
    }

    fn reading(&mut self) -> Option<(&mut S, &mut Reader)> {
        self.reading
            .as_mut()
            .map(|(stream, reader)| (&mut **stream, &mut **reader))
    }

    fn wait(&mut self, until: Option<Time>) {
        self.shared.wait(until);
    }
}
