//! The crypto provider. This test runs in the same process as tests that configure their own, and installs nothing.

use crate::support::{Certificate, Client, SHELLS, serve_tls};

/// The features add a provider, and rustls does not panic if several are enabled. (The library's unit tests check the error
/// without one.)
#[tokio::test]
async fn the_features_add_a_provider() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    let mut client = Client::new(&format!("wss://localhost:{port}/"));
    client.tls = client.tls.add_root(certificate.der());
    for &shell in SHELLS {
        let outcome = client.run(shell).await;
        outcome.unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
}
