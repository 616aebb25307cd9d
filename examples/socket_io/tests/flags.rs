//! The flags of an emit, as they reach the wire.

use std::time::Duration;

use socket_io_server::{engine::Settings, socket::Options};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use websocket_proto::DeflateConfig;

use crate::{running::Running, support::BLOBS};

const RSV1: u8 = 0x40;

/// A WebSocket whose frames are seen as they are.
struct Wire(TcpStream);

impl Wire {
    /// Opens a session that has joined `/`. Returns whether compression was negotiated, too.
    async fn join(server: &Running, fields: &str) -> (Self, bool) {
        let mut stream = server.connect().await;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("the response"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let mut wire = Self(stream);
        wire.send("40").await;
        for start in ["0{", "40{", "42[\"auth\""] {
            let (first, payload) = wire.frame().await;
            assert_eq!(first, 0x81, "packets of the protocol are not compressed");
            assert!(payload.starts_with(start.as_bytes()));
        }
        (wire, head.contains("permessage-deflate"))
    }

    /// Sends a short text.
    async fn send(&mut self, text: &str) {
        let length = u8::try_from(text.len()).expect("short");
        assert!(length < 126, "short");
        // The masking key is zero.
        let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await.expect("sent");
    }

    /// Receives a frame: its first byte and its payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        timeout(Duration::from_secs(20), self.next_frame())
            .await
            .expect("a frame in time")
    }

    async fn next_frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.0.read_u8().await.expect("a frame");
        let length = match self.0.read_u8().await.expect("a length") {
            126 => u64::from(self.0.read_u16().await.expect("a length")),
            127 => self.0.read_u64().await.expect("a length"),
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        self.0.read_exact(&mut payload).await.expect("a payload");
        (first, payload)
    }
}

/// An emit is compressed, unless it says otherwise, on a connection that negotiated compression. Its attachments are, too.
#[tokio::test]
async fn the_compressed_flag_reaches_the_wire() {
    let deflate = DeflateConfig::context_takeover().threshold(0);
    let mut options = Options::default();
    options.deflate = Some(deflate);
    let server = Running::with(Settings::default(), options, |config| config.deflate(deflate)).await;
    let word = "word ".repeat(15);
    let (mut compressing, negotiated) = Wire::join(&server, "Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
    assert!(negotiated);
    let (mut plain, negotiated) = Wire::join(&server, "").await;
    assert!(!negotiated);
    for _ in 0..3 {
        for (event, is_compressed) in [("compressed", true), ("uncompressed", false)] {
            let packet = format!("42[\"{event}\",\"{word}\"]");
            for (wire, negotiated) in [(&mut compressing, true), (&mut plain, false)] {
                wire.send(&packet).await;
                let (first, payload) = wire.frame().await;
                let expected = is_compressed && negotiated;
                assert_eq!(
                    first,
                    if expected { 0x81 | RSV1 } else { 0x81 },
                    "{event}, {negotiated}"
                );
                assert_eq!(payload.len() < packet.len(), expected, "{event}, {negotiated}");
                assert_eq!(payload == packet.as_bytes(), !expected, "{event}, {negotiated}");
            }
        }
    }
}

/// A client that reads too slowly misses volatile events, and no others.
#[tokio::test]
async fn volatile_events_are_dropped_for_a_client_that_does_not_read() {
    let mut settings = Settings::default();
    settings.max_queue = 64 << 20;
    let server = Running::new(settings).await;
    let (mut slow, _) = Wire::join(&server, "").await;
    let (mut sender, _) = Wire::join(&server, "").await;
    // While it reads, it gets them.
    sender.send("42[\"volatile\",\"first\"]").await;
    for wire in [&mut slow, &mut sender] {
        assert_eq!(wire.frame().await.1, b"42[\"volatile\",\"first\"]");
    }
    // More than the kernel and the connection take, and less than the queue of a session. Once the first bytes are here,
    // the connection has taken what it can.
    slow.send("42[\"blobs\"]").await;
    slow.0.readable().await.expect("readable");
    for number in 0..3 {
        sender.send(&format!("42[\"volatile\",{number}]")).await;
        assert_eq!(
            sender.frame().await.1,
            format!("42[\"volatile\",{number}]").into_bytes()
        );
    }
    slow.send("42[\"echo\",\"last\"]").await;
    for _ in 0..BLOBS {
        assert!(
            slow.frame().await.1.starts_with(b"42[\"blob\","),
            "the volatile events are dropped"
        );
    }
    assert_eq!(slow.frame().await.1, b"42[\"echo\",\"last\"]");
    // It reads again.
    sender.send("42[\"volatile\",\"again\"]").await;
    assert_eq!(slow.frame().await.1, b"42[\"volatile\",\"again\"]");
}
