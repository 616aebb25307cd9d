//! The code of the fuzz targets. The targets are three lines each; [`bodies`] contains all but one of them, because the tests of
//! the package under test replay them as well; the remaining one depends on the peers that it compares with.

pub mod bodies;
pub mod differential;

// The shared modules look for each other here.
use bodies::{rng, wire};

#[cfg(test)]
mod tests {
    use super::bodies::replay;

    /// Each target on its committed corpus.
    macro_rules! replays {
        ($($target:ident: $body:path;)*) => {$(
            #[test]
            fn $target() {
                replay(stringify!($target), $body);
            }
        )*};
    }

    replays! {
        async_cancel: super::bodies::async_cancel::run;
        connection_bytes: super::bodies::connection_bytes::run;
        connection_ops: super::bodies::connection_ops::run;
        deflate_roundtrip: super::bodies::deflate_roundtrip::run;
        differential: super::differential::run;
        extensions: super::bodies::extensions::run;
        frame_header: super::bodies::frame_header::run;
        handshake_client: super::bodies::handshake_client::run;
        handshake_server: super::bodies::handshake_server::run;
        inflate: super::bodies::inflate::run;
        mask: super::bodies::mask::run;
        negotiation: super::bodies::negotiation::run;
        utf8: super::bodies::utf8::run;
    }
}
