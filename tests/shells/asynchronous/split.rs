//! The halves of a connection, in one task or in two, over a scripted stream.

use std::{future::Future, pin::pin, task::Poll};

use futures_util::future::select;
use tokio::net::TcpStream;
use websocket_proto::{
    CloseCode, Config, Connection, Error, Negotiated, Role, asynchronous, futures,
    tokio::{RecvHalf, SendHalf, WebSocket},
};

use crate::support::{
    CLOSE, Driver, FIN, PING, PONG, Pipe, Step, TEXT, Task, close, frames, masked, narrow, server, unmasked,
};

fn assert_send_static<T: Send + 'static>() {}

fn assert_send<T: Send>(_: &T) {}

/// Whatever goes through a connection of a stream that is `Send` can be spawned.
#[test]
fn halves_and_futures_are_send() {
    assert_send_static::<WebSocket<TcpStream>>();
    assert_send_static::<SendHalf<TcpStream>>();
    assert_send_static::<RecvHalf<TcpStream>>();
    assert_send_static::<futures::WebSocket<async_net::TcpStream>>();
    assert_send_static::<futures::SendHalf<async_net::TcpStream>>();
    assert_send_static::<futures::RecvHalf<async_net::TcpStream>>();
    assert_send_static::<asynchronous::Acceptor<websocket_proto::tokio::Io<TcpStream>>>();
    assert_send_static::<asynchronous::Connector<websocket_proto::tokio::Io<TcpStream>>>();
    assert_send_static::<Error>();

    let (mut websocket, _script) = server(&Config::new());
    assert_send(&websocket.recv());
    assert_send(&websocket.recv_ref());
    assert_send(&websocket.recv_event());
    assert_send(&websocket.send("x"));
    assert_send(&websocket.feed(vec![1]));
    assert_send(&websocket.ping(b""));
    assert_send(&websocket.close(None));
    let (mut send, mut recv) = websocket.split();
    assert_send(&recv.recv());
    assert_send(&recv.recv_ref());
    assert_send(&recv.recv_event());
    assert_send(&send.send("x"));
    assert_send(&send.flush());
    assert_send(&send.close(None));
}

/// Futures are small, so that those of the application are: nothing of the connection is in them.
#[test]
fn futures_are_small() {
    let (mut websocket, _script) = server(&Config::new());
    let recv = size_of_val(&websocket.recv());
    let recv_ref = size_of_val(&websocket.recv_ref());
    let recv_event = size_of_val(&websocket.recv_event());
    let flush = size_of_val(&websocket.flush());
    let sizes = [recv, recv_ref, recv_event, flush, size_of_val(&websocket.close(None))];
    assert!(sizes.iter().all(|&size| size <= 256), "{sizes:?}");
    assert!(
        size_of_val(&websocket.send("x")) <= 512,
        "{}",
        size_of_val(&websocket.send("x"))
    );
    let (pipe, _script) = Pipe::new();
    let mut acceptor = asynchronous::Acceptor::<Pipe>::new(pipe, &Config::new());
    let size = size_of_val(&acceptor.recv_request());
    assert!(size <= 64, "{size}");
    let whole = size_of_val(&WebSocket::accept(tokio::io::empty()));
    assert!(whole <= 4096, "{whole}");
}

/// Pings and the Close are answered by the receiving half while nobody touches the other.
#[test]
fn the_receiving_half_answers() {
    let (websocket, script) = server(&Config::new());
    let (send, mut recv) = websocket.split();
    script.bytes(masked(FIN | PING, b"x"));
    let mut task = Task::new(recv.recv());
    assert!(task.settle().is_pending());
    assert_eq!(script.written(), unmasked(FIN | PONG, b"x"));
    script.bytes(close(1001));
    assert!(task.settle().is_pending());
    assert_eq!(
        frames(&script.written())[1],
        (FIN | CLOSE, 1001_u16.to_be_bytes().to_vec())
    );
    script.push(Step::Eof);
    assert!(matches!(task.settle(), Poll::Ready(Ok(None))));
    drop(task);
    assert!(send.close_info().unwrap().clean);
    assert_eq!(recv.close_info(), send.close_info());
}

/// CL-11: closing from either half, even from both, sends one Close.
#[test]
fn either_half_closes() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    let mut receiver = Task::new(recv.recv());
    assert!(receiver.settle().is_pending());
    assert!(matches!(
        Task::new(send.close(CloseCode::NORMAL)).settle(),
        Poll::Ready(Ok(()))
    ));
    assert!(receiver.is_woken(), "there is a deadline to watch");
    assert!(matches!(
        Task::new(send.close(CloseCode::GOING_AWAY)).settle(),
        Poll::Ready(Ok(()))
    ));
    script.bytes(close(1000));
    script.push(Step::Eof);
    assert!(matches!(receiver.settle(), Poll::Ready(Ok(None))));
    assert_eq!(script.written(), unmasked(FIN | CLOSE, &[3, 0xE8]));
}

/// CL-13: the client closes behind the server, also when it keeps the connection, so that the server need not wait.
#[test]
fn a_client_closes_behind_the_server() {
    for split in [false, true] {
        let (pipe, script) = Pipe::new();
        let mut websocket = asynchronous::WebSocket::from_parts(
            pipe,
            Connection::from_negotiated(&Negotiated::new(Role::Client), &Config::new()),
        );
        script.bytes(unmasked(FIN | CLOSE, &[3, 0xE8]));
        if split {
            let (_send, mut recv) = websocket.split();
            let mut task = Task::new(recv.recv());
            assert!(task.settle().is_pending());
            script.push(Step::Eof);
            assert!(matches!(task.settle(), Poll::Ready(Ok(None))));
        } else {
            let mut task = Task::new(websocket.close(CloseCode::NORMAL));
            assert!(task.settle().is_pending());
            assert_eq!(script.shutdowns(), 0, "the server goes first");
            script.push(Step::Eof);
            assert!(matches!(task.settle(), Poll::Ready(Ok(()))));
        }
        assert_eq!(script.shutdowns(), 1);
    }
}

#[test]
fn halves_reunite_with_their_other_only() {
    let (websocket, script) = server(&Config::new());
    let (mut send, mut recv) = websocket.split();
    let (strange_send, strange_recv) = server(&Config::new()).0.split();
    // State of both directions survives: half a frame received, a message queued.
    let text = masked(FIN | TEXT, b"whole");
    script.bytes(&text[..4]);
    assert!(Task::new(recv.recv()).settle().is_pending());
    send.try_feed("queued").unwrap();

    let error = send.reunite(strange_recv).unwrap_err();
    assert!(error.to_string().starts_with("halves belong to different connections"));
    let (send, strange_recv) = error.into_halves();
    let (strange_send, recv) = strange_send.reunite(recv).unwrap_err().into_halves();
    assert!(strange_send.reunite(strange_recv).is_ok());
    let clone = send.clone();
    let (send, recv) = send.reunite(recv).unwrap_err().into_halves();
    drop(clone);

    let mut websocket = send.reunite(recv).unwrap();
    script.bytes(&text[4..]);
    let Poll::Ready(Ok(Some(message))) = Task::new(websocket.recv()).settle() else {
        panic!("the message")
    };
    assert_eq!(message.as_text(), Some("whole"));
    assert_eq!(script.written(), unmasked(FIN | TEXT, b"queued"));
}

/// Both halves in one `select!`-like future, dropped all the time.
#[test]
fn a_select_of_both_halves_loses_nothing() {
    let (websocket, script) = server(&narrow());
    let (mut send, mut recv) = websocket.split();
    script.write_width(2);
    script.write_pauses();
    let texts: Vec<String> = (0..30).map(|n| format!("message {n}")).collect();
    let input: Vec<u8> = texts
        .iter()
        .flat_map(|text| masked(FIN | TEXT, text.as_bytes()))
        .collect();
    script.trickle(&input, 5);
    let (mut received, mut fed) = (vec![], 0);
    let mut driver = Driver::new(&script, crate::support::Cut::Every(3));
    while received.len() < texts.len() || fed < texts.len() {
        let text = &*texts[fed.min(texts.len() - 1)];
        let (is_done, all_received) = (fed == texts.len(), received.len() == texts.len());
        let chosen = driver.run(async {
            let feed = pin!(unless(is_done, send.feed(text)));
            let recv = pin!(unless(all_received, recv.recv()));
            match select(feed, recv).await {
                futures_util::future::Either::Left((fed, _)) => Err(fed),
                futures_util::future::Either::Right((message, _)) => Ok(message.unwrap().unwrap()),
            }
        });
        match chosen {
            Some(Ok(message)) => received.push(message.as_text().unwrap().to_owned()),
            Some(Err(result)) => {
                result.unwrap();
                fed += 1;
            }
            None => {}
        }
    }
    driver.repeat(|driver| driver.run(send.flush())).unwrap();
    assert_eq!(received, texts);
    let expected: Vec<u8> = texts
        .iter()
        .flat_map(|text| unmasked(FIN | TEXT, text.as_bytes()))
        .collect();
    assert_eq!(script.written(), expected);
}

async fn unless<F: Future>(never: bool, future: F) -> F::Output {
    if never {
        std::future::pending().await
    } else {
        future.await
    }
}
