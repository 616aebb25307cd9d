//! The deadline for a step of setting up a connection, in the async shells.

use core::{future::poll_fn, pin::pin, task::Poll};

use super::asynchronous::RuntimeTimer;
use crate::{
    connection::Time,
    error::{Error, Phase},
};

/// Awaits a step until the deadline. [`Error::TimedOut`] names the phase that the step is part of.
pub(super) async fn bounded<V, E: Into<Error>>(
    due: Option<Time>,
    timer: &mut impl RuntimeTimer,
    phase: Phase,
    step: impl Future<Output = Result<V, E>>,
) -> Result<V, Error> {
    let mut step = pin!(step);
    let result = poll_fn(|cx| match (step.as_mut().poll(cx), due) {
        (Poll::Ready(result), _) => Poll::Ready(result.map_err(Into::into)),
        (Poll::Pending, Some(due)) => timer.poll_until(due, cx).map(|()| Err(Error::TimedOut(phase))),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await;
    #[cfg(feature = "rustls")]
    let result = result.map_err(super::tls::unwrap_error);
    result
}
