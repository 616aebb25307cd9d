//! A server that runs on a port of this machine.

use std::{sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming};
use socket_io_server::{
    connection,
    engine::{Counts, Settings},
    http::{Body, Endpoint},
    hub::{Clock, Hub},
    serve::{Routes, TakeWebSockets, serve},
    socket::{Options, Server, ServerCounts},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use websocket_proto::{
    Config,
    handshake::ClientRequest,
    tokio::{Shutdown, WebSocket},
};

use crate::support::{NAMESPACES, TestApp};

/// Every path is that of the endpoint.
struct OnePath(Arc<Endpoint<Server<TestApp>>>);

impl Routes for OnePath {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.0.answer(request).await
    }

    fn websockets(&self, _: &str) -> Option<&dyn TakeWebSockets> {
        Some(&*self.0)
    }
}

pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) hub: Arc<Hub<Server<TestApp>>>,
    pub(crate) shutdown: Shutdown,
    _clock: Clock,
}

impl Running {
    pub(crate) async fn new(settings: Settings) -> Self {
        Self::with(settings, Options::default(), |config| config).await
    }

    /// A server whose connections have other settings.
    pub(crate) async fn with(settings: Settings, options: Options, change: impl FnOnce(Config) -> Config) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Server::new(options, &NAMESPACES, TestApp::default());
        let (hub, clock) = Hub::new(settings, server);
        let shutdown = Shutdown::new();
        let endpoint = Arc::new(Endpoint::new(
            Arc::clone(&hub),
            change(connection::config(&settings)),
            shutdown.clone(),
        ));
        let tasks = shutdown.clone();
        tokio::spawn(async move {
            tasks
                .serve(listener, |stream, _, guard| {
                    let paths = OnePath(Arc::clone(&endpoint));
                    async move { serve(stream, guard, &paths).await }
                })
                .await;
        });
        Self {
            port,
            hub,
            shutdown,
            _clock: clock,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("connected")
    }

    /// Sends a request on a connection of its own. Returns the connection.
    pub(crate) async fn request(&self, method: &str, query: &str, fields: &str, body: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let head = format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}");
        let request = match method {
            "POST" => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
            _ => format!("{head}\r\n"),
        };
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream
    }

    /// Sends a request. Returns the response with its head.
    pub(crate) async fn response(&self, method: &str, query: &str, fields: &str, body: &str) -> String {
        response(self.request(method, query, fields, body).await).await
    }

    /// Opens a session over polling. Returns the query of its requests.
    pub(crate) async fn open(&self) -> String {
        let opened = self.response("GET", "EIO=4&transport=polling", "", "").await;
        let sid = opened
            .split("\"sid\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        format!("EIO=4&transport=polling&sid={}", sid.expect("sid"))
    }

    pub(crate) async fn websocket(&self, query: &str) -> WebSocket<TcpStream> {
        let uri = format!("ws://127.0.0.1:{}/socket.io/?{query}", self.port);
        let request = ClientRequest::new(uri.parse().expect("a URI"));
        WebSocket::client(self.connect().await, request)
            .await
            .expect("connected")
    }

    pub(crate) fn counts(&self) -> (Counts, ServerCounts) {
        self.hub.with(|engine, server| (engine.counts(), server.counts()))
    }

    /// Waits until nothing is left: no session, no socket, no timer, no request, no connection.
    pub(crate) async fn empty(&self) {
        let empty = (Counts::default(), ServerCounts::default());
        let waited = timeout(Duration::from_secs(30), async {
            while self.counts() != empty || self.shutdown.tasks() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let waited = waited.await;
        assert!(
            waited.is_ok(),
            "left: {:?}, {} tasks",
            self.counts(),
            self.shutdown.tasks()
        );
    }
}

pub(crate) async fn response(mut stream: TcpStream) -> String {
    let mut response = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut response)).await;
    read.expect("in time").expect("read");
    String::from_utf8(response).expect("text")
}
