//! Redirects, which are followed only on request.

use std::sync::{Arc, Mutex};

use tokio::{io::AsyncWriteExt, net::TcpStream};
use websocket_proto::{
    Error, RedirectError,
    handshake::{HandshakeError, UriError},
};

use crate::support::{Certificate, Client, SHELLS, echo, read_head, serve};

/// A server that answers `/from` with a redirect and echoes elsewhere, and keeps the heads that it received.
async fn serve_redirect(status: u16, location: String) -> (u16, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let port = serve(move |stream| {
        let (log, location) = (Arc::clone(&log), location.clone());
        async move {
            let head = peek_head(&stream).await;
            let is_redirected = head.starts_with("GET /from");
            log.lock().expect("no panic").push(head);
            if is_redirected {
                redirect(stream, status, &location).await;
            } else {
                echo(stream).await;
            }
        }
    })
    .await;
    (port, heads)
}

async fn peek_head(stream: &TcpStream) -> String {
    let mut buffer = [0; 4096];
    loop {
        let n = stream.peek(&mut buffer).await.expect("readable");
        if buffer[..n].ends_with(b"\r\n\r\n") {
            return String::from_utf8_lossy(&buffer[..n]).into_owned();
        }
        tokio::task::yield_now().await;
    }
}

async fn redirect(mut stream: TcpStream, status: u16, location: &str) {
    read_head(&mut stream).await;
    let response = format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let _ = stream.write_all(response.as_bytes()).await;
}

/// HS-C-43: redirects are followed on request, even to a relative target, with everything that was to be sent.
#[tokio::test]
async fn redirects_are_followed_on_request() {
    for (status, location) in [
        (301, "/to?x=1"),
        (302, "to?x=1"),
        (303, "./to?x=1"),
        (307, "/to?x=1"),
        (308, "/to?x=1"),
    ] {
        for &shell in SHELLS {
            let (port, heads) = serve_redirect(status, location.into()).await;
            let client = Client::new(&format!("ws://127.0.0.1:{port}/from"))
                .redirects(1)
                .header("Authorization", "Bearer secret");
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
            let heads = heads.lock().expect("no panic");
            assert!(heads[1].starts_with("GET /to?x=1 HTTP/1.1\r\n"), "{}", heads[1]);
            // The same host and port.
            assert!(heads[1].contains("Authorization: Bearer secret\r\n"));
        }
    }
}

/// HS-C-21, HS-C-43: by default, a redirect is a refusal; so are other statuses and a redirect without a target.
#[tokio::test]
async fn redirects_are_not_followed_by_default() {
    for (status, redirects) in [(302, 0), (300, 5), (304, 5)] {
        let (port, _) = serve_redirect(status, "/to".into()).await;
        let client = Client::new(&format!("ws://127.0.0.1:{port}/from")).redirects(redirects);
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("refused");
            assert!(
                matches!(&error, Error::Handshake(HandshakeError::Refused(refusal)) if refusal.status() == status),
                "{shell:?}: {error:?}"
            );
        }
    }
}

/// HS-C-43: another host or port gets neither credentials nor anything else that may be a credential.
#[tokio::test]
async fn credentials_stay_with_their_host() {
    for &shell in SHELLS {
        let (target, heads) = serve_redirect(302, String::new()).await;
        // Another port; and another host with the same port, which is only another address.
        for host in ["127.0.0.1", "localhost"] {
            let (port, first) = serve_redirect(302, format!("http://{host}:{target}/to")).await;
            let mut client = Client::new(&format!("ws://127.0.0.1:{port}/from"))
                .redirects(1)
                .header("Authorization", "Bearer secret")
                .header("Cookie", "secret=1")
                .header("Proxy-Authorization", "Basic secret")
                .header("X-Api-Key", "secret")
                .header("User-Agent", "tests");
            client.request = client
                .request
                .origin("https://secret.example")
                .subprotocol("bearer.secret");
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
            let first = first.lock().expect("no panic").remove(0);
            for name in [
                "Authorization",
                "Cookie",
                "Proxy-Authorization",
                "X-Api-Key",
                "Origin",
                "Sec-WebSocket-Protocol",
            ] {
                assert!(first.contains(&format!("\r\n{name}: ")), "{first}");
            }
            let head = heads.lock().expect("no panic").remove(0);
            assert!(!head.contains("secret"), "{head}");
            assert!(head.contains("\r\nUser-Agent: tests\r\n"), "{head}");
            assert!(!head.contains("Sec-WebSocket-Protocol"), "{head}");
            assert!(head.contains(&format!("\r\nHost: {host}:{target}\r\n")), "{head}");
        }
    }
}

/// HS-C-43: subprotocols are offered to another origin if the application states that none of them is a token.
#[tokio::test]
async fn subprotocols_are_offered_again_on_request() {
    for &shell in SHELLS {
        let (target, heads) = serve_redirect(302, String::new()).await;
        let (port, _) = serve_redirect(302, format!("http://127.0.0.1:{target}/to")).await;
        let mut client = Client::new(&format!("ws://127.0.0.1:{port}/from")).redirects(1);
        client.request = client.request.subprotocol("chat");
        client.redirects_subprotocols = true;
        client
            .run(shell)
            .await
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        let head = heads.lock().expect("no panic").remove(0);
        assert!(head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"), "{head}");
    }
}

/// HS-C-06, HS-C-43: the user information of the URI is sent only to its own origin, with each request.
#[tokio::test]
async fn user_information_stays_with_its_origin() {
    let is_in = |head: &str| head.contains("\r\nAuthorization: Basic bWU6c2VjcmV0\r\n");
    for &shell in SHELLS {
        let (target, elsewhere) = serve_redirect(302, String::new()).await;
        for (location, is_kept) in [("/to".into(), true), (format!("ws://127.0.0.1:{target}/to"), false)] {
            let (port, heads) = serve_redirect(302, location).await;
            let client = Client::new(&format!("ws://me:secret@127.0.0.1:{port}/from")).redirects(1);
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
            let heads = heads.lock().expect("no panic");
            assert!(is_in(&heads[0]), "{}", heads[0]);
            let elsewhere = elsewhere.lock().expect("no panic");
            let last = if is_kept { &heads[1] } else { &elsewhere[0] };
            assert!(last.starts_with("GET /to ") && is_in(last) == is_kept, "{last}");
        }
    }
}

/// HS-C-43: a fragment is dropped, and whitespace is handled like in browsers.
#[tokio::test]
async fn locations_are_read_like_in_browsers() {
    for (location, line) in [
        ("/to#part", "GET /to HTTP/1.1\r\n"),
        ("//localhost/to#part", ""),
        (" \t/to\t?a b#c", "GET /to?a%20b HTTP/1.1\r\n"),
    ] {
        for &shell in SHELLS {
            let (to, target) = serve_redirect(302, String::new()).await;
            let location = location.replace("//localhost", &format!("//localhost:{to}"));
            let (port, heads) = serve_redirect(302, location.clone()).await;
            let client = Client::new(&format!("ws://127.0.0.1:{port}/from")).redirects(1);
            client
                .run(shell)
                .await
                .unwrap_or_else(|error| panic!("{shell:?}: {location:?}: {error}"));
            if line.is_empty() {
                assert_eq!(target.lock().expect("no panic").len(), 1);
            } else {
                let heads = heads.lock().expect("no panic");
                assert!(heads[1].starts_with(line), "{}", heads[1]);
            }
        }
    }
}

/// HS-C-43: a loop ends at the limit.
#[tokio::test]
async fn loops_are_limited() {
    for &shell in SHELLS {
        let (port, heads) = serve_redirect(302, "/from".into()).await;
        let client = Client::new(&format!("ws://127.0.0.1:{port}/from")).redirects(3);
        let error = client.run(shell).await.expect_err("a loop");
        assert!(
            matches!(error, Error::Redirect(RedirectError::TooMany)),
            "{shell:?}: {error:?}"
        );
        assert_eq!(heads.lock().expect("no panic").len(), 4);
    }
}

/// HS-C-43: `wss` never becomes `ws`, neither under that name nor as `http`.
#[tokio::test]
async fn a_downgrade_is_refused() {
    let certificate = Certificate::of("localhost");
    for location in ["ws://localhost:1/", "http://localhost:1/"] {
        let acceptor = tokio_rustls::TlsAcceptor::from(certificate.server_config());
        let port = serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.expect("TLS");
                let response = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await;
        let client = Client::new(&format!("wss://localhost:{port}/"))
            .trusting(&certificate)
            .redirects(1);
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("a downgrade");
            assert!(
                matches!(error, Error::Redirect(RedirectError::Insecure)),
                "{shell:?}: {error:?}"
            );
        }
    }
}

/// HS-C-01, HS-C-43: the target is validated like any URI.
#[tokio::test]
async fn the_target_is_validated() {
    for (location, cause) in [
        ("ftp://localhost/", UriError::Scheme),
        ("http://user:password@localhost/", UriError::UserInfo),
        ("//user@localhost/", UriError::UserInfo),
        ("ws://[fe80::1%25eth0]/", UriError::Zone),
        ("http:///", UriError::Host),
    ] {
        let (port, _) = serve_redirect(302, location.into()).await;
        let client = Client::new(&format!("ws://127.0.0.1:{port}/from")).redirects(1);
        for &shell in SHELLS {
            let error = client.run(shell).await.expect_err("invalid");
            assert!(
                matches!(error, Error::Redirect(RedirectError::Location(found)) if found == cause),
                "{shell:?}: {error:?}"
            );
        }
    }
}
