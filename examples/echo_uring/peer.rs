//! A client: what its driver asks for becomes operations, and what came of them is reported.

use std::{io, net::TcpStream};

use bytes::Buf;
use websocket_proto::{
    CloseCode, Connection, Event, Outbound, ReadyState, RecvBuffer, Step, Time,
    handshake::{Opening, ServerHandshake},
};

use crate::{
    operations::Operations,
    ring::{GoesOn, Output, Received, Ring, Send, Sent},
    shared::Shared,
    support,
};

pub(crate) struct Peer {
    phase: Phase,
    operations: Operations,
    /// When it wants to be told the time.
    pub(crate) due: Option<Time>,
}

enum Phase {
    Opening(Box<Opening<ServerHandshake>>),
    Open(Box<Connection>),
}

impl Peer {
    pub(crate) fn new(id: usize, stream: TcpStream, shared: &Shared) -> Self {
        let opening = Opening::server(&shared.config, shared.clock.now());
        Self {
            phase: Phase::Opening(Box::new(opening)),
            operations: Operations::new(id, stream),
            due: None,
        }
    }

    /// Reports the time, because a deadline has passed.
    pub(crate) fn at(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Opening(opening) => opening.at(now),
            Phase::Open(connection) => connection.drive().1.at(now),
        }
    }

    /// Tells the client that the server goes away. Returns whether it is to be driven on, which leads to its end.
    pub(crate) fn go_away(&mut self) -> bool {
        match &mut self.phase {
            Phase::Opening(_) => false,
            // A connection that is closing already needs no further Close.
            Phase::Open(connection) => connection.close(CloseCode::GOING_AWAY).is_ok(),
        }
    }

    /// Ends what is pending, as the connection is over. Returns whether nothing is, so that the peer can be dropped.
    pub(crate) fn end(&mut self, ring: &mut Ring) -> io::Result<bool> {
        self.operations.end(ring)
    }

    /// Reports what was received, and goes on.
    pub(crate) fn received(
        &mut self,
        received: io::Result<Option<Received>>,
        goes_on: GoesOn,
        ring: &mut Ring,
        shared: &mut Shared,
    ) -> io::Result<Step> {
        let is_wanted = self.operations.received(goes_on);
        match received {
            Ok(Some(Received { buffer, len, id })) => {
                self.take_in(buffer, len, is_wanted, shared);
                let step = self.drive(ring, shared)?;
                // The connection needs the buffer only if it could not answer all events in it.
                ring.give(id, shared.take_received());
                return Ok(step);
            }
            Ok(None) => self.read_ended(),
            // It was stopped, or all buffers were in use. It is started again if it is still wanted.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ECANCELED | libc::ENOBUFS)) => {
                self.operations.read(is_wanted, ring)?;
            }
            Err(_) => self.read_failed(),
        }
        self.drive(ring, shared)
    }

    /// Hands received bytes to the connection, with the buffer.
    fn take_in(&mut self, buffer: Vec<u8>, len: usize, wanted: Option<Step>, shared: &mut Shared) {
        let spare = match &mut self.phase {
            Phase::Opening(opening) => {
                opening.read(&buffer[..len]);
                buffer
            }
            Phase::Open(connection) => {
                let (inbound, driver) = connection.drive();
                driver.read(len);
                match wanted {
                    Some(Step::Discard) => buffer,
                    _ => inbound.receive_buffer(RecvBuffer::from(buffer), len).into(),
                }
            }
        };
        shared.keep_received(spare);
    }

    fn read_ended(&mut self) {
        match &mut self.phase {
            Phase::Opening(opening) => opening.read_ended(),
            Phase::Open(connection) => connection.drive().1.read_ended(),
        }
    }

    fn read_failed(&mut self) {
        match &mut self.phase {
            Phase::Opening(opening) => opening.read_failed(),
            Phase::Open(connection) => connection.drive().1.read_failed(),
        }
    }

    /// Reports what was sent, and goes on.
    pub(crate) fn sent(&mut self, sent: Sent, ring: &mut Ring, shared: &mut Shared) -> io::Result<Step> {
        let Sent { output, offered, sent } = sent;
        let sent = self.operations.sent(sent, offered);
        match (&mut self.phase, output) {
            (Phase::Opening(opening), _) => match sent {
                Some(n) => opening.wrote(n),
                None => opening.write_failed(),
            },
            (Phase::Open(connection), Output::Frames(mut frames)) => {
                let (_, driver) = connection.drive();
                match sent {
                    Some(n) => {
                        frames.advance(n);
                        driver.return_output(frames);
                    }
                    None => driver.write_failed(),
                }
            }
            // A refusal belongs to an opening handshake, which has not become a connection.
            (Phase::Open(_), Output::Refusal(_)) => {}
        }
        self.drive(ring, shared)
    }

    /// Starts what can be started. Returns `Wait`, `Yield` or `Ended`.
    pub(crate) fn drive(&mut self, ring: &mut Ring, shared: &mut Shared) -> io::Result<Step> {
        if self.operations.are_over() {
            return Ok(Step::Ended);
        }
        loop {
            match &mut self.phase {
                Phase::Opening(opening) => {
                    let step = drive_opening(opening, &mut self.operations, ring, shared)?;
                    if step != Step::Ended {
                        return Ok(step);
                    }
                    // A client that is not let in was told so by then.
                    let Ok(request) = opening.outcome() else {
                        return Ok(step);
                    };
                    if let Ok(negotiated) = opening.accept(&request, support::accept(&request)) {
                        let connection = Connection::from_negotiated(&negotiated, &shared.config);
                        self.phase = Phase::Open(Box::new(connection));
                    }
                }
                Phase::Open(connection) => {
                    shared.lend(connection);
                    let step = drive_connection(connection, &mut self.operations, self.due, ring, shared);
                    shared.reclaim(connection);
                    return step;
                }
            }
        }
    }
}

/// Starts the operations of an opening handshake.
fn drive_opening(
    opening: &mut Opening<ServerHandshake>,
    operations: &mut Operations,
    ring: &mut Ring,
    shared: &Shared,
) -> io::Result<Step> {
    loop {
        match opening.next_step() {
            Step::Write => {
                let refusal = Output::Refusal(opening.chunk().to_vec());
                operations.send(refusal, Send::Wait, ring)?;
                opening.write_started();
            }
            Step::Flush => opening.flushed(), // a socket holds nothing back
            Step::Shutdown => {
                operations.shut_down();
                opening.shut_down();
            }
            step @ (Step::Read | Step::Discard) => {
                operations.read(Some(step), ring)?;
                opening.read_started();
            }
            Step::Time => opening.at(shared.clock.now()),
            step => return Ok(step),
        }
    }
}

/// Starts the operations of a connection, and echoes its messages.
fn drive_connection(
    connection: &mut Connection,
    operations: &mut Operations,
    due: Option<Time>,
    ring: &mut Ring,
    shared: &Shared,
) -> io::Result<Step> {
    let (inbound, driver) = connection.drive();
    let mut has_pings = false;
    let mut is_new = false;
    loop {
        while !driver.outbound().is_full() {
            match inbound.next_event(driver.outbound()) {
                // A long message moves to the output as it is. A short one is copied.
                Ok(Some(Event::Message(message))) => drop(driver.outbound().feed(message)),
                // If output is waiting, the Pong follows once that has left.
                Ok(Some(Event::Ping(_))) => has_pings = true,
                Ok(Some(_)) => {}
                // Pongs, and the Close that answers a Close or a failure, are in the output by themselves.
                Ok(None) | Err(_) => break,
            }
        }
        if operations.are_about_to_send() {
            // What comes of it is known after the next call of the kernel, so no deadline is needed. If something else has
            // happened since it was started, such as the end of the stream, there is something to do then.
            if !is_new {
                ring.hurry();
            }
            return Ok(Step::Wait(due));
        }
        match driver.next(inbound) {
            Step::Write => {
                let output = Output::Frames(driver.take_output());
                let is_done = !has_pings && is_done(driver.outbound_ref());
                is_new = true;
                operations.send(output, if is_done { Send::Quiet } else { Send::Wait }, ring)?;
            }
            Step::Flush => driver.flushed(),
            Step::Shutdown => {
                operations.shut_down();
                driver.shut_down();
            }
            step @ (Step::Read | Step::Discard) => {
                operations.read(Some(step), ring)?;
                driver.read_started();
            }
            Step::Time => driver.at(shared.clock.now()),
            step @ Step::Wait(_) => {
                operations.pause_unless_wanted(ring)?;
                return Ok(step);
            }
            step => return Ok(step),
        }
    }
}

/// Returns whether there is nothing to do once the output that was taken has left.
fn is_done(outbound: &Outbound) -> bool {
    outbound.ready_state() == ReadyState::Open && !outbound.wants_write() && !outbound.is_full()
}
