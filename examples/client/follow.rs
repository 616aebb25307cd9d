//! A connection to a server, and with `--reconnect` the next one.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use websocket_proto::{
    Error, Time,
    reconnect::{Backoff, Policy, Verdict},
    tokio::{MaybeTls, WebSocket},
};

use crate::{
    commands::{self, Action},
    connect::Target,
    input::{Incoming, Input},
    report,
    session::{Ended, Session},
};

/// Somebody waits for the first attempts: they come sooner than those of a service would.
fn policy() -> Policy {
    Policy::new()
        .first_delay(Duration::from_secs(1))
        .base_delay(Duration::from_secs(2))
        .give_up_unlikely_after(Duration::ZERO)
}

/// How the program ends, if not with success.
pub(crate) enum Failure {
    /// With this sentence.
    Sentence(String),
    /// It has already been reported in full.
    Reported,
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Sentence(sentence)
    }
}

/// Follows a server until the connection ends for good. `start` begins to read the input, once there is a connection.
pub(crate) async fn follow(
    session: &Session<'_>,
    target: &Target,
    mut start: impl FnMut() -> Input,
) -> Result<(), Failure> {
    let (mut backoff, origin) = (Backoff::new(policy()), Instant::now());
    let now = || Time::from_origin(origin.elapsed());
    let mut input: Option<Input> = None;
    loop {
        let opened = tokio::select! {
            opened = target.open() => opened,
            () = session.signals.received(1) => return Err("interrupted while connecting".to_owned().into()),
        };
        let (verdict, ended) = match opened {
            Ok((websocket, took)) => {
                backoff.connected(now());
                if session.options.timing {
                    session
                        .output
                        .report(&format!("connect: {:.1?}", took.connecting))
                        .await;
                    session
                        .output
                        .report(&format!("handshake: {:.1?}", took.handshake))
                        .await;
                }
                let input = match &mut input {
                    Some(input) => input,
                    none => none.insert(start()),
                };
                let ended = converse(session, target, websocket, input).await;
                let verdict = Verdict::from(ended.info.clone());
                if let Some(outcome) = ended.wanted {
                    outcome?;
                    return finished(session, ended.result);
                }
                (verdict, ended.result)
            }
            Err(error) => {
                let verdict = Verdict::from(&error);
                (verdict, Err(error))
            }
        };
        if !session.options.reconnect {
            return finished_or_failed(session, ended).await;
        }
        match backoff.next_delay(now(), verdict) {
            Ok(None) => return finished(session, ended),
            // Not reported yet, unless it was a connection.
            Err(_) => return finished_or_failed(session, ended).await,
            Ok(Some(delay)) => {
                if let Err(error) = ended {
                    session.output.notice(&report::failure(&error)).await;
                }
                if !wait(session, delay, input.as_mut()).await {
                    return Err("ended while there was no connection".to_owned().into());
                }
            }
        }
    }
}

async fn converse(session: &Session<'_>, target: &Target, websocket: WebSocket<MaybeTls>, input: &mut Input) -> Ended {
    let connected = report::connected(&target.shown(), websocket.subprotocol(), websocket.deflate());
    session.output.notice(&connected).await;
    let ended = match session.options.echo {
        true => session.echo(websocket).await,
        false => session.run(websocket, input).await,
    };
    if let Some(info) = &ended.info {
        session.output.notice(&report::closed(info, "the server")).await;
    }
    ended
}

/// How the program ends after a connection.
fn finished(session: &Session<'_>, ended: Result<(), Error>) -> Result<(), Failure> {
    match ended {
        Ok(()) => Ok(()),
        // "Connection lost" has been shown.
        Err(_) if session.output.is_interactive() => Err(Failure::Reported),
        Err(error) => Err(report::failure(&error).into()),
    }
}

/// How the program ends after a connection, or after an attempt that failed.
async fn finished_or_failed(session: &Session<'_>, ended: Result<(), Error>) -> Result<(), Failure> {
    match ended {
        Err(error @ Error::Protocol(_)) => finished(session, Err(error)),
        Err(error) if session.output.is_interactive() => {
            for line in report::failure_in_full(&error) {
                session.output.complain(&line).await;
            }
            Err(Failure::Reported)
        }
        ended => finished(session, ended),
    }
}

/// Waits for the next attempt. Returns whether there will be one: not if the program is asked to end. What is typed meanwhile is
/// held, and an empty line ends the wait.
async fn wait(session: &Session<'_>, delay: Duration, input: Option<&mut Input>) -> bool {
    let is_typed = input.as_ref().is_some_and(|input| input.is_interactive);
    let hint = if is_typed { "; press Enter to connect now" } else { "" };
    let seconds = delay.as_secs_f64();
    session
        .output
        .notice(&format!("Connecting again in {seconds:.1} s{hint}"))
        .await;
    let mut waiting = std::pin::pin!(sleep(delay));
    // A pipe is not read: it can wait.
    let mut input = input.filter(|input| input.is_interactive);
    loop {
        let typed = async {
            match &mut input {
                Some(input) => input.later().await,
                None => std::future::pending().await,
            }
        };
        let typed = tokio::select! {
            () = &mut waiting => return true,
            () = session.signals.received(1) => return false,
            typed = typed => typed,
        };
        match &typed {
            Incoming::Text(text) if text.is_empty() => return true,
            Incoming::Text(text) => match commands::parse(text) {
                Ok(Action::Close(_)) => return false,
                Ok(Action::Help) => {
                    for line in commands::HELP {
                        session.output.report(line).await;
                    }
                    continue;
                }
                Ok(Action::Send(_) | Action::Binary(_)) => {}
                Ok(Action::Ping(_)) => {
                    session
                        .output
                        .complain("there is no connection to send a Ping on")
                        .await;
                    continue;
                }
                Err(sentence) => {
                    session.output.complain(&sentence).await;
                    continue;
                }
            },
            _ => return false,
        }
        let is_held = input.as_mut().is_some_and(|input| input.hold(typed));
        match is_held {
            true => {
                session
                    .output
                    .notice("it will be sent when there is a connection")
                    .await
            }
            false => {
                session
                    .output
                    .complain("not sent: too many lines wait for a connection")
                    .await
            }
        }
    }
}
