//! The client side of the opening handshake.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{
    error::{HandshakeError, RequestError},
    head::ResponseHead,
    headers::{HandshakeField, Headers},
    key::{ACCEPT_LEN, accept_value, encode_key},
    read_head::{HeadReader, Kind},
    refusal::RefusalReader,
    request::{ClientRequest, Offers},
    respond::Claims,
    shown::Count,
};
use crate::{
    config::Config,
    deflate::params::{DeflateOffer, DeflateParams},
    fields::{self, Extension},
    frame::Rsv,
    log,
    negotiated::Negotiated,
    role::Role,
};

/// The most interim responses that are skipped. Servers send at most one or two.
pub(crate) const MAX_INTERIM_RESPONSES: u8 = 16;

/// The client side of an opening handshake, which sends the request and waits for the response ([RFC 6455 §4.1]).
///
/// ```
/// use websocket_proto::{
///     Config,
///     handshake::{ClientHandshake, ClientRequest},
/// };
///
/// let request: ClientRequest = "ws://example.com/chat".parse()?;
/// // A fixed nonce, for this example only: it must be unpredictable, and different for each connection.
/// let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &Config::new())?;
/// assert!(handshake.request().starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
///
/// // Send the request. A real response may arrive in pieces; `None` means that more is needed.
/// let received = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// let response = handshake.receive(received)?.expect("the whole response");
/// assert_eq!(response.subprotocol(), None);
/// let negotiated = response.into_negotiated();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
pub struct ClientHandshake {
    request: Vec<u8>,
    accept_value: [u8; ACCEPT_LEN],
    offers: Offers,
    max_error_body: usize,
    interim_responses: u8,
    state: State,
}

enum State {
    Head(HeadReader),
    Refusal(RefusalReader),
    Ended,
}

impl ClientHandshake {
    /// Creates the handshake and writes the request.
    ///
    /// The nonce must be unpredictable and used only once ([RFC 6455 §4.1]), as an [`Entropy`](crate::Entropy)
    /// generates it.
    ///
    /// # Errors
    ///
    /// Any [`RequestError`] if something in the request cannot be sent.
    ///
    /// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    pub fn new(request: ClientRequest, nonce: [u8; 16], config: &Config) -> Result<Self, RequestError> {
        let key = encode_key(nonce);
        let (request, offers) = request.into_bytes(&key, config)?;
        Ok(Self {
            request,
            accept_value: accept_value(&key),
            offers,
            max_error_body: config.limits.max_error_body,
            interim_responses: 0,
            state: State::Head(HeadReader::new(Kind::Response, &config.limits)),
        })
    }

    /// Returns the bytes of the request. Nothing may be sent after them until the response has arrived.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes the request, for a caller that keeps it instead.
    pub(super) fn take_request(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.request)
    }

    /// Receives bytes from the server. Returns the response once it is complete and valid.
    ///
    /// Bytes after the response are kept for the connection, however many there are.
    ///
    /// # Errors
    ///
    /// Any [`HandshakeError`]; close the transport without sending anything more. [`HandshakeError::Refused`] contains
    /// the response of a server that did not upgrade. [`HandshakeError::Ended`] after the response or an error was
    /// returned.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<UpgradeResponse>, HandshakeError> {
        if matches!(self.state, State::Ended) {
            return Err(HandshakeError::Ended);
        }
        self.read(bytes).inspect_err(log_refused)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Option<UpgradeResponse>, HandshakeError> {
        let mut rest = bytes;
        loop {
            match core::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Err(HandshakeError::Ended),
                State::Refusal(mut reader) => {
                    if reader.receive(rest) {
                        return Err(HandshakeError::Refused(Box::new(reader.finish())));
                    }
                    self.state = State::Refusal(reader);
                    return Ok(None);
                }
                State::Head(mut reader) => {
                    let Some(raw) = reader.receive(&mut rest)? else {
                        self.state = State::Head(reader);
                        return Ok(None);
                    };
                    let head = ResponseHead::parse(raw)?;
                    self.state = match head.status {
                        101 => {
                            let selected = self.check(&head)?;
                            log_accepted(&head, &selected);
                            return Ok(Some(UpgradeResponse {
                                head,
                                selected,
                                leftover: rest.to_vec(),
                            }));
                        }
                        // RFC 9110 §15.2: interim responses come before the final one.
                        100..=199 => {
                            self.count_interim_response()?;
                            State::Head(reader)
                        }
                        _ => State::Refusal(RefusalReader::new(head, self.max_error_body)),
                    };
                }
            }
        }
    }

    /// Notes the end of the transport, which ends the handshake.
    ///
    /// Returns [`HandshakeError::Refused`] if a refusal was being received, and [`HandshakeError::Eof`] otherwise.
    pub fn receive_eof(&mut self) -> HandshakeError {
        if let State::Refusal(reader) = &mut self.state {
            reader.receive_eof();
        }
        self.end(HandshakeError::Eof)
    }

    /// Notes that [`Timers::handshake`](crate::Timers::handshake) has expired, which ends the handshake.
    ///
    /// Returns [`HandshakeError::Refused`] if a refusal was being received, and [`HandshakeError::TimedOut`] otherwise.
    pub fn handle_timeout(&mut self) -> HandshakeError {
        if !matches!(self.state, State::Ended) {
            log::handshake_deadline(Role::Client);
        }
        self.end(HandshakeError::TimedOut)
    }

    fn end(&mut self, error: HandshakeError) -> HandshakeError {
        let error = match core::mem::replace(&mut self.state, State::Ended) {
            State::Head(_) => error,
            State::Refusal(reader) => HandshakeError::Refused(Box::new(reader.finish())),
            State::Ended => return HandshakeError::Ended,
        };
        log_refused(&error);
        error
    }

    const fn count_interim_response(&mut self) -> Result<(), HandshakeError> {
        if self.interim_responses == MAX_INTERIM_RESPONSES {
            return Err(HandshakeError::TooManyInterimResponses);
        }
        self.interim_responses += 1;
        Ok(())
    }

    /// Checks a response with status 101 (§4.1, response items 1 to 6). Returns what the server selected.
    fn check(&self, head: &ResponseHead) -> Result<Selected, HandshakeError> {
        let headers = &head.headers;
        if head.minor_version == 0 {
            return Err(HandshakeError::HttpVersion);
        }
        headers.check_ascii()?;
        // Item 2: the field has this value and no other.
        let mut protocols = headers.list(HandshakeField::Upgrade);
        match (protocols.next(), protocols.next()) {
            (Some(protocol), None) if protocol.eq_ignore_ascii_case(b"websocket") => {}
            (None, _) => return Err(HandshakeError::MissingField(HandshakeField::Upgrade)),
            _ => return Err(HandshakeError::InvalidField(HandshakeField::Upgrade)),
        }
        // Item 3: the field contains this token, possibly among others.
        headers.require_element(HandshakeField::Connection, b"upgrade")?;
        // Item 4; §11.3.3: the field occurs exactly once.
        if headers.required(HandshakeField::Accept)? != self.accept_value {
            return Err(HandshakeError::AcceptMismatch);
        }
        self.offers.check_answer(headers)
    }
}

/// Omits what was sent and received.
impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Head(_) => "Head",
            State::Refusal(_) => "Refusal",
            State::Ended => "Ended",
        };
        f.debug_struct("ClientHandshake")
            .field("request", &Count(&self.request))
            .field("offers", &self.offers)
            .field("state", &format_args!("{state}"))
            .finish_non_exhaustive()
    }
}

/// Logs that the server has accepted the request.
pub(super) fn log_accepted(head: &ResponseHead, selected: &Selected) {
    let subprotocol = selected.subprotocol.as_deref();
    log::accepted(Role::Client, head.status, subprotocol, head.headers.extensions());
}

/// Logs why there is no connection.
pub(super) fn log_refused(error: &HandshakeError) {
    let status = match error {
        HandshakeError::Refused(refusal) => Some(refusal.status()),
        _ => None,
    };
    log::refused(Role::Client, status, error);
}

/// What the server selected from the offers.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    subprotocol: Option<Box<str>>,
    deflate: Option<DeflateParams>,
    reserved_bits: Rsv,
}

impl Offers {
    /// Checks what the server selected (§4.1, response items 5 and 6).
    pub(super) fn check_answer(&self, headers: &Headers) -> Result<Selected, HandshakeError> {
        let (deflate, reserved_bits) = self.check_extensions(headers)?;
        let subprotocol = self.check_subprotocol(headers)?;
        Ok(Selected {
            subprotocol,
            deflate,
            reserved_bits,
        })
    }

    /// Item 5: only extensions that were offered, each at most once. Returns what was negotiated about compression, and
    /// the reserved bits that the other extensions claim.
    fn check_extensions(&self, headers: &Headers) -> Result<(Option<DeflateParams>, Rsv), HandshakeError> {
        headers.check_extensions()?;
        let (mut deflate, mut claims) = (None, Claims::default());
        let mut accepted: Vec<Extension<'_>> = Vec::new();
        for extension in headers.extensions() {
            if !self.extensions.iter().any(|offer| offer.name() == extension.name()) {
                return Err(HandshakeError::UnofferedExtension);
            }
            if accepted.iter().any(|earlier| earlier.name() == extension.name()) {
                return Err(HandshakeError::RepeatedExtension);
            }
            // An extension that the application offered is left to the application.
            match &self.deflate {
                Some(config) if extension.name() == DeflateOffer::NAME => {
                    deflate = Some(config.check_answer(&extension)?);
                }
                _ => {}
            }
            claims.add(self.claimed_by(extension.name()));
            accepted.push(extension);
        }
        // §5.2: a bit has only one meaning.
        if claims.repeated != Rsv::NONE {
            return Err(HandshakeError::ReservedBits(claims.repeated));
        }
        Ok((deflate, claims.bits))
    }

    /// Item 6: one subprotocol that was offered, compared case-sensitively, or none.
    fn check_subprotocol(&self, headers: &Headers) -> Result<Option<Box<str>>, HandshakeError> {
        let Some(selected) = headers.single(HandshakeField::Protocol)? else {
            // §4.2.2 item 4: without the field, the server uses none.
            let is_required = self.requires_subprotocol;
            return if is_required {
                Err(HandshakeError::NoSubprotocol)
            } else {
                Ok(None)
            };
        };
        if !fields::is_token(selected) {
            return Err(HandshakeError::InvalidField(HandshakeField::Protocol));
        }
        let mut offered = self.subprotocols.iter();
        let subprotocol = offered.find(|subprotocol| subprotocol.as_bytes() == selected);
        subprotocol
            .cloned()
            .map(Some)
            .ok_or(HandshakeError::UnofferedSubprotocol)
    }
}

/// A valid response, which opens the connection.
#[derive(Clone)]
pub struct UpgradeResponse {
    head: ResponseHead,
    selected: Selected,
    leftover: Vec<u8>,
}

impl UpgradeResponse {
    #[cfg(feature = "http")]
    pub(super) const fn new(head: ResponseHead, selected: Selected) -> Self {
        Self {
            head,
            selected,
            leftover: Vec::new(),
        }
    }

    /// Returns all header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// Returns the subprotocol that the server selected, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.selected.subprotocol.as_deref()
    }

    /// Returns the negotiated parameters of permessage-deflate, if the configuration offered it and the server
    /// accepted.
    #[must_use]
    pub const fn deflate(&self) -> Option<DeflateParams> {
        self.selected.deflate
    }

    /// Returns the extensions that the server accepted, in the order in which they are applied.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.head.headers.extensions()
    }

    /// Converts the response into the outcome that starts the connection.
    #[must_use]
    pub fn into_negotiated(self) -> Negotiated {
        let mut negotiated = Negotiated::new(Role::Client).with_leftover(self.leftover);
        negotiated = negotiated.with_reserved_bits(self.selected.reserved_bits);
        negotiated.set_deflate(self.selected.deflate);
        match self.selected.subprotocol {
            Some(subprotocol) => negotiated.with_subprotocol(subprotocol),
            None => negotiated,
        }
    }
}

impl fmt::Debug for UpgradeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeResponse")
            .field("headers", self.headers())
            .field("selected", &self.selected)
            .field("leftover", &Count(&self.leftover))
            .finish_non_exhaustive()
    }
}
