//! Proxies.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};
use websocket_proto::{Error, ProxyError, handshake::HandshakeError};

use crate::support::{Certificate, Client, SHELLS, echo, read_head, serve, serve_tls};

/// A proxy that connects everything to one server, as if it knew every host. Returns the port, and what it was asked.
async fn serve_proxy(server: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let port = serve(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            let head = read_head(&mut stream).await;
            log.lock().expect("no panic").push(head);
            let mut server = TcpStream::connect(("127.0.0.1", server)).await.expect("connected");
            let established = b"HTTP/1.1 200 Connection established\r\nServer: a proxy\r\n\r\n";
            stream.write_all(established).await.expect("written");
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
    })
    .await;
    (port, heads)
}

/// A proxy that gives one answer.
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

/// HS-C-10: with a proxy, `CONNECT host:port` comes first, and the handshake after a 2xx. The name is not looked up here.
#[tokio::test]
async fn the_way_leads_through_the_proxy() {
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

/// HS-C-09, HS-C-10: TLS runs through the proxy and is with the server. The proxy alone gets its credentials.
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

/// HS-C-10: whatever is not a 2xx fails the handshake, and the answer is bounded.
#[tokio::test]
async fn a_proxy_that_does_not_lead_on_is_an_error() {
    type IsExpected = fn(&ProxyError) -> bool;
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(1_000));
    let cases: [(&[u8], IsExpected); 8] = [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
            |error| matches!(error, ProxyError::Refused(407)),
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nsad", |error| {
            matches!(error, ProxyError::Refused(502))
        }),
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

/// The blocking shell does not support SOCKS, and reports that before it connects.
#[tokio::test]
async fn socks_requires_the_tokio_shell() {
    let client = Client::new("ws://server.invalid/").through("socks5://127.0.0.1:1");
    let error = client.run(crate::support::Shell::Blocking).await.expect_err("refused");
    assert!(
        matches!(&error, Error::Proxy(error) if matches!(**error, ProxyError::SocksUnsupported)),
        "{error:?}"
    );
}

/// Without the `socks` feature, the tokio shell reports that before it connects.
#[cfg(not(feature = "socks"))]
#[tokio::test]
async fn socks_requires_the_feature() {
    let client = Client::new("ws://server.invalid/").through("socks5://127.0.0.1:1");
    let error = client.run(crate::support::Shell::Tokio).await.expect_err("refused");
    assert!(
        matches!(&error, Error::Proxy(error) if matches!(**error, ProxyError::SocksUnavailable)),
        "{error:?}"
    );
}

#[cfg(feature = "socks")]
mod socks {
    use super::*;
    use crate::support::Shell;

    /// A SOCKS5 proxy (RFC 1928) that connects everything to one server, or refuses with a reply code. With credentials, it
    /// asks for them (RFC 1929).
    async fn serve_socks(server: u16, reply: u8, credentials: Option<&'static str>) -> u16 {
        serve(move |mut stream| async move {
            let _ = answer(&mut stream, server, reply, credentials).await;
        })
        .await
    }

    async fn answer(stream: &mut TcpStream, server: u16, reply: u8, credentials: Option<&str>) -> std::io::Result<()> {
        assert_eq!(stream.read_u8().await?, 5);
        let mut methods = vec![0; stream.read_u8().await?.into()];
        stream.read_exact(&mut methods).await?;
        let method = if credentials.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return stream.write_all(&[5, 0xff]).await;
        }
        stream.write_all(&[5, method]).await?;
        if let Some(expected) = credentials {
            assert_eq!(stream.read_u8().await?, 1);
            let mut parts = Vec::new();
            for _ in 0..2 {
                let mut part = vec![0; stream.read_u8().await?.into()];
                stream.read_exact(&mut part).await?;
                parts.push(String::from_utf8(part).expect("text"));
            }
            let is_right = parts.join(":") == expected;
            stream.write_all(&[1, u8::from(!is_right)]).await?;
            if !is_right {
                return Ok(());
            }
        }
        // Version, CONNECT, reserved, and a name that is for the proxy to look up.
        let mut head = [0; 5];
        stream.read_exact(&mut head).await?;
        assert_eq!(head[..4], [5, 1, 0, 3]);
        let mut target = vec![0; usize::from(head[4]) + 2];
        stream.read_exact(&mut target).await?;
        assert_eq!(target, b"server.invalid\x00\x50");
        stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        if reply == 0 {
            let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
            copy_bidirectional(stream, &mut server).await?;
        }
        Ok(())
    }

    /// HS-C-10: a SOCKS5 proxy leads to the host that it looks up, with credentials where it asks for them.
    #[tokio::test]
    async fn the_way_leads_through_the_proxy() {
        let server = serve(echo).await;
        for (credentials, prefix) in [(None, ""), (Some("me:secret"), "me:secret@")] {
            let proxy = serve_socks(server, 0, credentials).await;
            let client = Client::new("ws://server.invalid/").through(&format!("socks5://{prefix}127.0.0.1:{proxy}"));
            client.run(Shell::Tokio).await.expect("through the proxy");
        }
    }

    /// HS-C-10: a refusal fails the handshake.
    #[tokio::test]
    async fn refusals_are_errors() {
        for (reply, credentials, prefix) in [
            (2, None, ""),
            (5, None, ""),
            (0, Some("me:secret"), "me:wrong@"),
            (0, Some("me:secret"), ""),
        ] {
            let proxy = serve_socks(0, reply, credentials).await;
            let client = Client::new("ws://server.invalid/").through(&format!("socks5://{prefix}127.0.0.1:{proxy}"));
            let error = client.run(Shell::Tokio).await.expect_err("refused");
            let is_expected = match &error {
                Error::Proxy(error) => match **error {
                    ProxyError::SocksRefused(code) => code == reply,
                    ProxyError::SocksCredentials => credentials.is_some(),
                    _ => false,
                },
                _ => false,
            };
            assert!(is_expected, "{error:?}");
        }
    }
}
