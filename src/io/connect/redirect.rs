//! Resolving the target of a redirect.

use alloc::{
    format,
    string::{String, ToString},
};

use crate::handshake::{Uri, UriError};

/// Resolves a `Location` ([RFC 9110 §10.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2)), which may be
/// relative, against the URI of the request. `http` and `https` stand for `ws` and `wss`.
pub(super) fn resolve(base: &Uri, location: &str) -> Result<Uri, UriError> {
    let scheme = if base.is_secure() { "wss" } else { "ws" };
    if let Some((scheme, rest)) = split_scheme(location) {
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => "ws".to_string(),
            "https" => "wss".to_string(),
            _ => scheme.to_string(),
        };
        return format!("{scheme}:{rest}").parse();
    }
    if location.starts_with("//") {
        return format!("{scheme}:{location}").parse();
    }
    let (reference, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let (base_path, base_query) = match base.resource_name().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (base.resource_name(), None),
    };
    // RFC 3986 §5.2.2.
    let (path, query) = if reference.is_empty() {
        (base_path.to_string(), query.or(base_query))
    } else if reference.starts_with('/') {
        (without_dots(reference), query)
    } else {
        let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
        (without_dots(&format!("{folder}{reference}")), query)
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{}{path}{query}", base.authority()).parse()
}

/// Splits an absolute URI into its scheme (RFC 3986 §3.1) and what follows the colon.
fn split_scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, rest))
}

/// Removes the segments `.` and `..` from an absolute path (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = String::new();
    let mut rest = path.strip_prefix('/');
    while let Some(segments) = rest {
        let (segment, behind) = match segments.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (segments, None),
        };
        if segment == ".." {
            kept.truncate(kept.rfind('/').unwrap_or(0));
        }
        if segment != "." && segment != ".." {
            kept.push('/');
            kept.push_str(segment);
        } else if behind.is_none() {
            kept.push('/');
        }
        rest = behind;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, location: &str) -> Result<String, UriError> {
        resolve(&base.parse().expect("valid"), location).map(|uri| uri.to_string())
    }

    /// HS-C-43: a redirect may be relative (the examples of RFC 3986 §5.4), and is validated like any URI (HS-C-01).
    #[test]
    fn locations_are_resolved() {
        let base = "ws://a/b/c/d;p?q";
        for (location, expected) in [
            ("g", "ws://a/b/c/g"),
            ("./g", "ws://a/b/c/g"),
            ("g/", "ws://a/b/c/g/"),
            ("/g", "ws://a/g"),
            ("//g", "ws://g/"),
            ("?y", "ws://a/b/c/d;p?y"),
            ("g?y", "ws://a/b/c/g?y"),
            ("", "ws://a/b/c/d;p?q"),
            (".", "ws://a/b/c/"),
            ("./", "ws://a/b/c/"),
            ("..", "ws://a/b/"),
            ("../g", "ws://a/b/g"),
            ("../..", "ws://a/"),
            ("../../../g", "ws://a/g"),
            ("/./g", "ws://a/g"),
            ("/../g", "ws://a/g"),
            ("g.", "ws://a/b/c/g."),
            ("./g/../h", "ws://a/b/c/h"),
            ("g;x=1/../y", "ws://a/b/c/y"),
            ("g?y/../x", "ws://a/b/c/g?y/../x"),
            ("wss://h:1/x", "wss://h:1/x"),
            ("HTTPS://h/x?y", "wss://h/x?y"),
            ("http://h", "ws://h/"),
        ] {
            assert_eq!(resolved(base, location).as_deref(), Ok(expected), "{location}");
        }
        assert_eq!(resolved("wss://h:8/", "/x").as_deref(), Ok("wss://h:8/x"));
        for (location, error) in [
            ("ftp://h/", UriError::Scheme),
            ("javascript:alert(1)", UriError::Scheme),
            ("http:///x", UriError::Host),
            ("http://user:secret@h/", UriError::UserInfo),
            ("/x#y", UriError::Fragment),
            ("//h:0/", UriError::Port),
            ("/a b", UriError::Character),
        ] {
            assert_eq!(resolved(base, location), Err(error), "{location}");
        }
    }
}
