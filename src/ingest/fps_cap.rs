//! The analysed rate: which whole pictures are passed on. Pure.

use super::timeline::Placed;
use std::time::Duration;

/// Passes on at most a given number of frames per second of media time, evenly spread.
#[derive(Debug)]
pub(crate) struct FpsCap {
    period: Duration,
    due: Option<(u32, Duration)>,
}

impl FpsCap {
    /// `fps` is positive and finite: the configuration allows 0.1 to 30.
    pub(crate) fn new(fps: f64) -> Self {
        Self { period: period_of(fps), due: None }
    }

    /// Another rate from the frame passed on last.
    pub(crate) fn set_fps(&mut self, fps: f64) {
        let before = std::mem::replace(&mut self.period, period_of(fps));
        if let Some((_, due)) = &mut self.due {
            *due = (*due + self.period).saturating_sub(before);
        }
    }

    /// Whether the frame is passed on. The first frame of a segment always is, and the first of those that go back in time.
    pub(crate) fn admit(&mut self, placed: Placed) -> bool {
        let media = placed.media.0;
        // A frame that is early by a little jitter is taken: else a camera at exactly the cap would lose every second one.
        let early = self.period / 8;
        let goes_back = |due: Duration| media + self.period + early < due;
        match self.due {
            Some((segment, due)) if segment == placed.segment && media + early < due && !goes_back(due) => false,
            Some((segment, due)) if segment == placed.segment && media < due + self.period && !goes_back(due) => {
                self.due = Some((segment, due + self.period));
                true
            }
            Some(_) | None => {
                self.due = Some((placed.segment, media + self.period));
                true
            }
        }
    }
}

fn period_of(fps: f64) -> Duration {
    Duration::from_secs_f64(1.0 / fps.max(0.01))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaTime;
    use proptest::prelude::*;

    fn admitted(cap: f64, times_ms: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut cap = FpsCap::new(cap);
        let place = |ms| Placed { media: MediaTime(Duration::from_millis(ms)), segment: 0 };
        times_ms.into_iter().filter(|&ms| cap.admit(place(ms))).collect()
    }

    #[test]
    fn frames_beyond_the_cap_are_dropped_evenly() {
        let passed = admitted(4.0, (0..250).map(|frame| frame * 40));
        assert_eq!(passed.len(), 40);
        assert!(passed.windows(2).all(|pair| (200..=320).contains(&(pair[1] - pair[0]))), "{passed:?}");
    }

    #[test]
    fn a_camera_at_the_cap_with_jitter_loses_nothing() {
        let times = (0..100).map(|frame| 40 * frame + [0, 3, 1, 4][frame as usize % 4]);
        assert_eq!(admitted(25.0, times).len(), 100);
    }

    #[test]
    fn after_a_pause_frames_do_not_come_in_a_burst() {
        let passed = admitted(4.0, [0, 5_000, 5_040, 5_080, 5_120, 5_250]);
        assert_eq!(passed, [0, 5_000, 5_250]);
    }

    #[test]
    fn frames_that_go_back_are_passed_on_at_the_rate() {
        assert_eq!(
            admitted(2.0, [0, 2_000, 4_000, 2_040, 2_080, 2_540, 2_600, 3_040, 4_000]),
            [0, 2_000, 4_000, 2_040, 2_540, 3_040, 4_000]
        );
    }

    #[test]
    fn another_rate_counts_from_the_frame_passed_on_last() {
        let mut cap = FpsCap::new(0.5);
        let mut admit = |ms, fps| {
            cap.set_fps(fps);
            cap.admit(Placed { media: MediaTime(Duration::from_millis(ms)), segment: 0 })
        };
        assert!(admit(0, 0.5));
        assert!(!admit(240, 0.5));
        assert!(admit(260, 4.0));
        assert!(!admit(1_000, 0.5));
        assert!(admit(2_260, 0.5));
    }

    #[test]
    fn a_new_segment_is_seen_at_once() {
        let mut cap = FpsCap::new(1.0);
        let place = |ms, segment| Placed { media: MediaTime(Duration::from_millis(ms)), segment };
        assert!(cap.admit(place(0, 0)));
        assert!(!cap.admit(place(100, 0)));
        assert!(cap.admit(place(200, 1)));
    }

    proptest! {
        #[test]
        fn the_cap_is_kept_over_any_stream(steps in prop::collection::vec(0_u64..400, 1..300), fps in 0.5_f64..30.0) {
            let mut at = 0;
            let times: Vec<u64> = steps.iter().map(|step| { at += step; at }).collect();
            let passed = admitted(fps, times.clone());
            let span_secs = (times[times.len() - 1] - times[0]) as f64 / 1000.0;
            prop_assert!(passed.len() as f64 <= span_secs * fps + 2.0);
        }
    }
}
