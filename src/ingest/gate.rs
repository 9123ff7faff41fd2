//! Which access units are decoded and which frames are passed on. Pure decisions; the pipeline carries them out.

use super::timeline::Placed;
use std::time::Duration;

/// What is known of an access unit before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnitFlags {
    /// It cannot be decoded without the units before it.
    pub(super) delta: bool,
    /// Something is missing between the unit before and this one.
    pub(super) after_loss: bool,
    /// It is itself damaged.
    pub(super) corrupt: bool,
}

/// Lets units through to the decoder only while their references are whole: from a clean key frame until the next loss.
///
/// A unit decoded without its references gives a grey or smeared picture, in which a detector sees things.
#[derive(Debug)]
pub(super) struct UnitGate {
    waits_for_key: bool,
}

impl UnitGate {
    /// A new connection begins with a key frame.
    pub(super) fn new() -> Self {
        Self { waits_for_key: true }
    }

    /// Whether the unit is to be decoded.
    pub(super) fn admit(&mut self, unit: UnitFlags) -> bool {
        if unit.corrupt || (unit.delta && unit.after_loss) {
            self.waits_for_key = true;
        } else if !unit.delta {
            self.waits_for_key = false;
        }
        !self.waits_for_key
    }

    /// The decoder found damage that the flags did not show.
    pub(super) fn close(&mut self) {
        self.waits_for_key = true;
    }
}

/// Passes on at most a given number of frames per second of media time, evenly spread.
#[derive(Debug)]
pub(super) struct FpsCap {
    period: Duration,
    due: Option<(u32, Duration)>,
}

impl FpsCap {
    /// `fps` is positive and finite: the configuration allows 0.1 to 30.
    pub(super) fn new(fps: f64) -> Self {
        Self { period: Duration::from_secs_f64(1.0 / fps.max(0.01)), due: None }
    }

    /// Whether the frame is passed on. The first frame of a segment always is.
    pub(super) fn admit(&mut self, placed: Placed) -> bool {
        let media = placed.media.0;
        // A frame that is early by a little jitter is taken: else a camera at exactly the cap would lose every second one.
        let early = self.period / 8;
        match self.due {
            Some((segment, due)) if segment == placed.segment && media + early < due => false,
            Some((segment, due)) if segment == placed.segment && media < due + self.period => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaTime;
    use proptest::prelude::*;

    const KEY: UnitFlags = UnitFlags { delta: false, after_loss: false, corrupt: false };
    const DELTA: UnitFlags = UnitFlags { delta: true, after_loss: false, corrupt: false };

    #[test]
    fn decoding_begins_with_a_key_frame() {
        let mut gate = UnitGate::new();
        assert_eq!([DELTA, DELTA, KEY, DELTA].map(|unit| gate.admit(unit)), [false, false, true, true]);
    }

    #[test]
    fn nothing_is_decoded_between_a_loss_and_the_next_clean_key_frame() {
        let mut gate = UnitGate::new();
        let after_loss = UnitFlags { after_loss: true, ..DELTA };
        let damaged_key = UnitFlags { corrupt: true, ..KEY };
        let units = [KEY, DELTA, after_loss, DELTA, damaged_key, DELTA, KEY, DELTA];
        assert_eq!(units.map(|unit| gate.admit(unit)), [true, true, false, false, false, false, true, true]);
    }

    #[test]
    fn a_whole_key_frame_after_a_loss_is_decoded_at_once() {
        let mut gate = UnitGate::new();
        assert_eq!([KEY, DELTA, UnitFlags { after_loss: true, ..KEY }].map(|unit| gate.admit(unit)), [true; 3]);
    }

    #[test]
    fn damage_found_by_the_decoder_closes_the_gate() {
        let mut gate = UnitGate::new();
        gate.admit(KEY);
        gate.close();
        assert_eq!([DELTA, KEY].map(|unit| gate.admit(unit)), [false, true]);
    }

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
