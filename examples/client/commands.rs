//! What a line that was typed means.

use websocket_proto::{CloseCode, CloseFrame};

/// The help for a person at the terminal.
pub(crate) const HELP: &[&str] = &[
    "TEXT                    send a text message; pasted lines are one message",
    "/ping [TEXT]            send a Ping, and show how long its Pong took",
    "/binary FILE            send the content of a file as a binary message",
    "/close [CODE [REASON]]  close the connection, and end",
    "/help                   show this",
    "//TEXT                  send TEXT with one slash before it",
    "Ctrl-D, Ctrl-C          close the connection with 1000, and end",
];

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
const MAX_CONTROL: usize = 125;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    Send(&'a str),
    Ping(&'a str),
    /// Send this file.
    Binary(&'a str),
    Close(CloseFrame<'a>),
    Help,
}

/// Returns what a line means. Text of several lines was pasted, and is never a command.
///
/// # Errors
///
/// A sentence that says what is wrong with a command.
pub(crate) fn parse(line: &str) -> Result<Action<'_>, String> {
    let Some(command) = line.strip_prefix('/').filter(|_| !line.contains('\n')) else {
        // Whoever copies a whole line copies its end as well.
        return Ok(Action::Send(line.strip_suffix('\n').unwrap_or(line)));
    };
    if command.starts_with('/') {
        return Ok(Action::Send(command));
    }
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    match name {
        "ping" if rest.len() > MAX_CONTROL => Err(format!("a Ping carries at most {MAX_CONTROL} bytes")),
        "ping" => Ok(Action::Ping(rest)),
        "binary" if rest.trim().is_empty() => Err("usage: /binary FILE".into()),
        "binary" => Ok(Action::Binary(rest.trim())),
        "close" => close(rest.trim()).map(Action::Close),
        "help" => Ok(Action::Help),
        _ => Err(format!(
            "unknown command /{}: see /help, or write //{} to send the line",
            crate::visible::beginning(name, 32),
            crate::visible::beginning(name, 32),
        )),
    }
}

fn close(arguments: &str) -> Result<CloseFrame<'_>, String> {
    if arguments.is_empty() {
        return Ok(CloseFrame::from(CloseCode::NORMAL));
    }
    let (code, reason) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let code = code.parse().map(CloseCode::new).ok().filter(|code| code.is_sendable());
    let code = code.ok_or("a close code is 1000 to 1003, 1007 to 1014, or 3000 to 4999")?;
    let reason = reason.trim();
    if reason.len() > CloseFrame::MAX_REASON_LEN {
        return Err(format!(
            "a close reason has at most {} bytes",
            CloseFrame::MAX_REASON_LEN
        ));
    }
    Ok(CloseFrame::new(code, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages() {
        for text in ["", "hello", " /ping", "a/b"] {
            assert_eq!(parse(text), Ok(Action::Send(text)));
        }
        assert_eq!(parse("//etc/passwd"), Ok(Action::Send("/etc/passwd")));
        assert_eq!(parse("///"), Ok(Action::Send("//")));
    }

    #[test]
    fn pasted_lines_are_one_message() {
        assert_eq!(parse("/close\nor not"), Ok(Action::Send("/close\nor not")));
        assert_eq!(parse("one\ntwo\n"), Ok(Action::Send("one\ntwo")));
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(parse("/ping"), Ok(Action::Ping("")));
        assert_eq!(parse("/ping  two  spaces "), Ok(Action::Ping(" two  spaces ")));
        assert_eq!(parse("/binary my file.bin"), Ok(Action::Binary("my file.bin")));
        assert_eq!(parse("/help"), Ok(Action::Help));
        assert_eq!(parse("/close"), Ok(Action::Close(CloseFrame::from(CloseCode::NORMAL))));
        let frame = CloseFrame::new(CloseCode::new(4000), "see you");
        assert_eq!(parse("/close 4000 see you"), Ok(Action::Close(frame)));
    }

    #[test]
    fn mistakes_get_one_sentence() {
        let long = format!("/close 1000 {}", "x".repeat(124));
        let ping = format!("/ping {}", "x".repeat(126));
        for line in [
            "/nonsense",
            "/binary",
            "/close 1005",
            "/close 99999",
            "/close soon",
            "/",
            &long,
            &ping,
            "/\x1b[2J",
        ] {
            let sentence = parse(line).expect_err(line);
            assert!(
                !sentence.is_empty() && !sentence.contains(['\n', '\x1b']),
                "{sentence:?}"
            );
        }
        assert_eq!(
            parse("/join room"),
            Err("unknown command /join: see /help, or write //join to send the line".into())
        );
    }
}
