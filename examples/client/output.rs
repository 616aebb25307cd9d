//! What is shown and written. A thread writes it, so that a slow terminal or pipe does not stop the connection's timers; what
//! waits for the thread is bounded in bytes, and then the connection is not read.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use websocket_proto::Message;

use crate::{hex, visible};

/// How many KiB may wait for the thread. A longer message waits alone.
const ROOM: u32 = 1024;

/// How much of a text message is shown on a terminal, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// How long the end of the program waits for the thread.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// With marks, for a person.
    Marked { colour: bool },
    /// Text in one line each and binary messages as hexadecimal rows: a terminal, but not an interactive one.
    Harmless,
    /// In one line each: line breaks in text become spaces.
    Lines,
    /// As they are, with this after each.
    Exact(&'static [u8]),
}

/// Where a piece of output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
}

/// Something that writes pieces of output. It fails when nobody reads standard output any longer.
pub(crate) trait Sink: Send + 'static {
    fn write(&mut self, to: To, bytes: &[u8]) -> std::io::Result<()>;

    /// Called when nothing more waits.
    fn flush(&mut self) -> std::io::Result<()>;
}

struct Piece {
    to: To,
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The output of the program; clones share it.
#[derive(Clone)]
pub(crate) struct Output {
    form: Form,
    verbose: bool,
    pieces: mpsc::Sender<Piece>,
    room: Arc<Semaphore>,
    is_broken: watch::Receiver<bool>,
}

/// The thread that writes.
pub(crate) struct Writer {
    thread: JoinHandle<()>,
    finished: mpsc::Receiver<()>,
}

impl Output {
    pub(crate) fn new(form: Form, verbose: bool, mut sink: impl Sink) -> (Self, Writer) {
        let (pieces, waiting) = mpsc::channel::<Piece>();
        let (broken, is_broken) = watch::channel(false);
        let (finish, finished) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Ok(mut piece) = waiting.recv() {
                let mut written = Ok(());
                loop {
                    written = written.and_then(|()| sink.write(piece.to, &piece.bytes));
                    match waiting.try_recv() {
                        Ok(next) => piece = next,
                        Err(_) => break,
                    }
                }
                if written.and_then(|()| sink.flush()).is_err() {
                    broken.send_replace(true);
                }
            }
            // A sink may wait for what it has passed on.
            drop(sink);
            drop(finish);
        });
        let output = Self {
            form,
            verbose: verbose || matches!(form, Form::Marked { .. }),
            pieces,
            room: Arc::new(Semaphore::new(ROOM as usize)),
            is_broken,
        };
        (output, Writer { thread, finished })
    }

    pub(crate) fn is_interactive(&self) -> bool {
        matches!(self.form, Form::Marked { .. })
    }

    /// Shows a message; `from` is the number of the client that sent it, if there may be several.
    pub(crate) async fn message(&self, from: Option<u32>, message: &Message<'_>) {
        self.put(To::Stdout, render(self.form, from, message)).await;
    }

    /// Reports what a person wants to know: on a terminal, or if it was asked for.
    pub(crate) async fn notice(&self, text: &str) {
        if self.verbose {
            self.report(text).await;
        }
    }

    /// Reports what was asked for.
    pub(crate) async fn report(&self, text: &str) {
        let (to, line) = match self.form {
            Form::Marked { colour } => (To::Stdout, paint(colour, "2", text)),
            _ => (To::Stderr, text.into()),
        };
        self.put(to, (line + "\n").into_bytes()).await;
    }

    /// Reports that something does not work, without ending the program.
    pub(crate) async fn complain(&self, text: &str) {
        let (to, line) = match self.form {
            Form::Marked { colour } => (To::Stdout, paint(colour, "31", text)),
            _ => (To::Stderr, text.into()),
        };
        self.put(to, (line + "\n").into_bytes()).await;
    }

    /// Waits until nobody reads standard output any longer.
    pub(crate) async fn broken(&self) {
        let mut is_broken = self.is_broken.clone();
        if is_broken.wait_for(|&is_broken| is_broken).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn put(&self, to: To, bytes: Vec<u8>) {
        let needed = u32::try_from(bytes.len() >> 10)
            .unwrap_or(ROOM)
            .saturating_add(1)
            .min(ROOM);
        // The semaphore is never closed.
        if let Ok(room) = Arc::clone(&self.room).acquire_many_owned(needed).await {
            let _ = self.pieces.send(Piece { to, bytes, _room: room });
        }
    }
}

impl Writer {
    /// Waits until everything is written, for a limited time. All outputs must have been dropped.
    pub(crate) fn finish(self) {
        if let Err(mpsc::RecvTimeoutError::Disconnected) = self.finished.recv_timeout(LAST_WAIT) {
            let _ = self.thread.join();
        }
    }
}

fn render(form: Form, from: Option<u32>, message: &Message<'_>) -> Vec<u8> {
    match form {
        Form::Exact(end) => [message.as_bytes(), end].concat(),
        Form::Lines => {
            let mut line = message.as_bytes().to_vec();
            if message.as_text().is_some() {
                one_line(&mut line);
            }
            line.push(b'\n');
            line
        }
        Form::Harmless => match message.as_text() {
            Some(text) => (visible::line(text) + "\n").into_bytes(),
            None => marked("", message.as_bytes()).into_bytes(),
        },
        Form::Marked { colour } => {
            let number = from.map(|number| number.to_string()).unwrap_or_default();
            let mark = paint(colour, "36", &format!("<{number}")) + " ";
            match message.as_text() {
                Some(text) => text_lines(&mark, text).into_bytes(),
                None => marked(&mark, message.as_bytes()).into_bytes(),
            }
        }
    }
}

/// Replaces line breaks by spaces, so that a message cannot look like two.
fn one_line(line: &mut Vec<u8>) {
    if line.contains(&b'\n') {
        let text = String::from_utf8_lossy(line).replace("\r\n", " ").replace('\n', " ");
        *line = text.into_bytes();
    }
}

/// Further lines are indented, so that they cannot look like other messages.
fn text_lines(mark: &str, text: &str) -> String {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut shown = String::new();
    for (number, line) in visible::lines(&text[..end]).enumerate() {
        shown += if number == 0 { mark } else { "  " };
        shown += &line;
        shown.push('\n');
    }
    if end < text.len() {
        shown += &format!("  … {} more bytes\n", text.len() - end);
    }
    shown
}

fn marked(mark: &str, bytes: &[u8]) -> String {
    let plural = if bytes.len() == 1 { "" } else { "s" };
    let mut shown = format!("{mark}binary message, {} byte{plural}\n", bytes.len());
    for row in hex::view(bytes) {
        shown += &format!("  {row}\n");
    }
    shown
}

/// The text in a colour of ECMA-48, if colours are wanted.
pub(crate) fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Form = Form::Marked { colour: false };

    fn rendered(form: Form, from: Option<u32>, message: Message<'_>) -> String {
        String::from_utf8(render(form, from, &message)).expect("UTF-8")
    }

    #[test]
    fn a_person_sees_marks() {
        assert_eq!(rendered(PLAIN, None, Message::text("hello")), "< hello\n");
        assert_eq!(rendered(PLAIN, Some(3), Message::text("hello")), "<3 hello\n");
        assert_eq!(
            rendered(Form::Marked { colour: true }, None, Message::text("hello")),
            "\x1b[36m<\x1b[0m hello\n"
        );
    }

    /// Neither an escape sequence nor a line break forges what the program itself prints.
    #[test]
    fn a_peer_cannot_forge_marks() {
        assert_eq!(
            rendered(PLAIN, None, Message::text("a\n> b\r\x1b[A")),
            "< a\n  > b\\r\\x1b[A\n"
        );
        assert_eq!(
            rendered(Form::Harmless, None, Message::text("a\n\x1b]0;b\x07")),
            "a\\n\\x1b]0;b\\x07\n"
        );
        assert_eq!(rendered(Form::Lines, None, Message::text("a\r\nb\nc")), "a b c\n");
    }

    #[test]
    fn binary_messages_are_shown_as_hexadecimal() {
        let shown = rendered(PLAIN, None, Message::binary(b"\x00\x1bA".as_slice()));
        assert!(
            shown.starts_with("< binary message, 3 bytes\n  0000  00 1b 41 "),
            "{shown}"
        );
        assert!(!shown.contains('\x1b'));
    }

    #[test]
    fn pipes_get_the_payload() {
        let exact = render(Form::Exact(b"\0"), None, &Message::text("a\nb"));
        assert_eq!(exact, b"a\nb\0");
        let binary = render(Form::Lines, None, &Message::binary(b"\xff\n".as_slice()));
        assert_eq!(binary, b"\xff\n\n");
    }

    #[test]
    fn what_is_shown_of_a_text_is_bounded() {
        let shown = rendered(PLAIN, None, Message::text("ä".repeat(LONGEST_TEXT)));
        assert!(shown.len() < LONGEST_TEXT + 100, "{}", shown.len());
        assert!(shown.ends_with("… 65536 more bytes\n"));
    }
}
