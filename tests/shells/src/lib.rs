//! The samples of the README, compiled. The suites beside this file are described in `tests/README.md`.

#[cfg(all(doctest, feature = "tokio-rustls"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
