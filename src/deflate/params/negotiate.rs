//! Offers and responses as pure functions ([RFC 7692 §5, §7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)).

use alloc::string::ToString;

use super::{ContextTakeover, DeflateConfig, DeflateParams};
use crate::fields::{Extension, ExtensionParam};

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
    /// `server_no_context_takeover` was requested and not confirmed.
    #[error("server_no_context_takeover is not confirmed")]
    ServerContextTakeover,
    /// `server_max_window_bits` was requested and not confirmed, or is larger than requested.
    #[error("server_max_window_bits is not confirmed")]
    ServerWindow,
    /// `client_max_window_bits` was not offered, is larger than offered, or is 8, which this side does not support.
    #[error("client_max_window_bits is not acceptable")]
    ClientWindow,
}

/// The value of `client_max_window_bits`, which may have no value in an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientWindow {
    Absent,
    AnyValue,
    Bits(u8),
}

/// The parameters of one element, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: ClientWindow,
}

/// A valid permessage-deflate offer ([RFC 7692 §7.1]).
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOffer(Element);

impl DeflateOffer {
    /// The name of the extension.
    pub const NAME: &'static str = "permessage-deflate";

    /// Reads a client's offer.
    ///
    /// # Errors
    ///
    /// [`DeflateError`] for an offer that must be declined ([RFC 7692 §7]): the next one may be acceptable.
    ///
    /// [RFC 7692 §7]: https://www.rfc-editor.org/rfc/rfc7692#section-7
    pub fn parse(offer: &Extension<'_>) -> Result<Self, DeflateError> {
        Element::parse(offer).map(Self)
    }

    /// Returns what a server agrees to, or `None` if it cannot honour this offer.
    fn accept(self, config: &DeflateConfig) -> Option<DeflateParams> {
        let config = config.bounded();
        let Self(offer) = self;
        let server_bits = match offer.server_max_window_bits {
            // §7.1.2.1: compressing with a window of 8 is not supported, so it is never agreed to.
            Some(bits) if bits < DeflateConfig::MIN_WINDOW_BITS => return None,
            Some(bits) => bits.min(config.server_max_window_bits),
            None => config.server_max_window_bits,
        };
        let client_bits = match offer.client_max_window_bits {
            ClientWindow::Absent => DeflateConfig::MAX_WINDOW_BITS,
            ClientWindow::AnyValue => config.client_max_window_bits,
            ClientWindow::Bits(bits) => bits.min(config.client_max_window_bits),
        };
        // A window that the client does not let this side choose is too large to be held between messages.
        let client_takeover = if offer.client_no_context_takeover || client_bits > config.client_max_window_bits {
            ContextTakeover::Forbid
        } else {
            config.client_context_takeover
        };
        let server_takeover = if offer.server_no_context_takeover {
            ContextTakeover::Forbid
        } else {
            config.server_context_takeover
        };
        Some(
            DeflateParams::new()
                .server_context_takeover(server_takeover)
                .client_context_takeover(client_takeover)
                .server_max_window_bits(server_bits)
                .client_max_window_bits(client_bits),
        )
    }
}

impl DeflateConfig {
    /// Returns a server's response to the extensions that a client offers: the parameters, and the element that states
    /// them. `None` if no offer can be honoured.
    ///
    /// The handshake does this automatically; use it for handshakes that are done elsewhere.
    ///
    /// ```
    /// use websocket_proto::{DeflateConfig, handshake::Extension};
    ///
    /// let offer = Extension::new("permessage-deflate").flag("client_max_window_bits");
    /// let (params, answer) = DeflateConfig::context_takeover().answer([offer]).expect("an offer that can be honoured");
    /// assert_eq!(answer.to_string(), "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12");
    /// assert_eq!(params.client_max_window_bits, 12);
    /// ```
    pub fn answer<'a>(
        &self,
        offers: impl IntoIterator<Item = Extension<'a>>,
    ) -> Option<(DeflateParams, Extension<'static>)> {
        // §5, §5.1: the offers are in order of preference, and those that cannot be honoured are declined one by one.
        offers.into_iter().find_map(|offer| self.answer_one(&offer))
    }

    /// Returns the response to one offer. `None` declines it, or ignores an offer of another extension.
    fn answer_one(&self, offer: &Extension<'_>) -> Option<(DeflateParams, Extension<'static>)> {
        if offer.name() != DeflateOffer::NAME {
            return None;
        }
        let offer = DeflateOffer::parse(offer).ok()?;
        let params = offer.accept(self)?;
        Some((params, params.to_answer(offer)))
    }

    /// Returns a client's offer.
    #[must_use]
    pub fn offer(&self) -> Extension<'static> {
        let config = self.bounded();
        let mut offer = Extension::new(DeflateOffer::NAME);
        if config.server_context_takeover == ContextTakeover::Forbid {
            offer = offer.flag(SERVER_NO_CONTEXT_TAKEOVER);
        }
        // §7.1.1.2: a hint that the server need not hold a window for this side.
        if config.client_context_takeover == ContextTakeover::Forbid {
            offer = offer.flag(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if config.server_max_window_bits < Self::MAX_WINDOW_BITS {
            offer = offer.param(SERVER_MAX_WINDOW_BITS, config.server_max_window_bits.to_string());
        }
        // §7.1.2.2: allows the server to choose any smaller window for this side.
        if config.client_max_window_bits < Self::MAX_WINDOW_BITS {
            offer.param(CLIENT_MAX_WINDOW_BITS, config.client_max_window_bits.to_string())
        } else {
            offer.flag(CLIENT_MAX_WINDOW_BITS)
        }
    }

    /// Checks a server's response to [`offer`](Self::offer).
    ///
    /// # Errors
    ///
    /// [`DeflateError`] for a response with which the client must fail the connection ([RFC 7692 §7.1.3]).
    ///
    /// [RFC 7692 §7.1.3]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1.3
    pub fn check_answer(&self, answer: &Extension<'_>) -> Result<DeflateParams, DeflateError> {
        let config = self.bounded();
        let answer = Element::parse(answer)?;
        let server_bits = answer.server_max_window_bits.unwrap_or(Self::MAX_WINDOW_BITS);
        if server_bits > config.server_max_window_bits {
            return Err(DeflateError::ServerWindow);
        }
        let client_bits = match answer.client_max_window_bits {
            ClientWindow::Absent => Self::MAX_WINDOW_BITS,
            // §7.1.2.2: in a response the value is mandatory.
            ClientWindow::AnyValue => return Err(DeflateError::InvalidValue),
            ClientWindow::Bits(bits) if bits < Self::MIN_WINDOW_BITS || bits > config.client_max_window_bits => {
                return Err(DeflateError::ClientWindow);
            }
            ClientWindow::Bits(bits) => bits,
        };
        let server_takeover = match (answer.server_no_context_takeover, config.server_context_takeover) {
            (true, _) => ContextTakeover::Forbid,
            (false, ContextTakeover::Allow) => ContextTakeover::Allow,
            (false, ContextTakeover::Forbid) => return Err(DeflateError::ServerContextTakeover),
        };
        // §7.1.1.2: the server may require it even if it was not offered.
        let client_takeover = if answer.client_no_context_takeover {
            ContextTakeover::Forbid
        } else {
            ContextTakeover::Allow
        };
        Ok(DeflateParams::new()
            .server_context_takeover(server_takeover)
            .client_context_takeover(client_takeover)
            .server_max_window_bits(server_bits)
            .client_max_window_bits(client_bits))
    }
}

impl DeflateParams {
    /// Returns the element of a response that states these parameters.
    fn to_answer(self, DeflateOffer(offer): DeflateOffer) -> Extension<'static> {
        let mut answer = Extension::new(DeflateOffer::NAME);
        if self.server_context_takeover == ContextTakeover::Forbid {
            answer = answer.flag(SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.client_context_takeover == ContextTakeover::Forbid {
            answer = answer.flag(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        // §7.1.2.1: an offered window is confirmed, even if it is the largest.
        if offer.server_max_window_bits.is_some() || self.server_max_window_bits < DeflateConfig::MAX_WINDOW_BITS {
            answer = answer.param(SERVER_MAX_WINDOW_BITS, self.server_max_window_bits.to_string());
        }
        // §7.1.2.2: only if the client offered it.
        if offer.client_max_window_bits != ClientWindow::Absent
            && self.client_max_window_bits < DeflateConfig::MAX_WINDOW_BITS
        {
            answer = answer.param(CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits.to_string());
        }
        answer
    }
}

impl Element {
    fn parse(extension: &Extension<'_>) -> Result<Self, DeflateError> {
        let mut element = Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: ClientWindow::Absent,
        };
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
