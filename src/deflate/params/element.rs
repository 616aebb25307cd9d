//! The parameters of one permessage-deflate element, read and written ([RFC 7692
//! §7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)).

use alloc::string::ToString;

use crate::fields::{Extension, ExtensionParam};

/// The name of the extension.
pub(super) const NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// Why a permessage-deflate element is invalid ([RFC 7692 §5.1, §7.1]).
///
/// [RFC 7692 §5.1, §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DeflateError {
    /// A parameter that permessage-deflate does not define.
    #[error("unknown parameter")]
    UnknownParameter,
    /// The same parameter occurs twice.
    #[error("repeated parameter")]
    RepeatedParameter,
    /// A parameter with an invalid value, or without a required value.
    #[error("invalid parameter value")]
    InvalidValue,
    /// `server_no_context_takeover` was requested in every offer and not confirmed.
    #[error("server_no_context_takeover is not confirmed")]
    ServerContextTakeover,
    /// `server_max_window_bits` was requested and not confirmed, or is larger than requested, and there is no offer
    /// without it that the response could belong to.
    #[error("server_max_window_bits is not confirmed")]
    ServerWindow,
    /// `client_max_window_bits` was not offered, or is larger than offered.
    #[error("client_max_window_bits was not offered, or is larger than offered")]
    ClientWindow,
}

/// The value of `client_max_window_bits`, which may have no value in an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientWindow {
    Absent,
    AnyValue,
    Bits(u8),
}

/// The parameters of one element, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    pub(super) client_max_window_bits: ClientWindow,
}

impl Element {
    /// The element without parameters.
    pub(super) const BARE: Self = Self {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: None,
        client_max_window_bits: ClientWindow::Absent,
    };

    pub(super) fn parse(extension: &Extension<'_>) -> Result<Self, DeflateError> {
        let mut element = Self::BARE;
        for param in extension.params() {
            // §7.1: each parameter occurs at most once.
            let repeated = match param.name() {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    check_flag(param)?;
                    core::mem::replace(&mut element.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    check_flag(param)?;
                    core::mem::replace(&mut element.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = window_bits(param.value().ok_or(DeflateError::InvalidValue)?)?;
                    element.server_max_window_bits.replace(bits).is_some()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let window = match param.value() {
                        None => ClientWindow::AnyValue,
                        Some(bits) => ClientWindow::Bits(window_bits(bits)?),
                    };
                    core::mem::replace(&mut element.client_max_window_bits, window) != ClientWindow::Absent
                }
                _ => return Err(DeflateError::UnknownParameter),
            };
            if repeated {
                return Err(DeflateError::RepeatedParameter);
            }
        }
        Ok(element)
    }

    pub(super) fn to_extension(self) -> Extension<'static> {
        let mut extension = Extension::new(NAME);
        if self.server_no_context_takeover {
            extension = extension.flag(SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.client_no_context_takeover {
            extension = extension.flag(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if let Some(bits) = self.server_max_window_bits {
            extension = extension.param(SERVER_MAX_WINDOW_BITS, bits.to_string());
        }
        match self.client_max_window_bits {
            ClientWindow::Absent => extension,
            ClientWindow::AnyValue => extension.flag(CLIENT_MAX_WINDOW_BITS),
            ClientWindow::Bits(bits) => extension.param(CLIENT_MAX_WINDOW_BITS, bits.to_string()),
        }
    }

    /// Checks that `answer` is a valid response to this offer.
    pub(super) fn check_answer(self, answer: Self) -> Result<(), DeflateError> {
        // §7.1.2.1: a requested window is confirmed, with no larger value.
        if let Some(most) = self.server_max_window_bits {
            if answer.server_max_window_bits.is_none_or(|bits| bits > most) {
                return Err(DeflateError::ServerWindow);
            }
        }
        // §7.1.1.1
        if self.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err(DeflateError::ServerContextTakeover);
        }
        // §7.1.2.2: only if it was offered, with no larger value. §7.1.1.2 and §7.1.2.1 allow the other parameters even
        // if they were not offered.
        match (self.client_max_window_bits, answer.client_max_window_bits) {
            (_, ClientWindow::Absent) | (ClientWindow::AnyValue, _) => Ok(()),
            (ClientWindow::Bits(most), ClientWindow::Bits(bits)) if bits <= most => Ok(()),
            _ => Err(DeflateError::ClientWindow),
        }
    }
}

/// §7.1.1: these parameters have no value.
fn check_flag(param: &ExtensionParam<'_>) -> Result<(), DeflateError> {
    match param.value() {
        None => Ok(()),
        Some(_) => Err(DeflateError::InvalidValue),
    }
}

/// §7.1.2: a decimal from 8 to 15 without leading zeros, so it has only one spelling.
fn window_bits(value: &str) -> Result<u8, DeflateError> {
    match *value.as_bytes() {
        [digit @ b'8'..=b'9'] => Ok(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Ok(10 + (digit - b'0')),
        _ => Err(DeflateError::InvalidValue),
    }
}
