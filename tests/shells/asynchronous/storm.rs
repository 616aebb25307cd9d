//! Both ends of a real socket in `select!`, whose futures are dropped all the time.

use std::time::Duration;

use tokio::{
    net::{TcpListener, TcpStream},
    time::{MissedTickBehavior, interval, timeout},
};
use websocket_proto::{CloseCode, Config, Limits, Message, Negotiated, Role, SendError, tokio::WebSocket};

/// Messages in each direction.
const MESSAGES: u64 = 20_000;

/// The n-th message: its number, and as many bytes more as make reads and writes end anywhere.
fn message(n: u64) -> Message<'static> {
    let mut payload = n.to_string();
    payload.push(':');
    payload.extend(std::iter::repeat_n('x', usize::try_from(n * 7919 % 211).unwrap()));
    if n % 1000 == 0 {
        payload.push_str(&"long".repeat(20_000));
    }
    if n % 2 == 0 {
        Message::text(payload)
    } else {
        Message::binary(payload.into_bytes())
    }
}

enum Done {
    Flushed,
    Received(Option<Message<'static>>),
}

async fn storm(mut websocket: WebSocket<TcpStream>, period: Duration) -> WebSocket<TcpStream> {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut received, mut fed, mut flushed) = (0, 0, false);
    let mut turns = 0_u64;
    while received < MESSAGES || fed < MESSAGES || !flushed {
        // Whichever begins is dropped when another branch is ready first.
        turns += 1;
        tokio::select! {
            done = async {
                if turns % 3 == 0 {
                    websocket.flush().await.map(|()| Done::Flushed)
                } else {
                    websocket.recv().await.map(Done::Received)
                }
            } => match done.unwrap() {
                Done::Flushed => flushed = true,
                Done::Received(next) => {
                    assert_eq!(next.expect("no end before the last message"), message(received));
                    received += 1;
                }
            },
            _ = tick.tick() => {
                for _ in 0..(turns * 31 % 60) {
                    if fed == MESSAGES {
                        break;
                    }
                    match websocket.try_feed(message(fed)) {
                        Ok(()) => fed += 1,
                        Err(SendError::Full(_)) => break,
                        Err(error) => panic!("{error}"),
                    }
                    flushed = false;
                }
                if turns % 5 == 0 {
                    let _ = timeout(Duration::ZERO, websocket.ping(b"by the way")).await;
                }
            }
            // Lets turns without anything ready pass.
            () = tokio::task::yield_now() => {}
        }
    }
    websocket
}

#[tokio::test]
async fn every_message_arrives_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let config = Config::new().limits(Limits::new().output_high_water(100_000));
    let client = WebSocket::from_negotiated(ours.unwrap(), &Negotiated::new(Role::Client), &config);
    let server = WebSocket::from_negotiated(theirs.unwrap().0, &Negotiated::new(Role::Server), &config);
    let both = async {
        tokio::join!(
            storm(client, Duration::from_micros(300)),
            storm(server, Duration::from_micros(700)),
        )
    };
    let (mut client, mut server) = timeout(Duration::from_secs(60), both).await.expect("no hang");
    let closing = async { tokio::join!(client.close(CloseCode::NORMAL), server.recv()) };
    let (closed, received) = timeout(Duration::from_secs(10), closing).await.expect("no hang");
    closed.unwrap();
    assert!(received.unwrap().is_none());
    assert!(client.close_info().unwrap().clean && server.close_info().unwrap().clean);
}
