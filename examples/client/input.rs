//! What is to be sent: lines of a terminal or a pipe, which a thread reads.

use std::collections::VecDeque;

use tokio::sync::mpsc;

/// How many pieces the thread may read ahead.
pub(crate) const AHEAD: usize = 16;

/// How many lines are held while there is no connection.
const MOST_HELD: usize = 100;

/// Something that was read.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A line, without its end.
    Text(String),
    Binary(Vec<u8>),
    /// The end of the input, or Ctrl-C at the prompt.
    End,
    /// The input cannot be read any further, for this reason.
    Failed(String),
}

/// The input, in order. A piece stays here until it has been dealt with, so that it outlives a connection that was lost.
pub(crate) struct Input {
    receiver: mpsc::Receiver<Incoming>,
    held: VecDeque<Incoming>,
    /// Keeps an input without a reader from ending.
    _sender: Option<mpsc::Sender<Incoming>>,
    /// Whether lines may be commands.
    pub(crate) is_interactive: bool,
}

impl Input {
    pub(crate) fn new(receiver: mpsc::Receiver<Incoming>, is_interactive: bool) -> Self {
        Self {
            receiver,
            held: VecDeque::new(),
            _sender: None,
            is_interactive,
        }
    }

    /// An input from which nothing comes, and which does not end.
    pub(crate) fn silent() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self {
            _sender: Some(sender),
            ..Self::new(receiver, false)
        }
    }

    /// Returns the first piece that was not [dealt with](Self::done), as soon as there is one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> &Incoming {
        if self.held.is_empty() {
            let incoming = self.receiver.recv().await.unwrap_or(Incoming::End);
            self.held.push_back(incoming);
        }
        &self.held[0]
    }

    /// Forgets the first piece.
    pub(crate) fn done(&mut self) {
        self.held.pop_front();
    }

    /// Whether nothing follows the first piece without waiting.
    pub(crate) fn is_last(&self) -> bool {
        self.held.len() <= 1 && self.receiver.is_empty()
    }

    /// Waits for a piece that comes after those that are held.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn later(&mut self) -> Incoming {
        self.receiver.recv().await.unwrap_or(Incoming::End)
    }

    /// Holds a piece until there is a connection. Returns whether there was room.
    pub(crate) fn hold(&mut self, incoming: Incoming) -> bool {
        let has_room = self.held.len() < MOST_HELD;
        if has_room {
            self.held.push_back(incoming);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_piece_stays_until_it_is_done() {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let mut input = Input::new(receiver, true);
        assert!(input.is_last());
        sender.try_send(Incoming::Text("one".into())).expect("room");
        sender.try_send(Incoming::Text("two".into())).expect("room");
        for _ in 0..2 {
            assert!(matches!(input.next().await, Incoming::Text(text) if text == "one"));
        }
        assert!(!input.is_last());
        input.done();
        assert!(matches!(input.next().await, Incoming::Text(text) if text == "two"));
        input.done();
        drop(sender);
        assert!(matches!(input.next().await, Incoming::End));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_held_is_bounded_and_comes_first() {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let mut input = Input::new(receiver, true);
        sender.try_send(Incoming::End).expect("room");
        for number in 0..MOST_HELD {
            assert!(input.hold(Incoming::Text(number.to_string())));
        }
        assert!(!input.hold(Incoming::Text("one too many".into())));
        assert!(matches!(input.next().await, Incoming::Text(text) if text == "0"));
        assert!(matches!(input.later().await, Incoming::End));
    }
}
