//! The bodies of the fuzz targets: each takes any bytes, and panics if a property does not hold.
//!
//! They are compiled twice: for the fuzzer, and by `tests/repository/corpus.rs`, which replays the
//! committed corpora as ordinary tests.
#![allow(unreachable_pub, reason = "these modules are part of a test, too")]
#![allow(clippy::cast_possible_truncation, reason = "lengths of a test")]
#![allow(clippy::unwrap_used, reason = "a panic reports a finding")]

#[path = "../../../tests/core/raw.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
pub mod raw;
#[path = "../../../tests/core/deflate/inflate.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod reference_inflate;
#[path = "../../../tests/core/rng.rs"]
#[allow(
    clippy::should_implement_trait,
    dead_code,
    reason = "shared with tests that use more of it"
)]
pub mod rng;
#[path = "../../../tests/core/wire.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
pub mod wire;

mod edits;
pub mod plan;
pub mod setup;

#[cfg(feature = "tokio")]
pub mod async_cancel;
pub mod connection_bytes;
pub mod connection_ops;
#[cfg(feature = "deflate")]
pub mod deflate_roundtrip;
pub mod extensions;
pub mod frame_header;
pub mod handshake_client;
pub mod handshake_server;
#[cfg(feature = "deflate")]
pub mod inflate;
pub mod mask;
pub mod negotiation;
pub mod utf8;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

/// Runs a body on every file of its corpus, and on an empty input. The failing file is named.
pub fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|folder| {
        let corpus = folder.join("fuzz/corpus").join(target);
        corpus.is_dir().then_some(corpus)
    });
    let corpus = corpus.unwrap_or_else(|| panic!("there is no corpus of {target}"));
    let mut files: Vec<_> = fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() > 3, "the corpus of {target} has {} files", files.len());
    files.sort();
    body(&[]);
    for file in files {
        let data = fs::read(&file).unwrap();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(&data))) {
            eprintln!("the input that failed is {}", file.display());
            resume_unwind(panic);
        }
    }
}
