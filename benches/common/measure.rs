//! CPU time of this process and of others, and what is reported.
#![allow(dead_code, clippy::allow_attributes, reason = "each bench uses a part of it")]

use curbwatch::clock::{process_cpu_time, thread_cpu_time};
use std::path::PathBuf;
use std::process::Child;

/// The build folder: this executable lies in `<target>/release/deps/`.
pub fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a running executable has a path");
    exe.ancestors().nth(3).expect("target/release/deps/name").to_path_buf()
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// CPU time of this process so far, all threads, in milliseconds.
pub fn cpu_ms() -> f64 {
    process_cpu_time().as_secs_f64() * 1e3
}

/// CPU time of this thread so far, in milliseconds.
pub fn thread_cpu_ms() -> f64 {
    thread_cpu_time().as_secs_f64() * 1e3
}

/// CPU time of another process so far, all threads, in milliseconds.
pub fn cpu_ms_of(process: &Child) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).expect("the process runs");
    let nanoseconds = |task: std::io::Result<std::fs::DirEntry>| -> Option<f64> {
        // A thread that has just ended is missed; those that work do not end.
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(nanoseconds).sum::<f64>() / 1e6
}

/// Resident memory of another process in MiB.
pub fn resident_mib_of(process: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("the process runs");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok()).expect("Linux says so") / 1024.0
}

/// What a ratio should be.
#[derive(Clone, Copy)]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// It is only told.
    None,
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(ratio) => write!(f, "<= {ratio}"),
            Self::AtLeast(ratio) => write!(f, ">= {ratio}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// A figure beside its floor.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub value: f64,
    pub floor: f64,
    pub ratio: f64,
    pub bar: Bar,
}

impl Figure {
    /// A line of the table.
    pub fn print(&self) {
        let Self { name, unit, value, floor, ratio, bar } = self;
        println!("{name:<30}{value:>10.2}{floor:>10.2}{ratio:>9.3}  (bar {bar})  {unit}");
    }

    /// Its entry in `bench.json`.
    pub fn json(&self) -> (String, serde_json::Value) {
        let Self { name, unit, value, floor, ratio, .. } = self;
        (name.clone(), serde_json::json!({"value": value, "unit": unit, "floor": floor, "ratio": ratio}))
    }
}

/// Prints figures as a table.
pub fn print_table(figures: &[Figure]) {
    println!("\n{:<30}{:>10}{:>10}{:>9}", "", "value", "floor", "ratio");
    figures.iter().for_each(Figure::print);
}

/// Adds figures to `target/bench.json`, which several benches share.
pub fn report(figures: &[Figure]) {
    let path = target().join("bench.json");
    let known = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut report: serde_json::Map<String, serde_json::Value> = known.unwrap_or_default();
    report.extend(figures.iter().map(Figure::json));
    std::fs::write(path, serde_json::to_vec_pretty(&report).expect("plain JSON")).expect("target/ is writable");
}
