//! Sources as words, and the paths in them.

use std::path::Path;

/// The path of the module that a file holds.
pub(crate) fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into())
        .collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// All paths in the code that begin with `crate`, `super`, `self`, `std`, `core` or `alloc`; the first three are made absolute.
/// Groups are split.
pub(crate) fn paths(code: &[String], module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 1 < code.len() {
        let starts = at == 0 || code[at - 1] != "::";
        let base = match code[at].as_str() {
            "crate" => Some(vec!["crate".to_owned()]),
            "self" => Some(absolute(module, 0)),
            "super" => Some(absolute(module, 1)),
            "std" | "core" | "alloc" => Some(vec![code[at].clone()]),
            _ => None,
        };
        if let (true, Some(base), "::") = (starts, base, code[at + 1].as_str()) {
            at = tree(code, at + 2, &base, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// The module itself, this number of levels up.
fn absolute(module: &[String], up: usize) -> Vec<String> {
    let mut path = vec!["crate".to_owned()];
    path.extend_from_slice(&module[..module.len().saturating_sub(up)]);
    path
}

/// Reads what follows `base::`, and returns the position of its end.
pub(crate) fn tree(code: &[String], mut at: usize, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    while let Some(token) = code.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while code.get(at).is_some_and(|token| token != "}") {
                    if code[at] == "," {
                        at += 1;
                    } else {
                        at = tree(code, at, &path, found);
                    }
                }
                return at + 1;
            }
            "super" => {
                // `super::super`: one more level up.
                if path.len() > 1 {
                    path.pop();
                }
            }
            "self" | "*" => {}
            name if is_word(name) => path.push(name.to_owned()),
            _ => break,
        }
        at += 1;
        match code.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("as") => {
                at += 2;
                break;
            }
            _ => break,
        }
    }
    found.push(path);
    at
}

pub(crate) fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The code without the items that are compiled only for tests.
pub(crate) fn without_tests(all: &[String]) -> Vec<String> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    const CFG_ALL_TEST: [&str; 7] = ["#", "[", "cfg", "(", "all", "(", "test"];
    let (mut code, mut at) = (Vec::new(), 0);
    while at < all.len() {
        let begins = |with: [&str; 7]| all[at..].iter().map(String::as_str).take(with.len()).eq(with);
        if !begins(CFG_TEST) && !begins(CFG_ALL_TEST) {
            code.push(all[at].clone());
            at += 1;
            continue;
        }
        // The item ends at its semicolon, or with the brace that closes its body.
        let mut depth = 0;
        while let Some(token) = all.get(at) {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => continue,
            }
            if depth == 0 {
                break;
            }
        }
    }
    code
}

/// Words, `::` and single characters; without comments and without the contents of quotes.
pub(crate) fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let starts = |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let c = chars[at];
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            while at < chars.len() {
                match (starts(at, "/*"), starts(at, "*/")) {
                    (true, _) => depth += 1,
                    (_, true) => depth -= 1,
                    _ => {
                        at += 1;
                        continue;
                    }
                }
                at += 2;
                if depth == 0 {
                    break;
                }
            }
        } else if c.is_alphabetic() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            let raw = matches!(word.as_str(), "r" | "br");
            match raw.then(|| raw_string_end(&chars, at)).flatten() {
                Some(end) => at = end,
                None => found.push(word),
            }
        } else if c == '"' {
            at = quoted_end(&chars, at, '"');
        } else if c == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
            at = quoted_end(&chars, at, '\'');
        } else if starts(at, "::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            at += 1;
        }
    }
    found
}

/// The position after the closing quote of the literal that begins at `at`.
fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The position after a raw string whose hashes or quote begin at `at`; `None` if there is none.
fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut end = at + hashes + 1;
    while end < chars.len() {
        let closes = chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(end)
}
