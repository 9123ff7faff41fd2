//! How long each stage takes: a histogram of fixed size per stage, written by any thread.
//!
//! Buckets are logarithmic, eight per doubling, so that a quantile is off by at most 1/16 of its value: from 1 µs to
//! 67 s, 200 buckets of 8 bytes per stage. Recording is one relaxed atomic addition: no lock, no allocation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A step on the way of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// From the arrival of the coded unit to the decoded frame in the mailbox.
    Decode,
    /// From the frame to how its picture is, and whether it is inferred.
    Gate,
    /// From the frame to its detections.
    Detect,
    /// From the detections to the camera's transitions.
    Engine,
    /// From a transition to its durable row and picture.
    Record,
    /// From the durable row to the broker's acknowledgement.
    Publish,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 6] = [Self::Decode, Self::Gate, Self::Detect, Self::Engine, Self::Record, Self::Publish];

    /// Name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Gate => "gate",
            Self::Detect => "detect",
            Self::Engine => "engine",
            Self::Record => "record",
            Self::Publish => "publish",
        }
    }
}

/// What a stage took since the last time it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencySummary {
    /// Number of durations recorded.
    pub count: u64,
    /// Median, to 1/16 of its value.
    pub p50: Duration,
    /// 99th percentile, to 1/16 of its value.
    pub p99: Duration,
}

/// Durations per stage; shared by every thread.
#[derive(Debug)]
pub struct Latencies([[AtomicU64; BUCKETS]; Stage::ALL.len()]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { [const { AtomicU64::new(0) }; BUCKETS] }; Stage::ALL.len()])
    }
}

impl Latencies {
    /// Counts one duration; longer than the last bucket counts there.
    pub fn record(&self, stage: Stage, took: Duration) {
        self.0[stage as usize][bucket_of(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// Summarises what was recorded since the last call for this stage, and begins anew, so that a box that runs for
    /// years still tells today's latency. `None` if nothing was recorded. For one caller: two would each see a part.
    pub fn take(&self, stage: Stage) -> Option<LatencySummary> {
        let counts = self.0[stage as usize].each_ref().map(|count| count.swap(0, Ordering::Relaxed));
        let count = counts.iter().sum();
        (count > 0).then(|| LatencySummary {
            count,
            p50: quantile(&counts, count.div_ceil(2)),
            p99: quantile(&counts, (count * 99).div_ceil(100)),
        })
    }
}

/// Buckets per doubling, as a power of two.
const SUB_BITS: u32 = 3;
const SUB: u64 = 1 << SUB_BITS;
/// Longest duration told apart: 2^26 µs, 67 s.
const MAX_BITS: u32 = 26;
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) as u64 * SUB) as usize + SUB as usize;

fn bucket_of(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if micros < SUB {
        return micros as usize;
    }
    let shift = micros.ilog2() - SUB_BITS;
    ((u64::from(shift) * SUB + (micros >> shift)) as usize).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle_of(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    if bucket < SUB {
        return Duration::from_micros(bucket);
    }
    let shift = bucket / SUB - 1;
    let lower = (SUB + bucket % SUB) << shift;
    Duration::from_nanos((2 * lower + (1 << shift)) * 500)
}

/// The duration of the `rank`-th shortest, `rank` from 1.
fn quantile(counts: &[u64; BUCKETS], rank: u64) -> Duration {
    let mut seen = 0;
    let bucket = counts.iter().position(|count| {
        seen += count;
        seen >= rank
    });
    middle_of(bucket.unwrap_or(BUCKETS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_duration_comes_back_within_a_sixteenth(micros in 0u64..(1 << MAX_BITS)) {
            let took = Duration::from_micros(micros);
            let found = middle_of(bucket_of(took));
            prop_assert!(found.abs_diff(took) <= (took / 16).max(Duration::from_nanos(500)), "{found:?}");
        }
    }

    #[test]
    fn buckets_grow_with_the_duration_and_the_last_takes_the_rest() {
        let edges = (0..=MAX_BITS).map(|bits| bucket_of(Duration::from_micros(1 << bits)));
        assert!(edges.is_sorted_by(|a, b| a < b));
        assert_eq!(bucket_of(Duration::from_micros((2 << MAX_BITS) - 1)), BUCKETS - 1);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_of_the_interval_since_the_last_call() {
        let latencies = Latencies::default();
        assert_eq!(latencies.take(Stage::Detect), None);
        for millis in 1..=100 {
            latencies.record(Stage::Detect, Duration::from_millis(millis));
        }
        latencies.record(Stage::Publish, Duration::from_hours(1));
        let summary = latencies.take(Stage::Detect).unwrap();
        let near = |found: Duration, millis: u64| {
            found.abs_diff(Duration::from_millis(millis)).as_millis() as u64 <= millis / 16
        };
        assert_eq!(summary.count, 100);
        assert!(near(summary.p50, 50) && near(summary.p99, 99), "{summary:?}");
        assert_eq!(latencies.take(Stage::Detect), None);
        assert_eq!(latencies.take(Stage::Publish).unwrap().count, 1);
    }

    #[test]
    fn threads_that_record_at_once_lose_nothing() {
        let latencies = Latencies::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|i| latencies.record(Stage::Engine, Duration::from_micros(i))));
            }
        });
        assert_eq!(latencies.take(Stage::Engine).unwrap().count, 4_000);
    }
}
