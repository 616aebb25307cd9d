//! Masking keys for a client's frames, drawn in batches from the source of entropy.

use alloc::boxed::Box;

use crate::{
    entropy::{Entropy, EntropyError, OsEntropy},
    frame::MaskingKey,
    sync::Arc,
};

/// The size of a batch: one draw from the source lasts for about 250 frames. With its bookkeeping, a batch occupies 1
/// KiB.
const BATCH: usize = 1008;

/// The number of batches expanded from one seed of the operating system.
const RESEED: usize = 64;

/// A supply of masking keys. It draws the first batch when the first key is needed.
pub(super) struct MaskKeys {
    entropy: Option<Arc<dyn Entropy>>,
    batch: Option<Box<Batch>>,
}

struct Batch {
    bytes: [u8; BATCH],
    /// How many bytes were used; below `BATCH`, a key is left.
    used: usize,
    /// The number of batches before this one.
    count: usize,
}

impl MaskKeys {
    /// The number of heap bytes once a key was needed.
    pub(super) const ALLOCATED: usize = size_of::<Batch>();

    pub(super) fn new(entropy: Option<Arc<dyn Entropy>>) -> Self {
        Self { entropy, batch: None }
    }

    /// Returns a key that was never used before (§5.3, §10.3: fresh for each frame, and unpredictable).
    #[inline]
    pub(super) fn next(&mut self) -> Result<MaskingKey, EntropyError> {
        if let Some(key) = self.batch.as_deref_mut().and_then(Batch::next) {
            return Ok(key);
        }
        self.refill()
    }

    /// Returns the first key of a new batch.
    #[cold]
    fn refill(&mut self) -> Result<MaskingKey, EntropyError> {
        let batch = self.batch.get_or_insert_with(|| {
            Box::new(Batch {
                bytes: [0; BATCH],
                used: BATCH,
                count: 0,
            })
        });
        match &self.entropy {
            Some(entropy) => {
                entropy.fill(&mut batch.bytes)?;
                batch.used = 0;
            }
            None => {
                OsEntropy.expand(&mut batch.bytes, batch.count % RESEED == 0)?;
                batch.used = OsEntropy::SEED;
            }
        }
        batch.count = batch.count.wrapping_add(1);
        batch.next().ok_or(EntropyError)
    }

    /// Returns the number of heap bytes.
    pub(super) fn allocated(&self) -> usize {
        self.batch.as_deref().map_or(0, size_of_val)
    }
}

impl Batch {
    #[inline]
    fn next(&mut self) -> Option<MaskingKey> {
        let key = self.bytes[self.used..].first_chunk()?;
        self.used += key.len();
        Some(MaskingKey::new(*key))
    }
}

impl core::fmt::Debug for MaskKeys {
    /// Future keys are secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MaskKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// SEC-01: every 64th batch is seeded by the operating system, and the others by the previous batch.
    #[cfg(feature = "os-entropy")]
    #[test]
    fn seeds_are_fresh_again_and_again() {
        let key_behind = |count| {
            let mut keys = MaskKeys::new(None);
            keys.batch = Some(Box::new(Batch {
                bytes: [7; BATCH],
                used: BATCH,
                count,
            }));
            keys.next().expect("the operating system has entropy")
        };
        for count in 0..3 * RESEED {
            let is_repeatable = key_behind(count) == key_behind(count);
            assert_eq!(is_repeatable, count % RESEED != 0, "batch {count}");
        }
    }

    /// A seed is not used for anything else: no key can be derived from one that was sent.
    #[cfg(feature = "os-entropy")]
    #[test]
    fn seeds_are_no_keys() {
        let mut keys = MaskKeys::new(None);
        let first = keys.next().expect("the operating system has entropy").to_bytes();
        let batch = keys.batch.as_deref().expect("it was drawn");
        assert_eq!(batch.bytes[OsEntropy::SEED..][..4], first);
    }

    /// SEC-01: logging a connection does not show future keys.
    #[test]
    fn keys_are_not_shown() {
        let mut keys = MaskKeys::new(None);
        let _ = keys.next();
        assert_eq!(format!("{keys:?}"), "MaskKeys");
    }
}
