//! The opening handshake with the types of the `http` crate: alone, with hyper and axum, and over HTTP/2.

#[path = "../../../examples/support/http2.rs"]
mod http2;
mod support;

mod axum_both;
mod axum_room;
mod axum_server;
mod browser_like;
mod client_request;
mod connect;
mod h2_loop;
mod h2_stream;
mod hyper_server;
mod over_h2;
mod requests;
mod responses;
