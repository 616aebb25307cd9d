//! Nothing: the package names the sources of uWebSockets, for cargo to fetch.
