//! A connection as a sink.

use std::{pin::Pin, task::Poll};

use futures_util::{FutureExt, Sink, SinkExt, StreamExt, stream};
use websocket_proto::{Config, Error, Limits, Message, SendError};

use crate::support::{CLOSE, FIN, PING, PONG, Step, TEXT, Task, block_on, close, frames, masked, server, unmasked};

fn messages(n: usize) -> Vec<Message<'static>> {
    (0..n).map(|n| Message::from(n.to_string()).into_owned()).collect()
}

fn on_the_wire(n: usize) -> Vec<u8> {
    (0..n)
        .flat_map(|n| unmasked(FIN | TEXT, n.to_string().as_bytes()))
        .collect()
}

/// Neither waits for each message: they leave together.
#[test]
fn send_all_flushes_once() {
    let (mut websocket, script) = server(&Config::new());
    block_on(&script, websocket.send_all(&mut stream::iter(messages(50)).map(Ok))).unwrap();
    assert_eq!(script.writes(), [on_the_wire(50)]);
}

/// `forward` sends, flushes and closes. Closing reads nothing on behalf of another task (DRV-07), so it does not wait for the
/// peer either.
#[test]
fn forward_closes() {
    let (websocket, script) = server(&Config::new().limits(Limits::new().output_high_water(5)));
    script.write_width(3);
    script.write_pauses();
    let mut forward = Task::new(stream::iter(messages(20)).map(Ok).forward(websocket));
    let ended = loop {
        match forward.settle() {
            Poll::Pending if script.tick() => {}
            ended => break ended,
        }
    };
    assert!(matches!(ended, Poll::Ready(Ok(()))), "{ended:?}");
    let expected = [on_the_wire(20), unmasked(FIN | CLOSE, &[3, 0xE8])].concat();
    assert_eq!(script.written(), expected);
}

/// An echo made of the two halves.
#[test]
fn halves_forward_to_each_other() {
    let (websocket, script) = server(&Config::new());
    let (send, recv) = websocket.split();
    let mut input: Vec<u8> = (0..20)
        .flat_map(|n: u8| masked(FIN | TEXT, n.to_string().as_bytes()))
        .collect();
    input.extend(close(1001));
    script.trickle(&input, 30);
    script.push(Step::Eof);
    let result = block_on(&script, recv.forward(send));
    assert!(result.is_ok(), "{result:?}");
    let frames = frames(&script.written());
    assert_eq!(frames.len(), 21);
    assert_eq!(frames[20], (FIN | CLOSE, 1001_u16.to_be_bytes().to_vec()));
}

/// `poll_ready` waits for room, `start_send` takes the message, and refuses it where there is none.
#[test]
fn a_full_sink_is_not_ready() {
    let (websocket, script) = server(&Config::new().limits(Limits::new().output_high_water(5)));
    let (mut send, _recv) = websocket.split();
    script.block();
    assert!(ready(&mut send).now_or_never().unwrap().is_ok());
    Pin::new(&mut send)
        .start_send(Message::from("over five bytes"))
        .unwrap();
    let mut waiting = Task::new(ready(&mut send));
    assert!(waiting.settle().is_pending());
    script.unblock();
    assert!(matches!(waiting.settle(), Poll::Ready(Ok(()))));
    drop(waiting);
    script.block();
    Pin::new(&mut send)
        .start_send(Message::from("over five bytes"))
        .unwrap();
    let refused = Pin::new(&mut send).start_send(Message::from("no room"));
    assert!(matches!(refused, Err(Error::Send(SendError::Full(())))), "{refused:?}");
}

/// What `poll_ready` promised holds, also if Pings came in between whose answers fill the queue.
#[test]
fn a_ready_sink_takes_a_message() {
    let config = Config::new().limits(Limits::new().output_high_water(5));
    let pings = masked(FIN | PING, b"over five bytes").repeat(3);
    let pongs = unmasked(FIN | PONG, b"over five bytes");

    let (mut websocket, script) = server(&config);
    script.block();
    assert!(ready(&mut websocket).now_or_never().unwrap().is_ok());
    script.bytes(pings.clone());
    assert!(websocket.next().now_or_never().is_none());
    Pin::new(&mut websocket).start_send(Message::from("promised")).unwrap();
    let refused = Pin::new(&mut websocket).start_send(Message::from("no room"));
    assert!(matches!(refused, Err(Error::Send(SendError::Full(())))), "{refused:?}");
    script.unblock();
    block_on(&script, websocket.flush()).unwrap();
    let written = script.written();
    assert!(written.starts_with(&pongs));
    let promised = unmasked(FIN | TEXT, b"promised");
    assert!(written.windows(promised.len()).any(|window| window == promised));

    let (websocket, script) = server(&config);
    let (mut send, mut recv) = websocket.split();
    script.block();
    assert!(ready(&mut send).now_or_never().unwrap().is_ok());
    script.bytes(pings);
    assert!(recv.next().now_or_never().is_none());
    Pin::new(&mut send).start_send(Message::from("promised")).unwrap();
    let refused = Pin::new(&mut send).start_send(Message::from("no room"));
    assert!(matches!(refused, Err(Error::Send(SendError::Full(())))), "{refused:?}");
}

fn ready<S: Sink<Message<'static>, Error = Error> + Unpin>(sink: &mut S) -> impl Future<Output = Result<(), Error>> {
    std::future::poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx))
}

/// A closed sink can be closed again, and refuses what is sent.
#[test]
fn a_closed_sink_stays_closed() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(close(1000));
    script.push(Step::Eof);
    block_on(&script, SinkExt::close(&mut websocket)).unwrap();
    block_on(&script, SinkExt::close(&mut websocket)).unwrap();
    let sent = block_on(&script, SinkExt::send(&mut websocket, Message::from("late")));
    assert!(matches!(sent, Err(Error::Send(SendError::Closing(())))), "{sent:?}");
    assert_eq!(script.written(), unmasked(FIN | CLOSE, &[3, 0xE8]));
}

/// The sink of the sending half is closed once the Close is written; the receiving half finishes the handshake.
#[test]
fn the_half_closes_without_waiting_for_the_peer() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    block_on(&script, SinkExt::close(&mut send)).unwrap();
    assert_eq!(script.written(), unmasked(FIN | CLOSE, &[3, 0xE8]));
    script.bytes(close(1000));
    script.push(Step::Eof);
    assert!(block_on(&script, recv.next()).is_none());
    assert!(send.close_info().unwrap().clean);
}

/// A failed write surfaces through the sink.
#[test]
fn a_sink_reports_failure() {
    let (mut websocket, script) = server(&Config::new());
    script.fail_writes_after(0);
    let sent = block_on(&script, SinkExt::send(&mut websocket, Message::from("x")));
    assert!(matches!(sent, Err(Error::Io(_))), "{sent:?}");
    assert!(block_on(&script, SinkExt::flush(&mut websocket)).is_err());
    assert!(block_on(&script, SinkExt::close(&mut websocket)).is_err());
}
