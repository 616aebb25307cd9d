//! A server for experiments: what is typed goes to every client, and what they send is shown with their number.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Error, Event, PreparedMessage,
    handshake::{Accept, OriginPolicy, Rejection, UpgradeRequest},
    tokio::{Shutdown, ShutdownGuard, WebSocket},
};

use crate::{
    commands::{self, Action},
    follow::Failure,
    input::{Incoming, Input},
    output::Output,
    report,
    session::{Session, read_file},
    visible,
};

/// The most clients at a time.
const MOST_CLIENTS: usize = 64;

/// How many messages may wait for a client. The sender waits for the slowest client, until its connection fails.
const BACKLOG: usize = 16;

/// How long the closing handshakes may take at the end.
const GRACE: Duration = Duration::from_secs(6);

/// What the clients' tasks share.
struct Hall {
    config: Config,
    subprotocols: Vec<String>,
    origins: OriginPolicy,
    echo: bool,
    output: Output,
    clients: Mutex<Clients>,
    /// Notified when a client arrives.
    arrival: Notify,
}

#[derive(Default)]
struct Clients {
    last: u32,
    present: BTreeMap<u32, mpsc::Sender<Order>>,
}

/// What a client's task is told.
#[derive(Clone)]
enum Order {
    Send(PreparedMessage),
    Ping(String),
    Close(CloseCode, String),
}

/// Serves until the input ends, `/close` is typed, or the program is asked to end.
pub(crate) async fn listen(
    session: &Session<'_>,
    address: SocketAddr,
    mut start: impl FnMut() -> Input,
) -> Result<(), Failure> {
    let options = session.options;
    if !options.headers.is_empty() || options.insecure || options.cacert.is_some() || options.proxy.is_some() {
        let which = "--header, --insecure, --cacert and --proxy are for connecting";
        return Err(format!("{which}, not for --listen").into());
    }
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => format!("cannot listen on {address}: another program already does"),
        _ => format!("cannot listen on {address}: {error}"),
    })?;
    let local = listener.local_addr().map_err(|error| error.to_string())?;
    session.output.report(&format!("listening on ws://{local}")).await;

    let hall = Arc::new(Hall {
        config: options.config(),
        subprotocols: options.subprotocols.clone(),
        origins: OriginPolicy::allow_list(options.origin.as_deref()),
        echo: options.echo,
        output: session.output.clone(),
        clients: Mutex::default(),
        arrival: Notify::new(),
    });
    let shutdown = Shutdown::new();
    let mut input = start();
    let ended = tokio::select! {
        () = shutdown.serve(listener, |stream, peer, guard| serve(Arc::clone(&hall), stream, peer, guard)) => Ok(()),
        ended = speak(session, &hall, &mut input) => ended,
        () = session.signals.received(1) => Ok(()),
        () = session.output.broken() => Ok(()),
    };
    // Those that were not told anything else are told 1001.
    let outcome = shutdown.finish(GRACE).await;
    if !outcome.is_graceful() {
        let dropped = format!("{} connections did not end in time, and were dropped", outcome.dropped);
        session.output.notice(&dropped).await;
    }
    Ok(ended?)
}

/// Passes the input on, until it ends.
async fn speak(session: &Session<'_>, hall: &Hall, input: &mut Input) -> Result<(), String> {
    loop {
        let is_interactive = input.is_interactive;
        let order = match input.next().await {
            Incoming::Text(text) if is_interactive => match commands::parse(text) {
                Ok(action) => order(session, action).await,
                Err(sentence) => Err(sentence),
            },
            Incoming::Text(text) => Ok(Some(Order::Send(PreparedMessage::text(text.as_str())))),
            Incoming::Binary(bytes) => Ok(Some(Order::Send(PreparedMessage::binary(bytes.as_slice())))),
            Incoming::End if session.options.no_close && !is_interactive => std::future::pending().await,
            Incoming::End => Ok(Some(Order::Close(CloseCode::NORMAL, String::new()))),
            Incoming::Failed(why) => Err(why.clone()),
        };
        let failed = matches!(input.next().await, Incoming::Failed(_));
        match order {
            Ok(Some(order)) => {
                let is_close = matches!(order, Order::Close(..));
                if !is_close && hall.clients().present.is_empty() {
                    if is_interactive {
                        session.output.complain("not sent: nobody is connected").await;
                        input.done();
                        continue;
                    }
                    // A pipe can wait for the first client.
                    hall.somebody().await;
                }
                hall.tell(&order).await;
                if is_close {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(why) if failed => {
                hall.tell(&Order::Close(CloseCode::NORMAL, String::new())).await;
                return Err(why);
            }
            Err(sentence) => session.output.complain(&sentence).await,
        }
        input.done();
    }
}

/// Turns what was typed into an order. `None` if it concerns no client.
async fn order(session: &Session<'_>, action: Action<'_>) -> Result<Option<Order>, String> {
    Ok(Some(match action {
        Action::Send(text) => Order::Send(PreparedMessage::text(text)),
        Action::Ping(payload) => Order::Ping(payload.into()),
        Action::Binary(path) => {
            let bytes = read_file(path.into(), session.options.max_message_size).await?;
            Order::Send(PreparedMessage::binary(bytes))
        }
        Action::Close(frame) => Order::Close(frame.code, frame.reason.into()),
        Action::Help => {
            for line in commands::HELP {
                session.output.report(line).await;
            }
            return Ok(None);
        }
    }))
}

impl Hall {
    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is a client.
    async fn somebody(&self) {
        loop {
            let arrival = self.arrival.notified();
            if !self.clients().present.is_empty() {
                return;
            }
            arrival.await;
        }
    }

    async fn tell(&self, order: &Order) {
        let present: Vec<_> = self.clients().present.values().cloned().collect();
        for client in present {
            // A client that has gone is not told.
            let _ = client.send(order.clone()).await;
        }
    }

    /// Admits a client, if there is room. Returns its number and its orders.
    fn admit(&self) -> Option<(u32, mpsc::Receiver<Order>)> {
        let mut clients = self.clients();
        if clients.present.len() >= MOST_CLIENTS {
            return None;
        }
        let (sender, orders) = mpsc::channel(BACKLOG);
        clients.last += 1;
        let number = clients.last;
        clients.present.insert(number, sender);
        self.arrival.notify_waiters();
        Some((number, orders))
    }

    fn decide(&self, request: &UpgradeRequest) -> Result<Accept, Rejection> {
        if request.check_origin(&self.origins).is_err() {
            return Err(Rejection::new(403).body("This origin may not connect.\n"));
        }
        if self.clients().present.len() >= MOST_CLIENTS {
            return Err(Rejection::new(503).body("Too many clients.\n"));
        }
        let names: Vec<_> = self.subprotocols.iter().map(String::as_str).collect();
        Ok(match request.select_subprotocol(&names) {
            Some(subprotocol) => Accept::new().subprotocol(subprotocol),
            None => Accept::new(),
        })
    }
}

/// A client that is present until this is dropped.
struct Present<'a>(&'a Hall, u32);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.clients().present.remove(&self.1);
    }
}

async fn serve(hall: Arc<Hall>, stream: TcpStream, peer: SocketAddr, mut guard: ShutdownGuard) {
    let _ = stream.set_nodelay(true);
    let mut origin = None;
    let opening = WebSocket::accept_with(stream, &hall.config, async |request: &UpgradeRequest| {
        origin = request.origin().map(|origin| visible::beginning(origin, 100));
        hall.decide(request)
    });
    let opened = match guard.unless_requested(opening).await {
        Some(opened) => opened,
        None => return,
    };
    let mut websocket = match opened {
        Ok((websocket, _)) => websocket,
        Err(Error::Rejected(403)) => {
            let origin = origin.unwrap_or_default();
            let advice = format!("refused a page of {origin}: allow it with --origin {origin}");
            return hall.output.notice(&advice).await;
        }
        Err(error) => {
            return hall
                .output
                .notice(&format!("{peer}: {}", report::failure(&error)))
                .await;
        }
    };
    let Some((number, mut orders)) = hall.admit() else {
        let _ = websocket.close(CloseCode::TRY_AGAIN_LATER).await;
        return;
    };
    let present = Present(&hall, number);
    let connected = report::connected(&peer.to_string(), websocket.subprotocol(), websocket.deflate());
    hall.output.notice(&format!("{number}: {connected}")).await;
    let result = talk(&hall, number, &mut websocket, &mut orders, &mut guard).await;
    drop(present);
    let ended = match (websocket.close_info(), result) {
        (Some(info), _) => report::closed(&info, "the client"),
        (None, Err(error)) => report::failure(&error),
        (None, Ok(())) => "Connection closed".into(),
    };
    hall.output.notice(&format!("{number}: {ended}")).await;
}

/// Shows what a client sends, and sends it what it is told to.
async fn talk(
    hall: &Hall,
    number: u32,
    websocket: &mut WebSocket<TcpStream>,
    orders: &mut mpsc::Receiver<Order>,
    guard: &mut ShutdownGuard,
) -> Result<(), Error> {
    let mut pinged: Option<Instant> = None;
    loop {
        tokio::select! {
            received = websocket.recv_event() => match received? {
                None => return Ok(()),
                Some(Event::Message(message)) => {
                    hall.output.message(Some(number), &message).await;
                    if hall.echo {
                        let message = message.into_owned();
                        websocket.feed(message).await?;
                    }
                }
                Some(Event::Pong(_)) => {
                    if let Some(sent) = pinged.take() {
                        hall.output.report(&format!("{number}: pong after {:.1?}", sent.elapsed())).await;
                    }
                }
                Some(_) => {}
            },
            Some(order) = orders.recv() => match order {
                Order::Send(message) => websocket.feed(&message).await?,
                Order::Ping(payload) => {
                    pinged = Some(Instant::now());
                    websocket.ping(payload.as_bytes()).await?;
                }
                Order::Close(code, reason) => return websocket.close(CloseFrame::new(code, &reason)).await,
            },
            () = guard.requested() => {
                // What was said before the end is still sent.
                while let Ok(order) = orders.try_recv() {
                    match order {
                        Order::Send(message) => websocket.feed(&message).await?,
                        Order::Ping(_) => {}
                        Order::Close(code, reason) => return websocket.close(CloseFrame::new(code, &reason)).await,
                    }
                }
                return websocket.close(CloseCode::GOING_AWAY).await;
            }
        }
    }
}
