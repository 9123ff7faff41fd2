//! How long the machine itself stood still: a virtual machine whose host has no time for it gives nobody frames.

use curbwatch::clock::{Clocks, SystemClocks};
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const BEAT: Duration = Duration::from_millis(20);

/// Beats as long as it lives, on as many threads as there are processors, and notes beats that came late.
pub struct Metronome {
    is_over: Arc<AtomicBool>,
    pauses: Arc<Mutex<Vec<(Timestamp, Timestamp)>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Metronome {
    pub fn start() -> Self {
        let (is_over, pauses) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<_>>>::default());
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let beat = |number: usize| {
            let (is_over, pauses) = (Arc::clone(&is_over), Arc::clone(&pauses));
            let work = move || {
                let clocks = SystemClocks::new();
                while !is_over.load(Ordering::Relaxed) {
                    let (began, from) = (clocks.mono(), clocks.wall());
                    std::thread::park_timeout(BEAT);
                    if clocks.mono().since(began) > 2 * BEAT {
                        pauses.lock().unwrap().push((from, clocks.wall()));
                    }
                }
            };
            std::thread::Builder::new().name(format!("metronome-{number}")).spawn(work).unwrap()
        };
        let threads = (0..count).map(beat).collect();
        Self { is_over, pauses, threads }
    }

    /// The longest pause that reached into the time from `began` to `ended`, in seconds.
    pub fn longest_pause_secs(&self, began: Timestamp, ended: Timestamp) -> f64 {
        let pauses = self.pauses.lock().unwrap();
        let within = pauses.iter().filter(|(from, to)| *to >= began && *from <= ended);
        within.map(|(from, to)| to.duration_since(*from).as_secs_f64()).fold(0.0, f64::max)
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a metronome does not panic");
        }
    }
}
