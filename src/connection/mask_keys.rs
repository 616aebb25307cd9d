//! Masking keys for a client's frames, drawn from the source of entropy in batches.

use alloc::{boxed::Box, sync::Arc};

use crate::{
    entropy::{Entropy, EntropyError, OsEntropy},
    frame::MaskingKey,
};

/// Keys of one batch: one call of the operating system serves so many frames. With its cursor, a batch has 1 KiB.
const BATCH: usize = 254;

/// A supply of masking keys. It draws the first batch when the first key is needed.
pub(super) struct MaskKeys {
    entropy: Option<Arc<dyn Entropy>>,
    batch: Option<Box<Batch>>,
}

struct Batch {
    keys: [u8; 4 * BATCH],
    used: usize,
}

impl MaskKeys {
    pub(super) fn new(entropy: Option<Arc<dyn Entropy>>) -> Self {
        Self { entropy, batch: None }
    }

    /// A key that was never used before (§5.3, §10.3: fresh for each frame, and not to be foreseen).
    #[inline]
    pub(super) fn next(&mut self) -> Result<MaskingKey, EntropyError> {
        let batch = match &mut self.batch {
            Some(batch) if batch.used < 4 * BATCH => batch,
            _ => self.refill()?,
        };
        let mut key = [0; 4];
        key.copy_from_slice(&batch.keys[batch.used..batch.used + 4]);
        batch.used += 4;
        Ok(MaskingKey::new(key))
    }

    #[cold]
    fn refill(&mut self) -> Result<&mut Batch, EntropyError> {
        let batch = self.batch.get_or_insert_with(|| {
            Box::new(Batch {
                keys: [0; 4 * BATCH],
                used: 4 * BATCH,
            })
        });
        match &self.entropy {
            Some(entropy) => entropy.fill(&mut batch.keys)?,
            None => OsEntropy.fill(&mut batch.keys)?,
        }
        batch.used = 0;
        Ok(batch)
    }

    /// Bytes of heap.
    pub(super) fn allocated(&self) -> usize {
        self.batch.as_deref().map_or(0, size_of_val)
    }
}

impl core::fmt::Debug for MaskKeys {
    /// Keys to come are secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MaskKeys")
    }
}
