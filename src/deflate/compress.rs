//! Compressing whole messages and fragments ([RFC 7692 §7.2.1]).
//!
//! [RFC 7692 §7.2.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1

use alloc::{boxed::Box, vec::Vec};

use zlib_rs::DeflateFlush;

use super::{
    Settings, TAIL,
    history::History,
    pool::{self, DeflateState},
};

/// The largest window for which a pooled state is primed with the history for each message.
///
/// Priming takes 1 to 5 µs up to this size, and 50 µs for the largest window, where a short message takes 15 µs in all.
const MAX_PRIMED_BITS: u8 = 12;

/// The compressor of a connection's sending direction.
///
/// After using the result of [`compress`](Self::compress) or [`compress_fragment`](Self::compress_fragment), call
/// [`settle`](Self::settle).
pub(crate) struct Compressor {
    settings: Settings,
    context: Context,
    /// Borrowed from the first piece of a message to its end, or until its result was used.
    state: Option<Box<DeflateState>>,
    /// Whether the message that uses the state continues.
    open: bool,
}

/// What is kept from one message to the next.
enum Context {
    Nothing,
    /// What was sent compressed, to prime any state with.
    History(History),
    /// The state itself, which is never returned to the pool.
    State,
}

impl Compressor {
    /// Returns `None` for a window that the compressor does not support.
    pub(crate) fn new(settings: Settings) -> Option<Self> {
        let context = match settings.window_bits {
            ..=8 | 16.. => return None,
            _ if !settings.takeover => Context::Nothing,
            bits @ ..=MAX_PRIMED_BITS => Context::History(History::new(bits)),
            _ => Context::State,
        };
        Some(Self {
            settings,
            context,
            state: None,
            open: false,
        })
    }

    /// Returns whether a whole message of this length is worth compressing.
    pub(crate) fn wants(&self, len: usize) -> bool {
        len >= self.settings.threshold
    }

    /// Returns the base-two logarithm of the window.
    pub(crate) fn window_bits(&self) -> u8 {
        self.settings.window_bits
    }

    /// Returns whether a fragmented message is being compressed.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Notes that the peer was sent a compressed message that did not come from here, between two messages.
    ///
    /// The peer's window now contains data that is unknown here, so the next message starts anew. Until then, a state
    /// is useless.
    pub(crate) fn forget(&mut self) {
        debug_assert!(!self.open, "inside a fragmented message");
        if let Some(state) = self.state.take() {
            pool::keep_deflate(state);
        }
        if let Context::History(history) = &mut self.context {
            history.clear();
        }
    }

    /// Compresses a whole message. Returns `None` if it does not become shorter: it must then be sent uncompressed, and
    /// does not count for later messages.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let mut state = self.take_state();
        let len = end_message(run(&mut state, payload), &mut state);
        let state = self.state.insert(state);
        // A state that is kept already contains the message in its window, so the peer must receive it, too.
        if len >= payload.len() && !matches!(self.context, Context::State) {
            return None;
        }
        if let Context::History(history) = &mut self.context {
            history.push(payload);
        }
        Some(&state.output[..len])
    }

    /// Compresses a fragment so that the peer can decompress all of it.
    pub(crate) fn compress_fragment(&mut self, payload: &[u8], last: bool) -> &[u8] {
        let mut state = self.take_state();
        let mut len = run(&mut state, payload);
        if last {
            len = end_message(len, &mut state);
        }
        self.open = !last;
        if let Context::History(history) = &mut self.context {
            history.push(payload);
        }
        &self.state.insert(state).output[..len]
    }

    /// Ends the use of the last result.
    pub(crate) fn settle(&mut self) {
        if self.open {
            return;
        }
        if let Some(state) = self.state.take_if(|_| !matches!(self.context, Context::State)) {
            pool::keep_deflate(state);
        }
    }

    /// Frees memory that no message needs.
    pub(crate) fn release(&mut self) {
        if let Some(state) = &mut self.state {
            state.output = Vec::new();
        }
    }

    /// Returns the number of heap bytes.
    pub(crate) fn allocated(&self) -> usize {
        let history = match &self.context {
            Context::History(history) => history.allocated(),
            Context::Nothing | Context::State => 0,
        };
        history + self.state.as_ref().map_or(0, |state| state.allocated())
    }

    fn take_state(&mut self) -> Box<DeflateState> {
        if let Some(state) = self.state.take() {
            return state;
        }
        let mut state = pool::deflate(&self.settings);
        if let Context::History(history) = &self.context {
            for run in history.runs().into_iter().filter(|run| !run.is_empty()) {
                // This can fail only for a state that has input to compress.
                let _ = state.deflate.set_dictionary(run);
            }
        }
        state
    }
}

/// Compresses a piece into the state's output, up to a byte boundary. Returns the compressed length.
fn run(state: &mut DeflateState, piece: &[u8]) -> usize {
    let DeflateState { deflate, output, .. } = state;
    let enough = zlib_rs::compress_bound(piece.len()) + 16;
    if output.len() < enough {
        output.resize(enough, 0);
    }
    let (mut done, mut len) = (0, 0);
    loop {
        let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
        let result = deflate.compress(&piece[done..], &mut output[len..], DeflateFlush::SyncFlush);
        debug_assert!(result.is_ok(), "{result:?}");
        let (taken, made) = (deflate.total_in() - before_in, deflate.total_out() - before_out);
        done += count(taken);
        len += count(made);
        // A flush is complete when room is left. One call accepts at most 4 GiB, so input may be left as well.
        if result.is_err() || (len < output.len() && done == piece.len()) {
            return len;
        }
        if len == output.len() {
            output.resize(len + len / 2, 0);
        }
    }
}

/// Removes the tail from the end of a message (§7.2.1). Returns the remaining length.
fn end_message(len: usize, state: &mut DeflateState) -> usize {
    match state.output[..len].strip_suffix(&TAIL) {
        Some(rest) => rest.len(),
        // §7.2.3.6: nothing had to be flushed, so there is no block to remove the tail from: the message ends with one
        // byte.
        None => {
            state.output[len] = 0;
            len + 1
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            pool::keep_deflate(state);
        }
    }
}

impl core::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compressor")
            .field("settings", &self.settings)
            .field("allocated", &self.allocated())
            .finish_non_exhaustive()
    }
}

/// Converts the count of one call, whose data was in memory.
#[expect(clippy::cast_possible_truncation, reason = "the length of a slice, or less")]
const fn count(bytes: u64) -> usize {
    bytes as usize
}
