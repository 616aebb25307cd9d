//! What both programs do between their start and a signal.

use std::{io, net::SocketAddr, sync::Arc};

use hyper::{Response, StatusCode};
use socket_io_server::{
    http::Body,
    serve::{Routes, serve},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use websocket_proto::tokio::Shutdown;

use crate::listen::cannot_listen;

/// Serves all connections until a signal. Then asks them to end.
pub(crate) async fn serve_until_signal(addr: SocketAddr, shutdown: &Shutdown, routes: impl Routes) -> io::Result<()> {
    let routes = Arc::new(routes);
    // On Unix, this sets `SO_REUSEADDR`: a server that was killed can be started again on its port.
    let listener = TcpListener::bind(addr).await.map_err(cannot_listen(addr))?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on ws://{}", listener.local_addr()?);
    tokio::select! {
        () = shutdown.serve(listener, |stream, _, guard| {
            let routes = Arc::clone(&routes);
            async move { serve(stream, guard, &*routes).await }
        }) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shutdown.request();
    Ok(())
}

pub(crate) fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
