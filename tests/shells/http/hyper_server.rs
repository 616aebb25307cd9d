//! Connections through a hyper server, with HTTP/1.1 and HTTP/2.

use std::{convert::Infallible, net::SocketAddr};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    ext::Protocol,
    header::SEC_WEBSOCKET_VERSION,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use websocket_proto::{
    CloseCode, Config, Error,
    handshake::{Accept, ClientRequest, HandshakeError, Rejection, UpgradeRequest},
    tokio::WebSocket,
};

use crate::{
    http2,
    support::{ACCEPT, Draft, parts_of, run},
};

type Body = Full<Bytes>;

/// A server that echoes at every path except `/private`, and answers ordinary requests with a page.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_stream(stream, Config::new()));
        }
    });
    addr
}

/// Serves the requests of one connection, like the example `hyper_upgrade`.
pub(crate) async fn serve_stream<S>(stream: S, config: Config)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let response = answer(request, &config);
        async { Ok::<_, Infallible>(response) }
    });
    let builder = http2::builder();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    // Some of the clients disconnect without a closing handshake.
    let _ = connection.await;
}

fn answer(mut request: Request<Incoming>, config: &Config) -> Response<Body> {
    let version = request.version();
    let upgrade_request = match request.extensions().get::<Protocol>() {
        Some(protocol) => UpgradeRequest::from_connect(&request, protocol.as_str()),
        None if request.headers().contains_key(SEC_WEBSOCKET_VERSION) => UpgradeRequest::from_http(&request),
        None => return Response::new(Body::from("a page")),
    };
    let upgrade_request = match upgrade_request {
        Ok(upgrade_request) => upgrade_request.config(config),
        Err(error) => return error.response_http(version),
    };
    if upgrade_request.path() == "/private" {
        let rejection = Rejection::new(401)
            .header("WWW-Authenticate", "Basic")
            .body("Who are you?");
        return rejection.response_http(version);
    }
    let mut accept = Accept::new().header("X-Path", upgrade_request.path());
    if let Some(subprotocol) = upgrade_request.select_subprotocol(&["chat"]) {
        accept = accept.subprotocol(subprotocol);
    }
    let accepted = upgrade_request.accept(accept).expect("a valid answer");
    let response = accepted.response_http();
    let upgraded = hyper::upgrade::on(&mut request);
    let config = config.clone();
    tokio::spawn(async move {
        let stream = TokioIo::new(upgraded.await.expect("the response was sent"));
        let mut websocket = WebSocket::from_negotiated(stream, &accepted.into_negotiated(), &config);
        while let Some((message, outbound)) = websocket.recv_split().await? {
            outbound.feed(message)?;
        }
        Ok::<(), Error>(())
    });
    response
}

async fn connect(addr: SocketAddr, path: &str) -> Result<WebSocket<TcpStream>, Error> {
    let request: ClientRequest = format!("ws://{addr}{path}").parse()?;
    let stream = TcpStream::connect(addr).await?;
    WebSocket::client(stream, request.subprotocol("other").subprotocol("chat")).await
}

/// HS-S-36, HS-S-42, CL-24: messages and the closing handshake pass through an upgraded connection of hyper.
#[test]
fn echo() {
    run(async {
        let addr = serve().await;
        let mut websocket = connect(addr, "/any/path").await.expect("a connection");
        assert_eq!(websocket.subprotocol(), Some("chat"));
        for text in ["hello", "", "h\u{e9}llo"] {
            websocket.send(text).await.expect("sent");
            let message = websocket.recv().await.expect("received").expect("a message");
            assert_eq!(message.as_text(), Some(text));
        }
        let large: Vec<u8> = (0..1 << 20).map(|index: u32| index.to_le_bytes()[0]).collect();
        websocket.send(&large[..]).await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert!(message.as_text().is_none() && message.as_bytes() == large);
        websocket.close(CloseCode::NORMAL).await.expect("closed");
        assert!(websocket.close_info().expect("a closure").clean);
    });
}

/// HS-S-33, HS-S-34, HS-S-35, HS-S-43: a peer without this crate gets the right bytes, also if frames follow its head directly.
#[test]
fn echo_to_a_raw_socket() {
    run(async {
        let mut stream = TcpStream::connect(serve().await).await.expect("a connection");
        // "Hello" of RFC 6455 §5.7, masked, directly after the head, and a Close.
        let mut bytes = Draft::upgrade().bytes();
        bytes.extend(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x82\0\0\0\0\x03\xe8");
        stream.write_all(&bytes).await.expect("written");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("read to the end");

        let (status, fields, leftover) = parts_of(&received);
        assert_eq!(status, 101);
        let value = |name: &str| {
            let mut values = fields.iter().filter(|(other, _)| other == name);
            let value = values.next().map(|(_, value)| &value[..]);
            assert!(values.next().is_none(), "{name} is repeated");
            value
        };
        assert!(value("upgrade").expect("there").eq_ignore_ascii_case(b"websocket"));
        assert!(value("connection").expect("there").eq_ignore_ascii_case(b"upgrade"));
        assert_eq!(value("sec-websocket-accept"), Some(ACCEPT.as_bytes()));
        assert_eq!(value("x-path"), Some(&b"/chat"[..]));
        assert_eq!(value("content-length"), None);
        assert_eq!(value("transfer-encoding"), None);
        assert_eq!(leftover, b"\x81\x05Hello\x88\x02\x03\xe8");
    });
}

/// HS-S-44, HS-S-45, HS-C-21: other answers are ordinary responses.
#[test]
fn refused() {
    run(async {
        let addr = serve().await;
        match connect(addr, "/private").await {
            Err(Error::Handshake(HandshakeError::Refused(refusal))) => {
                assert_eq!((refusal.status(), refusal.body()), (401, &b"Who are you?"[..]));
                assert_eq!(refusal.headers().get("www-authenticate"), Some("Basic"));
            }
            other => panic!("{other:?}"),
        }
        for (draft, status) in [
            (Draft::upgrade().with("Sec-WebSocket-Version", "8"), 426),
            (Draft::upgrade().with("Upgrade", "other"), 426),
            (Draft::upgrade().without("Sec-WebSocket-Key"), 400),
            (Draft::upgrade().method("POST"), 405),
            (
                Draft::upgrade()
                    .without("Sec-WebSocket-Version")
                    .add("Connection", "close"),
                200,
            ),
        ] {
            let mut stream = TcpStream::connect(addr).await.expect("a connection");
            stream.write_all(&draft.bytes()).await.expect("written");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.expect("read to the end");
            let (received, fields, _) = parts_of(&received);
            assert_eq!(received, status, "{draft:?}");
            let versions = fields.contains(&("sec-websocket-version".into(), b"13".to_vec()));
            assert_eq!(versions, status == 426);
        }
    });
}

/// H2-01, H2-07, H2-08: an extended CONNECT from hyper's client to a hyper server, together with an ordinary request.
#[test]
fn over_http2() {
    run(async {
        let addr = serve().await;
        let stream = TokioIo::new(TcpStream::connect(addr).await.expect("a connection"));
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (mut client, connection) = handshake.expect("a connection");
        tokio::spawn(connection);
        let page = Request::get(format!("http://{addr}/"))
            .body(Body::default())
            .expect("a request");
        // The response arrives after the server's settings.
        assert_eq!(client.send_request(page).await.expect("a response").status(), 200);

        let request: ClientRequest = format!("ws://{addr}/chat").parse().expect("a URI");
        let (mut request, handshake) = request
            .subprotocol("chat")
            .into_connect(&Config::new())
            .expect("a valid request");
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let response = client
            .send_request(request.map(|()| Body::default()))
            .await
            .expect("a response");
        let negotiated = handshake
            .receive(&response)
            .expect("a valid response")
            .into_negotiated();
        assert_eq!(response.headers()["x-path"], "/chat");
        assert_eq!(negotiated.subprotocol(), Some("chat"));
        let stream = TokioIo::new(hyper::upgrade::on(response).await.expect("a stream"));
        let mut websocket = WebSocket::from_negotiated(stream, &negotiated, &Config::new());
        websocket.send("hello").await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("hello"));
        websocket.close(CloseCode::NORMAL).await.expect("closed");
    });
}
