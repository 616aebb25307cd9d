//! A room: its members, its last lines, and what has changed since the members were last informed. No I/O.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    pace::Pace,
    protocol::{Line, Summary},
    text::same,
};

/// Lines that a room keeps.
pub(crate) const HISTORY: usize = 100;

/// Most members of a room.
pub(crate) const MAX_MEMBERS: usize = 2_000;

/// Ids of lines that are remembered beyond the history, so that a line that is sent again is known.
const IDS: usize = 1_000;

/// Most people that are shown as typing at a time.
const MAX_TYPING: usize = 5;

/// Characters of the last line that the list of rooms shows.
const SUMMARY: usize = 60;

/// A number for each connection.
pub(crate) type Session = u64;

/// Why somebody cannot enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEntry {
    Taken,
    Full,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    New(Line),
    Known,
    /// The room has had too many lines. There is room for another one after this time.
    Busy(Duration),
}

#[derive(Debug)]
struct Member {
    name: String,
    key: String,
    session: Session,
}

#[derive(Debug)]
pub(crate) struct Room {
    /// By what makes names look alike.
    members: HashMap<String, Member>,
    lines: VecDeque<Line>,
    ids: VecDeque<String>,
    pace: Pace,
    pub(crate) joined: Vec<String>,
    pub(crate) left: Vec<String>,
    pub(crate) typing: Vec<String>,
    /// Whether the list of rooms has to show something else.
    pub(crate) changed: bool,
}

impl Room {
    /// A room with the lines that it had when the server ended, oldest first.
    pub(crate) fn new(lines: Vec<Line>, pace: Pace) -> Self {
        Self {
            members: HashMap::new(),
            ids: lines.iter().map(|line| line.id.clone()).collect(),
            lines: lines.into(),
            pace,
            joined: Vec::new(),
            left: Vec::new(),
            typing: Vec::new(),
            changed: false,
        }
    }

    /// Adds a member. A member with the same key, whose connection may be lost without notice, is replaced; its session is
    /// returned.
    ///
    /// # Errors
    ///
    /// Says why the name cannot enter.
    pub(crate) fn enter(&mut self, name: &str, key: &str, session: Session) -> Result<Option<Session>, NoEntry> {
        let look = same(name);
        let replaced = match self.members.get(&look) {
            Some(member) if member.key != key => return Err(NoEntry::Taken),
            Some(member) => Some((member.session, member.name.clone())),
            None if self.members.len() >= MAX_MEMBERS => return Err(NoEntry::Full),
            None => None,
        };
        match &replaced {
            // The name may be written differently now.
            Some((_, before)) if before != name => {
                let before = before.clone();
                self.note_left(before);
                self.note_joined(name);
            }
            Some(_) => {}
            None => self.note_joined(name),
        }
        let member = Member {
            name: name.to_owned(),
            key: key.to_owned(),
            session,
        };
        self.members.insert(look, member);
        Ok(replaced.map(|(session, _)| session))
    }

    /// Removes a member, unless another session has replaced it.
    pub(crate) fn leave(&mut self, name: &str, session: Session) {
        let look = same(name);
        if self.members.get(&look).is_some_and(|member| member.session == session) {
            self.members.remove(&look);
            self.note_left(name.to_owned());
        }
    }

    /// Who comes and goes between two notices is in both lists, or in none: the last change counts.
    fn note_joined(&mut self, name: &str) {
        self.left.retain(|other| other != name);
        self.joined.push(name.to_owned());
        self.changed = true;
    }

    fn note_left(&mut self, name: String) {
        self.joined.retain(|other| *other != name);
        self.typing.retain(|other| *other != name);
        self.left.push(name);
        self.changed = true;
    }

    /// Adds a line of a member.
    pub(crate) fn say(&mut self, from: &str, id: String, text: String, at: u64, now: Instant) -> Said {
        if self.ids.contains(&id) {
            return Said::Known;
        }
        if let Err(wait) = self.pace.take(now) {
            return Said::Busy(wait);
        }
        let number = self.lines.back().map_or(0, |line| line.number) + 1;
        let line = Line {
            number,
            id,
            at,
            from: from.to_owned(),
            text,
        };
        if self.ids.len() == IDS {
            self.ids.pop_front();
        }
        self.ids.push_back(line.id.clone());
        if self.lines.len() == HISTORY {
            self.lines.pop_front();
        }
        self.lines.push_back(line.clone());
        self.typing.retain(|other| other != from);
        self.changed = true;
        Said::New(line)
    }

    pub(crate) fn types(&mut self, name: &str) {
        if self.typing.len() < MAX_TYPING && !self.typing.iter().any(|other| other == name) {
            self.typing.push(name.to_owned());
        }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.members.values().map(|member| member.name.as_str()).collect()
    }

    pub(crate) fn lines(&self) -> Vec<&Line> {
        self.lines.iter().collect()
    }

    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    /// When the last line was said.
    pub(crate) fn at(&self) -> u64 {
        self.lines.back().map_or(0, |line| line.at)
    }

    pub(crate) fn summary(&self, room: &str) -> Summary {
        let last = self.lines.back();
        Summary {
            room: room.to_owned(),
            members: self.members.len(),
            number: last.map_or(0, |line| line.number),
            at: self.at(),
            from: last.map(|line| line.from.clone()).unwrap_or_default(),
            text: last
                .map(|line| line.text.chars().take(SUMMARY).collect())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn room() -> Room {
        Room::new(Vec::new(), Pace::new(10_000, 1, Instant::now()))
    }

    fn say(room: &mut Room, id: &str) -> Said {
        room.say("Ann", id.to_owned(), format!("line {id}"), 7, Instant::now())
    }

    #[test]
    fn names_are_unique_by_their_look() {
        let mut room = room();
        assert_eq!(room.enter("Ann", "one", 1), Ok(None));
        assert_eq!(room.enter("ANN", "two", 2), Err(NoEntry::Taken));
        assert_eq!(room.enter("\u{391}nn", "two", 2), Err(NoEntry::Taken));
        assert_eq!(room.enter("Bob", "two", 2), Ok(None));
        assert_eq!(room.members(), 2);
        room.leave("Ann", 1);
        assert_eq!(room.enter("ann", "two", 3), Ok(None));
    }

    #[test]
    fn the_holder_of_the_key_replaces_a_lost_connection_silently() {
        let mut room = room();
        room.enter("Ann", "one", 1).unwrap();
        room.joined.clear();
        assert_eq!(room.enter("Ann", "one", 2), Ok(Some(1)));
        room.leave("Ann", 1);
        assert_eq!((room.members(), room.joined.len(), room.left.len()), (1, 0, 0));
        room.leave("Ann", 2);
        assert_eq!((room.members(), room.left.len()), (0, 1));
    }

    #[test]
    fn the_last_change_is_told() {
        let mut room = room();
        room.enter("Ann", "one", 1).unwrap();
        room.leave("Ann", 1);
        assert_eq!((room.joined.len(), room.left.len()), (0, 1));
        room.enter("Ann", "one", 2).unwrap();
        assert_eq!((room.joined.len(), room.left.len()), (1, 0));
    }

    #[test]
    fn a_full_room_admits_nobody() {
        let mut room = room();
        for i in 0..MAX_MEMBERS {
            // Digits that look like letters are told apart by the rest of the name.
            let name: String = format!("{i:05}")
                .bytes()
                .map(|byte| char::from(b'a' + (byte - b'0')))
                .collect();
            room.enter(&name, "key", i as Session).unwrap();
        }
        assert_eq!(room.enter("Ann", "key", 0), Err(NoEntry::Full));
    }

    #[test]
    fn a_line_is_said_once_also_after_a_restart() {
        let mut before = room();
        assert!(matches!(say(&mut before, "a"), Said::New(line) if line.number == 1));
        assert_eq!(say(&mut before, "a"), Said::Known);
        let lines = before.lines().into_iter().cloned().collect();
        let mut after = Room::new(lines, Pace::new(9, 1, Instant::now()));
        assert_eq!(say(&mut after, "a"), Said::Known);
        assert!(matches!(say(&mut after, "b"), Said::New(line) if line.number == 2));
    }

    #[test]
    fn what_a_room_keeps_is_bounded() {
        let mut room = room();
        for i in 0..5_000 {
            assert!(matches!(say(&mut room, &i.to_string()), Said::New(_)));
            room.types(&i.to_string());
        }
        assert_eq!(
            (room.lines.len(), room.ids.len(), room.typing.len()),
            (HISTORY, IDS, MAX_TYPING)
        );
        assert_eq!(room.lines().first().map(|line| line.number), Some(4_901));
    }

    #[test]
    fn a_busy_room_asks_to_wait() {
        let now = Instant::now();
        let mut room = Room::new(Vec::new(), Pace::new(1, 1, now));
        assert!(matches!(room.say("Ann", "a".into(), "x".into(), 0, now), Said::New(_)));
        assert_eq!(
            room.say("Ann", "b".into(), "x".into(), 0, now),
            Said::Busy(Duration::from_secs(1))
        );
    }

    #[test]
    fn the_summary_has_the_beginning_of_the_last_line() {
        let mut room = room();
        room.say("Ann", "a".into(), "é".repeat(900), 7, Instant::now());
        let summary = room.summary("lobby");
        assert_eq!(
            (summary.number, summary.at, summary.text.chars().count()),
            (1, 7, SUMMARY)
        );
    }
}
