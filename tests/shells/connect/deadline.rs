//! One deadline for everything up to the open connection, whatever it is that takes so long.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use websocket_proto::{Error, Phase, handshake::HandshakeError};

use crate::support::{Certificate, Client, SHELLS, read_head, serve, serve_silence};

const TIME: Duration = Duration::from_millis(400);

async fn outlasts(client: Client, is_expected: impl Fn(&Error) -> bool) {
    let client = client.within(TIME);
    for &shell in SHELLS {
        let began = Instant::now();
        let error = client.run(shell).await.expect_err("too late");
        assert!(is_expected(&error), "{shell:?}: {error:?}");
        let took = began.elapsed();
        assert!(took >= TIME - Duration::from_millis(50), "{shell:?}: {took:?}");
        assert!(took < 5 * TIME, "{shell:?}: {took:?}");
    }
}

/// The deadline covers TCP.
#[tokio::test]
async fn tcp_is_covered() {
    // A queue that nobody takes connections from. Once it is full, further ones get no answer.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("valid")).expect("bound");
    let listener = socket.listen(1).expect("listening");
    let address = listener.local_addr().expect("bound");
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(connected);
        if queued.len() > 16 {
            return; // This system answers all the same.
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

/// A byte now and then does not prolong it, in no phase.
#[tokio::test]
async fn single_bytes_do_not_prolong_it() {
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
    // A record of TLS of 16 KiB, which the server takes minutes to send.
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
