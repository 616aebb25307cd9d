//! TLS, for `wss`.

use std::{io, sync::Arc, sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::spawn_blocking,
};
use websocket_proto::{
    ConnectOptions, Error, Message, blocking,
    tls::{TlsConfig, TlsError, rustls},
    tokio as shell,
};

use crate::support::{Certificate, Client, SHELLS, serve, serve_tls};

/// HS-C-09, SEC-14: `wss` runs over TLS with a verified certificate and host name, and with SNI.
#[tokio::test]
async fn wss_works_from_end_to_end() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
}

/// SEC-14: a blocking server can use the crate's TLS as well; the client may have its own configuration.
#[tokio::test]
async fn a_blocking_server_speaks_tls() {
    let certificate = Certificate::of("localhost");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let config = certificate.server_config();
    let server = spawn_blocking(move || -> Result<(), Error> {
        for stream in listener.incoming().take(SHELLS.len()) {
            let stream = blocking::TlsStream::server(stream?, Arc::clone(&config), None)?;
            let mut websocket = blocking::WebSocket::accept(stream)?;
            while let Some((message, outbound)) = websocket.recv_split()? {
                outbound.feed(message)?;
            }
        }
        Ok(())
    });
    let mut client = Client::new(&format!("wss://localhost:{port}/"));
    client.tls = certificate.trusted().client_config().expect("valid").into();
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
    server.await.expect("no panic").expect("a clean close");
}

/// Both directions of one TLS stream are busy at the same time, with more data than all buffers in between can hold.
#[tokio::test]
async fn halves_of_an_async_stream_do_not_block_each_other() {
    const LEN: usize = 16 << 20;
    let certificate = Certificate::of("localhost");
    let config = certificate.server_config();
    async fn both<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(websocket: shell::WebSocket<S>) {
        let (mut send, mut recv) = websocket.split();
        let payload = vec![7; LEN];
        let sent = send.send(&payload[..]);
        let received = async {
            let message = recv.recv().await.expect("open").expect("a message");
            assert!(message.as_bytes() == &payload[..]);
        };
        let (sent, ()) = tokio::join!(sent, received);
        sent.expect("sent");
    }
    let port = serve(move |stream| {
        let config = Arc::clone(&config);
        async move {
            let stream = tokio_rustls::TlsAcceptor::from(config)
                .accept(stream)
                .await
                .expect("TLS");
            both(shell::WebSocket::accept(stream).await.expect("open")).await;
        }
    })
    .await;
    let request = format!("wss://localhost:{port}/").parse().expect("valid");
    let options = ConnectOptions::new().tls(certificate.trusted());
    let (websocket, _) = shell::connect_with(request, &options).await.expect("open");
    tokio::time::timeout(Duration::from_secs(60), both(websocket))
        .await
        .expect("both directions continue");
}

/// HS-C-09: a certificate for another host fails the handshake, with its own error.
#[tokio::test]
async fn a_wrong_host_name_is_refused() {
    let certificate = Certificate::of("other.example");
    let port = serve_tls(&certificate).await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("refused");
        let Error::Tls(error) = error else {
            panic!("{shell:?}: {error:?}")
        };
        assert!(matches!(*error, TlsError::HostName(_)), "{shell:?}: {error:?}");
    }
}

/// HS-C-09: so does a certificate without a trusted issuer.
#[tokio::test]
async fn an_untrusted_certificate_is_refused() {
    let port = serve_tls(&Certificate::of("localhost")).await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&Certificate::of("localhost"));
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("refused");
        let Error::Tls(error) = error else {
            panic!("{shell:?}: {error:?}")
        };
        assert!(matches!(*error, TlsError::Certificate(_)), "{shell:?}: {error:?}");
    }
}

/// HS-C-09: a server that does not complete TLS receives only the first TLS message.
#[tokio::test]
async fn nothing_of_the_handshake_is_sent_before_tls() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    let port = serve(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                log.lock().expect("no panic").extend_from_slice(&buffer[..n]);
            }
        }
    })
    .await;
    let certificate = Certificate::of("localhost");
    let client = Client::new(&format!("wss://localhost:{port}/secret"))
        .trusting(&certificate)
        .within(Duration::from_millis(300));
    for &shell in SHELLS {
        client.run(shell).await.expect_err("no TLS");
    }
    let received = received.lock().expect("no panic");
    // RFC 8446 §5.1: a record with a handshake message.
    assert_eq!(received.first(), Some(&22));
    for part in [&b"GET "[..], b"secret", b"Upgrade"] {
        assert!(!received.windows(part.len()).any(|window| window == part));
    }
}

/// HS-C-09: a server that does not speak TLS fails the handshake.
#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let port = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&Certificate::of("localhost"));
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("no TLS");
        assert!(
            matches!(&error, Error::Tls(error) if matches!(**error, TlsError::Failed(_))),
            "{shell:?}: {error:?}"
        );
    }
}

/// Without root certificates no certificate can be verified, which is reported before a connection is made.
#[tokio::test]
async fn no_roots_are_an_error() {
    let mut client = Client::new("wss://localhost:1/");
    client.tls = TlsConfig::new()
        .without_platform_roots()
        .provider(Arc::new(rustls::crypto::ring::default_provider()));
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("no roots");
        assert!(
            matches!(&error, Error::Tls(error) if matches!(**error, TlsError::NoRoots)),
            "{shell:?}: {error:?}"
        );
    }
}

/// A connection over TLS can be split with the tokio shell.
#[tokio::test]
async fn an_async_stream_can_be_split() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    let request = format!("wss://localhost:{port}/").parse().expect("valid");
    let options = ConnectOptions::new().tls(certificate.trusted());
    let (websocket, response) = shell::connect_with(request, &options).await.expect("open");
    assert_eq!(response.subprotocol(), None);
    assert!(websocket.stream().is_tls());
    let (mut send, mut recv) = websocket.split();
    send.send("hello").await.expect("sent");
    assert_eq!(recv.recv().await.expect("open"), Some(Message::from("hello")));
}

/// A peer that ends TLS without `close_notify` has ended the connection, but not cleanly.
#[tokio::test]
async fn an_end_without_close_notify_is_an_end() {
    let certificate = Certificate::of("localhost");
    let acceptor = tokio_rustls::TlsAcceptor::from(certificate.server_config());
    let port = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await.expect("TLS");
            // Dropping it ends TCP without ending TLS.
            drop(shell::WebSocket::accept(stream).await.expect("open"));
        }
    })
    .await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("ended");
        // A write may notice it first.
        let is_end = match &error {
            Error::Protocol(_) => true,
            Error::Io(error) => error.kind() != io::ErrorKind::UnexpectedEof,
            _ => false,
        };
        assert!(is_end, "{shell:?}: {error:?}");
    }
}
