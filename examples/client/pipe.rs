//! Standard input and output that are not an interactive terminal.

use std::{
    io::{self, BufRead, BufWriter, Read, Stdout, Write},
    thread,
};

use tokio::sync::mpsc;

use crate::{
    input::{AHEAD, Incoming},
    output::{Sink, To},
};

/// How much is read for a binary message, in bytes.
const CHUNK: usize = 64 << 10;

/// How standard input is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Text that ends with this byte, or with the end of the input.
    After(u8),
    /// Binary messages, as the bytes arrive.
    Chunks,
}

/// Reads standard input in a thread, which does not delay the end of the program. `longest` bounds a line, in bytes.
pub(crate) fn read(cut: Cut, longest: u64) -> mpsc::Receiver<Incoming> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let incoming = next(&mut stdin, cut, longest);
            let is_last = matches!(incoming, Incoming::End | Incoming::Failed(_));
            if sender.blocking_send(incoming).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

fn next(input: &mut impl BufRead, cut: Cut, longest: u64) -> Incoming {
    let read = match cut {
        Cut::Chunks => chunk(input),
        Cut::After(end) => line(input, end, longest),
    };
    read.unwrap_or_else(|error| Incoming::Failed(format!("cannot read standard input: {error}")))
}

fn chunk(input: &mut impl BufRead) -> io::Result<Incoming> {
    let mut bytes = vec![0; CHUNK];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return Ok(Incoming::End),
            Ok(count) => {
                bytes.truncate(count);
                return Ok(Incoming::Binary(bytes));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn line(input: &mut impl BufRead, end: u8, longest: u64) -> io::Result<Incoming> {
    let mut line = Vec::new();
    // With room for both characters of a line end.
    input
        .by_ref()
        .take(longest.saturating_add(2))
        .read_until(end, &mut line)?;
    if line.is_empty() {
        return Ok(Incoming::End);
    }
    if line.last() == Some(&end) {
        line.pop();
        if end == b'\n' && line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() as u64 > longest {
        let advice = "raise --max-message-size, or send it with --binary";
        return Ok(Incoming::Failed(format!(
            "a line is longer than {longest} bytes: {advice}"
        )));
    }
    Ok(match String::from_utf8(line) {
        Ok(text) => Incoming::Text(text),
        Err(_) => Incoming::Failed("standard input is not UTF-8: send it with --binary".into()),
    })
}

/// Standard output, which is flushed when nothing more waits, and standard error.
pub(crate) struct Pipes(BufWriter<Stdout>);

impl Pipes {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }
}

impl Sink for Pipes {
    fn write(&mut self, to: To, bytes: &[u8]) -> io::Result<()> {
        if to == To::Stdout {
            return self.0.write_all(bytes);
        }
        // In the order of both. Whoever has closed standard error does not want to read it.
        self.0.flush()?;
        let _ = io::stderr().write_all(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_mut().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], cut: Cut, longest: u64) -> Vec<String> {
        let mut input = input;
        let mut all = Vec::new();
        loop {
            match next(&mut input, cut, longest) {
                Incoming::Text(text) => all.push(text),
                Incoming::Binary(bytes) => all.push(format!("{} bytes", bytes.len())),
                Incoming::End => return all,
                Incoming::Failed(why) => {
                    all.push(why);
                    return all;
                }
            }
        }
    }

    #[test]
    fn lines_may_end_in_either_way() {
        assert_eq!(all(b"one\r\n\ntwo", Cut::After(b'\n'), 100), ["one", "", "two"]);
        assert_eq!(all(b"a\nb\r\0\0c", Cut::After(0), 100), ["a\nb\r", "", "c"]);
    }

    #[test]
    fn a_line_is_bounded() {
        assert_eq!(all(b"four\r\nfour", Cut::After(b'\n'), 4), ["four", "four"]);
        let read = all(b"fives\nrest", Cut::After(b'\n'), 4);
        assert!(
            read.len() == 1 && read[0].starts_with("a line is longer than 4 bytes"),
            "{read:?}"
        );
    }

    #[test]
    fn bytes_that_are_no_text_need_an_option() {
        let read = all(b"text\n\xff\n", Cut::After(b'\n'), 100);
        assert_eq!(read, ["text", "standard input is not UTF-8: send it with --binary"]);
        assert_eq!(all(&[0xff; CHUNK + 1], Cut::Chunks, 100), ["65536 bytes", "1 bytes"]);
    }
}
