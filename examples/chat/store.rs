//! The last lines of each room in a file, so that they are there after a restart. A thread of its own writes it: no task waits
//! for the disk.

use std::{
    collections::HashMap,
    error::Error,
    io,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redb::{Database, DatabaseError, ReadableTable, TableDefinition};

use crate::{protocol::Line, room::HISTORY};

/// A line in JSON, by its room and number.
const LINES: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("lines");

/// Changes that may wait for the disk. While it is slower than that, lines are not stored.
const WAITING: usize = 4_096;

/// Changes of this time are written together.
const TOGETHER: Duration = Duration::from_millis(100);

enum Change {
    Line(String, Line),
    /// A room that is no longer kept.
    Forget(String),
}

/// Lines by room, oldest first.
pub(crate) type Kept = HashMap<String, Vec<Line>>;

/// The way to the thread that writes. Dropping it writes what waits, and waits for that.
pub(crate) struct Store {
    changes: Option<SyncSender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the file, or creates it, and reads what it has.
    ///
    /// # Errors
    ///
    /// One sentence that says why the file cannot be used.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Kept)> {
        let database = Database::create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("cannot use {}: another program has it open", path.display()),
            ),
            error => cannot(path)(error),
        })?;
        let kept = read(&database).map_err(cannot(path))?;
        let (changes, waiting) = sync_channel(WAITING);
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || write(&database, &waiting))?;
        Ok((
            Self {
                changes: Some(changes),
                thread: Some(thread),
            },
            kept,
        ))
    }

    pub(crate) fn line(&self, room: &str, line: &Line) {
        self.pass(Change::Line(room.to_owned(), line.clone()));
    }

    pub(crate) fn forget(&self, room: &str) {
        self.pass(Change::Forget(room.to_owned()));
    }

    /// Never waits. What finds no room is missing after a restart, and nowhere else.
    fn pass(&self, change: Change) {
        if let Some(changes) = &self.changes {
            let _ = changes.try_send(change);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn cannot<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> io::Error {
    move |error| io::Error::other(format!("cannot use {} for the history: {error}", path.display()))
}

fn read(database: &Database) -> Result<Kept, Box<dyn Error>> {
    let mut kept = Kept::new();
    let transaction = database.begin_write()?;
    {
        let table = transaction.open_table(LINES)?;
        for entry in table.iter()? {
            let (key, value) = entry?;
            // A line of another version of this program is left out.
            if let Ok(line) = serde_json::from_str::<Line>(value.value()) {
                kept.entry(key.value().0.to_owned()).or_default().push(line);
            }
        }
    }
    transaction.commit()?;
    for lines in kept.values_mut() {
        let excess = lines.len().saturating_sub(HISTORY);
        lines.drain(..excess);
    }
    Ok(kept)
}

/// Writes until nobody can send changes any more.
fn write(database: &Database, waiting: &Receiver<Change>) {
    while let Ok(first) = waiting.recv() {
        let (mut changes, until) = (vec![first], Instant::now() + TOGETHER);
        while changes.len() < WAITING {
            match waiting.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(change) => changes.push(change),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(error) = apply(database, &changes) {
            eprintln!("cannot store {} lines: {error}", changes.len());
        }
    }
}

fn apply(database: &Database, changes: &[Change]) -> Result<(), Box<dyn Error>> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(LINES)?;
        for change in changes {
            match change {
                Change::Line(room, line) => {
                    let json = serde_json::to_string(line).unwrap_or_default();
                    table.insert((room.as_str(), line.number), json.as_str())?;
                    let oldest = (line.number + 1).saturating_sub(HISTORY as u64);
                    table.retain_in((room.as_str(), 0)..(room.as_str(), oldest), |_, _| false)?;
                }
                Change::Forget(room) => {
                    table.retain_in((room.as_str(), 0)..=(room.as_str(), u64::MAX), |_, _| false)?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::{fs, path::PathBuf, process};

    use super::*;

    /// A path for one test, without a file.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("chat-store-{}-{name}", process::id()));
            let _ = fs::remove_file(&place);
            Self(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn line(number: u64) -> Line {
        Line {
            number,
            id: number.to_string(),
            at: 7,
            from: "Ann".into(),
            text: "x".repeat(400),
        }
    }

    #[test]
    fn the_last_lines_are_there_after_a_restart() {
        let place = Place::new("restart");
        let (store, kept) = Store::open(&place.0).unwrap();
        assert!(kept.is_empty());
        for number in 1..=250 {
            store.line("lobby", &line(number));
        }
        store.line("other", &line(1));
        store.line("gone", &line(1));
        store.forget("gone");
        drop(store);
        let (_store, kept) = Store::open(&place.0).unwrap();
        let numbers: Vec<_> = kept["lobby"].iter().map(|line| line.number).collect();
        assert_eq!(numbers, (151..=250).collect::<Vec<_>>());
        assert_eq!(kept["other"], [line(1)]);
        assert!(!kept.contains_key("gone"));
    }

    #[test]
    fn the_file_does_not_grow_with_the_lines() {
        let place = Place::new("size");
        let size = |lines: std::ops::Range<u64>| {
            for start in lines.step_by(1_000) {
                let (store, _) = Store::open(&place.0).unwrap();
                (start..start + 1_000).for_each(|number| store.line("lobby", &line(number)));
            }
            fs::metadata(&place.0).unwrap().len()
        };
        let first = size(0..2_000);
        let later = size(2_000..12_000);
        assert!(later <= first * 2, "{first} bytes, then {later}");
    }

    #[test]
    fn a_file_that_is_no_store_or_in_use_is_one_sentence() {
        let place = Place::new("bad");
        fs::write(&place.0, "some notes of mine\n".repeat(1_000)).unwrap();
        let error = Store::open(&place.0).err().unwrap().to_string();
        assert!(error.contains("cannot use") && !error.contains('\n'), "{error}");
        assert!(
            fs::read_to_string(&place.0).unwrap().starts_with("some notes"),
            "it is left alone"
        );
        let place = Place::new("busy");
        let _first = Store::open(&place.0).unwrap();
        let error = Store::open(&place.0).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(Store::open(Path::new("/no/such/folder/file")).is_err());
    }
}
