//! Proxies.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};
use websocket_proto::{CloseCode, Error, Proxies, ProxyError, blocking, handshake::HandshakeError, tls::TlsError};

use crate::support::{Certificate, Client, SHELLS, echo, read_head, serve, serve_tls};

/// The requests that a proxy received.
type Heads = Arc<Mutex<Vec<String>>>;

/// A proxy that connects everything to one server, as if it knew every host. Returns the port.
async fn serve_proxy(server: u16) -> (u16, Heads) {
    let heads = Heads::default();
    let log = Arc::clone(&heads);
    let port = serve(move |stream| relay(stream, server, Arc::clone(&log))).await;
    (port, heads)
}

async fn relay(mut stream: impl AsyncRead + AsyncWrite + Unpin, server: u16, log: Heads) {
    let head = read_head(&mut stream).await;
    log.lock().expect("no panic").push(head);
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.expect("connected");
    let established = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\nServer: a proxy\r\n\r\n";
    stream.write_all(established).await.expect("written");
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

/// A proxy behind TLS.
async fn serve_tls_proxy(certificate: &Certificate, server: u16) -> (u16, Heads) {
    let heads = Heads::default();
    let (log, acceptor) = (
        Arc::clone(&heads),
        tokio_rustls::TlsAcceptor::from(certificate.server_config()),
    );
    let port = serve(move |stream| {
        let (log, acceptor) = (Arc::clone(&log), acceptor.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                relay(stream, server, log).await;
            }
        }
    })
    .await;
    (port, heads)
}

/// A proxy that gives a fixed answer.
async fn serve_answer(answer: Vec<u8>) -> u16 {
    let answer = Arc::new(answer);
    serve(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await
}

/// HS-C-10, HS-C-22: with a proxy, `CONNECT host:port` comes first, and the handshake after a 2xx response, which interim
/// responses may precede. The name is not looked up on this side.
#[tokio::test]
async fn connections_go_through_the_proxy() {
    let (proxy, heads) = serve_proxy(serve(echo).await).await;
    let client = Client::new("ws://server.invalid/chat").through(&format!("http://127.0.0.1:{proxy}"));
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        let head = heads.lock().expect("no panic").remove(0);
        assert_eq!(
            head,
            "CONNECT server.invalid:80 HTTP/1.1\r\nHost: server.invalid:80\r\n\r\n"
        );
    }
}

/// HS-C-09, HS-C-10: TLS runs through the proxy and ends at the server. Only the proxy gets its credentials.
#[tokio::test]
async fn tls_runs_through_the_proxy() {
    let certificate = Certificate::of("localhost");
    let (proxy, heads) = serve_proxy(serve_tls(&certificate).await).await;
    let client = Client::new("wss://localhost/chat")
        .trusting(&certificate)
        .through(&format!("http://Aladdin:open%20sesame@localhost:{proxy}/"));
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        let head = heads.lock().expect("no panic").remove(0);
        assert!(
            head.starts_with("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n"),
            "{head}"
        );
        // The example of RFC 7617 §2.
        assert!(
            head.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"),
            "{head}"
        );
    }
}

/// HS-C-10: any answer other than a 2xx fails the handshake, and its size is bounded.
#[tokio::test]
async fn a_proxy_that_does_not_connect_is_an_error() {
    type IsExpected = fn(&ProxyError) -> bool;
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(1_000));
    let cases: [(&[u8], IsExpected); 8] = [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
            |error| {
                matches!(error, ProxyError::Refused(refusal) if refusal.status() == 407
                    && refusal.headers().get("proxy-authenticate") == Some("Basic realm=x"))
            },
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nsad",
            |error| matches!(error, ProxyError::Refused(refusal) if refusal.status() == 502 && refusal.body() == b"sad"),
        ),
        (b"SSH-2.0-OpenSSH\r\n", |error| {
            matches!(error, ProxyError::Head(HandshakeError::NotHttp))
        }),
        (b"HTTP/1.1 x\r\n\r\n", |error| {
            matches!(error, ProxyError::Head(HandshakeError::MalformedHead))
        }),
        (long.as_bytes(), |error| {
            matches!(error, ProxyError::Head(HandshakeError::HeadTooLarge))
        }),
        (many.as_bytes(), |error| {
            matches!(error, ProxyError::Head(HandshakeError::TooManyFields))
        }),
        (
            b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
            |error| matches!(error, ProxyError::Malformed),
        ),
        (b"HTTP/1.1 200 OK\r\n", |error| matches!(error, ProxyError::Eof)),
    ];
    for (answer, is_expected) in cases {
        let proxy = serve_answer(answer.to_vec()).await;
        let client = Client::new("ws://server.invalid/").through(&format!("http://127.0.0.1:{proxy}"));
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("refused");
            assert!(
                matches!(&error, Error::Proxy(error) if is_expected(error)),
                "{shell:?}: {error:?} for {}",
                answer[..answer.len().min(40)].escape_ascii()
            );
        }
    }
}

/// HS-C-09, HS-C-10: TLS with the proxy, and TLS with the server inside it.
#[tokio::test]
async fn tls_with_the_proxy() {
    let certificate = Certificate::of("localhost");
    let plain = serve_tls_proxy(&certificate, serve(echo).await).await;
    let tls = serve_tls_proxy(&certificate, serve_tls(&certificate).await).await;
    for (scheme, port, (proxy, heads)) in [("ws", 80, plain), ("wss", 443, tls)] {
        let client = Client::new(&format!("{scheme}://localhost/"))
            .trusting(&certificate)
            .through(&format!("https://me:secret@localhost:{proxy}"));
        for &shell in SHELLS {
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{scheme}, {shell:?}: {error}"));
            let head = heads.lock().expect("no panic").remove(0);
            assert!(
                head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")),
                "{head}"
            );
            assert!(
                head.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"),
                "{head}"
            );
        }
        // The two directions as two halves, and what the stream reports about the path to the server.
        let (request, options) = (client.request.clone(), client.options());
        let (is_tls, heads) = (scheme == "wss", Arc::clone(&heads));
        let talk = move || {
            let (websocket, _) = blocking::connect_with(request, &options).expect("open");
            let stream = websocket.stream();
            assert_eq!((stream.is_tls(), stream.tls().is_some()), (is_tls, is_tls));
            assert!(stream.tcp().expect("TCP").nodelay().expect("an option"));
            let (mut send, mut recv) = websocket.split().expect("two handles");
            send.send("hello").expect("sent");
            assert_eq!(recv.recv().expect("open").expect("an echo").as_text(), Some("hello"));
            send.close(CloseCode::NORMAL).expect("sent");
            assert!(recv.recv().expect("closed cleanly").is_none());
        };
        spawn_blocking(talk).await.expect("no panic");
        heads.lock().expect("no panic").clear();
    }
}

/// HS-C-09: the proxy gets neither the request nor credentials unless its certificate is valid.
#[tokio::test]
async fn the_proxy_is_verified() {
    let (proxy, heads) = serve_tls_proxy(&Certificate::of("localhost"), 1).await;
    let client = Client::new("ws://localhost/")
        .trusting(&Certificate::of("localhost"))
        .through(&format!("https://me:secret@localhost:{proxy}"));
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("not trusted");
        assert!(
            matches!(&error, Error::Proxy(error) if matches!(**error, ProxyError::Tls(TlsError::Certificate(_)))),
            "{shell:?}: {error:?}"
        );
    }
    assert!(heads.lock().expect("no panic").is_empty());
}

/// HS-C-10: a proxy may have an IPv6 address.
#[tokio::test]
async fn an_ipv6_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return; // There is no IPv6 here.
    };
    let (proxy, server) = (listener.local_addr().expect("bound"), serve(echo).await);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream, server, Heads::default()));
        }
    });
    let client = Client::new("ws://server.invalid/").through(&format!("http://{proxy}"));
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
}

/// HS-C-10, HS-C-43: a redirect goes through the proxy chosen for its target, or through none.
#[tokio::test]
async fn each_redirect_chooses_its_proxy() {
    let target = serve(echo).await;
    let redirecting = serve(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        let location = match head.lines().next().unwrap_or_default() {
            "GET /direct HTTP/1.1" => format!("ws://127.0.0.1:{target}/"),
            _ => format!("ws://localhost:{target}/"),
        };
        let response = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(response.as_bytes()).await;
    })
    .await;
    let (to_redirect, first) = serve_proxy(redirecting).await;
    let (to_target, second) = serve_proxy(target).await;
    for (proxy, exceptions, path, asked) in [
        // Through the proxy, then directly.
        (to_redirect, "127.0.0.1", "ws://server.invalid/direct", (1, 0)),
        // Directly, then through the proxy.
        (
            to_target,
            "127.0.0.1",
            &*format!("ws://127.0.0.1:{redirecting}/named"),
            (0, 1),
        ),
    ] {
        for &shell in SHELLS {
            let mut client = Client::new(path).redirects(1);
            client.proxies = Proxies::from_variables(|name| match name {
                "http_proxy" => Some(format!("localhost:{proxy}")),
                "no_proxy" => Some(exceptions.into()),
                _ => None,
            });
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
            let [first, second] = [&first, &second].map(|heads| heads.lock().expect("no panic").drain(..).count());
            assert_eq!((first, second), asked, "{path}");
        }
    }
}

/// The proxy in the variable is used or reported as an error, and never ignored.
#[tokio::test]
async fn an_invalid_variable_is_an_error() {
    for url in ["gopher://proxy", "proxy:port"] {
        let mut client = Client::new("ws://127.0.0.1:1/");
        client.proxies = Proxies::from_variables(|name| (name == "all_proxy").then(|| url.into()));
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("invalid");
            assert!(
                matches!(&error, Error::Proxy(error) if matches!(**error, ProxyError::Url | ProxyError::Scheme)),
                "{shell:?}: {error:?}"
            );
        }
    }
}
