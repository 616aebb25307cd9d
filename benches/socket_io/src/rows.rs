//! What is measured of one server.

use std::{io, thread, time::Duration};

use crate::{child::Child, client::Client};

/// How much of everything is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Connections of the rows about broadcasts.
    pub(crate) crowd: usize,
    /// Connections of the rows about memory and opening.
    pub(crate) idle: usize,
    /// Rounds of opening all of them.
    pub(crate) openings: usize,
    /// Messages that each of the 100 clients sends.
    pub(crate) echoes: usize,
    pub(crate) broadcasts: usize,
}

pub(crate) const FULL: Amount = Amount {
    crowd: 1000,
    idle: 2000,
    openings: 5,
    echoes: 400,
    broadcasts: 60,
};
pub(crate) const QUICK: Amount = Amount {
    crowd: 1000,
    idle: 500,
    openings: 2,
    echoes: 30,
    broadcasts: 20,
};

const ECHO_CLIENTS: usize = 100;
const TOGETHER: usize = 20;

/// How long a server may take for what connections leave to do.
const SETTLE: Duration = Duration::from_secs(2);

/// The names of the rows, and their units.
pub(crate) const ROWS: [(&str, Unit); 5] = [
    ("echo of 100 bytes, 100 clients, CPU", Unit::Micros),
    ("broadcast to 1,000 clients, one at a time, CPU", Unit::Millis),
    ("the same, 20 together, each, CPU", Unit::Millis),
    ("idle connection, RSS", Unit::KiB),
    ("opening one, CPU", Unit::Millis),
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Micros,
    Millis,
    KiB,
}

/// Measures a server: a figure for each row. Each pair of rows gets a new process, since one must not warm up the other.
pub(crate) fn measure(command: &[String], amount: Amount) -> io::Result<[f64; 5]> {
    let echo = echo(&Child::start(command)?, amount)?;
    let (single, together) = broadcast(&Child::start(command)?, amount)?;
    let (memory, opening) = idle(&Child::start(command)?, amount)?;
    Ok([echo, single, together, memory, opening])
}

fn text() -> String {
    "x".repeat(100)
}

/// Microseconds of the server for a message that comes back.
fn echo(child: &Child, amount: Amount) -> io::Result<f64> {
    let mut clients = connect(child, ECHO_CLIENTS)?;
    let packet = format!("42[\"message\",\"{}\"]", text());
    for client in &mut clients {
        client.send(&packet)?;
    }
    // Each client has one message on the way all the time.
    let mut rounds = |count| {
        for _ in 0..count {
            for client in &mut clients {
                client.expect("42[\"message-back\",")?;
                client.send(&packet)?;
            }
        }
        Ok::<_, io::Error>(())
    };
    rounds(amount.echoes / 4)?;
    let before = child.cpu()?;
    rounds(amount.echoes)?;
    Ok((child.cpu()? - before).as_secs_f64() * 1e6 / (amount.echoes * ECHO_CLIENTS) as f64)
}

/// Milliseconds of the server for a broadcast: one at a time, and each of those that arrive together.
fn broadcast(child: &Child, amount: Amount) -> io::Result<(f64, f64)> {
    let mut clients = connect(child, amount.crowd)?;
    let packet = format!("42[\"all\",\"{}\"]", text());
    let mut rounds = |count, together| {
        for _ in 0..count {
            clients[0].send_all(&packet, together)?;
            for client in &mut clients {
                for _ in 0..together {
                    client.expect("42[\"news\",")?;
                }
            }
        }
        Ok::<_, io::Error>(())
    };
    rounds(amount.broadcasts / 4, 1)?;
    let before = child.cpu()?;
    rounds(amount.broadcasts, 1)?;
    let single = child.cpu()? - before;
    rounds(1, TOGETHER)?;
    let batches = amount.broadcasts.div_ceil(TOGETHER) * 2;
    let before = child.cpu()?;
    rounds(batches, TOGETHER)?;
    let together = child.cpu()? - before;
    let each = |time: Duration, count: usize| time.as_secs_f64() * 1e3 / count as f64;
    Ok((each(single, amount.broadcasts), each(together, batches * TOGETHER)))
}

/// KiB of memory for an open connection, and milliseconds of the server for opening it: the lowest of several rounds, since
/// whatever else the machine does only adds to it.
fn idle(child: &Child, amount: Amount) -> io::Result<(f64, f64)> {
    // What the first connections make the server set up is no part of a figure.
    let first = connect(child, amount.idle / 4)?;
    let memory = child.resident()?;
    let (mut clients, mut opening) = open(child, amount.idle)?;
    thread::sleep(SETTLE);
    let grown = child.resident()?.saturating_sub(memory);
    for _ in 1..amount.openings {
        drop(clients);
        // The ends of the last round are no part of the next one.
        thread::sleep(SETTLE);
        let round;
        (clients, round) = open(child, amount.idle)?;
        opening = opening.min(round);
    }
    drop((first, clients));
    let count = amount.idle as f64;
    Ok((grown as f64 / 1024.0 / count, opening.as_secs_f64() * 1e3 / count))
}

/// Opens connections. Returns them, and the time of the server for it.
fn open(child: &Child, count: usize) -> io::Result<(Vec<Client>, Duration)> {
    let before = child.cpu()?;
    let clients = connect(child, count)?;
    Ok((clients, child.cpu()?.saturating_sub(before)))
}

fn connect(child: &Child, count: usize) -> io::Result<Vec<Client>> {
    (0..count).map(|_| Client::connect(child.port)).collect()
}
