//! A server in a process of its own, and what the kernel says that it costs.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child as Process, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

/// The core of the servers, and that of the load.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;
const START: Duration = Duration::from_secs(20);

/// A running server. It ends with this value.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    pub(crate) port: u16,
}

impl Child {
    pub(crate) fn start(command: &[String]) -> io::Result<Self> {
        let port = unused_port()?;
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "an empty command"))?;
        // A process begins on the core of the thread that starts it.
        pin(SERVER_CORE);
        let started = Command::new(program)
            .args(arguments)
            .env("SIO_PORT", port.to_string())
            // No ping disturbs a figure.
            .env("SIO_PING_INTERVAL", "3600000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        pin(LOAD_CORE);
        let mut process = started?;
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if process.try_wait()?.is_some() || Instant::now() > deadline {
                process.kill()?;
                process.wait()?;
                return Err(io::Error::other(format!("{program} did not start")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        // What it does after its start is no part of a figure.
        thread::sleep(Duration::from_millis(300));
        Ok(Self { process, port })
    }

    /// Time that all its threads have run, in user and in kernel space.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let ran = text
                .split_whitespace()
                .next()
                .and_then(|field| field.parse::<u64>().ok());
            total += ran.ok_or_else(|| io::Error::other("the kernel does not account for time"))?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Bytes of memory that are resident.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib << 10)
            .ok_or_else(|| io::Error::other("the kernel does not account for memory"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn unused_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Allows as many open files, for this process and its children, as the system does.
pub(crate) fn allow_many_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Keeps this thread, and what it starts, on a core. On a machine with one, that is the only one.
fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    let _ = sched_setaffinity(None, &set);
}
