//! Binary messages as people read them: offset, hexadecimal, ASCII.

use std::fmt::Write;

/// How many bytes a row shows.
const ROW: usize = 16;

/// How many rows are shown of a message.
pub(crate) const MOST_ROWS: usize = 16;

/// Returns the rows of the view, and one that says how many bytes are not shown, if any.
pub(crate) fn view(bytes: &[u8]) -> Vec<String> {
    let (shown, rest) = bytes.split_at(bytes.len().min(ROW * MOST_ROWS));
    let mut rows: Vec<_> = shown
        .chunks(ROW)
        .enumerate()
        .map(|(n, bytes)| row(n * ROW, bytes))
        .collect();
    match rest.len() {
        0 => {}
        1 => rows.push("… 1 more byte".into()),
        more => rows.push(format!("… {more} more bytes")),
    }
    rows
}

fn row(offset: usize, bytes: &[u8]) -> String {
    let mut row = format!("{offset:04x} ");
    for column in 0..ROW {
        if column == ROW / 2 {
            row.push(' ');
        }
        // Writing to a string does not fail.
        let _ = match bytes.get(column) {
            Some(byte) => write!(row, " {byte:02x}"),
            None => write!(row, "   "),
        };
    }
    row.push_str("  ");
    row.extend(bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_offset_bytes_and_characters() {
        let rows = view(b"GET /chat HTTP/1.1\r\n\x1b");
        assert_eq!(
            rows,
            [
                "0000  47 45 54 20 2f 63 68 61  74 20 48 54 54 50 2f 31  GET /chat HTTP/1",
                "0010  2e 31 0d 0a 1b                                    .1...",
            ]
        );
    }

    #[test]
    fn a_view_is_bounded() {
        assert!(view(b"").is_empty());
        assert_eq!(view(&[0; 256]).len(), 16);
        assert_eq!(view(&[0; 257]).last().map(String::as_str), Some("… 1 more byte"));
        let rows = view(&vec![0; 64 << 20]);
        assert_eq!(rows.len(), MOST_ROWS + 1);
        assert_eq!(rows[MOST_ROWS], "… 67108608 more bytes");
    }
}
