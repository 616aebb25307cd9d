//! The loop: completions are passed to the peers that they belong to, and deadlines to those that are due.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    low_level::pipe,
};
use slab::Slab;
use websocket_proto::{Step, Time};

use crate::{
    peer::Peer,
    ring::{Completion, Ring},
    shared::Shared,
    support::{Options, listen::cannot_listen},
};

pub(crate) struct Server {
    ring: Ring,
    listener: Option<TcpListener>,
    /// Readable once the process was told to end.
    signals: UnixStream,
    shared: Shared,
    peers: Slab<Peer>,
    /// When which peer wants to be told the time; at most one entry for each.
    deadlines: BTreeSet<(Time, usize)>,
    /// Peers whose turn ended before they had to wait.
    unfinished: VecDeque<usize>,
    /// Whether clients wait that could not be accepted.
    is_full: bool,
}

impl Server {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let ring = Ring::new()?;
        let listener = TcpListener::bind(options.addr).map_err(cannot_listen(options.addr))?;
        let (signals, sender) = UnixStream::pair()?;
        pipe::register(SIGINT, sender.try_clone()?)?;
        pipe::register(SIGTERM, sender)?;
        println!("listening on ws://{}", listener.local_addr()?);
        Ok(Self {
            ring,
            listener: Some(listener),
            signals,
            shared: Shared::new(options.config()),
            peers: Slab::new(),
            deadlines: BTreeSet::new(),
            unfinished: VecDeque::new(),
            is_full: false,
        })
    }

    /// Runs until it is told to end, and every connection has ended.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.ring.watch_signals(&self.signals)?;
        self.accept()?;
        while self.listener.is_some() || !self.peers.is_empty() {
            self.ring.wait(self.patience())?;
            // What has arrived counts before a deadline is judged.
            while let Some(completion) = self.ring.next_completion() {
                self.complete(completion)?;
            }
            for _ in 0..self.unfinished.len() {
                if let Some(id) = self.unfinished.pop_front() {
                    self.drive(id)?;
                }
            }
            self.drive_those_that_are_due()?;
        }
        Ok(())
    }

    /// How long to wait for completions.
    fn patience(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let &(due, _) = self.deadlines.first()?;
        Some(due.since(self.shared.clock.now()))
    }

    fn complete(&mut self, completion: Completion) -> io::Result<()> {
        match completion {
            Completion::Received(id, received, goes_on) => {
                let step = self.peers[id].received(received, goes_on, &mut self.ring, &mut self.shared)?;
                self.follow(id, step)
            }
            Completion::Sent(id, sent) => {
                let step = self.peers[id].sent(sent, &mut self.ring, &mut self.shared)?;
                self.follow(id, step)
            }
            Completion::Accepted(accepted, goes_on) => self.accepted(accepted, goes_on),
            Completion::Signalled => self.shut_down(),
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        match &self.listener {
            Some(listener) => self.ring.accept(listener),
            None => Ok(()),
        }
    }

    fn accepted(&mut self, accepted: io::Result<TcpStream>, goes_on: bool) -> io::Result<()> {
        match accepted {
            Ok(stream) if self.listener.is_some() && stream.set_nodelay(true).is_ok() => self.add(stream)?,
            // A stream that cannot be used is dropped, and with it the connection.
            Ok(_) => {}
            Err(error) => {
                // Most likely there are too many open files. Clients wait until one of the others has gone.
                self.is_full = matches!(
                    error.raw_os_error(),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
                );
            }
        }
        if goes_on || self.is_full { Ok(()) } else { self.accept() }
    }

    fn add(&mut self, stream: TcpStream) -> io::Result<()> {
        let entry = self.peers.vacant_entry();
        let id = entry.key();
        entry.insert(Peer::new(id, stream, &self.shared));
        self.drive(id)
    }

    /// Stops accepting, and tells every peer that the server goes away.
    fn shut_down(&mut self) -> io::Result<()> {
        self.listener = None;
        self.ring.stop_accepting()?;
        let ids: Vec<usize> = self.peers.iter().map(|(id, _)| id).collect();
        for id in ids {
            if self.peers[id].go_away() {
                self.drive(id)?;
            } else {
                self.end(id)?;
            }
        }
        Ok(())
    }

    fn drive_those_that_are_due(&mut self) -> io::Result<()> {
        while let Some(&(due, id)) = self.deadlines.first() {
            let now = self.shared.clock.now();
            if due > now {
                break;
            }
            self.set_deadline(id, None);
            self.peers[id].at(now);
            self.drive(id)?;
        }
        Ok(())
    }

    /// Lets a peer start what it can.
    fn drive(&mut self, id: usize) -> io::Result<()> {
        // A peer whose turn was not over may have ended since.
        let Some(peer) = self.peers.get_mut(id) else {
            return Ok(());
        };
        let step = peer.drive(&mut self.ring, &mut self.shared)?;
        self.follow(id, step)
    }

    /// Does what a peer waits for.
    fn follow(&mut self, id: usize, step: Step) -> io::Result<()> {
        match step {
            Step::Wait(due) => self.set_deadline(id, due),
            Step::Yield => self.unfinished.push_back(id),
            _ => self.end(id)?,
        }
        Ok(())
    }

    /// Drops a peer whose connection is over, now or when its operations have completed.
    fn end(&mut self, id: usize) -> io::Result<()> {
        self.set_deadline(id, None);
        if self.peers[id].end(&mut self.ring)? {
            self.peers.remove(id);
            if std::mem::take(&mut self.is_full) {
                self.accept()?;
            }
        }
        Ok(())
    }

    fn set_deadline(&mut self, id: usize, due: Option<Time>) {
        let peer = &mut self.peers[id];
        if peer.due != due {
            if let Some(old) = peer.due {
                self.deadlines.remove(&(old, id));
            }
            if let Some(new) = due {
                self.deadlines.insert((new, id));
            }
            peer.due = due;
        }
    }
}
