//! The opening handshake ([RFC 6455 §4](https://www.rfc-editor.org/rfc/rfc6455#section-4)): bytes in, bytes out.
//!
//! A server receives an [`UpgradeRequest`] and decides about it once. A client sends a [`ClientRequest`] and receives an
//! [`UpgradeResponse`]. On both sides the outcome is a [`Negotiated`](crate::Negotiated), which starts the connection.
//!
//! ```text
//!  client                                   server
//!
//!  ClientRequest
//!    | ClientHandshake::new()
//!  ClientHandshake ------ request() ------> ServerHandshake
//!    |                                        | receive()
//!    |                                      UpgradeRequest -- reject() --> the bytes of a refusal
//!    |                                        | accept()
//!    | receive() <------- response() ------ Accepted
//!  UpgradeResponse                            |
//!    | into_negotiated()                      | into_negotiated()
//!  Negotiated                               Negotiated
//! ```
//!
//! [`Opening`] drives either side over a transport: it also enforces the deadline, and sends refusals completely.
//!
//! A request that violates a rule never becomes an [`UpgradeRequest`]: answer it with [`HandshakeError::response`].
//!
//! If another HTTP stack reads and writes the messages, use the `http` feature: it does the same with the types of the
//! `http` crate, and over HTTP/2 with an extended CONNECT ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).

mod added;
mod check;
mod client;
#[cfg(feature = "http")]
mod connect;
mod credentials;
mod error;
mod head;
mod headers;
#[cfg(feature = "http")]
mod http;
mod key;
mod opening;
mod origin;
mod pairs;
mod read_head;
mod refusal;
mod request;
mod respond;
mod rules;
mod server;
mod shown;
mod target;
mod uri;
mod worst_case;

#[cfg(feature = "http")]
pub use self::connect::ConnectHandshake;
#[cfg(feature = "std")]
pub(crate) use self::{
    client::MAX_INTERIM_RESPONSES,
    credentials::{basic, user_and_password},
    head::ResponseHead,
    read_head::{HeadReader, Kind as HeadKind},
    refusal::RefusalReader,
};
pub use self::{
    client::{ClientHandshake, UpgradeResponse},
    error::{AcceptError, FieldName, HandshakeError, HeaderError, RejectError, RequestError},
    headers::{HandshakeField, Headers},
    opening::{Handshake, Opening},
    origin::OriginPolicy,
    refusal::Refusal,
    request::ClientRequest,
    respond::{Accept, Accepted, Rejection},
    server::{ServerHandshake, UpgradeRequest},
    uri::{Uri, UriError},
};
pub use crate::fields::{Extension, ExtensionParam};
