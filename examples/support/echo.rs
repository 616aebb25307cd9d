//! The task of a connection in the tokio echo servers.

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{
    CloseCode, Error,
    tokio::{Acceptor, ShutdownGuard},
};

use crate::support;

/// Echoes until the connection ends, or the server does.
pub(crate) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    starting: impl Future<Output = Result<Acceptor<S>, Error>>,
    mut guard: ShutdownGuard,
) -> Result<(), Error> {
    let opening = Box::pin(async {
        let mut acceptor = starting.await?;
        let request = acceptor.recv_request().await?;
        acceptor.accept(&request, support::accept(&request)).await
    });
    let Some(opened) = guard.unless_requested(opening).await else {
        return Ok(());
    };
    let mut websocket = opened?;
    let mut requested = pin!(guard.requested());
    loop {
        // The message is lent, and the echo is written before the next wait. A peer that never stops sending uses up its turns,
        // so that the second branch gets one.
        tokio::select! {
            biased;
            received = websocket.recv_split() => match received? {
                Some((message, outbound)) => outbound.feed(message)?,
                None => return Ok(()),
            },
            () = &mut requested => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
