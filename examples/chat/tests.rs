//! The server as its members meet it, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use websocket_proto::{
    CloseCode, DeflateConfig,
    tokio::{MaybeTls, WebSocket},
};

use crate::{
    hall::Hall,
    server::{self, Server},
    store::{Kept, Store},
};

/// For any single step. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(rate: u32, store: Option<(Store, Kept)>) -> Self {
        let listener = server::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let deflate = DeflateConfig::context_takeover();
        let (store, kept) = store.map_or((None, Kept::new()), |(store, kept)| (Some(store), kept));
        let hall = Arc::new(Hall::new(store, kept, deflate, rate));
        let server = Arc::new(Server::new(hall, deflate, 16 << 10));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let end = async {
                let _ = stopped.await;
            };
            server.serve_until(listener, end).await;
        });
        Self { addr, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }

    async fn connect(&self, room: &str) -> WebSocket<MaybeTls> {
        let url = format!("ws://{}/rooms/{room}", self.addr);
        let connected = timeout(PATIENCE, websocket_proto::tokio::connect(url.as_str())).await;
        connected.unwrap().unwrap()
    }

    async fn hello(&self, name: &str) -> WebSocket<MaybeTls> {
        let mut socket = self.connect("lobby").await;
        socket.send(hello(name, "a-key-of-mine")).await.unwrap();
        socket
    }

    async fn enters(&self, name: &str) -> Person {
        let mut person = Person {
            socket: self.hello(name).await,
            said: 0,
            welcome: Value::Null,
        };
        person.welcome = person.hears("welcome").await;
        person
    }

    /// A member on a bare socket, whose bytes the test writes, and reads or not.
    async fn raw(&self, name: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let request = format!(
            "GET /rooms/lobby HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.addr
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        stream.write_all(&frame(&hello(name, "a-key-of-mine"))).await.unwrap();
        stream
    }
}

struct Person {
    socket: WebSocket<MaybeTls>,
    said: u32,
    welcome: Value,
}

impl Person {
    async fn says(&mut self, text: &str) {
        self.said += 1;
        let id = format!("{text:.8}-{:08}", self.said).replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.socket.send(say(&id, text)).await.unwrap();
    }

    /// The next message of a type. Others are skipped.
    async fn hears(&mut self, wanted: &str) -> Value {
        loop {
            let message = timeout(PATIENCE, self.socket.recv()).await.expect(wanted).unwrap();
            let message = message.unwrap_or_else(|| panic!("ended before {wanted}: {:?}", self.socket.close_info()));
            let value: Value = serde_json::from_str(message.as_text().unwrap()).unwrap();
            if value["type"] == wanted {
                return value;
            }
        }
    }

    /// Waits until somebody has `joined` or `left`. Several changes may be in one message.
    async fn hears_change(&mut self, what: &str, name: &str) {
        while !self.hears("members").await[what]
            .as_array()
            .unwrap()
            .contains(&json!(name))
        {}
    }

    async fn hears_line(&mut self, text: &str) -> Value {
        loop {
            let line = self.hears("line").await;
            if line["text"] == text {
                return line;
            }
        }
    }
}

fn hello(name: &str, key: &str) -> String {
    json!({ "type": "hello", "name": name, "key": key }).to_string()
}

fn say(id: &str, text: &str) -> String {
    json!({ "type": "say", "id": id, "text": text }).to_string()
}

/// A masked text frame of less than 64 KiB.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// How a connection ended: the code and the words.
async fn end(mut socket: WebSocket<MaybeTls>) -> (CloseCode, String) {
    while timeout(PATIENCE, socket.recv()).await.unwrap().unwrap().is_some() {}
    let info = socket.close_info().unwrap();
    (info.code, info.reason.to_string())
}

#[tokio::test]
async fn people_meet_talk_and_leave() {
    let server = Running::start(100, None).await;
    let mut ann = server.enters("Ann").await;
    assert_eq!(ann.welcome["members"], json!(["Ann"]));
    let bob = server.enters("Bob").await;
    ann.hears_change("joined", "Bob").await;
    let mut bob = bob;
    bob.says("hi <b>you</b>").await;
    let line = ann.hears_line("hi <b>you</b>").await;
    assert_eq!((&line["from"], &line["number"]), (&json!("Bob"), &json!(1)));
    bob.hears_line("hi <b>you</b>").await;
    bob.socket.send(r#"{"type":"typing"}"#).await.unwrap();
    assert_eq!(ann.hears("typing").await["names"], json!(["Bob"]));
    let rooms = ann.hears("rooms").await;
    assert_eq!(rooms["rooms"][0]["text"], "hi <b>you</b>");
    bob.socket.close(CloseCode::NORMAL).await.unwrap();
    ann.hears_change("left", "Bob").await;
    let carol = server.enters("Carol").await;
    assert_eq!(carol.welcome["lines"][0]["text"], "hi <b>you</b>");
    server.stop().await;
}

#[tokio::test]
async fn refusals_are_said_in_words() {
    let server = Running::start(100, None).await;
    let _ann = server.enters("Ann").await;
    let (code, why) = end(server.hello("A\u{202e}nn").await).await;
    assert!(code == CloseCode::new(4000) && why.contains("invisible"), "{why}");
    let mut other = server.connect("lobby").await;
    other.send(hello("ANN", "another-key")).await.unwrap();
    let (code, why) = end(other).await;
    assert!(code == CloseCode::new(4000) && why.contains("looks like it"), "{why}");
    for wrong in ["Ann", "{}", "", r#"{"type":"say","id":"01234567","text":"x"}"#] {
        let mut socket = server.connect("lobby").await;
        socket.send(wrong).await.unwrap();
        assert_eq!(end(socket).await.0, CloseCode::POLICY, "{wrong}");
    }
    let mut dan = server.enters("Dan").await;
    dan.says(&"x".repeat(2_001)).await;
    assert!(dan.hears("sorry").await["why"].as_str().unwrap().contains("too long"));
    dan.says("\u{200b}").await;
    assert!(
        dan.hears("sorry").await["why"]
            .as_str()
            .unwrap()
            .contains("nothing to see")
    );
    dan.says("still here").await;
    dan.hears_line("still here").await;
    dan.socket.send(&[1_u8, 2][..]).await.unwrap();
    assert_eq!(end(dan.socket).await.0, CloseCode::UNSUPPORTED);
    server.stop().await;
}

#[tokio::test]
async fn a_line_that_is_sent_again_is_said_once() {
    let server = Running::start(100, None).await;
    let mut ann = server.enters("Ann").await;
    for _ in 0..3 {
        ann.socket.send(say("the-same-id", "once")).await.unwrap();
    }
    // The line may come before or after the answers.
    for _ in 0..2 {
        assert_eq!(ann.hears("known").await["id"], "the-same-id");
    }
    // A lost connection that comes back, with the line that may or may not have arrived.
    let mut again = server.enters("Ann").await;
    let (code, _) = end(ann.socket).await;
    assert_eq!(code, CloseCode::new(4001));
    again.socket.send(say("the-same-id", "once")).await.unwrap();
    again.hears("known").await;
    let bob = server.enters("Bob").await;
    assert_eq!(bob.welcome["lines"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_lines_and_ends_with_1001() {
    let place = std::env::temp_dir().join(format!("chat-restart-{}", std::process::id()));
    let _ = std::fs::remove_file(&place);
    let server = Running::start(100, Some(Store::open(&place).unwrap())).await;
    let mut ann = server.enters("Ann").await;
    ann.says("before").await;
    ann.hears_line("before").await;
    server.stop().await;
    let (code, why) = end(ann.socket).await;
    assert!(code == CloseCode::GOING_AWAY && why.contains("restarts"), "{why}");
    let server = Running::start(100, Some(Store::open(&place).unwrap())).await;
    let mut ann = server.enters("Ann").await;
    assert_eq!(ann.welcome["lines"][0]["text"], "before");
    ann.says("after").await;
    assert_eq!(ann.hears_line("after").await["number"], 2);
    server.stop().await;
    std::fs::remove_file(&place).unwrap();
}

#[tokio::test]
async fn a_member_that_writes_too_fast_is_asked_to_wait() {
    let server = Running::start(2, None).await;
    let mut ann = server.enters("Ann").await;
    for i in 0..11 {
        ann.says(&format!("line {i}")).await;
    }
    let sorry = ann.hears("sorry").await;
    assert!((1..=501).contains(&sorry["wait"].as_u64().unwrap()), "{sorry}");
    sleep(Duration::from_millis(sorry["wait"].as_u64().unwrap())).await;
    ann.says("after the wait").await;
    ann.hears_line("after the wait").await;
    server.stop().await;
}

/// DRV-13: what one member writes at once, and whether it reads or not, harms nobody else.
#[tokio::test]
async fn a_flood_harms_nobody_else() {
    // With the usual rate, and with one that is out of the way: then the others get all of it.
    let usual = [1, 64, 65, 1_000, 10_000].map(|count| (3, count));
    let unlimited = [64, 65, 1_000].map(|count| (50_000, count));
    for (rate, count) in usual.into_iter().chain(unlimited) {
        let server = Running::start(rate, None).await;
        let mut calm = [server.enters("Ann").await, server.enters("Bob").await];
        let mut flooder = server.raw("Flooder").await;
        // It reads nothing, ever.
        let mute = server.raw("Mute").await;
        // It reads some 10 KB/s.
        let mut slow = server.raw("Slow").await;
        let slow = tokio::spawn(async move {
            let mut buffer = [0; 500];
            while slow.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                sleep(Duration::from_millis(50)).await;
            }
        });
        let flood: Vec<u8> = (0..count)
            .flat_map(|i| frame(&say(&format!("flood-{i:06}"), "all of this at once")))
            .collect();
        let written = tokio::spawn(async move {
            // The server may close while this is written.
            let _ = flooder.write_all(&flood).await;
            let mut rest = [0; 4096];
            while flooder.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        });
        let expected = if rate == 3 { count.min(10) } else { count };
        let [ann, bob] = &mut calm;
        let all_of_it = async |person: &mut Person| {
            for _ in 0..expected {
                assert_eq!(person.hears("line").await["from"], "Flooder", "{count} at {rate}");
            }
        };
        tokio::join!(all_of_it(ann), all_of_it(bob));
        // Both are still there, and heard by each other at once.
        ann.says("all well").await;
        for person in [ann, bob] {
            assert_eq!(person.hears_line("all well").await["from"], "Ann", "{count} at {rate}");
        }
        // They would not answer a Close, which the server waits for.
        written.abort();
        slow.abort();
        drop(mute);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_member_that_never_reads_is_put_out_in_the_end() {
    let server = Running::start(50_000, None).await;
    let mut ann = server.enters("Ann").await;
    let mute = server.raw("Mute").await;
    ann.hears_change("joined", "Mute").await;
    // Text that does not compress, and more of it than the sockets of the system take.
    let text: String = (0..1_900_u32)
        .map(|i| char::from_u32(0x4e00 + i.wrapping_mul(2_654_435_761) % 20_000).unwrap())
        .collect();
    let gone = async {
        loop {
            for _ in 0..300 {
                ann.says(&text).await;
                ann.hears("line").await;
            }
            let bob = server.enters("Bob").await;
            if !bob.welcome["members"].as_array().unwrap().contains(&json!("Mute")) {
                break;
            }
        }
    };
    timeout(Duration::from_secs(60), gone).await.unwrap();
    server.stop().await;
    drop(mute);
}

#[tokio::test]
async fn the_page_is_served_and_a_foreign_site_does_not_get_in() {
    let server = Running::start(3, None).await;
    for (path, status) in [
        ("/", "200"),
        ("/chat.js", "200"),
        ("/etc/passwd", "404"),
        ("/rooms/lobby", "4"),
    ] {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) || path == "/rooms/lobby",
            "{path}: {answer}"
        );
        assert!(path != "/" || answer.contains("script-src 'self'"), "{answer}");
    }
    let request =
        websocket_proto::handshake::ClientRequest::try_from(format!("ws://{}/rooms/lobby", server.addr).as_str());
    let foreign = request.unwrap().origin("https://evil.example");
    assert!(
        websocket_proto::tokio::connect_with(foreign, &websocket_proto::ConnectOptions::new())
            .await
            .is_err()
    );
    server.stop().await;
}
