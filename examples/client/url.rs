//! What may be left out of a URL, and what is shown of it.

use websocket_proto::handshake::Uri;

/// Completes a URL: `example.com/chat` gets the scheme `ws://`, and `:9001` the host `localhost` as well.
///
/// # Errors
///
/// A sentence, if the text begins with a scheme that is written incorrectly, such as `ws:/example.com`.
pub(crate) fn complete(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Ok(text.into());
    }
    for scheme in ["ws", "wss", "http", "https"] {
        let Some(rest) = text.strip_prefix(scheme) else {
            continue;
        };
        if rest.starts_with(":/") || rest.starts_with("//") {
            return Err(format!("invalid URL: write `{scheme}://` before the host"));
        }
    }
    if text.starts_with(':') {
        return Ok(format!("ws://localhost{text}"));
    }
    Ok(format!("ws://{text}"))
}

/// Returns a URL as it is shown: without user information and query, which may be credentials.
pub(crate) fn shown(uri: &Uri) -> String {
    let scheme = if uri.is_secure() { "wss" } else { "ws" };
    let (path, query) = match uri.resource_name().split_once('?') {
        Some((path, _)) => (path, "?…"),
        None => (uri.resource_name(), ""),
    };
    format!("{scheme}://{}{path}{query}", uri.authority())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scheme_is_supplied() {
        let cases = [
            ("localhost", "ws://localhost"),
            ("example.com:9001/chat?room=1", "ws://example.com:9001/chat?room=1"),
            ("[::1]:9001", "ws://[::1]:9001"),
            (":9001/chat", "ws://localhost:9001/chat"),
            ("user:secret@example.com", "ws://user:secret@example.com"),
            ("ws:9001", "ws://ws:9001"),
            ("wss://example.com", "wss://example.com"),
            ("https://example.com", "https://example.com"),
        ];
        for (text, completed) in cases {
            assert_eq!(complete(text).as_deref(), Ok(completed));
        }
    }

    #[test]
    fn a_misspelt_scheme_is_an_error() {
        for text in ["ws:/localhost", "http//example.com", "wss//", "https:/example.com"] {
            let error = complete(text).expect_err(text);
            assert!(error.contains("://` before the host"), "{error}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let uri: Uri = "wss://user:secret@example.com/chat?token=secret"
            .parse()
            .expect("a URI");
        assert_eq!(shown(&uri), "wss://example.com/chat?…");
        let uri: Uri = "ws://[::1]:9001".parse().expect("a URI");
        assert_eq!(shown(&uri), "ws://[::1]:9001/");
    }
}
