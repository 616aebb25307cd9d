//! What others paid for: a test for each mistake that servers of Socket.IO have made. Without I/O, on a virtual clock;
//! `requests.rs` has the parts that need connections.

use std::time::Duration;

use crate::support::{World, id_of};
use socket_io_server::{
    engine::{Drain, Reason, Refusal, Settings},
    socket::Options,
};

const SECOND: Duration = Duration::from_secs(1);

/// Pitfall 1: one noop at upgrade is not enough, and none goes over the WebSocket.
#[test]
fn pitfall_01_every_poll_while_probing_is_answered_with_a_noop() {
    let mut world = World::new();
    let (client, _) = world.polling();
    assert_eq!(world.poll(client.key), Ok(None));
    let client = world.connect(client.key);
    assert_eq!(world.answer(client.key), None, "nothing has been probed");
    world.send(client, "2probe");
    assert_eq!(world.answer(client.key).as_deref(), Some("6"));
    for _ in 0..3 {
        assert_eq!(world.poll(client.key), Ok(Some("6".into())));
    }
    assert_eq!(world.frames(client), ["3probe"]);
    world.send(client, "5");
    assert_eq!(world.poll(client.key), Err(Refusal::NotPolling));
    world.send(client, "40");
    assert!(world.frames(client).iter().all(|frame| frame != "6"));

    // A client that does not wait for the answer to its probe still gets it, before anything else.
    let (client, _) = world.polling();
    let client = world.connect(client.key);
    world.send(client, "2probe");
    world.send(client, "5");
    world.send(client, "40/closed");
    assert_eq!(world.frames(client), ["3probe", "44/closed,{\"message\":\"closed\"}"]);
}

/// Pitfall 2: a probe that does not go on times out, polling lives, and nothing is lost.
#[test]
fn pitfall_02_a_failed_probe_leaves_polling_alive() {
    let mut world = World::new();
    let (first, _) = world.polling();
    world.post(first.key, "40").expect("posted");
    world.poll(first.key).expect("polled").expect("the answer to CONNECT");
    for fails_by_time in [true, false] {
        let client = world.connect(first.key);
        world.send(client, "2probe");
        assert_eq!(world.frames(client), ["3probe"]);
        world.post(first.key, "42[\"echo\",1]").expect("posted");
        assert_eq!(world.poll(first.key), Ok(Some("6".into())), "the queue waits");
        if fails_by_time {
            world.advance(10 * SECOND);
        } else {
            world.send(client, "4early");
        }
        assert_eq!(world.drain(client), (vec![], Drain::Close));
        assert_eq!(world.poll(first.key), Ok(Some("42[\"echo\",1]".into())));
    }
    // And one that goes on: what was queued goes out after it.
    let client = world.connect(first.key);
    world.send(client, "2probe");
    world.post(first.key, "42[\"echo\",2]").expect("posted");
    assert_eq!(world.frames(client), ["3probe"]);
    world.send(client, "5");
    assert_eq!(world.frames(client), ["42[\"echo\",2]"]);
}

/// Pitfall 3: one ordered queue; a binary packet and its attachments are one; what overflows ends the session.
#[test]
fn pitfall_03_one_bounded_queue_keeps_the_order() {
    let mut settings = Settings::default();
    settings.max_queue = 4096;
    let mut world = World::with(settings, Options::default());
    let (client, _) = world.joined();
    let (other, _) = world.joined();
    world.send(client, "42[\"echo\",1]");
    world.send(client, "427[\"echo\",2]");
    world.send(client, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    world.send(other, "42[\"all\",3]");
    world.send_binary(client, &[7]);
    let binary = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]";
    assert_eq!(
        world.frames(client),
        ["42[\"echo\",1]", "437[2]", "42[\"all\",3]", binary, "b[7]"]
    );
    // Nobody takes it any more.
    for _ in 0..100 {
        world.send(other, "42[\"all\",4]");
    }
    assert_eq!(world.server.app().gone.len(), 1);
    assert_eq!(world.server.app().gone[0].1, "transport error");
    assert_eq!(world.drain(client), (vec![], Drain::Close));
}

/// Pitfall 4: the id of a socket, which others learn, is not the session's, and differs in each namespace.
#[test]
fn pitfall_04_a_socket_id_is_no_session_id() {
    let mut world = World::new();
    let (client, sid) = world.polling();
    world.post(client.key, "40\u{1e}40/other,").expect("posted");
    let answer = world.poll(client.key).expect("polled").expect("answer");
    let ids: Vec<_> = answer
        .split('\u{1e}')
        .filter(|packet| packet.starts_with("40"))
        .map(id_of)
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    for id in &ids {
        assert_ne!(*id, sid);
        assert_eq!(id.len(), 20);
        assert_eq!(world.engine.find(id), None);
    }
    assert_eq!(world.engine.find(&sid), Some(client.key));
}

/// Pitfall 5: the messages of a session are handled in order, whatever brings them.
#[test]
fn pitfall_05_messages_are_handled_in_order() {
    let mut world = World::new();
    let (client, _) = world.polling();
    world
        .post(client.key, "40\u{1e}42[\"a\"]\u{1e}42[\"b\",1]\u{1e}42[\"c\"]")
        .expect("posted");
    let client = world.connect(client.key);
    world.send(client, "2probe");
    world.post(client.key, "42[\"d\"]").expect("posted");
    world.send(client, "5");
    world.send(client, "42[\"e\"]");
    assert_eq!(world.server.app().heard, ["a ", "b 1", "c ", "d ", "e "]);
}

/// Pitfall 6: arguments are passed on as they are.
#[test]
fn pitfall_06_arguments_are_passed_on_as_raw_json() {
    let mut world = World::new();
    let (client, _) = world.joined();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for args in [
        "1.0,-0,1e400,12345678901234567890123",
        r#"{"b":1,"a":2,"b":3,"__proto__":{}}"#,
        r#""\ud800","\u0000\u2028 é","\/""#,
        " [ 1 , 2 ] ",
        &deep,
    ] {
        world.send(client, &format!("42[\"echo\",{args}]"));
        assert_eq!(world.frames(client), [format!("42[\"echo\",{}]", args.trim_end())]);
    }
}

/// Pitfall 7: closing flushes first, also while upgrading; afterwards the session id is unknown.
#[test]
fn pitfall_07_closing_flushes_first() {
    // Over polling: DISCONNECT to every namespace, then the close by itself.
    let mut world = World::new();
    let (client, sid) = world.polling();
    world.post(client.key, "40\u{1e}40/other,").expect("posted");
    world.poll(client.key).expect("polled");
    world
        .post(client.key, "42[\"echo\",1]\u{1e}42[\"kick\",\"close\"]")
        .expect("posted");
    let flushed = world.poll(client.key);
    assert_eq!(flushed, Ok(Some("42[\"echo\",1]\u{1e}41\u{1e}41/other,".into())));
    assert_eq!(world.poll(client.key), Ok(Some("1".into())));
    assert_eq!(world.engine.find(&sid), None);
    world.assert_empty();

    // While upgrading: after the upgrade.
    let (client, _) = world.polling();
    world.post(client.key, "40").expect("posted");
    world.poll(client.key).expect("polled");
    let client = world.connect(client.key);
    world.send(client, "2probe");
    world.post(client.key, "42[\"kick\",\"close\"]").expect("posted");
    assert_eq!(world.drain(client), (vec!["3probe".into()], Drain::Wait));
    world.send(client, "5");
    assert_eq!(world.drain(client), (vec!["41".into()], Drain::Close));
    let websocket = client.websocket.expect("a WebSocket");
    world.engine.detach(client.key, websocket);
    world.assert_empty();
}

/// Pitfall 8: overlapping requests are refused, a request that is refused or dropped is released.
#[test]
fn pitfall_08_requests_that_overlap_or_are_dropped() {
    let mut world = World::new();
    let (client, sid) = world.polling();
    assert_eq!(world.poll(client.key), Ok(None));
    assert_eq!(world.poll(client.key), Err(Refusal::Overlap));
    assert_eq!(
        world.answer(client.key).as_deref(),
        Some("1"),
        "the first one is answered"
    );
    assert_eq!(world.engine.find(&sid), None);

    let (client, sid) = world.polling();
    world.engine.post(client.key).expect("posted");
    assert_eq!(world.engine.post(client.key), Err(Refusal::Overlap));
    assert_eq!(world.engine.find(&sid), None);

    let (client, sid) = world.polling();
    assert_eq!(world.poll(client.key), Ok(None));
    world.engine.poll_lost(client.key);
    assert_eq!(world.engine.find(&sid), None);

    let (client, sid) = world.polling();
    world.engine.post(client.key).expect("posted");
    world.engine.post_lost(client.key);
    assert_eq!(world.engine.find(&sid), None);

    world.advance(Duration::ZERO);
    world.post(client.key, "").expect("nobody is there");
    world.assert_empty();
}

/// Pitfall 9: there is one heartbeat for each session, however many pongs arrive.
#[test]
fn pitfall_09_extra_pongs_start_no_timers() {
    let mut world = World::new();
    let (client, _) = world.joined();
    for _ in 0..1000 {
        world.send(client, "3");
    }
    assert_eq!(world.counts().0.timers, 1);
    world.advance(10 * SECOND);
    world.send(client, "3");
    world.advance(15 * SECOND);
    assert_eq!(world.frames(client), ["2"], "the ping is not put off");
    for _ in 0..1000 {
        world.send(client, "3");
    }
    assert_eq!(world.counts().0.timers, 1);
    // One ping for each interval, and the end if there is no answer.
    world.advance(24 * SECOND);
    assert_eq!(world.frames(client), [""; 0]);
    world.advance(SECOND);
    assert_eq!(world.frames(client), ["2"]);
    world.advance(20 * SECOND);
    assert_eq!(world.server.app().gone[0].1, "ping timeout");
    assert_eq!(world.counts().0.timers, 0);
}

/// Pitfall 10: a client library refuses more than 16 packets in one poll.
#[test]
fn pitfall_10_a_poll_has_at_most_16_packets() {
    let mut world = World::new();
    let (client, _) = world.polling();
    world.post(client.key, "40").expect("posted");
    world.poll(client.key).expect("polled");
    let binary = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQ==";
    for _ in 0..15 {
        world.post(client.key, "42[\"echo\"]").expect("posted");
    }
    world.post(client.key, binary).expect("posted");
    for _ in 0..20 {
        world.post(client.key, "42[\"echo\"]").expect("posted");
    }
    let mut sizes = Vec::new();
    while let Some(answer) = world.poll(client.key).expect("polled") {
        sizes.push(answer.split('\u{1e}').count());
    }
    // The binary packet is not divided.
    assert_eq!(sizes, [15, 16, 6]);
}

/// Pitfall 11: binary may be empty, nested, and its placeholders in any order; one without attachment is refused.
#[test]
fn pitfall_11_binary_of_any_shape() {
    let mut world = World::new();
    let (client, _) = world.joined();
    let packet = "452-[\"echo\",{\"a\":[{\"num\":1,\"_placeholder\":true}]},{\"_placeholder\":true,\"num\":0}]";
    world.send(client, packet);
    world.send_binary(client, &[]);
    assert_eq!(world.frames(client), [""; 0]);
    world.send_binary(client, &[1, 2]);
    assert_eq!(world.frames(client), [packet, "b[]", "b[1, 2]"]);
    for packet in [
        "451-[\"all\",{\"_placeholder\":true,\"num\":1}]",
        "4511-[\"all\"]",
        "45-[\"all\"]",
        "451-[\"all\"",
    ] {
        let (bad, _) = world.joined();
        world.send(bad, packet);
        world.send_binary(bad, &[1]);
        assert_eq!(
            world.server.app().gone.last().map(|(_, why)| *why),
            Some("parse error"),
            "{packet}"
        );
    }
    let text_within = world.joined().0;
    world.send(text_within, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    world.send(text_within, "42[\"echo\"]");
    let binary_first = world.joined().0;
    world.send_binary(binary_first, &[1]);
    assert_eq!(world.server.app().gone.len(), 6);
    assert_eq!(world.frames(client), [""; 0], "nothing of that was passed on");
}

/// Pitfall 12: after a restart, clients come back with new ids, and what they have kept is handled in order.
#[test]
fn pitfall_12_a_restarted_server_knows_nobody() {
    let mut before = World::new();
    let (client, sid) = before.polling();
    before.post(client.key, "40").expect("posted");
    let old = id_of(&before.poll(client.key).expect("polled").expect("answer"));
    drop(before);
    let mut world = World::new();
    assert_eq!(world.engine.find(&sid), None);
    let (client, _) = world.polling();
    // A client sends what it has kept right after CONNECT.
    world
        .post(
            client.key,
            "40\u{1e}42[\"echo\",1]\u{1e}42[\"echo\",2]\u{1e}42[\"echo\",3]",
        )
        .expect("posted");
    let answer = world.poll(client.key).expect("polled").expect("answer");
    let packets: Vec<_> = answer.split('\u{1e}').collect();
    assert_ne!(id_of(packets[0]), old);
    assert_eq!(packets[1], "42[\"auth\",{}]");
    assert_eq!(packets[2..], ["42[\"echo\",1]", "42[\"echo\",2]", "42[\"echo\",3]"]);
}

/// The reasons of the contract that no other test has.
#[test]
fn sockets_leave_for_a_reason() {
    let mut world = World::new();
    for (packet, reason) in [
        ("41", "client namespace disconnect"),
        ("42[\"kick\"]", "server namespace disconnect"),
        ("1", "transport close"),
        ("x", "parse error"),
        ("42{}", "parse error"),
        ("40", "parse error"),
        ("42/other,[\"echo\"]", "parse error"),
        ("2", "transport error"),
    ] {
        let (client, id) = world.joined();
        world.send(client, packet);
        assert_eq!(world.server.app().gone.last(), Some(&(id, reason)), "{packet}");
    }
    let (client, id) = world.joined();
    let websocket = client.websocket.expect("a WebSocket");
    world
        .engine
        .websocket_lost(client.key, websocket, Reason::TransportClose);
    world.advance(Duration::ZERO);
    assert_eq!(world.server.app().gone.last(), Some(&(id, "transport close")));
}
