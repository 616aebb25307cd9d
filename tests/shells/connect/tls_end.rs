//! The end of TLS: `close_notify` is sent before the stream ends, whatever the cause (RFC 8446 §6.1).

use std::{io::Write, net::TcpListener, sync::Arc, thread, time::Duration};

use tokio::task::spawn_blocking;
use websocket_proto::{
    CloseCode, Config, ConnectOptions, blocking,
    frame::Opcode,
    handshake::{Accept, ClientRequest, ServerHandshake},
    tokio as shell,
};

use crate::{
    support::{Certificate, SHELLS, Shell, serve},
    tls_peer::RawPeer,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An echo server over TLS in the shell, which drops finished connections. Returns the port.
async fn serve_echo(shell: Shell, certificate: &Certificate) -> u16 {
    let config = certificate.server_config();
    if shell == Shell::Blocking {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let set_up = |deadline| blocking::TlsStream::server(stream, Arc::clone(&config), deadline);
                let Ok(mut acceptor) = blocking::Acceptor::over(set_up, &Config::new()) else {
                    continue;
                };
                let Ok(request) = acceptor.recv_request() else { continue };
                let Ok(mut websocket) = acceptor.accept(&request, Accept::new()) else {
                    continue;
                };
                while let Ok(Some((message, outbound))) = websocket.recv_split() {
                    outbound.feed(message).expect("open");
                }
            }
        });
        return port;
    }
    let tls = tokio_rustls::TlsAcceptor::from(config);
    serve(move |stream| {
        let tls = tls.clone();
        async move {
            let Ok(mut acceptor) = shell::Acceptor::over(tls.accept(stream), &Config::new()).await else {
                return;
            };
            let Ok(request) = acceptor.recv_request().await else {
                return;
            };
            let Ok(mut websocket) = acceptor.accept(&request, Accept::new()).await else {
                return;
            };
            while let Ok(Some((message, outbound))) = websocket.recv_split().await {
                outbound.feed(message).expect("open");
            }
        }
    })
    .await
}

/// SEC-16: a client that ends TLS gets the server's `close_notify`, wherever it stops.
#[tokio::test]
async fn servers_answer_close_notify() {
    for shell in [Shell::Tokio, Shell::Blocking] {
        let certificate = Certificate::of("localhost");
        let port = serve_echo(shell, &certificate).await;
        spawn_blocking(move || {
            // Before the request, and inside it.
            for part in [&b""[..], &REQUEST[..20]] {
                let mut peer = RawPeer::client(port, &certificate);
                peer.write_all(part).expect("written");
                peer.send_close_notify();
                peer.read_to_close_notify();
            }
            // After it, with and without half a message.
            for part in [&b""[..], b"\x81\x85"] {
                let mut peer = RawPeer::client(port, &certificate);
                peer.write_all(REQUEST).expect("written");
                assert!(peer.read_head().starts_with("HTTP/1.1 101 "));
                peer.write_all(part).expect("written");
                peer.send_close_notify();
                peer.read_to_close_notify();
            }
            // After a refusal, and after the closing handshake.
            let mut peer = RawPeer::client(port, &certificate);
            peer.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
            assert!(peer.read_head().starts_with("HTTP/1.1 4"));
            peer.read_to_close_notify();
            let mut peer = RawPeer::client(port, &certificate);
            peer.write_all(REQUEST).expect("written");
            peer.read_head();
            peer.send(Opcode::Close, &[]);
            peer.read_to_close_notify();
        })
        .await
        .expect("no panic");
    }
}

/// What the server of a client does after the TLS handshake.
type Script = fn(&mut RawPeer);

fn accept(peer: &mut RawPeer) {
    let head = peer.read_head();
    let received = ServerHandshake::new(&Config::new()).receive(head.as_bytes());
    let request = received.expect("a valid request").expect("a whole head");
    let (response, _) = request.accept(Accept::new()).expect("acceptable").into_parts();
    peer.write_all(&response).expect("written");
}

/// Connects, sends the text if the server accepts, and receives until the end.
async fn talk(shell: Shell, request: ClientRequest, options: ConnectOptions, drops: bool) {
    match shell {
        Shell::Tokio => {
            let Ok((mut websocket, _)) = shell::connect_with(request, &options).await else {
                return;
            };
            let _ = websocket.send("hello").await;
            while !drops && matches!(websocket.recv().await, Ok(Some(_))) {}
        }
        Shell::Blocking => {
            let talk = move || {
                let Ok((mut websocket, _)) = blocking::connect_with(request, &options) else {
                    return;
                };
                let _ = websocket.send("hello");
                while !drops && matches!(websocket.recv(), Ok(Some(_))) {}
            };
            spawn_blocking(talk).await.expect("no panic");
        }
        #[cfg(feature = "futures-rustls")]
        Shell::Futures => {
            let connecting = websocket_proto::futures::connect_with(request, &options);
            let Ok((mut websocket, _)) = connecting.await else {
                return;
            };
            let _ = websocket.send("hello").await;
            while !drops && matches!(websocket.recv().await, Ok(Some(_))) {}
        }
    }
}

/// SEC-16: a client ends TLS with `close_notify` as well.
#[tokio::test]
async fn clients_send_close_notify() {
    let refuse: Script = |peer| {
        peer.read_head();
        peer.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .expect("written");
    };
    let nonsense: Script = |peer| {
        peer.read_head();
        peer.write_all(b"220 mail.example ESMTP\r\n").expect("written");
    };
    let end: Script = |peer| {
        peer.read_head();
        peer.send_close_notify();
    };
    let end_later: Script = |peer| {
        accept(peer);
        peer.send_close_notify();
    };
    let fail: Script = |peer| {
        accept(peer);
        peer.send(Opcode::Text, &[0xff]);
    };
    for (name, drops, script) in [
        ("refused", false, refuse),
        ("no HTTP", false, nonsense),
        ("the end of TLS instead of a response", false, end),
        ("the end of TLS instead of a Close", false, end_later),
        ("invalid text", false, fail),
        ("dropped", true, accept as Script),
    ] {
        for &shell in SHELLS {
            let certificate = Certificate::of("localhost");
            let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
            let port = listener.local_addr().expect("bound").port();
            let request: ClientRequest = format!("wss://localhost:{port}/").parse().expect("a URI");
            let options = ConnectOptions::new().tls(certificate.trusted());
            let server = spawn_blocking(move || {
                let mut peer = RawPeer::server(&listener, &certificate);
                script(&mut peer);
                peer.read_to_close_notify();
            });
            talk(shell, request, options, drops).await;
            server
                .await
                .unwrap_or_else(|error| panic!("{shell:?}, {name}: {error}"));
        }
    }
}

/// SEC-16: a closing handshake also ends with `close_notify`, and nothing follows it.
#[test]
fn the_last_record_is_close_notify() {
    let certificate = Certificate::of("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let options = ConnectOptions::new().tls(certificate.trusted());
    let request: ClientRequest = format!("wss://localhost:{port}/").parse().expect("a URI");
    let client = thread::spawn(move || {
        let (mut websocket, _) = blocking::connect_with(request, &options).expect("open");
        websocket.close(CloseCode::NORMAL)
    });
    let mut peer = RawPeer::server(&listener, &certificate);
    accept(&mut peer);
    assert_eq!(peer.recv(), Some((Opcode::Close, 1000_u16.to_be_bytes().to_vec())));
    peer.send(Opcode::Close, &1000_u16.to_be_bytes());
    peer.send_close_notify();
    assert_eq!(peer.recv(), None);
    peer.tcp
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a socket");
    client.join().expect("no panic").expect("a clean close");
}
