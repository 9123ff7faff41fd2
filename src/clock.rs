//! The one place that reads a clock.
//!
//! Three times are never mixed: *media* ([`MediaTime`], the stream's timeline: dwell), *mono* ([`Mono`]: supervision,
//! back-off) and *wall* ([`jiff::Timestamp`]: what the hub reads). The pure core takes them as arguments.

use std::sync::Mutex;
use std::time::Duration;

/// Time on one camera's media timeline since the agent started watching it; never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(pub Duration);

impl MediaTime {
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Time on the monotonic clock since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub Duration);

impl Mono {
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where an event's wall-clock time comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockQuality {
    /// The camera's RTCP sender reports, which agree with this box's clock.
    CameraNtp,
    /// The arrival of the frame at this box.
    Arrival,
    /// This box's clock was seen to be unsynchronised.
    Unsynchronised,
}

/// CPU time that the calling thread has taken so far: what a measurement compares, whatever else the machine does.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time that all threads of the process have taken so far.
#[must_use]
pub fn process_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Source of monotonic and wall time; shared by every thread.
pub trait Clocks: Send + Sync + 'static {
    /// Monotonic time since the process started.
    fn mono(&self) -> Mono;
    /// Wall-clock time.
    fn wall(&self) -> jiff::Timestamp;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClocks {
    started: std::time::Instant,
}

impl SystemClocks {
    /// Starts the monotonic timeline now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this module is where clocks are read")]
    pub fn new() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Default for SystemClocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Clocks for SystemClocks {
    fn mono(&self) -> Mono {
        Mono(self.started.elapsed())
    }
    #[expect(clippy::disallowed_methods, reason = "this module is where clocks are read")]
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Clocks that tests turn by hand.
#[derive(Debug)]
pub struct ManualClocks(Mutex<(Mono, jiff::Timestamp)>);

impl ManualClocks {
    /// Starts at monotonic zero and the given wall time.
    #[must_use]
    pub fn new(wall: jiff::Timestamp) -> Self {
        Self(Mutex::new((Mono::default(), wall)))
    }

    /// Moves both clocks forward.
    ///
    /// # Panics
    /// If another holder panicked, or the wall time leaves jiff's range.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().expect("no holder of this lock panics");
        now.0.0 += by;
        now.1 += by;
    }
}

impl Clocks for ManualClocks {
    fn mono(&self) -> Mono {
        self.0.lock().expect("no holder of this lock panics").0
    }
    fn wall(&self) -> jiff::Timestamp {
        self.0.lock().expect("no holder of this lock panics").1
    }
}
