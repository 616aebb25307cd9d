//! The committed corpora of the fuzz targets as ordinary tests: what the fuzzer once found worth keeping stays true.
//!
//! The bodies are those of `fuzz/`, whose package replays one more, `differential`, since it depends on the peers that it
//! compares with. What a feature must be there for is replayed with that feature.

#[path = "../../fuzz/src/bodies/mod.rs"]
mod bodies;

// Where the modules that are shared with other tests look for each other.
use bodies::{rng, wire};

macro_rules! replays {
    ($($(#[$feature:meta])? $target:ident;)*) => {$(
        $(#[$feature])?
        #[test]
        fn $target() {
            bodies::replay(stringify!($target), bodies::$target::run);
        }
    )*

        /// No corpus is forgotten.
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
