//! Every requirement of `checklist/ids.txt` has a test.
//!
//! A test names what it covers in its doc comment, ids first: `/// FR-08, FR-10: clients mask, servers do not.` These
//! comments are read here, in the tests and in the unit tests of the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const AREAS: [&str; 9] = ["HS-S", "HS-C", "EXT", "FR", "MSG", "CL", "SEC", "PMD", "H2"];

/// What the list says about an id.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    Now,
    /// Not a matter of tests.
    Documented,
    /// The feature it waits for.
    Later(String),
}

fn read_list(list: &str) -> BTreeMap<String, Status> {
    let (mut ids, mut status) = (BTreeMap::new(), Status::Now);
    for line in list.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            status = match section.split_once(": ") {
                Some(("later", feature)) => Status::Later(feature.to_owned()),
                Some(("documented", _)) => Status::Documented,
                _ => Status::Now,
            };
            continue;
        }
        let (id, about) = line.split_once(' ').unwrap_or((line, ""));
        assert!(is_id(id) && !about.is_empty(), "not an id and a few words: {line}");
        assert!(
            ids.insert(id.to_owned(), status.clone()).is_none(),
            "{id} is listed twice"
        );
    }
    ids
}

fn is_id(word: &str) -> bool {
    word.rsplit_once('-').is_some_and(|(area, number)| {
        AREAS.contains(&area) && number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The ids at the beginning of a doc comment, up to a colon.
fn ids_of(comment: &str) -> Vec<&str> {
    let Some((ids, _)) = comment.split_once(':') else {
        return Vec::new();
    };
    let ids: Vec<&str> = ids.split(", ").collect();
    // Anything that looks like an id is taken for one, so that a wrong one is found.
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
            is_test |= line == "#[test]";
            continue;
        }
        if let (true, Some(name)) = (is_test, line.strip_prefix("fn ")) {
            let name = name.split('(').next().unwrap_or(name);
            tests.push((std::mem::take(&mut ids), name.to_owned()));
        }
        (ids, is_test) = (Vec::new(), false);
    }
    tests
}

/// All `.rs` files below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What is wrong with the coverage.
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("tests/checklist/ids.txt")).expect("the list is there");
    let list = read_list(&list);

    let mut files = Vec::new();
    sources(&root.join("tests"), &mut files);
    sources(&root.join("src"), &mut files);
    let mut covered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.ends_with("tests/checklist.rs")) {
        let source = fs::read_to_string(file).expect("a readable source");
        for (ids, name) in tests_of(&source) {
            for id in ids {
                covered.entry(id).or_default().push(name.clone());
            }
        }
    }

    println!("{:6} {:>7} {:>8} {:>6}", "area", "covered", "of", "later");
    for area in AREAS {
        let of_area = || {
            list.iter()
                .filter(|(id, _)| id.rsplit_once('-').is_some_and(|(a, _)| a == area))
        };
        let now: BTreeSet<_> = of_area()
            .filter(|(_, status)| **status == Status::Now)
            .map(|(id, _)| id)
            .collect();
        let done = now.iter().filter(|id| covered.contains_key(**id)).count();
        let later = of_area()
            .filter(|(_, status)| matches!(status, Status::Later(_)))
            .count();
        println!("{area:6} {done:>7} {:>8} {later:>6}", now.len());
    }
    let faults = faults(&list, &covered);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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

        /// SEC-01: nothing that is not a test counts.
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
fn faults_are_found() {
    let list =
        read_list("# a list\n[now]\nFR-01 one\nFR-02 two\n\n[later: TLS]\nFR-03 three\n[documented: so]\nFR-04 four\n");
    assert_eq!(list["FR-03"], Status::Later("TLS".to_owned()));
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
