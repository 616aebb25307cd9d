//! SOCKS5 proxies.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};
use websocket_proto::{Error, ProxyError};

use crate::support::{Certificate, Client, SHELLS, echo, serve, serve_tls};

/// A SOCKS5 proxy (RFC 1928) that connects everything to one server, and records the requests.
struct Socks {
    port: u16,
    targets: Targets,
}

/// The type of each address, and its bytes.
type Targets = Arc<Mutex<Vec<(u8, Vec<u8>)>>>;

#[derive(Clone, Copy, Default)]
struct Behaviour {
    server: u16,
    /// The reply: 0 connects.
    reply: u8,
    /// The credentials that it requires (RFC 1929).
    credentials: Option<&'static str>,
    /// Whether it does not support IPv6.
    is_old: bool,
}

impl Behaviour {
    async fn serve(self) -> Socks {
        let targets = Targets::default();
        let log = Arc::clone(&targets);
        let port = serve(move |mut stream| {
            let log = Arc::clone(&log);
            async move {
                let _ = self.answer(&mut stream, &log).await;
            }
        })
        .await;
        Socks { port, targets }
    }

    async fn answer(self, stream: &mut TcpStream, log: &Targets) -> io::Result<()> {
        assert_eq!(stream.read_u8().await?, 5);
        let mut methods = vec![0; stream.read_u8().await?.into()];
        stream.read_exact(&mut methods).await?;
        let method = if self.credentials.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return stream.write_all(&[5, 0xff]).await;
        }
        stream.write_all(&[5, method]).await?;
        if let Some(expected) = self.credentials {
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
        // Version, CONNECT, reserved.
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        assert_eq!(head[..3], [5, 1, 0]);
        let len = match head[3] {
            1 => 4,
            3 => stream.read_u8().await?.into(),
            4 => 16,
            other => panic!("address type {other}"),
        };
        let mut address = vec![0; len];
        stream.read_exact(&mut address).await?;
        log.lock().expect("no panic").push((head[3], address));
        let _port = stream.read_u16().await?;
        let reply = if self.is_old && head[3] == 4 { 8 } else { self.reply };
        stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        if reply == 0 {
            let mut server = TcpStream::connect(("127.0.0.1", self.server)).await?;
            copy_bidirectional(stream, &mut server).await?;
        }
        Ok(())
    }
}

/// HS-C-10: with `socks5h`, the proxy looks up the host; credentials are sent if it requires them, whatever they contain.
#[tokio::test]
async fn the_proxy_looks_up_the_host() {
    let server = serve(echo).await;
    for (credentials, prefix) in [
        (None, ""),
        (None, "unused:secret@"),
        (Some("me:secret"), "me:secret@"),
        (Some("m@e::/%"), "m%40e%3A:%2F%25@"),
    ] {
        let behaviour = Behaviour {
            server,
            credentials,
            ..Behaviour::default()
        };
        let socks = behaviour.serve().await;
        let proxy = format!("socks5h://{prefix}127.0.0.1:{}", socks.port);
        for &shell in SHELLS {
            let client = Client::new("ws://server.invalid/").through(&proxy);
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
            let targets = core::mem::take(&mut *socks.targets.lock().expect("no panic"));
            assert_eq!(targets, [(3, b"server.invalid".to_vec())]);
        }
    }
}

/// HS-C-10: with `socks5`, this side looks up the host, and asks the proxy for one address after another. An IP address in the
/// URI is sent as it is in either case.
#[tokio::test]
async fn this_side_looks_up_the_host() {
    let behaviour = Behaviour {
        server: serve(echo).await,
        is_old: true,
        ..Behaviour::default()
    };
    let socks = behaviour.serve().await;
    for (scheme, host) in [
        ("socks5", "localhost"),
        ("socks5", "127.0.0.1"),
        ("socks5h", "127.0.0.1"),
    ] {
        let proxy = format!("{scheme}://127.0.0.1:{}", socks.port);
        for &shell in SHELLS {
            let client = Client::new(&format!("ws://{host}/")).through(&proxy);
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
            let targets = core::mem::take(&mut *socks.targets.lock().expect("no panic"));
            assert!(targets.iter().all(|(kind, _)| *kind != 3), "{targets:?}");
            assert_eq!(targets.last(), Some(&(1, vec![127, 0, 0, 1])));
        }
    }
    let client = Client::new("ws://no-such-host.invalid/").through(&format!("socks5://127.0.0.1:{}", socks.port));
    for &shell in SHELLS {
        let error = client.run(shell).await.expect_err("unknown");
        assert!(matches!(error, Error::Lookup(_)), "{shell:?}: {error:?}");
    }
}

/// HS-C-09, HS-C-10: TLS runs through the proxy.
#[tokio::test]
async fn tls_runs_through_the_proxy() {
    let certificate = Certificate::of("localhost");
    let behaviour = Behaviour {
        server: serve_tls(&certificate).await,
        ..Behaviour::default()
    };
    let socks = behaviour.serve().await;
    let client = Client::new("wss://localhost/")
        .trusting(&certificate)
        .through(&format!("socks5h://127.0.0.1:{}", socks.port));
    for &shell in SHELLS {
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
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
        let behaviour = Behaviour {
            reply,
            credentials,
            ..Behaviour::default()
        };
        let socks = behaviour.serve().await;
        let client =
            Client::new("ws://server.invalid/").through(&format!("socks5h://{prefix}127.0.0.1:{}", socks.port));
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("refused");
            let is_expected = match &error {
                Error::Proxy(error) => match **error {
                    ProxyError::SocksRefused(code) => code == reply,
                    ProxyError::SocksCredentials => credentials.is_some(),
                    _ => false,
                },
                _ => false,
            };
            assert!(is_expected, "{shell:?}: {error:?}");
        }
    }
}
