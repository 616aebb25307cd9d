//! Where the cryptography comes from. This runs in the same process as tests that bring their own, and installs nothing.

use crate::support::{Certificate, Client, SHELLS, serve_tls};

/// The features bring a provider, and rustls does not panic where several are enabled. (Without one, the library's unit
/// tests see an error.)
#[tokio::test]
async fn the_features_bring_a_provider() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    let mut client = Client::new(&format!("wss://localhost:{port}/"));
    client.tls = client.tls.add_root(certificate.der());
    for &shell in SHELLS {
        let outcome = client.run(shell).await;
        outcome.unwrap_or_else(|error| panic!("{shell:?}: {error}"));
    }
}
