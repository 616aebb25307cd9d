//! Where the cryptography comes from. This runs in the same process as tests that bring their own, and installs nothing.

use websocket_proto::tls::TlsError;

use crate::support::{Certificate, Client, SHELLS, serve_tls};

/// Without a provider there is an error with a name, and no panic; with the features, one is found, and there is no
/// panic either where both of them are on.
#[tokio::test]
async fn a_missing_provider_is_an_error() {
    let certificate = Certificate::of("localhost");
    let port = serve_tls(&certificate).await;
    let mut client = Client::new(&format!("wss://localhost:{port}/"));
    client.tls = client.tls.add_root(certificate.der());
    for &shell in SHELLS {
        let outcome = client.run(shell).await;
        if cfg!(any(feature = "rustls-ring", feature = "rustls-aws-lc")) {
            outcome.unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        } else {
            let error = outcome.expect_err("no cryptography");
            assert!(
                matches!(&error, websocket_proto::Error::Tls(error) if matches!(**error, TlsError::NoCryptoProvider)),
                "{shell:?}: {error:?}"
            );
        }
    }
}
