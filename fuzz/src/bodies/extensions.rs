//! `Sec-WebSocket-Extensions`: accepted and interpreted exactly as by a naive reader of the grammar, and read again as it is
//! written.

use websocket_proto::{
    Config,
    handshake::{HandshakeError, HandshakeField, ServerHandshake, UpgradeRequest},
};

/// Names and values in order, as owned text.
type Element = (String, Vec<(String, Option<String>)>);

/// Each line of the input is a header field.
pub fn run(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').take(100).collect();
    let is_field_value = |line: &&[u8]| line.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if !lines.iter().all(is_field_value) {
        return;
    }
    let expected: Option<Vec<Element>> = lines
        .iter()
        .map(|line| reference(line))
        .collect::<Option<Vec<_>>>()
        .map(|lines| lines.concat());
    let found = request(&lines);
    match (&found, expected) {
        (Ok(request), Some(expected)) => {
            let elements = elements(request);
            assert_eq!(elements, expected);
            let written: Vec<String> = request.extensions().map(|extension| extension.to_string()).collect();
            let again = self::request(&[written.join(", ").as_bytes()]).expect("what was written can be read");
            assert_eq!(self::elements(&again), expected);
        }
        (Err(HandshakeError::InvalidField(HandshakeField::Extensions)), None) => {}
        (Err(HandshakeError::HeadTooLarge), _) => assert!(data.len() > 15_000),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

fn request(lines: &[&[u8]]) -> Result<UpgradeRequest, HandshakeError> {
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        .to_vec();
    for line in lines {
        bytes.extend_from_slice(b"Sec-WebSocket-Extensions:");
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    let received = ServerHandshake::new(&Config::new()).receive(&bytes)?;
    Ok(received.expect("a whole request"))
}

fn elements(request: &UpgradeRequest) -> Vec<Element> {
    let element = |extension: websocket_proto::handshake::Extension<'_>| {
        let params = extension.params().iter();
        let params = params.map(|param| (param.name().to_owned(), param.value().map(str::to_owned)));
        (extension.name().to_owned(), params.collect())
    };
    request.extensions().map(element).collect()
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Mark(u8),
}

/// §9.1 on whole tokens: first they are separated, then combined.
fn reference(line: &[u8]) -> Option<Vec<Element>> {
    let tokens = tokens(line)?;
    let mut elements = Vec::new();
    for element in tokens.split(|token| *token == Token::Mark(b',')) {
        if element.is_empty() {
            continue;
        }
        let mut parts = element.split(|token| *token == Token::Mark(b';'));
        let name = match parts.next()? {
            [Token::Word(name)] => name.clone(),
            _ => return None,
        };
        let param = |part: &[Token]| match part {
            [Token::Word(name)] => Some((name.clone(), None)),
            [
                Token::Word(name),
                Token::Mark(b'='),
                Token::Word(value) | Token::Quoted(value),
            ] => Some((name.clone(), Some(value.clone()))),
            _ => None,
        };
        elements.push((name, parts.map(param).collect::<Option<_>>()?));
    }
    Some(elements)
}

fn tokens(line: &[u8]) -> Option<Vec<Token>> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        at += 1;
        match byte {
            b' ' | b'\t' => {}
            b',' | b';' | b'=' => tokens.push(Token::Mark(byte)),
            b'"' => {
                let mut value = String::new();
                loop {
                    let mut byte = *line.get(at)?;
                    at += 1;
                    if byte == b'"' {
                        break;
                    }
                    if byte == b'\\' {
                        byte = *line.get(at)?;
                        at += 1;
                    }
                    if !is_word(byte) {
                        return None;
                    }
                    value.push(byte.into());
                }
                if value.is_empty() {
                    return None;
                }
                tokens.push(Token::Quoted(value));
            }
            _ if is_word(byte) => {
                let rest = line[at..].iter().take_while(|byte| is_word(**byte)).count();
                tokens.push(Token::Word(
                    line[at - 1..at + rest].iter().copied().map(char::from).collect(),
                ));
                at += rest;
            }
            _ => return None,
        }
    }
    Some(tokens)
}
