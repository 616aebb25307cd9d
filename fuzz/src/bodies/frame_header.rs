//! Frame headers: decoded like by a naive decoder, with the same verdict from the first byte on that allows one, and unchanged
//! after encoding.

use websocket_proto::frame::{FrameError, FrameHeader, MaskingKey, Opcode, Rsv};

type Decoded = Result<Option<(FrameHeader, usize)>, FrameError>;

pub fn run(data: &[u8]) {
    let whole = FrameHeader::decode(data);
    assert_eq!(whole, reference(data));
    if let Ok(Some((header, len))) = whole {
        assert_eq!(encode(&header), &data[..len]);
    }

    // The verdict is final, and given as early as any decoder could.
    let most = data.len().min(FrameHeader::MAX_LEN + 1);
    let mut verdict: Decoded = Ok(None);
    for n in 0..=most {
        let decoded = FrameHeader::decode(&data[..n]);
        assert_eq!(decoded, reference(&data[..n]), "{n} bytes");
        match verdict {
            Ok(None) => verdict = decoded,
            _ => assert_eq!(decoded, verdict, "{n} bytes"),
        }
    }
    assert_eq!(verdict, whole);

    any_header_round_trips(data);
}

/// A header made of these bytes is read as it was written, unless it violates a rule.
fn any_header_round_trips(data: &[u8]) {
    let Some((&[bits, shift, masked], rest)) = data.split_first_chunk() else {
        return;
    };
    let Some((len, rest)) = rest.split_first_chunk() else {
        return;
    };
    let Some(opcode) = Opcode::from_bits(bits & 0x0f) else {
        return;
    };
    let key = rest.first_chunk().filter(|_| masked & 1 == 1);
    let header = FrameHeader {
        fin: bits & 0x80 != 0,
        rsv: Rsv::from_bits(bits >> 4),
        opcode,
        masking_key: key.map(|key| MaskingKey::new(*key)),
        payload_len: u64::from_be_bytes(*len) >> 1 >> (shift % 64),
    };
    let bytes = encode(&header);
    let expected = match opcode.is_control() {
        true if !header.fin => Err(FrameError::FragmentedControl),
        true if header.payload_len > 125 => Err(FrameError::LongControl),
        _ => Ok(Some((header, bytes.len()))),
    };
    assert_eq!(FrameHeader::decode(&bytes), expected);
}

fn encode(header: &FrameHeader) -> Vec<u8> {
    let mut bytes = [0xaa; FrameHeader::MAX_LEN];
    let len = header.encode(&mut bytes);
    assert!(bytes[len..].iter().all(|byte| *byte == 0xaa), "written past the header");
    bytes[..len].to_vec()
}

/// §5.2, bit by bit.
fn reference(data: &[u8]) -> Decoded {
    if data.len() < 2 {
        return Ok(None);
    }
    let bit = |byte: usize, bit: u32| data[byte] >> (7 - bit) & 1;
    let opcode = match data[0] % 16 {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        reserved => return Err(FrameError::ReservedOpcode(reserved)),
    };
    let is_control = bit(0, 4) == 1;
    if is_control && bit(0, 0) == 0 {
        return Err(FrameError::FragmentedControl);
    }
    let short = data[1] % 128;
    if is_control && short > 125 {
        return Err(FrameError::LongControl);
    }
    let width = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if data.len() < 2 + width {
        return Ok(None);
    }
    let mut payload_len = u128::from(short);
    if width > 0 {
        payload_len = data[2..2 + width]
            .iter()
            .fold(0, |len, byte| len * 256 + u128::from(*byte));
        if payload_len < [126, 0x1_0000][usize::from(width == 8)] {
            return Err(FrameError::OverlongLength);
        }
    }
    if payload_len >= 1 << 63 {
        return Err(FrameError::LengthTopBit);
    }
    let is_masked = bit(1, 0) == 1;
    let len = 2 + width + if is_masked { 4 } else { 0 };
    if data.len() < len {
        return Ok(None);
    }
    let masking_key = is_masked.then(|| MaskingKey::new([data[len - 4], data[len - 3], data[len - 2], data[len - 1]]));
    let header = FrameHeader {
        fin: bit(0, 0) == 1,
        rsv: Rsv::from_bits(bit(0, 1) * 4 + bit(0, 2) * 2 + bit(0, 3)),
        opcode,
        masking_key,
        payload_len: payload_len as u64,
    };
    Ok(Some((header, len)))
}
