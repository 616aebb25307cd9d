//! Which proxy is used for which server.

use alloc::{boxed::Box, string::String};
use std::env;

use super::{Proxy, no_proxy};
use crate::{error::ProxyError, handshake::Uri};

/// Which proxy to connect through, decided for each server: also for each that a redirect leads to.
///
/// A single [`Proxy`] converts into this type. [`from_env`](Self::from_env) reads the variables that other programs
/// read, too:
///
/// ```no_run
/// use websocket_proto::{ConnectOptions, Proxies, Proxy};
///
/// let as_others = ConnectOptions::new().proxy(Proxies::from_env());
/// let proxy: Proxy = "http://proxy.example:3128".parse()?;
/// let inside = ConnectOptions::new().proxy(Proxies::from(proxy).except("internal.example, 10.0.0.0/8"));
/// # Ok::<(), websocket_proto::ProxyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    ws: Setting,
    wss: Setting,
    exceptions: Box<str>,
}

/// A proxy, or why its URL is invalid, which is reported when it would be used.
type Setting = Option<Result<Proxy, ProxyError>>;

impl Proxies {
    /// Reads the environment as curl does, now and not later:
    ///
    /// | variable | what it applies to |
    /// |---|---|
    /// | `ws_proxy`, `WS_PROXY`, `http_proxy` | `ws` |
    /// | `wss_proxy`, `WSS_PROXY`, `https_proxy`, `HTTPS_PROXY` | `wss` |
    /// | `all_proxy`, `ALL_PROXY` | both |
    /// | `no_proxy`, `NO_PROXY` | the hosts to connect to directly; see [`except`](Self::except) |
    ///
    /// The first that is set and not empty counts. Each proxy is a URL as [`Proxy`] describes it, with or without a
    /// scheme. `HTTP_PROXY` is not read: in a CGI program, whoever sends a request can set it with a `Proxy` field.
    #[must_use]
    pub fn from_env() -> Self {
        // Invalid UTF-8 becomes an invalid URL, so that it does not count as no proxy.
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Creates the same from another source of variables, which is asked for each by its name.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| variable(name));
            values.find(|value| !value.trim().is_empty())
        };
        let proxy = |names: &[&str]| {
            let url = first(names).or_else(|| first(&["all_proxy", "ALL_PROXY"]))?;
            Some(url.trim().parse())
        };
        Self {
            ws: proxy(&["ws_proxy", "WS_PROXY", "http_proxy"]),
            wss: proxy(&["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY"]),
            exceptions: first(&["no_proxy", "NO_PROXY"]).unwrap_or_default().into(),
        }
    }

    /// Sets the hosts to connect to directly, as a list that is separated by commas or blanks. Each element is one of
    ///
    /// - a domain, which includes its subdomains: `example.com`, `.example.com` and `*.example.com` all mean the same;
    /// - an address, such as `10.0.0.1`, `::1` or `[::1]`;
    /// - a network, such as `10.0.0.0/8` or `fd00::/8`;
    /// - `*` for all hosts.
    ///
    /// With a port, as in `example.com:8080` or `[::1]:8080`, an element applies to that port only. Hosts are compared
    /// as the URI has them: names are not looked up to find out whether their addresses are listed.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        self.exceptions = hosts.into();
        self
    }

    /// Returns the proxy for a URI, or `None` to connect directly.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Url`] or [`ProxyError::Scheme`] if the variable for this URI is not the URL of a proxy.
    pub fn select(&self, uri: &Uri) -> Result<Option<&Proxy>, ProxyError> {
        let setting = if uri.is_secure() { &self.wss } else { &self.ws };
        match setting {
            Some(_) if no_proxy::contains(&self.exceptions, uri.host(), uri.port()) => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(error)) => Err(error.clone()),
            None => Ok(None),
        }
    }
}

impl From<Proxy> for Proxies {
    fn from(proxy: Proxy) -> Self {
        Some(proxy).into()
    }
}

impl From<Option<Proxy>> for Proxies {
    fn from(proxy: Option<Proxy>) -> Self {
        let setting = proxy.map(Ok);
        Self {
            ws: setting.clone(),
            wss: setting,
            exceptions: Box::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    /// The host of the proxy for a URI in an environment; "!" if it is invalid.
    fn host(variables: &[(&str, &str)], uri: &str) -> Option<String> {
        let proxies = Proxies::from_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.to_string())
        });
        match proxies.select(&uri.parse().expect("valid")) {
            Ok(proxy) => proxy.map(|proxy| format!("{:?}", proxy.destination())),
            Err(_) => Some("!".into()),
        }
    }

    /// HS-C-10: the variables that are read, in their order.
    #[test]
    fn the_environment_names_proxies() {
        let order = |names: &[&str], uri| {
            // Each counts before those after it, whether those are set or not.
            for (index, name) in names.iter().enumerate() {
                let later: Vec<_> = names[index..]
                    .iter()
                    .map(|later| (*later, if later == name { "this" } else { "later" }))
                    .collect();
                assert_eq!(host(&later, uri).as_deref(), Some("this:80"), "{later:?}");
                let mut empty: Vec<_> = names[..index].iter().map(|earlier| (*earlier, "")).collect();
                empty.extend_from_slice(&later);
                assert_eq!(host(&empty, uri).as_deref(), Some("this:80"), "{empty:?}");
            }
        };
        let (ws, wss) = ("ws://h", "wss://h");
        order(&["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"], ws);
        order(
            &[
                "wss_proxy",
                "WSS_PROXY",
                "https_proxy",
                "HTTPS_PROXY",
                "all_proxy",
                "ALL_PROXY",
            ],
            wss,
        );
        for (name, uri) in [
            ("HTTP_PROXY", ws),
            ("https_proxy", ws),
            ("http_proxy", wss),
            ("HTTP_PROXY", wss),
        ] {
            assert_eq!(host(&[(name, "evil")], uri), None, "{name}");
        }
        assert_eq!(host(&[], ws), None);
    }

    /// HS-C-10: values have the forms that curl reads.
    #[test]
    fn values_have_all_forms() {
        for (value, expected) in [
            ("http://proxy.test:3128", "proxy.test:3128"),
            ("proxy.test:3128", "proxy.test:3128"),
            (" proxy.test:3128/ ", "proxy.test:3128"),
            ("me:p%40ss@proxy.test:3128", "proxy.test:3128"),
            ("[::1]:3128", "[::1]:3128"),
            ("https://proxy.test", "proxy.test:443"),
            ("socks5h://proxy.test", "proxy.test:1080"),
            ("gopher://proxy.test", "!"),
            ("proxy.test:port", "!"),
            ("pr\u{fffd}xy.test", "!"),
        ] {
            assert_eq!(
                host(&[("http_proxy", value)], "ws://h").as_deref(),
                Some(expected),
                "{value}"
            );
        }
        // What is invalid matters only where it applies.
        assert_eq!(host(&[("https_proxy", "://")], "ws://h"), None);
        assert_eq!(host(&[("http_proxy", "://"), ("no_proxy", "h")], "ws://h"), None);
    }

    /// HS-C-10: exceptions, from either variable and for every proxy.
    #[test]
    fn exceptions_are_connected_to_directly() {
        for variable in ["no_proxy", "NO_PROXY"] {
            let variables = [
                ("all_proxy", "proxy"),
                (variable, "internal.test:8080, 10.0.0.0/8 .example.org"),
            ];
            for uri in [
                "ws://internal.test:8080",
                "wss://a.internal.test:8080",
                "ws://10.1.2.3:9001/",
                "ws://example.org",
                "wss://www.example.org",
            ] {
                assert_eq!(host(&variables, uri), None, "{uri}");
            }
            for uri in [
                "ws://internal.test",
                "ws://11.1.2.3/",
                "ws://an-example.org",
                "ws://[::a]",
            ] {
                assert_eq!(host(&variables, uri).as_deref(), Some("proxy:80"), "{uri}");
            }
        }
        let both = [("all_proxy", "proxy"), ("no_proxy", "a"), ("NO_PROXY", "b")];
        assert_eq!(host(&both, "ws://a"), None);
        assert!(host(&both, "ws://b").is_some());
        let proxy: Proxy = "proxy".parse().expect("valid");
        let proxies = Proxies::from(proxy).except("*");
        assert!(
            proxies
                .select(&"ws://h".parse().expect("valid"))
                .is_ok_and(|proxy| proxy.is_none())
        );
    }
}
