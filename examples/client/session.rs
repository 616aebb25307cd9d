//! One connection to a server: sends the input, and shows what arrives, until it ends.

use std::{cell::RefCell, collections::VecDeque, fs::File, io::Read, pin::pin, time::Instant};

use websocket_proto::{
    CloseCode, CloseFrame, CloseInfo, Error, Event,
    tokio::{MaybeTls, RecvHalf, SendHalf, WebSocket},
};

use crate::{
    arguments::Options,
    commands::{self, Action},
    input::{Incoming, Input},
    output::Output,
    signals::Signals,
    visible,
};

/// How many Pings, and how many lines, are timed while they are unanswered.
const MOST_TIMED: usize = 1024;

/// How a connection ended.
pub(crate) struct Ended {
    pub(crate) result: Result<(), Error>,
    pub(crate) info: Option<CloseInfo>,
    /// Whether it ended because this side wanted to, and why if something was wrong here.
    pub(crate) wanted: Option<Result<(), String>>,
}

/// What a session needs to know.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a Options,
    pub(crate) output: &'a Output,
    pub(crate) signals: &'a Signals,
}

/// What was sent and not answered yet.
#[derive(Default)]
struct Unanswered {
    pings: VecDeque<(Vec<u8>, Instant)>,
    lines: VecDeque<Instant>,
}

impl Session<'_> {
    pub(crate) async fn run(&self, websocket: WebSocket<MaybeTls>, input: &mut Input) -> Ended {
        let unanswered = RefCell::default();
        let (mut send, mut recv) = websocket.split();
        let mut closing = send.clone();
        let mut wanted = None;
        let result = {
            let mut sending = pin!(self.send(&mut send, input, &unanswered));
            let mut receiving = pin!(self.receive(&mut recv, &unanswered));
            loop {
                tokio::select! {
                    result = &mut receiving => break result,
                    why = &mut sending, if wanted.is_none() => wanted = Some(why),
                    code = self.interrupted(), if wanted.is_none() => {
                        wanted = Some(Ok(()));
                        // The receiving half writes it, and reports a failure.
                        let _ = closing.feed_close(CloseFrame::from(code));
                    }
                }
            }
        };
        Ended {
            result,
            info: recv.close_info(),
            wanted,
        }
    }

    /// Echoes every message. The other side drives.
    pub(crate) async fn echo(&self, mut websocket: WebSocket<MaybeTls>) -> Ended {
        let mut wanted = None;
        let result = loop {
            tokio::select! {
                biased;
                // The message is lent, and the echo is written before the next wait.
                received = websocket.recv_split() => match received {
                    Ok(Some((message, outbound))) => {
                        if let Err(error) = outbound.feed(message) {
                            break Err(error.into());
                        }
                    }
                    ended => break ended.map(drop),
                },
                code = self.interrupted(), if wanted.is_none() => {
                    wanted = Some(Ok(()));
                    let _ = websocket.feed_close(CloseFrame::from(code));
                }
            }
        };
        Ended {
            result,
            info: websocket.close_info(),
            wanted,
        }
    }

    /// Waits until the program is asked to end, or nobody reads its output.
    async fn interrupted(&self) -> CloseCode {
        tokio::select! {
            () = self.signals.received(1) => CloseCode::GOING_AWAY,
            () = self.output.broken() => CloseCode::GOING_AWAY,
        }
    }

    /// Sends the input until it ends, or a command closes the connection. Returns what was wrong with the input.
    async fn send(
        &self,
        send: &mut SendHalf<MaybeTls>,
        input: &mut Input,
        unanswered: &RefCell<Unanswered>,
    ) -> Result<(), String> {
        loop {
            let is_interactive = input.is_interactive;
            let sent = match input.next().await {
                Incoming::Text(text) if is_interactive => match commands::parse(text) {
                    Ok(Action::Close(frame)) => {
                        let frame = CloseFrame::new(frame.code, frame.reason);
                        // The receiving half reports a failure.
                        let _ = send.close(frame).await;
                        return Ok(());
                    }
                    Ok(action) => self.act(send, action, unanswered).await,
                    Err(sentence) => {
                        self.output.complain(&sentence).await;
                        Ok(())
                    }
                },
                Incoming::Text(text) => self.text(send, text, unanswered).await,
                Incoming::Binary(bytes) => send.feed(bytes.as_slice()).await,
                Incoming::End if self.options.no_close && !is_interactive => {
                    let _ = send.flush().await;
                    std::future::pending().await
                }
                Incoming::End => {
                    let _ = send.close(CloseCode::NORMAL).await;
                    return Ok(());
                }
                Incoming::Failed(why) => {
                    let why = why.clone();
                    let _ = send.close(CloseCode::NORMAL).await;
                    return Err(why);
                }
            };
            // Everything that was read is written together.
            let sent = match sent {
                Ok(()) if input.is_last() => send.flush().await,
                sent => sent,
            };
            match sent {
                // What was refused is not tried again.
                Err(Error::Send(error)) if !send_is_over(&error) => {
                    self.output
                        .complain(&format!("not sent: {}", visible::line(&error.to_string())))
                        .await;
                }
                // The receiving half reports it, and what was not sent stays in the input.
                Err(_) => std::future::pending().await,
                Ok(()) => {}
            }
            input.done();
        }
    }

    async fn act(
        &self,
        send: &mut SendHalf<MaybeTls>,
        action: Action<'_>,
        unanswered: &RefCell<Unanswered>,
    ) -> Result<(), Error> {
        match action {
            Action::Send(text) => self.text(send, text, unanswered).await,
            Action::Ping(payload) => {
                unanswered.borrow_mut().pinged(payload);
                send.ping(payload.as_bytes()).await
            }
            Action::Binary(path) => match read_file(path.into(), self.options.max_message_size).await {
                Ok(bytes) => {
                    let length = bytes.len();
                    send.send(bytes).await?;
                    self.output
                        .notice(&format!("sent a binary message of {length} bytes"))
                        .await;
                    Ok(())
                }
                Err(sentence) => {
                    self.output.complain(&sentence).await;
                    Ok(())
                }
            },
            Action::Help => {
                for line in commands::HELP {
                    self.output.report(line).await;
                }
                Ok(())
            }
            Action::Close(frame) => send.close(frame).await,
        }
    }

    async fn text(
        &self,
        send: &mut SendHalf<MaybeTls>,
        text: &str,
        unanswered: &RefCell<Unanswered>,
    ) -> Result<(), Error> {
        if self.options.timing {
            unanswered.borrow_mut().lined();
        }
        send.feed(text).await
    }

    /// Shows what arrives until the connection ends.
    async fn receive(&self, recv: &mut RecvHalf<MaybeTls>, unanswered: &RefCell<Unanswered>) -> Result<(), Error> {
        let mut latency = None;
        loop {
            // A Pong's time is available when the connection is polled next, so it is printed with the next event.
            if self.options.verbose && recv.latency() != latency {
                latency = recv.latency();
                self.output
                    .report(&format!("ping: {:.1?}", latency.unwrap_or_default()))
                    .await;
            }
            match recv.recv_event().await? {
                None => return Ok(()),
                Some(Event::Message(message)) => {
                    let answered = unanswered.borrow_mut().lines.pop_front();
                    self.output.message(None, &message).await;
                    if let Some(sent) = answered {
                        self.output.report(&format!("echo: {:.1?}", sent.elapsed())).await;
                    }
                }
                Some(Event::Pong(payload)) => {
                    let said = unanswered.borrow_mut().ponged(payload);
                    if let Some(said) = said {
                        self.output.report(&said).await;
                    }
                }
                Some(Event::Ping(payload)) if self.options.verbose => {
                    let payload = String::from_utf8_lossy(payload);
                    self.output.report(&format!("ping received{}", quoted(&payload))).await;
                }
                Some(_) => {}
            }
        }
    }
}

impl Unanswered {
    fn lined(&mut self) {
        if self.lines.len() < MOST_TIMED {
            self.lines.push_back(Instant::now());
        }
    }

    fn pinged(&mut self, payload: &str) {
        if self.pings.len() < MOST_TIMED {
            self.pings.push_back((payload.as_bytes().to_vec(), Instant::now()));
        }
    }

    /// Says how long a Pong took, if it answers a Ping that was typed.
    fn ponged(&mut self, payload: &[u8]) -> Option<String> {
        let place = self.pings.iter().position(|(sent, _)| sent == payload)?;
        // §5.5.3: a Pong may answer only the last of several Pings.
        let (_, sent) = self.pings.drain(..=place).next_back()?;
        let text = String::from_utf8_lossy(payload);
        Some(format!("pong{} after {:.1?}", quoted(&text), sent.elapsed()))
    }
}

fn quoted(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!(" \"{}\"", visible::line(text)),
    }
}

/// Whether nothing more can be sent on the connection.
fn send_is_over(error: &websocket_proto::SendError) -> bool {
    matches!(error, websocket_proto::SendError::Closing(()))
}

/// Reads a file of at most this length.
pub(crate) async fn read_file(path: String, longest: u64) -> Result<Vec<u8>, String> {
    let shown = visible::line(&path);
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(longest.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    match read.await {
        Ok(Ok(bytes)) if bytes.len() as u64 <= longest => Ok(bytes),
        Ok(Ok(_)) => Err(format!(
            "{shown} is longer than {longest} bytes: raise --max-message-size"
        )),
        Ok(Err(error)) => Err(format!("{shown}: {error}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_answers_the_pings_before_it_as_well() {
        let mut unanswered = Unanswered::default();
        for payload in ["one", "two", "three"] {
            unanswered.pinged(payload);
        }
        assert_eq!(unanswered.ponged(b"unsolicited"), None);
        assert!(
            unanswered
                .ponged(b"two")
                .is_some_and(|said| said.starts_with("pong \"two\" after "))
        );
        assert_eq!(unanswered.ponged(b"one"), None);
        assert!(unanswered.ponged(b"three").is_some());
    }

    #[test]
    fn what_is_timed_is_bounded() {
        let mut unanswered = Unanswered::default();
        for _ in 0..2 * MOST_TIMED {
            unanswered.pinged("");
            unanswered.lined();
        }
        assert_eq!(
            (unanswered.pings.len(), unanswered.lines.len()),
            (MOST_TIMED, MOST_TIMED)
        );
    }
}
