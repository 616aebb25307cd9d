//! SOCKS5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)), the part of a client that connects.
//!
//! ```text
//!   greeting: methods ->   <- the method
//!   user and password ->   <- their status          (RFC 1929, if that is the method)
//!   CONNECT and where ->   <- reply, bound address
//! ```

use alloc::{vec, vec::Vec};
use core::net::IpAddr;

use super::{
    Proxy,
    destination::{Destination, Kind},
};
use crate::error::ProxyError;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

/// What the proxy has answered, and what is sent next.
pub(super) struct Socks {
    stage: Stage,
    received: Vec<u8>,
    password: Option<Vec<u8>>,
    request: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Stage {
    Method,
    Password,
    Reply,
}

impl Socks {
    /// Also returns what is sent first.
    pub(super) fn new(proxy: &Proxy, destination: &Destination) -> Result<(Self, Vec<u8>), ProxyError> {
        let password = match &proxy.credentials {
            None => None,
            Some(credentials) => {
                // RFC 1929 §2. Some accounts have no password, so it may be empty.
                let mut message = vec![1];
                for part in [&credentials.user, &credentials.password] {
                    message.push(u8::try_from(part.len()).map_err(|_| ProxyError::InvalidCredentials)?);
                    message.extend_from_slice(part);
                }
                Some(message)
            }
        };
        let greeting = match password {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, PASSWORD],
        };
        let socks = Self {
            stage: Stage::Method,
            received: Vec::new(),
            password,
            request: request(destination)?,
        };
        Ok((socks, greeting))
    }

    /// Receives bytes. Returns `true` once the proxy has connected.
    pub(super) fn receive(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Result<bool, ProxyError> {
        self.received.extend_from_slice(bytes);
        let (&[version, status, ..], received) = (&self.received[..], self.received.len()) else {
            return Ok(false);
        };
        let len = match self.stage {
            Stage::Method => 2,
            Stage::Password => 2,
            Stage::Reply => match (status, &self.received[2..]) {
                // Some proxies send nothing more with a refusal.
                (1.., _) => 2,
                (0, [_, 1, ..]) => 10,
                (0, [_, 4, ..]) => 22,
                (0, [_, 3, len, ..]) => 7 + usize::from(*len),
                (0, [] | [_] | [_, 3]) => return Ok(false),
                (0, _) => return Err(ProxyError::Malformed),
            },
        };
        match (self.stage, version, status) {
            (Stage::Reply, VERSION, 1..) => return Err(ProxyError::SocksRefused(status)),
            // The proxy sends only what it was asked for, and neither a WebSocket server nor a TLS server sends first.
            _ if received > len => return Err(ProxyError::Malformed),
            _ if received < len => return Ok(false),
            (Stage::Reply, VERSION, _) => return Ok(true),
            (Stage::Method, VERSION, NO_METHOD) => return Err(ProxyError::SocksCredentials),
            (Stage::Method, VERSION, PASSWORD) => {
                *output = self.password.take().ok_or(ProxyError::SocksCredentials)?;
                self.stage = Stage::Password;
            }
            (Stage::Method, VERSION, NO_AUTHENTICATION) | (Stage::Password, _, 0) => {
                *output = core::mem::take(&mut self.request);
                self.stage = Stage::Reply;
            }
            (Stage::Password, ..) => return Err(ProxyError::SocksCredentials),
            _ => return Err(ProxyError::Malformed),
        }
        self.received.clear();
        Ok(false)
    }
}

/// Writes the request (RFC 1928 §4).
fn request(destination: &Destination) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, 1, 0];
    let port = match &destination.0 {
        Kind::Name(name, port) => {
            let len = u8::try_from(name.len()).map_err(|_| ProxyError::HostTooLong)?;
            request.extend_from_slice(&[3, len]);
            request.extend_from_slice(name.as_bytes());
            *port
        }
        Kind::Address(address) => {
            match address.ip() {
                IpAddr::V4(ip) => {
                    request.push(1);
                    request.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    request.push(4);
                    request.extend_from_slice(&ip.octets());
                }
            }
            address.port()
        }
        #[cfg(unix)]
        Kind::Unix(_) => return Err(ProxyError::Malformed),
    };
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    fn socks(proxy: &str, destination: &str) -> Result<(Socks, Vec<u8>), ProxyError> {
        let destination = destination.parse().expect("valid");
        Socks::new(&proxy.parse().expect("valid"), &destination)
    }

    /// Receives each answer, in pieces of this size, and returns what is sent after it.
    fn talk(proxy: &str, answers: &[&[u8]], step: usize) -> Result<(bool, Vec<Vec<u8>>), ProxyError> {
        let (mut socks, greeting) = socks(proxy, "h.test:80")?;
        let (mut is_open, mut sent) = (false, vec![greeting]);
        for answer in answers {
            let mut output = Vec::new();
            for piece in answer.chunks(step) {
                is_open = socks.receive(piece, &mut output)?;
            }
            sent.push(output);
        }
        Ok((is_open, sent))
    }

    const REPLY: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    /// HS-C-10: the messages of RFC 1928 and RFC 1929, byte for byte and however they are cut.
    #[test]
    fn messages() {
        let request = b"\x05\x01\x00\x03\x06h.test\x00\x50".to_vec();
        let password = b"\x01\x02me\x06secret".to_vec();
        for step in [1, 3, 100] {
            let (is_open, sent) = talk("socks5h://h", &[&[5, 0], REPLY], step).expect("open");
            assert!(is_open);
            assert_eq!(sent, [vec![5, 1, 0], request.clone(), vec![]]);
            let (is_open, sent) = talk("socks5h://me:secret@h", &[&[5, 2], &[1, 0], REPLY], step).expect("open");
            assert!(is_open);
            assert_eq!(sent, [vec![5, 2, 0, 2], password.clone(), request.clone(), vec![]]);
            // The proxy need not ask for them.
            let (is_open, _) = talk("socks5h://me:secret@h", &[&[5, 0], REPLY], step).expect("open");
            assert!(is_open);
            // The bound address may have any form.
            for (rest, len) in [(&[4][..], 18), (&[3, 5], 7), (&[3, 0], 2)] {
                let reply = [&[5, 0, 0][..], rest, &vec![0; len]].concat();
                let (is_open, _) = talk("socks5h://h", &[&[5, 0], &reply], step).expect("open");
                assert!(is_open);
                let (is_open, _) = talk("socks5h://h", &[&[5, 0], &reply[..reply.len() - 1]], step).expect("valid");
                assert!(!is_open);
            }
        }
    }

    #[test]
    fn addresses_are_sent_as_such() {
        for (destination, request) in [
            ("127.0.0.1:80", &b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"[..]),
            (
                "[::1]:443",
                b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
            ),
        ] {
            let (socks, _) = socks("socks5h://h", destination).expect("valid");
            assert_eq!(socks.request, request);
        }
    }

    #[test]
    fn refusals_and_violations() {
        type IsExpected = fn(&ProxyError) -> bool;
        let is_malformed: IsExpected = |error| matches!(error, ProxyError::Malformed);
        let is_about_credentials: IsExpected = |error| matches!(error, ProxyError::SocksCredentials);
        for (proxy, answers, is_expected) in [
            ("socks5://h", &[&[5, 0xff][..]][..], is_about_credentials),
            ("socks5://h", &[&[5, 2]], is_about_credentials),
            ("socks5://me:x@h", &[&[5, 2], &[1, 1]], is_about_credentials),
            ("socks5://h", &[&[5, 1]], is_malformed),
            ("socks5://h", &[&[4, 0]], is_malformed),
            ("socks5://h", &[b"HTTP/1.1 400"], is_malformed),
            ("socks5://h", &[&[5, 0, 0]], is_malformed),
            ("socks5://h", &[&[5, 0], &[5, 0, 0, 2, 0]], is_malformed),
            ("socks5://h", &[&[5, 0], &[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]], is_malformed),
            (
                "socks5://h",
                &[&[5, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
                is_malformed,
            ),
            ("socks5://h", &[&[5, 0], &[5, 2]], |error| {
                matches!(error, ProxyError::SocksRefused(2))
            }),
        ] {
            let error = talk(proxy, answers, 100).expect_err("an error");
            assert!(is_expected(&error), "{answers:?}: {error:?}");
        }
        let long = "x".repeat(256);
        for proxy in [format!("socks5://{long}@h"), format!("socks5://me:{long}@h")] {
            assert!(matches!(talk(&proxy, &[], 1), Err(ProxyError::InvalidCredentials)));
        }
        let name = String::from("x.").repeat(130) + "test:80";
        assert!(matches!(socks("socks5://h", &name), Err(ProxyError::HostTooLong)));
    }
}
