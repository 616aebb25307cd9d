//! The samples of the README, compiled. `tests/README.md` describes the suites in this package.

#[cfg(all(doctest, feature = "tokio-rustls"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
