//! An interactive terminal: a prompt with line editing and history, and messages that appear above it.

use std::{
    env,
    io::{self, IsTerminal, Write},
    thread,
};

use rustyline::{ColorMode, Config, Editor, ExternalPrinter, error::ReadlineError, history::MemHistory};
use tokio::sync::mpsc;

use crate::{
    input::{AHEAD, Incoming},
    output::{Sink, To, paint},
};

/// Lines that can be called back with the arrow keys, while the program runs. They are not stored, since they may be secrets.
const HISTORY: usize = 1000;

/// Whether a person is at both ends.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether to use colours (<https://no-color.org>).
pub(crate) fn wants_colour() -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    !is_dumb && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal whose prompt has not been shown yet.
pub(crate) struct Terminal {
    editor: Editor<(), MemHistory>,
    colour: bool,
}

impl Terminal {
    pub(crate) fn new(colour: bool) -> Result<Self, String> {
        let config = Config::builder()
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map(|config| {
                let colours = if colour {
                    ColorMode::Enabled
                } else {
                    ColorMode::Disabled
                };
                config.auto_add_history(true).color_mode(colours).build()
            });
        let editor = config.and_then(|config| Editor::with_history(config.clone(), MemHistory::with_config(&config)));
        let mut editor = editor.map_err(|error| format!("cannot use the terminal: {error}"))?;
        // Without a helper, even one that does nothing, the editor leaves out the colours of the prompt.
        editor.set_helper(Some(()));
        Ok(Self { editor, colour })
    }

    /// Returns what writes above the prompt.
    pub(crate) fn printer(&mut self) -> Printer {
        // A terminal without cursor movements has no such printer, and a prompt that does not need one.
        let above: Option<Box<dyn ExternalPrinter + Send>> = match self.editor.create_external_printer() {
            Ok(printer) => Some(Box::new(printer)),
            Err(_) => None,
        };
        Printer { above }
    }

    /// Shows the prompt, and reads lines in a thread, which does not delay the end of the program.
    pub(crate) fn read(mut self) -> mpsc::Receiver<Incoming> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let prompt = (String::from("> "), paint(self.colour, "32", ">") + " ");
        thread::spawn(move || {
            loop {
                let incoming = match self.editor.readline(&prompt) {
                    Ok(line) => Incoming::Text(line),
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => Incoming::End,
                    Err(ReadlineError::Signal(_)) => continue,
                    Err(error) => Incoming::Failed(format!("cannot read the terminal: {error}")),
                };
                let is_last = !matches!(incoming, Incoming::Text(_));
                if sender.blocking_send(incoming).is_err() || is_last {
                    return;
                }
            }
        });
        receiver
    }
}

/// Writes above the prompt.
pub(crate) struct Printer {
    above: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Sink for Printer {
    fn write(&mut self, _: To, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        match &mut self.above {
            Some(printer) => printer.print(text.into()).map_err(io::Error::other),
            None => io::stdout().write_all(text.as_bytes()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

impl Drop for Printer {
    /// Waits until everything is on the screen: the editor takes one text at a time, so that it has printed the last one when it
    /// takes a further one. These leave the cursor where it is.
    fn drop(&mut self) {
        const NOTHING: &str = "\x1b[A\n";
        if let Some(printer) = &mut self.above {
            for _ in 0..3 {
                let _ = printer.print(NOTHING.into());
            }
        }
    }
}

/// The settings of the terminal before the editor changed them.
pub(crate) struct Settings {
    #[cfg(unix)]
    original: Option<nix::sys::termios::Termios>,
}

impl Settings {
    pub(crate) fn remember() -> Self {
        Self {
            #[cfg(unix)]
            original: nix::sys::termios::tcgetattr(io::stdin()).ok(),
        }
    }

    /// Restores them, since the program may end while the editor waits for a key, and erases the prompt.
    pub(crate) fn restore(&self) {
        const ERASE_LINE: &str = "\r\x1b[K";
        const NO_BRACKETED_PASTE: &str = "\x1b[?2004l";
        if env::var_os("TERM").is_none_or(|term| term != "dumb") {
            let mut stdout = io::stdout();
            let _ = write!(stdout, "{NO_BRACKETED_PASTE}{ERASE_LINE}");
            let _ = stdout.flush();
        }
        #[cfg(unix)]
        if let Some(original) = &self.original {
            use nix::sys::termios::{SetArg, tcsetattr};
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, original);
        }
    }
}
