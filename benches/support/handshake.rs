//! The opening handshake, from the bytes of one side to those of the other.

use core::hint::black_box;

use websocket_proto::{
    Config, Negotiated,
    handshake::{Accept, Accepted, ClientHandshake, ClientRequest, ServerHandshake},
};

/// Chrome's request.
const REQUEST: &[u8] = b"GET /socket?token=3f2a9c HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n\
    Cookie: session=0a1b2c3d4e5f60718293a4b5c6d7e8f9; theme=dark; _ga=GA1.1.123456789.1700000000\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";

/// The response of a server behind nginx.
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\
    Date: Mon, 02 Dec 2024 10:00:00 GMT\r\n\
    Server: nginx\r\n\r\n";

/// From the request, cut into pieces of at most this size, to the response.
pub(crate) fn server(config: &Config, piece: usize) -> Accepted {
    let mut handshake = ServerHandshake::new(config);
    let mut received = None;
    for bytes in black_box(REQUEST).chunks(piece) {
        received = handshake.receive(bytes).expect("a valid request");
    }
    let request = received.expect("a whole request");
    let subprotocol = request.select_subprotocol(&["chat"]).expect("a common subprotocol");
    request
        .accept(Accept::new().subprotocol(subprotocol))
        .expect("an offered subprotocol")
}

/// The same in one piece, by a server that selects nothing.
pub(crate) fn server_plain(config: &Config) -> Accepted {
    let mut handshake = ServerHandshake::new(config);
    let request = handshake.receive(black_box(REQUEST)).expect("a valid request");
    request
        .expect("a whole request")
        .accept(Accept::new())
        .expect("nothing selected")
}

/// From the URI to the open connection, with the request written and the response cut into pieces of at most this size.
pub(crate) fn client(config: &Config, piece: usize) -> Negotiated {
    let request: ClientRequest = black_box("wss://chat.example.com/socket?token=3f2a9c")
        .parse()
        .expect("a URI");
    let request = request.subprotocol("chat").header("Authorization", "Bearer c2VjcmV0");
    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", config).expect("a valid request");
    black_box(handshake.request());
    let mut received = None;
    for bytes in black_box(RESPONSE).chunks(piece) {
        received = handshake.receive(bytes).expect("a valid response");
    }
    received.expect("a whole response").into_negotiated()
}
