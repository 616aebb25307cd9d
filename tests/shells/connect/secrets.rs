//! Credentials are planted wherever connecting may use them: nothing that is printed shows them.

use std::{fmt::Debug, time::Duration};

use tokio::io::{AsyncWriteExt, DuplexStream};
use websocket_proto::{
    Config, ConnectOptions, Error, Proxies, Proxy,
    handshake::{ClientRequest, Uri},
    tokio::{Connector, WebSocket},
};

use crate::support::{Client, SHELLS, read_head, serve};

const SECRET: &str = "hunter2";

/// The secret as bytes, the Basic credentials of `me:hunter2` and of `hunter2:`, and the secret itself.
const FORMS: [&str; 4] = [
    SECRET,
    "104, 117, 110, 116, 101, 114, 50",
    "bWU6aHVudGVyMg==",
    "aHVudGVyMjo=",
];

fn check_text(shown: &str) {
    for form in FORMS {
        assert!(!shown.contains(form), "{form} is in {shown}");
    }
}

fn check(value: &impl Debug) {
    check_text(&format!("{value:?}"));
    check_text(&format!("{value:#?}").replace(",\n", ", ").replace("  ", ""));
}

fn check_error(error: &Error) {
    check(error);
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        check_text(&error.to_string());
        source = error.source();
    }
}

fn request(uri: &str) -> ClientRequest {
    let request: ClientRequest = uri.parse().expect("a URI");
    request
        .header("Cookie", format!("session={SECRET}"))
        .header("X-Api-Key", SECRET)
        .subprotocol(format!("bearer.{SECRET}"))
}

/// HS-C-06, SEC-15: proxies and options.
#[test]
fn proxies() {
    for url in [
        "me:hunter2@proxy",
        "http://hunter2@proxy",
        "https://me:hunter2@proxy",
        "socks5h://me:hunter2@proxy",
    ] {
        let proxy: Proxy = url.parse().expect("valid");
        check(&proxy);
        check(&Proxies::from(proxy.clone()));
        check(&ConnectOptions::new().proxy(proxy));
        let variables = |name: &str| (name == "all_proxy").then(|| url.into());
        check(&ConnectOptions::new().proxy(Proxies::from_variables(variables)));
    }
    let uri: Uri = "ws://h/".parse().expect("valid");
    for url in [
        "me:hunter2@proxy:port",
        "gopher://me:hunter2@proxy",
        "http://me:hunter2@pro xy",
    ] {
        let error = url.parse::<Proxy>().expect_err("invalid");
        check_error(&error.into());
        let proxies = Proxies::from_variables(|name| (name == "all_proxy").then(|| url.into()));
        check(&proxies);
        check_error(&proxies.select(&uri).expect_err("invalid").into());
    }
}

/// HS-C-06, SEC-15: an opening handshake in progress, and an open connection.
#[tokio::test]
async fn handshakes() {
    let (ours, mut theirs): (DuplexStream, _) = tokio::io::duplex(4096);
    let mut connector =
        Connector::new(ours, request("ws://me:hunter2@h/?token=hunter2"), &Config::new()).expect("valid");
    check(&connector);
    let (error, ()) = tokio::join!(connector.recv_response(), async {
        let head = read_head(&mut theirs).await;
        assert!(
            head.contains("Basic bWU6aHVudGVyMg==") && head.contains("X-Api-Key: hunter2"),
            "{head}"
        );
        let refusal = "HTTP/1.1 401 X\r\nSet-Cookie: session=hunter2\r\nContent-Length: 0\r\n\r\n";
        theirs.write_all(refusal.as_bytes()).await.expect("written");
    });
    check_error(&error.expect_err("refused"));
    check(&connector);

    let (ours, theirs): (DuplexStream, _) = tokio::io::duplex(4096);
    let client = WebSocket::client(ours, request("ws://me:hunter2@h/"));
    let (client, server) = tokio::join!(client, WebSocket::accept(theirs));
    check(&client.expect("open"));
    check(&server.expect("open"));
}

/// HS-C-06, SEC-15: every error of connecting, in every shell.
#[tokio::test]
async fn errors() {
    let answer = |answer: &'static str| {
        serve(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        })
    };
    let refusing = answer("HTTP/1.1 407 X\r\nSet-Cookie: session=hunter2\r\nContent-Length: 0\r\n\r\n").await;
    let redirecting =
        answer("HTTP/1.1 302 X\r\nLocation: ftp://me:hunter2@h/?hunter2\r\nContent-Length: 0\r\n\r\n").await;
    let silent = answer("").await;
    let direct = |port: u16| format!("ws://me:hunter2@127.0.0.1:{port}/?token=hunter2");
    let elsewhere = "ws://me:hunter2@server.invalid/?token=hunter2".to_owned();
    for (uri, proxy) in [
        (direct(refusing), None),
        (direct(redirecting), None),
        (direct(silent), None),
        (direct(1), None),
        (elsewhere.clone(), None),
        (
            elsewhere.clone(),
            Some(format!("http://me:hunter2@127.0.0.1:{refusing}")),
        ),
        (elsewhere.clone(), Some(format!("http://me:hunter2@127.0.0.1:{silent}"))),
        (
            elsewhere.clone(),
            Some(format!("socks5h://me:hunter2@127.0.0.1:{refusing}")),
        ),
        (elsewhere.clone(), Some("http://m%3Ae:hunter2@127.0.0.1".into())),
        (elsewhere, Some("http://me:hunter2@proxy.invalid".into())),
    ] {
        let mut client = Client::new("ws://h/").redirects(1).within(Duration::from_millis(500));
        client.request = request(&uri);
        if let Some(proxy) = &proxy {
            client = client.through(proxy);
        }
        check(&client.request);
        check(&client.options());
        for &shell in SHELLS {
            check_error(&client.run(shell).await.expect_err("no server"));
        }
    }
}
