//! Codec states, which are large and needed for one message at a time only.
//!
//! With `std`, each thread keeps a few of them. Without, there is no place to keep them that takes no lock, so each is
//! created when needed and dropped after the message.

use alloc::{boxed::Box, vec::Vec};

use zlib_rs::{DeflateConfig, Inflate};

use super::Settings;

/// The size of the block that text and fragments are decompressed into.
pub(super) const BLOCK: usize = 16 << 10;

/// The most unused states of each kind that a thread keeps.
#[cfg(feature = "std")]
const MOST: usize = 2;

/// The most room for compressed output that an unused state keeps, in bytes.
#[cfg(feature = "std")]
const MOST_OUTPUT: usize = 64 << 10;

/// The state needed to decompress a message.
pub(super) struct InflateState {
    pub(super) inflate: Inflate,
    /// Empty, or [`BLOCK`] bytes.
    pub(super) block: Vec<u8>,
}

/// The state needed to compress a message.
pub(super) struct DeflateState {
    pub(super) deflate: zlib_rs::Deflate,
    made_for: (u8, u8, u8),
    /// Room for compressed output, initialised up to its length.
    pub(super) output: Vec<u8>,
}

impl InflateState {
    /// Returns the number of heap bytes. The codec does not report its own allocations: a window of the largest size,
    /// and the tables.
    pub(super) fn allocated(&self) -> usize {
        const INFLATE: usize = 47_552;
        size_of::<Self>() + INFLATE + self.block.capacity()
    }
}

impl DeflateState {
    fn new(settings: &Settings) -> Self {
        let config = DeflateConfig {
            level: i32::from(settings.level),
            // Negative: without zlib's header and checksum.
            window_bits: -i32::from(settings.window_bits),
            mem_level: i32::from(settings.memory_level),
            ..DeflateConfig::default()
        };
        Self {
            deflate: zlib_rs::Deflate::new_with_config(config),
            made_for: Self::key(settings),
            output: Vec::new(),
        }
    }

    const fn key(settings: &Settings) -> (u8, u8, u8) {
        (settings.window_bits, settings.memory_level, settings.level)
    }

    /// Returns the number of heap bytes, as for [`InflateState::allocated`]: hash heads, the window twice with the
    /// chains, and the symbols.
    pub(super) fn allocated(&self) -> usize {
        let (window_bits, memory_level, _) = self.made_for;
        let deflate = (128 << 10) + (4 << window_bits) + (7 << (memory_level + 6)) + 3200;
        size_of::<Self>() + deflate + self.output.capacity()
    }
}

/// Returns a state that has decompressed nothing.
pub(super) fn inflate() -> Box<InflateState> {
    #[cfg(feature = "std")]
    if let Some(mut state) = threads::take_inflate() {
        state.inflate.reset(false);
        return state;
    }
    Box::new(InflateState {
        inflate: Inflate::new(false, 15),
        block: Vec::new(),
    })
}

/// Returns a state that has compressed nothing.
pub(super) fn deflate(settings: &Settings) -> Box<DeflateState> {
    #[cfg(feature = "std")]
    if let Some(mut state) = threads::take_deflate(DeflateState::key(settings)) {
        state.deflate.reset();
        return state;
    }
    Box::new(DeflateState::new(settings))
}

#[cfg(not(feature = "std"))]
pub(super) fn keep_inflate(state: Box<InflateState>) {
    drop(state);
}

#[cfg(not(feature = "std"))]
pub(super) fn keep_deflate(state: Box<DeflateState>) {
    drop(state);
}

#[cfg(feature = "std")]
pub(super) use self::threads::{keep_deflate, keep_inflate};

#[cfg(feature = "std")]
mod threads {
    use core::cell::RefCell;

    use super::{Box, DeflateState, InflateState, MOST, MOST_OUTPUT, Vec};

    #[derive(Default)]
    #[expect(clippy::vec_box, reason = "a box goes to a connection and back as it is")]
    struct Pool {
        inflate: Vec<Box<InflateState>>,
        deflate: Vec<Box<DeflateState>>,
    }

    std::thread_local! {
        static POOL: RefCell<Pool> = RefCell::default();
    }

    /// Returns `None` while the thread ends and the pool is gone.
    fn with<T>(act: impl FnOnce(&mut Pool) -> T) -> Option<T> {
        POOL.try_with(|pool| act(&mut pool.borrow_mut())).ok()
    }

    pub(super) fn take_inflate() -> Option<Box<InflateState>> {
        with(|pool| pool.inflate.pop())?
    }

    pub(super) fn take_deflate(key: (u8, u8, u8)) -> Option<Box<DeflateState>> {
        with(|pool| {
            let at = pool.deflate.iter().rposition(|state| state.made_for == key)?;
            Some(pool.deflate.remove(at))
        })?
    }

    pub(in crate::deflate) fn keep_inflate(state: Box<InflateState>) {
        with(|pool| {
            if pool.inflate.len() < MOST {
                pool.inflate.push(state);
            }
        });
    }

    pub(in crate::deflate) fn keep_deflate(mut state: Box<DeflateState>) {
        if state.output.len() > MOST_OUTPUT {
            state.output = Vec::new();
        }
        with(|pool| {
            // The most recently used state is the most likely to be used next.
            if pool.deflate.len() == MOST {
                pool.deflate.remove(0);
            }
            pool.deflate.push(state);
        });
    }
}
