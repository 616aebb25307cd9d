//! Connecting: TLS, proxies, redirects and deadlines, with the shells of tokio and futures-io, and the blocking one.

mod deadline;
mod destination;
mod failures;
mod options;
mod provider;
mod proxy;
mod redirect;
mod refusal;
mod secrets;
mod socks;
mod support;
mod tls;
mod tls_driving;
mod tls_end;
mod tls_peer;
mod tls_split;
mod tls_stream;
