//! Predictable sources of randomness.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use websocket_proto::{Entropy, EntropyError};

/// Always the same 32 bits.
pub(crate) struct Constant(pub(crate) u32);

impl Entropy for Constant {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        assert_eq!(dest.len(), 4, "32 bits at a time");
        dest.copy_from_slice(&self.0.to_le_bytes());
        Ok(())
    }
}

/// A small generator (SplitMix64) that counts its draws.
pub(crate) struct Seeded {
    state: AtomicU64,
    draws: AtomicU64,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU64::new(seed),
            draws: AtomicU64::new(0),
        })
    }

    pub(crate) fn draws(&self) -> u64 {
        self.draws.load(Ordering::Relaxed)
    }
}

impl Entropy for Seeded {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        self.draws.fetch_add(1, Ordering::Relaxed);
        let mut mixed = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let bytes = mixed.to_le_bytes();
        dest.copy_from_slice(&bytes[..dest.len()]);
        Ok(())
    }
}

/// No randomness at all.
pub(crate) struct Dry;

impl Entropy for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError::new())
    }
}
