//! What happens to received data while a caller waits to write (DRV-20).

use super::{ends::ended, *};

/// A connection whose peer takes nothing, and that receives these bytes.
fn blocked(config: &Config, role: Role, waiting: Vec<u8>) -> World {
    let mut world = World::with(role, config);
    world.connection.feed(vec![0; 1 << 20]).unwrap();
    world.room = Some(0);
    world.waiting = waiting;
    world
}

/// The end of the transport ends the wait, and earlier events are still delivered.
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
        let code = world.connection.close_info().unwrap().code.value();
        assert_eq!(code, if got.len() > 1 { 4001 } else { 1006 });
    }
}
