//! Every requirement of `tests/checklist` has a test, and every id in the sources and the tests has an entry there.
//!
//! A test names what it covers in its doc comment, ids first: `/// FR-08, FR-10: clients mask, servers do not.` These
//! comments are read here, in the tests and in the unit tests of the sources.

#[path = "../checklist/list.rs"]
mod list;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use list::Status;

/// The folder of the root package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The ids at the beginning of a doc comment, up to a colon.
fn ids_of(comment: &str) -> Vec<&str> {
    let Some((ids, _)) = comment.split_once(':') else {
        return Vec::new();
    };
    let ids: Vec<&str> = ids.split(", ").collect();
    // Anything that looks like an id counts as one, so that a wrong id is found.
    let alike = |id: &&str| {
        id.contains('-')
            && id
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
    };
    if ids.iter().all(alike) { ids } else { Vec::new() }
}

/// The tests of a source: the ids of their doc comments, and their names.
fn tests_of(source: &str) -> Vec<(Vec<String>, String)> {
    let (mut tests, mut ids, mut is_test) = (Vec::new(), Vec::new(), false);
    let mut first = true;
    for line in source.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            if first {
                ids = ids_of(comment.trim()).into_iter().map(str::to_owned).collect();
            }
            first = false;
            continue;
        }
        first = true;
        if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            continue;
        }
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        if let (true, Some(name)) = (is_test, function) {
            let name = name.split('(').next().unwrap_or(name);
            tests.push((std::mem::take(&mut ids), name.to_owned()));
        }
        (ids, is_test) = (Vec::new(), false);
    }
    tests
}

/// All files below a directory that have one of these extensions, except this file, which contains invalid ids.
fn files(dir: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if extensions
            .iter()
            .any(|&known| path.extension().is_some_and(|extension| extension == known))
            && !path.ends_with("repository/checklist.rs")
        {
            found.push(path);
        }
    }
}

/// The contents of the sources and tests that have one of these extensions.
fn contents(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(ROOT);
    let mut found = Vec::new();
    for dir in ["src", "tests"] {
        files(&root.join(dir), extensions, &mut found);
    }
    assert!(found.len() > 20, "the sources are there");
    let read = |path: PathBuf| {
        let content = fs::read_to_string(&path).expect("a readable source");
        (path, content)
    };
    found.into_iter().map(read).collect()
}

/// All words of a text that have the form of an id.
fn ids_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    words.filter(|word| list::is_id(word)).collect()
}

/// The faults of the coverage.
fn faults(list: &BTreeMap<String, Status>, covered: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, status) in list {
        match (status, covered.get(id)) {
            (Status::Now, None) => faults.push(format!("{id} has no test")),
            (Status::Later(feature), Some(tests)) => {
                faults.push(format!(
                    "{id} has a test ({}), but is listed as waiting for {feature}",
                    tests[0]
                ));
            }
            _ => {}
        }
    }
    for (id, tests) in covered {
        if !list.contains_key(id) {
            faults.push(format!("{id}, which {} names, is unknown", tests.join(" and ")));
        }
    }
    faults
}

#[test]
fn every_requirement_has_a_test() {
    let list = list::all();
    let mut covered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, source) in contents(&["rs"]) {
        for (ids, name) in tests_of(&source) {
            for id in ids {
                covered.entry(id).or_default().push(name.clone());
            }
        }
    }

    println!("{:6} {:>7} {:>8} {:>6}", "area", "covered", "of", "later");
    let area = |id: &str| id.rsplit_once('-').map_or(String::new(), |(area, _)| area.to_owned());
    let areas: BTreeSet<String> = list.keys().map(|id| area(id)).collect();
    for name in areas {
        let of_area = || list.iter().filter(|(id, _)| area(id) == name);
        let now: Vec<_> = of_area().filter(|(_, status)| **status == Status::Now).collect();
        let done = now.iter().filter(|(id, _)| covered.contains_key(*id)).count();
        let later = of_area()
            .filter(|(_, status)| matches!(status, Status::Later(_)))
            .count();
        println!("{name:6} {done:>7} {:>8} {later:>6}", now.len());
    }
    let faults = faults(&list, &covered);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Everything that looks like an id can be looked up.
#[test]
fn every_id_has_an_entry() {
    let list = list::all();
    let mut unknown = Vec::new();
    for (path, content) in contents(&["rs", "md", "py", "js"]) {
        let ids = ids_in(&content).into_iter().filter(|id| !list.contains_key(*id));
        unknown.extend(ids.map(|id| format!("{}: {id} has no entry", path.display())));
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// No page of the checklist is missing, and the numbers of each area are consecutive.
#[test]
fn the_list_is_complete() {
    let folder = Path::new(ROOT).join("tests/checklist");
    for entry in fs::read_dir(folder).expect("the checklist") {
        let name = entry
            .expect("a directory entry")
            .file_name()
            .into_string()
            .expect("text");
        let is_read = list::FILES.iter().any(|(file, _)| *file == name);
        assert!(
            is_read || !name.ends_with(".md") || name == "README.md",
            "{name} is not in FILES"
        );
    }
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for id in list::all().keys() {
        let (area, number) = id.rsplit_once('-').expect("an id");
        let next = numbers.entry(area.to_owned()).or_insert(1);
        assert_eq!(number.parse(), Ok(*next), "{id} is out of order");
        *next += 1;
    }
    assert!(numbers.len() >= 9, "{numbers:?}");
}

#[test]
fn doc_comments_are_read() {
    let source = "
        /// FR-01, MSG-02: what it shows:
        ///
        /// CL-03: this is not the first line.
        #[test]
        #[should_panic]
        fn one() {}

        /// SEC-01: only tests count.
        fn helper() {}

        /// A test without ids.
        #[test]
        fn two() {}

        #[test]
        /// FR-99: an attribute may come first.
        fn three(input in any()) {}
    ";
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        tests_of(source),
        [
            (owned(&["FR-01", "MSG-02"]), "one".to_owned()),
            (owned(&[]), "two".to_owned()),
            (owned(&["FR-99"]), "three".to_owned()),
        ]
    );
}

#[test]
fn entries_are_read() {
    let text = "# FR: frames\n\nSome words.\n\n\
        - **FR-01** (MUST, RFC 6455 §5.2 item 1, RFC 9110 §5): One requirement over\n  two lines. → fails with\n  1002.\n\
        - **FR-02** (MAY, RFC 6455 §5.2; documented): Another requirement. → documented.\n\n\
        - **HS-S-03** (HARDENING, RFC 6455 §5.2; later: TLS): A third requirement. → 400.\n\
        - **CL-04** (HARDENING): A requirement of this crate alone. → refused.\n";
    let expected = [
        ("FR-01", Status::Now),
        ("FR-02", Status::Documented),
        ("HS-S-03", Status::Later("TLS".to_owned())),
        ("CL-04", Status::Now),
    ];
    assert_eq!(
        list::read(text),
        Ok(expected.map(|(id, status)| (id.to_owned(), status)).into())
    );

    for (entry, fault) in [
        ("FR-01: words", "not an entry: FR-01: words"),
        ("**FR-1** (MUST, RFC 6455 §5): A requirement. → 400.", "not an id: FR-1"),
        (
            "**FR-01** (MUST, RFC 6455 §5): A requirement.",
            "not an entry: **FR-01** (MUST, RFC 6455 §5): A requirement.",
        ),
        (
            "**FR-01** (MUSTARD, RFC 6455 §5): A requirement. → 400.",
            "FR-01 has no level",
        ),
        ("**FR-01** (MUST): A requirement. → 400.", "FR-01 has no source"),
        (
            "**FR-01** (MUST, RFC 6455): A requirement. → 400.",
            "FR-01: not a source: RFC 6455",
        ),
        (
            "**FR-01** (MUST, RFC 6455 §5; soon): A requirement. → 400.",
            "FR-01: not a status: soon",
        ),
        (
            "**FR-01** (MUST, RFC 6455 §5; later: ): A requirement. → 400.",
            "FR-01: not a status: later: ",
        ),
        ("**FR-01** (MUST, RFC 6455 §5): A. → 400.", "FR-01 has no sentences"),
        (
            "**FR-01** (MUST, RFC 6455 §5): A requirement. → 400",
            "FR-01 has no sentences",
        ),
    ] {
        assert_eq!(list::read(&format!("- {entry}")), Err(fault.to_owned()));
    }
}

#[test]
fn ids_are_found_in_text() {
    let text = "// §5.5 (FR-16): see HS-S-04, `XY-99`. Not UTF-8, SHA-1, fr-01, FR-1, FR-123, AB-CD-1x, -01, FR--01, FR-01-02x";
    assert!(ids_in(text).into_iter().eq(["FR-16", "HS-S-04", "XY-99"]));
}

#[test]
fn faults_are_found() {
    let list = [
        ("FR-01", Status::Now),
        ("FR-02", Status::Now),
        ("FR-03", Status::Later("TLS".to_owned())),
        ("FR-04", Status::Documented),
    ];
    let list = list.map(|(id, status)| (id.to_owned(), status)).into();
    let covered = ["FR-01", "FR-03", "FR-09", "XY-01"].map(|id| (id.to_owned(), vec!["a_test".to_owned()]));
    let found = faults(&list, &covered.into_iter().collect());
    assert_eq!(
        found,
        [
            "FR-02 has no test",
            "FR-03 has a test (a_test), but is listed as waiting for TLS",
            "FR-09, which a_test names, is unknown",
            "XY-01, which a_test names, is unknown",
        ]
    );
}
