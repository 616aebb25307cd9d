//! How the examples begin and end: an error is one line on standard error.

use std::{fmt::Display, process::ExitCode};

use clap::Parser;

/// The options of the command line. Invalid ones end the program with exit status 2.
pub(crate) fn options<T: Parser>() -> T {
    T::try_parse().unwrap_or_else(|error| {
        // `--help` is not an error.
        if !error.use_stderr() {
            error.exit();
        }
        // The first paragraph contains the error; usage and hints follow.
        let text = error.to_string();
        let what = text.split("\n\n").next().unwrap_or(&text);
        let words: Vec<_> = what.split_whitespace().collect();
        eprintln!("{} (see --help)", words.join(" "));
        std::process::exit(2)
    })
}

/// The exit status of a program that has ended.
pub(crate) fn exit(result: Result<(), impl Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
