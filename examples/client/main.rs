//! A command-line client: sends lines, and shows the messages that it receives; on a terminal with a prompt, in a pipe without.

mod arguments;
mod commands;
mod compression;
mod connect;
mod follow;
mod hex;
mod input;
#[path = "../support/insecure.rs"]
mod insecure;
mod listen;
mod output;
mod pipe;
#[path = "../support/program.rs"]
mod program;
mod report;
mod session;
mod signals;
mod terminal;
mod url;
mod visible;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use arguments::Options;
use connect::Target;
use follow::Failure;
use input::Input;
use output::{Form, Output, Writer};
use pipe::{Cut, Pipes};
use session::Session;
use signals::Signals;
use terminal::{Settings, Terminal};

/// The exit status after a second signal, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options: Options = program::options();
    let settings = terminal::is_interactive().then(Settings::remember);
    let result = run(&options).await;
    // The prompt may still be there.
    if let Some(settings) = settings {
        settings.restore();
    }
    match result {
        Ok(status) => status,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Sentence(sentence)) => program::exit(Err(sentence)),
    }
}

async fn run(options: &Options) -> Result<ExitCode, Failure> {
    let signals = Signals::catch().map_err(|error| error.to_string())?;
    let mut terminal = match terminal::is_interactive() && !options.binary && !options.null {
        true => Some(Terminal::new(terminal::wants_colour())?),
        false => None,
    };
    let (output, writer) = open_output(options, terminal.as_mut());
    let start = || read_input(options, terminal.take());
    let session = Session {
        options,
        output: &output,
        signals: &signals,
    };
    let result = tokio::select! {
        result = work(&session, start) => result.map(|()| ExitCode::SUCCESS),
        () = signals.received(2) => Ok(ExitCode::from(INTERRUPTED)),
    };
    drop(output);
    writer.finish();
    result
}

async fn work(session: &Session<'_>, start: impl FnMut() -> Input) -> Result<(), Failure> {
    match session.options.listen {
        Some(address) => listen::listen(session, address, start).await,
        None => follow::follow(session, &Target::new(session.options)?, start).await,
    }
}

fn open_output(options: &Options, terminal: Option<&mut Terminal>) -> (Output, Writer) {
    if let Some(terminal) = terminal {
        let form = Form::Marked {
            colour: terminal::wants_colour(),
        };
        return Output::new(form, options.verbose, terminal.printer());
    }
    let form = match options {
        _ if io::stdout().is_terminal() => Form::Harmless,
        Options { binary: true, .. } => Form::Exact(b""),
        Options { null: true, .. } => Form::Exact(b"\0"),
        _ => Form::Lines,
    };
    Output::new(form, options.verbose, Pipes::new())
}

fn read_input(options: &Options, terminal: Option<Terminal>) -> Input {
    if options.echo {
        return Input::silent();
    }
    if let Some(terminal) = terminal {
        return Input::new(terminal.read(), true);
    }
    let cut = match options {
        Options { binary: true, .. } => Cut::Chunks,
        Options { null: true, .. } => Cut::After(0),
        _ => Cut::After(b'\n'),
    };
    Input::new(pipe::read(cut, options.max_message_size), false)
}
