//! What a camera has delivered and lost, as counters and rates.

use super::clock_watch::ClockAlarm;
use super::stream::UnitCounts;
use crate::clock::Mono;
use crate::frame::FrameStamp;
use std::time::Duration;

/// What is decoded of a stream, and why if it is more than was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecodingInUse {
    /// Everything, as asked for.
    #[default]
    All,
    /// Key frames only.
    KeyFrames,
    /// Everything, though key frames would do: they come too rarely.
    AllForLackOfKeyFrames,
}

/// A camera's counters since the agent started watching it, and its rates over the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct IngestStats {
    /// Access units (compressed pictures) that the camera sent.
    pub units_received: u64,
    /// Units that were not decoded because a unit before them was lost or damaged.
    pub units_lost: u64,
    /// Units held back while only key frames were decoded.
    pub units_held: u64,
    /// Groups of held units that were decoded after all: everything was asked for, or the group grew too long to hold.
    pub groups_replayed: u64,
    /// What is decoded at present.
    pub decoding: DecodingInUse,
    /// Pictures that the decoder gave.
    pub frames_decoded: u64,
    /// Pictures that the decoder marked as damaged; they went no further.
    pub frames_corrupt: u64,
    /// Whole pictures that were beyond the analysed rate; they went no further.
    pub frames_over_cap: u64,
    /// Pictures that were passed on.
    pub frames_delivered: u64,
    /// Times that the stream's own clock jumped within a connection.
    pub timeline_jumps: u64,
    /// Connections that gave a picture. All but the first are reconnects.
    pub connections: u64,
    /// Attempts and connections that failed.
    pub failures: u64,
    /// Blocking calls (name resolution, connects, changes of state) that did not return in time and were left behind.
    pub calls_left_behind: u64,
    /// Pictures per second that the camera sends.
    pub fps_in: f64,
    /// Pictures per second that are passed on.
    pub fps_delivered: f64,
    /// What is wrong with the camera's clock.
    pub clock_alarm: Option<ClockAlarm>,
    /// The picture passed on last.
    pub last_frame: Option<FrameStamp>,
}

/// Counters with the meters behind the rates.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) totals: IngestStats,
    units_before: UnitCounts,
    units: RateMeter,
    delivered: RateMeter,
}

impl Counters {
    /// Takes the counts of the current connection, which start from zero with each.
    pub(super) fn set_units(&mut self, counts: UnitCounts) {
        self.totals.units_received = self.units_before.received + counts.received;
        self.totals.units_lost = self.units_before.lost + counts.lost;
        self.totals.units_held = self.units_before.held + counts.held;
        self.totals.groups_replayed = self.units_before.groups_replayed + counts.groups_replayed;
    }

    /// The connection is over: its counts are kept, the next starts from zero.
    pub(super) fn end_connection(&mut self) {
        self.units_before = UnitCounts {
            received: self.totals.units_received,
            lost: self.totals.units_lost,
            held: self.totals.units_held,
            groups_replayed: self.totals.groups_replayed,
        };
    }

    /// Brings the rates up to date.
    pub(super) fn tick(&mut self, now: Mono) {
        self.totals.fps_in = self.units.rate(self.totals.units_received, now);
        self.totals.fps_delivered = self.delivered.rate(self.totals.frames_delivered, now);
    }
}

/// Over how long a rate is measured.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// Events per second of a counter, over the last whole window.
#[derive(Debug, Default)]
struct RateMeter {
    window: Option<(Mono, u64)>,
    rate: f64,
}

impl RateMeter {
    fn rate(&mut self, count: u64, now: Mono) -> f64 {
        let Some((start, count_at_start)) = self.window else {
            self.window = Some((now, count));
            return 0.0;
        };
        let elapsed = now.since(start);
        if elapsed >= RATE_WINDOW {
            self.rate = (count - count_at_start) as f64 / elapsed.as_secs_f64();
            self.window = Some((now, count));
        }
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_counters_and_fall_to_zero() {
        let mut counters = Counters::default();
        let mut fps_at = |units, secs| {
            counters.set_units(UnitCounts { received: units, ..UnitCounts::default() });
            counters.tick(Mono(Duration::from_secs(secs)));
            counters.totals.fps_in
        };
        let rates = [(0, 10), (50, 12), (50, 13), (50, 14)].map(|(units, secs)| fps_at(units, secs).to_string());
        assert_eq!(rates, ["0", "25", "25", "0"]);
    }

    #[test]
    fn counts_go_on_over_connections() {
        let mut counters = Counters::default();
        for received in [10, 5] {
            counters.set_units(UnitCounts { received, lost: 1, held: 2, groups_replayed: 1 });
            counters.end_connection();
        }
        let IngestStats { units_received, units_lost, units_held, groups_replayed, .. } = counters.totals;
        assert_eq!([units_received, units_lost, units_held, groups_replayed], [15, 2, 4, 2]);
    }
}
