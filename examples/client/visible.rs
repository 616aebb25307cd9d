//! Text of a peer, made harmless for a terminal: characters that would control the terminal, or hide or reorder text, become
//! escapes such as `\x1b`.

use std::fmt::Write;

/// Returns the text in one line.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            push_escaped(&mut shown, c);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns the beginning of the text in one line, of at most this many characters before they are escaped.
pub(crate) fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => line(&text[..end]) + "…",
        None => line(text),
    }
}

/// Returns the lines of the text. A line break at the end starts no further line.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n')
        .map(|part| line(part.strip_suffix('\r').unwrap_or(part)))
}

/// Whether a character does something other than to show itself.
fn is_harmful(c: char) -> bool {
    match c {
        // Between the two, a tab is useful.
        '\t' => false,
        _ if c.is_control() => true,
        // The marks, embeddings, overrides and isolates of bidirectional text: they reorder what follows.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Line and paragraph separators, and characters that cannot be seen. Those that join letters and emoji are needed.
        '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

fn push_escaped(shown: &mut String, c: char) {
    // Writing to a string does not fail.
    let _ = match c {
        '\n' => shown.write_str("\\n"),
        '\r' => shown.write_str("\\r"),
        '\0'..='\x7f' => write!(shown, "\\x{:02x}", u32::from(c)),
        _ => write!(shown, "\\u{{{:x}}}", u32::from(c)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["", "hello", "a\tb", "jürgen €", "👩‍👩‍👧‍👦", "שלום", "e\u{301}", r"back\slash"]
        {
            assert_eq!(line(text), text);
        }
    }

    /// No character that a terminal interprets is left, whatever was sent.
    #[test]
    fn no_control_character_is_left() {
        let all: String = (0..=0x2_ffff_u32).filter_map(char::from_u32).collect();
        let shown = line(&all);
        assert!(shown.chars().all(|c| c == '\t' || !c.is_control()));
        assert!(shown.chars().all(|c| !('\u{202a}'..='\u{202e}').contains(&c)));
    }

    #[test]
    fn controls_become_escapes() {
        assert_eq!(line("\x1b[31mred\x07"), r"\x1b[31mred\x07");
        assert_eq!(line("\u{9b}31m\x7f"), r"\u{9b}31m\x7f");
        assert_eq!(line("abc\u{202e}txt"), r"abc\u{202e}txt");
        assert_eq!(line("one\r\ntwo"), r"one\r\ntwo");
    }

    #[test]
    fn lines_end_with_either_line_break() {
        let split = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(split(""), [""]);
        assert_eq!(split("one\r\ntwo\n"), ["one", "two"]);
        assert_eq!(split("one\n\n"), ["one", ""]);
        assert_eq!(split("over\rwritten"), [r"over\rwritten"]);
    }

    #[test]
    fn a_beginning_is_cut_between_characters() {
        assert_eq!(beginning("äöü", 3), "äöü");
        assert_eq!(beginning("äöü\x1b", 2), "äö…");
    }
}
