//! The sending half.

use alloc::sync::Arc;

use super::{Half, Sending, Shared};
use crate::{
    connection::{Closure, Fin, Outbound, SendError},
    error::Error,
    frame::CloseFrame,
    io::blocking::{
        Stream,
        drive::{self, Asks, Stop},
        verbs::verbs,
    },
    message::Message,
    prepared::PreparedMessage,
};

/// The sending half of a [`WebSocket`](crate::blocking::WebSocket); see [`WebSocket::split`](crate::blocking::WebSocket::split).
///
/// Clones send through the same connection, each message as a whole.
#[derive(Debug)]
pub struct SendHalf<S> {
    pub(super) shared: Arc<Shared<S>>,
}

impl<S: Stream> SendHalf<S> {
    verbs!(self: &Self);

    /// Writes everything that is queued.
    ///
    /// The deadline of stalled output is kept also if the receiving half is dropped or not used.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn flush(&self) -> Result<(), Error> {
        let mut half = Half {
            shared: &self.shared,
            reading: None,
        };
        match drive::drive(&mut half, Asks::Write, None)? {
            Stop::Ended => self.write_end(),
            _ => Ok(()),
        }
    }

    /// Begins the closing handshake. The receiving half finishes it, and then ends with `None`. If the connection is closing
    /// already, this only writes what is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent; otherwise as for [`send`](Self::send).
    pub fn close<'c>(&self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        match self.shared.lock().driver.outbound().close(frame) {
            Ok(()) | Err(SendError::Closing(())) => {}
            Err(error) => return Err(error.into()),
        }
        self.flush()?;
        // The time that the peer has begins now, and not when the receiving half looks next.
        let now = self.shared.clock.now();
        let driver = &mut self.shared.lock().driver;
        driver.at_write(now);
        let _ = driver.next_write();
        Ok(())
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().driver.outbound().closure()
    }

    /// Queues something, and waits until what is queued before is written if that is too much.
    fn with_room<T>(
        &self,
        mut data: T,
        feed: impl Fn(&mut Outbound, T) -> Result<(), SendError<T>>,
    ) -> Result<(), Error> {
        loop {
            let mut sending = self.shared.lock();
            if sending.driver.drops_output() {
                drop(sending);
                return self.write_end();
            }
            let fed = feed(sending.driver.outbound(), data);
            drop(sending);
            match fed {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
            }
            self.flush()?;
        }
    }

    /// How the sending direction ended.
    fn write_end(&self) -> Result<(), Error> {
        let Sending { driver, failure, .. } = &mut *self.shared.lock();
        failure.tell(driver.write_outcome())
    }
}

impl<S> Clone for SendHalf<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}
