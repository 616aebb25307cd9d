//! In memory: the cost of receiving and sending, without sockets.

mod frames;
mod limits;
mod memory;
mod ours;
mod sinks;
#[path = "../../../support/mod.rs"]
mod support;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use websocket_proto::{Bytes, Role};

use self::support::{Content, KIB, MIB, PASS, random, stream::Stream};
use crate::{deflate::cpu_time, run::Run};

pub const RECEIVE: &str = "receive";
pub const SEND: &str = "send";

/// One pass over a number of messages. A connection is kept from pass to pass, so that its buffers are warm.
type Pass = Box<dyn FnMut()>;

/// A library being measured.
struct Subject {
    name: &'static str,
    pass: Pass,
}

impl Subject {
    fn new(name: &'static str, pass: impl FnMut() + 'static) -> Self {
        Self {
            name,
            pass: Box::new(pass),
        }
    }
}

/// The messages to send.
#[derive(Clone)]
struct Batch {
    role: Role,
    payload: Bytes,
    messages: usize,
    per_flush: usize,
}

pub fn run_receive(run: &mut Run) {
    use Content::{Ascii, Binary, Mixed};
    let mut workloads = Vec::new();
    for len in [16, 125, KIB, 16 * KIB, 256 * KIB, 4 * MIB] {
        let stream = Stream::new(Role::Server, Binary, len);
        workloads.push((format!("masked binary, {}", size(len)), stream));
    }
    for len in [16, 125, KIB, 16 * KIB, 4 * MIB] {
        let stream = Stream::new(Role::Server, Mixed, len);
        workloads.push((format!("masked text, mixed, {}", size(len)), stream));
    }
    for len in [125, KIB, 16 * KIB] {
        let stream = Stream::new(Role::Server, Ascii, len);
        workloads.push((format!("masked text, ASCII, {}", size(len)), stream));
    }
    for len in [16, KIB, 16 * KIB, 4 * MIB] {
        let stream = Stream::new(Role::Client, Binary, len);
        workloads.push((format!("unmasked binary, {}", size(len)), stream));
    }
    let stream = Stream::fragmented(Role::Server, Binary, 64 * KIB, KIB);
    workloads.push(("masked binary, 64 KiB in fragments of 1 KiB".into(), stream));

    let workloads: Vec<_> = workloads
        .into_iter()
        .map(|(name, stream)| (name, Arc::new(stream)))
        .collect();
    measure(run, RECEIVE, &workloads, |stream| {
        let mut subjects = limits::receivers(stream);
        subjects.extend(ours::receivers(stream));
        subjects.extend(frames::receivers(stream));
        subjects.extend(sinks::receivers(stream));
        (stream.messages, subjects, Rc::default())
    });
}

pub fn run_send(run: &mut Run) {
    let mut workloads = Vec::new();
    for (role, whose) in [(Role::Server, "unmasked"), (Role::Client, "masked")] {
        for per_flush in [1, 32] {
            for len in [16, 125, KIB, 16 * KIB, 256 * KIB, 4 * MIB] {
                // 32 messages of 4 MiB are more than any application queues.
                if per_flush > 1 && len > 16 * KIB {
                    continue;
                }
                let batch = Batch {
                    role,
                    payload: random(len).into(),
                    messages: (PASS / len).clamp(32, 4096) / per_flush * per_flush,
                    per_flush,
                };
                let name = format!("{whose}, {per_flush} per flush, {}", size(len));
                workloads.push((name, batch));
            }
        }
    }
    measure(run, SEND, &workloads, |batch| {
        let writes = Rc::default();
        let mut subjects = limits::senders(batch);
        subjects.extend(ours::senders(batch, &writes));
        subjects.extend(frames::senders(batch, &writes));
        subjects.extend(sinks::senders(batch, &writes));
        (batch.messages, subjects, writes)
    });
}

/// The number of messages in a pass, the subjects that process them, and a counter of writes.
type Prepared = (usize, Vec<Subject>, Rc<Cell<u64>>);

fn measure<W>(run: &mut Run, section: &str, workloads: &[(String, W)], prepare: impl Fn(&W) -> Prepared) {
    // Some have timers, which need a runtime even if no timer is ever awaited.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let _guard = runtime.enter();
    for round in 0..run.rounds {
        for (name, workload) in workloads {
            let (messages, mut subjects, writes) = prepare(workload);
            (0..=round).for_each(|round| Run::turns(round, &mut subjects));
            for mut subject in subjects {
                if !run.takes_part(subject.name) {
                    continue;
                }
                let what = format!("{name} {}", subject.name);
                match catch_unwind(AssertUnwindSafe(|| {
                    time(&mut subject.pass, messages, run.quick, &writes)
                })) {
                    Ok((nanos, writes)) => {
                        run.progress(section, round, &what, &format!("{nanos:.1} ns a message"));
                        run.samples.push(section, name, "ns", subject.name, nanos);
                        if writes > 0.0 {
                            run.samples.push(section, name, "writes", subject.name, writes);
                        }
                    }
                    Err(_) => run.failed(section, &what, &std::io::Error::other("it panicked")),
                }
            }
        }
    }
}

/// Nanoseconds of this thread, and writes, per message.
fn time(pass: &mut Pass, messages: usize, quick: bool, writes: &Cell<u64>) -> (f64, f64) {
    let least = Duration::from_millis(if quick { 0 } else { 40 });
    pass();
    writes.set(0);
    let (started, mut passes) = (cpu_time(), 0);
    loop {
        // The number doubles: reading the clock is a system call, which costs as much as many short passes.
        let more = passes.max(1);
        (0..more).for_each(|_| pass());
        passes += more;
        let elapsed = cpu_time() - started;
        if elapsed >= least {
            let all = (passes * messages) as f64;
            return (elapsed.as_nanos() as f64 / all, writes.get() as f64 / all);
        }
    }
}

fn size(len: usize) -> String {
    match len {
        MIB.. => format!("{} MiB", len / MIB),
        KIB.. => format!("{} KiB", len / KIB),
        _ => format!("{len} B"),
    }
}
