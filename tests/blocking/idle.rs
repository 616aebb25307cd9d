//! The memory that a connection holds while it waits: none.

use std::thread;

use websocket_proto::{Config, Error, Fragment, Negotiated, Role, blocking::WebSocket, frame::Opcode};

use crate::{
    script::{Endpoint, Script, config},
    support::{millis, with_raw_peer, within_seconds},
};

/// Bytes of masking keys that a client may keep, and their counter.
const KEYS: usize = 1024 + size_of::<usize>();

/// A server that reads `input` from its stream, and nothing more.
fn server(input: &[u8]) -> WebSocket<Script> {
    WebSocket::from_negotiated(Script::endless(input), &Negotiated::new(Role::Server), &config())
}

fn masked(fin: bool, opcode: Opcode, len: usize) -> Vec<u8> {
    Endpoint::Server.frame_of_peer(fin, opcode, &vec![b'x'; len])
}

#[test]
fn a_connection_that_waits_holds_no_buffer_whatever_came_before() {
    let mut inputs: Vec<(String, Vec<u8>)> = [0, 1, 50, 125, 1000, 4096 - 8, 4096, 20_000, 300_000, 2_000_000]
        .into_iter()
        .flat_map(|len| {
            [Opcode::Text, Opcode::Binary].map(|opcode| (format!("{opcode:?} of {len}"), masked(true, opcode, len)))
        })
        .collect();
    let fragmented = [
        masked(false, Opcode::Text, 500),
        masked(true, Opcode::Continuation, 500),
    ]
    .concat();
    inputs.push(("fragments".to_string(), fragmented));
    inputs.push((
        "a ping".to_string(),
        [masked(true, Opcode::Ping, 125), masked(true, Opcode::Text, 3)].concat(),
    ));
    for (what, input) in inputs {
        let mut server = server(&input);
        assert!(matches!(server.recv(), Ok(Some(_))), "{what}");
        server.send(vec![b'y'; 100_000]).unwrap();
        assert!(server.recv().is_err_and(|error| error.is_would_block()), "{what}");
        assert_eq!(server.into_parts().1.allocated(), 0, "after {what}");
    }
}

/// A blocking stream does not report that it is idle; some time without a byte shows it.
#[test]
fn a_blocked_connection_frees_the_buffers_of_large_messages() {
    within_seconds(10, || {
        for (opcode, len) in [
            (Opcode::Binary, 300_000),
            (Opcode::Text, 300_000),
            (Opcode::Text, 4096 - 8),
        ] {
            let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
            peer.send(opcode, &vec![b'x'; len]);
            assert!(matches!(server.recv(), Ok(Some(_))));
            let waiting = thread::spawn(move || {
                assert!(server.recv().is_err(), "the peer leaves");
                server
            });
            thread::sleep(millis(400));
            drop(peer);
            let server = waiting.join().unwrap();
            assert_eq!(server.stream().read_timeout().unwrap(), None);
            assert_eq!(server.into_parts().1.allocated(), 0, "after {opcode:?} of {len}");
        }
    });
}

/// Only the bytes of an incomplete frame are kept.
#[test]
fn a_connection_that_waits_inside_a_frame_holds_little() {
    let message = masked(true, Opcode::Text, 5);
    let ping = masked(true, Opcode::Ping, 100);
    for rest in [&message[..1], &message[..5], &ping[..50]] {
        let mut server = server(&[&message[..], rest].concat());
        assert!(matches!(server.recv(), Ok(Some(_))));
        assert!(server.recv().is_err_and(|error| error.is_would_block()));
        let allocated = server.into_parts().1.allocated();
        assert!(allocated <= rest.len(), "{allocated} bytes for {}", rest.len());
    }
}

#[test]
fn a_client_that_waits_holds_nothing_but_masking_keys() {
    let mut client = WebSocket::from_negotiated(
        Script::endless(b"\x81\x02hi"),
        &Negotiated::new(Role::Client),
        &config(),
    );
    assert!(matches!(client.recv(), Ok(Some(_))));
    client.send("hello").unwrap();
    client.feed(Fragment::more("a message that continues")).unwrap();
    let waiting: Result<_, Error> = client.recv();
    assert!(waiting.is_err_and(|error| error.is_would_block()));
    assert!(client.into_parts().1.allocated() <= KEYS);
}
