//! One connection, from its opening handshake to its end: the steps of the core's drivers, over async streams.
//!
//! A step that has to wait becomes a future. The two sides, the deadline and the end of the server are awaited together.
//! What did not complete is dropped, which `embedded-io-async` allows, and is asked for again in the next turn.

use core::future::pending;

use embassy_futures::{
    select::{Either, Either3, Either4, select, select3, select4},
    yield_now,
};
use embedded_io_async::{Read, Write};
use websocket_proto::{
    CloseCode, Config, Connection, Driver, Event, Inbound, Step, Time,
    handshake::{Accept, Opening},
};

use crate::board::{Board, ShutDown, Socket};

/// Bytes of a read of the opening handshake: no more than the smallest receive buffer.
const READ: usize = 256;

/// Which operations were asked for, and until when to wait for them.
#[derive(Default)]
struct Waiting {
    write: Option<Step>,
    read: Option<Step>,
    due: Option<Time>,
}

/// Serves a client until its connection has ended.
pub(crate) async fn serve<B: Board>(board: &B, config: &Config, socket: &mut B::Socket) {
    let (mut reader, mut writer) = socket.split();
    let opened = select(open(board, config, &mut reader, &mut writer), board.stopped()).await;
    // A client that is not let in was told so. There is nobody to report other errors to.
    if let Either::First(Some(mut connection)) = opened {
        echo(board, &mut connection, &mut reader, &mut writer).await;
    }
}

/// Performs the opening handshake. Its memory is free again when the connection begins.
async fn open<B: Board>(
    board: &B,
    config: &Config,
    reader: &mut impl Read,
    writer: &mut (impl Write + ShutDown),
) -> Option<Connection> {
    let mut opening = Opening::server(config, board.now());
    let mut buffer = [0; READ];
    loop {
        opening.turn();
        let mut waiting = Waiting::default();
        loop {
            match opening.next_step() {
                step @ (Step::Write | Step::Flush) => {
                    waiting.write = Some(step);
                    opening.write_started();
                }
                step @ (Step::Read | Step::Discard) => {
                    waiting.read = Some(step);
                    opening.read_started();
                }
                Step::Shutdown => {
                    writer.shut_down();
                    opening.shut_down();
                }
                Step::Time => opening.at(board.now()),
                Step::Yield => yield_now().await,
                Step::Wait(due) => {
                    waiting.due = due;
                    break;
                }
                _ => {
                    let request = opening.outcome().ok()?;
                    match opening.accept(&request, Accept::new()) {
                        Ok(negotiated) => return Some(Connection::from_negotiated(&negotiated, config)),
                        // The client is refused, which takes further steps.
                        Err(_) => waiting = Waiting::default(),
                    }
                }
            }
        }
        let write = write(waiting.write, writer, opening.chunk());
        let read = async {
            match waiting.read {
                Some(_) => reader.read(&mut buffer).await,
                None => pending().await,
            }
        };
        let done = select3(write, read, until(board, waiting.due)).await;
        // What was not done is asked for again.
        if waiting.write.is_some() {
            opening.write_blocked();
        }
        if waiting.read.is_some() {
            opening.read_blocked();
        }
        match done {
            Either3::First(Ok(0)) if waiting.write == Some(Step::Flush) => opening.flushed(),
            Either3::First(Ok(n)) if n > 0 => opening.wrote(n),
            Either3::First(_) => opening.write_failed(),
            Either3::Second(Ok(0)) => opening.read_ended(),
            Either3::Second(Ok(n)) => opening.read(&buffer[..n]),
            Either3::Second(Err(_)) => opening.read_failed(),
            Either3::Third(()) => opening.at(board.now()),
        }
    }
}

/// Sends every message back, until the connection has ended.
async fn echo<B: Board>(
    board: &B,
    connection: &mut Connection,
    reader: &mut impl Read,
    writer: &mut (impl Write + ShutDown),
) {
    let mut discarded = [0; 64];
    let mut is_stopping = false;
    loop {
        let (inbound, driver) = connection.drive();
        driver.turn();
        let Some(waiting) = steps(board, inbound, driver, writer).await else {
            return;
        };
        let write = write(waiting.write, writer, driver.chunk());
        let read = async {
            match waiting.read {
                Some(Step::Read) => reader.read(inbound.space()).await,
                Some(_) => reader.read(&mut discarded).await,
                None => pending().await,
            }
        };
        let stopped = async {
            match is_stopping {
                false => board.stopped().await,
                true => pending().await,
            }
        };
        let done = select4(write, read, until(board, waiting.due), stopped).await;
        // What was not done is asked for again.
        if waiting.write.is_some() {
            driver.write_blocked();
        }
        if waiting.read.is_some() {
            driver.read_blocked();
        }
        match done {
            Either4::First(Ok(0)) if waiting.write == Some(Step::Flush) => driver.flushed(),
            Either4::First(Ok(n)) if n > 0 => driver.wrote(n),
            Either4::First(_) => driver.write_failed(),
            Either4::Second(Ok(0)) => driver.read_ended(),
            Either4::Second(Ok(n)) => {
                if waiting.read == Some(Step::Read) {
                    inbound.advance(n);
                }
                driver.read(n);
            }
            Either4::Second(Err(_)) => driver.read_failed(),
            Either4::Third(()) => driver.at(board.now()),
            Either4::Fourth(()) => {
                is_stopping = true;
                // A connection that is closing already needs no further Close.
                let _ = driver.outbound().close(CloseCode::GOING_AWAY);
            }
        }
    }
}

/// Takes the events and asks for steps, until all that is left is to wait. Returns `None` at the end.
async fn steps<B: Board>(
    board: &B,
    inbound: &mut Inbound,
    driver: &mut Driver,
    writer: &mut impl ShutDown,
) -> Option<Waiting> {
    let mut waiting = Waiting::default();
    loop {
        while !driver.outbound().is_full() {
            match inbound.next_event(driver.outbound()) {
                // The message is lent, and copied to the output.
                Ok(Some(Event::Message(message))) => drop(driver.outbound().feed(message)),
                Ok(Some(_)) => {}
                // Pongs, and the Close that answers a Close or a failure, are in the output by themselves.
                Ok(None) | Err(_) => break,
            }
        }
        match driver.next(inbound) {
            step @ (Step::Write | Step::Flush) => {
                waiting.write = Some(step);
                driver.write_started();
            }
            step @ (Step::Read | Step::Discard) => {
                waiting.read = Some(step);
                driver.read_started();
            }
            Step::Shutdown => {
                writer.shut_down();
                driver.shut_down();
            }
            Step::Time => driver.at(board.now()),
            Step::Yield => yield_now().await,
            Step::Wait(due) => {
                waiting.due = due;
                return Some(waiting);
            }
            _ => return None,
        }
    }
}

/// Writes or flushes, if that was asked for. Returns how many bytes were written.
async fn write<W: Write>(step: Option<Step>, writer: &mut W, chunk: &[u8]) -> Result<usize, W::Error> {
    match step {
        Some(Step::Flush) => writer.flush().await.map(|()| 0),
        Some(_) => writer.write(chunk).await,
        None => pending().await,
    }
}

async fn until(board: &impl Board, due: Option<Time>) {
    match due {
        Some(due) => board.until(due).await,
        None => pending().await,
    }
}
