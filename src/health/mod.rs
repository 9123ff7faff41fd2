//! Load of the host and of the agent: what the `health` topic tells.
//!
//! In: the operating system's counters ([`HostSampler`]), durations per stage ([`Latencies`]) and losses per queue
//! ([`Drops`]), recorded by any thread without a lock and without allocating. Out: plain structs with their units in
//! their names. Must not publish, log or read a clock.

pub mod host;
pub mod latency;

pub use host::{HostSample, HostSampler};
pub use latency::{Latencies, LatencySummary, Stage};

use std::sync::atomic::{AtomicU64, Ordering};

/// A bounded queue that loses something when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Frames replaced by a newer one before they were analysed.
    Mailbox,
    /// Pictures that could not be made or kept; their events went without them.
    Evidence,
    /// Clips that could not be made or kept.
    Clips,
}

impl Queue {
    /// Every queue, in the order of the way of a frame.
    pub const ALL: [Self; 3] = [Self::Mailbox, Self::Evidence, Self::Clips];

    /// Name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Evidence => "evidence",
            Self::Clips => "clips",
        }
    }
}

/// How much each queue has lost since the start; shared by every thread.
#[derive(Debug, Default)]
pub struct Drops([AtomicU64; Queue::ALL.len()]);

impl Drops {
    /// Counts `lost` items.
    pub fn add(&self, queue: Queue, lost: u64) {
        self.0[queue as usize].fetch_add(lost, Ordering::Relaxed);
    }

    /// Items lost since the start.
    #[must_use]
    pub fn total(&self, queue: Queue) -> u64 {
        self.0[queue as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_per_queue() {
        let drops = Drops::default();
        drops.add(Queue::Mailbox, 2);
        drops.add(Queue::Mailbox, 3);
        drops.add(Queue::Evidence, 1);
        assert_eq!(Queue::ALL.map(|queue| drops.total(queue)), [5, 1, 0]);
    }
}
