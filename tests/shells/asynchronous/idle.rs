//! What a connection holds while it waits.

use websocket_proto::Config;

use crate::support::{BINARY, CONTINUATION, FIN, TEXT, Task, block_on, masked, server};

/// Half a header, half a Ping, half a code point: what is unread is kept, and no more, whatever happens to the future.
#[test]
fn unread_bytes_survive_the_return_of_the_buffer() {
    let frame = masked(FIN | TEXT, "ä".repeat(100).as_bytes());
    for cut in 1..frame.len() {
        let (mut websocket, script) = server(&Config::new());
        script.bytes(&frame[..cut]);
        let mut recv = Task::new(websocket.recv());
        assert!(recv.settle().is_pending());
        drop(recv);
        // Another connection takes the same buffer of the pool and overwrites it.
        let (mut other, other_script) = server(&Config::new());
        other_script.bytes(masked(FIN | BINARY, &[0xFF; 5000]));
        assert_eq!(block_on(&other_script, other.recv()).unwrap().unwrap().len(), 5000);
        assert!(Task::new(other.recv()).settle().is_pending());
        script.bytes(&frame[cut..]);
        let message = block_on(&script, websocket.recv()).unwrap().unwrap();
        assert_eq!(message.as_text(), Some(&*"ä".repeat(100)), "cut at {cut}");
    }
}

/// A fragmented message that waits for its rest keeps what arrived, while others use the buffers.
#[test]
fn an_open_message_survives() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(masked(BINARY, &[1; 3000]));
    assert!(Task::new(websocket.recv()).settle().is_pending());
    assert!(Task::new(websocket.recv()).settle().is_pending());
    script.bytes(masked(FIN | CONTINUATION, &[2; 3000]));
    let message = block_on(&script, websocket.recv()).unwrap().unwrap();
    assert_eq!(message.as_bytes(), [[1; 3000], [2; 3000]].concat());
}
