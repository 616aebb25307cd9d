//! The ring of operations: what is started here completes there. It owns all memory that the kernel may read or write.

#![allow(
    unsafe_code,
    reason = "the kernel is given addresses, whose lifetimes no type can express"
)]

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
    time::Duration,
};

use bytes::Buf;
use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{CancelBuilder, Fd, SubmitArgs, Timespec},
};
use slab::Slab;
use websocket_proto::OwnedOutput;

use crate::buffers::{Buffers, GROUP};

/// Operations that are passed to the kernel at a time.
const SUBMISSIONS: u32 = 1024;

/// Completions that the kernel keeps without allocating.
const COMPLETIONS: u32 = 4096;

/// Frames that leave in one operation.
const SLICES: usize = 16;

/// How long the end of a quiet send may go unnoticed: the deadlines that begin after it are late by no more than this.
const QUIET: Duration = Duration::from_millis(10);

/// The kinds of operations, in the lowest bits of their user data. The rest is the id of a peer or a send.
const KIND_BITS: u32 = 3;
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const SIGNAL: u64 = 3;
const CANCEL: u64 = 4;

/// What came of an operation.
pub(crate) enum Completion {
    /// A client has connected, or why none can. Unless it goes on, accepting has to be started again.
    Accepted(io::Result<TcpStream>, GoesOn),
    /// Bytes of a peer, or the end of its stream.
    Received(usize, io::Result<Option<Received>>, GoesOn),
    /// Bytes to a peer have left, or some of them.
    Sent(usize, Sent),
    /// The process was told to end.
    Signalled,
}

/// Whether the same operation completes again.
pub(crate) type GoesOn = bool;

/// Received bytes, in a buffer whose place is [filled](Ring::give) afterwards.
pub(crate) struct Received {
    pub(crate) buffer: Vec<u8>,
    pub(crate) len: usize,
    pub(crate) id: u16,
}

/// What came of a send. The output comes back.
pub(crate) struct Sent {
    pub(crate) output: Output,
    /// Bytes that the operation was to send, and those that it has sent.
    pub(crate) offered: usize,
    pub(crate) sent: io::Result<usize>,
}

/// Bytes to send, owned by the operation.
pub(crate) enum Output {
    /// Frames of a connection.
    Frames(OwnedOutput),
    /// The refusal of a request.
    Refusal(Vec<u8>),
}

/// How a send completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Send {
    /// While it is submitted, and without waking anybody if everything was sent: for output after which there is nothing
    /// to do. If the stream has no room, it fails, with some of the bytes sent or none.
    Quiet,
    /// When the stream has had room for some of the bytes.
    Wait,
}

/// An operation of the kernel that reads this memory.
struct Sending {
    peer: usize,
    output: Output,
    offered: usize,
    /// Whether it succeeds without a completion.
    is_quiet: bool,
    /// What describes several slices.
    _vectored: Option<Box<Vectored>>,
}

struct Vectored {
    header: libc::msghdr,
    slices: [libc::iovec; SLICES],
}

pub(crate) struct Ring {
    // Dropped first, so that the kernel has let go of the rest.
    uring: IoUring,
    buffers: Buffers,
    sends: Slab<Sending>,
    completed: VecDeque<cqueue::Entry>,
    /// Quiet sends that will be over when the kernel has been called, and those that are.
    quiet: Vec<usize>,
    succeeded: Vec<usize>,
    /// Whether there is something to do after a quiet send.
    is_hurried: bool,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            // The kernel completes operations only when it is called, so that it interrupts nothing.
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)
            .map_err(unavailable)?;
        let buffers = Buffers::register(&uring.submitter()).map_err(unavailable)?;
        Ok(Self {
            uring,
            buffers,
            sends: Slab::new(),
            completed: VecDeque::new(),
            quiet: Vec::new(),
            succeeded: Vec::new(),
            is_hurried: false,
        })
    }

    /// Accepts clients until that [ends](Self::stop_accepting) or fails.
    pub(crate) fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(fd(listener)).flags(libc::SOCK_CLOEXEC);
        // SAFETY: it refers to no memory.
        unsafe { self.push(accept.build(), ACCEPT, 0) }
    }

    pub(crate) fn stop_accepting(&mut self) -> io::Result<()> {
        self.cancel(CancelBuilder::user_data(user_data(ACCEPT, 0)))
    }

    /// Reports when `stream` has something to read.
    pub(crate) fn watch_signals(&mut self, stream: &impl AsRawFd) -> io::Result<()> {
        let poll = opcode::PollAdd::new(fd(stream), libc::POLLIN as u32);
        // SAFETY: it refers to no memory.
        unsafe { self.push(poll.build(), SIGNAL, 0) }
    }

    /// Receives from a peer until that [is stopped](Self::stop_receiving), ends or fails. It fails with `ENOBUFS` if
    /// the buffers are used up: start it again.
    pub(crate) fn receive(&mut self, peer: usize, stream: &TcpStream) -> io::Result<()> {
        let receive = opcode::RecvMulti::new(fd(stream), GROUP);
        // SAFETY: it writes to provided buffers only, which `self.buffers` does not touch.
        unsafe { self.push(receive.build(), RECEIVE, peer) }
    }

    pub(crate) fn stop_receiving(&mut self, peer: usize) -> io::Result<()> {
        self.cancel(CancelBuilder::user_data(user_data(RECEIVE, peer)))
    }

    /// Cancels all operations of a stream. They complete, with an error.
    pub(crate) fn stop_all(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.cancel(CancelBuilder::fd(fd(stream)).all())
    }

    /// Sends some of the output. A stream must not be sent to while a send is pending.
    ///
    /// Returns how it completes: a quiet send offers everything.
    pub(crate) fn send(&mut self, peer: usize, stream: &TcpStream, output: Output, send: Send) -> io::Result<Send> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = match &output {
            Output::Frames(frames) => frames.chunks_vectored(&mut slices),
            Output::Refusal(bytes) => {
                slices[0] = IoSlice::new(bytes);
                1
            }
        };
        let offered = slices[..used].iter().map(|slice| slice.len()).sum();
        let is_quiet = send == Send::Quiet && offered == output.remaining();
        let flags = match is_quiet {
            // All of it now, or a completion that says how much.
            true => libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL,
            false => libc::MSG_NOSIGNAL,
        };
        let (operation, vectored) = match &slices[..used] {
            [slice] => {
                let send = opcode::Send::new(
                    fd(stream),
                    slice.as_ptr(),
                    u32::try_from(slice.len()).unwrap_or(u32::MAX),
                );
                (send.flags(flags).build(), None)
            }
            slices => {
                let vectored = Vectored::new(slices);
                let send = opcode::SendMsg::new(fd(stream), &raw const vectored.header);
                (send.flags(flags as u32).build(), Some(vectored))
            }
        };
        let id = self.sends.insert(Sending {
            peer,
            output,
            offered,
            is_quiet,
            _vectored: vectored,
        });
        let operation = match is_quiet {
            true => operation.flags(squeue::Flags::SKIP_SUCCESS),
            false => operation,
        };
        // SAFETY: the bytes, which stay where they are when `output` moves, and what describes them belong to
        // `self.sends` until the operation has completed.
        unsafe { self.push(operation, SEND, id)? };
        if is_quiet {
            self.quiet.push(id);
            return Ok(Send::Quiet);
        }
        Ok(Send::Wait)
    }

    /// Does not wait the next time, since there is something to do after a quiet send.
    pub(crate) fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// Provides a buffer to the kernel in place of the received one with this id: `buffer`, or a new one.
    pub(crate) fn give(&mut self, id: u16, buffer: Option<Vec<u8>>) {
        self.buffers.give(id, buffer);
    }

    fn cancel(&mut self, what: CancelBuilder) -> io::Result<()> {
        // SAFETY: it refers to no memory.
        unsafe { self.push(opcode::AsyncCancel2::new(what).build(), CANCEL, 0) }
    }

    /// Queues an operation for the next call of the kernel.
    ///
    /// # Safety
    ///
    /// The memory that it refers to must stay as it is until it has completed.
    unsafe fn push(&mut self, operation: squeue::Entry, kind: u64, id: usize) -> io::Result<()> {
        let operation = operation.user_data(user_data(kind, id));
        // SAFETY: the caller vouches for the memory.
        while unsafe { self.uring.submission().push(&operation) }.is_err() {
            let submitted = self.uring.submit();
            self.collect(submitted)?;
        }
        Ok(())
    }

    /// Passes everything that was queued to the kernel, and waits for a completion, for at most that long.
    pub(crate) fn wait(&mut self, patience: Option<Duration>) -> io::Result<()> {
        self.buffers.grow();
        let submitter = self.uring.submitter();
        let most = match mem::take(&mut self.is_hurried) {
            true => Some(Duration::ZERO),
            false => (!self.quiet.is_empty()).then_some(QUIET),
        };
        let patience = most.map_or(patience, |most| {
            Some(patience.map_or(most, |patience| patience.min(most)))
        });
        let waited = match patience {
            None => submitter.submit_and_wait(1),
            Some(patience) => {
                let patience = Timespec::from(patience);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&patience))
            }
        };
        self.collect(waited)
    }

    /// Takes the completions after a call of the kernel.
    fn collect(&mut self, called: io::Result<usize>) -> io::Result<()> {
        for entry in self.uring.completion() {
            if kind(&entry) == SEND {
                self.sends[id(&entry)].is_quiet = false;
            }
            self.completed.push_back(entry);
        }
        // All were submitted, so they are over. Those that have not failed have succeeded.
        if self.uring.submission().is_empty() {
            let sends = &self.sends;
            self.succeeded
                .extend(self.quiet.drain(..).filter(|&id| sends[id].is_quiet));
        }
        match called {
            // The time is over, a signal has arrived, or completions had to be taken first.
            Err(error)
                if !matches!(
                    error.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Returns the next completion, of those that the latest [`wait`](Self::wait) has found.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        if let Some(id) = self.succeeded.pop() {
            return Some(self.sent(id, None));
        }
        loop {
            let entry = self.completed.pop_front()?;
            let goes_on = cqueue::more(entry.flags());
            let result = match entry.result() {
                error @ ..0 => Err(io::Error::from_raw_os_error(-error)),
                value => Ok(value as usize),
            };
            return Some(match kind(&entry) {
                ACCEPT => {
                    // SAFETY: a new descriptor, which nothing else owns.
                    let stream = result.map(|_| unsafe { OwnedFd::from_raw_fd(entry.result()) }.into());
                    Completion::Accepted(stream, goes_on)
                }
                RECEIVE => {
                    if entry.result() == -libc::ENOBUFS {
                        self.buffers.run_out();
                    }
                    let used = cqueue::buffer_select(entry.flags());
                    let received = result.map(|len| self.received(used, len));
                    Completion::Received(id(&entry), received, goes_on)
                }
                SEND => self.sent(id(&entry), Some(result)),
                SIGNAL => Completion::Signalled,
                // The operation that was cancelled has a completion of its own.
                _ => continue,
            });
        }
    }

    /// Ends a send. Without a result, all of it was sent.
    fn sent(&mut self, id: usize, result: Option<io::Result<usize>>) -> Completion {
        let Sending {
            peer, output, offered, ..
        } = self.sends.remove(id);
        let sent = result.unwrap_or(Ok(offered));
        Completion::Sent(peer, Sent { output, offered, sent })
    }

    fn received(&mut self, used: Option<u16>, len: usize) -> Option<Received> {
        let id = used?;
        let buffer = self.buffers.take(id);
        if len == 0 {
            self.buffers.give(id, Some(buffer));
            return None;
        }
        Some(Received { buffer, len, id })
    }
}

impl Output {
    fn remaining(&self) -> usize {
        match self {
            Self::Frames(frames) => frames.remaining(),
            Self::Refusal(bytes) => bytes.len(),
        }
    }
}

impl Vectored {
    fn new(slices: &[IoSlice<'_>]) -> Box<Self> {
        let nothing = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        // SAFETY: zeros are a valid header: null pointers, and lengths of 0.
        let header = unsafe { mem::zeroed() };
        let mut vectored = Box::new(Self {
            header,
            slices: [nothing; SLICES],
        });
        for (vector, slice) in vectored.slices.iter_mut().zip(slices) {
            vector.iov_base = slice.as_ptr().cast_mut().cast();
            vector.iov_len = slice.len();
        }
        vectored.header.msg_iov = vectored.slices.as_mut_ptr();
        vectored.header.msg_iovlen = slices.len() as _;
        vectored
    }
}

fn fd(of: &impl AsRawFd) -> Fd {
    Fd(of.as_raw_fd())
}

fn user_data(kind: u64, id: usize) -> u64 {
    (id as u64) << KIND_BITS | kind
}

fn kind(entry: &cqueue::Entry) -> u64 {
    entry.user_data() & ((1 << KIND_BITS) - 1)
}

fn id(entry: &cqueue::Entry) -> usize {
    (entry.user_data() >> KIND_BITS) as usize
}

fn unavailable(error: io::Error) -> io::Error {
    let what = format!("io_uring of Linux 6.1 or later is required, and not available: {error}");
    io::Error::new(error.kind(), what)
}

/// If operations are pending, the kernel still uses their memory. That happens only when the program ends.
impl Drop for Ring {
    fn drop(&mut self) {
        self.buffers.leak();
        mem::forget(mem::take(&mut self.sends));
    }
}
