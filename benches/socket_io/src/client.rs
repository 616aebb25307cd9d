//! A Socket.IO client over WebSocket: as little as the load needs.

use std::{io, net::TcpStream};

use websocket_proto::{blocking::WebSocket, handshake::ClientRequest};

/// A connection that has joined the main namespace.
pub(crate) struct Client {
    websocket: WebSocket<TcpStream>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let uri = format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket");
        let request = ClientRequest::new(uri.parse().map_err(io::Error::other)?);
        let websocket = WebSocket::client(stream, request).map_err(io::Error::other)?;
        let mut client = Self { websocket };
        client.expect("0{")?;
        client.send("40")?;
        client.expect("40{")?;
        client.expect("42[\"auth\",")?;
        Ok(client)
    }

    pub(crate) fn send(&mut self, packet: &str) -> io::Result<()> {
        self.websocket.send(packet).map_err(io::Error::other)
    }

    /// Sends packets in as few writes as possible.
    pub(crate) fn send_all(&mut self, packet: &str, times: usize) -> io::Result<()> {
        for _ in 0..times {
            self.websocket.feed(packet).map_err(io::Error::other)?;
        }
        self.websocket.flush().map_err(io::Error::other)
    }

    /// The next packet must begin with this.
    pub(crate) fn expect(&mut self, start: &str) -> io::Result<()> {
        loop {
            let message = self.websocket.recv_ref().map_err(io::Error::other)?;
            let Some(text) = message.as_ref().and_then(|message| message.as_text()) else {
                return Err(io::Error::other(format!("the end, or binary, in place of {start}")));
            };
            if text.starts_with(start) {
                return Ok(());
            }
            if text != "2" {
                return Err(io::Error::other(format!("{text} in place of {start}")));
            }
            self.websocket.send("3").map_err(io::Error::other)?;
        }
    }
}
