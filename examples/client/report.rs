//! Sentences about a connection: how it began, how it ended, and why a server refused it. What the peer says is escaped.

use websocket_proto::{
    CloseCode, CloseInfo, DeflateParams, Error, ProtocolError, Side,
    handshake::{HandshakeError, Refusal},
};

use crate::{compression, visible};

/// How many lines, and how many characters of each, are shown of the body of a refusal.
const MOST_LINES: usize = 20;
const LONGEST_LINE: usize = 200;

/// The fields of a refusal that say what the server wants.
const TELLING: [&str; 6] = [
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Location",
    "Retry-After",
    "Sec-WebSocket-Version",
    "Upgrade",
];

/// What was negotiated with a peer.
pub(crate) fn connected(to: &str, subprotocol: Option<&str>, deflate: Option<DeflateParams>) -> String {
    let subprotocol = match subprotocol {
        Some(name) => format!("subprotocol {}", visible::line(name)),
        None => "no subprotocol".into(),
    };
    format!("Connected to {to} ({subprotocol}, {})", compression::describe(deflate))
}

/// How a connection ended, and through whom. `peer` names the other side, as in "the server".
pub(crate) fn closed(info: &CloseInfo, peer: &str) -> String {
    let (code, reason) = match info.initiator {
        Side::Local => (info.sent.unwrap_or(CloseCode::ABNORMAL), &info.sent_reason),
        Side::Peer => (info.code, &info.reason),
    };
    let by = match info.initiator {
        Side::Local => "this side",
        Side::Peer => peer,
    };
    if code == CloseCode::ABNORMAL {
        // Nobody has sent a Close.
        let why = match info.failure {
            Some(ProtocolError::ConnectionLost) | None => String::new(),
            Some(failure) => format!(": {failure}"),
        };
        return format!("Connection lost: {}{why}", described(code));
    }
    let mut said = format!("Connection closed: {}", described(code));
    if !reason.is_empty() {
        said += &format!(" \"{}\"", visible::line(reason));
    }
    said += &format!(", by {by}");
    match info.failure {
        Some(failure) => said += &format!(": {failure}"),
        None if info.clean => {}
        None => said += "; the closing handshake was not finished",
    }
    said
}

/// A close code with its meaning (RFC 6455 §7.4.1).
fn described(code: CloseCode) -> String {
    let meaning = match code.value() {
        1000 => "OK",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no code",
        1006 => "no Close was received",
        1007 => "invalid payload",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "extension required",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        3000..=3999 => "registered",
        4000..=4999 => "private use",
        _ => return code.to_string(),
    };
    format!("{code} ({meaning})")
}

/// What went wrong, in one line. A refusal is followed by the beginning of its body.
pub(crate) fn failure(error: &Error) -> String {
    let mut said = match error {
        Error::Handshake(HandshakeError::Refused(refusal)) => format!("the server refused: {}", status(refusal)),
        _ => visible::line(&error.to_string()),
    };
    if let Some(refusal) = refusal(error) {
        let body = String::from_utf8_lossy(refusal.body());
        if let Some(first) = body.lines().map(str::trim).find(|line| !line.is_empty()) {
            said += &format!(": {}", visible::beginning(first, LONGEST_LINE));
        }
    }
    said
}

/// What went wrong, in as many lines as it takes to show a refusal to a person.
pub(crate) fn failure_in_full(error: &Error) -> Vec<String> {
    let Some(refusal) = refusal(error) else {
        return vec![failure(error)];
    };
    let mut lines = vec![match error {
        Error::Handshake(_) => format!("the server refused: {}", status(refusal)),
        _ => format!("{}: {}", visible::line(&error.to_string()), status(refusal)),
    }];
    for name in TELLING {
        if let Some(value) = refusal.headers().get_bytes(name) {
            let value = String::from_utf8_lossy(value);
            lines.push(format!("  {name}: {}", visible::beginning(&value, LONGEST_LINE)));
        }
    }
    let body = String::from_utf8_lossy(refusal.body());
    let mut rest = body.lines().filter(|line| !line.trim().is_empty());
    let shown: Vec<_> = rest.by_ref().take(MOST_LINES).collect();
    lines.extend(
        shown
            .iter()
            .map(|line| format!("  {}", visible::beginning(line, LONGEST_LINE))),
    );
    if rest.next().is_some() || refusal.is_truncated() {
        lines.push("  …".into());
    }
    lines
}

fn refusal(error: &Error) -> Option<&Refusal> {
    match error {
        Error::Handshake(HandshakeError::Refused(refusal)) => Some(refusal),
        Error::Proxy(error) => match &**error {
            websocket_proto::ProxyError::Refused(refusal) => Some(refusal),
            _ => None,
        },
        _ => None,
    }
}

fn status(refusal: &Refusal) -> String {
    let status = format!(
        "{} {}",
        refusal.status(),
        visible::beginning(refusal.reason(), LONGEST_LINE)
    );
    status.trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_described() {
        assert_eq!(
            connected("ws://localhost/", Some("chat"), Some(DeflateParams::new())),
            "Connected to ws://localhost/ (subprotocol chat, permessage-deflate)"
        );
        assert_eq!(
            connected("ws://localhost/", None, None),
            "Connected to ws://localhost/ (no subprotocol, no compression)"
        );
    }

    #[test]
    fn close_codes_have_a_meaning() {
        assert_eq!(described(CloseCode::NORMAL), "1000 (OK)");
        assert_eq!(described(CloseCode::new(4001)), "4001 (private use)");
        assert_eq!(described(CloseCode::new(1016)), "1016");
    }
}
