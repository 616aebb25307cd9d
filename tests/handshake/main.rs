//! The opening handshake as seen by its peers. Every scenario runs under several segmentations (see [`support`]).

mod support;

mod client_request;
mod client_response;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod deflate_peers;
mod extensions;
mod opening;
mod origin;
mod properties;
mod refusal;
mod request_data;
mod secrets;
mod server_answer;
mod server_fields;
mod server_head;
mod server_limits;
mod server_rules;
mod uri;
