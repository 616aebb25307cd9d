//! Servers that do not upgrade, and hosts that do not exist.

use std::{io, net::TcpListener as StdListener};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websocket_proto::{Error, handshake::HandshakeError};

use crate::support::{Client, SHELLS, echo, read_head, serve};

/// HS-C-21: status, fields and the beginning of the body of a refusal reach the caller.
#[tokio::test]
async fn a_refusal_reaches_the_caller() {
    let port = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let response =
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 9\r\n\r\nlog in...";
        let _ = stream.write_all(response).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let client = Client::new(&format!("ws://127.0.0.1:{port}/")).redirects(3);
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("refused");
        let Error::Handshake(HandshakeError::Refused(refusal)) = error else {
            panic!("{shell:?}: {error:?}")
        };
        assert_eq!(refusal.status(), 401);
        assert_eq!(refusal.headers().get("www-authenticate"), Some("Basic realm=\"x\""));
        assert_eq!((refusal.body(), refusal.is_truncated()), (&b"log in..."[..], false));
    }
}

/// HS-C-02: all addresses of a host are tried: of the addresses of `localhost`, only one has a server.
#[tokio::test]
async fn all_addresses_of_a_host_are_tried() {
    let port = serve(echo).await;
    for &shell in SHELLS {
        let client = Client::new(&format!("ws://localhost:{port}/"));
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
    // The other way round, if there is IPv6.
    if let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await {
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        for &shell in SHELLS {
            let client = Client::new(&format!("ws://[::1]:{port}/"));
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        }
    }
}

/// A port where nothing listens and a name that does not exist: each has its own error.
#[tokio::test]
async fn unreachable_and_unknown_hosts_are_distinguished() {
    let unused = StdListener::bind("127.0.0.1:0").expect("bound");
    let port = unused.local_addr().expect("bound").port();
    drop(unused);
    for &shell in SHELLS {
        let error = Client::new(&format!("ws://127.0.0.1:{port}/")).run(shell).await;
        assert!(
            matches!(&error, Err(Error::Connect(error)) if error.kind() == io::ErrorKind::ConnectionRefused),
            "{shell:?}: {error:?}"
        );
        let error = Client::new("ws://no-such-host.invalid/").run(shell).await;
        assert!(matches!(error, Err(Error::Lookup(_))), "{shell:?}: {error:?}");
    }
}

/// HS-C-01: an invalid request is an error before a connection is made.
#[tokio::test]
async fn nothing_is_connected_for_an_invalid_request() {
    let port = serve(|_| async { panic!("connected") }).await;
    let client = Client::new(&format!("ws://127.0.0.1:{port}/")).header("Bad name", "x");
    for &shell in SHELLS {
        let error = client.run(shell).await;
        assert!(matches!(error, Err(Error::Request(_))), "{shell:?}: {error:?}");
    }
    for uri in ["ftp://h/", "ws:///", "wss://h/#f"] {
        assert!(matches!(websocket_proto::tokio::connect(uri).await, Err(Error::Uri(_))));
        assert!(matches!(websocket_proto::blocking::connect(uri), Err(Error::Uri(_))));
    }
}
