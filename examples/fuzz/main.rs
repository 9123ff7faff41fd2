//! Gives hostile input to what reads input from outside, for as long as one likes: `fuzz TARGET SECONDS [SEED]`.
//!
//! Each run is made of a seed alone. A panic, a broken invariant or an input that takes longer than [`SLOW`] ends it with status 1 and
//! the seed; `fuzz TARGET 0 SEED` runs that one again. Real inputs are mutated; no coverage is looked at, so that it needs nothing but the
//! stable compiler and what the tests have built already. One file per target.

mod command;
mod configuration;
mod decoders;
mod layouts;
mod manifest;
mod mutate;

use curbwatch::clock::{Clocks, SystemClocks, process_cpu_time};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

/// CPU time longer than anything that is read may take.
const SLOW: Duration = Duration::from_secs(5);
/// Runs between two looks at the clock.
const BATCH: u64 = 50;

type Target = fn(&mut Pcg64Mcg);

const TARGETS: [(&str, Target); 5] = [
    ("command", command::run),
    ("configuration", configuration::run),
    ("decoders", decoders::run),
    ("layouts", layouts::run),
    ("manifest", manifest::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().and_then(|name| TARGETS.iter().find(|(target, _)| target == name));
    let seconds = arguments.get(1).and_then(|seconds| seconds.parse().ok());
    let (Some((name, target)), Some(seconds)) = (target, seconds) else {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        eprintln!("usage: fuzz TARGET SECONDS [SEED], TARGET one of {names}");
        return ExitCode::from(2);
    };
    let first = arguments.get(2).and_then(|seed| seed.parse().ok()).unwrap_or(0);
    run(name, *target, Duration::from_secs(seconds), first)
}

fn run(name: &str, target: Target, length: Duration, first: u64) -> ExitCode {
    let clocks = SystemClocks::new();
    let (began, mut seed) = (clocks.mono(), first);
    loop {
        let spent = process_cpu_time();
        for _ in 0..BATCH {
            if catch_unwind(AssertUnwindSafe(|| target(&mut Pcg64Mcg::seed_from_u64(seed)))).is_err() {
                eprintln!("{name} failed; to see it again: fuzz {name} 0 {seed}");
                return ExitCode::FAILURE;
            }
            seed += 1;
        }
        let (now, took) = (clocks.mono(), process_cpu_time().saturating_sub(spent));
        if took > SLOW {
            eprintln!("{name}: the {BATCH} runs before seed {seed} took {took:?}");
            return ExitCode::FAILURE;
        }
        if now.since(began) >= length {
            println!("{name}: {} runs in {} s without a finding", seed - first, now.since(began).as_secs());
            return ExitCode::SUCCESS;
        }
    }
}
