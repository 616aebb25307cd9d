//! Connecting to a destination other than the URI's.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{io::AsyncWriteExt, net::TcpListener};
use websocket_proto::{Destination, handshake::UriError};

use crate::support::{Certificate, Client, SHELLS, echo, read_head, serve, serve_tls};

/// A server that redirects to one location. Returns the port, and the requests that it received.
async fn serve_redirect(location: String) -> (u16, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let port = serve(move |mut stream| {
        let (log, location) = (Arc::clone(&log), location.clone());
        async move {
            let head = read_head(&mut stream).await;
            log.lock().expect("no panic").push(head);
            let response = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(response.as_bytes()).await;
        }
    })
    .await;
    (port, heads)
}

#[test]
fn destinations_are_validated() {
    for text in ["localhost:80", "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80", "h:1"] {
        assert_eq!(format!("{:?}", text.parse::<Destination>().expect(text)), text);
    }
    for (text, error) in [
        ("localhost", UriError::Port),
        ("localhost:", UriError::Port),
        ("[::1]", UriError::Port),
        ("localhost:0", UriError::Port),
        ("localhost:x", UriError::Port),
        (":80", UriError::Host),
        ("a/b:80", UriError::Host),
        ("user@h:80", UriError::Host),
        ("a b:80", UriError::Character),
        ("a\r\nX: y:80", UriError::Character),
        ("[fe80::1%eth0]:80", UriError::Zone),
    ] {
        assert_eq!(text.parse::<Destination>(), Err(error), "{text:?}");
    }
}

/// The server at another address answers for the URI's host: `ws` sends it in `Host`, `wss` verifies it in the certificate.
#[tokio::test]
async fn another_address() {
    let certificate = Certificate::of("localhost");
    let (plain, tls) = (serve(echo).await, serve_tls(&certificate).await);
    for (uri, port) in [("ws://server.invalid/", plain), ("wss://localhost/", tls)] {
        for destination in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
            let destination = destination.parse::<Destination>().expect("valid");
            let client = Client::new(uri).trusting(&certificate).to(destination);
            for &shell in SHELLS {
                client
                    .run(shell)
                    .await
                    .unwrap_or_else(|error| panic!("{uri}, {shell:?}: {error}"));
            }
        }
    }
}

/// `Host` is that of the URI. A redirect within the origin goes to the same address, any other to its own.
#[tokio::test]
async fn redirects_and_another_address() {
    let target = serve(echo).await;
    for &shell in SHELLS {
        let (port, heads) = serve_redirect(format!("ws://127.0.0.1:{target}/")).await;
        let client = Client::new("ws://server.invalid/from")
            .to(SocketAddr::from(([127, 0, 0, 1], port)))
            .redirects(3);
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        let head = heads.lock().expect("no panic").remove(0);
        assert!(
            head.starts_with("GET /from HTTP/1.1\r\nHost: server.invalid\r\n"),
            "{head}"
        );

        let (port, heads) = serve_redirect("/again".into()).await;
        let client = Client::new("ws://server.invalid/from")
            .to(SocketAddr::from(([127, 0, 0, 1], port)))
            .redirects(1);
        client.run(shell).await.expect_err("redirected for ever");
        assert_eq!(heads.lock().expect("no panic").len(), 2);
    }
}

/// The proxy is asked for the other address.
#[tokio::test]
async fn another_address_through_a_proxy() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let proxy = serve(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            let head = read_head(&mut stream).await;
            log.lock().expect("no panic").push(head);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            echo(stream).await;
        }
    })
    .await;
    let client = Client::new("ws://server.invalid/")
        .to("backend.invalid:9001".parse::<Destination>().expect("valid"))
        .through(&format!("http://127.0.0.1:{proxy}"));
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        let head = heads.lock().expect("no panic").remove(0);
        assert!(head.starts_with("CONNECT backend.invalid:9001 HTTP/1.1\r\n"), "{head}");
    }
}

#[cfg(unix)]
mod unix {
    use std::{fs, path::PathBuf, process, time::Duration};

    use tokio::net::UnixListener;
    use websocket_proto::{Config, ConnectOptions, Error, Timers, blocking, tokio as shell};

    use super::*;

    /// A path that is removed at the end.
    struct Socket(PathBuf);

    impl Socket {
        fn new(name: &str) -> Self {
            let socket = Self(std::env::temp_dir().join(format!("websocket-{}-{name}", process::id())));
            let _ = fs::remove_file(&socket.0);
            socket
        }

        fn destination(&self) -> Destination {
            self.0.as_path().into()
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// In every shell, plain and with TLS, and without the proxy that is set for everything else.
    #[tokio::test]
    async fn unix_sockets() {
        let certificate = Certificate::of("localhost");
        let (plain, tls) = (Socket::new("plain"), Socket::new("tls"));
        let listener = UnixListener::bind(&plain.0).expect("bound");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        let listener = UnixListener::bind(&tls.0).expect("bound");
        let acceptor = tokio_rustls::TlsAcceptor::from(certificate.server_config());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { echo(acceptor.accept(stream).await.expect("TLS")).await });
            }
        });
        for (uri, socket) in [("ws://server.invalid/chat", &plain), ("wss://localhost/", &tls)] {
            let client = Client::new(uri)
                .trusting(&certificate)
                .to(socket.destination())
                .through("http://127.0.0.1:1");
            for &shell in SHELLS {
                client
                    .run(shell)
                    .await
                    .unwrap_or_else(|error| panic!("{uri}, {shell:?}: {error}"));
            }
        }
        // It has no address and no TCP options, and it can be split like every stream.
        let uri = "ws://localhost/".parse().expect("valid");
        let options = ConnectOptions::new().to(plain.destination());
        let stream = shell::open_stream(&uri, &options).await.expect("connected");
        assert!(stream.tcp().is_none() && !stream.is_tls());
        tokio::task::spawn_blocking(move || {
            let stream = blocking::open_stream(&uri, &options).expect("connected");
            assert!(stream.tcp().is_none() && stream.tls().is_none());
            let websocket = blocking::WebSocket::client(stream, uri.to_string().parse().expect("valid"));
            let (mut send, mut recv) = websocket.expect("open").split().expect("two handles");
            send.send("hello").expect("sent");
            assert_eq!(recv.recv().expect("open").expect("an echo").as_text(), Some("hello"));
        })
        .await
        .expect("no panic");
    }

    /// A socket that does not exist, and one whose server accepts nothing.
    #[tokio::test]
    async fn unix_sockets_that_do_not_answer() {
        let missing = Socket::new("missing");
        let client = Client::new("ws://localhost/").to(missing.destination());
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("missing");
            assert!(matches!(error, Error::Connect(_)), "{shell:?}: {error:?}");
        }
        let busy = Socket::new("busy");
        let _listener = std::os::unix::net::UnixListener::bind(&busy.0).expect("bound");
        let mut client = Client::new("ws://localhost/").to(busy.destination());
        client.config = Config::new().timers(Timers::new().handshake(Duration::from_millis(300)));
        for &shell in SHELLS {
            client.run(shell).await.expect_err("nobody answers");
        }
    }
}

/// The port of the URI gets no connection.
#[tokio::test]
async fn the_uri_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let uri = format!("ws://{}/", listener.local_addr().expect("bound"));
    let client = Client::new(&uri).to(SocketAddr::from(([127, 0, 0, 1], serve(echo).await)));
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
    let asked = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(asked.is_err());
}
