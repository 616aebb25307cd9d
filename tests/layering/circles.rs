//! Circles between files.
//!
//! Seen from outside, a file and the folder with its name are one; and a file may use what its ancestors declare. So the rule is
//! about siblings: of the modules that one module declares, none may use another that uses it, directly or through others.
//! Re-exports are followed to the file that contains the item.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{paths, tokens, without_tests};

type Path = Vec<String>;

/// The sources of a crate, by their modules.
struct Sources {
    code: BTreeMap<Path, Vec<String>>,
    /// What each module re-exports, and under which name.
    exports: BTreeMap<Path, BTreeMap<String, Path>>,
}

/// All circles, in words.
pub(crate) fn find(files: impl IntoIterator<Item = (Path, String)>) -> Vec<String> {
    let mut sources = Sources {
        code: BTreeMap::new(),
        exports: BTreeMap::new(),
    };
    for (module, source) in files {
        let (exports, code) = separate_exports(&without_tests(&tokens(&source)));
        let named = paths(&exports, &module).into_iter().filter_map(|path| {
            let name = path.last()?.clone();
            Some((name, path[1..].to_vec()))
        });
        sources.exports.insert(module.clone(), named.collect());
        sources.code.insert(module, code);
    }
    let mut circles = Vec::new();
    for (parent, uses) in sources.uses() {
        for start in uses.keys() {
            if let Some(circle) = circle_through(start, &uses) {
                // A circle is found from each of its members; the first by name reports it.
                if circle.iter().min() == Some(start) {
                    circles.push(format!("{}: {}", parent.join("::"), circle.join(" -> ")));
                }
            }
        }
    }
    circles
}

/// The `pub use` items, and everything else.
fn separate_exports(code: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut exports, mut rest, mut at) = (Vec::new(), Vec::new(), 0);
    while at < code.len() {
        let mut next = at + 1;
        if code[at] == "pub" && code.get(next).is_some_and(|token| token == "(") {
            next += code[next..]
                .iter()
                .position(|token| token == ")")
                .map_or(0, |end| end + 1);
        }
        let is_export = code[at] == "pub" && code.get(next).is_some_and(|token| token == "use");
        let end = match is_export {
            true => code[at..]
                .iter()
                .position(|token| token == ";")
                .map_or(code.len(), |end| at + end + 1),
            false => at + 1,
        };
        let into = if is_export { &mut exports } else { &mut rest };
        into.extend_from_slice(&code[at..end]);
        at = end;
    }
    (exports, rest)
}

/// Which siblings each module uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

impl Sources {
    /// By the module that declares the siblings.
    fn uses(&self) -> BTreeMap<Path, Uses> {
        let mut uses: BTreeMap<Path, Uses> = BTreeMap::new();
        for (module, code) in &self.code {
            for path in paths(code, module) {
                if path[0] != "crate" {
                    continue;
                }
                let used = self.file_of(&path[1..], 0);
                let common = module.iter().zip(&used).take_while(|(one, other)| one == other).count();
                if let (Some(user), Some(used)) = (module.get(common), used.get(common)) {
                    let siblings = uses.entry(module[..common].to_vec()).or_default();
                    siblings.entry(user.clone()).or_default().insert(used.clone());
                }
            }
        }
        uses
    }

    /// The module in whose file an item is.
    fn file_of(&self, path: &[String], followed: usize) -> Path {
        let mut module = Vec::new();
        for (i, name) in path.iter().enumerate() {
            module.push(name.clone());
            if self.code.contains_key(&module) {
                continue;
            }
            module.pop();
            let export = self.exports.get(&module).and_then(|exports| exports.get(name));
            return match export {
                Some(export) if followed < 8 && export[..] != path[..=i] => {
                    self.file_of(&[&export[..], &path[i + 1..]].concat(), followed + 1)
                }
                _ => module,
            };
        }
        module
    }
}

/// A shortest way from a module back to itself.
fn circle_through(start: &String, uses: &Uses) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.clone()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in uses.get(way.last()?).into_iter().flatten() {
                let mut way = way.clone();
                way.push(next.clone());
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn circles_are_found() {
    let find = |files: &[(&str, &str)]| {
        find(files.iter().map(|(path, source)| {
            let module = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
            (module.collect(), (*source).to_owned())
        }))
    };
    // Between two files, among three, through a re-export, and from a folder.
    assert_eq!(
        find(&[("", ""), ("a", "use crate::b::B;"), ("b", "use super::a::A;")]),
        [": a -> b -> a"]
    );
    let three = [
        ("", ""),
        ("a", "use crate::b;"),
        ("b", "fn f() { crate::c::g() }"),
        ("c", "use crate::{a::A, d};"),
    ];
    assert_eq!(find(&three), [": a -> b -> c -> a"]);
    let reexported = [
        ("x", "mod a; mod b; pub(crate) use self::{a::A, b::B};"),
        ("x/a", "use super::B;"),
        ("x/b", "use crate::x::A;"),
    ];
    assert_eq!(find(&reexported), ["x: a -> b -> a"]);
    let folder = [
        ("", ""),
        ("a", "mod deep;"),
        ("a/deep", "use crate::b::B;"),
        ("b", "use crate::a::A;"),
    ];
    assert_eq!(find(&folder), [": a -> b -> a"]);
    // It is no circle if a file and its own folder, or tests, use each other.
    let own = [("", ""), ("a", "use self::deep::D;"), ("a/deep", "use super::A;")];
    assert!(find(&own).is_empty());
    let tests = [
        ("", ""),
        ("a", "use crate::b::B;"),
        ("b", "#[cfg(all(test, unix))] mod tests { use crate::a::A; }"),
    ];
    assert!(find(&tests).is_empty());
}
