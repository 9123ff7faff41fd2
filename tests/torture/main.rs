//! The crash test: an agent is killed at random moments under load, and the broker as well; afterwards the hub has everything.
//!
//! The load is the agent's own way: engine → recorder (with pictures) → store → link, over streets whose things come and go in a time
//! that runs twenty times as fast. A process of its own, this program executed once more, is that agent; SIGKILL ends it.
//!
//! What must hold is known from a ledger: when the store has taken a change, its incident is written there and synced. (Before the
//! store has it, it is no incident: the thing still stands there after the restart, and is found again.) So whatever is in the ledger
//! must be at the hub; the sequences, which the store counts, must have no gap there, whether or not the ledger knew.
//!
//! `cargo test --test torture` plays a few rounds; `TORTURE_ROUNDS=300` as many as that. The result is in `target/torture.json`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
#[expect(dead_code, reason = "nothing is cut in the middle here")]
#[path = "../common/gate.rs"]
mod gate;
mod judge;
#[expect(dead_code, reason = "this test does not reload the broker")]
#[path = "../common/mosquitto.rs"]
mod mosquitto;

use agent::Orders;
use gate::Gate;
use judge::{Judge, Verdict};
use mosquitto::Mosquitto;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// Rounds of a plain test run.
const FEW_ROUNDS: u32 = 4;
/// Shortest and longest life of an agent in milliseconds. Starting takes some 50.
const LIFE_MS: std::ops::Range<u64> = 60..1200;
/// The broker is killed in one of so many rounds.
const BROKER_DIES_EVERY: u32 = 3;
/// What stays is delivered within this time.
const DRAIN_LIMIT: Duration = Duration::from_mins(2);

fn main() {
    if let Some(orders) = Orders::from_environment() {
        return agent::live(&orders);
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let rounds = number("TORTURE_ROUNDS").map_or(FEW_ROUNDS, |rounds: u64| rounds as u32);
    let seed = number("TORTURE_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("torture: {rounds} rounds, TORTURE_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let verdict = torture(folder.path(), rounds, seed);
    let text = serde_json::to_string_pretty(&verdict).unwrap();
    std::fs::write(target().join("torture.json"), format!("{text}\n")).unwrap();
    eprintln!("{text}");
    assert!(verdict.is_clean(), "something was lost, doubled or mixed up: {text}");
    assert!(verdict.opened > u64::from(rounds), "there was hardly any load");
}

/// The build folder.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder in the build folder").to_owned()
}

fn torture(folder: &Path, rounds: u32, seed: u64) -> Verdict {
    let mut random = Pcg64::seed_from_u64(seed);
    // The broker hands each message to the hub before it acknowledges it: nothing waits in its memory, which dies with it.
    let mut broker = Mosquitto::reserve("allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0");
    broker.start();
    let gate = Gate::shut(broker.port());
    let judge = Judge::listen(broker.port());
    judge.wait_for_connects(1);
    gate.open();
    let mut orders = Orders::new(folder, gate.port());
    let mut broker_kills = 0;
    for _ in 0..rounds {
        let mut agent = Process::start(&orders);
        let life = Duration::from_millis(random.random_range(LIFE_MS));
        let before = life.mul_f64(random.random_range(0.0..1.0));
        pause(before);
        if random.random_ratio(1, BROKER_DIES_EVERY) {
            let connects = judge.connects();
            broker.kill();
            gate.cut();
            broker_kills += 1;
            pause(Duration::from_millis(random.random_range(0..150)));
            broker.start();
            // An agent that comes back before the hub would tell nobody, and the broker would call that a success.
            judge.wait_for_connects(connects + 1);
            gate.open();
        }
        pause(life.saturating_sub(before));
        agent.kill();
    }
    orders.is_drain = true;
    Process::start(&orders).wait(DRAIN_LIMIT);
    let (opened, sequence) = agent::what_was_promised(&orders);
    judge.wait_for_sequence(sequence);
    broker.assert_no_protocol_error();
    judge.verdict(rounds, seed, broker_kills, &opened, sequence)
}

fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// An agent in a process of its own.
struct Process(Child);

impl Process {
    fn start(orders: &Orders) -> Self {
        let program = std::env::current_exe().unwrap();
        Self(Command::new(program).env(agent::ENVIRONMENT, orders.to_text()).spawn().unwrap())
    }

    /// SIGKILL.
    fn kill(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "the agent ended by itself: {ended:?}");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits until it has ended in order.
    fn wait(mut self, limit: Duration) {
        let step = Duration::from_millis(20);
        let mut left = limit;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return assert!(status.success(), "{status}");
            }
            assert!(!left.is_zero(), "the agent does not get rid of what waits");
            left = left.saturating_sub(step);
            pause(step);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
