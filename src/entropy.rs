//! Where masking keys and handshake nonces come from.

/// A source of unpredictable bytes, for masking keys ([RFC 6455 §5.3]) and handshake nonces ([RFC 6455 §4.1]).
///
/// Both must come from a strong source of entropy: a peer that could predict masking keys could choose the bytes that a
/// client sends ([RFC 6455 §10.3]). The default is the operating system's generator (feature `os-entropy`). Implement
/// this trait on systems without one, or to make a test repeatable.
///
/// On targets without atomic compare-and-swap, which have no `alloc::sync::Arc`, a source is passed in the `Arc` of the
/// `portable-atomic-util` crate.
///
/// Connections share a source, so `fill` takes `&self`: a generator that has to change goes into a lock.
///
/// ```no_run
/// use std::{fs::File, io::Read, sync::Arc};
/// use websocket_proto::{Config, Entropy, EntropyError};
///
/// struct Device(File);
///
/// impl Entropy for Device {
///     fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
///         (&self.0).read_exact(dest).map_err(|_| EntropyError::new())
///     }
/// }
///
/// let config = Config::new().entropy(Arc::new(Device(File::open("/dev/hwrng")?)));
/// let nonce = config.nonce()?; // for `Opening::client`; connections with this configuration take their masking keys from it
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
/// [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3
/// [RFC 6455 §10.3]: https://www.rfc-editor.org/rfc/rfc6455#section-10.3
pub trait Entropy: Send + Sync {
    /// Fills `dest` with unpredictable bytes.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if no bytes are available. Nothing is sent then.
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError>;
}

/// No unpredictable bytes are available, so nothing that needs them was sent.
///
/// Without the `os-entropy` feature, set a source with [`Config::entropy`](crate::Config::entropy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "os-entropy", error("no entropy is available for masking keys or nonces"))]
#[cfg_attr(
    not(feature = "os-entropy"),
    error(
        "no entropy is available for masking keys or nonces: \
         this requires the `os-entropy` feature or a source of entropy set with `Config::entropy`"
    )
)]
#[non_exhaustive]
pub struct EntropyError;

impl EntropyError {
    /// Creates the error, for implementations of [`Entropy`].
    #[must_use]
    #[allow(clippy::new_without_default, reason = "an error is not a default value")]
    pub const fn new() -> Self {
        Self
    }
}

/// The operating system's generator. Without the `os-entropy` feature, every request for bytes fails.
///
/// A connection without another [`Entropy`] seeds a stream cipher (ChaCha with twelve rounds) from it, and takes its
/// masking keys from that: a key then costs a quarter of one from the operating system. Each batch of about 240 keys
/// contains the seed of the next one, so no batch reveals earlier keys, and every 64th seed is a fresh one.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl OsEntropy {
    /// The length of a seed in bytes.
    pub(crate) const SEED: usize = 32;

    /// Replaces `bytes` by the keystream of the seed that they begin with, or of a fresh one. Afterwards they begin
    /// with the next seed, which is secret; the other bytes are for use.
    #[cfg(feature = "os-entropy")]
    pub(crate) fn expand(self, bytes: &mut [u8], reseed: bool) -> Result<(), EntropyError> {
        use chacha20::{
            ChaCha12Rng,
            rand_core::{Rng, SeedableRng},
        };
        let mut seed = [0; Self::SEED];
        if reseed {
            self.fill(&mut seed)?;
        } else {
            seed.copy_from_slice(&bytes[..Self::SEED]);
        }
        ChaCha12Rng::from_seed(seed).fill_bytes(bytes);
        Ok(())
    }

    #[cfg(not(feature = "os-entropy"))]
    pub(crate) fn expand(self, bytes: &mut [u8], _reseed: bool) -> Result<(), EntropyError> {
        self.fill(bytes)
    }
}

impl Entropy for OsEntropy {
    #[cfg(feature = "os-entropy")]
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(dest).map_err(|_| EntropyError)
    }

    #[cfg(not(feature = "os-entropy"))]
    fn fill(&self, _dest: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_missing_feature_is_named() {
        for message in [
            EntropyError::new().to_string(),
            crate::SendError::NoEntropy(()).to_string(),
        ] {
            assert_eq!(
                message.contains("`os-entropy` feature"),
                !cfg!(feature = "os-entropy"),
                "{message}"
            );
        }
        assert_eq!(OsEntropy.fill(&mut [0; 4]).is_ok(), cfg!(feature = "os-entropy"));
    }
}
