//! Requests and connections: what is refused, with which answer, and what it does to the session.

use std::time::Duration;

use socket_io_server::engine::Settings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
    time::{sleep, timeout},
};
use websocket_proto::CloseCode;

use crate::running::{Running, response};

fn status(response: &str) -> &str {
    response.get(9..12).unwrap_or(response)
}

fn body(response: &str) -> &str {
    response.split("\r\n\r\n").nth(1).unwrap_or_default()
}

#[tokio::test]
async fn bad_requests_are_refused_with_a_reason() {
    let server = Running::new(Settings::default()).await;
    let cases = [
        ("GET", "EIO=4", "{\"code\":0,\"message\":\"Transport unknown\"}"),
        (
            "GET",
            "EIO=4&transport=polling&sid=x",
            "{\"code\":1,\"message\":\"Session ID unknown\"}",
        ),
        (
            "GET",
            "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA",
            "{\"code\":1,\"message\":\"Session ID unknown\"}",
        ),
        (
            "POST",
            "EIO=4&transport=polling",
            "{\"code\":2,\"message\":\"Bad handshake method\"}",
        ),
        (
            "GET",
            "EIO=4&transport=websocket",
            "{\"code\":3,\"message\":\"Bad request\"}",
        ),
        (
            "GET",
            "EIO=3&transport=polling",
            "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
        ),
        (
            "GET",
            "transport=polling",
            "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
        ),
    ];
    for (method, query, expected) in cases {
        let response = server.response(method, query, "", "").await;
        assert_eq!(
            (status(&response), body(&response)),
            ("400", expected),
            "{method} {query}"
        );
        assert!(response.contains("access-control-allow-origin: *"), "{response}");
    }
    let query = server.open().await;
    for method in ["PUT", "DELETE", "HEAD"] {
        assert_eq!(status(&server.response(method, &query, "", "").await), "400");
    }
    let preflight = "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n";
    let preflight = server.response("OPTIONS", &query, preflight, "").await;
    assert_eq!(status(&preflight), "204");
    assert!(preflight.contains("access-control-allow-headers: content-type"));
    assert!(preflight.contains("access-control-allow-methods: GET, POST"));
    assert_eq!(
        status(&server.response("POST", &query, "", "40").await),
        "200",
        "the session lives"
    );
}

/// Pitfall 8: a post of the wrong type is refused and released, and so is one that is too long.
#[tokio::test]
async fn posts_that_are_refused_are_released() {
    let mut settings = Settings::default();
    settings.max_payload = 100;
    let server = Running::new(settings).await;
    let query = server.open().await;
    for _ in 0..3 {
        let refused = server.response("POST", &query, "", &"4".repeat(101)).await;
        assert_eq!(status(&refused), "413");
        // Without an announced length.
        let mut stream = server.connect().await;
        let chunk = "4".repeat(101);
        let request = format!(
            "POST /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n{chunk}\r\n0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        assert_eq!(status(&response(stream).await), "413");
        assert_eq!(status(&server.response("POST", &query, "", "40").await), "200");
        server.response("POST", &query, "", "41").await;
    }
    let binary = "Content-Type: application/octet-stream\r\n";
    assert_eq!(status(&server.response("POST", &query, binary, "4").await), "400");
    assert_eq!(
        status(&server.response("POST", &query, "", "4").await),
        "400",
        "the session has ended"
    );
    for invalid in ["", "x", "4\u{1e}", "bA"] {
        let query = server.open().await;
        assert_eq!(
            status(&server.response("POST", &query, "", invalid).await),
            "400",
            "{invalid}"
        );
        assert_eq!(status(&server.response("GET", &query, "", "").await), "400");
    }
    server.empty().await;
}

/// Pitfall 8: a poll that is dropped is noticed.
#[tokio::test]
async fn a_dropped_poll_ends_the_session() {
    let server = Running::new(Settings::default()).await;
    let query = server.open().await;
    let poll = server.request("GET", &query, "", "").await;
    while server.hub.with(|engine, _| engine.counts().open) == 1 && server.shutdown.tasks() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(poll);
    server.empty().await;
}

#[tokio::test]
async fn a_websocket_takes_over_from_polling() {
    let server = Running::new(Settings::default()).await;
    let polling = server.open().await;
    server.response("POST", &polling, "", "40").await;
    assert!(body(&server.response("GET", &polling, "", "").await).starts_with("40"));
    let query = polling.replace("polling", "websocket");
    let mut websocket = server.websocket(&query).await;
    let poll = server.request("GET", &polling, "", "").await;
    websocket.send("2probe").await.expect("sent");
    let answer = websocket.recv().await.expect("received").expect("a message");
    assert_eq!(answer.as_text(), Some("3probe"));
    assert_eq!(body(&response(poll).await), "6");
    server.response("POST", &polling, "", "42[\"echo\",1]").await;
    // A second one is turned away, without harm.
    let mut second = server.websocket(&query).await;
    assert!(second.recv().await.expect("closed").is_none());
    websocket.send("5").await.expect("sent");
    let echo = websocket.recv().await.expect("received").expect("a message");
    assert_eq!(echo.as_text(), Some("42[\"echo\",1]"));
    assert_eq!(status(&server.response("GET", &polling, "", "").await), "400");
    websocket.close(CloseCode::NORMAL).await.expect("closed");
    server.empty().await;
}

/// A handshake may come in pieces, with the first frames, and after other requests on its connection.
#[tokio::test]
async fn a_handshake_is_taken_however_it_comes() {
    let server = Running::new(Settings::default()).await;
    let handshake = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nupgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // The frame is "40", with a masking key of zeros.
    let bytes = [handshake.as_bytes(), b"\x81\x82\0\0\0\x0040"].concat();
    let before = "GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n";
    let ways: [(&str, Vec<&[u8]>); 4] = [
        ("at once", vec![&bytes]),
        ("byte by byte", bytes.chunks(1).collect()),
        ("after a request", vec![before.as_bytes(), &bytes]),
        (
            "after a request, byte by byte",
            before.as_bytes().chunks(1).chain(bytes.chunks(1)).collect(),
        ),
    ];
    for (way, pieces) in ways {
        let mut stream = server.connect().await;
        for piece in pieces {
            stream.write_all(piece).await.expect("sent");
            yield_now().await;
        }
        let mut received = Vec::new();
        let mut read = async || {
            while !received.windows(6).any(|end| end == b"\"auth\"") {
                assert_ne!(stream.read_buf(&mut received).await.expect("read"), 0, "{way}");
            }
        };
        timeout(Duration::from_secs(20), read()).await.expect(way);
        let received = String::from_utf8_lossy(&received);
        assert_eq!(
            received.contains("400 Bad Request"),
            way.starts_with("after"),
            "{way}: {received}"
        );
        assert!(received.contains("HTTP/1.1 101 "), "{way}: {received}");
        assert!(
            received.to_lowercase().contains("access-control-allow-origin: *"),
            "{way}: {received}"
        );
    }
    server.empty().await;
}

/// A client that reads nothing fills its own queue, and nobody else waits.
#[tokio::test]
async fn a_slow_client_ends_alone() {
    let mut settings = Settings::default();
    settings.max_queue = 1 << 20;
    let server = Running::new(settings).await;
    let mut slow = server.websocket("EIO=4&transport=websocket").await;
    let mut fast = server.websocket("EIO=4&transport=websocket").await;
    for websocket in [&mut slow, &mut fast] {
        websocket.send("40").await.expect("sent");
        for _ in 0..3 {
            websocket.recv().await.expect("received");
        }
    }
    let news = format!("42[\"all\",\"{}\"]", "x".repeat(60_000));
    let sending = async {
        while server.hub.with(|_, server| server.app().gone.is_empty()) {
            fast.send(news.as_str()).await.expect("sent");
            fast.send("42[\"echo\"]").await.expect("sent");
            fast.recv().await.expect("received");
        }
    };
    timeout(Duration::from_secs(30), sending).await.expect("it ends");
    assert_eq!(server.hub.with(|_, server| server.app().gone[0].1), "transport error");
}

#[tokio::test]
async fn shutdown_is_orderly() {
    let server = Running::new(Settings::default()).await;
    let query = server.open().await;
    let poll = server.request("GET", &query, "", "").await;
    let mut websocket = server.websocket("EIO=4&transport=websocket").await;
    websocket.send("40").await.expect("sent");
    for _ in 0..3 {
        websocket.recv().await.expect("received");
    }
    server.shutdown.request();
    server.hub.close_all();
    let client = async {
        assert!(websocket.recv().await.expect("closed cleanly").is_none());
        websocket.close_info()
    };
    let (outcome, closed, poll) = tokio::join!(server.shutdown.finish(Duration::from_secs(5)), client, response(poll));
    assert!(outcome.is_graceful());
    assert_eq!(body(&poll), "1");
    let code = closed.map(|info| info.code);
    assert_eq!(code, Some(CloseCode::GOING_AWAY));
    server.empty().await;
}
