//! Messages that were encoded beforehand, through a whole connection and through its sending half.

use websocket_proto::{Config, Error, Fragment, Limits, PreparedMessage, SendError, asynchronous::WebSocket};

use crate::support::{BINARY, Cut, Driver, FIN, Pipe, Script, TEXT, block_on, masked, server, unmasked};

/// A server whose queue is full behind a few messages, and whose peer reads slowly.
fn sending() -> (WebSocket<Pipe>, Script) {
    let (websocket, script) = server(&Config::new().limits(Limits::new().output_high_water(20)));
    script.write_width(5);
    script.write_pauses();
    (websocket, script)
}

fn messages() -> Vec<PreparedMessage> {
    (1..12).map(|i| PreparedMessage::text("x".repeat(i * 3))).collect()
}

fn on_the_wire() -> Vec<u8> {
    let frames: Vec<_> = messages()
        .iter()
        .map(|message| unmasked(FIN | TEXT, message.as_bytes()))
        .collect();
    frames.concat()
}

/// Drops a future at each poll of the scenario, then all futures after a few polls.
fn under_every_cut(scenario: impl Fn(Cut) -> (Vec<u8>, usize)) {
    let (expected, polls) = scenario(Cut::Never);
    assert!(polls > 5, "{polls} polls are not worth the name");
    assert_eq!(expected, on_the_wire());
    for cut in (1..=polls).map(Cut::At).chain((1..=3).map(Cut::Every)) {
        assert_eq!(scenario(cut).0, expected, "{cut:?}");
    }
}

#[test]
fn a_dropped_feed_has_queued_nothing() {
    under_every_cut(|cut| {
        let (mut websocket, script) = sending();
        let mut driver = Driver::new(&script, cut);
        for message in messages() {
            driver.repeat(|driver| driver.run(websocket.feed(&message))).unwrap();
        }
        driver.repeat(|driver| driver.run(websocket.flush())).unwrap();
        (script.written(), driver.polls)
    });
}

#[test]
fn a_dropped_feed_of_the_half_has_queued_nothing() {
    under_every_cut(|cut| {
        let (websocket, script) = sending();
        let (mut send, _recv) = websocket.split();
        let mut driver = Driver::new(&script, cut);
        for message in messages() {
            driver.repeat(|driver| driver.run(send.feed(&message))).unwrap();
        }
        driver.repeat(|driver| driver.run(send.flush())).unwrap();
        (script.written(), driver.polls)
    });
}

#[test]
fn send_is_all_or_nothing() {
    under_every_cut(|cut| {
        let (mut websocket, script) = sending();
        let mut driver = Driver::new(&script, cut);
        for message in messages() {
            let before = script.written().len() + websocket.queued();
            driver.repeat(|driver| {
                let sent = driver.run(websocket.send(&message));
                let queued = script.written().len() + websocket.queued() - before;
                let whole = unmasked(FIN | TEXT, message.as_bytes()).len();
                assert!(queued == 0 || queued == whole, "{queued}");
                match sent {
                    Some(sent) => {
                        sent.unwrap();
                        Some(())
                    }
                    None => (queued > 0).then_some(()),
                }
            });
        }
        driver.repeat(|driver| driver.run(websocket.flush())).unwrap();
        (script.written(), driver.polls)
    });
}

/// A whole batch leaves in one vectored write.
#[test]
fn a_batch_leaves_in_one_write() {
    let (mut websocket, script) = server(&Config::new());
    script.vectored();
    block_on(&script, async {
        for message in &messages() {
            websocket.feed(message).await.unwrap();
        }
        websocket.flush().await.unwrap();
        let (mut send, _recv) = websocket.split();
        send.send(&messages()[0]).await.unwrap();
    });
    assert_eq!(script.writes().len(), 2);
    assert_eq!(script.writes()[0], on_the_wire());
}

#[test]
fn refusals_are_told() {
    let (mut websocket, script) = sending();
    let message = PreparedMessage::binary(vec![1; 30]);
    websocket.try_feed(&message).unwrap();
    assert_eq!(websocket.try_feed(&message), Err(SendError::Full((&message).into())));
    block_on(&script, async {
        websocket.feed(Fragment::more("open")).await.unwrap();
        let refused = websocket.send(&message).await;
        assert!(
            matches!(refused, Err(Error::Send(SendError::MessageOpen(())))),
            "{refused:?}"
        );
        let (mut send, _recv) = websocket.split();
        let refused = send.send(&message).await;
        assert!(
            matches!(refused, Err(Error::Send(SendError::MessageOpen(())))),
            "{refused:?}"
        );
        assert_eq!(send.try_feed(&message), Err(SendError::MessageOpen((&message).into())));
    });
}

/// The sending half that comes with a lent message takes prepared ones, too.
#[test]
fn an_answer_while_a_message_is_lent() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(masked(FIN | TEXT, b"?"));
    let message = PreparedMessage::binary(vec![9; 10_000]);
    block_on(&script, async {
        let (_, outbound) = websocket.recv_split().await.unwrap().expect("a message");
        outbound.feed(&message).unwrap();
        websocket.flush().await.unwrap();
    });
    assert_eq!(script.written(), unmasked(FIN | BINARY, message.as_bytes()));
}
