//! The messages between the page and the server: JSON objects in text messages. `README.md` has them in a table.

use serde::{Deserialize, Serialize};
use websocket_proto::{DeflateConfig, PreparedMessage};

/// Most characters of an id of a line, or of a key of a name.
const MAX_ID: usize = 40;

/// What a client sends.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Request {
    /// The first message: who this is. The key, a secret of the client, lets it take its name over from a lost connection.
    Hello {
        name: String,
        key: String,
    },
    /// A line. The id is chosen by the client, so that a line that is sent again is not said twice.
    Say {
        id: String,
        text: String,
    },
    Typing,
}

impl Request {
    /// Reads a message of a client. `None` if it is not one of the above.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let request = serde_json::from_str(text).ok()?;
        match &request {
            Self::Hello { key: id, .. } | Self::Say { id, .. } if !is_id(id) => None,
            _ => Some(request),
        }
    }
}

fn is_id(id: &str) -> bool {
    (8..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A line as it is shown, and as it is stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Counts the lines of a room, from 1.
    pub(crate) number: u64,
    pub(crate) id: String,
    /// When it was said, in milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) from: String,
    pub(crate) text: String,
}

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) room: String,
    pub(crate) members: usize,
    /// The number of its last line, from which the page counts what is unread. 0 without a line.
    pub(crate) number: u64,
    pub(crate) at: u64,
    pub(crate) from: String,
    /// The beginning of the last line.
    pub(crate) text: String,
}

/// What the server sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Reply<'a> {
    /// The first message: everything that there is to see in the room.
    Welcome {
        name: &'a str,
        members: Vec<&'a str>,
        lines: Vec<&'a Line>,
        rooms: Vec<Summary>,
    },
    Line(&'a Line),
    /// The line with this id has been said before; it was sent again.
    Known {
        id: &'a str,
    },
    /// Who has come and gone since the last such message.
    Members {
        joined: &'a [String],
        left: &'a [String],
    },
    Typing {
        names: &'a [String],
    },
    /// The rooms of which something has changed.
    Rooms {
        rooms: &'a [Summary],
    },
    /// Why something was not done. With `wait`, in milliseconds, the client may send the line again after that time.
    Sorry {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        why: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        wait: Option<u64>,
    },
}

impl Reply<'_> {
    pub(crate) fn text(&self) -> String {
        // Writing plain structures to a string cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Encoded and compressed once, for all members.
    pub(crate) fn prepare(&self, deflate: DeflateConfig) -> PreparedMessage {
        PreparedMessage::text(self.text()).deflated(deflate)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "proptest")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_read() {
        let hello = r#"{"type":"hello","name":"Ann","key":"0123-4567"}"#;
        assert!(matches!(Request::read(hello), Some(Request::Hello { name, .. }) if name == "Ann"));
        let say = r#"{"type":"say","id":"0123-4567","text":"hi","more":1}"#;
        assert!(matches!(Request::read(say), Some(Request::Say { text, .. }) if text == "hi"));
        assert_eq!(Request::read(r#"{"type":"typing"}"#), Some(Request::Typing));
    }

    #[test]
    fn other_messages_are_not() {
        for text in [
            "",
            "hi",
            "{}",
            "[]",
            "null",
            r#"{"type":"sing"}"#,
            r#"{"type":"say","id":"short","text":"hi"}"#,
            r#"{"type":"say","id":"0123 4567","text":"hi"}"#,
            r#"{"type":"say","id":"0123-4567","text":7}"#,
            r#"{"type":"say","id":"0123-4567"}"#,
            r#"{"type":"hello","name":"Ann","key":""}"#,
            &"[".repeat(10_000),
        ] {
            assert_eq!(Request::read(text), None, "{text:.40}");
        }
    }

    #[cfg(feature = "proptest")]
    proptest! {
        #[test]
        fn no_message_panics(text in any::<String>()) {
            let _ = Request::read(&text);
        }

        #[test]
        fn a_line_survives_json(from in any::<String>(), text in any::<String>()) {
            let line = Line { number: 1, id: "0123-4567".into(), at: 2, from, text };
            let json = Reply::Line(&line).text();
            prop_assert_eq!(serde_json::from_str::<Line>(&json).ok(), Some(line));
        }
    }
}
