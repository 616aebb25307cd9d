//! Reads the requirements of this folder. `README.md` describes an entry.

use std::collections::BTreeMap;

pub(crate) const FILES: [(&str, &str); 8] = [
    ("handshake_server.md", include_str!("handshake_server.md")),
    ("handshake_client.md", include_str!("handshake_client.md")),
    ("messages.md", include_str!("messages.md")),
    ("closing.md", include_str!("closing.md")),
    ("deflate.md", include_str!("deflate.md")),
    ("security.md", include_str!("security.md")),
    ("http2.md", include_str!("http2.md")),
    ("driving.md", include_str!("driving.md")),
];

/// Whether a requirement must have a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Now,
    /// No test can check it.
    Documented,
    /// It waits for this feature.
    Later(String),
}

/// All requirements, by id.
pub(crate) fn all() -> BTreeMap<String, Status> {
    let mut list = BTreeMap::new();
    for (name, text) in FILES {
        for (id, status) in read(text).unwrap_or_else(|fault| panic!("{name}: {fault}")) {
            assert!(list.insert(id.clone(), status).is_none(), "{name}: {id} occurs twice");
        }
    }
    list
}

/// The entries of a file. An entry is a list item; the lines after its first are indented.
pub(crate) fn read(text: &str) -> Result<Vec<(String, Status)>, String> {
    let mut entries: Vec<String> = Vec::new();
    let mut in_entry = false;
    for line in text.lines() {
        match line.strip_prefix("- ") {
            Some(item) => entries.push(item.to_owned()),
            None if in_entry && line.starts_with("  ") => {
                if let Some(entry) = entries.last_mut() {
                    entry.push(' ');
                    entry.push_str(line.trim());
                }
            }
            None => {}
        }
        in_entry = line.starts_with("- ") || (in_entry && line.starts_with("  "));
    }
    entries.iter().map(|entry| read_entry(entry)).collect()
}

/// `**ID** (LEVEL, SOURCE, …[; STATUS]): requirement. → outcome.`
fn read_entry(entry: &str) -> Result<(String, Status), String> {
    let parts = || {
        let (id, rest) = entry.strip_prefix("**")?.split_once("** (")?;
        let (origin, rest) = rest.split_once("): ")?;
        let (requirement, outcome) = rest.split_once(" → ")?;
        Some((id, origin, requirement, outcome))
    };
    let (id, origin, requirement, outcome) = parts().ok_or_else(|| format!("not an entry: {entry}"))?;
    if !is_id(id) {
        return Err(format!("not an id: {id}"));
    }
    let (origin, status) = match origin.split_once("; ") {
        None => (origin, Status::Now),
        Some((origin, "documented")) => (origin, Status::Documented),
        Some((origin, status)) => match status.strip_prefix("later: ") {
            Some(feature) if !feature.is_empty() => (origin, Status::Later(feature.to_owned())),
            _ => return Err(format!("{id}: not a status: {status}")),
        },
    };
    let mut origin = origin.split(", ");
    let level = origin.next();
    if !matches!(level, Some("MUST" | "SHOULD" | "MAY" | "HARDENING")) {
        return Err(format!("{id} has no level"));
    }
    let mut sources = 0;
    for source in origin {
        if !source.starts_with("RFC ") || !source.contains(" §") {
            return Err(format!("{id}: not a source: {source}"));
        }
        sources += 1;
    }
    if sources == 0 && level != Some("HARDENING") {
        return Err(format!("{id} has no source"));
    }
    if !is_sentence(requirement) || !outcome.ends_with('.') {
        return Err(format!("{id} has no sentences"));
    }
    Ok((id.to_owned(), status))
}

fn is_sentence(text: &str) -> bool {
    text.ends_with(['.', ')']) && text.len() > 10
}

/// Whether a word has the form of an id: an area of capitals, digits and hyphens, and a number of two digits.
pub(crate) fn is_id(word: &str) -> bool {
    word.rsplit_once('-').is_some_and(|(area, number)| {
        area.starts_with(|first: char| first.is_ascii_uppercase())
            && area.split('-').all(|part| !part.is_empty())
            && area
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
            && number.len() == 2
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
