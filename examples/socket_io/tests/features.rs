//! Namespaces, rooms, acknowledgements with time-outs, flags and connection state recovery, without I/O.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use crate::support::{Client, World, id_of};
use socket_io_server::{engine::Settings, socket::Options};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn namespaces_are_joined_refused_or_unknown() {
    let mut world = World::new();
    let client = world.websocket();
    world.send(client, "40/nowhere,{}");
    world.send(client, "40/closed");
    assert_eq!(
        world.frames(client),
        [
            "44/nowhere,{\"message\":\"Invalid namespace\"}",
            "44/closed,{\"message\":\"closed\"}"
        ]
    );
    world.send(client, "40/other,{\"token\": 1.0}");
    assert_eq!(world.frames(client)[1], "42/other,[\"auth\",{\"token\": 1.0}]");
    world.send(client, "42/other,[\"echo\",1]");
    assert_eq!(world.frames(client), ["42/other,[\"echo\",1]"]);
    // What a client had sent before it learned that it was disconnected is no mistake.
    world.send(client, "42/other,[\"kick\"]");
    world.send(client, "42/other,[\"echo\",2]");
    assert_eq!(world.frames(client), ["41/other,"]);
    world.send(client, "40/other");
    assert_eq!(world.frames(client).len(), 2, "it may join again");
}

#[test]
fn a_client_must_join_a_namespace_in_time() {
    let mut world = World::new();
    let (client, sid) = world.polling();
    let joined = world.polling().0;
    world.post(joined.key, "40").expect("posted");
    world.advance(25 * SECOND);
    world.post(client.key, "3").expect("posted");
    world.post(joined.key, "3").expect("posted");
    world.poll(client.key).expect("polled");
    world.advance(20 * SECOND);
    assert_eq!(world.poll(client.key), Ok(Some("1".into())));
    assert_eq!(world.engine.find(&sid), None);
    assert_eq!(world.server.counts().sockets, 1);
}

#[test]
fn rooms_have_members_until_they_leave() {
    let mut world = World::new();
    let [one, two, three] = std::array::from_fn(|_| world.joined().0);
    world.send(one, "42[\"join\",\"blue\"]");
    world.send(two, "42[\"join\",\"blue\"]");
    world.send(three, "42[\"room\",\"blue\",1]");
    let expected = ["42[\"room\",\"blue\",1]"];
    assert_eq!(world.frames(one), expected);
    assert_eq!(world.frames(two), expected);
    assert_eq!(world.frames(three), [""; 0]);
    assert_eq!(world.server.counts().rooms, 1);
    world.send(one, "41");
    world.send(two, "1");
    assert_eq!(world.server.counts().rooms, 0);
    world.send(three, "42[\"room\",\"blue\",2]");
    assert_eq!(world.frames(one), [""; 0]);
}

#[test]
fn acknowledgements_arrive_once_or_time_out() {
    let mut world = World::new();
    let (client, _) = world.joined();
    world.send(client, "42[\"ask\",1]");
    world.send(client, "42[\"ask\",2]");
    assert_eq!(world.frames(client), ["420[\"question\",1]", "421[\"question\",2]"]);
    world.send(client, "431[\"b\"]");
    world.send(client, "431[\"again\"]");
    world.send(client, "4399[\"never asked\"]");
    world.advance(SECOND);
    world.send(client, "430[\"late\"]");
    assert_eq!(
        world.server.app().heard,
        ["ask 1", "ask 2", "answer \"b\"", "answer none"]
    );
    assert_eq!(world.server.counts().timers, 0);
}

#[test]
fn what_belongs_to_a_socket_ends_with_it() {
    let mut world = World::new();
    let (client, _) = world.joined();
    world.send(client, "42[\"ask\"]");
    world.send(client, "42[\"later\"]");
    assert_eq!(world.server.counts().timers, 2);
    world.send(client, "41");
    assert_eq!(world.server.counts().timers, 0);
    world.advance(100 * SECOND);
    assert_eq!(world.server.app().heard, ["ask ", "later "]);
}

#[test]
fn a_socket_has_a_limited_number_of_rooms_and_timers() {
    let mut options = Options::default();
    options.max_rooms = 3;
    options.max_pending = 4;
    let mut world = World::with(Settings::default(), options);
    let (client, _) = world.joined();
    for number in 0..10 {
        world.send(client, &format!("42[\"join\",\"{number}\"]"));
        world.send(client, "42[\"later\"]");
    }
    assert_eq!(world.server.counts().rooms, 3);
    assert_eq!(world.server.counts().timers, 4);
}

#[test]
fn volatile_events_are_for_clients_that_are_ready() {
    let mut world = World::new();
    let (sender, _) = world.joined();
    let (polling, _) = world.polling();
    world.post(polling.key, "40").expect("posted");
    world.poll(polling.key).expect("polled");
    world.send(sender, "42[\"volatile\",1]");
    assert_eq!(world.poll(polling.key), Ok(None), "it did not poll");
    world.send(sender, "42[\"volatile\",2]");
    assert_eq!(world.answer(polling.key).as_deref(), Some("42[\"volatile\",2]"));
    assert_eq!(world.frames(sender), ["42[\"volatile\",1]", "42[\"volatile\",2]"]);
    // A WebSocket that takes nothing.
    let blocked = sender.websocket.expect("a WebSocket");
    world.send(sender, "42[\"echo\",3]");
    let cx = Context::from_waker(Waker::noop());
    world.engine.drain(sender.key, blocked, &cx, |_| false);
    world.send(sender, "42[\"volatile\",4]");
    assert_eq!(world.frames(sender), ["42[\"echo\",3]"]);
}

fn recovering() -> World {
    let mut options = Options::default();
    options.recovery = Some(120 * SECOND);
    World::with(Settings::default(), options)
}

/// Joins `/`. Returns the id of the socket, its secret, and what else has arrived.
fn join(world: &mut World, auth: &str) -> (Client, String, String, Vec<String>) {
    let client = world.websocket();
    world.send(client, &format!("40{auth}"));
    let mut frames = world.frames(client);
    let answer = frames.remove(0);
    let secret = answer.split('"').nth(7).expect("pid").to_owned();
    (client, id_of(&answer), secret, frames)
}

fn offset(event: &str) -> &str {
    event.rsplit('"').nth(1).expect("offset")
}

fn lose(world: &mut World, client: Client) {
    world.send(client, "1");
}

#[test]
fn a_client_that_comes_back_keeps_its_id_its_rooms_and_what_it_has_missed() {
    let mut world = recovering();
    let (client, id, secret, frames) = join(&mut world, "");
    world.send(client, "42[\"join\",\"blue\"]");
    let last = offset(&frames[0]).to_owned();
    let (other, ..) = join(&mut world, "");
    lose(&mut world, client);
    world.send(other, "42[\"room\",\"blue\",1]");
    world.send(other, "42[\"room\",\"red\",2]");
    world.send(other, "42[\"all\",3]");
    world.send(other, "42[\"volatile\",4]");
    world.advance(60 * SECOND);
    let claim = format!("{{\"pid\":\"{secret}\",\"offset\":\"{last}\"}}");
    let (client, again, same_secret, frames) = join(&mut world, &claim);
    assert_eq!((again, same_secret), (id, secret.clone()));
    assert!(frames[0].starts_with("42[\"room\",\"blue\",1,\""), "{frames:?}");
    assert!(frames[1].starts_with("42[\"all\",3,\""), "{frames:?}");
    assert!(frames[2].starts_with("42[\"auth\","), "{frames:?}");
    assert_eq!(frames.len(), 3);
    world.send(client, "42[\"room\",\"blue\",5]");
    assert!(world.frames(client)[0].starts_with("42[\"room\",\"blue\",5,\""));
    // The secret of a socket that lives recovers nothing.
    let (_, third, ..) = join(&mut world, &claim);
    assert_ne!(Some(third), world.server.app().gone.first().map(|(id, _)| id.clone()));
}

#[test]
fn recovery_has_conditions() {
    let mut world = recovering();
    let mut try_again = |leave: &str, wait: Duration, change: fn(&mut String, &mut String)| {
        let (client, id, mut secret, frames) = join(&mut world, "");
        let mut last = offset(&frames[0]).to_owned();
        world.send(client, leave);
        world.advance(wait);
        change(&mut secret, &mut last);
        let claim = format!("{{\"pid\":\"{secret}\",\"offset\":\"{last}\"}}");
        let (_, again, ..) = join(&mut world, &claim);
        id == again
    };
    assert!(try_again("1", 119 * SECOND, |_, _| {}));
    assert!(!try_again("1", 121 * SECOND, |_, _| {}), "too late");
    assert!(!try_again("41", SECOND, |_, _| {}), "it has left");
    assert!(!try_again("42[\"kick\"]", SECOND, |_, _| {}), "it was disconnected");
    assert!(!try_again("1", SECOND, |secret, _| secret.make_ascii_uppercase()));
    assert!(!try_again("1", SECOND, |_, offset| offset.push('9')));
    assert!(!try_again("1", SECOND, |_, offset| *offset = "word".into()));
    world.advance(200 * SECOND);
    assert_eq!(world.server.counts().saved, 0);
}

/// While a client upgrades, the queue waits, and a ping in it: the client has all its time once it can have received it.
#[test]
fn a_probe_that_fails_does_not_cost_the_heartbeat() {
    let mut settings = Settings::default();
    settings.ping_interval = 5 * SECOND;
    settings.ping_timeout = 2 * SECOND;
    let mut world = World::with(settings, Options::default());
    let (client, _) = world.polling();
    world.advance(4 * SECOND);
    let client = world.connect(client.key);
    world.advance(SECOND);
    world.send(client, "2probe");
    world.advance(9 * SECOND);
    assert_eq!(world.poll(client.key), Ok(Some("2".into())));
    world.advance(SECOND);
    world.post(client.key, "3").expect("posted");
    world.advance(4 * SECOND);
    assert_eq!(world.poll(client.key), Ok(None));
    // And of course it may be too late.
    world.advance(SECOND);
    assert_eq!(world.answer(client.key).as_deref(), Some("2"));
    world.advance(2 * SECOND);
    assert_eq!(world.counts().0.open, 0);
}
