//! Masking keys for a client's frames, drawn from the source of entropy in batches.

use alloc::boxed::Box;

use crate::{
    entropy::{Entropy, EntropyError, OsEntropy},
    frame::MaskingKey,
    sync::Arc,
};

/// Bytes of one batch: one draw from the source serves some 250 frames. With what belongs to it, a batch has 1 KiB.
const BATCH: usize = 1008;

/// Batches of the operating system's entropy that are expanded from one seed of it.
const RESEED: usize = 64;

/// A supply of masking keys. It draws the first batch when the first key is needed.
pub(super) struct MaskKeys {
    entropy: Option<Arc<dyn Entropy>>,
    batch: Option<Box<Batch>>,
}

struct Batch {
    bytes: [u8; BATCH],
    /// What was used of them; below `BATCH`, a key is left.
    used: usize,
    /// Batches before this one.
    count: usize,
}

impl MaskKeys {
    pub(super) fn new(entropy: Option<Arc<dyn Entropy>>) -> Self {
        Self { entropy, batch: None }
    }

    /// A key that was never used before (§5.3, §10.3: fresh for each frame, and not to be foreseen).
    #[inline]
    pub(super) fn next(&mut self) -> Result<MaskingKey, EntropyError> {
        if let Some(key) = self.batch.as_deref_mut().and_then(Batch::next) {
            return Ok(key);
        }
        self.refill()
    }

    /// The first key of a new batch.
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

    /// Bytes of heap.
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
    /// Keys to come are secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MaskKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// SEC-01: of 64 batches the first has a seed of the operating system, and the others that of the batch before.
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

    /// A seed is used for nothing else: no key can be told from one that went out.
    #[cfg(feature = "os-entropy")]
    #[test]
    fn seeds_are_no_keys() {
        let mut keys = MaskKeys::new(None);
        let first = keys.next().expect("the operating system has entropy").to_bytes();
        let batch = keys.batch.as_deref().expect("it was drawn");
        assert_eq!(batch.bytes[OsEntropy::SEED..][..4], first);
    }

    /// SEC-01: keys to come are not shown, whoever logs a connection.
    #[test]
    fn keys_are_not_shown() {
        let mut keys = MaskKeys::new(None);
        let _ = keys.next();
        assert_eq!(format!("{keys:?}"), "MaskKeys");
    }
}
