//! A session with what the server keeps beside it: its ids, its timer, and the tasks that wait for it.

use std::task::{Context, Waker};

use super::session::{Session, WebSocketId};
use crate::timers::{TimerId, Timers};

/// Identifies a session within the server. Keys are not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    pub(super) number: u32,
}

impl Key {
    pub(super) fn new(index: usize, number: u32) -> Self {
        // `max_sessions` sessions fit by far.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { index, number }
    }

    /// Returns the place of the session among those that exist, for tables beside this one. It is reused.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// A session's secret: who knows it may poll.
pub(super) type Sid = [u8; 15];

pub(super) struct Entry {
    pub(super) number: u32,
    pub(super) sid: Sid,
    pub(super) session: Session,
    pub(super) timer: Option<TimerId>,
    /// The task that answers the poll.
    pub(super) poll: Option<Waker>,
    /// The task that receives a post.
    pub(super) post: Option<Waker>,
    /// The task of a WebSocket, woken while it is asleep.
    websocket: Option<(WebSocketId, Waker)>,
    pub(super) is_asleep: bool,
    pub(super) has_ended: bool,
    pub(super) is_reported: bool,
}

impl Entry {
    pub(super) const fn new(number: u32, sid: Sid, session: Session) -> Self {
        Self {
            number,
            sid,
            session,
            timer: None,
            poll: None,
            post: None,
            websocket: None,
            is_asleep: false,
            has_ended: false,
            is_reported: false,
        }
    }

    /// The task of a WebSocket is to be woken when there is something to do.
    pub(super) fn sleep(&mut self, websocket: WebSocketId, cx: &Context<'_>) {
        self.is_asleep = true;
        match &mut self.websocket {
            Some((asleep, waker)) if *asleep == websocket && waker.will_wake(cx.waker()) => {}
            slot => *slot = Some((websocket, cx.waker().clone())),
        }
    }

    /// Wakes the tasks that have something to do.
    pub(super) fn wake(&mut self) {
        if self.session.has_answer() {
            if let Some(waker) = self.poll.take() {
                waker.wake();
            }
        }
        if !self.is_asleep {
            return;
        }
        if let Some((websocket, waker)) = &self.websocket {
            if self.session.has_next(*websocket) {
                self.is_asleep = false;
                waker.wake_by_ref();
            }
        }
    }

    /// Sets the timer to the next deadline, unless it fires before: then it is set anew, so that a message costs no change
    /// of timers.
    pub(super) fn set_timer(&mut self, key: Key, timers: &mut Timers<Key>) {
        let old = match self.session.deadline() {
            Some(due) if self.timer.is_none_or(|timer| timer.at() > due) => self.timer.replace(timers.insert(due, key)),
            Some(_) => None,
            None => self.timer.take(),
        };
        if let Some(old) = old {
            timers.remove(old);
        }
    }
}
