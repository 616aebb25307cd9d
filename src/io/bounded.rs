//! The deadline for a step of setting up a connection, in the async shells.

use core::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

use crate::{
    connection::Time,
    error::{Error, Phase},
};

/// Awaits a step until the deadline, which `poll_until` waits for. [`Error::TimedOut`] names the phase.
pub(super) async fn bounded<V, E: Into<Error>>(
    due: Option<Time>,
    mut poll_until: impl FnMut(Time, &mut Context<'_>) -> Poll<()>,
    phase: Phase,
    step: impl Future<Output = Result<V, E>>,
) -> Result<V, Error> {
    let mut step = pin!(step);
    let result = poll_fn(|cx| match (step.as_mut().poll(cx), due) {
        (Poll::Ready(result), _) => Poll::Ready(result.map_err(Into::into)),
        (Poll::Pending, Some(due)) => poll_until(due, cx).map(|()| Err(Error::TimedOut(phase))),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await;
    #[cfg(feature = "rustls")]
    let result = result.map_err(super::tls::unwrap_error);
    result
}
