//! What the end of a connection means for the next attempt.

use std::{io, time::Duration};

use websocket_proto::{
    CloseCode, CloseInfo, Config, Connection, EntropyError, Error, Phase, ProtocolError, ProxyError, RedirectError,
    Role, SendError, Time, Timers,
    handshake::{ClientHandshake, ClientRequest, HandshakeError, HeaderError, Refusal, RequestError, UriError},
    reconnect::{Verdict, Wait},
};

const RETRY: Verdict = Verdict::Retry(Wait::Backoff);
const UNLIKELY: Verdict = Verdict::Unlikely(Wait::Backoff);

fn after(seconds: u64) -> Verdict {
    Verdict::Retry(Wait::AtLeast(Duration::from_secs(seconds)))
}

/// The error of a client whose server gives this answer.
fn answered(response: &str) -> HandshakeError {
    let request: ClientRequest = "ws://example.com/".parse().expect("a valid URI");
    let request = request.subprotocol("chat");
    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &Config::new()).expect("a valid request");
    match handshake.receive(response.as_bytes()) {
        Err(error) => error,
        Ok(Some(_)) => panic!("the server accepted"),
        Ok(None) => handshake.receive_eof(),
    }
}

/// A refusal without header fields, which may also come from a proxy.
fn refusal(status: u16) -> Box<Refusal> {
    match answered(&format!("HTTP/1.1 {status} X\r\n\r\n")) {
        HandshakeError::Refused(refusal) => refusal,
        error => panic!("{error:?}"),
    }
}

fn refused(status: u16, fields: &str) -> Verdict {
    let error = answered(&format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: 0\r\n\r\n"));
    assert!(matches!(&error, HandshakeError::Refused(refusal) if refusal.status() == status));
    Verdict::from(&Error::from(error))
}

/// A client's connection.
fn client() -> Connection {
    Connection::new(
        Role::Client,
        &Config::new().timers(Timers::new().keepalive(Duration::from_secs(20))),
    )
}

/// The end of a connection that the server closes with these bytes of payload.
fn closed_with(payload: &[u8]) -> CloseInfo {
    let mut connection = client();
    connection.receive(&[0x88, u8::try_from(payload.len()).expect("a short payload")]);
    connection.receive(payload);
    while connection.next_event().expect("a valid frame").is_some() {}
    connection.receive_eof();
    connection.close_info().expect("it has ended")
}

/// CL-31: what a status means, with and without `Retry-After`.
#[test]
fn refusals() {
    for status in [400, 401, 402, 405, 406, 407, 410, 418, 422, 426, 431, 451, 499] {
        assert_eq!(refused(status, ""), Verdict::Fatal, "{status}");
        assert_eq!(refused(status, "Retry-After: 5\r\n"), Verdict::Fatal, "{status}");
    }
    for status in [
        200, 204, 299, 301, 302, 303, 307, 308, 399, 403, 404, 409, 421, 501, 505,
    ] {
        assert_eq!(refused(status, ""), UNLIKELY, "{status}");
        let after = Verdict::Unlikely(Wait::AtLeast(Duration::from_secs(5)));
        assert_eq!(refused(status, "Retry-After: 5\r\n"), after, "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 506, 507, 511, 520, 599, 600, 999] {
        assert_eq!(refused(status, ""), RETRY, "{status}");
        assert_eq!(refused(status, "retry-after:  120 \r\n"), after(120), "{status}");
    }
}

/// CL-30: a `Retry-After` that is neither a number of seconds nor a date is ignored.
#[test]
fn retry_after() {
    let longest = Verdict::Retry(Wait::Longest);
    for (value, verdict) in [
        ("0", after(0)),
        ("007", after(7)),
        ("18446744073709551615", after(u64::MAX)),
        ("99999999999999999999999", after(u64::MAX)),
        // Without a date in the response, these cannot be compared.
        ("Fri, 31 Dec 1999 23:59:59 GMT", longest),
        ("Friday, 31-Dec-99 23:59:59 GMT", longest),
        ("Fri Dec 31 23:59:59 1999", longest),
        ("Fri, 32 Dec 1999 23:59:59 GMT", RETRY),
        ("-1", RETRY),
        ("+1", RETRY),
        ("1.5", RETRY),
        ("5 s", RETRY),
        ("", RETRY),
        ("\u{661}", RETRY),
    ] {
        assert_eq!(refused(503, &format!("Retry-After: {value}\r\n")), verdict, "{value:?}");
    }
}

/// CL-30: a date is compared with that of the response, whatever the local clock shows.
#[test]
fn retry_after_a_date() {
    let date = "Date: Fri, 31 Dec 1999 23:59:50 GMT\r\n";
    for (value, verdict) in [
        ("Fri, 31 Dec 1999 23:59:59 GMT", after(9)),
        ("Sat, 01 Jan 2000 00:00:50 GMT", after(60)),
        ("Saturday, 01-Jan-00 00:00:50 GMT", after(60)),
        ("Sat Jan  1 00:00:50 2000", after(60)),
        // It has passed.
        ("Fri, 31 Dec 1999 23:59:49 GMT", after(0)),
        ("120", after(120)),
        ("tomorrow", RETRY),
    ] {
        assert_eq!(
            refused(503, &format!("{date}Retry-After: {value}\r\n")),
            verdict,
            "{value:?}"
        );
    }
    let fields = "Date: now\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n";
    assert_eq!(refused(429, fields), Verdict::Retry(Wait::Longest));
}

#[test]
fn answers_that_are_not_those_of_a_websocket_server() {
    let upgrade = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    for (response, verdict) in [
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), UNLIKELY),
        ("HTTP/1.1 101 X\r\n\r\n".to_owned(), UNLIKELY),
        ("HTTP/1.0 101 X\r\n\r\n".to_owned(), UNLIKELY),
        ("HTTP/1.1 101 X\r\n: \r\n\r\n".to_owned(), UNLIKELY),
        (
            format!("{upgrade}Sec-WebSocket-Protocol: other\r\n\r\n"),
            Verdict::Fatal,
        ),
        (
            format!("{upgrade}Sec-WebSocket-Extensions: x-unheard-of\r\n\r\n"),
            Verdict::Fatal,
        ),
        // The answer that a cache may give.
        (upgrade.replace("s3pP", "abcd") + "\r\n", UNLIKELY),
        // Truncated, which happens when servers restart.
        (upgrade.to_owned(), RETRY),
        (String::new(), RETRY),
    ] {
        assert_eq!(
            Verdict::from(&Error::from(answered(&response))),
            verdict,
            "{response:?}"
        );
    }
    assert_eq!(Verdict::from(&HandshakeError::TimedOut), RETRY);
    assert_eq!(Verdict::from(&HandshakeError::NoSubprotocol), Verdict::Fatal);
}

/// CL-31: abnormal closures, and other failures that may pass, are worth a retry.
#[test]
fn errors() {
    use io::ErrorKind::{
        AddrNotAvailable, BrokenPipe, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidData, InvalidInput,
        NetworkUnreachable, Other, TimedOut, UnexpectedEof, Unsupported,
    };
    for kind in [
        AddrNotAvailable,
        BrokenPipe,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkUnreachable,
        Other,
        TimedOut,
        UnexpectedEof,
    ] {
        assert_eq!(Verdict::from(&Error::Io(kind.into())), RETRY, "{kind:?}");
    }
    for kind in [InvalidInput, Unsupported] {
        assert_eq!(Verdict::from(&Error::Io(kind.into())), Verdict::Fatal, "{kind:?}");
    }
    assert_eq!(Verdict::from(&Error::Io(InvalidData.into())), UNLIKELY);
    for error in [
        ProtocolError::MaskedFrame,
        ProtocolError::MessageTooBig,
        ProtocolError::InvalidUtf8,
    ] {
        assert_eq!(Verdict::from(&Error::Protocol(error)), UNLIKELY, "{error}");
    }
    for error in [
        Error::Protocol(ProtocolError::ConnectionLost),
        Error::Protocol(ProtocolError::TimedOut(websocket_proto::Timer::Keepalive)),
        Error::Send(SendError::Full(())),
        Error::Send(SendError::Closing(())),
    ] {
        assert_eq!(Verdict::from(&error), RETRY, "{error}");
    }
    for error in [
        Error::Uri(UriError::Scheme),
        RequestError::Header(HeaderError::Value("X".into())).into(),
        Error::Entropy(EntropyError::new()),
        Error::TlsUnavailable,
        Error::FragmentDelivery,
        Error::Rejected(403),
    ] {
        assert_eq!(Verdict::from(&error), Verdict::Fatal, "{error}");
    }
}

/// CL-31: a failure on the way to the server is final if it comes from a setting of this side, and may pass otherwise.
#[test]
fn on_the_way() {
    use io::ErrorKind::{ConnectionRefused, Other};
    for error in [
        Error::Lookup(Other.into()),
        Error::Connect(ConnectionRefused.into()),
        Error::TimedOut(Phase::Tls),
        ProxyError::Refused(refusal(502)).into(),
        ProxyError::SocksRefused(5).into(),
        ProxyError::Head(HandshakeError::TimedOut).into(),
        ProxyError::Eof.into(),
    ] {
        assert_eq!(Verdict::from(&error), RETRY, "{error}");
    }
    for error in [
        Error::from(ProxyError::Refused(refusal(403))),
        ProxyError::SocksRefused(2).into(),
        ProxyError::Head(HandshakeError::NotHttp).into(),
        ProxyError::Malformed.into(),
    ] {
        assert_eq!(Verdict::from(&error), UNLIKELY, "{error}");
    }
    for error in [
        ProxyError::Url.into(),
        ProxyError::Scheme.into(),
        ProxyError::InvalidCredentials.into(),
        ProxyError::HostTooLong.into(),
        ProxyError::Refused(refusal(407)).into(),
        ProxyError::SocksRefused(7).into(),
        ProxyError::SocksCredentials.into(),
        Error::Redirect(RedirectError::TooMany),
        Error::Redirect(RedirectError::Location(UriError::Scheme)),
        Error::Redirect(RedirectError::Insecure),
    ] {
        assert_eq!(Verdict::from(&error), Verdict::Fatal, "{error}");
    }
}

/// CL-31: the same for TLS.
#[cfg(feature = "rustls")]
#[test]
fn tls() {
    use websocket_proto::tls::{
        TlsError,
        rustls::{self, AlertDescription, CertificateError, InvalidMessage, PeerIncompatible},
    };
    let passing = TlsError::Failed(rustls::Error::AlertReceived(AlertDescription::InternalError));
    assert_eq!(Verdict::from(&Error::from(passing)), RETRY);
    for error in [
        TlsError::NoCryptoProvider,
        TlsError::NoRoots,
        TlsError::InvalidRoot(rustls::Error::InvalidCertificate(CertificateError::BadEncoding)),
        TlsError::ServerName,
    ] {
        assert_eq!(Verdict::from(&Error::from(error.clone())), Verdict::Fatal, "{error}");
    }
    for error in [
        TlsError::HostName(CertificateError::NotValidForName),
        TlsError::Certificate(CertificateError::UnknownIssuer),
        // The server does not speak TLS, or no version that this side speaks.
        TlsError::Failed(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
        TlsError::Failed(rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )),
        TlsError::Failed(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)),
    ] {
        assert_eq!(Verdict::from(&Error::from(error.clone())), UNLIKELY, "{error}");
    }
}

/// CL-31: the meaning of the code in the server's Close.
#[test]
fn close_codes() {
    let table = [
        (1000, Verdict::Finished),
        (1001, RETRY),
        (1002, UNLIKELY),
        (1003, UNLIKELY),
        (1007, UNLIKELY),
        (1008, UNLIKELY),
        (1009, UNLIKELY),
        (1010, UNLIKELY),
        (1011, RETRY),
        (1012, Verdict::Retry(Wait::Restart)),
        (1013, Verdict::Retry(Wait::Longest)),
        (1014, RETRY),
        (3000, Verdict::Fatal),
        (3003, Verdict::Fatal),
        (3008, RETRY),
        (3999, Verdict::Fatal),
        (4000, Verdict::Fatal),
        (4999, Verdict::Fatal),
    ];
    for (code, verdict) in table {
        let closure = closed_with(&u16::to_be_bytes(code));
        assert_eq!(closure.code.value(), code);
        assert_eq!(Verdict::from(&closure), verdict, "{code}");
        assert_eq!(Verdict::from(CloseCode::new(code)), verdict, "{code}");
        assert_eq!(Verdict::from(Some(closure)), verdict, "{code}");
    }
    assert_eq!(Verdict::from(&closed_with(&[])), Verdict::Finished, "without a code");
    assert_eq!(Verdict::from(CloseCode::ABNORMAL), RETRY);
    assert_eq!(Verdict::from(CloseCode::TLS_HANDSHAKE), RETRY);
    for code in [0, 999, 1004, 1016, 2999, 5000, u16::MAX] {
        assert_eq!(Verdict::from(CloseCode::new(code)), RETRY, "{code}");
    }
}

/// CL-31: connections that end without the peer's Close.
#[test]
fn abnormal_closure() {
    let mut lost = client();
    assert_eq!(Verdict::from(lost.close_info()), RETRY, "open");
    lost.receive_eof();
    assert!(lost.next_event().is_err());
    assert_eq!(Verdict::from(lost.close_info()), RETRY);

    let mut broken = client();
    broken.receive(&[0xff, 0xff]);
    assert!(broken.next_event().is_err());
    assert_eq!(Verdict::from(broken.close_info()), UNLIKELY);
    // Whether or not the peer answers this side's Close.
    broken.receive(b"\x88\x02\x03\xea");
    broken.receive_eof();
    assert_eq!(Verdict::from(broken.close_info()), UNLIKELY);

    let mut dead = client();
    let mut now = Time::ZERO;
    for _ in 0..10 {
        now = dead.poll_timeout().map_or(now, |due| due.max(now));
        dead.handle_timeout(now);
    }
    assert!(dead.close_info().and_then(|closure| closure.failure).is_some());
    assert_eq!(Verdict::from(dead.close_info()), RETRY);
}

#[test]
fn a_close_of_this_side_is_the_end() {
    let close = || {
        let mut connection = client();
        connection.close(CloseCode::GOING_AWAY).expect("it is open");
        connection
    };
    let mut answered = close();
    answered.receive(b"\x88\x02\x03\xe9");
    while answered.next_event().expect("a valid frame").is_some() {}
    answered.receive_eof();
    assert_eq!(Verdict::from(answered.close_info()), Verdict::Finished);

    let mut lost = close();
    lost.receive_eof();
    assert!(lost.next_event().is_err());
    assert_eq!(Verdict::from(lost.close_info()), Verdict::Finished);

    // A later violation by the peer does not matter.
    let mut broken = close();
    broken.receive(&[0xff, 0xff]);
    assert!(broken.next_event().is_err());
    assert_eq!(Verdict::from(broken.close_info()), Verdict::Finished);

    assert_eq!(Verdict::from(close().close_info()), Verdict::Finished, "still closing");
}

/// The server's Close counts more than the missing end of the stream.
#[test]
fn a_code_counts_more_than_a_late_end() {
    let mut connection = client();
    connection.receive(b"\x88\x02\x0f\xa1");
    while connection.next_event().expect("a valid frame").is_some() {}
    let mut now = Time::ZERO;
    for _ in 0..10 {
        now = connection.poll_timeout().map_or(now, |due| due.max(now));
        connection.handle_timeout(now);
        let written = websocket_proto::Buf::remaining(connection.output());
        websocket_proto::Buf::advance(connection.output(), written);
    }
    assert_eq!(connection.ready_state(), websocket_proto::ReadyState::Closed);
    let closure = connection.close_info().expect("it is closing");
    assert_eq!(closure.code, CloseCode::new(4001));
    assert_eq!(Verdict::from(&closure), Verdict::Fatal);
}

#[test]
fn verdicts_say_whether_to_retry() {
    assert!(RETRY.is_retry());
    assert!(UNLIKELY.is_retry());
    assert!(!Verdict::Finished.is_retry());
    assert!(!Verdict::Fatal.is_retry());
}
