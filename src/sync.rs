//! The reference-counted pointer of the core.
//!
//! `alloc` has no `Arc` on targets without atomic compare-and-swap, such as ARMv6-M, and RISC-V without extension `A`.

#[cfg(target_has_atomic = "ptr")]
pub(crate) use alloc::sync::Arc;

#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use portable_atomic_util::Arc;
