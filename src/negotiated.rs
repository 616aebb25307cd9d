//! The result of the opening handshake, passed from `handshake` to `connection`.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{deflate::params::DeflateParams, frame::Rsv, role::Role, sync::Arc};

/// The negotiated parameters that a connection and its halves share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) subprotocol: Option<Box<str>>,
    pub(crate) deflate: Option<DeflateParams>,
    /// The reserved bits of the application's extensions.
    pub(crate) reserved_bits: Rsv,
}

/// The outcome of an opening handshake: everything that a [`Connection`](crate::Connection) needs to know about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Negotiated {
    role: Role,
    subprotocol: Option<Box<str>>,
    deflate: Option<DeflateParams>,
    reserved_bits: Rsv,
    leftover: Vec<u8>,
    unsent_response: Vec<u8>,
}

impl Negotiated {
    /// Creates an outcome without subprotocol, extension or leftover bytes, for a handshake that was done elsewhere.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            subprotocol: None,
            deflate: None,
            reserved_bits: Rsv::NONE,
            leftover: Vec::new(),
            unsent_response: Vec::new(),
        }
    }

    /// Sets the negotiated subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<Box<str>>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Sets the negotiated parameters of permessage-deflate.
    ///
    /// The connection then compresses and decompresses messages itself.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn with_deflate(mut self, params: DeflateParams) -> Self {
        self.deflate = Some(params);
        self
    }

    /// Sets the reserved bits that the application's extensions use ([RFC 6455 §5.2]).
    ///
    /// The connection then delivers and sends frames with these bits; see [`ExtensionFrame`](crate::ExtensionFrame).
    /// With [`deflate`](Self::deflate), RSV1 marks compressed messages and must not be set here.
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[must_use]
    pub const fn with_reserved_bits(mut self, bits: Rsv) -> Self {
        self.reserved_bits = bits;
        self
    }

    /// Sets what was negotiated. Does nothing in a build that does not support compression.
    pub(crate) fn set_deflate(&mut self, params: Option<DeflateParams>) {
        self.deflate = params;
    }

    /// Sets the bytes that arrived after the head: the first bytes of the peer's frames.
    #[must_use]
    pub fn with_leftover(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.leftover = bytes.into();
        self
    }

    /// Sets the bytes to write before the first frame: a server's response that was not sent yet.
    #[must_use]
    pub fn with_unsent_response(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.unsent_response = bytes.into();
        self
    }

    /// Returns the negotiated parameters, if any.
    pub(crate) fn agreed(&self) -> Option<Arc<Agreed>> {
        let agreed = Agreed {
            subprotocol: self.subprotocol.clone(),
            deflate: self.deflate,
            reserved_bits: self.reserved_bits,
        };
        let is_any = agreed.subprotocol.is_some() || agreed.deflate.is_some() || agreed.reserved_bits != Rsv::NONE;
        is_any.then(|| Arc::new(agreed))
    }

    /// Returns this endpoint's role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the negotiated subprotocol, if any ([RFC 6455 §1.9]).
    ///
    /// [RFC 6455 §1.9]: https://www.rfc-editor.org/rfc/rfc6455#section-1.9
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the negotiated parameters of permessage-deflate, or `None` if messages are not compressed ([RFC 7692
    /// §5](https://www.rfc-editor.org/rfc/rfc7692#section-5)).
    #[must_use]
    pub const fn deflate(&self) -> Option<DeflateParams> {
        self.deflate
    }

    /// Returns the reserved bits that the application's extensions use.
    #[must_use]
    pub const fn reserved_bits(&self) -> Rsv {
        self.reserved_bits
    }

    /// Returns the bytes that arrived after the head.
    #[must_use]
    pub fn leftover(&self) -> &[u8] {
        &self.leftover
    }

    /// Returns the bytes to write before the first frame.
    #[must_use]
    pub fn unsent_response(&self) -> &[u8] {
        &self.unsent_response
    }
}

/// Omits the bytes, which may contain payload, and fields of the response such as cookies.
impl fmt::Debug for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiated")
            .field("role", &self.role)
            .field("subprotocol", &self.subprotocol)
            .field("deflate", &self.deflate)
            .field("reserved_bits", &self.reserved_bits)
            .field("leftover", &format_args!("({} bytes)", self.leftover.len()))
            .field(
                "unsent_response",
                &format_args!("({} bytes)", self.unsent_response.len()),
            )
            .finish()
    }
}
