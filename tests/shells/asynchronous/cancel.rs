//! Futures that are dropped after any number of polls lose nothing, in either direction.

use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Error, Event, Fragment, Limits, Message, Negotiated, Role,
    asynchronous::{SendHalf, WebSocket},
};

use crate::support::{
    BINARY, CLOSE, CONTINUATION, Cut, Driver, FIN, PING, PONG, Pipe, Script, Step, TEXT, close, frames, masked, server,
    unmasked,
};

/// Runs a scenario undisturbed, then drops a future at each poll of it, then all futures after a few polls.
fn under_every_cut<O: PartialEq + std::fmt::Debug>(scenario: impl Fn(Cut) -> (O, usize)) -> O {
    let (expected, polls) = scenario(Cut::Never);
    assert!(polls > 5, "{polls} polls are not worth the name");
    for cut in (1..=polls).map(Cut::At).chain((1..=3).map(Cut::Every)) {
        assert_eq!(scenario(cut).0, expected, "{cut:?}");
    }
    expected
}

/// All kinds of frames, and the Close and the end behind them.
fn everything() -> Vec<u8> {
    [
        masked(FIN | TEXT, "grüße".as_bytes()),
        masked(FIN | PING, b"are you there"),
        masked(TEXT, b"a\xE2\x82"),
        masked(FIN | PING, b"?"),
        masked(CONTINUATION, b"\xACb"),
        masked(FIN | CONTINUATION, b""),
        masked(FIN | PONG, b"unasked"),
        masked(FIN | BINARY, &[7; 300]),
        masked(FIN | BINARY, b""),
        close(1001),
    ]
    .concat()
}

fn receiving(width: usize) -> (WebSocket<Pipe>, Script) {
    let (websocket, script) = server(&Config::new());
    script.trickle(&everything(), width);
    script.push(Step::Eof);
    script.write_width(3);
    script.write_pauses();
    (websocket, script)
}

/// What arrived, in a form that can be compared.
fn describe(event: &Event<'_>) -> String {
    format!("{event:?}")
}

fn messages() -> Vec<String> {
    [
        format!("{:?}", Message::from("grüße")),
        format!("{:?}", Message::from("a€b")),
        format!("{:?}", Message::binary(vec![7; 300])),
        format!("{:?}", Message::binary(vec![])),
    ]
    .to_vec()
}

/// Both Pongs and the Close, whole and in order.
fn replies() -> Vec<u8> {
    [
        unmasked(FIN | PONG, b"are you there"),
        unmasked(FIN | PONG, b"?"),
        unmasked(FIN | CLOSE, &1001_u16.to_be_bytes()),
    ]
    .concat()
}

#[test]
fn recv_loses_nothing() {
    for width in [1, 7, 1000] {
        let (got, written) = under_every_cut(|cut| {
            let (mut websocket, script) = receiving(width);
            let mut driver = Driver::new(&script, cut);
            let mut got = vec![];
            while let Some(message) = driver.repeat(|driver| driver.run(websocket.recv())).unwrap() {
                got.push(format!("{message:?}"));
            }
            ((got, script.written()), driver.polls)
        });
        assert_eq!(got, messages());
        assert_eq!(written, replies());
    }
}

#[test]
fn recv_ref_loses_nothing() {
    let (got, written) = under_every_cut(|cut| {
        let (mut websocket, script) = receiving(5);
        let mut driver = Driver::new(&script, cut);
        let mut got = vec![];
        loop {
            // What is lent keeps the connection borrowed, so it must be described inside.
            let received = driver.repeat(|driver| {
                driver.run(async {
                    let received = websocket.recv_split().await.unwrap();
                    received.map(|(message, outbound)| {
                        outbound.feed(format!("{message:?}")).unwrap();
                        format!("{message:?}")
                    })
                })
            });
            match received {
                Some(message) => got.push(message),
                None => break,
            }
        }
        ((got, script.written()), driver.polls)
    });
    assert_eq!(got, messages());
    let echoed: Vec<_> = frames(&written)
        .into_iter()
        .filter(|(first, _)| *first == FIN | TEXT)
        .collect();
    assert_eq!(
        echoed,
        messages()
            .into_iter()
            .map(|text| (FIN | TEXT, text.into_bytes()))
            .collect::<Vec<_>>()
    );
}

#[test]
fn recv_event_loses_nothing() {
    let (got, written) = under_every_cut(|cut| {
        let (mut websocket, script) = receiving(3);
        let mut driver = Driver::new(&script, cut);
        let mut got = vec![];
        while let Some(event) = driver
            .repeat(|driver| driver.run(async { websocket.recv_event().await.unwrap().map(|event| describe(&event)) }))
        {
            got.push(event);
        }
        ((got, script.written()), driver.polls)
    });
    assert_eq!(
        got.len(),
        messages().len() + 4,
        "two Pings, a Pong and the Close: {got:?}"
    );
    assert_eq!(written, replies());
}

#[test]
fn the_receiving_half_loses_nothing() {
    let (got, written) = under_every_cut(|cut| {
        let (websocket, script) = receiving(4);
        let (_send, mut recv) = websocket.split();
        let mut driver = Driver::new(&script, cut);
        let mut got = vec![];
        // One of each in turn.
        for turn in 0.. {
            let message = match turn % 3 {
                0 => driver
                    .repeat(|driver| driver.run(recv.recv()))
                    .unwrap()
                    .map(|message| format!("{message:?}")),
                1 => driver.repeat(|driver| {
                    driver.run(async { recv.recv_ref().await.unwrap().map(|message| format!("{message:?}")) })
                }),
                _ => driver.repeat(|driver| {
                    driver.run(async { recv.recv_event().await.unwrap().map(|event| describe(&event)) })
                }),
            };
            match message {
                Some(message) => got.push(message),
                None => break,
            }
        }
        ((got, script.written()), driver.polls)
    });
    assert!(got.len() > messages().len());
    assert_eq!(written, replies());
}

/// A large message is read straight into its own buffer, also across dropped futures.
#[test]
fn a_large_message_survives() {
    let payload: Vec<u8> = (0..60_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let got = under_every_cut(|cut| {
        let (mut websocket, script) = server(&Config::new());
        script.trickle(&masked(FIN | BINARY, &payload), 1500);
        let mut driver = Driver::new(&script, cut);
        let message = driver.repeat(|driver| driver.run(websocket.recv())).unwrap().unwrap();
        (message.into_bytes(), driver.polls)
    });
    assert_eq!(got, payload);
}

/// The failure of text is waited out (its Close is written, the peer's end awaited), and then reported.
#[test]
fn a_failure_survives() {
    for call in 0..3 {
        let (error, written) = under_every_cut(|cut| {
            let (mut websocket, script) = server(&Config::new());
            script.write_width(1);
            script.write_pauses();
            script.bytes(masked(FIN | TEXT, b"\xFF"));
            script.trickle(&masked(FIN | BINARY, b"discarded"), 1);
            script.push(Step::Eof);
            let mut driver = Driver::new(&script, cut);
            let error = driver.repeat(|driver| match call {
                0 => driver.run(websocket.recv()).map(Result::unwrap_err),
                1 => driver.run(async { websocket.recv_ref().await.map(|_| ()).unwrap_err() }),
                _ => driver.run(async { websocket.recv_event().await.map(|_| ()).unwrap_err() }),
            });
            ((format!("{error:?}"), script.written()), driver.polls)
        });
        assert_eq!(error, "Protocol(InvalidUtf8)");
        assert_eq!(written, unmasked(FIN | CLOSE, &1007_u16.to_be_bytes()));
    }
}

/// A stream that takes 3 bytes at a time, and a connection that queues one message at most.
fn sending() -> (WebSocket<Pipe>, Script) {
    let config = Config::new().limits(Limits::new().output_high_water(1));
    let (websocket, script) = server(&config);
    script.write_width(3);
    script.write_pauses();
    (websocket, script)
}

fn texts() -> Vec<String> {
    (0..8).map(|n| format!("message number {n}")).collect()
}

fn texts_on_the_wire() -> Vec<u8> {
    texts()
        .iter()
        .flat_map(|text| unmasked(FIN | TEXT, text.as_bytes()))
        .collect()
}

/// A dropped `send` has queued its message as a whole or not at all.
#[test]
fn send_is_all_or_nothing() {
    let written = under_every_cut(|cut| {
        let (mut websocket, script) = sending();
        let mut driver = Driver::new(&script, cut);
        for text in texts() {
            let before = script.written().len() + websocket.queued();
            driver.repeat(|driver| {
                let sent = driver.run(websocket.send(&*text));
                let queued = script.written().len() + websocket.queued() - before;
                match sent {
                    Some(sent) => {
                        sent.unwrap();
                        Some(())
                    }
                    None if queued == 0 => None,
                    None => {
                        assert_eq!(queued, unmasked(FIN | TEXT, text.as_bytes()).len());
                        Some(())
                    }
                }
            });
        }
        driver.repeat(|driver| driver.run(websocket.flush())).unwrap();
        (script.written(), driver.polls)
    });
    assert_eq!(written, texts_on_the_wire());
}

#[test]
fn a_dropped_feed_has_queued_nothing() {
    let written = under_every_cut(|cut| {
        let (mut websocket, script) = sending();
        let mut driver = Driver::new(&script, cut);
        for text in texts() {
            driver.repeat(|driver| driver.run(websocket.feed(&*text))).unwrap();
        }
        driver.repeat(|driver| driver.run(websocket.flush())).unwrap();
        (script.written(), driver.polls)
    });
    assert_eq!(written, texts_on_the_wire());
}

#[test]
fn a_dropped_feed_of_the_half_has_queued_nothing() {
    let written = under_every_cut(|cut| {
        let (websocket, script) = sending();
        let (mut send, _recv) = websocket.split();
        let mut driver = Driver::new(&script, cut);
        for text in texts() {
            driver.repeat(|driver| driver.run(send.feed(&*text))).unwrap();
        }
        driver.repeat(|driver| driver.run(send.flush())).unwrap();
        (script.written(), driver.polls)
    });
    assert_eq!(written, texts_on_the_wire());
}

/// Fragments, Pings, Pongs and the Close of a whole connection.
#[test]
fn other_frames_are_sent_once() {
    let written = under_every_cut(|cut| {
        let (mut websocket, script) = sending();
        let mut driver = Driver::new(&script, cut);
        let fragments = [("one", false), ("two", false), ("three", true)];
        for (text, is_last) in fragments {
            driver
                .repeat(|driver| driver.run(websocket.feed(Fragment::new(text, is_last))))
                .unwrap();
        }
        driver.repeat(|driver| driver.run(websocket.ready())).unwrap();
        // They are queued at the first poll, so a dropped one is not repeated.
        driver.run(websocket.ping(b"ping")).unwrap_or(Ok(())).unwrap();
        driver.repeat(|driver| driver.run(websocket.ready())).unwrap();
        driver.run(websocket.pong(b"pong")).unwrap_or(Ok(())).unwrap();
        script.bytes(masked(FIN | TEXT, b"discarded"));
        script.trickle(&close(1000), 2);
        script.push(Step::Eof);
        let frame = CloseFrame {
            code: CloseCode::NORMAL,
            reason: "bye",
        };
        driver.repeat(|driver| driver.run(websocket.close(frame))).unwrap();
        assert!(websocket.close_info().unwrap().clean);
        (script.written(), driver.polls)
    });
    assert_eq!(written, other_frames());
}

/// The same through the halves.
#[test]
fn other_frames_of_the_half_are_sent_once() {
    let written = under_every_cut(|cut| {
        let (websocket, script) = sending();
        let (mut send, mut recv) = websocket.split();
        let mut driver = Driver::new(&script, cut);
        let ready = |driver: &mut Driver, send: &mut SendHalf<Pipe>| -> Result<(), Error> {
            driver.repeat(|driver| driver.run(send.ready()))
        };
        for (text, is_last) in [("one", false), ("two", false), ("three", true)] {
            driver
                .repeat(|driver| driver.run(send.feed(Fragment::new(text, is_last))))
                .unwrap();
        }
        ready(&mut driver, &mut send).unwrap();
        driver.run(send.ping(b"ping")).unwrap_or(Ok(())).unwrap();
        ready(&mut driver, &mut send).unwrap();
        driver.run(send.pong(b"pong")).unwrap_or(Ok(())).unwrap();
        let frame = CloseFrame {
            code: CloseCode::NORMAL,
            reason: "bye",
        };
        driver.repeat(|driver| driver.run(send.close(frame))).unwrap();
        script.trickle(&close(1000), 2);
        script.push(Step::Eof);
        assert_eq!(driver.repeat(|driver| driver.run(recv.recv())).unwrap(), None);
        assert!(recv.close_info().unwrap().clean);
        (script.written(), driver.polls)
    });
    assert_eq!(written, other_frames());
}

fn other_frames() -> Vec<u8> {
    [
        unmasked(TEXT, b"one"),
        unmasked(CONTINUATION, b"two"),
        unmasked(FIN | CONTINUATION, b"three"),
        unmasked(FIN | PING, b"ping"),
        unmasked(FIN | PONG, b"pong"),
        unmasked(FIN | CLOSE, b"\x03\xE8bye"),
    ]
    .concat()
}

/// Also what a client masks: dropped futures take no masking key twice.
#[test]
fn a_client_sends_whole_messages() {
    let (pipe, script) = Pipe::new();
    script.write_width(2);
    script.write_pauses();
    let config = Config::new().limits(Limits::new().output_high_water(1));
    let mut websocket = WebSocket::from_parts(
        pipe,
        Connection::from_negotiated(&Negotiated::new(Role::Client), &config),
    );
    let mut driver = Driver::new(&script, Cut::Every(3));
    for text in texts() {
        driver.repeat(|driver| driver.run(websocket.feed(&*text))).unwrap();
    }
    driver.repeat(|driver| driver.run(websocket.flush())).unwrap();
    let (mut peer, input) = server(&Config::new());
    input.bytes(script.written());
    for text in texts() {
        let message = crate::support::block_on(&input, peer.recv()).unwrap().unwrap();
        assert_eq!(message.as_text(), Some(&*text));
    }
}
