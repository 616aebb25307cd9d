//! The suite of the async shells, generic over the shell: each scenario runs on tokio, on futures-io, and on the transports of the
//! examples `echo_reactor` and `echo_compio`, which stand for other people's runtimes.
//!
//! A shell passes it by implementing [`shell::Shell`]: how a future is run, and how a socket becomes a transport. To try your own,
//! implement it in `shell.rs` and add a line at the end of this file.
//!
//! The peers are the blocking shell and bare sockets, in threads of their own, or the same shell. What needs streams that are
//! scripted step by step, or a clock that stands still, is in the suite `asynchronous` instead, once for all of them: the
//! engine is the same.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too")]

mod cancel;
mod closing;
mod deadlines;
#[cfg(feature = "deflate")]
mod deflate;
mod faults;
mod halves;
mod messages;
mod opening;
mod shell;
mod support;
#[allow(dead_code, reason = "another suite uses the rest")]
#[path = "../asynchronous/support/wire.rs"]
mod wire;

#[path = "../../../examples/echo_compio/transport.rs"]
mod compio_io;
#[path = "../../../examples/echo_reactor/reactor.rs"]
mod reactor;
#[path = "../../../examples/echo_reactor/transport.rs"]
mod reactor_io;

/// A test of each scenario for one shell.
macro_rules! suite {
    ($module:ident: $shell:ident) => {
        mod $module {
            use crate::shell::$shell as S;

            suite!(in S: cancel closing receiving sending);
            suite!(in S: closing
                by_both by_dropping by_the_peer by_this_side for_a_violation in_two_steps in_vain without_a_close);
            suite!(in S: deadlines
                a_dead_peer a_late_poll a_live_peer a_ping_at_every_interval a_stalled_write an_idle_peer
                an_unfinished_message of_the_application the_longest);
            #[cfg(feature = "deflate")]
            suite!(in S: deflate negotiated);
            suite!(in S: faults a_close_while_sending a_reset last_words);
            suite!(in S: halves
                a_stream_and_a_sink a_waiting_sender alone clones forwarded full_duplex one_closes);
            suite!(in S: messages
                a_burst a_full_queue answers_to_lent_messages every_kind every_size single_bytes
                two_ends_that_send_at_once);
            suite!(in S: opening a_silent_client accepted dropped no_request rejected single_bytes);
        }
    };
    (in $shell:ident: $topic:ident $($scenario:ident)*) => {
        mod $topic {
            use super::$shell;

            $(
                #[test]
                fn $scenario() {
                    crate::support::run::<$shell>(crate::$topic::$scenario::<$shell>());
                }
            )*
        }
    };
}

suite!(on_tokio: Tokio);
suite!(on_futures: Futures);
suite!(on_reactor: Reactor);
suite!(on_compio: Compio);
