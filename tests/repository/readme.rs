//! The pages that a newcomer reads first: whole programs, features that exist, links with targets, and imports that work.
//!
//! The doc tests of `tests/shells` check that the programs compile, and `.ci/readme` that they run in a fresh crate.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of the root package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of code on a page: the words after the backticks, and the text.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut open = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(words), None) => open = Some((words, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of code has no end");
    blocks
}

/// The features of the library, as its manifest defines them.
fn features() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let (_, section) = manifest.split_once("\n[features]\n").expect("features");
    let section = section.split("\n[").next().expect("a section");
    let names = section.lines().filter_map(|line| line.split_once(" = "));
    names
        .filter(|(name, _)| !name.starts_with('#'))
        .map(|(name, _)| name.into())
        .collect()
}

/// The files below a folder with one of these extensions, without Cargo's output.
fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                files(&path, extensions, found);
            }
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| *x == e)) {
            found.push(path);
        }
    }
}

#[test]
fn the_readme_has_whole_programs_and_hides_nothing() {
    let readme = read("README.md");
    let rust: Vec<_> = blocks(&readme)
        .into_iter()
        .filter(|(words, _)| words.starts_with("rust"))
        .collect();
    for (words, text) in &rust {
        assert!(!words.contains("ignore"), "code that is never compiled:\n{text}");
        let hidden = text.lines().find(|line| *line == "#" || line.starts_with("# "));
        assert_eq!(hidden, None, "rustdoc hides this line, and other pages show it");
    }
    let programs = rust.iter().filter(|(_, text)| text.contains("fn main()"));
    assert_eq!(programs.count(), 4, "a server and a client, async and blocking");
}

#[test]
fn cargo_add_lines_name_features_that_exist() {
    let features = features();
    assert!(features.iter().any(|feature| feature == "tokio-rustls"), "{features:?}");
    let mut found = 0;
    for page in ["README.md", "src/lib.rs"] {
        for line in read(page).lines() {
            let line = line.trim_start_matches("//! ").trim();
            let Some(arguments) = line.strip_prefix("cargo add websocket-proto") else {
                continue;
            };
            found += 1;
            if let Some(names) = arguments.strip_prefix(" --features ") {
                for name in names.split(',') {
                    assert!(
                        features.iter().any(|feature| feature == name),
                        "{page}: there is no feature `{name}`"
                    );
                }
            } else {
                assert_eq!(arguments, "", "{page}");
            }
        }
    }
    assert!(found >= 4, "lines to copy");
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

/// The faults of the links of a page to other files of the repository, and to its own headings.
fn dead_links(path: &Path, page: &str) -> Vec<String> {
    let anchors: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let folder = path.parent().expect("a folder");
    let targets = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ', '\n']).next());
    let is_dead = |target: &&str| match target.split_once('#') {
        Some(("", fragment)) => !anchors.iter().any(|anchor| anchor == fragment),
        Some((file, _)) => !folder.join(file).exists(),
        None => !folder.join(target).exists(),
    };
    targets
        .filter(|target| !target.contains("://"))
        .filter(is_dead)
        .map(|target| format!("{}: {target} does not exist", path.display()))
        .collect()
}

#[test]
fn links_have_targets() {
    let mut pages = Vec::new();
    files(Path::new(ROOT), &["md"], &mut pages);
    // The links of the guide are paths of items, which rustdoc checks.
    pages.retain(|path| !path.components().any(|part| part.as_os_str() == "guide"));
    assert!(pages.len() > 10, "{pages:?}");
    let faults: Vec<_> = pages
        .iter()
        .flat_map(|path| dead_links(path, &fs::read_to_string(path).expect("a page")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn dead_links_are_found() {
    let page = "# One thing\n[a](Cargo.toml) [b](#one-thing) [c](none.md) [d](#none) [e](none.md#f) [g](https://x/y)\n";
    let faults = dead_links(&Path::new(ROOT).join("page.md"), page);
    let found: Vec<_> = faults.iter().filter_map(|fault| fault.split(": ").last()).collect();
    assert_eq!(
        found,
        [
            "none.md does not exist",
            "#none does not exist",
            "none.md#f does not exist"
        ]
    );
}

/// Whether a source imports the module `tokio` of this crate under its own name, which hides the crate `tokio` there.
fn hides_tokio(source: &str) -> bool {
    source.split("use websocket_proto::").skip(1).any(|rest| {
        let import = rest.split(';').next().unwrap_or_default().trim();
        let Some(list) = import.strip_prefix('{') else {
            return import == "tokio";
        };
        // Only the items of the outermost braces.
        let (mut depth, mut item) = (0, String::new());
        let mut items = Vec::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => items.push(std::mem::take(&mut item)),
                c => item.push(c),
            }
        }
        items
            .iter()
            .any(|item| item.trim_matches(|c: char| c.is_whitespace() || "/!".contains(c)) == "tokio")
    })
}

#[test]
fn no_sample_hides_the_crate_tokio() {
    let mut sources = vec![Path::new(ROOT).join("README.md")];
    for folder in ["src", "examples"] {
        files(&Path::new(ROOT).join(folder), &["md", "rs"], &mut sources);
    }
    for path in sources {
        let source = fs::read_to_string(&path).expect("a source");
        assert!(
            !hides_tokio(&source),
            "{}: after this import, `#[tokio::main]` does not compile",
            path.display()
        );
    }
}

/// Without `TCP_NODELAY`, a server sends the second of two short messages only after the client has acknowledged the first, 40 ms
/// later.
#[test]
fn samples_that_accept_connections_send_at_once() {
    let mut sources = vec![Path::new(ROOT).join("README.md")];
    for folder in ["src", "examples"] {
        files(&Path::new(ROOT).join(folder), &["md", "rs"], &mut sources);
    }
    let (mut found, mut faults) = (0, Vec::new());
    for path in sources {
        let source = fs::read_to_string(&path).expect("a source");
        let count = |words: &[&str]| -> usize { words.iter().map(|word| source.matches(word).count()).sum() };
        let accepted = count(&["listener.accept()", "listener.incoming()"]);
        found += accepted;
        if count(&["set_nodelay(true)"]) < accepted {
            faults.push(format!("{}: accepts without `TCP_NODELAY`", path.display()));
        }
    }
    assert!(found > 10, "there are samples that accept connections");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn hidden_crates_are_noticed() {
    for source in [
        "use websocket_proto::tokio;",
        "use websocket_proto::{Error, tokio};",
        "use websocket_proto::{\n    handshake::{Accept, Rejection},\n    tokio,\n};",
        "//! use websocket_proto::{\n//!     Error,\n//!     tokio,\n//! };",
    ] {
        assert!(hides_tokio(source), "{source}");
    }
    for source in [
        "use websocket_proto::tokio::WebSocket;",
        "use websocket_proto::{Error, tokio::WebSocket};",
        "use websocket_proto::{Error, tokio as shell};",
        "use websocket_proto::{Error, x::{tokio, y}};",
        "use tokio;",
    ] {
        assert!(!hides_tokio(source), "{source}");
    }
}
