//! What carries a session.

use websocket_proto::PreparedMessage;

use crate::timers::Time;

#[derive(Debug)]
pub(super) enum Transport {
    Polling,
    /// Polling, while a WebSocket is connected that may take over.
    Probing {
        until: Time,
        stage: Stage,
    },
    WebSocket,
}

/// How far a probe has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing was received over the WebSocket.
    Silent,
    /// The probe is to be answered.
    Asked(PreparedMessage),
    Answered,
}

impl Transport {
    /// Returns whether a probe was received, so that nothing is sent until the upgrade.
    pub(super) const fn is_upgrading(&self) -> bool {
        matches!(
            self,
            Self::Probing {
                stage: Stage::Asked(_) | Stage::Answered,
                ..
            }
        )
    }
}
