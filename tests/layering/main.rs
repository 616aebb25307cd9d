//! Which modules may import which, and which names the sources may use.

mod circles;
mod code;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::code::{module_of, paths, tokens, without_tests};

/// A layer, and the layers that its code may use besides itself. Only the root of the crate may use `io`.
const ALLOWED: [(&str, &[&str]); 18] = [
    (
        "connection",
        &[
            "prepared",
            "frame",
            "message",
            "outgoing",
            "utf8",
            "deflate",
            "deflate::params",
            "entropy",
            "negotiated",
            "config",
            "log",
            "role",
            "sync",
        ],
    ),
    ("prepared", &["frame", "message", "deflate", "deflate::params", "sync"]),
    (
        "handshake",
        &[
            "connection",
            "fields",
            "deflate::params",
            "frame",
            "negotiated",
            "config",
            "log",
            "role",
        ],
    ),
    ("log", &["fields", "role"]),
    ("negotiated", &["deflate::params", "frame", "role", "sync"]),
    ("outgoing", &["frame", "message", "prepared"]),
    ("message", &["frame", "utf8"]),
    ("frame", &["utf8"]),
    ("config", &["entropy", "deflate::params", "sync"]),
    ("error", &["connection", "handshake", "outgoing", "frame", "entropy"]),
    (
        "reconnect",
        &["connection", "handshake", "entropy", "frame", "error", "sync"],
    ),
    ("deflate::params", &["fields"]),
    ("deflate", &[]),
    ("fields", &[]),
    ("utf8", &[]),
    ("role", &[]),
    ("entropy", &[]),
    ("sync", &[]),
];

/// Parts of the standard library that only the shells may use.
const SHELLS_ONLY: [&str; 8] = [
    "std::net",
    "std::thread",
    "std::time",
    "std::sync",
    "std::fs",
    "std::process",
    "std::env",
    "std::os",
];

/// Names that only the shells may use, however they were imported.
const SHELL_NAMES: [&str; 8] = [
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "Condvar",
    "TcpStream",
    "TcpListener",
    "UnixStream",
];

/// Names that only the drivers use, and not the code that follows them: the states of the closing handshake, the deadlines, the
/// flags.
const DRIVERS_ONLY: [&str; 21] = [
    "closing",
    "unflushed",
    "at_end",
    "probe",
    "Deadlines",
    "deadlines",
    "ReadyState",
    "ready_state",
    "is_open",
    "is_abandoned",
    "is_received",
    "is_handshake_done",
    "wants_read",
    "wants_write",
    "wants_shutdown",
    "receive_eof",
    "on_eof",
    "abandon",
    "sever",
    "handle_timeout",
    "close_timeout",
];

const MOST_LINES: usize = 500;

#[test]
fn sources_import_only_what_their_layer_may() {
    let (root, mut faults) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Vec::new());
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources are there");
    for file in files {
        let source = fs::read_to_string(&file).expect("a readable source");
        let path = file.strip_prefix(&root).expect("below the root");
        faults.extend(check(path, &source));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Files that import each other can only be understood, tested and moved together.
#[test]
fn no_two_files_import_each_other() {
    let (root, mut files) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Vec::new());
    sources(&root, &mut files);
    let read = |file: PathBuf| {
        let source = fs::read_to_string(&file).expect("a readable source");
        (module_of(file.strip_prefix(&root).expect("below the root")), source)
    };
    let found = circles::find(files.into_iter().map(read));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// All faults of a source at this path below `src`.
fn check(path: &Path, source: &str) -> Vec<String> {
    let module = module_of(path);
    let layer = layer_of(&module);
    let mut faults = Vec::new();
    let lines = source.lines().count();
    if lines > MOST_LINES {
        faults.push(format!("{lines} lines, more than {MOST_LINES}"));
    }
    let all = tokens(source);
    if all.iter().any(|token| token == "unsafe") {
        faults.push("`unsafe`".to_owned());
    }
    let code = without_tests(&all);
    let is_shell = layer == "io";
    for path in paths(&code, &module) {
        let name = path.join("::");
        match path[0].as_str() {
            "crate" => {
                let used = layer_of(&path[1..]);
                if !may_use(&layer, &used) {
                    faults.push(format!("`{layer}` uses `{name}`"));
                }
            }
            _ if is_shell => {}
            _ if SHELLS_ONLY
                .iter()
                .any(|part| name == *part || name.starts_with(&format!("{part}::"))) =>
            {
                faults.push(format!("`{name}` outside io"));
            }
            _ => {}
        }
    }
    // TLS has its own closing handshake.
    let is_driving = ["io/blocking", "io/asynchronous"]
        .iter()
        .any(|shell| path.starts_with(shell))
        && !path.iter().any(|part| part.to_string_lossy().starts_with("tls"));
    for token in code
        .iter()
        .filter(|token| is_driving && DRIVERS_ONLY.contains(&token.as_str()))
    {
        faults.push(format!("`{token}` is for the driver to know"));
    }
    for token in code
        .iter()
        .filter(|token| !is_shell && SHELL_NAMES.contains(&token.as_str()))
    {
        faults.push(format!("`{token}` outside io"));
    }
    faults
        .iter()
        .map(|fault| format!("{}: {fault}", path.display()))
        .collect()
}

fn may_use(layer: &str, used: &str) -> bool {
    if layer == used || layer == "root" || layer == "io" {
        return true;
    }
    ALLOWED
        .iter()
        .any(|(name, others)| *name == layer && others.contains(&used))
}

/// The layer of an item or module at this path: its top-level module, except for the parameters of `deflate`. Items that the
/// crate re-exports at its root belong to the root.
fn layer_of<S: AsRef<str>>(path: &[S]) -> String {
    let part = |i: usize| path.get(i).map(AsRef::as_ref);
    match (part(0), part(1)) {
        (Some("deflate"), Some("params")) => "deflate::params".to_owned(),
        (Some(top), _) if top.starts_with(|first: char| first.is_lowercase()) => top.to_owned(),
        _ => "root".to_owned(),
    }
}

/// All `.rs` files below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn violations_are_found() {
    let cases: [(&str, &str, &[&str]); 19] = [
        (
            "message.rs",
            "use crate::connection::Event;",
            &["`message` uses `crate::connection::Event`"],
        ),
        (
            "frame/mask.rs",
            "fn f() { crate::role::Role::peer(x) }",
            &["`frame` uses `crate::role::Role::peer`"],
        ),
        (
            "handshake/head.rs",
            "use crate::{config::Limits, fields::{self, Extension as E}, utf8::{check, cut::*}};",
            &[
                "`handshake` uses `crate::utf8::check`",
                "`handshake` uses `crate::utf8::cut`",
            ],
        ),
        (
            "utf8.rs",
            "use super::message::Text;",
            &["`utf8` uses `crate::message::Text`"],
        ),
        (
            "connection/inbound/lend.rs",
            "use super::super::super::handshake::Head; use super::{Inbound, super::Event};",
            &["`connection` uses `crate::handshake::Head`"],
        ),
        (
            "connection/mod.rs",
            "pub use crate::io::blocking::X;",
            &["`connection` uses `crate::io::blocking::X`"],
        ),
        (
            "connection/mod.rs",
            "use crate::Bytes;",
            &["`connection` uses `crate::Bytes`"],
        ),
        (
            "deflate/params.rs",
            "use crate::{fields, deflate::pool};",
            &["`deflate::params` uses `crate::deflate::pool`"],
        ),
        ("new.rs", "use crate::role::Role;", &["`new` uses `crate::role::Role`"]),
        (
            "config.rs",
            "use std::net::TcpStream;",
            &["`std::net::TcpStream` outside io", "`TcpStream` outside io"],
        ),
        (
            "config.rs",
            "use std::{time::Duration, io};",
            &["`std::time::Duration` outside io"],
        ),
        (
            "config.rs",
            "fn f() { std::thread::yield_now() }",
            &["`std::thread::yield_now` outside io"],
        ),
        ("config.rs", "fn now() -> Instant { x }", &["`Instant` outside io"]),
        ("io/tokio.rs", "fn f() { unsafe { x() } }", &["`unsafe`"]),
        (
            "role.rs",
            "#[cfg(test)] mod tests { fn f() { unsafe {} } }",
            &["`unsafe`"],
        ),
        (
            "role.rs",
            "#[cfg(test)]\nmod tests { use super::*; }\nuse crate::config::Config;",
            &["`role` uses `crate::config::Config`"],
        ),
        (
            "role.rs",
            "#[cfg(test)]\nuse crate::frame::X; use crate::config::Config;",
            &["`role` uses `crate::config::Config`"],
        ),
        (
            "io/asynchronous/split.rs",
            "fn f(o: &Outbound) -> bool { o.closing.is_eof() && o.ready_state() == X }",
            &[
                "`closing` is for the driver to know",
                "`ready_state` is for the driver to know",
            ],
        ),
        (
            "role.rs",
            "const C: char = '\"'; use crate::config::Config; // \"",
            &["`role` uses `crate::config::Config`"],
        ),
    ];
    for (path, source, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|fault| format!("{path}: {fault}")).collect();
        assert_eq!(check(Path::new(path), source), expected, "{source}");
    }
    let long = "\n".repeat(MOST_LINES + 1);
    assert_eq!(
        check(Path::new("role.rs"), &long),
        ["role.rs: 501 lines, more than 500"]
    );
}

#[test]
fn allowed_code_passes() {
    let cases = [
        ("lib.rs", "pub use crate::{io::blocking, config::Config};"),
        (
            "io/blocking/mod.rs",
            "use std::net::TcpStream; use crate::{connection::Connection, handshake, Bytes};",
        ),
        (
            "connection/mod.rs",
            "use crate::{frame::Opcode, message::*, deflate::{self, params::P}}; use self::inbound::X;",
        ),
        (
            "connection/inbound/lend.rs",
            "use super::Inbound; use super::super::outbound::Outbound; use core::time::Duration;",
        ),
        (
            "message.rs",
            "/// See [`Event`](crate::connection::Event).\n//! crate::io::X\n/* use crate::io; /* nested */ */ use std::io::IoSlice;",
        ),
        (
            "message.rs",
            "const S: &str = \"use crate::io::X; unsafe \\\" Instant\"; const R: &str = r#\"crate::io\"# ;",
        ),
        (
            "message.rs",
            "#[cfg(test)] mod tests { use crate::io::X; fn f() { if x { std::thread::spawn(y) } } }",
        ),
        (
            "message.rs",
            "pub(crate) fn f<'a>(x: &'a u8) -> impl Sized + 'a { forbid(unsafe_code) }",
        ),
        (
            "frame/close.rs",
            "use crate::utf8; pub(super) fn f() { self::g(); super::header::h() }",
        ),
    ];
    for (path, source) in cases {
        assert_eq!(check(Path::new(path), source), [""; 0], "{source}");
    }
}
