//! Placeholders of attachments in the JSON of a binary packet: `{"_placeholder":true,"num":0}`, at any depth.
//!
//! A packet is passed on as it is, and clients fail on a placeholder without an attachment. So the server looks at each,
//! before one client can disconnect all others. No recursion: the depth of JSON is not limited.

/// What the current key of an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// It is still to come.
    Awaited,
    Placeholder,
    Num,
    Other,
}

/// An array or object that is open.
struct Level {
    key: Option<Key>,
    is_placeholder: bool,
    num: Option<usize>,
}

impl Level {
    /// Notes the value of the current key. `literal` is `None` if it is not a literal.
    fn value(&mut self, literal: Option<&str>) {
        match self.key {
            Some(Key::Placeholder) => self.is_placeholder = !matches!(literal, Some("false" | "null" | "0")),
            Some(Key::Num) => self.num = literal.and_then(index),
            _ => {}
        }
    }
}

/// Returns whether all placeholders in valid JSON refer to one of the attachments.
pub(super) fn are_valid(json: &str, attachments: usize) -> bool {
    let bytes = json.as_bytes();
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' | b'[' => {
                if let Some(level) = levels.last_mut() {
                    level.value(None);
                }
                levels.push(Level {
                    key: (byte == b'{').then_some(Key::Awaited),
                    is_placeholder: false,
                    num: None,
                });
            }
            b'}' | b']' => {
                let Some(level) = levels.pop() else { continue };
                if level.is_placeholder && level.num.is_none_or(|num| num >= attachments) {
                    return false;
                }
            }
            b',' => {
                if let Some(Level { key: Some(key), .. }) = levels.last_mut() {
                    *key = Key::Awaited;
                }
            }
            b'"' => {
                at = end_of_string(bytes, at);
                match levels.last_mut() {
                    Some(Level {
                        key: Some(key @ Key::Awaited),
                        ..
                    }) => *key = kind_of_key(&json[start..at]),
                    Some(level) => level.value(None),
                    None => {}
                }
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                while bytes.get(at).is_some_and(|byte| !b",}] \t\r\n".contains(byte)) {
                    at += 1;
                }
                if let Some(level) = levels.last_mut() {
                    level.value(Some(&json[start..at]));
                }
            }
        }
    }
    true
}

/// Returns the position after the closing quotation mark.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    bytes.len()
}

/// Keys may be written with escapes.
fn kind_of_key(quoted: &str) -> Key {
    let unescaped;
    let key = if quoted.contains('\\') {
        unescaped = serde_json::from_str::<String>(quoted).unwrap_or_default();
        &unescaped
    } else {
        quoted.trim_matches('"')
    };
    match key {
        "_placeholder" => Key::Placeholder,
        "num" => Key::Num,
        _ => Key::Other,
    }
}

/// JavaScript has one kind of number: `1`, `1.0` and `1e0` are the same.
fn index(literal: &str) -> Option<usize> {
    let number: f64 = literal.parse().ok()?;
    (0..=super::packet::MAX_ATTACHMENTS)
        .find(|&index| u32::try_from(index).is_ok_and(|index| f64::from(index) == number))
}

#[cfg(test)]
mod tests {
    use super::are_valid;

    #[test]
    fn placeholders_are_found_at_any_depth_and_in_any_order() {
        let valid = [
            r#"["x",{"_placeholder":true,"num":1},{"num":0,"_placeholder":true}]"#,
            r#"["x",{"a":[{"b":{"_placeholder":true,"num":0}}]}]"#,
            r#"["x",{ "_placeholder" : true , "num" : 1.0 }]"#,
            r#"["x",{"_placeholder":false,"num":7},{"num":9},{"_placeholder":null}]"#,
            r#"["x","{\"_placeholder\":true,\"num\":7}","_placeholder","num",7]"#,
            r#"["x",{"num":7,"num":1,"_placeholder":true}]"#,
            "[]",
        ];
        for json in valid {
            assert!(are_valid(json, 2), "{json}");
        }
        let invalid = [
            r#"["x",{"_placeholder":true,"num":2}]"#,
            r#"["x",{"_placeholder":true,"num":-1}]"#,
            r#"["x",{"_placeholder":true,"num":0.5}]"#,
            r#"["x",{"_placeholder":true,"num":"0"}]"#,
            r#"["x",{"_placeholder":true,"num":[0]}]"#,
            r#"["x",{"_placeholder":true}]"#,
            r#"["x",{"_placeholder":1,"num":9}]"#,
            r#"["x",{"_\u0070laceholder":true,"num":9}]"#,
            r#"["x",{"a":[0,{"_placeholder":true,"num":99999999999999999999}]}]"#,
        ];
        for json in invalid {
            assert!(!are_valid(json, 2), "{json}");
        }
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let depth = 300_000;
        let json = format!(
            "{}{{\"_placeholder\":true,\"num\":0}}{}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        assert!(are_valid(&json, 1));
        assert!(!are_valid(&json, 0));
    }
}
