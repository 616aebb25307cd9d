//! Names and lines that cannot pretend to be something else.
//!
//! A name is refused if it is not plain; a line is repaired, because its author meant to say something. The page isolates both
//! (`<bdi>`), so that right-to-left text affects nothing outside of it.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory as Category, GeneralCategoryGroup as Group, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// Most characters of a name, or of the name of a room.
pub(crate) const MAX_NAME: usize = 32;

/// Most characters of a line.
pub(crate) const MAX_LINE: usize = 2_000;

/// Most line breaks of a line.
const MAX_BREAKS: usize = 40;

/// Most combining marks in succession in a name. Vietnamese and Hebrew need two.
const MAX_NAME_MARKS: usize = 2;

/// Most combining marks in succession in a line. Longer stacks would be drawn over other lines.
const MAX_LINE_MARKS: usize = 4;

/// Why a name or a line is refused, in words for the person who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    EmptyName,
    LongName,
    StrangeName,
    StackedName,
    EmptyLine,
    LongLine,
}

impl Unfit {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::EmptyName => "Please choose a name that can be seen.",
            Self::LongName => "This name is too long: 32 characters are the most.",
            Self::StrangeName => {
                "This name has a character that is invisible or changes how text is displayed. Please leave it out."
            }
            Self::StackedName => "This name has too many marks on one letter.",
            Self::EmptyLine => "There is nothing to see in this message.",
            Self::LongLine => "This message is too long: 2,000 characters are the most.",
        }
    }
}

/// The name of a member: one line of visible characters with single spaces, in NFC.
///
/// # Errors
///
/// Says why the name is refused.
pub(crate) fn name(text: &str) -> Result<String, Unfit> {
    // A bound on the work, before anything else looks at the text.
    if text.len() > MAX_NAME * 8 {
        return Err(Unfit::LongName);
    }
    let name: String = text.nfc().collect();
    let name = name.trim_matches(' ');
    if name.chars().count() > MAX_NAME {
        return Err(Unfit::LongName);
    }
    let (mut marks, mut last) = (0, ' ');
    for c in name.chars() {
        if !is_plain(c) || (c == ' ' && last == ' ') {
            return Err(Unfit::StrangeName);
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        // A mark needs a letter to be on. On a space it would look like a letter of its own, or like nothing.
        if marks > MAX_NAME_MARKS || (marks > 0 && last == ' ') {
            return Err(Unfit::StackedName);
        }
        last = c;
    }
    if name.is_empty() || same(name).is_empty() {
        return Err(Unfit::EmptyName);
    }
    Ok(name.to_owned())
}

/// Names for which this is equal look alike to people: `Ann`, `ann` and `Αnn` with a Greek capital alpha.
pub(crate) fn same(name: &str) -> String {
    // What looks like a capital letter has to be made small, and that may look like something else again. It ends after a few
    // steps.
    let mut current: String = name.nfkc().collect();
    for _ in 0..4 {
        let lower = current.to_lowercase();
        let next: String = skeleton(&lower).filter(|c| *c != ' ').collect();
        if next == current {
            break;
        }
        current = next;
    }
    // A capital I looks like a small l, which is lost with the capitals.
    current.replace('i', "l")
}

/// What a member says: invisible controls are removed, and stacks of marks are cut.
///
/// # Errors
///
/// Says why the line is refused.
pub(crate) fn line(text: &str) -> Result<String, Unfit> {
    if text.len() > MAX_LINE * 4 {
        return Err(Unfit::LongLine);
    }
    let (mut clean, mut marks, mut breaks) = (String::with_capacity(text.len()), 0, 0);
    for c in text.chars() {
        if is_mark(c) {
            // A mark needs something to be on.
            let on = clean.chars().next_back().is_some_and(|c| !c.is_whitespace());
            marks += 1;
            if on && marks <= MAX_LINE_MARKS {
                clean.push(c);
            }
            continue;
        }
        // What cannot be seen between marks does not begin a new stack.
        if is_joiner(c) || is_variation_selector(c) || is_tag(c) {
            clean.push(c);
            continue;
        }
        let keep = match c {
            '\n' => {
                breaks += 1;
                breaks <= MAX_BREAKS
            }
            '\t' => true,
            _ => !matches!(
                c.general_category(),
                Category::Control
                    | Category::Format
                    | Category::LineSeparator
                    | Category::ParagraphSeparator
                    | Category::PrivateUse
            ),
        };
        if keep {
            marks = 0;
            clean.push(c);
        }
    }
    let clean = clean.trim();
    if clean.chars().count() > MAX_LINE {
        return Err(Unfit::LongLine);
    }
    if clean.chars().all(is_blank) {
        return Err(Unfit::EmptyLine);
    }
    Ok(clean.to_owned())
}

/// Names of rooms are part of addresses.
pub(crate) fn is_room(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_allowed)
}

/// A character of a name that is visible by itself, or a mark.
fn is_plain(c: char) -> bool {
    let is_text = matches!(
        c.general_category_group(),
        Group::Letter | Group::Mark | Group::Number | Group::Punctuation | Group::Symbol
    );
    c == ' ' || (is_text && !is_blank(c) && c.general_category() != Category::EnclosingMark)
}

fn is_mark(c: char) -> bool {
    c.general_category_group() == Group::Mark && !is_variation_selector(c)
}

/// Selects the emoji or the text form of the character before it.
fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

/// Joiners are part of emoji, and of Arabic, Persian and Indic words.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// The parts of the flags of Scotland and others.
fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

/// Shows nothing, whatever its category says: spaces, fillers, joiners, variation selectors, the empty Braille pattern.
fn is_blank(c: char) -> bool {
    const FILLERS: [char; 7] = [
        '\u{34f}', '\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}', '\u{3164}', '\u{ffa0}',
    ];
    c.is_whitespace()
        || c.is_control()
        || FILLERS.contains(&c)
        || c == '\u{2800}'
        || is_variation_selector(c)
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{e0000}'..='\u{e0fff}')
        || c.general_category() == Category::Format
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "proptest")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_kept() {
        for text in [
            "Ann",
            "Zoë",
            "Łukasz 2",
            "李雷",
            "דנה",
            "أحمد",
            "O'Neil",
            "😀 Bob",
            "Nguyễn",
            "R2-D2",
            "a.b_c",
            "สมชาย",
        ] {
            assert_eq!(
                name(text).as_deref(),
                Ok(text.nfc().collect::<String>().as_str()),
                "{text}"
            );
        }
        assert_eq!(name("  Ann ").as_deref(), Ok("Ann"));
        assert_eq!(name("Zoe\u{308}").as_deref(), Ok("Zoë"), "normalised");
    }

    #[test]
    fn names_that_forge_a_line_are_refused() {
        for text in [
            "Ann\nBob: hi",
            "Ann\u{202e}",
            "\u{2066}Ann",
            "A\u{200b}nn",
            "A\u{200d}nn",
            "A\u{ad}nn",
            "A\u{a0}nn",
            "A\u{3164}n",
            "A\u{2800}nn",
            "A\u{feff}",
            "A\u{e0041}",
            "A\u{2028}",
            "A\0",
            "A\u{20dd}",
            "A  nn",
            "A\u{fe0f}",
            "A\u{e000}",
            "A\u{34f}",
        ] {
            assert_eq!(name(text), Err(Unfit::StrangeName), "{text:?}");
        }
        assert_eq!(name("a\u{300}\u{301}\u{302}\u{303}"), Err(Unfit::StackedName));
        assert_eq!(name("\u{301}x"), Err(Unfit::StackedName));
        assert_eq!(name("   "), Err(Unfit::EmptyName));
        assert_eq!(name(&"x".repeat(33)), Err(Unfit::LongName));
        assert_eq!(name(&"x".repeat(10_000)), Err(Unfit::LongName));
    }

    #[test]
    fn names_that_look_alike_are_the_same() {
        for (one, other) in [
            ("Ann", "ANN"),
            ("Ann", "\u{391}nn"),
            ("paypal", "p\u{430}ypal"),
            ("Bill", "BiIl"),
            ("ＡＢ", "ab"),
            ("AnnB", "Ann B"),
        ] {
            assert_eq!(same(one), same(other), "{one} {other}");
        }
        for (one, other) in [("Ann", "Anna"), ("Zoë", "Zoe"), ("李", "雷")] {
            assert_ne!(same(one), same(other), "{one} {other}");
        }
    }

    #[test]
    fn lines_are_repaired_or_refused() {
        assert_eq!(line(" a\u{202e}b\0\u{200b}c\r\n\td ").as_deref(), Ok("abc\n\td"));
        for text in [
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}",
            "שלום עולם",
            "می\u{200c}خواهم",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
            "e\u{301}",
        ] {
            assert_eq!(line(text).as_deref(), Ok(text));
        }
        assert_eq!(
            line(&format!("Z{}", "\u{301}".repeat(99))).map(|text| text.chars().count()),
            Ok(5)
        );
        assert_eq!(
            line(&"a\n".repeat(900)).map(|text| text.lines().count()),
            Ok(MAX_BREAKS + 1)
        );
        for text in ["", " \n ", "\u{200d}", "\u{3164}\u{2800}", "\u{301}"] {
            assert_eq!(line(text), Err(Unfit::EmptyLine), "{text:?}");
        }
        assert_eq!(line(&"x".repeat(MAX_LINE + 1)), Err(Unfit::LongLine));
    }

    #[cfg(feature = "proptest")]
    proptest! {
        #[test]
        fn a_name_is_visible_and_stays_as_it_is(text in any::<String>()) {
            if let Ok(good) = name(&text) {
                prop_assert!((1..=MAX_NAME).contains(&good.chars().count()));
                prop_assert!(good.chars().all(|c| c == ' ' || !is_blank(c)));
                prop_assert_eq!(name(&good), Ok(good.clone()));
                prop_assert!(!same(&good).is_empty());
            }
        }

        #[test]
        fn a_line_has_no_hidden_controls_and_stays_as_it_is(text in "[\\PC\\p{Cf}\\p{Mn}\n\u{0}a ]{0,200}") {
            if let Ok(good) = line(&text) {
                prop_assert!(good.chars().count() <= MAX_LINE);
                let has_hidden = good.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\0', '\r']);
                prop_assert!(!has_hidden);
                prop_assert_eq!(line(&good), Ok(good.clone()));
            }
        }
    }
}
