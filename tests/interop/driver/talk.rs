//! A connection to a peer that echoes, with its expectations.

use std::error::Error;

use websocket_proto::{
    CloseCode, CloseFrame, CloseInfo, Event, Fragment, Message,
    asynchronous::{RecvHalf, SendHalf, Transport, WebSocket},
};

pub(crate) type Complaint = Box<dyn Error>;

pub(crate) fn complain<T>(text: impl Into<String>) -> Result<T, Complaint> {
    Err(text.into().into())
}

/// A connection in two halves, so that sending never waits for receiving.
pub(crate) struct Talk<T: Transport> {
    send: SendHalf<T>,
    recv: RecvHalf<T>,
}

impl<T: Transport> Talk<T> {
    pub(crate) fn new(websocket: WebSocket<T>) -> Self {
        let (send, recv) = websocket.split();
        Self { send, recv }
    }

    /// Sends a message, which must be echoed.
    pub(crate) async fn echo<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Complaint> {
        self.echo_all(&[message.into()]).await
    }

    /// Sends messages without waiting for answers; they must be echoed in order.
    pub(crate) async fn echo_all(&mut self, messages: &[Message<'_>]) -> Result<(), Complaint> {
        let Self { send, recv } = self;
        let sending = async {
            for message in messages {
                send.feed(message).await?;
            }
            send.flush().await?;
            Ok::<_, Complaint>(())
        };
        let receiving = async {
            for message in messages {
                expect(recv, message).await?;
            }
            Ok::<_, Complaint>(())
        };
        let ((), ()) = tokio::try_join!(sending, receiving)?;
        Ok(())
    }

    /// Sends a message in fragments, between an empty first one and an empty last one. It must be echoed.
    pub(crate) async fn fragments(&mut self, message: &Message<'_>, size: usize) -> Result<(), Complaint> {
        let Self { send, recv } = self;
        let sending = async {
            send.feed(Fragment::more(slice(message, 0, 0))).await?;
            for piece in cut(message, size) {
                send.feed(Fragment::more(piece)).await?;
            }
            send.send(Fragment::last(slice(message, 0, 0))).await?;
            Ok(())
        };
        let ((), ()) = tokio::try_join!(sending, expect(recv, message))?;
        Ok(())
    }

    /// Sends a message in fragments, with a Ping after each, which must be answered before the next fragment.
    pub(crate) async fn fragments_and_pings(&mut self, message: &Message<'_>, size: usize) -> Result<(), Complaint> {
        for (number, piece) in cut(message, size).into_iter().enumerate() {
            self.send.feed(Fragment::more(piece)).await?;
            self.ping(format!("number {number}").as_bytes()).await?;
        }
        self.send.send(Fragment::last(slice(message, 0, 0))).await?;
        expect(&mut self.recv, message).await
    }

    /// Sends a Ping, which must be answered with the same payload before anything else arrives.
    pub(crate) async fn ping(&mut self, payload: &[u8]) -> Result<(), Complaint> {
        self.send.ping(payload).await?;
        loop {
            match self.recv.recv_event().await? {
                Some(Event::Pong(pong)) if pong == payload => return Ok(()),
                Some(Event::Pong(pong)) => {
                    return complain(format!("ping with {payload:?}, pong with {pong:?}"));
                }
                Some(Event::Ping(_)) => {}
                other => return complain(format!("{} in place of a pong", describe(other))),
            }
        }
    }

    pub(crate) async fn pong(&mut self, payload: &[u8]) -> Result<(), Complaint> {
        Ok(self.send.pong(payload).await?)
    }

    /// Closes the connection. The peer must answer with the same code.
    pub(crate) async fn close(&mut self, frame: Option<CloseFrame<'_>>) -> Result<(), Complaint> {
        let code = frame.as_ref().map_or(CloseCode::NO_STATUS, |frame| frame.code);
        self.send.close(frame).await?;
        self.ended(code).await?;
        Ok(())
    }

    /// Asks the peer to close the connection.
    pub(crate) async fn be_closed(&mut self, code: u16, reason: &str) -> Result<(), Complaint> {
        self.send.send(format!("close {code} {reason}")).await?;
        let info = self.ended(code.into()).await?;
        if info.reason == reason {
            Ok(())
        } else {
            complain(format!("closed with reason {:?} instead of {reason:?}", info.reason))
        }
    }

    /// Waits for the end, which must come after a closing handshake, with this code from the peer.
    async fn ended(&mut self, code: CloseCode) -> Result<CloseInfo, Complaint> {
        while let Some(event) = self.recv.recv_event().await? {
            if let Event::Message(_) = event {
                return complain(format!("{} in place of a Close", describe(Some(event))));
            }
        }
        let Some(info) = self.recv.close_info() else {
            return complain("the connection ended without information");
        };
        if info.code != code {
            return complain(format!("closed with code {}, not {code}", info.code));
        }
        if !info.clean {
            return complain(format!("not closed cleanly: {info}"));
        }
        Ok(info)
    }
}

/// The next message must be this one. Pings and Pongs may come first: some libraries send them on their own.
async fn expect<T: Transport>(recv: &mut RecvHalf<T>, wanted: &Message<'_>) -> Result<(), Complaint> {
    loop {
        match recv.recv_event().await? {
            Some(Event::Message(message)) if message == *wanted => return Ok(()),
            Some(Event::Ping(_) | Event::Pong(_)) => {}
            other => {
                let wanted = describe_message(wanted);
                return complain(format!("{} in place of {wanted}", describe(other)));
            }
        }
    }
}

/// Cuts a message into pieces of about this size, text between code points.
fn cut<'m>(message: &'m Message<'_>, size: usize) -> Vec<Message<'m>> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    while begin < message.len() {
        let mut end = message.len().min(begin + size);
        while message.as_text().is_some_and(|text| !text.is_char_boundary(end)) {
            end += 1;
        }
        pieces.push(slice(message, begin, end));
        begin = end;
    }
    pieces
}

fn slice<'m>(message: &'m Message<'_>, begin: usize, end: usize) -> Message<'m> {
    match message.as_text() {
        Some(text) => Message::text(&text[begin..end]),
        None => Message::binary(&message.as_bytes()[begin..end]),
    }
}

fn describe(event: Option<Event<'_>>) -> String {
    match event {
        None => "the end of the connection".into(),
        Some(Event::Message(message)) => describe_message(&message),
        Some(Event::Close(frame)) => format!("a Close with {frame:?}"),
        Some(other) => format!("{other:?}"),
    }
}

fn describe_message(message: &Message<'_>) -> String {
    let kind = if message.as_text().is_some() { "text" } else { "binary" };
    format!("a {kind} message of {} bytes", message.len())
}
