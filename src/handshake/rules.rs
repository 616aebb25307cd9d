//! The rules for upgrade requests ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).

use alloc::collections::BinaryHeap;

use super::{
    error::HandshakeError,
    head::RequestHead,
    headers::{Elements, HandshakeField, Headers},
    key::{KEY_LEN, parse_key},
    target::{Authority, Target},
};
use crate::fields;

/// The rules for an HTTP/1.1 upgrade.
pub(super) fn check_upgrade(head: &RequestHead) -> Result<(), HandshakeError> {
    let headers = &head.headers;
    // §4.2.1 item 1: HTTP/1.1 or higher, and a GET. Methods are case-sensitive.
    if head.minor_version == 0 {
        return Err(HandshakeError::HttpVersion);
    }
    if head.method() != "GET" {
        return Err(HandshakeError::Method);
    }
    Target::parse(head.target()).ok_or(HandshakeError::Target)?;
    // §4.2.1 item 2, RFC 9112 §3.2: exactly one Host with a valid authority.
    let host = headers.required(HandshakeField::Host)?;
    if !core::str::from_utf8(host).is_ok_and(|host| Authority::parse(host).is_ok()) {
        return Err(HandshakeError::InvalidField(HandshakeField::Host));
    }
    check_no_body(headers)?;
    // §4.2.1 items 3 and 4.
    headers.require_element(HandshakeField::Upgrade, b"websocket")?;
    headers.require_element(HandshakeField::Connection, b"upgrade")
}

/// The rules for an extended CONNECT over HTTP/2 ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).
#[cfg(feature = "http")]
pub(super) fn check_connect(head: &RequestHead) -> Result<(), HandshakeError> {
    let headers = &head.headers;
    // RFC 8441 §4: the request has a scheme, an authority and a path.
    let target = Target::parse(head.target()).ok_or(HandshakeError::Target)?;
    target.authority.ok_or(HandshakeError::Target)?;
    // RFC 8441 §5: the authority replaces Host, and the protocol replaces the other two.
    for field in [
        HandshakeField::Host,
        HandshakeField::Upgrade,
        HandshakeField::Connection,
    ] {
        if headers.known(field).next().is_some() {
            return Err(HandshakeError::ForbiddenField(field));
        }
    }
    check_no_body(headers)
}

/// The rules that apply to every HTTP version.
pub(super) fn check_offers(headers: &Headers) -> Result<(), HandshakeError> {
    headers.check_ascii()?;
    // §4.2.1 item 6, §4.3: the version is a number without leading zeros, sign or list, so 13 has only one spelling.
    if headers.required(HandshakeField::Version)? != b"13" {
        return Err(HandshakeError::InvalidField(HandshakeField::Version));
    }
    check_subprotocols(headers)?;
    headers.check_extensions()?;
    // RFC 6454 §7.3: at most one Origin.
    headers.single(HandshakeField::Origin).map(drop)
}

/// §4.2.1 item 5, §11.3.1: one key.
pub(super) fn check_key(headers: &Headers) -> Result<[u8; KEY_LEN], HandshakeError> {
    let key = headers.required(HandshakeField::Key)?;
    parse_key(key).ok_or(HandshakeError::InvalidField(HandshakeField::Key))
}

/// RFC 9112 §6: the bytes of a body could be interpreted as frames, or as a second request.
fn check_no_body(headers: &Headers) -> Result<(), HandshakeError> {
    let is_zero = |length: &[u8]| !length.is_empty() && length.iter().all(|&digit| digit == b'0');
    if headers.known(HandshakeField::TransferEncoding).next().is_some()
        || !headers.known(HandshakeField::ContentLength).all(is_zero)
    {
        return Err(HandshakeError::Body);
    }
    Ok(())
}

fn check_subprotocols(headers: &Headers) -> Result<(), HandshakeError> {
    // RFC 9110 §5.6.1.2: empty elements do not count, so a list of nothing else offers nothing.
    let mut count = 0;
    for subprotocol in headers.list(HandshakeField::Protocol) {
        if !fields::is_token(subprotocol) {
            return Err(HandshakeError::InvalidField(HandshakeField::Protocol));
        }
        count += 1;
    }
    // §4.1 item 10: none of them twice.
    if count > 1 && is_repeated(headers.list(HandshakeField::Protocol), count) {
        Err(HandshakeError::RepeatedSubprotocol)
    } else {
        Ok(())
    }
}

/// Returns whether two of `count` elements are equal. The work does not grow with the square of their number.
fn is_repeated(elements: Elements<'_>, count: usize) -> bool {
    let mut heap = BinaryHeap::with_capacity(count);
    for element in elements {
        heap.push(element);
    }
    while let Some(greatest) = heap.pop() {
        if heap.peek() == Some(&greatest) {
            return true;
        }
    }
    false
}
