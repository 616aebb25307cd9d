//! The operations that are pending for one client: at most one that receives, and one that sends.

use std::{
    io::{self, ErrorKind},
    net::{Shutdown, TcpStream},
};

use websocket_proto::Step;

use crate::ring::{GoesOn, Output, Ring, Send};

pub(crate) struct Operations {
    /// The client's id, which comes back with each completion.
    id: usize,
    stream: TcpStream,
    receiving: Receiving,
    /// The read that the driver waits for, if any.
    wanted: Option<Step>,
    sending: Option<Send>,
    /// Whether the stream had no room for the last send.
    is_blocked: bool,
    is_over: bool,
}

/// The operation that receives, which completes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Idle,
    Pending,
    /// It was told to end, and has not done so.
    Stopping,
}

impl Operations {
    pub(crate) fn new(id: usize, stream: TcpStream) -> Self {
        Self {
            id,
            stream,
            receiving: Receiving::Idle,
            wanted: None,
            sending: None,
            is_blocked: false,
            is_over: false,
        }
    }

    /// Wants a read. The operation that performs it may be pending already.
    pub(crate) fn read(&mut self, wanted: Option<Step>, ring: &mut Ring) -> io::Result<()> {
        self.wanted = wanted;
        if self.wanted.is_some() && self.receiving == Receiving::Idle && !self.is_over {
            ring.receive(self.id, &self.stream)?;
            self.receiving = Receiving::Pending;
        }
        Ok(())
    }

    /// Back-pressure: stops receiving while no read is wanted. What the kernel has received by then is still taken in.
    pub(crate) fn pause_unless_wanted(&mut self, ring: &mut Ring) -> io::Result<()> {
        if self.wanted.is_none() && self.receiving == Receiving::Pending {
            ring.stop_receiving(self.id)?;
            self.receiving = Receiving::Stopping;
        }
        Ok(())
    }

    /// Notes that the receiving operation has completed. Returns the read that was waited for.
    pub(crate) fn received(&mut self, goes_on: GoesOn) -> Option<Step> {
        if !goes_on {
            self.receiving = Receiving::Idle;
        }
        self.wanted.take()
    }

    pub(crate) fn send(&mut self, output: Output, send: Send, ring: &mut Ring) -> io::Result<()> {
        // There is room most of the time. If there was none, the next send waits for it.
        let send = if self.is_blocked { Send::Wait } else { send };
        self.sending = Some(ring.send(self.id, &self.stream, output, send)?);
        Ok(())
    }

    /// Returns whether a send is over when the kernel has been called.
    pub(crate) fn are_about_to_send(&self) -> bool {
        self.sending == Some(Send::Quiet)
    }

    /// Notes that a send has completed. Returns how many bytes were sent, or `None` if the stream has failed.
    pub(crate) fn sent(&mut self, sent: io::Result<usize>, offered: usize) -> Option<usize> {
        self.sending = None;
        let sent = match sent {
            Ok(0) => return None,
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return None,
        };
        self.is_blocked = sent < offered;
        Some(sent)
    }

    /// Shuts down the write side. If the client is gone already, a read reports it.
    pub(crate) fn shut_down(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Cancels what is pending, as the connection is over. Returns whether nothing is: only then may the stream be
    /// closed, whose descriptor the next client would get.
    pub(crate) fn end(&mut self, ring: &mut Ring) -> io::Result<bool> {
        let is_pending = self.receiving != Receiving::Idle || self.sending.is_some();
        if is_pending && !self.is_over {
            ring.stop_all(&self.stream)?;
        }
        self.is_over = true;
        Ok(!is_pending)
    }

    pub(crate) fn are_over(&self) -> bool {
        self.is_over
    }
}
