//! Compression of whole messages and of fragments ([RFC 7692 §7.2.1]).
//!
//! [RFC 7692 §7.2.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1

use alloc::{boxed::Box, vec::Vec};

use zlib_rs::DeflateFlush;

use super::{
    Settings, TAIL,
    history::History,
    pool::{self, DeflateState},
};

/// Largest window with which a pooled state is primed with the history for each message.
///
/// That takes 1 to 5 µs up to here, and 50 µs with the largest window, where a short message takes 15 µs in all.
const MAX_PRIMED_BITS: u8 = 12;

/// The sending direction of a connection.
///
/// After [`compress`](Self::compress) or [`compress_fragment`](Self::compress_fragment), once the outcome is used,
/// [`settle`](Self::settle) must follow.
pub(crate) struct Compressor {
    settings: Settings,
    context: Context,
    /// Borrowed from the first piece of a message to its end, or until its outcome is used.
    state: Option<Box<DeflateState>>,
    /// Whether the message that has the state goes on.
    open: bool,
}

/// What goes on from one message to the next.
enum Context {
    Nothing,
    /// What was sent compressed, for any state to be primed with.
    History(History),
    /// The state itself, which is never given back.
    State,
}

impl Compressor {
    /// `None` for a window that there is no compressor for.
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

    /// Whether a whole message of so many bytes is worth it.
    pub(crate) fn wants(&self, len: usize) -> bool {
        len >= self.settings.threshold
    }

    /// The window as a power of two.
    pub(crate) fn window_bits(&self) -> u8 {
        self.settings.window_bits
    }

    /// Whether a fragmented message is being compressed.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Notes that the peer was sent a compressed message that did not come from here, between two messages.
    ///
    /// The peer's window has moved on by what is not known here, so that the next message starts anew. Until then, a
    /// state is of no use.
    pub(crate) fn forget(&mut self) {
        debug_assert!(!self.open, "inside a fragmented message");
        if let Some(state) = self.state.take() {
            pool::keep_deflate(state);
        }
        if let Context::History(history) = &mut self.context {
            history.clear();
        }
    }

    /// Compresses a whole message. `None` if it does not become shorter: it must be sent as it is then, and has not
    /// happened as far as later messages are concerned.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let mut state = self.take_state();
        let len = end_message(run(&mut state, payload), &mut state);
        let state = self.state.insert(state);
        // A state that goes on has the message in its window already, and the peer must get it there, too.
        if len >= payload.len() && !matches!(self.context, Context::State) {
            return None;
        }
        if let Context::History(history) = &mut self.context {
            history.push(payload);
        }
        Some(&state.output[..len])
    }

    /// Compresses a fragment, so that the peer can decompress all of it.
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

    /// Ends the use of what was compressed last.
    pub(crate) fn settle(&mut self) {
        if self.open {
            return;
        }
        if let Some(state) = self.state.take_if(|_| !matches!(self.context, Context::State)) {
            pool::keep_deflate(state);
        }
    }

    /// Frees what no message needs.
    pub(crate) fn release(&mut self) {
        if let Some(state) = &mut self.state {
            state.output = Vec::new();
        }
    }

    /// Bytes of heap.
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
                // It can only fail for a state that has input to compress.
                let _ = state.deflate.set_dictionary(run);
            }
        }
        state
    }
}

/// Compresses a piece into the state's output, up to a byte boundary. Returns how many bytes it became.
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
        // A flush is complete when room is left. One call takes 4 GiB at most, so there may be input left as well.
        if result.is_err() || (len < output.len() && done == piece.len()) {
            return len;
        }
        if len == output.len() {
            output.resize(len + len / 2, 0);
        }
    }
}

/// Takes the tail off what a message ends with (§7.2.1). Returns what is left.
fn end_message(len: usize, state: &mut DeflateState) -> usize {
    match state.output[..len].strip_suffix(&TAIL) {
        Some(rest) => rest.len(),
        // §7.2.3.6: nothing had to be flushed, so there is no block to take the tail off: the message ends with one byte.
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

/// What one call took or gave, which was in memory.
#[expect(clippy::cast_possible_truncation, reason = "the length of a slice, or less")]
const fn count(bytes: u64) -> usize {
    bytes as usize
}
