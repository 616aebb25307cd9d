//! Halves that cannot be put together.

use alloc::boxed::Box;
use core::fmt;

use super::{RecvHalf, SendHalf, Transport};

/// Two halves that are not of the same connection.
pub struct ReuniteError<T: Transport> {
    /// The sending half, as it was.
    pub send: SendHalf<T>,
    /// The receiving half, as it was.
    pub recv: Box<RecvHalf<T>>,
}

impl<T: Transport> fmt::Debug for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReuniteError")
    }
}

impl<T: Transport> fmt::Display for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of the same connection")
    }
}

impl<T: Transport> core::error::Error for ReuniteError<T> {}
