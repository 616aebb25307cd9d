//! All rooms, with what connects them to connections, to the store and to the list of rooms.
//!
//! Everything that members of a room get is sent under one lock, so that all see it in the same order, and nobody misses what
//! happens between the welcome and the first message after it. Nothing is awaited under the lock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::oneshot;
use websocket_proto::{
    DeflateConfig,
    tokio::{Broadcast, Subscription, WhenSlow},
};

use crate::{
    pace::Pace,
    protocol::{Line, Reply, Summary},
    room::{NoEntry, Room, Said, Session},
    store::{Kept, Store},
};

/// Most rooms. One more takes the place of the empty room in which nothing was said for the longest time.
pub(crate) const MAX_ROOMS: usize = 64;

/// Messages that may be queued for a member, in addition to those that its connection has queued.
const BACKLOG: usize = 64;

/// How often a room hears who has come, gone and types. Many changes are one message.
const PULSE: Duration = Duration::from_millis(200);

/// The list of rooms changes at every such pulse at most.
const ROOMS_EVERY: u32 = 5;

/// A room may have this many times the lines of a member.
const ROOM_SHARE: u32 = 20;

pub(crate) struct Hall {
    rooms: Mutex<Rooms>,
    store: Option<Store>,
    deflate: DeflateConfig,
    /// Lines per second of a member.
    rate: u32,
}

#[derive(Default)]
struct Rooms {
    open: HashMap<String, Open>,
    sessions: Session,
}

struct Open {
    room: Room,
    broadcast: Broadcast,
    /// To end the connection of a member that has come back with another one.
    replaced: HashMap<Session, oneshot::Sender<()>>,
}

impl Open {
    fn new(lines: Vec<Line>, rate: u32) -> Self {
        let rate = rate.saturating_mul(ROOM_SHARE);
        Self {
            room: Room::new(lines, Pace::new(rate, rate, Instant::now())),
            broadcast: Broadcast::new(),
            replaced: HashMap::new(),
        }
    }
}

impl Hall {
    pub(crate) fn new(store: Option<Store>, kept: Kept, deflate: DeflateConfig, rate: u32) -> Self {
        let mut open: Vec<_> = kept.into_iter().collect();
        // Another version may have had a greater limit.
        open.sort_by_key(|(_, lines)| std::cmp::Reverse(lines.last().map_or(0, |line| line.at)));
        let open = open.into_iter().take(MAX_ROOMS);
        let open = open.map(|(name, lines)| (name, Open::new(lines, rate))).collect();
        Self {
            rooms: Mutex::new(Rooms { open, sessions: 0 }),
            store,
            deflate,
            rate,
        }
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Adds a member to a room, and sets the room up if need be. The second value is the welcome to send first.
    ///
    /// # Errors
    ///
    /// Says in words why that is not possible.
    pub(crate) fn enter(self: &Arc<Self>, room: &str, name: &str, key: &str) -> Result<(Member, String), &'static str> {
        let mut rooms = self.lock();
        if !rooms.open.contains_key(room) {
            if rooms.open.len() >= MAX_ROOMS {
                let oldest = oldest_empty(&rooms.open).ok_or("There are too many rooms. Please choose one of them.")?;
                rooms.open.remove(&oldest);
                self.store.iter().for_each(|store| store.forget(&oldest));
            }
            rooms.open.insert(room.to_owned(), Open::new(Vec::new(), self.rate));
        }
        let rooms = &mut *rooms;
        rooms.sessions += 1;
        let session = rooms.sessions;
        let Some(open) = rooms.open.get_mut(room) else {
            return Err("This room is gone.");
        };
        let replaced = open.room.enter(name, key, session).map_err(|no| match no {
            NoEntry::Taken => {
                "Somebody in this room has this name, or one that looks like it. Please choose another one."
            }
            NoEntry::Full => "This room is full. Please choose another one.",
        })?;
        if let Some(notice) = replaced.and_then(|replaced| open.replaced.remove(&replaced)) {
            let _ = notice.send(());
        }
        let (notice, replaced) = oneshot::channel();
        open.replaced.insert(session, notice);
        let member = Member {
            subscription: open.broadcast.subscribe(BACKLOG, WhenSlow::Disconnect),
            replaced,
            hall: Arc::clone(self),
            room: room.to_owned(),
            name: name.to_owned(),
            session,
        };
        let summaries = rooms.open.iter().map(|(name, open)| open.room.summary(name)).collect();
        let open = &rooms.open[room];
        let welcome = Reply::Welcome {
            name,
            members: open.room.names(),
            lines: open.room.lines(),
            rooms: summaries,
        };
        Ok((member, welcome.text()))
    }

    /// Informs the rooms from time to time of who has come, gone and types, and of what is new in other rooms.
    pub(crate) async fn pulse(&self) {
        let mut interval = tokio::time::interval(PULSE);
        for beat in 1_u32.. {
            interval.tick().await;
            self.inform(beat % ROOMS_EVERY == 0);
        }
    }

    fn inform(&self, of_rooms: bool) {
        let mut rooms = self.lock();
        let mut summaries: Vec<Summary> = Vec::new();
        for (name, open) in &mut rooms.open {
            let room = &mut open.room;
            if !room.joined.is_empty() || !room.left.is_empty() {
                let reply = Reply::Members {
                    joined: &room.joined,
                    left: &room.left,
                };
                let _ = open.broadcast.try_send(&reply.prepare(self.deflate));
                room.joined.clear();
                room.left.clear();
            }
            if !room.typing.is_empty() {
                let reply = Reply::Typing { names: &room.typing };
                let _ = open.broadcast.try_send(&reply.prepare(self.deflate));
                room.typing.clear();
            }
            if of_rooms && std::mem::take(&mut room.changed) {
                summaries.push(room.summary(name));
            }
        }
        if summaries.is_empty() {
            return;
        }
        let message = Reply::Rooms { rooms: &summaries }.prepare(self.deflate);
        for open in rooms.open.values() {
            let _ = open.broadcast.try_send(&message);
        }
        // A room without members and lines is nothing to come back to.
        rooms
            .open
            .retain(|_, open| open.room.members() > 0 || open.room.at() > 0);
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest_empty(open: &HashMap<String, Open>) -> Option<String> {
    let empty = open.iter().filter(|(_, open)| open.room.members() == 0);
    empty
        .min_by_key(|(_, open)| open.room.at())
        .map(|(name, _)| name.clone())
}

/// A member of a room, which leaves the room when it is dropped.
pub(crate) struct Member {
    pub(crate) subscription: Subscription,
    /// Completes when another connection has taken the name over.
    pub(crate) replaced: oneshot::Receiver<()>,
    hall: Arc<Hall>,
    room: String,
    name: String,
    session: Session,
}

/// What became of a line.
pub(crate) enum Outcome {
    Said,
    Known,
    Wait(Duration),
}

impl Member {
    /// Says a line, which all members get in the same order. It was repaired before.
    pub(crate) fn say(&self, id: String, text: String) -> Outcome {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let at = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let mut rooms = self.hall.lock();
        let Some(open) = rooms.open.get_mut(&self.room) else {
            return Outcome::Known;
        };
        match open.room.say(&self.name, id, text, at, Instant::now()) {
            Said::New(line) => {
                let _ = open.broadcast.try_send(&Reply::Line(&line).prepare(self.hall.deflate));
                self.hall.store.iter().for_each(|store| store.line(&self.room, &line));
                Outcome::Said
            }
            Said::Known => Outcome::Known,
            Said::Busy(wait) => Outcome::Wait(wait),
        }
    }

    pub(crate) fn types(&self) {
        if let Some(open) = self.hall.lock().open.get_mut(&self.room) {
            open.room.types(&self.name);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(open) = self.hall.lock().open.get_mut(&self.room) {
            open.room.leave(&self.name, self.session);
            open.replaced.remove(&self.session);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn hall() -> Arc<Hall> {
        Arc::new(Hall::new(None, Kept::new(), DeflateConfig::context_takeover(), 100))
    }

    #[tokio::test]
    async fn the_number_of_rooms_is_bounded() {
        let hall = hall();
        let mut members = Vec::new();
        for i in 0..MAX_ROOMS {
            let (member, _) = hall.enter(&format!("room-{i}"), "Ann", "key").unwrap();
            member.say(format!("id-{i}"), "hi".into());
            members.push(member);
        }
        assert!(hall.enter("one-more", "Ann", "key").is_err());
        members.remove(7);
        assert!(hall.enter("one-more", "Ann", "key").is_ok());
        assert!(!hall.lock().open.contains_key("room-7"));
        assert_eq!(hall.lock().open.len(), MAX_ROOMS);
    }

    #[tokio::test]
    async fn a_room_without_lines_ends_with_its_last_member() {
        let hall = hall();
        drop(hall.enter("lobby", "Ann", "key").unwrap());
        hall.inform(true);
        assert!(hall.lock().open.is_empty());
        let (member, _) = hall.enter("lobby", "Ann", "key").unwrap();
        member.say("id".into(), "hi".into());
        drop(member);
        hall.inform(true);
        assert_eq!(hall.lock().open.len(), 1);
    }

    #[tokio::test]
    async fn who_comes_back_replaces_the_lost_connection() {
        let hall = hall();
        let (mut first, _) = hall.enter("lobby", "Ann", "key").unwrap();
        assert!(hall.enter("lobby", "Ann", "other").is_err());
        let (second, welcome) = hall.enter("lobby", "Ann", "key").unwrap();
        assert!(first.replaced.try_recv().is_ok());
        assert!(welcome.contains(r#""members":["Ann"]"#), "{welcome}");
        drop(first);
        assert_eq!(hall.lock().open["lobby"].room.members(), 1);
        drop(second);
        assert_eq!(hall.lock().open["lobby"].room.members(), 0);
    }
}
