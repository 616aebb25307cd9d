//! One connection, from the upgrade to its end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use websocket_proto::{
    CloseCode, CloseFrame, Config, Error, Negotiated,
    tokio::{ShutdownGuard, SubscriptionEnd, WebSocket},
};

use crate::{
    hall::{Hall, Member, Outcome},
    pace::Pace,
    protocol::{Reply, Request},
    text,
};

type Socket = WebSocket<TokioIo<hyper::upgrade::Upgraded>>;

/// A client has to say who it is within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that a member may say at once, before its rate counts.
const BURST: u32 = 10;

/// Refused lines after which a member has to go. A client that waits as it is asked to never gets there.
const MAX_REFUSED: u32 = 200;

/// How a connection ends, in words.
type End = CloseFrame<'static>;

const STOPPING: End = CloseFrame::new(CloseCode::GOING_AWAY, "The server stops or restarts.");
const SILENT: End = CloseFrame::new(CloseCode::POLICY, "No name was given in time.");
const UNKNOWN: End = CloseFrame::new(CloseCode::POLICY, "The server does not understand this client.");
const NOT_TEXT: End = CloseFrame::new(CloseCode::UNSUPPORTED, "Only text is understood.");
const TOO_MANY: End = CloseFrame::new(CloseCode::POLICY, "You sent too many messages at once.");
const TOO_SLOW: End = CloseFrame::new(
    CloseCode::TRY_AGAIN_LATER,
    "Your connection was too slow for this room.",
);
const LEFT: End = CloseFrame::new(CloseCode::NORMAL, "");

/// Your name was entered from another window or device.
const REPLACED: End = CloseFrame::new(CloseCode::new(4001), "You have entered this room in another place.");

/// The name cannot enter. The reason is for the person.
const NO_ENTRY: CloseCode = CloseCode::new(4000);

/// Serves a connection from the upgrade to its end.
///
/// # Errors
///
/// Why the connection was lost.
pub(crate) async fn visit(
    hall: &Arc<Hall>,
    room: &str,
    upgraded: OnUpgrade,
    negotiated: &Negotiated,
    config: &Config,
    mut guard: ShutdownGuard,
) -> Result<(), Error> {
    let stream = TokioIo::new(upgraded.await.map_err(std::io::Error::other)?);
    let mut websocket = WebSocket::from_negotiated(stream, negotiated, config);
    let first = guard.unless_requested(timeout(PATIENCE, websocket.recv())).await;
    let first = match first {
        None => return websocket.close(STOPPING).await,
        Some(Err(_)) => return websocket.close(SILENT).await,
        Some(Ok(first)) => first?,
    };
    let Some(first) = first else { return Ok(()) };
    let Some(Request::Hello { name, key }) = first.as_text().and_then(Request::read) else {
        return websocket.close(UNKNOWN).await;
    };
    let entered = match text::name(&name) {
        Ok(name) => hall.enter(room, &name, &key),
        Err(unfit) => Err(unfit.words()),
    };
    let (member, welcome) = match entered {
        Ok(entered) => entered,
        Err(why) => return websocket.close(CloseFrame::new(NO_ENTRY, why)).await,
    };
    let mut session = Session {
        pace: Pace::new(BURST.max(hall.rate()), hall.rate(), Instant::now()),
        refused: 0,
        member,
    };
    let talked = match session.tell(&mut websocket, welcome).await {
        Ok(None) => session.talk(&mut websocket, &mut guard).await,
        Ok(Some(end)) => Ok(end),
        Err(error) => Err(error),
    };
    // The room is informed before the closing handshake, which may take a while.
    drop(session);
    websocket.close(talked?).await
}

struct Session {
    pace: Pace,
    /// Lines that were refused since one was said.
    refused: u32,
    member: Member,
}

impl Session {
    /// Passes messages on in both directions. Returns how to close.
    async fn talk(&mut self, websocket: &mut Socket, guard: &mut ShutdownGuard) -> Result<End, Error> {
        loop {
            tokio::select! {
                received = websocket.recv_split() => {
                    let request = match received? {
                        Some((message, _)) => match message.as_text() {
                            Some(text) => Request::read(text),
                            None => return Ok(NOT_TEXT),
                        },
                        None => return Ok(LEFT),
                    };
                    let reply = match request {
                        Some(Request::Say { id, text }) => self.say(id, &text),
                        Some(Request::Typing) => {
                            self.member.types();
                            None
                        }
                        Some(Request::Hello { .. }) | None => return Ok(UNKNOWN),
                    };
                    if self.refused > MAX_REFUSED {
                        return Ok(TOO_MANY);
                    }
                    if let Some(reply) = reply {
                        if let Some(end) = self.tell(websocket, reply).await? {
                            return Ok(end);
                        }
                    }
                }
                next = self.member.subscription.recv() => match next {
                    // It is written in the next turn of the loop.
                    Ok(message) => match self.member.subscription.unless_too_slow(websocket.feed(&message)).await {
                        Some(fed) => fed?,
                        None => return Ok(TOO_SLOW),
                    },
                    Err(SubscriptionEnd::TooSlow) => return Ok(TOO_SLOW),
                    Err(_) => return Ok(STOPPING),
                },
                _ = &mut self.member.replaced => return Ok(REPLACED),
                () = guard.requested() => return Ok(STOPPING),
            }
        }
    }

    /// Says a line in the room. Returns what to answer its author, if anything.
    fn say(&mut self, id: String, text: &str) -> Option<String> {
        let (why, wait) = match text::line(text) {
            Err(unfit) => (unfit.words(), None),
            Ok(text) => match self.pace.take(Instant::now()) {
                Err(wait) => ("You are writing faster than others can read.", Some(wait)),
                Ok(()) => match self.member.say(id.clone(), text) {
                    Outcome::Said => {
                        self.refused = 0;
                        return None;
                    }
                    Outcome::Known => return Some(Reply::Known { id: &id }.text()),
                    Outcome::Wait(wait) => ("Many people are writing in this room at the moment.", Some(wait)),
                },
            },
        };
        self.refused += 1;
        // A client that asks again exactly then must not be too early.
        let wait = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
        Some(
            Reply::Sorry {
                id: Some(&id),
                why,
                wait,
            }
            .text(),
        )
    }

    /// Tells this member alone. Returns how to close if its connection is too slow for its room.
    async fn tell(&mut self, websocket: &mut Socket, text: String) -> Result<Option<End>, Error> {
        match self.member.subscription.unless_too_slow(websocket.feed(text)).await {
            Some(fed) => fed.map(|()| None),
            None => Ok(Some(TOO_SLOW)),
        }
    }
}
