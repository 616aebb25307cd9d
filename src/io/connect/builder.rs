//! The settings that every `Connect` has.

/// Implements the settings of a `Connect { plan: Plan }`.
macro_rules! builder {
    () => {
        impl Connect {
            /// Default settings: directly, without redirects, and with TLS that trusts what the platform trusts.
            #[must_use]
            pub fn new(request: crate::handshake::ClientRequest) -> Self {
                Self {
                    plan: crate::io::connect::Plan::new(request),
                }
            }

            /// Sets limits and timers. [`Timers::handshake`](crate::Timers::handshake) bounds all of it together:
            /// connecting, TLS, the proxy, redirects and the opening handshake.
            #[must_use]
            pub fn config(mut self, config: &crate::Config) -> Self {
                self.plan.config = config.clone();
                self
            }

            /// Sets what is trusted with `wss`.
            #[cfg(feature = "rustls")]
            #[must_use]
            pub fn tls(mut self, tls: impl Into<crate::tls::TlsConfig>) -> Self {
                self.plan.tls = tls.into();
                self
            }

            /// Connects through a proxy. By default there is none, whatever the environment says; see
            /// [`Proxy::from_env`](crate::Proxy::from_env).
            #[must_use]
            pub fn proxy(mut self, proxy: impl Into<Option<crate::Proxy>>) -> Self {
                self.plan.proxy = proxy.into();
                self
            }

            /// Follows at most this many redirects (301, 302, 303, 307, 308). By default none is followed, and a
            /// redirect is [`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused) like every other
            /// refusal.
            ///
            /// `Location` may be relative; `http` and `https` in it stand for `ws` and `wss`. What leads from `wss` to
            /// `ws` is not followed. To another host or port go neither the origin nor the added header fields but
            /// `User-Agent` and `Accept-Language`: any other might be a credential.
            #[must_use]
            pub fn redirects(mut self, limit: u32) -> Self {
                self.plan.max_redirects = limit;
                self
            }
        }
    };
}

pub(in crate::io) use builder;
