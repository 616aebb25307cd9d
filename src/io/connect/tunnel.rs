//! The way through a proxy to the server: bytes in, bytes out.

use alloc::{boxed::Box, format, string::ToString, vec::Vec};
use core::{mem, net::SocketAddr};

use super::{
    Proxy,
    destination::{Destination, Kind},
    proxy::Scheme,
    socks::Socks,
};
use crate::{
    config::Limits,
    error::{Error, Phase, ProxyError},
    handshake::{HandshakeError, HeadKind, HeadReader, MAX_INTERIM_RESPONSES, RefusalReader, ResponseHead, basic},
};

/// A tunnel that a proxy opens: write the [output](Self::take_output), read until it [is open](Self::receive).
pub(super) struct Tunnel {
    output: Vec<u8>,
    max_error_body: usize,
    state: State,
}

enum State {
    /// Waiting for the head of an HTTP response, after a number of interim ones.
    Head(HeadReader, u8),
    Refusal(RefusalReader),
    Socks(Socks),
    Ended,
}

impl Tunnel {
    pub(super) fn new(proxy: &Proxy, destination: &Destination, limits: &Limits) -> Result<Self, ProxyError> {
        let (output, state) = match proxy.scheme {
            Scheme::Http | Scheme::Https => {
                let head = HeadReader::new(HeadKind::Response, limits);
                (connect_request(proxy, destination)?, State::Head(head, 0))
            }
            Scheme::Socks5 | Scheme::Socks5h => {
                let (socks, greeting) = Socks::new(proxy, destination)?;
                (greeting, State::Socks(socks))
            }
        };
        Ok(Self {
            output,
            max_error_body: limits.max_error_body,
            state,
        })
    }

    /// Takes the bytes to send before more is received.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.output)
    }

    /// Receives bytes from the proxy. Returns `true` once the tunnel is open. An error ends it.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<bool, ProxyError> {
        let mut rest = bytes;
        loop {
            match mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Err(ProxyError::Malformed),
                State::Socks(mut socks) => {
                    let is_open = socks.receive(rest, &mut self.output)?;
                    self.state = State::Socks(socks);
                    return Ok(is_open);
                }
                State::Refusal(mut refusal) => {
                    if refusal.receive(rest) {
                        return Err(ProxyError::Refused(Box::new(refusal.finish())));
                    }
                    self.state = State::Refusal(refusal);
                    return Ok(false);
                }
                State::Head(mut reader, interim) => {
                    let Some(raw) = reader.receive(&mut rest).map_err(ProxyError::Head)? else {
                        self.state = State::Head(reader, interim);
                        return Ok(false);
                    };
                    let head = ResponseHead::parse(raw).map_err(ProxyError::Head)?;
                    self.state = match head.status {
                        // Neither a WebSocket server nor a TLS server sends first.
                        200..=299 if rest.is_empty() => return Ok(true),
                        101 | 200..=299 => return Err(ProxyError::Malformed),
                        // RFC 9110 §15.2: interim responses come before the final one.
                        100..=199 if interim == MAX_INTERIM_RESPONSES => {
                            return Err(ProxyError::Head(HandshakeError::TooManyInterimResponses));
                        }
                        100..=199 => State::Head(reader, interim + 1),
                        _ => State::Refusal(RefusalReader::new(head, self.max_error_body)),
                    };
                }
            }
        }
    }

    /// Notes the end of the stream, which ends some refusals.
    pub(super) fn receive_eof(&mut self) -> ProxyError {
        match mem::replace(&mut self.state, State::Ended) {
            State::Refusal(mut refusal) => {
                refusal.receive_eof();
                ProxyError::Refused(Box::new(refusal.finish()))
            }
            _ => ProxyError::Eof,
        }
    }

    /// Notes that the deadline has passed. A refusal whose body is incomplete is still that refusal.
    pub(super) fn handle_timeout(&mut self) -> Error {
        match mem::replace(&mut self.state, State::Ended) {
            State::Refusal(refusal) => ProxyError::Refused(Box::new(refusal.finish())).into(),
            _ => Error::TimedOut(Phase::Proxy),
        }
    }
}

/// Writes the request of an HTTP proxy.
fn connect_request(proxy: &Proxy, destination: &Destination) -> Result<Vec<u8>, ProxyError> {
    // The port is always included (RFC 9110 §9.3.6).
    let target = match &destination.0 {
        Kind::Name(host, port) => format!("{host}:{port}"),
        // Without a zone, which has a meaning on this machine only.
        Kind::Address(address) => SocketAddr::new(address.ip(), address.port()).to_string(),
        #[cfg(unix)]
        Kind::Unix(_) => return Err(ProxyError::Malformed),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(credentials) = &proxy.credentials {
        let value = basic(&credentials.user, &credentials.password).ok_or(ProxyError::InvalidCredentials)?;
        request.push_str(&format!("Proxy-Authorization: {value}\r\n"));
    }
    request.push_str("\r\n");
    Ok(request.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(proxy: &str) -> Result<Tunnel, ProxyError> {
        let destination = "[::1]:443".parse().expect("valid");
        Tunnel::new(&proxy.parse().expect("valid"), &destination, &Limits::new())
    }

    fn open(answer: &[u8], step: usize) -> Result<bool, ProxyError> {
        let mut tunnel = tunnel("http://h").expect("valid");
        for piece in answer.chunks(step) {
            if tunnel.receive(piece)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// HS-C-10: the request contains host and port, and Basic credentials.
    #[test]
    fn the_request_names_host_and_port() {
        let mut tunnel = tunnel("http://Aladdin:open%20sesame@h").expect("valid");
        assert_eq!(
            tunnel.take_output(),
            b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\
              Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
        assert!(tunnel.take_output().is_empty());
        let link_local = "[fe80::1%2]:80".parse().expect("valid");
        let proxy = "h".parse().expect("valid");
        let mut tunnel = Tunnel::new(&proxy, &link_local, &Limits::new()).expect("valid");
        assert!(tunnel.take_output().starts_with(b"CONNECT [fe80::1]:80 HTTP/1.1\r\n"));
        for proxy in ["http://a%0d%0ab@h", "http://a:b%00@h", "http://a%3Ab:c@h"] {
            assert!(
                matches!(self::tunnel(proxy), Err(ProxyError::InvalidCredentials)),
                "{proxy}"
            );
        }
    }

    /// HS-C-22, HS-C-41: interim responses are skipped, and limited, however they arrive.
    #[test]
    fn interim_responses_are_skipped() {
        for step in [1, 7, 1000] {
            let answer =
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
            assert!(matches!(open(answer, step), Ok(true)));
            assert!(matches!(
                open(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(17), step),
                Err(ProxyError::Head(HandshakeError::TooManyInterimResponses))
            ));
            let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
            assert!(matches!(open(answer, step), Err(ProxyError::Malformed)));
        }
    }

    /// HS-C-10: what proxies send with a 2xx means nothing: an old version, the length of a body that there is not
    /// (RFC 9110 §9.3.6).
    #[test]
    fn successes() {
        for answer in [
            "HTTP/1.0 200 Connection established\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        ] {
            assert!(matches!(open(answer.as_bytes(), 7), Ok(true)), "{answer}");
        }
    }

    /// HS-C-10, HS-C-41: a refusal comes with its fields and the beginning of its body.
    #[test]
    fn refusals_have_a_body() {
        for step in [1, 7, 1000] {
            let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
                Content-Length: 6\r\n\r\nlog in";
            let Err(ProxyError::Refused(refusal)) = open(answer, step) else {
                panic!("no refusal")
            };
            assert_eq!((refusal.status(), refusal.body()), (407, &b"log in"[..]));
            assert_eq!(refusal.headers().get("proxy-authenticate"), Some("Basic realm=\"x\""));
            assert!(!refusal.is_truncated());
        }
        let endless = [&b"HTTP/1.1 502 Bad Gateway\r\n\r\n"[..], &[b'x'; 100_000]].concat();
        let Err(ProxyError::Refused(refusal)) = open(&endless, 1000) else {
            panic!("no refusal")
        };
        assert!(refusal.is_truncated() && refusal.body().len() == Limits::new().max_error_body);
        // Without a length, it ends with the stream; at the deadline, it is incomplete.
        for at_end in [true, false] {
            let mut tunnel = tunnel("http://h").expect("valid");
            assert!(matches!(tunnel.receive(b"HTTP/1.1 502 X\r\n\r\nsad"), Ok(false)));
            let error = if at_end {
                tunnel.receive_eof()
            } else {
                match tunnel.handle_timeout() {
                    Error::Proxy(error) => *error,
                    error => panic!("{error:?}"),
                }
            };
            let ProxyError::Refused(refusal) = error else {
                panic!("{error:?}")
            };
            assert_eq!((refusal.body(), refusal.is_truncated()), (&b"sad"[..], !at_end));
        }
    }
}
