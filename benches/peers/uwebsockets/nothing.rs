//! Empty: the package only names the sources of uWebSockets, for Cargo to fetch.
