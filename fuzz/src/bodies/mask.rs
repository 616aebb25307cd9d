//! Masking: like a naive loop, for any length, alignment and cut.

use websocket_proto::frame::MaskingKey;

pub fn run(data: &[u8]) {
    let Some((&[a, b, c, d, shift, times, cut], payload)) = data.split_first_chunk() else {
        return;
    };
    let bytes = [a, b, c, d];
    let key = MaskingKey::new(bytes);
    assert_eq!(key.to_bytes(), bytes);
    // Long payloads use another code path.
    let times = 1 + usize::from(times) * usize::from(times) / 256;
    let payload = payload.repeat(times.min(1 + (64 << 10) / payload.len().max(1)));
    let naive: Vec<u8> = payload
        .iter()
        .enumerate()
        .map(|(i, byte)| byte ^ bytes[i % 4])
        .collect();

    // In place, at any memory position; the surrounding bytes do not change.
    let shift = usize::from(shift) % 80;
    let mut buffer = [&vec![0x5a; shift][..], &payload, &[0x5a; 70]].concat();
    let end = shift + payload.len();
    key.apply(&mut buffer[shift..end]);
    assert!(
        buffer[shift..end] == naive,
        "in place, {} bytes at {shift}",
        payload.len()
    );
    assert!(buffer[..shift].iter().chain(&buffer[end..]).all(|byte| *byte == 0x5a));

    // Masking twice restores the payload.
    key.apply(&mut buffer[shift..end]);
    assert!(buffer[shift..end] == payload);

    // While it is copied after other bytes.
    let mut copied = vec![0xa5; shift];
    key.apply_into(&payload, &mut copied);
    assert!(copied[..shift].iter().all(|byte| *byte == 0xa5));
    assert!(copied[shift..] == naive, "copied, {} bytes", payload.len());

    // In pieces, with the key rotated by each.
    let step = 1 + usize::from(cut) % 67;
    let (mut turned, mut done) = (key, 0);
    for piece in buffer[shift..end].chunks_mut(step) {
        assert_eq!(turned, key.rotated(done));
        turned.apply(piece);
        turned = turned.rotated(piece.len());
        done += piece.len();
    }
    assert!(buffer[shift..end] == naive, "in pieces of {step}");
}
