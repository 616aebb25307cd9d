//! Frames as bytes.

pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame of a client.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame of a server.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0, payload.len());
    frame.extend(payload);
    frame
}

fn header(first: u8, mask_bit: u8, len: usize) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..=125 => header.push(mask_bit | u8::try_from(len).unwrap()),
        126..=0xFFFF => {
            header.push(mask_bit | 126);
            header.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            header.push(mask_bit | 127);
            header.extend((len as u64).to_be_bytes());
        }
    }
    header
}

/// The Close of a client.
pub(crate) fn close(code: u16) -> Vec<u8> {
    masked(FIN | CLOSE, &code.to_be_bytes())
}

/// The first bytes and payloads of a server's frames, all of which are whole.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = vec![];
    while let &[first, len, ref rest @ ..] = bytes {
        assert_eq!(len & 0x80, 0, "a server masks nothing");
        let (len, rest) = match len {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => {
                let (len, rest) = rest.split_first_chunk().unwrap();
                (usize::try_from(u64::from_be_bytes(*len)).unwrap(), rest)
            }
            len => (usize::from(len), rest),
        };
        assert!(len <= rest.len(), "a frame is cut");
        frames.push((first, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "a header is cut");
    frames
}
