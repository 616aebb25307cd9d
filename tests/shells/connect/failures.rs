//! The table of verdicts: each row through a real failure over a real socket, in every shell.

use std::{sync::Arc, time::Duration};

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};
use websocket_proto::{
    CloseInfo, Error, blocking,
    frame::{FrameHeader, Opcode, Rsv},
    handshake::HandshakeError,
    reconnect::{Verdict, Wait},
    tls::{
        TlsConfig,
        rustls::{self, crypto::ring},
    },
    tokio as shell,
};

use crate::support::{Certificate, Client, SHELLS, Shell, read_head, serve, serve_tls};

const RETRY: Verdict = Verdict::Retry(Wait::Backoff);
const UNLIKELY: Verdict = Verdict::Unlikely(Wait::Backoff);

fn after(seconds: u64) -> Wait {
    Wait::AtLeast(Duration::from_secs(seconds))
}

/// Connects with every shell. Each gets an error with this verdict, whose message contains these words.
async fn fails(client: &Client, verdict: Verdict, words: &str) {
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("it cannot connect");
        assert_eq!(Verdict::from(&error), verdict, "{shell:?}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(words), "{shell:?}: {text}");
    }
}

/// A server that reads the request, sends this answer, and closes.
async fn answers(response: impl Into<String>) -> u16 {
    let response = Arc::new(response.into());
    serve(move |mut stream| {
        let response = Arc::clone(&response);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await
}

/// CL-31: nothing listens; the server resets the connection, or ends it during the opening handshake.
#[tokio::test]
async fn refused_and_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    fails(
        &Client::new(&format!("ws://127.0.0.1:{port}/")),
        RETRY,
        "cannot connect",
    )
    .await;

    // Closing a socket with unread data resets it.
    let resets = |stream: TcpStream| async move {
        let _ = stream.readable().await;
    };
    let port = serve(resets).await;
    fails(&Client::new(&format!("ws://127.0.0.1:{port}/")), RETRY, "").await;
    let certificate = Certificate::of("localhost");
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    fails(&client, RETRY, "").await;

    for response in ["", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso"] {
        let port = answers(response).await;
        fails(
            &Client::new(&format!("ws://127.0.0.1:{port}/")),
            RETRY,
            "ended during the opening handshake",
        )
        .await;
    }
}

/// CL-31: unknown names (RFC 6761 §6.4) look like a network that is down.
#[tokio::test]
async fn unknown_names() {
    // Without a name server, the deadline passes first.
    fails(&Client::new("ws://name.invalid/"), RETRY, "name look-up ").await;
}

/// CL-30, CL-31: the meaning of each status, with and without `Retry-After`.
#[tokio::test]
async fn statuses() {
    let date = "Date: Fri, 31 Dec 1999 23:59:50 GMT\r\nRetry-After: Sat, 01 Jan 2000 00:00:20 GMT\r\n";
    for (status, fields, verdict) in [
        // A captive portal.
        ("200 OK", "Content-Type: text/html\r\n", UNLIKELY),
        ("302 Found", "Location: http://portal.example/login\r\n", UNLIKELY),
        ("511 Network Authentication Required", "", RETRY),
        // A firewall, and a gateway that does not know its server yet.
        ("403 Forbidden", "", UNLIKELY),
        ("403 Forbidden", "Retry-After: 30\r\n", Verdict::Unlikely(after(30))),
        ("404 Not Found", "", UNLIKELY),
        ("401 Unauthorized", "WWW-Authenticate: Basic\r\n", Verdict::Fatal),
        ("407 Proxy Authentication Required", "", Verdict::Fatal),
        ("410 Gone", "Retry-After: 30\r\n", Verdict::Fatal),
        ("429 Too Many Requests", "", RETRY),
        (
            "429 Too Many Requests",
            "Retry-After: 30\r\n",
            Verdict::Retry(after(30)),
        ),
        ("429 Too Many Requests", date, Verdict::Retry(after(30))),
        ("502 Bad Gateway", "", RETRY),
        ("503 Service Unavailable", "", RETRY),
        (
            "503 Service Unavailable",
            "Retry-After: 30\r\n",
            Verdict::Retry(after(30)),
        ),
        ("503 Service Unavailable", date, Verdict::Retry(after(30))),
        (
            "503 Service Unavailable",
            "Retry-After: Sat, 01 Jan 2000 00:00:20 GMT\r\n",
            Verdict::Retry(Wait::Longest),
        ),
        ("504 Gateway Timeout", "", RETRY),
    ] {
        let port = answers(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n")).await;
        let words = format!("refused with status {}", &status[..3]);
        fails(&Client::new(&format!("ws://127.0.0.1:{port}/")), verdict, &words).await;
    }
}

/// CL-31: other programs on the server's port.
#[tokio::test]
async fn other_programs() {
    let accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    for response in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        accept,
    ] {
        let port = answers(response).await;
        fails(
            &Client::new(&format!("ws://127.0.0.1:{port}/")),
            UNLIKELY,
            "opening handshake failed",
        )
        .await;
    }
    // HTTP on a port for TLS, as with captive portals, and TLS on a port for HTTP.
    let certificate = Certificate::of("localhost");
    let port = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    fails(&client, UNLIKELY, "the peer does not seem to speak TLS").await;
    let port = serve_tls(&certificate).await;
    fails(&Client::new(&format!("ws://localhost:{port}/")), UNLIKELY, "").await;
}

/// CL-31: a redirect that is followed, but does not lead to a server.
#[tokio::test]
async fn redirects() {
    let port = answers("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n").await;
    let client = Client::new(&format!("ws://127.0.0.1:{port}/")).redirects(2);
    fails(&client, Verdict::Fatal, "too many redirects").await;
    let port = answers("HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n").await;
    let client = Client::new(&format!("ws://127.0.0.1:{port}/")).redirects(2);
    fails(&client, Verdict::Fatal, "invalid redirect").await;
}

/// CL-31: what a proxy answers in place of the server.
#[tokio::test]
async fn proxies() {
    for (response, verdict, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Verdict::Fatal,
            "407",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", UNLIKELY, "403"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", RETRY, "502"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", RETRY, "503"),
        ("SSH-2.0-OpenSSH_9.6\r\n", UNLIKELY, "invalid response from the proxy"),
        ("", RETRY, "closed the connection"),
    ] {
        let port = answers(response).await;
        let client = Client::new("ws://server.example/").through(&format!("http://127.0.0.1:{port}"));
        fails(&client, verdict, words).await;
    }
}

/// CL-31: the replies of a SOCKS proxy (RFC 1928 §6), credentials that it rejects, and a program that is not a SOCKS proxy.
#[tokio::test]
async fn socks_proxies() {
    let replies = |reply: u8| {
        serve(move |mut stream| async move {
            // The methods: none is required. Then the request, with a name.
            let mut head = [0; 2];
            let _ = stream.read_exact(&mut head).await;
            let _ = stream.read_exact(&mut vec![0; head[1].into()]).await;
            let _ = stream.write_all(&[5, 0]).await;
            let _ = stream.read(&mut [0; 300]).await;
            let _ = stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
    };
    for (codes, verdict) in [
        (&[1, 3, 4, 5, 6, 9, 255][..], RETRY),
        (&[2], UNLIKELY),
        (&[7, 8], Verdict::Fatal),
    ] {
        for &code in codes {
            let port = replies(code).await;
            let client = Client::new("ws://server.example/").through(&format!("socks5h://127.0.0.1:{port}"));
            fails(&client, verdict, &format!("SOCKS reply {code}")).await;
        }
    }
    // No acceptable method, and another program that answers.
    for (answer, verdict) in [
        (&[5, 255][..], Verdict::Fatal),
        (b"HTTP/1.1 400 Bad Request", UNLIKELY),
        (b"", RETRY),
    ] {
        let port = serve(move |mut stream| async move {
            let _ = stream.read(&mut [0; 300]).await;
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let client = Client::new("ws://server.example/").through(&format!("socks5h://127.0.0.1:{port}"));
        fails(&client, verdict, "cannot connect through the proxy").await;
    }
}

/// CL-31: an invalid certificate of a proxy has the same verdict as that of a server.
#[tokio::test]
async fn tls_with_a_proxy() {
    let port = serve_tls(&Certificate::of("a.example")).await;
    let client = Client::new("ws://server.example/")
        .trusting(&Certificate::of("localhost"))
        .through(&format!("https://localhost:{port}"));
    fails(&client, UNLIKELY, "cannot connect through the proxy").await;
}

/// CL-31: the error says in words what is wrong with a certificate, and it may pass.
#[tokio::test]
async fn certificates() {
    let ordinary = Certificate::of("localhost");
    let authority = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    for (certificate, words) in [
        (
            Certificate::altered(|params| params.not_after = date_time_ymd(2020, 1, 1)),
            "the certificate has expired, ",
        ),
        (
            Certificate::altered(|params| params.not_before = date_time_ymd(4000, 1, 1)),
            "the certificate is not valid yet",
        ),
        (
            Certificate::of("a.example"),
            "the certificate is for a.example, not for localhost",
        ),
        (
            Certificate::altered(|params| params.subject_alt_names.clear()),
            "the certificate names no host: make one with `localhost` in its `subjectAltName`",
        ),
        (
            Certificate::altered(authority),
            "-addext basicConstraints=critical,CA:FALSE",
        ),
        (
            Certificate::altered(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "the certificate is not for servers",
        ),
    ] {
        let port = serve_tls(&certificate).await;
        let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
        fails(&client, UNLIKELY, words).await;
    }
    // A certificate that was replaced, and one that is unknown to the client.
    let replaced = Certificate::of("localhost");
    let unknown = Certificate::altered(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
    });
    for (certificate, words) in [
        (replaced, "was the issuer's certificate replaced?"),
        (unknown, "TlsConfig::add_root"),
    ] {
        let port = serve_tls(&certificate).await;
        let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&ordinary);
        fails(&client, UNLIKELY, words).await;
    }
}

/// CL-31: TLS parameters without a common choice, and invalid settings of this side.
#[tokio::test]
async fn tls() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    let uri = format!("wss://localhost:{port}/");
    let mut client = Client::new(&uri).trusting(&certificate);
    // The server only allows one version.
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("supported")
        .with_no_client_auth()
        .with_cert_resolver(certificate.server_config().cert_resolver.clone());
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let modern = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
    .await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der()).expect("a root");
    let old = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("supported")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut outdated = Client::new(&format!("wss://localhost:{modern}/"));
    outdated.tls = Arc::new(old).into();
    fails(&outdated, UNLIKELY, "the peer refused: ").await;

    client.tls = TlsConfig::new()
        .without_platform_roots()
        .provider(Arc::new(ring::default_provider()));
    fails(&client, Verdict::Fatal, "no root certificates").await;
}

impl Client {
    /// Connects, receives until the end, and returns how it ended.
    async fn end(&self, shell: Shell) -> Option<CloseInfo> {
        let (request, options) = (self.request.clone(), self.options());
        match shell {
            Shell::Tokio => {
                let (mut websocket, _) = shell::connect_with(request, &options).await.expect("open");
                while let Ok(Some(_)) = websocket.recv().await {}
                websocket.close_info()
            }
            Shell::Blocking => spawn_blocking(move || {
                let (mut websocket, _) = blocking::connect_with(request, &options).expect("open");
                while let Ok(Some(_)) = websocket.recv() {}
                websocket.close_info()
            })
            .await
            .expect("no panic"),
            #[cfg(feature = "futures-rustls")]
            Shell::Futures => {
                let connecting = websocket_proto::futures::connect_with(request, &options);
                let (mut websocket, _) = connecting.await.expect("open");
                while let Ok(Some(_)) = websocket.recv().await {}
                websocket.close_info()
            }
        }
    }
}

/// A frame of a server.
fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode,
        masking_key: None,
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; FrameHeader::MAX_LEN];
    let len = header.encode(&mut bytes);
    [&bytes[..len], payload].concat()
}

/// CL-31: connections that a server ends with these bytes, or without any bytes.
#[tokio::test]
async fn ends_of_connections() {
    let close = |code: u16| frame(Opcode::Close, &code.to_be_bytes());
    let mut rows = vec![
        (frame(Opcode::Close, &[]), Verdict::Finished),
        (Vec::new(), RETRY),
        // Codes that must not be sent are violations, like frames that servers must not send.
        (close(1004), UNLIKELY),
        (close(1005), UNLIKELY),
        (close(1006), UNLIKELY),
        (close(1015), UNLIKELY),
        (close(999), UNLIKELY),
        (frame(Opcode::Text, &[0xff]), UNLIKELY),
        (vec![0x82, 0x80, 0, 0, 0, 0], UNLIKELY),
    ];
    for (codes, verdict) in [
        (&[1000][..], Verdict::Finished),
        (&[1001, 1011, 1014, 3008], RETRY),
        (&[1002, 1003, 1007, 1008, 1009, 1010], UNLIKELY),
        (&[1012], Verdict::Retry(Wait::Restart)),
        (&[1013], Verdict::Retry(Wait::Longest)),
        (&[3000, 3003, 3999, 4000, 4001, 4999], Verdict::Fatal),
    ] {
        rows.extend(codes.iter().map(|&code| (close(code), verdict)));
    }
    for (bytes, verdict) in rows {
        let sent = Arc::new(bytes.clone());
        let port = serve(move |stream| {
            let sent = Arc::clone(&sent);
            async move {
                let websocket = shell::WebSocket::accept(stream).await.expect("open");
                let mut stream = websocket.into_parts().0.into_stream();
                let _ = stream.write_all(&sent).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        })
        .await;
        let client = Client::new(&format!("ws://127.0.0.1:{port}/"));
        for &shell in SHELLS {
            let info = client.end(shell).await;
            assert_eq!(Verdict::from(info.clone()), verdict, "{shell:?}: {bytes:x?}, {info:?}");
        }
    }
}

/// CL-31: the application can override every row.
#[tokio::test]
async fn every_row_can_be_overridden() {
    let attempts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let port = serve(move |mut stream| {
        let number = attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            if number == 0 {
                read_head(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                    .await;
                return;
            }
            let mut websocket = shell::WebSocket::accept(stream).await.expect("open");
            let _ = websocket.close(websocket_proto::CloseCode::new(4001)).await;
        }
    })
    .await;
    let policy = websocket_proto::reconnect::Policy::new().first_delay(Duration::ZERO);
    let uri = format!("ws://127.0.0.1:{port}/");
    let mut reconnect = shell::Reconnect::new(policy, || shell::connect(&uri)).classify(|error| match error {
        Error::Handshake(HandshakeError::Refused(refusal)) if refusal.status() == 401 => RETRY,
        error => error.into(),
    });
    let mut websocket = reconnect.next().await.expect("not given up").expect("open");
    while let Ok(Some(_)) = websocket.recv().await {}
    let info = websocket.close_info().expect("it has ended");
    assert_eq!(Verdict::from(&info), Verdict::Fatal);
    // The application decides what the code means.
    assert_eq!(info.code.value(), 4001);
    reconnect.ended(Verdict::Finished);
    assert!(reconnect.next().await.expect("not given up").is_none());
    assert_eq!(reconnect.attempts(), 2);
}
