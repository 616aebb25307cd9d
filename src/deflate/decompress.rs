//! Decompressing in bounded steps ([RFC 7692 §7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).

use alloc::{boxed::Box, vec::Vec};

use zlib_rs::{InflateFlush, Status};

use super::{
    CodecStep, InvalidData, Settings, TAIL,
    history::History,
    pool::{self, BLOCK, InflateState},
};

/// The most final blocks in one message. A sender has reason for one, and each costs as much as loading the history
/// again.
const MAX_FINAL_BLOCKS: u16 = 1024;

/// The initial size of a new block, in bytes.
const FIRST_BLOCK: usize = 1 << 10;

/// The decompressor of a connection's receiving direction.
///
/// For each message, call [`step`](Self::step) with its payload in order until nothing is pending, then
/// [`finish`](Self::finish). The output never exceeds the space given.
pub(crate) struct Decompressor {
    /// The data that messages may refer back to; `None` without context takeover.
    history: Option<History>,
    /// Borrowed from the first step of a message to its end, or until its last block was read.
    state: Option<Box<InflateState>>,
    place: Place,
    final_blocks: u16,
    /// The number of bytes decompressed of the message so far.
    inflated: u64,
    /// Whether more output may come without more input.
    pending: bool,
    /// Whether a fault in the data was reached.
    invalid: bool,
}

/// The position of the next byte in the DEFLATE data of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning, or after a final block: another stream begins, if there is more data.
    Start,
    Inside,
}

impl Decompressor {
    pub(crate) fn new(settings: Settings) -> Option<Self> {
        Some(Self {
            history: settings.takeover.then(|| History::new(settings.window_bits)),
            state: None,
            place: Place::Start,
            final_blocks: 0,
            inflated: 0,
            pending: false,
            invalid: false,
        })
    }

    /// Starts a message.
    pub(crate) fn begin(&mut self) {
        self.place = Place::Start;
        self.final_blocks = 0;
        self.inflated = 0;
        self.pending = false;
        self.invalid = false;
    }

    /// Decompresses as much of `input` into `out` as fits.
    pub(crate) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<CodecStep, InvalidData> {
        let mut state = self.state.take().unwrap_or_else(pool::inflate);
        let stepped = self.step_with(&mut state, input, out);
        self.state = Some(state);
        stepped
    }

    /// Decompresses at most `most` bytes into a block of the codec, and lends them.
    pub(crate) fn step_in_block(&mut self, input: &[u8], most: usize) -> Result<(CodecStep, &mut [u8]), InvalidData> {
        let mut state = self.state.take().unwrap_or_else(pool::inflate);
        let mut block = core::mem::take(&mut state.block);
        // The first step is short: a block that is freed after each step costs no more than in proportion to its use.
        block.reserve_exact(BLOCK.saturating_sub(block.len()));
        let room = if block.is_empty() { FIRST_BLOCK } else { BLOCK };
        block.resize(room, 0);
        let stepped = self.step_with(&mut state, input, &mut block[..most.min(room)]);
        state.block = block;
        let state = self.state.insert(state);
        let step = stepped?;
        Ok((step, &mut state.block[..step.produced]))
    }

    /// Returns the block that [`step_in_block`](Self::step_in_block) last used; it stays until
    /// [`release`](Self::release).
    pub(crate) fn block(&self) -> &[u8] {
        self.state.as_ref().map_or(&[], |state| &state.block)
    }

    /// Reports a fault after all output that precedes it, as if the data were cut there.
    fn step_with(&mut self, state: &mut InflateState, input: &[u8], out: &mut [u8]) -> Result<CodecStep, InvalidData> {
        let mut step = CodecStep::default();
        self.invalid = self.invalid || self.decompress(state, input, out, &mut step).is_err();
        if self.invalid && step.produced == 0 {
            return Err(InvalidData);
        }
        self.inflated += step.produced as u64;
        step.inflated = self.inflated;
        step.pending = self.is_pending() || step.consumed < input.len();
        Ok(step)
    }

    fn decompress(
        &mut self,
        state: &mut InflateState,
        input: &[u8],
        out: &mut [u8],
        step: &mut CodecStep,
    ) -> Result<(), InvalidData> {
        loop {
            let (rest, room) = (&input[step.consumed..], &mut out[step.produced..]);
            if rest.is_empty() && !self.pending {
                return Ok(());
            }
            if self.place == Place::Start {
                if rest.is_empty() {
                    self.pending = false;
                    return Ok(());
                }
                self.start(state)?;
            }
            if room.is_empty() {
                self.pending = true;
                return Ok(());
            }
            let (before_in, before_out) = (state.inflate.total_in(), state.inflate.total_out());
            let result = state.inflate.decompress(rest, room, InflateFlush::SyncFlush);
            let taken = count(state.inflate.total_in() - before_in);
            let made = count(state.inflate.total_out() - before_out);
            step.consumed += taken;
            step.produced += made;
            let status = result.map_err(|_| InvalidData)?;
            if let Some(history) = &mut self.history {
                history.push(&room[..made]);
            }
            self.pending = made == room.len();
            if status == Status::StreamEnd {
                // §7.2.3.4: a final block ends its stream, but not the message; the next byte begins another stream.
                self.place = Place::Start;
                self.pending = false;
            } else if taken == 0 && made == 0 && !rest.is_empty() {
                return Err(InvalidData);
            }
        }
    }

    /// Starts a stream of DEFLATE data, which may refer to earlier data.
    ///
    /// Without context takeover there is no earlier data, even after a final block inside a message: compressors that make such
    /// blocks start anew after them.
    fn start(&mut self, state: &mut InflateState) -> Result<(), InvalidData> {
        if self.final_blocks == MAX_FINAL_BLOCKS {
            return Err(InvalidData);
        }
        self.final_blocks += 1;
        self.place = Place::Inside;
        state.inflate.reset(false);
        if let Some(history) = &self.history {
            for run in history.runs() {
                if !run.is_empty() {
                    state.inflate.set_dictionary(run).map_err(|_| InvalidData)?;
                }
            }
        }
        Ok(())
    }

    /// Ends a message of which nothing is pending.
    ///
    /// Without payload, or directly after a final block, the tail belongs to nothing. No conforming sender ends a
    /// message like this (§7.2.1), but the meaning is clear.
    pub(crate) fn finish(&mut self) -> Result<(), InvalidData> {
        if self.place == Place::Start {
            return Ok(());
        }
        // §7.2.2: the tail is added again. What follows shows whether the data ended at a valid place: an empty final
        // block must end there, and neither may produce output.
        const END: [u8; 6] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x03, 0x00];
        let Some(state) = &mut self.state else {
            return Err(InvalidData);
        };
        let before_in = state.inflate.total_in();
        let before_out = state.inflate.total_out();
        let status = state.inflate.decompress(&END, &mut [0], InflateFlush::SyncFlush);
        let all = state.inflate.total_in() - before_in == END.len() as u64;
        let nothing = state.inflate.total_out() == before_out;
        self.place = Place::Start;
        if status == Ok(Status::StreamEnd) && all && nothing {
            Ok(())
        } else {
            Err(InvalidData)
        }
    }

    /// Returns the number of bytes decompressed of the message so far.
    pub(crate) fn inflated(&self) -> u64 {
        self.inflated
    }

    /// Returns whether more output may come without more input.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending || self.invalid
    }

    /// Returns the codec's state to the pool, unless a message needs it.
    pub(crate) fn release(&mut self) {
        if self.place == Place::Start {
            if let Some(state) = self.state.take() {
                pool::keep_inflate(state);
            }
        } else if let Some(state) = &mut self.state {
            state.block = Vec::new();
        }
    }

    /// Releases everything, since no message will follow.
    pub(crate) fn abandon(&mut self) {
        self.begin();
        self.release();
        self.history = None;
    }

    /// Returns the number of heap bytes.
    pub(crate) fn allocated(&self) -> usize {
        let history = self.history.as_ref().map_or(0, History::allocated);
        history + self.state.as_ref().map_or(0, |state| state.allocated())
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            pool::keep_inflate(state);
        }
    }
}

impl core::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decompressor")
            .field("place", &self.place)
            .field("allocated", &self.allocated())
            .finish_non_exhaustive()
    }
}

/// Converts the count of one call, whose data was in memory.
#[expect(clippy::cast_possible_truncation, reason = "the length of a slice, or less")]
const fn count(bytes: u64) -> usize {
    bytes as usize
}
