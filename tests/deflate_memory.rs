//! The memory that compression costs a connection, as documented on `DeflateConfig`.
//!
//! This is a separate target because the counting allocator replaces the global one. It counts by thread, so tests do not disturb
//! each other.

#![cfg(all(feature = "deflate", feature = "os-entropy"))]

use allocation_counter::measure;
use websocket_proto::{
    Buf, Config, Connection, ContextTakeover, DeflateConfig, DeflateParams, Event, Negotiated, Role,
};

const CONNECTIONS: usize = 20;

/// Text that is repetitive, but not the same throughout, whatever `seed` is.
fn json(len: usize, seed: usize) -> String {
    let items = (seed..).map(|i| format!("{{\"id\":{},\"name\":\"user {}\"}},", i * 7919 % 100_003, i * 31 % 977));
    let mut text = String::new();
    for item in items {
        if text.len() >= len {
            break;
        }
        text.push_str(&item);
    }
    text.truncate(len);
    text
}

fn pair(params: DeflateParams, config: DeflateConfig) -> (Connection, Connection) {
    let config = Config::new().deflate(config);
    let end = |role| Connection::from_negotiated(&Negotiated::new(role).with_deflate(params), &config);
    (end(Role::Client), end(Role::Server))
}

/// Sends a message and receives it at the other end. Returns how many bytes it had on the wire.
fn pass(from: &mut Connection, to: &mut Connection, text: &str) -> usize {
    from.feed(text).expect("room");
    let mut wire = 0;
    while from.output().has_remaining() {
        let n = from.output().chunk().len();
        to.receive(from.output().chunk());
        from.output().advance(n);
        wire += n;
    }
    match to.next_event() {
        Ok(Some(Event::Message(message))) => assert_eq!(message.as_text(), Some(text)),
        event => panic!("{event:?}"),
    }
    wire
}

/// Fills the thread's pool of compression states, so that it keeps no more of them when connections end.
fn fill_pool(params: DeflateParams, config: DeflateConfig) {
    let mut pairs: Vec<_> = (0..4).map(|_| pair(params, config)).collect();
    for (client, server) in &mut pairs {
        pass(client, server, &json(2000, 0));
    }
}

/// Bytes of heap of an idle server that has sent, received, or both, 100 messages with these settings.
fn per_server(params: DeflateParams, config: DeflateConfig, sends: bool, receives: bool) -> usize {
    let talk = |client: &mut Connection, server: &mut Connection| {
        for i in 0..100 {
            let text = json(1000, i);
            if sends {
                pass(server, client, &text);
            }
            if receives {
                pass(client, server, &text);
            }
        }
        client.release();
        server.release();
    };
    // The thread's own states are allocated first, because they do not belong to the connections.
    let (mut client, mut server) = pair(params, config);
    talk(&mut client, &mut server);
    drop((client, server));

    let mut clients = Vec::with_capacity(CONNECTIONS);
    let mut servers = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let (client, server) = pair(params, config);
        clients.push(client);
        servers.push(server);
    }
    for (client, server) in clients.iter_mut().zip(&mut servers) {
        talk(client, server);
    }
    fill_pool(params, config);
    let freed = measure(|| servers.clear());
    let allocated = usize::try_from(-freed.bytes_current).expect("freed");
    allocated / CONNECTIONS
}

/// The table on `DeflateConfig`.
#[test]
fn what_a_connection_holds() {
    let forbid = ContextTakeover::Forbid;
    let none = DeflateParams::new()
        .server_context_takeover(forbid)
        .client_context_takeover(forbid);
    let takeover = |bits| {
        DeflateParams::new()
            .server_max_window_bits(bits)
            .client_max_window_bits(bits)
    };
    let config = DeflateConfig::context_takeover()
        .server_max_window_bits(15)
        .client_max_window_bits(15);
    // The parameters of compression: about a hundred bytes for each direction.
    const FIXED: usize = 250;
    println!("setting                          sending  receiving");
    for (name, params, sending, receiving) in [
        ("no takeover", none, 0, 0),
        ("takeover, 9 bits", takeover(9), 512, 512),
        ("takeover, 10 bits", takeover(10), 1 << 10, 1 << 10),
        ("takeover, 12 bits", takeover(12), 4 << 10, 4 << 10),
        ("takeover, 13 bits", takeover(13), 279 << 10, 8 << 10),
        ("takeover, 15 bits", takeover(15), 372 << 10, 32 << 10),
    ] {
        let sent = per_server(params, config, true, false);
        let received = per_server(params, config, false, true);
        println!("{name:32} {sent:7}    {received:7}");
        assert!(sent <= sending + FIXED, "{name}: {sent} to send");
        assert!(received <= receiving + FIXED, "{name}: {received} to receive");
        assert!(
            per_server(params, config, false, false) <= FIXED,
            "{name}: nothing was compressed yet"
        );
    }
}

/// `allocated` reports the actual memory, except for the states that the thread keeps.
#[test]
fn allocated_reports_the_memory_of_compression() {
    for bits in [10, 12, 13, 15] {
        let params = DeflateParams::new()
            .server_max_window_bits(bits)
            .client_max_window_bits(bits);
        let config = DeflateConfig::context_takeover()
            .server_max_window_bits(15)
            .client_max_window_bits(15);
        let (mut client, mut server) = pair(params, config);
        for i in 0..40 {
            pass(&mut client, &mut server, &json(1000, i));
            pass(&mut server, &mut client, &json(1000, i));
        }
        fill_pool(params, config);
        for released in [false, true] {
            if released {
                server.release();
            }
            let reported = server.allocated();
            let mut copy = Some(std::mem::replace(
                &mut server,
                Connection::new(Role::Server, &Config::new()),
            ));
            if released {
                let freed = measure(|| drop(copy.take()));
                let freed = usize::try_from(-freed.bytes_current).unwrap_or(0);
                assert!(
                    freed.abs_diff(reported) <= 4000,
                    "{bits} bits: {reported} reported, {freed} freed"
                );
            } else {
                server = copy.take().expect("put there");
                assert!(reported > 1000);
            }
        }
    }
}

/// Once warm, compressing and decompressing whole messages allocates nothing.
#[test]
fn messages_allocate_nothing() {
    for params in [
        DeflateParams::new()
            .server_context_takeover(ContextTakeover::Forbid)
            .client_context_takeover(ContextTakeover::Forbid),
        DeflateParams::new()
            .server_max_window_bits(12)
            .client_max_window_bits(12),
        DeflateParams::new(),
    ] {
        let config = DeflateConfig::context_takeover()
            .server_max_window_bits(15)
            .client_max_window_bits(15);
        let (mut client, mut server) = pair(params, config);
        let texts: Vec<String> = (0..50).map(|i| json(1000 + 20 * i, i)).collect();
        let mut talk = || {
            for text in &texts {
                pass(&mut client, &mut server, text);
                pass(&mut server, &mut client, text);
            }
        };
        talk();
        assert_eq!(measure(talk).count_total, 0, "{params:?}");
    }
}
