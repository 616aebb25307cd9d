//! One set of options for every shell, and other things that all ways to connect have in common.

use std::{net::TcpListener, thread, time::Duration};

use websocket_proto::{
    CloseCode, Config, ConnectOptions, Error, Message, Timers, blocking,
    handshake::{ClientRequest, RequestError, Uri},
    tls::TlsConfig,
    tokio as shell,
};

use crate::support::{Certificate, echo, serve, serve_tls};

fn assert_send_static<T: Send + 'static>(value: T) -> T {
    value
}

fn uri(uri: &str) -> Uri {
    uri.parse().expect("a valid URI")
}

/// The options are reused by both shells, and the futures do not borrow them.
#[tokio::test]
async fn options_serve_every_shell() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    // A time that no clock reaches means no limit.
    let config = Config::new().timers(Timers::new().handshake(Duration::MAX));
    let options = ConnectOptions::new()
        .config(&config)
        .tls(certificate.trusted())
        .redirects(1);
    let request: ClientRequest = format!("wss://localhost:{port}/").parse().expect("valid");
    for _ in 0..2 {
        let opening = shell::connect_with(request.clone(), &options);
        let opened = tokio::spawn(assert_send_static(opening)).await.expect("no panic");
        let (mut websocket, response) = opened.expect("open");
        assert_eq!(response.headers().get("Upgrade"), Some("websocket"));
        websocket.close(CloseCode::NORMAL).await.expect("closed");

        let (request, options) = (request.clone(), options.clone());
        let blocking = move || {
            let (mut websocket, response) = blocking::connect_with(request, &options)?;
            assert_eq!(response.headers().get("Upgrade"), Some("websocket"));
            websocket.close(CloseCode::NORMAL)
        };
        tokio::task::spawn_blocking(blocking)
            .await
            .expect("no panic")
            .expect("open");
    }
}

/// The stream alone: it is connected to the server, nothing was sent through it, and its time limits are off.
#[tokio::test]
async fn a_stream_can_be_opened_alone() {
    let port = serve(echo).await;
    let uri = uri(&format!("ws://localhost:{port}/"));
    let options = ConnectOptions::new();
    let stream = shell::open_stream(&uri, &options).await.expect("connected");
    assert!(!stream.is_tls() && stream.tcp().expect("TCP").nodelay().expect("an option"));
    let mut websocket = shell::WebSocket::client(stream, ClientRequest::new(uri.clone()))
        .await
        .expect("open");
    websocket.send("hello").await.expect("sent");
    assert_eq!(websocket.recv().await.expect("open"), Some(Message::from("hello")));
    tokio::task::spawn_blocking(move || {
        let stream = blocking::open_stream(&uri, &options).expect("connected");
        assert_eq!(stream.tcp().expect("TCP").read_timeout().expect("an option"), None);
        assert_eq!(stream.tcp().expect("TCP").write_timeout().expect("an option"), None);
        let mut websocket = blocking::WebSocket::client(stream, ClientRequest::new(uri)).expect("open");
        websocket.close(CloseCode::NORMAL).expect("closed");
    })
    .await
    .expect("no panic");
}

/// An invalid request makes no connection: the port is closed, which would be another error.
#[tokio::test]
async fn an_invalid_request_is_found_before_connecting() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let uri = format!("ws://{}/", closed.expect("an address"));
    let request: ClientRequest = uri.parse().expect("valid");
    let request = request.header("Host", "elsewhere");
    let options = ConnectOptions::new();
    let is_expected =
        |error: Error| matches!(error, Error::Request(error) if matches!(*error, RequestError::Header(_)));
    let outcome = shell::connect_with(request.clone(), &options).await;
    assert!(is_expected(outcome.map(drop).expect_err("refused")));
    let outcome = thread::spawn(move || blocking::connect_with(request, &options).map(drop));
    assert!(is_expected(outcome.join().expect("no panic").expect_err("refused")));
}

/// The room that an application has in its own future.
#[test]
fn futures_are_small() {
    let (options, request) = (ConnectOptions::new(), "ws://localhost/".parse::<ClientRequest>());
    let opening = shell::connect_with(request.expect("valid"), &options);
    assert!(size_of_val(&opening) <= 16, "{}", size_of_val(&opening));
    let stream = size_of_val(&shell::open_stream(&uri("ws://localhost/"), &options));
    assert!(stream <= 64, "{stream}");
}

#[test]
fn debug_output_of_options_shows_no_secret() {
    let proxy = "http://me:secret@proxy.example".parse::<websocket_proto::Proxy>();
    let options = ConnectOptions::new()
        .config(&Config::new())
        .tls(TlsConfig::new())
        .proxy(proxy.expect("valid"));
    let shown = format!("{options:?}");
    assert!(shown.contains("proxy.example") && !shown.contains("secret"), "{shown}");
}

#[cfg(feature = "futures-rustls")]
mod futures_io {
    use websocket_proto::futures;

    use super::*;

    /// TLS and plain, on an executor without a runtime, split in two.
    #[tokio::test]
    async fn streams_can_be_split() {
        let certificate = Certificate::of("localhost");
        let (plain, tls) = (serve(echo).await, serve_tls(&certificate).await);
        tokio::task::spawn_blocking(move || {
            for uri in [format!("ws://localhost:{plain}/"), format!("wss://localhost:{tls}/")] {
                let config = Config::new().timers(Timers::new().handshake(Duration::MAX));
                let options = ConnectOptions::new().config(&config).tls(certificate.trusted());
                let request: ClientRequest = uri.parse().expect("valid");
                let opening = assert_send_static(futures::connect_with(request, &options));
                smol::block_on(async {
                    let (websocket, _) = opening.await.expect("open");
                    assert_eq!(websocket.stream().is_tls(), uri.starts_with("wss"));
                    assert!(websocket.stream().tcp().expect("TCP").nodelay().expect("an option"));
                    let (mut send, mut recv) = websocket.split();
                    send.send(vec![1; 500_000]).await.expect("sent");
                    assert_eq!(recv.recv().await.expect("open").expect("an echo").len(), 500_000);
                    send.close(CloseCode::NORMAL).await.expect("sent");
                    assert!(recv.recv().await.expect("closed cleanly").is_none());
                });
            }
        })
        .await
        .expect("no panic");
    }

    #[tokio::test]
    async fn a_uri_is_enough() {
        let port = serve(echo).await;
        let mut websocket = futures::connect(&format!("ws://127.0.0.1:{port}/"))
            .await
            .expect("open");
        websocket.send("hello").await.expect("sent");
        assert_eq!(websocket.recv().await.expect("open"), Some(Message::from("hello")));
        websocket.close(CloseCode::NORMAL).await.expect("closed");
        assert!(matches!(futures::connect("ftp://localhost/").await, Err(Error::Uri(_))));
        assert!(matches!(
            futures::connect("ws://no-such-host.invalid/").await,
            Err(Error::Lookup(_))
        ));
    }

    /// A future that is dropped while connecting leaves nothing behind: the server receives the end of the stream.
    #[tokio::test]
    async fn dropped_before_it_is_open() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let request = format!("ws://{}/", listener.local_addr().expect("bound")).parse::<ClientRequest>();
        let config = Config::new().timers(Timers::off());
        let options = ConnectOptions::new().config(&config);
        let opening = futures::connect_with(request.expect("valid"), &options);
        let dropped = tokio::time::timeout(Duration::from_millis(200), opening);
        let (dropped, accepted) = tokio::join!(dropped, listener.accept());
        assert!(dropped.is_err(), "nobody answers");
        let (mut stream, _) = accepted.expect("a connection");
        let mut request = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut request)
            .await
            .expect("the end");
        assert!(request.starts_with(b"GET / HTTP/1.1\r\n"));
    }
}
