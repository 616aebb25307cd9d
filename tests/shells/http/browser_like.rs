//! HTTP/2 as browsers use it, with the server of the example `hyper_upgrade`: over TLS, with the version chosen by ALPN, several
//! WebSockets on one connection, and compression.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};
use websocket_proto::{CloseCode, Config, handshake::ClientRequest, tokio::WebSocket};

use crate::{
    h2_stream::H2Stream,
    http2,
    hyper_server::serve_stream,
    over_h2::{send, until_enabled},
    support::run,
};

/// A TLS connection to a hyper server, whose client offers these protocols.
async fn connect(config: Config, alpn: &[&[u8]]) -> TlsStream<DuplexStream> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["example.com".to_owned()]).expect("a certificate");
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
        });
    let mut server = server.expect("a valid certificate");
    server.alpn_protocols = http2::ALPN.map(<[u8]>::to_vec).to_vec();
    let (near, far) = duplex(1 << 16);
    tokio::spawn(async move {
        let stream = TlsAcceptor::from(Arc::new(server)).accept(far).await.expect("a client");
        serve_stream(stream, config).await;
    });

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a root");
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut client = client
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("example.com").expect("a name");
    let connector = TlsConnector::from(Arc::new(client));
    connector.connect(name, near).await.expect("a server")
}

/// An HTTP/2 client whose own windows are large enough for everything that a test leaves unread.
async fn client(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(1 << 16)
        .initial_connection_window_size(1 << 24);
    let (client, connection) = builder.handshake(stream).await.expect("a connection");
    tokio::spawn(connection);
    let client = client.ready().await.expect("ready for a request");
    until_enabled(&client).await;
    client
}

async fn open(client: &mut SendRequest<Bytes>, config: &Config) -> WebSocket<H2Stream> {
    let request: ClientRequest = "wss://example.com/chat".parse().expect("a URI");
    let (request, handshake) = request.into_connect(config).expect("a valid request");
    let (response, stream) = send(client, request, "websocket").await.expect("a response");
    let negotiated = handshake
        .receive(&response)
        .expect("a valid response")
        .into_negotiated();
    WebSocket::from_negotiated(H2Stream::new(stream, response.into_body()), &negotiated, config)
}

/// H2-01, H2-08: ALPN chooses HTTP/2, on which the server announces WebSockets; a client that offers only HTTP/1.1 upgrades.
#[test]
fn the_version_is_chosen_in_tls() {
    run(async {
        let stream = connect(Config::new(), &[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut client = client(stream).await;
        let mut websocket = open(&mut client, &Config::new()).await;
        websocket.send("over HTTP/2").await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("over HTTP/2"));
        websocket.close(CloseCode::NORMAL).await.expect("closed");

        let stream = connect(Config::new(), &[b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request: ClientRequest = "wss://example.com/chat".parse().expect("a URI");
        let mut websocket = WebSocket::client(stream, request).await.expect("a connection");
        websocket.send("over HTTP/1.1").await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("over HTTP/1.1"));
        websocket.close(CloseCode::NORMAL).await.expect("closed");
    });
}

/// H2-06, PMD-46: compression is negotiated over HTTP/2 like over HTTP/1.1, with the same offers.
#[cfg(feature = "deflate")]
#[test]
fn compression() {
    use websocket_proto::{DeflateConfig, OfferPolicy, handshake::ClientHandshake};

    for deflate in [
        DeflateConfig::new(),
        DeflateConfig::context_takeover(),
        DeflateConfig::new().offer_policy(OfferPolicy::Bare),
    ] {
        let config = Config::new().deflate(deflate);
        let request: ClientRequest = "wss://example.com/chat".parse().expect("a URI");
        let upgrade = ClientHandshake::new(request.clone(), [0; 16], &config).expect("a valid request");
        let upgrade = String::from_utf8(upgrade.request().to_vec()).expect("ASCII");
        let mut lines = upgrade.lines();
        let line = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        let (connect, _) = request.into_connect(&config).expect("a valid request");
        let offers = connect.headers().get("sec-websocket-extensions").expect("offers");
        assert_eq!(Some(offers.to_str().expect("ASCII")), line);
    }
    run(async {
        let config = Config::new().deflate(DeflateConfig::context_takeover());
        let stream = connect(config.clone(), &[b"h2"]).await;
        let mut client = client(stream).await;
        let mut websocket = open(&mut client, &config).await;
        let params = websocket.deflate().expect("compression");
        assert_eq!((params.server_max_window_bits, params.client_max_window_bits), (12, 12));
        let text = "the same again ".repeat(1000);
        for _ in 0..3 {
            websocket.send(&*text).await.expect("sent");
            let message = websocket.recv().await.expect("received").expect("a message");
            assert_eq!(message.as_text(), Some(&*text));
        }
        websocket.close(CloseCode::NORMAL).await.expect("closed");
        // An application that configures no compression offers none.
        assert_eq!(open(&mut client, &Config::new()).await.deflate(), None);
    });
}

/// H2-11: a stream whose client sends and reads nothing does not stop the others.
#[test]
fn an_unread_stream_does_not_stop_the_others() {
    run(async {
        let stream = connect(Config::new(), &[b"h2"]).await;
        let mut client = client(stream).await;
        let config = Config::new();
        // Binary messages, masked with zeros, until the server accepts no more: the echoes fill the client's window, then the
        // server's queue, then the server's window.
        let mut message = b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
        message.resize(message.len() + (1 << 16), 0);
        let mut unread = Vec::new();
        for _ in 0..2 {
            let mut websocket = open(&mut client, &config).await;
            let stream = websocket.stream_mut();
            let mut sent = 0;
            while timeout(Duration::from_millis(300), stream.write_all(&message))
                .await
                .is_ok()
            {
                sent += message.len();
            }
            assert!(sent >= 1 << 20, "{sent}");
            unread.push(websocket);
        }
        let mut websocket = open(&mut client, &config).await;
        websocket.send(&[7; 100]).await.expect("sent");
        let echo = timeout(Duration::from_secs(3), websocket.recv()).await;
        let echo = echo.expect("in time").expect("received").expect("a message");
        assert_eq!(echo.as_bytes(), [7; 100]);
    });
}
