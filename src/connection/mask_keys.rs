//! Masking keys for a client's frames, drawn from the source of entropy in batches.

use alloc::{boxed::Box, sync::Arc};

use crate::{
    entropy::{Entropy, EntropyError, OsEntropy},
    frame::MaskingKey,
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
