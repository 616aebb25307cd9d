//! The committed corpora of the fuzz targets as ordinary tests: what the fuzzer once found stays fixed.
//!
//! The bodies are those of `fuzz/`. Its package replays one more, `differential`, because that depends on the peers that it
//! compares with. Corpora that require a feature are replayed with that feature.

#[path = "../../fuzz/src/bodies/mod.rs"]
mod bodies;

// The shared modules look for each other here.
use bodies::{rng, wire};

macro_rules! replays {
    ($($(#[$feature:meta])? $target:ident;)*) => {$(
        $(#[$feature])?
        #[test]
        fn $target() {
            bodies::replay(stringify!($target), bodies::$target::run);
        }
    )*

        /// Every corpus is replayed.
        #[test]
        fn every_corpus_is_replayed() {
            let targets = ["differential", $(stringify!($target)),*];
            let corpora = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus")).expect("corpora");
            for corpus in corpora {
                let name = corpus.expect("a corpus").file_name();
                assert!(targets.iter().any(|target| name == **target), "{name:?}");
            }
        }
    };
}

replays! {
    #[cfg(feature = "tokio")]
    async_cancel;
    connection_bytes;
    connection_ops;
    #[cfg(feature = "deflate")]
    deflate_roundtrip;
    extensions;
    frame_header;
    handshake_client;
    handshake_server;
    #[cfg(feature = "deflate")]
    inflate;
    mask;
    negotiation;
    utf8;
}
