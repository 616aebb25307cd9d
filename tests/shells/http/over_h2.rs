//! Connections over HTTP/2 streams, with h2 on both sides.

use std::{future::Future, io, time::Duration};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::SendRequest, ext::Protocol, server::SendResponse};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex},
    sync::mpsc,
};
use websocket_proto::{
    CloseCode, CloseInfo, Config, Error, Event, Fragment, ProtocolError,
    handshake::{Accept, ClientRequest, ConnectHandshake, HandshakeError, Rejection, UpgradeRequest},
    tokio::WebSocket,
};

use crate::{h2_stream::H2Stream, support::run};

/// How a connection ended at the server.
#[derive(Debug)]
struct End {
    error: Option<Error>,
    closure: Option<CloseInfo>,
}

type Ends = mpsc::UnboundedSender<End>;

/// Connects a client to a server that passes each of its requests to `answer`.
pub(crate) async fn connect<F, A>(settings: h2::server::Builder, answer: F) -> SendRequest<Bytes>
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> A + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let (near, far) = duplex(1 << 16);
    tokio::spawn(async move {
        let mut connection = settings.handshake::<_, Bytes>(far).await.expect("a client");
        while let Some(accepted) = connection.accept().await {
            match accepted {
                Ok((request, respond)) => drop(tokio::spawn(answer(request, respond))),
                Err(_) => return,
            }
        }
    });
    client(near).await
}

pub(crate) async fn client(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(stream).await.expect("a connection");
    tokio::spawn(connection);
    client.ready().await.expect("ready for a request")
}

pub(crate) fn websocket_server() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    builder
}

/// Connects a client to a server that echoes.
async fn echo_server() -> (SendRequest<Bytes>, mpsc::UnboundedReceiver<End>) {
    let (ends, end) = mpsc::unbounded_channel();
    let client = connect(websocket_server(), move |request, respond| {
        answer(request, respond, ends.clone())
    });
    let client = client.await;
    until_enabled(&client).await;
    (client, end)
}

/// Waits for the settings of the server.
pub(crate) async fn until_enabled(client: &SendRequest<Bytes>) {
    while !client.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Answers one request: an echo at every path except `/private`.
async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, ends: Ends) {
    let version = request.version();
    let Some(protocol) = request.extensions().get::<Protocol>() else {
        respond.send_response(Response::new(()), true).expect("sent");
        return;
    };
    let upgrade_request = match UpgradeRequest::from_connect(&request, protocol.as_str()) {
        Ok(upgrade_request) => upgrade_request,
        Err(error) => {
            let response: Response<Bytes> = error.response_http(version);
            respond.send_response(response.map(drop), true).expect("sent");
            return;
        }
    };
    if upgrade_request.path() == "/private" {
        let rejection = Rejection::new(401).header("WWW-Authenticate", "Basic").body("Who?");
        let (head, body) = rejection.response_http::<Bytes>(version).into_parts();
        let mut stream = respond
            .send_response(Response::from_parts(head, ()), false)
            .expect("sent");
        stream.send_data(body, true).expect("sent");
        return;
    }
    let mut accept = Accept::new();
    if let Some(subprotocol) = upgrade_request.select_subprotocol(&["chat"]) {
        accept = accept.subprotocol(subprotocol);
    }
    let accepted = upgrade_request.accept(accept).expect("a valid answer");
    let response: Response<Bytes> = accepted.response_http();
    let send = respond.send_response(response.map(drop), false).expect("sent");
    let stream = H2Stream::new(send, request.into_body());
    let mut websocket = WebSocket::from_negotiated(stream, &accepted.into_negotiated(), &Config::new());
    let error = echo(&mut websocket).await.err();
    let closure = websocket.close_info();
    let _ = ends.send(End { error, closure });
}

async fn echo(websocket: &mut WebSocket<H2Stream>) -> Result<(), Error> {
    while let Some((message, outbound)) = websocket.recv_split().await? {
        outbound.feed(message)?;
    }
    Ok(())
}

/// Sends an extended CONNECT.
pub(crate) async fn send(
    client: &mut SendRequest<Bytes>,
    mut request: Request<()>,
    protocol: &'static str,
) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
    request.extensions_mut().insert(Protocol::from_static(protocol));
    let (response, stream) = client.send_request(request, false)?;
    Ok((response.await?, stream))
}

pub(crate) fn request(uri: &str) -> (Request<()>, ConnectHandshake) {
    let request: ClientRequest = uri.parse().expect("a URI");
    let request = request.subprotocol("other").subprotocol("chat");
    request.into_connect(&Config::new()).expect("a valid request")
}

/// Opens a stream, without a WebSocket on it.
pub(crate) async fn open_stream(client: &mut SendRequest<Bytes>) -> (H2Stream, websocket_proto::Negotiated) {
    let (request, handshake) = request("wss://example.com/chat");
    let (response, stream) = send(client, request, "websocket").await.expect("a response");
    let negotiated = handshake
        .receive(&response)
        .expect("a valid response")
        .into_negotiated();
    (H2Stream::new(stream, response.into_body()), negotiated)
}

pub(crate) async fn open(client: &mut SendRequest<Bytes>) -> WebSocket<H2Stream> {
    let (stream, negotiated) = open_stream(client).await;
    WebSocket::from_negotiated(stream, &negotiated, &Config::new())
}

/// H2-02, H2-06, H2-07, H2-08, H2-09: text, binary, fragments, a Ping and the closing handshake, on one stream.
#[test]
fn all_kinds_of_frames() {
    run(async {
        let (mut client, mut ends) = echo_server().await;
        let mut websocket = open(&mut client).await;
        assert_eq!(websocket.subprotocol(), Some("chat"));
        websocket.send("h\u{e9}llo").await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("h\u{e9}llo"));

        websocket.send(&[0_u8, 1, 255][..]).await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert!(message.as_text().is_none());
        assert_eq!(message.as_bytes(), [0, 1, 255]);

        websocket.feed(Fragment::more("one, ")).await.expect("queued");
        websocket.ping(b"between").await.expect("sent");
        websocket.feed(Fragment::more("two, ")).await.expect("queued");
        websocket.feed(Fragment::last("three")).await.expect("queued");
        match websocket.recv_event().await.expect("received") {
            Some(Event::Pong(payload)) => assert_eq!(payload, b"between"),
            other => panic!("{other:?}"),
        }
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("one, two, three"));

        // Many times the window of a stream, 64 KiB by default, so that both sides must wait for room.
        let large: Vec<u8> = (0..3 << 20).map(|index: u32| index.to_le_bytes()[1]).collect();
        websocket.send(&large[..]).await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert!(message.as_bytes() == large);

        websocket.close(CloseCode::NORMAL).await.expect("closed");
        assert!(websocket.close_info().expect("a closure").clean);
        // The client has answered END_STREAM with its own, so the server does not have to wait for the deadline.
        let end = tokio::time::timeout(Duration::from_secs(3), ends.recv()).await;
        let end = end.expect("in time").expect("an end");
        assert!(end.error.is_none(), "{end:?}");
        let closure = end.closure.expect("a closure");
        assert_eq!((closure.code, closure.clean), (CloseCode::NORMAL, true));
    });
}

/// H2-08: streams of one connection interfere neither with each other nor with other requests.
#[test]
fn many_streams() {
    run(async {
        let (mut client, _ends) = echo_server().await;
        let mut websockets = Vec::new();
        for index in 0..8 {
            let mut websocket = open(&mut client).await;
            websocket.send(format!("message {index}")).await.expect("sent");
            websockets.push(websocket);
        }
        let page = Request::get("https://example.com/").body(()).expect("a request");
        let (response, _) = client.send_request(page, true).expect("sent");
        assert_eq!(response.await.expect("a response").status(), 200);
        for (index, websocket) in websockets.iter_mut().enumerate().rev() {
            let message = websocket.recv().await.expect("received").expect("a message");
            assert_eq!(message.as_text(), Some(&*format!("message {index}")));
            websocket.close(CloseCode::NORMAL).await.expect("closed");
        }
    });
}

/// H2-01: the announcement reaches the client, and without it a request is an error of the stream.
#[test]
fn announcement() {
    run(async {
        let client = connect(h2::server::Builder::new(), |_, mut respond| async move {
            let _ = respond.send_response(Response::new(()), true);
        });
        let mut client = client.await;
        // The response arrives after the settings.
        let page = Request::get("https://example.com/").body(()).expect("a request");
        let (response, _) = client.send_request(page, true).expect("sent");
        response.await.expect("a response");
        assert!(!client.is_extended_connect_protocol_enabled());
        let error = send(&mut client, request("wss://example.com").0, "websocket").await;
        let error = error.expect_err("not announced");
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));

        let (client, _ends) = echo_server().await;
        assert!(client.is_extended_connect_protocol_enabled());
    });
}

/// H2-01: the setting is 0 or 1.
#[test]
fn invalid_announcement() {
    run(async {
        let (near, mut far) = duplex(1 << 16);
        let (_client, connection) = h2::client::handshake(near).await.expect("a client");
        // SETTINGS with the parameter 0x8 = 2.
        far.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x08\0\0\0\x02")
            .await
            .expect("written");
        let error = connection.await.expect_err("an invalid setting");
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));
    });
}

/// H2-03: the server receives the scheme of HTTP.
#[test]
fn scheme() {
    run(async {
        let (requests, mut received) = mpsc::unbounded_channel();
        let client = connect(websocket_server(), move |request, mut respond| {
            requests
                .send((request.uri().to_string(), request.headers().clone()))
                .expect("a test");
            let _ = respond.send_response(Response::new(()), true);
            async {}
        });
        let mut client = client.await;
        until_enabled(&client).await;
        for (uri, sent) in [
            ("wss://example.com/chat?x", "https://example.com/chat?x"),
            ("ws://example.com:8080", "http://example.com:8080/"),
        ] {
            send(&mut client, request(uri).0, "websocket")
                .await
                .expect("a response");
            let (uri, headers) = received.recv().await.expect("a request");
            assert_eq!(uri, sent);
            let names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
            assert_eq!(names, ["sec-websocket-protocol", "sec-websocket-version"]);
        }
    });
}

/// H2-04: h2 refuses to send the fields of HTTP/1.1, and a client that sends them gets 400 or an error of the stream.
#[test]
fn fields_of_http1() {
    run(async {
        let (mut client, _ends) = echo_server().await;
        for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket")] {
            let (mut request, _) = request("wss://example.com");
            request.headers_mut().insert(name, value.parse().expect("a value"));
            let error = send(&mut client, request, "websocket").await.expect_err(name);
            // A local error, neither from the peer nor from the transport.
            assert!(
                !error.is_remote() && !error.is_io() && error.reason().is_none(),
                "{error:?}"
            );
        }
        let (mut request, _) = request("wss://example.com");
        request
            .headers_mut()
            .insert("host", "example.com".parse().expect("a value"));
        let (response, _) = send(&mut client, request, "websocket").await.expect("a response");
        assert_eq!(response.status(), 400);
    });
}

/// H2-06, H2-07, HS-C-21: other answers are refusals, with their body on the stream.
#[test]
fn refused() {
    run(async {
        let (mut client, _ends) = echo_server().await;
        let (private, handshake) = request("wss://example.com/private");
        let (response, _stream) = send(&mut client, private, "websocket").await.expect("a response");
        match handshake.receive(&response) {
            Err(HandshakeError::Refused(refusal)) => {
                assert_eq!(refusal.status(), 401);
                assert_eq!(refusal.headers().get("www-authenticate"), Some("Basic"));
            }
            other => panic!("{other:?}"),
        }
        let body = response.into_body().data().await.expect("a body").expect("no error");
        assert_eq!(&body[..], b"Who?");

        let (mut other_version, _) = request("wss://example.com/");
        let version = other_version
            .headers_mut()
            .insert("sec-websocket-version", http::HeaderValue::from(8));
        assert_eq!(version.expect("a version"), "13");
        let (response, _) = send(&mut client, other_version, "websocket").await.expect("a response");
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["sec-websocket-version"], "13");
    });
}

/// H2-10: an unknown protocol is answered with 501, and the stream ends there.
#[test]
fn unknown_protocol() {
    run(async {
        let (mut client, _ends) = echo_server().await;
        let (request, handshake) = request("wss://example.com/chat");
        let (response, _stream) = send(&mut client, request, "connect-udp").await.expect("a response");
        assert_eq!(response.status(), 501);
        assert!(response.body().is_end_stream());
        assert!(matches!(
            handshake.receive(&response),
            Err(HandshakeError::Refused(refusal)) if refusal.status() == 501
        ));
    });
}

/// H2-08: the client masks and the server does not, in the bytes of the DATA frames.
#[test]
fn masks() {
    run(async {
        // The server returns the bytes as they arrive, so the client receives a masked frame, which fails the connection.
        let client = connect(websocket_server(), |request, mut respond| async move {
            let send = respond.send_response(Response::new(()), false).expect("sent");
            let mut stream = H2Stream::new(send, request.into_body());
            let mut frame = [0; 11];
            stream.read_exact(&mut frame).await.expect("a frame");
            assert_eq!(frame[..2], [0x81, 0x85]);
            let payload: Vec<u8> = frame[6..]
                .iter()
                .zip(&frame[2..6].repeat(2))
                .map(|(a, b)| a ^ b)
                .collect();
            assert_eq!(payload, b"Hello");
            stream.write_all(&frame).await.expect("written");
            // Until the client disconnects.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let mut client = client.await;
        until_enabled(&client).await;
        let mut websocket = open(&mut client).await;
        websocket.send("Hello").await.expect("sent");
        let error = websocket.recv().await.expect_err("a masked frame");
        assert!(
            matches!(error, Error::Protocol(ProtocolError::MaskedFrame)),
            "{error:?}"
        );

        // A client that does not mask gets 1002, as over TCP.
        let (mut client, mut ends) = echo_server().await;
        let (mut stream, _) = open_stream(&mut client).await;
        stream.write_all(b"\x81\x05Hello").await.expect("written");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("read to the end");
        assert_eq!(received[0], 0x88);
        assert_eq!(received[2..4], 1002_u16.to_be_bytes());
        stream.shutdown().await.expect("shut down");
        let end = ends.recv().await.expect("an end");
        assert!(
            matches!(end.error, Some(Error::Protocol(ProtocolError::UnmaskedFrame))),
            "{end:?}"
        );
    });
}

/// H2-09, CL-20: END_STREAM is the end of the transport; without a Close before it, that is an abnormal closure.
#[test]
fn end_stream() {
    run(async {
        let (mut client, mut ends) = echo_server().await;
        let (mut stream, _) = open_stream(&mut client).await;
        stream.write_all(b"\x81\x85\0\0\0\0Hello").await.expect("written");
        let mut echoed = [0; 7];
        stream.read_exact(&mut echoed).await.expect("an echo");
        assert_eq!(echoed, *b"\x81\x05Hello");
        stream.shutdown().await.expect("END_STREAM");
        let end = ends.recv().await.expect("an end");
        assert!(
            matches!(end.error, Some(Error::Protocol(ProtocolError::ConnectionLost))),
            "{end:?}"
        );
        assert_eq!(end.closure.expect("a closure").code, CloseCode::ABNORMAL);

        // After a Close, both directions end with it.
        let (mut stream, _) = open_stream(&mut client).await;
        stream.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.expect("written");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("the end of the stream");
        assert_eq!(received, b"\x88\x02\x03\xe8");
        stream.shutdown().await.expect("END_STREAM");
        let end = ends.recv().await.expect("an end");
        assert!(end.error.is_none() && end.closure.expect("a closure").clean);
    });
}

/// H2-09, CL-22: RST_STREAM is an error, and an abnormal closure; so is a stream that is dropped.
#[test]
fn reset() {
    run(async {
        let (mut client, mut ends) = echo_server().await;
        for explicit in [true, false] {
            let mut websocket = open(&mut client).await;
            websocket.send("hello").await.expect("sent");
            websocket.recv().await.expect("received").expect("a message");
            if explicit {
                websocket.stream_mut().reset(Reason::CANCEL);
            }
            drop(websocket);
            let end = ends.recv().await.expect("an end");
            match end.error {
                Some(Error::Io(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                    let error = error.into_inner().and_then(|error| error.downcast::<h2::Error>().ok());
                    assert_eq!(error.and_then(|error| error.reason()), Some(Reason::CANCEL));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(end.closure.map(|closure| closure.code), Some(CloseCode::ABNORMAL));
        }
        // The HTTP/2 connection continues.
        let mut websocket = open(&mut client).await;
        websocket.close(CloseCode::NORMAL).await.expect("closed");
    });
}
