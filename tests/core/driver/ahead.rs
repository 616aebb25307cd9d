//! What a caller that waits to write makes of what arrives (DRV-20).

use super::{
    ends::{ended, flush},
    *,
};

/// A connection whose peer takes nothing, to which this arrives.
fn blocked(config: &Config, role: Role, waiting: Vec<u8>) -> World {
    let mut world = World::with(role, config);
    world.connection.send(vec![0; 1 << 20]).unwrap();
    world.room = Some(0);
    world.waiting = waiting;
    world
}

/// A Ping is answered once, the Close is known, a long message is taken in, and all of it comes as events afterwards.
#[test]
fn the_first_event_is_looked_at_and_kept() {
    for role in ROLES {
        let long = "long ".repeat(100_000);
        let events = [
            (wire::text(role.peer(), "short"), "short"),
            (wire::text(role.peer(), ""), ""),
            (wire::text(role.peer(), &long), &long),
            (wire::close(role.peer(), 1011, ""), "close Some(1011)"),
        ];
        for (frame, event) in events {
            let mut world = blocked(&Config::new(), role, frame);
            assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
            assert!(world.waiting.is_empty(), "{} bytes are left", world.waiting.len());
            let closes = event.starts_with("close");
            assert_eq!(world.connection.closure().is_some(), closes);
            // What follows lands behind it, and buffers may change meanwhile.
            world.waiting = wire::text(role.peer(), "and more");
            assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
            world.connection.release();
            let inbound = world.connection.drive().0;
            let _ = inbound.give_buffer(websocket_proto::RecvBuffer::with_capacity(100_000));
            world.room = Some(usize::MAX);
            world.until(1);
            let more = if closes { &[][..] } else { &["and more".to_owned()] };
            assert!(
                world.got[0] == event && &world.got[1..] == more,
                "{:?}",
                world.got.last()
            );
            if !closes {
                world.waiting = wire::text(role.peer(), "after it");
                world.until(2);
                assert_eq!(world.got[2], "after it", "short messages take the short way again");
            }
        }

        let mut world = blocked(&Config::new(), role, wire::ping(role.peer(), b"?"));
        assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
        world.room = Some(usize::MAX);
        world.until(1);
        let frames = wire::parse(&world.written).0;
        let opcodes: Vec<u8> = frames.iter().map(|frame| frame.opcode()).collect();
        assert_eq!(opcodes, [BINARY, PONG]);
    }
}

/// Fragments, of text that is cut within a code point as well.
#[test]
fn a_fragment_is_kept() {
    let config = Config::new().delivery(Delivery::Fragments);
    for cut in 1..6 {
        let frame = wire::text(Role::Client, "a\u{20ac}b");
        let mut world = blocked(&config, Role::Server, frame[..6 + cut - 1].to_vec());
        assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
        world.waiting = frame[6 + cut - 1..].to_vec();
        assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
        let mut text = String::new();
        while let Some(event) = world.connection.next_event().unwrap() {
            match event {
                Event::Fragment(fragment) => text.push_str(fragment.data.as_text().unwrap()),
                event => panic!("{event:?}"),
            }
        }
        assert_eq!(text, "a\u{20ac}b", "cut at {cut}");
    }
}

/// The end of the transport ends the wait, and the events before it still come.
#[test]
fn the_end_of_the_transport_ends_the_wait() {
    for (waiting, got) in [
        (wire::text(Role::Client, "last words"), &["last words"][..]),
        (
            [
                wire::text(Role::Client, "last words"),
                wire::close(Role::Client, 4001, "banned"),
            ]
            .concat(),
            &["last words", "close Some(4001)"],
        ),
    ] {
        let mut world = blocked(&Config::new(), Role::Server, waiting);
        world.ended = Some(Ok(()));
        assert_eq!(ended(&mut world), 500);
        assert_eq!(world.until(60_000), Some(500));
        assert_eq!(world.got, got);
        let code = world.connection.closure().unwrap().code.value();
        assert_eq!(code, if got.len() > 1 { 4001 } else { 1006 });
    }
}
