//! Resolving the target of a redirect.

use alloc::{
    format,
    string::{String, ToString},
};

use crate::handshake::{Uri, UriError};

/// Resolves a `Location` ([RFC 9110 §10.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2)), which may be
/// relative, against the URI of the request. A fragment is dropped.
pub(super) fn resolve(base: &Uri, location: &str) -> Result<Uri, UriError> {
    let location = &*cleaned(location);
    let scheme = if base.is_secure() { "wss" } else { "ws" };
    let absolute = if split_scheme(location).is_some() {
        location.to_string()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else {
        format!("{scheme}://{}{}", base.authority(), resource_name(base, location))
    };
    let uri: Uri = absolute.parse()?;
    // The server cannot know the client's credentials, and others would reveal to a third party who was sent there.
    if uri.has_credentials() {
        return Err(UriError::UserInfo);
    }
    Ok(uri)
}

/// Reads a reference as browsers do ([URL Standard](https://url.spec.whatwg.org/#url-parsing)): without the fragment,
/// without blanks around it and tabs inside it, and with `\` for `/` in the path. Other spaces are escaped.
fn cleaned(location: &str) -> String {
    let location = location.trim_matches(|char| char <= ' ');
    let location = location.split('#').next().unwrap_or_default();
    let mut cleaned = String::with_capacity(location.len());
    let mut is_path = true;
    for char in location.chars() {
        is_path &= char != '?';
        match char {
            '\t' => {}
            ' ' => cleaned.push_str("%20"),
            '\\' if is_path => cleaned.push('/'),
            char => cleaned.push(char),
        }
    }
    cleaned
}

/// Resolves a reference without scheme and authority (RFC 3986 §5.2.2).
fn resource_name(base: &Uri, location: &str) -> String {
    let (reference, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let (base_path, base_query) = match base.resource_name().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (base.resource_name(), None),
    };
    let (path, query) = if reference.is_empty() {
        (base_path.to_string(), query.or(base_query))
    } else if reference.starts_with('/') {
        (without_dots(reference), query)
    } else {
        let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
        (without_dots(&format!("{folder}{reference}")), query)
    };
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// HS-C-43: whatever a server sends, the target is a URI like any other, and another origin only if it says so.
        #[test]
        fn any_location(location in "[ -~\t\u{e4}]{0,40}|(\\.|/|\\\\|#|\\?|x|:| ){0,12}") {
            let base = "wss://a:1/b/c?d".parse().expect("valid");
            if let Ok(target) = resolve(&base, &location) {
                prop_assert!(target.resource_name().starts_with('/') && !target.has_credentials());
                prop_assert_eq!(target.to_string().parse(), Ok(target.clone()));
                if !location.contains(['/', '\\']) {
                    prop_assert!(target.is_same_origin(&base), "{}", target);
                }
            }
        }
    }

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
            // The fragment.
            ("/x#y", "ws://a/x"),
            ("#y", "ws://a/b/c/d;p?q"),
            ("g?y#z?#", "ws://a/b/c/g?y"),
            ("wss://h:1#", "wss://h:1/"),
            ("//h#/x", "ws://h/"),
            // Blanks.
            ("  /x\t ", "ws://a/x"),
            (" wss://h/x ", "wss://h/x"),
            ("/a b?c d", "ws://a/a%20b?c%20d"),
            ("ht\ttp://h\t/x\ty", "ws://h/xy"),
            (" ", "ws://a/b/c/d;p?q"),
            // Slashes.
            ("\\\\h\\x?\\", "ws://h/x?%5C"),
            ("\\g", "ws://a/g"),
            ("http:\\\\h/x", "ws://h/x"),
            // Text beyond ASCII.
            ("/\u{e4}", "ws://a/%C3%A4"),
        ] {
            assert_eq!(resolved(base, location).as_deref(), Ok(expected), "{location}");
        }
        assert_eq!(resolved("wss://h:8/", "/x").as_deref(), Ok("wss://h:8/x"));
        for (location, error) in [
            ("ftp://h/", UriError::Scheme),
            ("javascript:alert(1)", UriError::Scheme),
            ("http:///x", UriError::Host),
            ("http://user:secret@h/", UriError::UserInfo),
            ("//user@h/", UriError::UserInfo),
            ("//h:0/", UriError::Port),
            ("//a b/", UriError::Host),
            ("http: //h/", UriError::Host),
            ("/a\u{1}b", UriError::Character),
        ] {
            assert_eq!(resolved(base, location), Err(error), "{location}");
        }
    }
}
