//! Whether a camera's clock can be relied on: its offset from the box's, and how fast that grows. Pure: reads no clock.
//!
//! An arrival is late by what encoder and network take, which varies; it is never early. So of each window only the greatest offset
//! (camera minus arrival: the least delayed picture) counts.

use crate::clock::Mono;
use jiff::SignedDuration;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(10);
/// Windows over which drift is measured: five minutes, in which 100 ppm are 30 ms, several times what the least delays differ by.
const DRIFT_WINDOWS: usize = 30;
/// An offset is alarming from here on, and no longer below the second: pictures of several cameras can then not be put in order.
const OFFSET_RAISE: SignedDuration = SignedDuration::from_secs(2);
const OFFSET_CLEAR: SignedDuration = SignedDuration::from_secs(1);
/// Drift in parts per million: a healthy quartz has up to 50, and a clock that is kept by NTP none.
const DRIFT_RAISE_PPM: f64 = 100.0;
const DRIFT_CLEAR_PPM: f64 = 50.0;
/// A step between two windows is one of the clock being set, not drift.
const STEP: SignedDuration = SignedDuration::from_millis(500);
/// Without the camera's time for so long nothing is known of its clock.
const MEMORY: Duration = Duration::from_mins(2);

/// What is wrong with a camera's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClockAlarm {
    /// It differs from the box's by more than two seconds.
    Offset(SignedDuration),
    /// It runs faster or slower than the box's, by so many parts per million.
    Drift(f64),
}

impl ClockAlarm {
    /// Whether both are of one kind, whatever the figures.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for ClockAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "the camera's clock is {:.1} s off the box's", offset.as_secs_f64()),
            Self::Drift(ppm) => write!(f, "the camera's clock drifts by {ppm:.0} ppm against the box's"),
        }
    }
}

/// Watches one camera's clock over all of its connections.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    alarm: Option<ClockAlarm>,
    window: Option<(Mono, SignedDuration)>,
    /// Greatest offset of each whole window since the last step, oldest first, with the window's beginning.
    history: VecDeque<(Mono, SignedDuration)>,
}

impl ClockWatch {
    /// Takes in a picture's offset, camera minus arrival; none if the camera does not tell its time.
    pub(super) fn observe(&mut self, now: Mono, offset: Option<SignedDuration>) -> Option<ClockAlarm> {
        match (self.window, offset) {
            (Some((began, _)), None) if now.since(began) > MEMORY => *self = Self::default(),
            (_, None) => {}
            (None, Some(offset)) => self.window = Some((now, offset)),
            (Some((began, greatest)), Some(offset)) if now.since(began) < WINDOW => {
                self.window = Some((began, greatest.max(offset)));
            }
            (Some((began, greatest)), Some(offset)) => {
                self.close(began, greatest);
                self.window = Some((now, offset));
            }
        }
        self.alarm
    }

    /// A window is over.
    fn close(&mut self, began: Mono, offset: SignedDuration) {
        if self.history.back().is_some_and(|(_, before)| (offset - *before).abs() > STEP) {
            self.history.clear();
        }
        self.history.push_back((began, offset));
        if self.history.len() > DRIFT_WINDOWS + 1 {
            self.history.pop_front();
        }
        let limit = if matches!(self.alarm, Some(ClockAlarm::Offset(_))) { OFFSET_CLEAR } else { OFFSET_RAISE };
        let is_off = offset.abs() > limit;
        self.alarm = if is_off { Some(ClockAlarm::Offset(offset)) } else { self.drift_alarm() };
    }

    fn drift_alarm(&self) -> Option<ClockAlarm> {
        let was_drifting = matches!(self.alarm, Some(ClockAlarm::Drift(_)));
        let limit = if was_drifting { DRIFT_CLEAR_PPM } else { DRIFT_RAISE_PPM };
        match (self.drift_ppm(), self.alarm) {
            (Some(ppm), _) => (ppm.abs() > limit).then_some(ClockAlarm::Drift(ppm)),
            // After a step it is not known yet: nothing new is said of it.
            (None, Some(ClockAlarm::Drift(ppm))) => Some(ClockAlarm::Drift(ppm)),
            (None, Some(ClockAlarm::Offset(_)) | None) => None,
        }
    }

    /// Drift over the whole history; none before it is long enough. Of both halves the lesser counts: a clock that is set right by a few
    /// milliseconds, as NTP does every hour, seems to drift in one of them.
    fn drift_ppm(&self) -> Option<f64> {
        let middle = *self.history.get(DRIFT_WINDOWS / 2)?;
        let (first, last) = (*self.history.front()?, *self.history.get(DRIFT_WINDOWS)?);
        let ppm = |from: (Mono, SignedDuration), to: (Mono, SignedDuration)| {
            (to.1 - from.1).as_secs_f64() / to.0.since(from.0).as_secs_f64() * 1e6
        };
        let (earlier, later) = (ppm(first, middle), ppm(middle, last));
        let lesser = if earlier.abs() < later.abs() { earlier } else { later };
        Some(if earlier.signum() == later.signum() { lesser } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a watch over `secs` seconds of 10 pictures each, the offset as given by second; returns the kinds of alarm, each with the second
    /// at which it began.
    fn alarms(secs: u64, offset_ms: impl Fn(f64) -> Option<f64>) -> Vec<(u64, &'static str)> {
        let mut watch = ClockWatch::default();
        let mut told = vec![(0, "none")];
        for picture in 0..secs * 10 {
            let at = picture as f64 / 10.0;
            // Delays of 0 to 90 ms: late, never early.
            let delay_ms = (picture * 7 % 10) as f64 * 10.0;
            let offset = offset_ms(at).map(|ms| SignedDuration::from_micros(((ms - delay_ms) * 1000.0) as i64));
            let name = match watch.observe(Mono(Duration::from_secs_f64(at)), offset) {
                None => "none",
                Some(ClockAlarm::Offset(_)) => "offset",
                Some(ClockAlarm::Drift(_)) => "drift",
            };
            if told.last().is_some_and(|(_, last)| *last != name) {
                told.push((at as u64, name));
            }
        }
        told
    }

    #[test]
    fn a_good_clock_over_a_jittery_network_is_no_alarm() {
        assert_eq!(alarms(3600, |_| Some(300.0)), [(0, "none")]);
        // 20 ppm, and set right by 60 ms every 3000 s.
        assert_eq!(alarms(7200, |at| Some(at % 3000.0 * 0.02)), [(0, "none")]);
    }

    #[test]
    fn drift_is_told_after_minutes_and_cleared_when_it_ends() {
        let told = alarms(3000, |at| Some(0.2 * at.min(1000.0)));
        let [(_, "none"), (raised, "drift"), (cleared, "none")] = told[..] else { panic!("{told:?}") };
        assert!((300..=330).contains(&raised), "{told:?}");
        assert!((1050..=1310).contains(&cleared), "{told:?}");
        assert_eq!(alarms(600, |at| Some(-0.2 * at))[1].1, "drift", "a slow clock too");
    }

    #[test]
    fn an_offset_is_told_soon_and_cleared_well_below_where_it_was_raised() {
        let jumps = |at: f64| {
            Some(if at < 100.0 {
                0.0
            } else if at < 200.0 {
                3000.0
            } else if at < 300.0 {
                1500.0
            } else {
                10.0
            })
        };
        let told = alarms(400, jumps);
        let [(_, "none"), (raised, "offset"), (cleared, "none")] = told[..] else { panic!("{told:?}") };
        assert!((100..=125).contains(&raised) && (300..=325).contains(&cleared), "{told:?}");
    }

    #[test]
    fn a_clock_that_is_set_does_not_drift() {
        assert_eq!(alarms(1200, |at| Some(if at < 500.0 { 1700.0 } else { 0.0 })), [(0, "none")]);
    }

    #[test]
    fn of_a_camera_that_no_longer_tells_its_time_nothing_is_said() {
        let told = alarms(600, |at| (at < 200.0).then_some(5000.0));
        let [(_, "none"), (_, "offset"), (cleared, "none")] = told[..] else { panic!("{told:?}") };
        assert!((300..=330).contains(&cleared), "{told:?}");
    }
}
