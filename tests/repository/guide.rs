//! Code of the guide that needs other crates is quoted from a file that is compiled.

use std::{fs, path::Path};

/// The folder of the root package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A block of code with the file that it is quoted from: its line, the file, and its text.
type Block = (usize, String, String);

/// The blocks that follow a line such as `<!-- from examples/chat.rs -->`.
fn quoted(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut source = None;
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, source.take()) {
            (Some(_), _) if line == "```" => blocks.extend(open.take()),
            (Some((_, _, text)), _) => *text += &format!("{line}\n"),
            (None, Some(source)) => {
                assert_eq!(line, "```text", "line {}: a quotation is a block", index + 1);
                open = Some((index + 1, source, String::new()));
            }
            (None, None) => {
                let from = line
                    .strip_prefix("<!-- from ")
                    .and_then(|rest| rest.strip_suffix(" -->"));
                source = from.map(str::to_owned);
            }
        }
    }
    assert!(open.is_none(), "a block of code has no end");
    blocks
}

/// Whether a block is part of a source, in whole lines, indented or not.
fn is_part(source: &str, block: &str) -> bool {
    let source: Vec<_> = source.lines().collect();
    let block: Vec<_> = block.lines().collect();
    let Some(first) = block.first() else { return false };
    source.windows(block.len()).any(|lines| {
        let Some(indent) = lines[0].strip_suffix(first) else {
            return false;
        };
        indent.bytes().all(|byte| byte == b' ')
            && lines
                .iter()
                .zip(&block)
                .all(|(line, expected)| match expected.is_empty() {
                    true => line.is_empty(),
                    false => line.strip_prefix(indent) == Some(expected),
                })
    })
}

#[test]
fn quoted_code_is_in_the_named_file() {
    let (mut found, mut faults) = (0, Vec::new());
    for page in fs::read_dir(Path::new(ROOT).join("src/guide")).expect("the guide") {
        let path = page.expect("a page").path();
        let text = fs::read_to_string(&path).expect("a readable page");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if text.contains("```rust,ignore") || text.contains("```ignore") {
            faults.push(format!("{name} has code that is never compiled"));
        }
        for (line, source, block) in quoted(&text) {
            found += 1;
            let code = fs::read_to_string(Path::new(ROOT).join(&source)).unwrap_or_default();
            if !is_part(&code, &block) {
                faults.push(format!("{name}:{line} is not in {source}"));
            }
        }
    }
    assert!(found > 0, "there is quoted code");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_parts_are_found() {
    let source = "fn a() {\n    b();\n\n    c();\n}\n";
    for part in ["b();\n\nc();\n", "    b();\n", source, "fn a() {\n    b();\n"] {
        assert!(is_part(source, part), "{part}");
    }
    for other in ["", "b();\nc();\n", "a() {\n", "b()\n", "b();\n\n    c();\n", "d();\n"] {
        assert!(!is_part(source, other), "{other}");
    }
    let page = "<!-- from x.rs -->\n```text\na\n\nb\n```\n```text\nc\n```\n<!-- from y.rs -->\n```text\n```\n";
    let expected = [(2, "x.rs", "a\n\nb\n"), (11, "y.rs", "")];
    assert_eq!(
        quoted(page),
        expected.map(|(line, source, text)| (line, source.into(), text.into()))
    );
}
