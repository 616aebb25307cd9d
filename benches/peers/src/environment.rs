//! The machine and the tools of a measurement.

use std::{fs, process::Command};

/// A sentence about the machine, the tools and the run.
pub fn describe(rounds: usize, load: &str) -> String {
    let date = output("date", &["-u", "+%Y-%m-%d"]);
    let kernel = output("uname", &["-sr"]);
    let rustc = output("rustc", &["--version"]);
    let node = output("node", &["--version"]);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.map_or("", |line| line.trim_start_matches([' ', '\t', ':']));
    format!(
        "{date}; {cpu}, {cores} cores; {kernel}; {rustc}, default target; Node {node}; {rounds} rounds; load average {load} before."
    )
}

/// The average number of runnable processes in the last minute: if it is well above zero, other activity disturbs the run.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&text).trim().to_owned()
}
