//! The bare core.

use std::time::Duration;

use websocket_proto::{
    Buf, Connection, Negotiated, ReadyState, Time,
    handshake::{ClientHandshake, HandshakeError, ServerHandshake},
};

use crate::scenario::{CLOSE, Decide, Scenario, Side, Then};

/// Opens a connection and runs it to its end.
pub(crate) fn run(scenario: &Scenario) {
    let negotiated = match &scenario.side {
        Side::Server(decide) => serve(scenario, *decide),
        Side::Client(request) => {
            let handshake = ClientHandshake::new((**request).clone(), *b"the sample nonce", &scenario.config);
            ask(scenario, handshake.expect("a valid request"))
        }
    };
    if let Some(negotiated) = negotiated {
        converse(Connection::from_negotiated(&negotiated, &scenario.config), scenario);
    }
}

fn serve(scenario: &Scenario, decide: Decide) -> Option<Negotiated> {
    let mut handshake = ServerHandshake::new(&scenario.config);
    let request = match handshake.receive(&scenario.bytes) {
        Ok(request) => request,
        Err(_) => return None,
    };
    let Some(request) = request else {
        match scenario.then {
            Then::Ends => handshake.receive_eof(),
            _ => handshake.handle_timeout(),
        };
        return None;
    };
    match decide(&request) {
        Ok(accept) => Some(request.accept(accept).ok()?.into_negotiated()),
        Err(rejection) => {
            let _ = request.reject(&rejection);
            None
        }
    }
}

fn ask(scenario: &Scenario, mut handshake: ClientHandshake) -> Option<Negotiated> {
    match handshake.receive(&scenario.bytes) {
        Ok(Some(response)) => return Some(response.into_negotiated()),
        Ok(None) if scenario.then == Then::Ends => assert!(!matches!(handshake.receive_eof(), HandshakeError::Ended)),
        Ok(None) => assert!(!matches!(handshake.handle_timeout(), HandshakeError::Ended)),
        Err(_) => {}
    }
    None
}

fn converse(mut connection: Connection, scenario: &Scenario) {
    let (mut now, mut ended) = (Time::ZERO, false);
    if scenario.closes {
        connection.close(CLOSE).expect("an open connection");
    }
    for _ in 0..100 {
        while let Ok(Some(_)) = connection.next_event() {}
        let waiting = connection.output().len();
        connection.output().advance(waiting);
        if connection.ready_state() == ReadyState::Closed {
            // A known end is not logged again.
            let _ = connection.next_event();
            return;
        }
        match connection.poll_timeout() {
            Some(Time::ZERO) => connection.handle_timeout(now),
            _ if !ended && ends(&connection, scenario.then) => {
                ended = true;
                connection.receive_eof();
            }
            Some(due) => {
                now = due.max(now + Duration::from_nanos(1));
                connection.handle_timeout(now);
            }
            None => unreachable!("{}: neither a deadline nor the end", scenario.name),
        }
    }
    unreachable!("{}: no end", scenario.name);
}

fn ends(connection: &Connection, then: Then) -> bool {
    match then {
        Then::Ends => true,
        Then::Waits => connection.wants_shutdown(),
        Then::Stays => false,
    }
}
