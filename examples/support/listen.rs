//! Errors of servers that cannot start.

use std::{io, net::SocketAddr};

/// Explains why a server cannot listen on an address.
pub(crate) fn cannot_listen(addr: SocketAddr) -> impl FnOnce(io::Error) -> io::Error {
    move |error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => format!("cannot listen on {addr}: another program already does"),
            _ => format!("cannot listen on {addr}: {error}"),
        };
        io::Error::new(error.kind(), why)
    }
}
