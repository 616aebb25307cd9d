//! What operators see: every event with its level, target and fields, once, over the bare core and the shells; and no secret.

mod bare;
mod collector;
mod scenario;
mod shells;

use std::time::Duration;

use websocket_proto::{
    Config, Connection, Role, Time, Timers,
    handshake::{Accept, ClientRequest, Rejection, UpgradeRequest},
};

use crate::{
    collector::collect,
    scenario::{SECRETS, Scenario},
};

/// Each line once and in order, over the core and the shells, and none with a secret.
fn check(scenarios: &[Scenario]) {
    type Run = fn(&Scenario);
    let runs: [(&str, Run); 3] = [
        ("core", bare::run),
        ("blocking", shells::blocking),
        ("tokio", shells::tokio),
    ];
    for scenario in scenarios {
        for (name, run) in runs {
            let (mut lines, ()) = collect(|| run(scenario));
            // With the bare core, the application decides what a client is told about its mistake.
            let expected = match scenario.lines {
                [line, rest @ ..] if name == "core" && line.contains("status=500") && line.contains("offer") => rest,
                all => all,
            };
            for line in &mut lines {
                let secret = SECRETS.iter().find(|&&secret| line.contains(secret));
                assert_eq!(secret, None, "{}, {name}: {line}", scenario.name);
            }
            assert_eq!(lines, expected, "{}, {name}", scenario.name);
        }
    }
}

#[test]
fn opening_handshakes_are_logged_once() {
    check(&scenario::handshakes());
}

#[test]
fn connections_are_logged_once() {
    check(&scenario::connections());
}

/// Requests and responses that another HTTP stack reads and writes.
#[test]
fn handshakes_of_other_http_stacks_are_logged() {
    let request = http::Request::get("/chat?token=query-secret")
        .body(())
        .expect("a request");
    let (lines, _) = collect(|| UpgradeRequest::from_http(&request).is_err());
    assert_eq!(
        lines,
        ["DEBUG handshake: handshake refused role=\"server\" status=400 error=header field Host is missing"]
    );

    let request: ClientRequest = "wss://example.com/chat".parse().expect("a URI");
    let (lines, ()) = collect(|| {
        let (mut request, client) = request.into_connect(&Config::new()).expect("a valid request");
        *request.version_mut() = http::Version::HTTP_2;
        let request = UpgradeRequest::from_connect(&request, "websocket").expect("a valid request");
        let accepted = request.accept(Accept::new()).expect("nothing is selected");
        client
            .receive(&accepted.response_http::<Vec<u8>>())
            .expect("a valid response");
        let rejection: http::Response<Vec<u8>> = Rejection::new(404).response_http(http::Version::HTTP_2);
        assert_eq!(rejection.status(), 404);
    });
    assert_eq!(
        lines,
        [
            "DEBUG handshake: handshake accepted role=\"server\" status=200",
            "DEBUG handshake: handshake accepted role=\"client\" status=200",
            "DEBUG handshake: handshake refused role=\"server\" status=404 error=rejected by the application",
        ]
    );
}

/// Output that the peer does not take, over the bare core.
#[test]
fn a_stalled_write_is_logged() {
    let config = Config::new().timers(Timers::new().write(Duration::from_secs(1)));
    let (lines, ()) = collect(|| {
        let mut connection = Connection::new(Role::Client, &config);
        connection.feed("payload-secret").expect("an open connection");
        connection.handle_timeout(Time::ZERO);
        connection.handle_timeout(Time::from_origin(Duration::from_secs(2)));
        assert!(connection.next_event().is_err());
    });
    assert_eq!(
        lines,
        [
            "INFO connection: deadline passed role=\"client\" timer=\"write\"",
            "DEBUG connection: connection closed role=\"client\" clean=false initiator=\"local\" error=timed out: stalled write",
        ]
    );
}

/// A connection that the application simply drops also ends.
#[test]
fn a_dropped_connection_is_logged() {
    let (lines, ()) = collect(|| drop(Connection::new(Role::Server, &Config::new())));
    assert_eq!(
        lines,
        ["DEBUG connection: connection closed role=\"server\" clean=false"]
    );

    let (lines, ()) = collect(|| {
        let mut connection = Connection::new(Role::Server, &Config::new());
        connection.close(scenario::CLOSE).expect("an open connection");
        let (_inbound, _driver) = connection.into_halves();
    });
    assert_eq!(
        lines,
        ["DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1000"]
    );
}
