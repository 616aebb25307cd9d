//! The sending half.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::PoisonError;

use super::{Half, RecvHalf, SharedDriver};
use crate::{
    connection::{CloseInfo, Connection, Outbound, SendError},
    deflate::params::DeflateParams,
    error::Error,
    frame::CloseFrame,
    io::{
        blocking::{
            Stream, WebSocket,
            drive::{self, Asks, Sides},
            limit::{Calls, Limit},
        },
        reunite::ReuniteError,
        verbs::{send_verbs, state_verbs},
    },
    negotiated::Agreed,
    outgoing::Outgoing,
};

/// The sending half of a [`WebSocket`]; see [`WebSocket::split`].
///
/// All clones send through the same connection, each message as a whole.
#[derive(Debug)]
pub struct SendHalf<S> {
    pub(super) shared: Arc<SharedDriver<S>>,
    pub(super) agreed: Option<Arc<Agreed>>,
}

impl<S: Stream> SendHalf<S> {
    send_verbs!();
    state_verbs!();

    /// Starts the closing handshake and writes all queued output. The receiving half finishes the handshake and then
    /// returns `None`. If the connection is already closing, this method only writes.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush), and [`Error::Send`] for a frame that may not be sent.
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        self.feed_close(frame)?;
        self.flush()?;
        // The peer's time to answer starts now, not when the receiving half looks next.
        let now = self.shared.clock.now();
        let driver = &mut self.shared.lock().driver;
        driver.at_write(now);
        let _ = driver.next_write();
        Ok(())
    }

    /// Puts the two halves back together.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], with both halves, if they belong to different connections, or the sending half has other
    /// clones.
    pub fn reunite(self, recv: RecvHalf<S>) -> Result<WebSocket<S>, ReuniteError<Self, RecvHalf<S>>> {
        if !Arc::ptr_eq(&self.shared, &recv.shared) {
            return Err(ReuniteError::new(self, recv));
        }
        let Self { shared, agreed } = self;
        let RecvHalf {
            stream,
            inbound,
            mut reader,
            shared: other,
            ..
        } = recv;
        drop(other);
        match Arc::try_unwrap(shared) {
            Ok(shared) => {
                let sending = shared.sending.into_inner().unwrap_or_else(PoisonError::into_inner);
                reader.most = None;
                Ok(WebSocket {
                    stream,
                    connection: Connection::from_halves(inbound, sending.driver),
                    sides: Sides {
                        clock: shared.clock,
                        reader,
                        writes: sending.writer.map_or(Limit::new(Calls::Write), |writer| writer.limit),
                        failure: sending.failure,
                    },
                })
            }
            Err(shared) => {
                let recv = RecvHalf {
                    stream,
                    inbound,
                    reader,
                    shared: Arc::clone(&shared),
                    agreed: agreed.clone(),
                };
                Err(ReuniteError::new(Self { shared, agreed }, recv))
            }
        }
    }

    fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        self.shared.state(read)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        self.shared.change(change)
    }

    const fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.agreed.as_ref()
    }

    fn write_all(&self) -> Result<(), Error> {
        self.write(Asks::Write)
    }

    fn write_some(&self) -> Result<(), Error> {
        self.write(Asks::Room)
    }

    /// The deadline for stalled output is enforced even if the receiving half is dropped or unused.
    fn write(&self, asks: Asks<'_>) -> Result<(), Error> {
        let mut half = Half {
            shared: &self.shared,
            reading: None,
        };
        drive::write(&mut half, asks)
    }
}

impl<S> Clone for SendHalf<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            agreed: self.agreed.clone(),
        }
    }
}
