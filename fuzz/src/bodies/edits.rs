//! Changes to the lines of an HTTP head, for cases that random bytes never reach.

use arbitrary::{Arbitrary, Unstructured};

#[derive(Clone, Debug, Arbitrary)]
enum Edit<'a> {
    /// Adds a known line.
    Known(u8, u8),
    Line(u8, &'a [u8]),
    Value(u8, &'a [u8]),
    Remove(u8),
    Repeat(u8),
    Swap(u8, u8),
    Byte(u16, u8),
    Insert(u16, u8),
    Fold(u8),
    BareLf(u8),
    Rest(&'a [u8]),
}

/// Lines of requests and responses that servers or clients have rules for.
const KNOWN: &[&str] = &[
    "Host: example.com",
    "Host: [::1]:8080",
    "Host: ",
    "Connection: keep-alive, Upgrade",
    "Connection: close",
    "Upgrade: h2c, websocket",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==",
    "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEB==",
    "Sec-WebSocket-Version: 8, 13",
    "Sec-WebSocket-Version: 14",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-WebSocket-Protocol: superchat",
    "Sec-WebSocket-Protocol: chat",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
    "Sec-WebSocket-Extensions: foo; a=\"1\", bar",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "Origin: https://example.com",
    "Origin: null",
    "Content-Length: 0",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "X-Latin: \u{fc}",
    "GET /chat HTTP/1.1",
    "GET http://example.com:80/a?b HTTP/1.1",
    "GET * HTTP/1.1",
    "POST / HTTP/1.1",
    "GET /?a=%20#b HTTP/1.0",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 204",
    "",
];

/// The head of these lines after the edits that `data` contains, and what follows it.
pub fn head(lines: &[&str], data: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
    let mut rest = Vec::new();
    let mut bytes = Vec::new();
    let mut u = Unstructured::new(data);
    while let (false, Ok(edit)) = (u.is_empty(), Edit::arbitrary(&mut u)) {
        let count = lines.len();
        let place = |at: u8| usize::from(at) % count.max(1);
        match edit {
            Edit::Known(at, which) => {
                let line = KNOWN[usize::from(which) % KNOWN.len()];
                // The first line is replaced, because a head has only one.
                let end = if line.contains("HTTP/1") { 1 } else { 0 };
                let at = if end == 1 { 0 } else { place(at) };
                let line = [line.as_bytes(), b"\r\n"].concat();
                lines.splice(at..(at + end).min(count), [line]);
            }
            Edit::Line(at, line) => lines.insert(place(at), [line, b"\r\n"].concat()),
            Edit::Value(at, value) => {
                if let Some(line) = lines.get_mut(usize::from(at)) {
                    let name = line.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
                    *line = [&line[..name], value, b"\r\n"].concat();
                }
            }
            Edit::Remove(at) if !lines.is_empty() => drop(lines.remove(place(at))),
            Edit::Repeat(at) if (1..200).contains(&count) => lines.push(lines[place(at)].clone()),
            Edit::Swap(one, other) if !lines.is_empty() => lines.swap(place(one), place(other)),
            Edit::Byte(at, byte) => change(&mut lines, at, |line, at| line[at] = byte),
            Edit::Insert(at, byte) => change(&mut lines, at, |line, at| line.insert(at, byte)),
            Edit::Fold(at) => lines.insert(place(at), b" folded\r\n".to_vec()),
            Edit::BareLf(at) if !lines.is_empty() => {
                let at = place(at);
                lines[at].retain(|byte| *byte != b'\r');
            }
            Edit::Rest(more) => rest.extend_from_slice(more),
            Edit::Remove(_) | Edit::Repeat(_) | Edit::Swap(..) | Edit::BareLf(_) => {}
        }
    }
    bytes.extend(lines.concat());
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(rest);
    bytes
}

fn change(lines: &mut [Vec<u8>], at: u16, change: impl FnOnce(&mut Vec<u8>, usize)) {
    let len: usize = lines.iter().map(Vec::len).sum();
    let mut at = usize::from(at) % len.max(1);
    for line in lines {
        if at < line.len() {
            change(line, at);
            return;
        }
        at -= line.len();
    }
}
