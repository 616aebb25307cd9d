//! A custom loop over an HTTP/2 stream, quoted in the guide: it moves DATA frames between h2 and a connection.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::{
    io::AsyncWriteExt,
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use websocket_proto::{
    Buf, CloseCode, Config, Connection, Driver, Event, ProtocolError, Step, Time, Timer, Timers,
    handshake::{Accept, UpgradeRequest},
};

use crate::{
    over_h2::{connect, open, open_stream, until_enabled, websocket_server},
    support::run,
};

/// A stream of HTTP/2.
struct Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
}

impl Stream {
    /// Returns how many bytes the peer accepts, up to `most` and at least one.
    fn poll_capacity(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Option<usize>> {
        self.send.reserve_capacity(most);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(self.send.capacity().min(most)))
    }

    /// Returns the next DATA frame that is not empty, and grants the peer as many bytes more.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        loop {
            let data = ready!(self.recv.poll_data(cx)).transpose()?;
            let Some(data) = data else { return Poll::Ready(None) };
            self.recv.flow_control().release_capacity(data.len())?;
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }
}

/// Echoes until the connection ends.
async fn echo(connection: &mut Connection, stream: &mut Stream) -> Result<(), ProtocolError> {
    let origin = Instant::now();
    let mut timer = pin!(sleep_until(origin));
    poll_fn(|cx| {
        loop {
            match turn(connection, stream, cx, Time::from_origin(origin.elapsed())) {
                Step::Wait(None) => return Poll::Pending,
                Step::Wait(Some(due)) => {
                    timer.as_mut().reset(origin + due.since_origin());
                    ready!(timer.as_mut().poll(cx));
                }
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                _ => return Poll::Ready(connection.drive().1.outcome()),
            }
        }
    })
    .await
}

/// Continues until the stream is not ready. Returns `Wait`, `Yield` or `Ended`.
fn turn(connection: &mut Connection, stream: &mut Stream, cx: &mut Context<'_>, now: Time) -> Step {
    let (inbound, driver) = connection.drive();
    driver.turn();
    loop {
        while !driver.outbound().is_full() {
            match inbound.next_event(driver.outbound()) {
                Ok(Some(Event::Message(message))) => drop(driver.outbound().feed(message)),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        match driver.next(inbound) {
            Step::Write => match stream.poll_capacity(cx, Driver::MAX_WRITE) {
                Poll::Pending => driver.write_blocked(),
                Poll::Ready(None) => driver.write_failed(),
                Poll::Ready(Some(most)) => {
                    let mut output = driver.take_output();
                    let data = output.copy_to_bytes(output.remaining().min(most));
                    match stream.send.send_data(data, false) {
                        Ok(()) => driver.return_output(output),
                        Err(_) => driver.write_failed(),
                    }
                }
            },
            Step::Flush => driver.flushed(), // h2 writes by itself
            Step::Shutdown => {
                // END_STREAM, unless the stream was reset.
                let _ = stream.send.send_data(Bytes::new(), true);
                driver.shut_down();
            }
            step @ (Step::Read | Step::Discard) => match stream.poll_data(cx) {
                Poll::Pending => driver.read_blocked(),
                // END_STREAM.
                Poll::Ready(None) => driver.read_ended(),
                // RST_STREAM, for example.
                Poll::Ready(Some(Err(_))) => driver.read_failed(),
                Poll::Ready(Some(Ok(data))) => {
                    if step == Step::Read {
                        inbound.receive(&data);
                    }
                    driver.read(data.len());
                }
            },
            Step::Time => driver.at(now),
            Step::Wait(Some(due)) if due <= now => driver.at(now),
            step => return step,
        }
    }
}

/// A client of a server that runs the loop on each of its streams, and the results of the loops.
async fn echo_server(
    config: Config,
) -> (
    h2::client::SendRequest<Bytes>,
    mpsc::UnboundedReceiver<Result<(), ProtocolError>>,
) {
    let (ends, ended) = mpsc::unbounded_channel();
    let client = connect(websocket_server(), move |request, mut respond| {
        let (config, ends) = (config.clone(), ends.clone());
        async move {
            let upgrade_request = UpgradeRequest::from_connect(&request, "websocket").expect("a valid request");
            let accepted = upgrade_request.accept(Accept::new()).expect("a valid answer");
            let response = accepted.response_http::<Bytes>().map(drop);
            let mut stream = Stream {
                send: respond.send_response(response, false).expect("sent"),
                recv: request.into_body(),
            };
            let mut connection = Connection::from_negotiated(&accepted.into_negotiated(), &config);
            let _ = ends.send(echo(&mut connection, &mut stream).await);
        }
    });
    let client = client.await;
    until_enabled(&client).await;
    (client, ended)
}

async fn next(ended: &mut mpsc::UnboundedReceiver<Result<(), ProtocolError>>) -> Result<(), ProtocolError> {
    let end = timeout(Duration::from_secs(3), ended.recv()).await;
    end.expect("in time").expect("an end")
}

/// H2-08, H2-09: messages far larger than the window of a stream, and the closing handshake.
#[test]
fn echo_and_close() {
    run(async {
        let (mut client, mut ended) = echo_server(Config::new()).await;
        let mut websocket = open(&mut client).await;
        for len in [0, 1, 1000, 100_000, 3 << 20] {
            let sent: Vec<u8> = (0..len).map(|index: u32| index.to_le_bytes()[1]).collect();
            websocket.send(&sent[..]).await.expect("sent");
            let message = websocket.recv().await.expect("received").expect("a message");
            assert!(message.as_bytes() == sent, "{len}");
        }
        websocket.close(CloseCode::NORMAL).await.expect("closed");
        assert!(websocket.close_info().expect("a closure").clean);
        assert_eq!(next(&mut ended).await, Ok(()));
    });
}

/// H2-09, CL-20, CL-22: END_STREAM and RST_STREAM without a Close.
#[test]
fn lost() {
    run(async {
        let (mut client, mut ended) = echo_server(Config::new()).await;
        let (mut stream, _) = open_stream(&mut client).await;
        stream.shutdown().await.expect("END_STREAM");
        assert_eq!(next(&mut ended).await, Err(ProtocolError::ConnectionLost));

        drop(open_stream(&mut client).await);
        assert_eq!(next(&mut ended).await, Err(ProtocolError::ConnectionLost));
    });
}

/// H2-08: deadlines fire while nothing happens on the stream.
#[test]
fn deadlines() {
    run(async {
        let interval = Duration::from_millis(50);
        let timers = Timers::new().keepalive(interval).pong(interval);
        let (mut client, mut ended) = echo_server(Config::new().timers(timers)).await;
        // It does not answer the Ping.
        let (_stream, _) = open_stream(&mut client).await;
        assert_eq!(next(&mut ended).await, Err(ProtocolError::TimedOut(Timer::Keepalive)));
    });
}
