//! Offers and responses as pure functions ([RFC 7692 §5, §7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)).

use alloc::vec::Vec;

use super::{
    ContextTakeover, DeflateConfig, DeflateParams, OfferPolicy,
    element::{ClientWindow, DeflateError, Element, NAME},
};
use crate::fields::Extension;

/// A valid permessage-deflate offer ([RFC 7692 §7.1]).
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOffer(Element);

impl DeflateOffer {
    /// The name of the extension.
    pub const NAME: &'static str = NAME;

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

    /// Returns the response of a server, or `None` if it cannot honour this offer.
    fn accept(self, config: &DeflateConfig) -> Option<Element> {
        let config = config.bounded();
        let Self(offer) = self;
        let server_max_window_bits = match offer.server_max_window_bits {
            // §7.1.2.1: compressing with a window of 8 is not supported, so it is never agreed to.
            Some(bits) if bits < DeflateConfig::MIN_WINDOW_BITS => return None,
            // An offered window is confirmed, even if it is the largest. If the client does not ask, the server uses
            // its own window without saying so: some clients refuse parameters that they did not offer.
            bits => bits.map(|bits| bits.min(config.server_max_window_bits)),
        };
        let client_bits = match offer.client_max_window_bits {
            ClientWindow::Absent => DeflateConfig::MAX_WINDOW_BITS,
            ClientWindow::AnyValue => config.client_max_window_bits,
            ClientWindow::Bits(bits) => bits.min(config.client_max_window_bits),
        };
        Some(Element {
            server_no_context_takeover: offer.server_no_context_takeover
                || config.server_context_takeover == ContextTakeover::Forbid,
            // A window that the client does not let this side choose is too large to be held between messages.
            client_no_context_takeover: offer.client_no_context_takeover
                || config.client_context_takeover == ContextTakeover::Forbid
                || client_bits > config.client_max_window_bits,
            server_max_window_bits,
            // §7.1.2.2: only if the client offered it, which the largest window does not need.
            client_max_window_bits: match client_bits {
                DeflateConfig::MAX_WINDOW_BITS => ClientWindow::Absent,
                bits => ClientWindow::Bits(bits),
            },
        })
    }
}

impl DeflateConfig {
    /// Returns a server's response to the extensions that a client offers: the parameters, and the element that states
    /// them. `None` if no offer can be honoured.
    ///
    /// The first offer that can be honoured is accepted, and the others are skipped ([RFC 7692 §5.1]). The response
    /// states what the client must know: everything that it asked for, and what it has to comply with.
    ///
    /// The handshake does this automatically; use it for handshakes that are done elsewhere.
    ///
    /// ```
    /// use websocket_proto::{DeflateConfig, handshake::Extension};
    ///
    /// let offer = Extension::new("permessage-deflate").flag("client_max_window_bits");
    /// let (params, answer) = DeflateConfig::context_takeover().answer([offer]).expect("an offer that can be honoured");
    /// assert_eq!(answer.to_string(), "permessage-deflate; client_max_window_bits=12");
    /// assert_eq!(params.client_max_window_bits, 12);
    /// ```
    ///
    /// [RFC 7692 §5.1]: https://www.rfc-editor.org/rfc/rfc7692#section-5.1
    pub fn answer<'a>(
        &self,
        offers: impl IntoIterator<Item = Extension<'a>>,
    ) -> Option<(DeflateParams, Extension<'static>)> {
        // §5, §5.1: the offers are in order of preference, and those that cannot be honoured are declined one by one.
        offers.into_iter().find_map(|offer| self.answer_one(&offer))
    }

    /// Returns the response to one offer. `None` declines it, or ignores an offer of another extension.
    fn answer_one(&self, offer: &Extension<'_>) -> Option<(DeflateParams, Extension<'static>)> {
        if offer.name() != NAME {
            return None;
        }
        let answer = DeflateOffer::parse(offer).ok()?.accept(self)?;
        let params = DeflateParams::from_answer(answer).ok()?;
        Some((params, answer.to_extension()))
    }

    /// Returns a client's offers, in order of preference, as the [`offer_policy`](Self::offer_policy) says.
    ///
    /// ```
    /// use websocket_proto::DeflateConfig;
    ///
    /// let offers: Vec<_> = DeflateConfig::context_takeover().offers().iter().map(ToString::to_string).collect();
    /// assert_eq!(offers, [
    ///     "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
    ///     "permessage-deflate; server_no_context_takeover; client_max_window_bits=12",
    ///     "permessage-deflate; client_max_window_bits",
    /// ]);
    /// ```
    #[must_use]
    pub fn offers(&self) -> Vec<Extension<'static>> {
        self.elements().map(Element::to_extension).collect()
    }

    /// Returns the parameters of each offer.
    fn elements(&self) -> impl Iterator<Item = Element> {
        let config = self.bounded();
        let limited = |bits: u8| (bits < Self::MAX_WINDOW_BITS).then_some(bits);
        let preferred = Element {
            server_no_context_takeover: config.server_context_takeover == ContextTakeover::Forbid,
            // §7.1.1.2: a hint that the server need not hold a window for this side.
            client_no_context_takeover: config.client_context_takeover == ContextTakeover::Forbid,
            server_max_window_bits: limited(config.server_max_window_bits),
            // §7.1.2.2: allows the server to choose any smaller window for this side.
            client_max_window_bits: limited(config.client_max_window_bits)
                .map_or(ClientWindow::AnyValue, ClientWindow::Bits),
        };
        // Many servers cannot limit their window. Without context takeover, nothing of it is held between messages.
        let without_window = Element {
            server_no_context_takeover: true,
            server_max_window_bits: None,
            ..preferred
        };
        // What most browsers offer.
        let universal = Element {
            client_max_window_bits: ClientWindow::AnyValue,
            ..Element::BARE
        };
        let is_limited = preferred.server_max_window_bits.is_some();
        let (is_bare, is_lenient) = match config.offer_policy {
            OfferPolicy::Lenient => (false, preferred != universal),
            OfferPolicy::Strict => (false, false),
            OfferPolicy::Bare => (true, false),
        };
        let offers = [
            Some(if is_bare { Element::BARE } else { preferred }),
            Some(without_window).filter(|_| is_limited && !is_bare),
            Some(universal).filter(|_| is_lenient),
        ];
        offers.into_iter().flatten()
    }

    /// Checks a server's response to [`offers`](Self::offers). It must be a valid response to one of them, and does not
    /// say to which.
    ///
    /// # Errors
    ///
    /// [`DeflateError`] for a response with which the client must fail the connection ([RFC 7692 §7.1.3]): the reason
    /// why it is not a response to the first offer.
    ///
    /// [RFC 7692 §7.1.3]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1.3
    pub fn check_answer(&self, answer: &Extension<'_>) -> Result<DeflateParams, DeflateError> {
        let answer = Element::parse(answer)?;
        let params = DeflateParams::from_answer(answer)?;
        let mut checked = self.elements().map(|offer| offer.check_answer(answer));
        let preferred = checked.next().unwrap_or(Ok(()));
        match preferred {
            Err(mismatch) if !checked.any(|checked| checked.is_ok()) => Err(mismatch),
            _ => Ok(params),
        }
    }
}

impl DeflateParams {
    /// Returns what a response means, whatever was offered.
    fn from_answer(answer: Element) -> Result<Self, DeflateError> {
        let takeover = |is_forbidden| {
            if is_forbidden {
                ContextTakeover::Forbid
            } else {
                ContextTakeover::Allow
            }
        };
        // §7.1.2: without the parameter, the window is the largest.
        let server_bits = answer.server_max_window_bits.unwrap_or(DeflateConfig::MAX_WINDOW_BITS);
        let client_bits = match answer.client_max_window_bits {
            ClientWindow::Absent => DeflateConfig::MAX_WINDOW_BITS,
            // §7.1.2.2: in a response the value is mandatory.
            ClientWindow::AnyValue => return Err(DeflateError::InvalidValue),
            ClientWindow::Bits(bits) => bits,
        };
        Ok(Self::new()
            .server_context_takeover(takeover(answer.server_no_context_takeover))
            // §7.1.1.2: the server may require it even if it was not offered.
            .client_context_takeover(takeover(answer.client_no_context_takeover))
            .server_max_window_bits(server_bits)
            .client_max_window_bits(client_bits))
    }
}
