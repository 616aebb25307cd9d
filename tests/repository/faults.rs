//! The page `tests/faults.md` names tests, files and functions that exist, and has a row for each rule of driving.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The folder of the root package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The folder of a suite.
fn folder(suite: &str) -> PathBuf {
    let root = Path::new(ROOT);
    match suite {
        "lib" => root.join("src"),
        "core" | "handshake" | "blocking" | "simulation" | "repository" => root.join("tests").join(suite),
        "asynchronous" | "runtimes" | "connect" | "broadcast" | "http" | "reconnect" => {
            root.join("tests/shells").join(suite)
        }
        "interop" => root.join("tests/interop"),
        other => panic!("the page names a suite {other:?}, which is unknown here"),
    }
}

/// The sources below a folder: their paths, without extension, and their contents.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "py")
        {
            let source = fs::read_to_string(&path).expect("a readable source");
            found.push((path.with_extension("").to_string_lossy().replace('\\', "/"), source));
        }
    }
    found
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether a suite has a test with this path of modules and name.
fn has_test(sources: &[(String, String)], test: &str) -> bool {
    let (modules, name) = test.rsplit_once("::").unwrap_or(("", test));
    let modules = modules.strip_suffix("::tests").unwrap_or(modules).replace("::", "/");
    let (function, in_python) = (format!("fn {name}"), format!("def {name}("));
    let defines = |source: &str| {
        let mut ends = source
            .match_indices(&function)
            .map(|(at, _)| &source[at + function.len()..]);
        ends.any(|end| end.starts_with(['(', '<'])) || source.contains(&in_python)
    };
    sources
        .iter()
        .any(|(path, source)| (modules.is_empty() || path.ends_with(&format!("/{modules}"))) && defines(source))
}

/// The rows of the page, each with its three cells.
fn rows(page: &str) -> Vec<[&str; 3]> {
    page.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| fault |"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells
                .try_into()
                .unwrap_or_else(|cells| panic!("not three cells: {cells:?}"))
        })
        .collect()
}

#[test]
fn the_page_names_what_exists() {
    let page = fs::read_to_string(Path::new(ROOT).join("tests/faults.md")).expect("the page");
    let rows = rows(&page);
    assert!(rows.len() > 40, "{} rows", rows.len());
    let mut missing = BTreeSet::new();
    let mut file = PathBuf::new();
    for [fault, change, tests] in rows {
        for word in quoted(change) {
            if word.contains('/') {
                file = Path::new(ROOT).join(word);
                if !file.is_file() {
                    missing.insert(format!("{fault}: no file {word}"));
                }
                continue;
            }
            let source = fs::read_to_string(&file).unwrap_or_default();
            let is_there = word
                .split("::")
                .all(|part| source.contains(part.trim_end_matches("()")));
            if !is_there {
                missing.insert(format!("{fault}: `{word}` is not in {}", file.display()));
            }
        }
        for part in tests.split("; ") {
            let (suite, names) = part
                .split_once(": ")
                .unwrap_or_else(|| panic!("{fault}: no suite in {part:?}"));
            let sources = sources(&folder(suite));
            assert!(quoted(names).count() > 0, "{fault}: no test of {suite}");
            let unknown = quoted(names).filter(|test| !has_test(&sources, test));
            missing.extend(unknown.map(|test| format!("{fault}: no test `{test}` in {suite}")));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn each_rule_of_driving_has_a_row() {
    let page = fs::read_to_string(Path::new(ROOT).join("tests/faults.md")).expect("the page");
    let rules = fs::read_to_string(Path::new(ROOT).join("tests/checklist/driving.md")).expect("the checklist");
    let ids: BTreeSet<&str> = rules
        .split("**")
        .filter(|word| word.starts_with("DRV-") && word.len() == 6)
        .collect();
    assert!(ids.len() >= 20, "{ids:?}");
    let without: Vec<_> = ids.iter().filter(|id| !page.contains(&format!("| {id}"))).collect();
    assert!(without.is_empty(), "without a row: {without:?}");
}
