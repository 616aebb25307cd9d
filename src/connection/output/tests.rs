//! What the output guarantees to the code that writes it.

use super::*;
use crate::frame::{Opcode, Rsv};
use alloc::vec;

fn header(len: usize) -> FrameHeader {
    FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode: Opcode::Binary,
        masking_key: None,
        payload_len: len as u64,
    }
}

/// Every step size writes the same bytes, vectored or not.
#[test]
fn segments_keep_their_place_whatever_a_write_takes() {
    let fill = || {
        let mut output = Output::new();
        output.push_frame(&header(3), b"abc");
        output.push_frame_shared(&header(6), Bytes::from_static(b"shared"));
        output.push_frame_shared(&header(0), Bytes::new());
        output.push_frame_shared(&header(2), Bytes::from_static(b"xy"));
        output.push_frame(&header(1), b"z");
        output
    };
    let expected = b"\x82\x03abc\x82\x06shared\x82\x00\x82\x02xy\x82\x01z";
    assert_eq!(fill().len(), expected.len());
    for step in 1..=expected.len() {
        let (mut output, mut written) = (fill(), vec![]);
        while output.has_remaining() {
            let chunk = output.chunk();
            let n = chunk.len().min(step);
            assert!(n > 0);
            written.extend_from_slice(&chunk[..n]);
            output.advance(n);
        }
        assert_eq!(written, expected, "step {step}");
    }
    #[cfg(feature = "std")]
    for (step, width) in (1..=expected.len()).flat_map(|step| [1, 2, 3, 16].map(|width| (step, width))) {
        let (mut output, mut written) = (fill(), vec![]);
        while output.has_remaining() {
            let mut slices = vec![std::io::IoSlice::new(&[]); width];
            let used = output.chunks_vectored(&mut slices);
            let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            let n = bytes.len().min(step);
            written.extend_from_slice(&bytes[..n]);
            output.advance(n);
        }
        assert_eq!(written, expected, "step {step}, {width} slices");
    }
}

/// Bytes queued while others are waiting come after them, even if those were partly written.
#[test]
fn what_is_queued_between_writes_keeps_its_place() {
    for seed in 0..200_u32 {
        let mut state = seed;
        let mut below = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        let (mut output, mut queued, mut written) = (Output::new(), vec![], vec![]);
        for i in 0..100_u8 {
            let payload = vec![i; below(9)];
            let mut left = 0;
            match below(5) {
                0 | 1 => output.push_frame_shared(&header(payload.len()), payload.clone().into()),
                2 => output.push_frame(&header(payload.len()), &payload),
                _ => left = below(output.len() + 1),
            }
            if output.len() > queued.len() - written.len() {
                queued.extend_from_slice(&[0x82, payload.len() as u8]);
                queued.extend_from_slice(&payload);
            }
            if i == 99 {
                left = output.len();
            }
            while left > 0 {
                let chunk = output.chunk();
                let n = chunk.len().min(left);
                written.extend_from_slice(&chunk[..n]);
                output.advance(n);
                left -= n;
            }
        }
        assert_eq!(written, queued, "seed {seed}");
    }
}

/// A received payload is sent without a copy, with its header in front if there is room, and its buffer comes back.
#[cfg(feature = "async")]
#[test]
fn a_received_payload_goes_out_from_its_buffer() {
    for (start, chunks) in [(14, &[&b"\x82\x03abc"[..]][..]), (1, &[b"\x82\x03", b"abc"])] {
        let mut buffer = vec![0; 100];
        buffer[start..start + 3].copy_from_slice(b"abc");
        let place = buffer[start..].as_ptr();
        let mut output = Output::new();
        output.push_frame_received(&header(3), buffer, start..start + 3);
        assert_eq!((output.len(), output.take_written()), (5, None));
        for &chunk in chunks {
            assert_eq!(output.chunk(), chunk);
            let end = output.chunk().as_ptr_range().end;
            assert!(chunk == b"\x82\x03" || end == place.wrapping_add(3), "it was copied");
            output.advance(chunk.len());
        }
        assert!(output.is_empty());
        assert_eq!(output.take_written().map(|buffer| buffer.len()), Some(100));
        assert_eq!(output.take_written(), None);
    }
}

/// The same holds when a write accepts only a part.
#[cfg(feature = "async")]
#[test]
fn a_received_payload_may_be_written_in_parts() {
    for (start, step) in [(14, 1), (14, 3), (1, 1), (1, 3), (0, 2)] {
        let mut buffer = vec![0; 100];
        buffer[start..start + 6].copy_from_slice(b"abcdef");
        let mut output = Output::new();
        output.push_frame_received(&header(6), buffer, start..start + 6);
        output.push_frame(&header(1), b"z");
        let mut written = vec![];
        while output.has_remaining() {
            let n = output.chunk().len().min(step);
            written.extend_from_slice(&output.chunk()[..n]);
            output.advance(n);
        }
        assert_eq!(written, b"\x82\x06abcdef\x82\x01z", "{start}, {step}");
        assert_eq!(output.take_written().map(|buffer| buffer.len()), Some(100));
    }
}

/// When the transport is gone, nothing is left to write, and only memory that further output can use is kept.
#[test]
fn what_is_dropped_is_gone() {
    let mut output = Output::new();
    for _ in 0..3 {
        output.push_frame_shared(&header(5000), Bytes::from(vec![1; 5000]));
        output.defer_frame(&header(5), b"later", output.end());
    }
    output.clear();
    assert!(output.is_empty() && output.chunk().is_empty());
    assert!(output.allocated() < 1000, "{} bytes", output.allocated());
    output.release();
    assert_eq!(output.allocated(), 0);
    output.push_frame(&header(3), b"abc");
    assert_eq!(output.chunk(), b"\x82\x03abc");
}

#[test]
fn a_lent_buffer_is_used_and_comes_back() {
    let mut output = Output::new();
    assert_eq!(output.take_buffer(), None);
    let own = output.give_buffer(vec![7; 100]);
    assert_eq!(own.capacity(), 0);
    output.push_frame(&header(3), b"abc");
    assert_eq!((output.chunk(), output.allocated()), (&b"\x82\x03abc"[..], 100));
    assert_eq!(output.take_buffer(), None, "it is in use");
    assert_eq!(
        output.give_buffer(Vec::with_capacity(200)).capacity(),
        200,
        "it is in use"
    );
    output.advance(5);
    let smaller = output.give_buffer(Vec::with_capacity(50));
    assert_eq!(smaller.capacity(), 50, "it is no larger");
    assert_eq!(output.take_buffer().map(|buffer| buffer.capacity()), Some(100));
    assert_eq!(output.allocated(), 0);
}

/// A peer that never lets the queue run empty does not make the written part grow.
#[test]
fn the_written_part_is_reclaimed() {
    let mut output = Output::new();
    output.push_frame(&header(100), &[0; 100]);
    for _ in 0..10_000 {
        output.push_frame(&header(100), &[0; 100]);
        output.advance(102);
    }
    assert_eq!(output.len(), 102);
    assert!(output.allocated() < 4 * RECLAIM, "{} bytes", output.allocated());
}

fn header_len(len: usize) -> usize {
    header(len).encode(&mut [0; FrameHeader::MAX_LEN])
}

fn push(output: &mut Output, len: usize) {
    output.push_frame(&header(len), &vec![0; len]);
}

/// Space is reclaimed from 16 KiB on, if half of the buffer is written, or a quarter if it would otherwise have to
/// grow.
#[test]
fn the_written_part_is_reclaimed_where_that_pays() {
    // Bytes in the buffer, how many of them were written, and how many come next, after a header that is stored as a
    // number; and whether bytes are then moved.
    for (filled, written, next, moves) in [
        (RECLAIM + 100, RECLAIM - 1, 10, false),
        (RECLAIM + 100, RECLAIM, 10, true),
        (64_000, 31_999, 10, false),
        (64_000, 32_000, 10, true),
        (64_000, 31_999, 36_000 - size_of::<u128>(), false),
        (64_000, 31_999, 36_001 - size_of::<u128>(), true),
        (80_000, 19_999, 30_000, false),
        (80_000, 20_000, 30_000, true),
    ] {
        let mut output = Output::new();
        let _ = output.give_buffer(Vec::with_capacity(100_000));
        push(&mut output, filled - header_len(filled));
        output.advance(written);
        push(&mut output, next);
        let left = if moves { 0 } else { written };
        assert_eq!(
            output.queue.read, left,
            "{filled} bytes, {written} written, {next} more"
        );
        assert_eq!(output.remaining(), filled - written + header_len(next) + next);
    }
}

/// When bytes are moved, payloads sent without a copy keep their place among them.
#[test]
fn reclaiming_keeps_the_order() {
    let mut output = Output::new();
    push(&mut output, 40_000);
    for payload in [&b"first"[..], b"second", b"third"] {
        output.push_frame_shared(&header(payload.len()), Bytes::from_static(payload));
    }
    output.advance(40_000);
    output.push_frame(&header(4), b"last");
    assert_eq!(output.queue.read, 0, "it was reclaimed");
    let mut written = vec![];
    while output.has_remaining() {
        let chunk = output.chunk();
        written.extend_from_slice(chunk);
        let n = chunk.len();
        output.advance(n);
    }
    assert_eq!(written, b"\0\0\0\0\x82\x05first\x82\x06second\x82\x05third\x82\x04last");
}

/// All memory is counted: the buffer, payloads sent without a copy, the buffer written last, and a deferred frame.
#[test]
fn what_is_held_is_counted() {
    let mut output = Output::new();
    let _ = output.give_buffer(Vec::with_capacity(100));
    assert_eq!(output.allocated(), 100);
    output.push_frame_received(&header(10), vec![0; 1000], 20..30);
    assert_eq!(output.allocated(), 1100);
    output.advance(12);
    assert_eq!(output.allocated(), 1100, "the buffer was not taken away yet");
    output.push_frame_shared(&header(300), Bytes::from(vec![1; 300]));
    assert_eq!(output.allocated(), 1400);
    output.defer_frame(&header(5), b"later", output.end());
    let deferred = size_of::<Deferred>() + FrameHeader::MAX_LEN + FrameHeader::MAX_CONTROL_LEN;
    assert_eq!(output.allocated(), 1400 + deferred);
    output.advance(output.len());
    assert_eq!(output.chunk(), b"\x82\x05later");
    assert_eq!(output.allocated(), 1100);
    output.advance(7);
    output.release();
    assert_eq!(output.allocated(), 0);
}

/// A vectored write is offered as many slices as it has room for, and no more.
#[cfg(feature = "std")]
#[test]
fn slices_are_filled_up() {
    let mut output = Output::new();
    for _ in 0..3 {
        output.push_frame_shared(&header(3), Bytes::from_static(b"abc"));
    }
    for room in 0..8 {
        let mut slices = vec![std::io::IoSlice::new(&[]); room];
        assert_eq!(output.chunks_vectored(&mut slices), room.min(6));
        assert!(slices.iter().take(6).all(|slice| !slice.is_empty()));
    }
}
