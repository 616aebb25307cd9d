//! UTF-8: text is accepted exactly if `core::str` accepts it, however it is framed, cut and delivered, and refused at the first
//! byte that no continuation can make valid.

use websocket_proto::{Connection, ProtocolError};

use super::{
    raw::{Got, Scenario, take_events},
    rng::Rng,
    setup::Setup,
    wire::{self, TEXT},
};

pub fn run(data: &[u8]) {
    let Some((mut setup, rest)) = Setup::take(data) else {
        return;
    };
    let Some((&frames, text)) = rest.split_first() else {
        return;
    };
    // Only the validity of text is tested here.
    setup.config.limits = websocket_proto::Limits::new();
    let expected = core::str::from_utf8(text);

    let mut rng = Rng::new(frames.into());
    let mut pieces = vec![text];
    while pieces.len() < usize::from(frames % 8) {
        let last = pieces.pop().unwrap_or_default();
        let (piece, rest) = last.split_at(rng.below(last.len() + 1));
        pieces.extend([piece, rest]);
    }
    let bytes = wire::fragments(setup.role.peer(), TEXT, &pieces);
    let outcome = Scenario::new(setup.role, bytes)
        .config(&setup.config)
        .run_once(setup.feed, setup.cuts.clone());
    match expected {
        Ok(text) => outcome.assert_open(&[Got::text(text)]),
        Err(_) => assert_eq!(outcome.assert_failed(&[], 1007), ProtocolError::InvalidUtf8),
    }

    fails_fast(&setup, text);
}

/// Byte by byte, in one frame that continues after the text.
fn fails_fast(setup: &Setup, text: &[u8]) {
    let from = setup.role.peer();
    let endless = [text, &[b'x'; 300]].concat();
    let frame = wire::frame(from, TEXT, &endless);
    let (header, payload) = frame.split_at(frame.len() - endless.len());
    let mut connection = Connection::new(setup.role, &setup.config);
    connection.receive(header);
    assert_eq!(take_events(&mut connection, &mut Vec::new()), Ok(()));
    for i in 0..text.len() {
        connection.receive(&payload[i..=i]);
        let failed = take_events(&mut connection, &mut Vec::new()).is_err();
        let hopeless = core::str::from_utf8(&text[..=i]).is_err_and(|error| error.error_len().is_some());
        assert_eq!(failed, hopeless, "after byte {i} of {text:x?}");
        if failed {
            return;
        }
    }
}
