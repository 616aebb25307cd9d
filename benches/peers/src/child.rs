//! A server in its own process, and its costs as the kernel accounts for them.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child as Process, Stdio},
};

use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

use crate::servers::Server;

/// The core of the servers, and the core of the load.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// A running server, which ends when this value is dropped.
#[derive(Debug)]
pub struct Child {
    process: Process,
    pub addr: SocketAddr,
}

impl Child {
    pub fn start(server: Server, deflate: bool) -> io::Result<Self> {
        // A process begins on the core of the thread that starts it.
        pin(SERVER_CORE);
        let started = server
            .command(deflate)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        pin(LOAD_CORE);
        let mut process = started?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("listening on ws://").map(str::parse) {
            Some(Ok(addr)) => Ok(Self { process, addr }),
            _ => {
                process.kill()?;
                process.wait()?;
                Err(io::Error::other(format!("{} did not start", server.name())))
            }
        }
    }

    /// Nanoseconds that all its threads have run, in user and in kernel space.
    pub fn cpu(&self) -> io::Result<u64> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let ran = text
                .split_whitespace()
                .next()
                .and_then(|field| field.parse::<u64>().ok());
            total += ran.ok_or_else(|| io::Error::other("the kernel does not account for time"))?;
        }
        Ok(total)
    }

    /// Bytes of resident memory.
    pub fn resident(&self) -> io::Result<u64> {
        self.memory("smaps_rollup", "Rss:")
    }

    /// The most bytes of resident memory so far.
    pub fn peak(&self) -> io::Result<u64> {
        self.memory("status", "VmHWM:")
    }

    fn memory(&self, file: &str, field: &str) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
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

/// Raises the limit on open files, for this process and its children, to the system's maximum.
pub fn allow_many_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Pins this thread, and what it starts, to a core. On a machine with one core, that is the only one.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    let _ = sched_setaffinity(None, &set);
}
