//! One deadline for everything up to the open connection, whatever takes long.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use websocket_proto::{
    Config, Error, Phase, Timers, blocking,
    handshake::HandshakeError,
    reconnect::{Verdict, Wait},
    tokio as shell,
};

use crate::{
    support::{Certificate, Client, SHELLS, Shell, read_head, serve, serve_silence},
    tls_peer::RawPeer,
};

const TIME: Duration = Duration::from_millis(400);

async fn outlasts(client: Client, is_expected: impl Fn(&Error) -> bool) {
    outlasts_by(client, 5 * TIME, is_expected).await;
}

/// Fails within this time.
async fn outlasts_by(client: Client, most: Duration, is_expected: impl Fn(&Error) -> bool) {
    let client = client.within(TIME);
    for &shell in SHELLS {
        let began = Instant::now();
        let error = client.run(shell).await.expect_err("too late");
        assert!(is_expected(&error), "{shell:?}: {error:?}");
        // CL-31: whatever the cause was, it may pass.
        assert_eq!(
            Verdict::from(&error),
            Verdict::Retry(Wait::Backoff),
            "{shell:?}: {error:?}"
        );
        let took = began.elapsed();
        assert!(took >= TIME - Duration::from_millis(50), "{shell:?}: {took:?}");
        assert!(took < most, "{shell:?}: {took:?}");
    }
}

/// The deadline covers TCP.
#[tokio::test]
async fn tcp_is_covered() {
    // A listener that never accepts. Once its queue is full, further connections get no answer.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("valid")).expect("bound");
    let listener = socket.listen(1).expect("listening");
    let address = listener.local_addr().expect("bound");
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(connected);
        if queued.len() > 16 {
            return; // This system answers nevertheless.
        }
    }
    outlasts(Client::new(&format!("ws://{address}/")), |error| {
        matches!(error, Error::TimedOut(Phase::Connect))
    })
    .await;
}

/// The deadline covers TLS.
#[tokio::test]
async fn tls_is_covered() {
    let certificate = Certificate::of("localhost");
    let port = serve_silence().await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    outlasts(client, |error| matches!(error, Error::TimedOut(Phase::Tls))).await;
}

/// The deadline covers the proxy.
#[tokio::test]
async fn the_proxy_is_covered() {
    let port = serve_silence().await;
    let client = Client::new("ws://server.example/").through(&format!("http://127.0.0.1:{port}"));
    outlasts(client, |error| matches!(error, Error::TimedOut(Phase::Proxy))).await;
}

/// The deadline covers the opening handshake.
#[tokio::test]
async fn the_upgrade_is_covered() {
    let port = serve_silence().await;
    outlasts(Client::new(&format!("ws://127.0.0.1:{port}/")), |error| {
        matches!(error, Error::Handshake(HandshakeError::TimedOut))
    })
    .await;
}

/// Single bytes from time to time do not extend it, in any phase.
#[tokio::test]
async fn single_bytes_do_not_extend_it() {
    let drip = |bytes: &'static [u8]| {
        serve(move |mut stream| async move {
            let (mut reader, mut writer) = stream.split();
            let drain = async {
                let _ = reader.read_to_end(&mut Vec::new()).await;
            };
            let drip = async {
                for byte in bytes.iter().cycle() {
                    if writer.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::join!(drain, drip);
        })
    };
    let is_late = |error: &Error| matches!(error, Error::TimedOut(_) | Error::Handshake(HandshakeError::TimedOut));
    // One line whose value never ends.
    let head = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nX: ").await;
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    outlasts(Client::new(&format!("ws://127.0.0.1:{head}/")), is_late).await;
    let client = Client::new("ws://server.example/").through(&format!("http://127.0.0.1:{head}"));
    outlasts(client, is_late).await;
    // A TLS record of 16 KiB, which the server takes minutes to send.
    let record = drip(&[22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc, 3, 3]).await;
    let client = Client::new(&format!("wss://localhost:{record}/")).trusting(&Certificate::of("localhost"));
    outlasts(client, is_late).await;
}

/// A refusal whose body does not end in time is still that refusal.
#[tokio::test]
async fn a_slow_body_is_cut() {
    let port = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nwait")
            .await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    outlasts(Client::new(&format!("ws://127.0.0.1:{port}/")), |error| {
        matches!(error, Error::Handshake(HandshakeError::Refused(refusal))
            if refusal.status() == 503 && refusal.body() == b"wait" && refusal.is_truncated())
    })
    .await;
}

/// SEC-17: TLS and the opening handshake share a client's deadline: time used by one is not available to the other.
#[tokio::test]
async fn tls_and_the_upgrade_share_the_deadline_of_a_client() {
    let certificate = Certificate::of("localhost");
    let tls = tokio_rustls::TlsAcceptor::from(certificate.server_config());
    let port = serve(move |stream| {
        let tls = tls.clone();
        async move {
            sleep(TIME * 3 / 5).await;
            let stream = tls.accept(stream).await;
            std::future::pending::<()>().await;
            drop(stream);
        }
    })
    .await;
    let client = Client::new(&format!("wss://localhost:{port}/")).trusting(&certificate);
    outlasts_by(client.clone(), TIME * 3 / 2, |error| {
        matches!(error, Error::Handshake(HandshakeError::TimedOut))
    })
    .await;
    // The same in steps.
    let config = client.within(TIME).config;
    let uri = format!("wss://localhost:{port}/");
    let options = Client::new(&uri).trusting(&certificate).options().config(&config);
    let began = Instant::now();
    let request: websocket_proto::handshake::ClientRequest = uri.parse().expect("a URI");
    let target = request.uri().clone();
    let connecting = shell::open_stream(&target, &options);
    let mut connector = shell::Connector::over(connecting, request, &config).await.expect("TLS");
    let late = connector.recv_response().await.expect_err("too late");
    assert!(matches!(late, Error::Handshake(HandshakeError::TimedOut)), "{late:?}");
    assert!(began.elapsed() < TIME * 3 / 2, "{:?}", began.elapsed());
}

/// SEC-17: the same on a server, with a client that begins TLS late and then sends nothing.
#[tokio::test]
async fn tls_and_the_upgrade_share_the_deadline_of_a_server() {
    let config = Config::new().timers(Timers::new().handshake(TIME));
    for shell in [Shell::Tokio, Shell::Blocking] {
        let certificate = Certificate::of("localhost");
        let tls = certificate.server_config();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let client = std::thread::spawn(move || {
            let tcp = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connected");
            std::thread::sleep(TIME * 3 / 5);
            let mut peer = RawPeer::client_over(tcp, &certificate);
            // It gets the refusal, and the end of TLS.
            let refusal = peer.read_to_close_notify();
            assert!(refusal.starts_with(b"HTTP/1.1 408 "), "{}", refusal.escape_ascii());
        });
        let (stream, _) = listener.accept().expect("accepted");
        let began = Instant::now();
        let late = match shell {
            Shell::Tokio => {
                stream.set_nonblocking(true).expect("a socket");
                let stream = TcpStream::from_std(stream).expect("a socket");
                let tls = tokio_rustls::TlsAcceptor::from(tls);
                let mut acceptor = shell::Acceptor::over(tls.accept(stream), &config).await.expect("TLS");
                acceptor.recv_request().await.expect_err("too late")
            }
            _ => {
                let set_up = |deadline| blocking::TlsStream::server(stream, tls, deadline);
                let mut acceptor = blocking::Acceptor::over(set_up, &config).expect("TLS");
                acceptor.recv_request().expect_err("too late")
            }
        };
        assert!(
            matches!(late, Error::Handshake(HandshakeError::TimedOut)),
            "{shell:?}: {late:?}"
        );
        let took = began.elapsed();
        assert!(took >= TIME - Duration::from_millis(50), "{shell:?}: {took:?}");
        assert!(took < TIME * 3 / 2, "{shell:?}: {took:?}");
        client.join().expect("the refusal");
    }
}

/// SEC-17: a client that never begins TLS.
#[tokio::test]
async fn tls_of_a_server_is_covered() {
    let config = Config::new().timers(Timers::new().handshake(TIME));
    let certificate = Certificate::of("localhost");
    for shell in [Shell::Tokio, Shell::Blocking] {
        let tls = certificate.server_config();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let _client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (stream, _) = listener.accept().expect("accepted");
        let began = Instant::now();
        let late = match shell {
            Shell::Tokio => {
                stream.set_nonblocking(true).expect("a socket");
                let stream = TcpStream::from_std(stream).expect("a socket");
                let tls = tokio_rustls::TlsAcceptor::from(tls);
                shell::Acceptor::over(tls.accept(stream), &config).await.err()
            }
            _ => {
                let set_up = |deadline| blocking::TlsStream::server(stream, tls, deadline);
                blocking::Acceptor::over(set_up, &config).err()
            }
        };
        assert!(matches!(late, Some(Error::TimedOut(Phase::Tls))), "{shell:?}: {late:?}");
        assert!(began.elapsed() < 5 * TIME, "{shell:?}: {:?}", began.elapsed());
    }
}
