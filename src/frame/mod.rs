//! The frame codec: bytes to frame headers and back, masking, close payloads ([RFC 6455 §5]).
//!
//! These are pure functions on plain data. They know no role, limit or connection, so they serve a proxy, a packet
//! dissector or a fuzzer as well as [`Connection`](crate::Connection).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| payload len |  extended payload length      |
//! |I|S|S|S|  (4)  |A|     (7)     |  0, 16 or 64 bits             |
//! |N|V|V|V|       |S|             |                               |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! | masking key, 32 bits, if MASK is set                          |
//! +---------------------------------------------------------------+
//! | payload                                                       :
//! ```
//!
//! [RFC 6455 §5]: https://www.rfc-editor.org/rfc/rfc6455#section-5

mod close;
mod header;
mod mask;
mod opcode;

pub use self::{
    close::{CloseCode, CloseFrame, ClosePayloadError},
    header::{FrameError, FrameHeader, Rsv},
    mask::MaskingKey,
    opcode::Opcode,
};
