//! Accepts connections: the page, and the upgrade to a room.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use websocket_proto::{
    Config, DeflateConfig, Limits, Timers,
    handshake::{Accept, OriginPolicy, Rejection, UpgradeRequest},
    tokio::{Shutdown, ShutdownGuard},
};

use crate::{
    hall::Hall,
    page::{self, Body},
    session, text,
};

/// The most that a member's connection queues. A member that reads nothing is noticed when this and its backlog are full.
const HIGH_WATER: usize = 64 << 10;

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(6);

pub(crate) struct Server {
    hall: Arc<Hall>,
    config: Config,
    shutdown: Shutdown,
}

impl Server {
    pub(crate) fn new(hall: Arc<Hall>, deflate: DeflateConfig, max_message_size: u64) -> Self {
        let limits = Limits::new()
            .max_message_size(max_message_size)
            .max_frame_size(max_message_size)
            .output_high_water(HIGH_WATER);
        let timers = Timers::new().keepalive(Duration::from_secs(30));
        Self {
            hall,
            config: Config::new().limits(limits).timers(timers).deflate(deflate),
            shutdown: Shutdown::new(),
        }
    }

    /// Serves until the future completes, and closes all connections then.
    pub(crate) async fn serve_until(self: &Arc<Self>, listener: TcpListener, end: impl Future<Output = ()>) {
        tokio::select! {
            () = self.shutdown.serve(listener, |stream, peer, guard| Arc::clone(self).serve(stream, peer, guard)) => {}
            () = self.hall.pulse() => {}
            () = end => {}
        }
        let outcome = self.shutdown.finish(GRACE).await;
        if !outcome.is_graceful() {
            eprintln!("{} connections were dropped", outcome.dropped);
        }
    }

    /// Serves the requests of one connection.
    async fn serve(self: Arc<Self>, stream: TcpStream, _: SocketAddr, mut guard: ShutdownGuard) {
        // Lines are short, and should arrive now.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| {
            let response = self.answer(request);
            async { Ok::<_, Infallible>(response) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new());
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::pin!(connection);
        let served = tokio::select! {
            served = &mut connection => served,
            () = guard.requested() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            eprintln!("{error}");
        }
    }

    /// Answers a request, and opens a connection to a room if requested.
    fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let Some(room) = request.uri().path().strip_prefix("/rooms/").map(str::to_owned) else {
            return page::answer(&request);
        };
        let upgrade_request = match UpgradeRequest::from_http(&request) {
            Ok(upgrade_request) => upgrade_request.config(&self.config),
            Err(error) => return error.response_http(request.version()),
        };
        if !text::is_room(&room) {
            let rejection = Rejection::new(404).body("Rooms are named with 1 to 32 of a-z, 0-9 and -.\n");
            return rejection.response_http(request.version());
        }
        // Other web sites must not open connections in the name of this site's users.
        if upgrade_request.check_origin(&OriginPolicy::same_origin()).is_err() {
            return Rejection::new(403).response_http(request.version());
        }
        let Ok(accepted) = upgrade_request.accept(Accept::new()) else {
            return Rejection::new(500).response_http(request.version());
        };
        let response = accepted.response_http();
        let upgraded = hyper::upgrade::on(&mut request);
        let (hall, config) = (Arc::clone(&self.hall), self.config.clone());
        self.shutdown.clone().spawn(|guard| async move {
            let negotiated = accepted.into_negotiated();
            // A lost connection is nothing unusual: the room is told, and the member comes back.
            match session::visit(&hall, &room, upgraded, &negotiated, &config, guard).await {
                Ok(()) | Err(websocket_proto::Error::Io(_)) => {}
                Err(error) => eprintln!("{error}"),
            }
        });
        response
    }
}

/// Opens the address.
///
/// # Errors
///
/// One sentence that says why it cannot be used.
pub(crate) async fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(addr)
        .await
        .map_err(crate::listen::cannot_listen(addr))
}
