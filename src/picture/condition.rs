//! A condition that must hold for a while before it counts, and be gone for a while before it does not.

use crate::frame::FrameStamp;
use std::time::Duration;

/// What one picture says about a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It holds.
    For,
    /// It does not hold.
    Against,
    /// Between the thresholds, or not to be seen in this picture: nothing changes.
    Unclear,
}

impl Evidence {
    /// For at or above `enter`, against at or below `leave`.
    pub(super) fn when_above(value: f32, enter: f32, leave: f32) -> Self {
        if value >= enter {
            Self::For
        } else if value <= leave {
            Self::Against
        } else {
            Self::Unclear
        }
    }

    /// For at or below `enter`, against at or above `leave`.
    pub(super) fn when_below(value: f32, enter: f32, leave: f32) -> Self {
        Self::when_above(-value, -enter, -leave)
    }
}

/// For how long a condition must hold, and be gone, without evidence of the contrary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delays {
    pub(super) enter: Duration,
    pub(super) leave: Duration,
}

/// A condition with hysteresis in observed media time: an interruption of the stream adds nothing.
#[derive(Debug)]
pub(super) struct Condition {
    delays: Delays,
    holds: bool,
    /// Since when, while it holds; the frame at which the evidence began.
    since: Option<FrameStamp>,
    /// Evidence for the opposite of `holds`: its first frame, its last, and the time observed between them.
    change: Option<(FrameStamp, FrameStamp, Duration)>,
}

impl Condition {
    pub(super) fn new(delays: Delays) -> Self {
        Self { delays, holds: false, since: None, change: None }
    }

    /// One that holds from the beginning.
    pub(super) fn holding(delays: Delays) -> Self {
        Self { holds: true, ..Self::new(delays) }
    }

    pub(super) fn observe(&mut self, stamp: &FrameStamp, evidence: Evidence) {
        let changes = match evidence {
            Evidence::For => !self.holds,
            Evidence::Against => self.holds,
            Evidence::Unclear => return,
        };
        if !changes {
            self.change = None;
            return;
        }
        let (first, last, observed) = self.change.unwrap_or((*stamp, *stamp, Duration::ZERO));
        let observed = observed + stamp.observed_since(&last).unwrap_or_default();
        let needed = if self.holds { self.delays.leave } else { self.delays.enter };
        if observed >= needed {
            self.holds = !self.holds;
            self.since = Some(first);
            self.change = None;
        } else {
            self.change = Some((first, *stamp, observed));
        }
    }

    /// Forgets everything: it does not hold.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.delays);
    }

    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// The frame at which it began to hold, or ceased to; none before its first change.
    pub(super) fn since(&self) -> Option<&FrameStamp> {
        self.since.as_ref()
    }

    /// Whether something speaks for it, now or for long.
    pub(super) fn is_suspected(&self) -> bool {
        self.holds || self.change.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::test_pictures::stamp;

    fn delays(enter: u64, leave: u64) -> Delays {
        Delays { enter: Duration::from_secs(enter), leave: Duration::from_secs(leave) }
    }

    #[test]
    fn it_holds_after_its_delay_and_since_its_first_sign() {
        let mut condition = Condition::new(delays(10, 5));
        for secs in 20..30 {
            condition.observe(&stamp(f64::from(secs)), Evidence::For);
            assert!(!condition.holds(), "after {secs} s");
        }
        condition.observe(&stamp(30.0), Evidence::For);
        assert!(condition.holds());
        assert_eq!(condition.since(), Some(&stamp(20.0)));
    }

    #[test]
    fn one_picture_to_the_contrary_begins_anew_and_an_unclear_one_does_not() {
        let mut condition = Condition::new(delays(10, 5));
        condition.observe(&stamp(0.0), Evidence::For);
        condition.observe(&stamp(6.0), Evidence::Unclear);
        condition.observe(&stamp(10.0), Evidence::For);
        assert!(condition.holds());
        condition.observe(&stamp(11.0), Evidence::Against);
        condition.observe(&stamp(14.0), Evidence::For);
        condition.observe(&stamp(17.0), Evidence::Against);
        assert!(condition.holds());
        condition.observe(&stamp(22.0), Evidence::Against);
        assert!(!condition.holds());
    }

    #[test]
    fn an_interruption_of_the_stream_is_not_observed_time() {
        let mut condition = Condition::new(delays(10, 5));
        condition.observe(&stamp(0.0), Evidence::For);
        let later = |secs| FrameStamp { segment: 1, ..stamp(secs) };
        condition.observe(&later(600.0), Evidence::For);
        assert!(!condition.holds());
        condition.observe(&later(610.0), Evidence::For);
        assert!(condition.holds());
    }
}
