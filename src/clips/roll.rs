//! The last seconds of a camera, and the clips that await their end. Pure: frames and times are arguments.

use super::reduce::reduced;
use super::{MAX_AWAITED, MAX_SIDE_PX, MOST_SHOTS_PER_SEC};
use crate::clock::Mono;
use crate::config::ClipsConfig;
use crate::evidence::SensitiveObject;
use crate::frame::{Frame, FrameError, FrameStamp};
use crate::geometry::BBox;
use crate::ids::Name;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Time between two frames of a clip at least; a little less than its share of a second, so that cameras whose pictures come at whole seconds give each.
const SHOT_EVERY: Duration = Duration::from_millis(900 / MOST_SHOTS_PER_SEC as u64);
/// How long the end of a clip may fail to come: idle cameras decode their key frames, which come every few seconds.
const PATIENCE: Duration = Duration::from_secs(6);

/// A small frame and whom it shows.
#[derive(Debug)]
pub struct Shot {
    /// The frame, masked and reduced.
    pub frame: Frame,
    /// People and vehicles that the analysis saw in it and in the second before it.
    pub seen: Vec<SensitiveObject>,
}

/// Frames that are to become the clip of an incident.
#[derive(Debug)]
pub struct RolledClip {
    /// Index of the camera.
    pub camera: usize,
    /// The incident.
    pub incident: Uuid,
    /// The rule that found it.
    pub rule: Name,
    /// Where it stands.
    pub bbox: BBox,
    /// The frames, the first one first.
    pub shots: Vec<Arc<Shot>>,
}

/// The last seconds of a camera, and the clips that await their end.
#[derive(Debug)]
pub struct Roll {
    terms: ClipsConfig,
    last: VecDeque<Arc<Shot>>,
    awaited: Vec<(RolledClip, Mono)>,
}

impl Roll {
    /// Begins without a frame.
    #[must_use]
    pub fn new(terms: ClipsConfig) -> Self {
        Self { terms, last: VecDeque::new(), awaited: Vec::new() }
    }

    /// Whether it is time for a frame.
    #[must_use]
    pub fn wants(&self, stamp: &FrameStamp) -> bool {
        let last = self.last.back().map(|shot| shot.frame.stamp().media);
        last.is_none_or(|last| stamp.media > last && stamp.media.since(last) >= SHOT_EVERY)
    }

    /// Takes a small copy of a frame.
    pub fn take(&mut self, frame: &Frame, seen: Vec<SensitiveObject>) -> Result<(), FrameError> {
        let shot = Arc::new(Shot { frame: reduced(frame, MAX_SIDE_PX)?, seen });
        let now = shot.frame.stamp();
        let before = Duration::from_secs(self.terms.before_secs.into());
        let is_past = |shot: &Arc<Shot>| now.media.since(shot.frame.stamp().media) > before;
        while self.last.front().is_some_and(is_past) {
            self.last.pop_front();
        }
        for (clip, until) in &mut self.awaited {
            if now.mono <= *until {
                clip.shots.push(Arc::clone(&shot));
            }
        }
        self.last.push_back(shot);
        Ok(())
    }

    /// An incident opens at a frame: its clip has what is held, and goes on. False if as many are awaited as may be.
    pub fn begin(&mut self, camera: usize, incident: Uuid, rule: &Name, bbox: BBox, at: Mono) -> bool {
        if self.awaited.len() >= MAX_AWAITED {
            return false;
        }
        let shots = self.last.iter().cloned().collect();
        let clip = RolledClip { camera, incident, rule: rule.clone(), bbox, shots };
        self.awaited.push((clip, Mono(at.0 + Duration::from_secs(self.terms.after_secs.into()))));
        true
    }

    /// The clips that have their end: a frame of a later time came.
    pub fn finished(&mut self, now: Mono) -> Vec<RolledClip> {
        self.end(|until| now > until)
    }

    /// The clips whose end did not come: they end with what there is.
    pub fn overdue(&mut self, now: Mono) -> Vec<RolledClip> {
        self.end(|until| now.since(until) >= PATIENCE)
    }

    fn end(&mut self, has_ended: impl Fn(Mono) -> bool) -> Vec<RolledClip> {
        self.awaited.extract_if(.., |(_, until)| has_ended(*until)).map(|(clip, _)| clip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::redact::test_pictures::frame;
    use crate::frame::{ColorMatrix, ColorRange, PixelFormat};

    fn roll() -> Roll {
        Roll::new(ClipsConfig { enabled: true, before_secs: 3, after_secs: 2 })
    }

    fn at(secs: f64) -> FrameStamp {
        FrameStamp::at_secs(secs, 0)
    }

    fn shows(roll: &mut Roll, secs: f64) {
        let colours = (ColorMatrix::Bt601, ColorRange::Limited);
        let frame = frame((16, 16), PixelFormat::I420, colours, 0, |_, _, _| 128).stamped(at(secs));
        if roll.wants(frame.stamp()) {
            roll.take(&frame, Vec::new()).unwrap();
        }
    }

    fn begin(roll: &mut Roll, incident: u128, secs: f64) -> bool {
        roll.begin(0, Uuid::from_u128(incident), &Name::try_new("rule").unwrap(), BBox::FRAME, at(secs).mono)
    }

    fn times(clip: &RolledClip) -> Vec<f64> {
        clip.shots.iter().map(|shot| shot.frame.stamp().media.0.as_secs_f64()).collect()
    }

    #[test]
    fn a_clip_has_a_frame_a_second_from_before_to_after_and_no_more_is_held() {
        let mut roll = roll();
        for quarter in 0..40 {
            shows(&mut roll, f64::from(quarter) / 4.0);
        }
        assert!(roll.last.len() <= 4);
        assert!(begin(&mut roll, 1, 9.75));
        for quarter in 40..60 {
            let now = f64::from(quarter) / 4.0;
            shows(&mut roll, now);
            if now <= 11.75 {
                assert!(roll.finished(at(now).mono).is_empty());
            }
        }
        let clips = roll.finished(at(14.75).mono);
        assert_eq!(clips.iter().map(times).collect::<Vec<_>>(), [[6.0, 7.0, 8.0, 9.0, 10.0, 11.0]]);
        assert!(roll.finished(at(99.0).mono).is_empty());
    }

    #[test]
    fn a_frame_of_before_is_not_taken_again() {
        let mut roll = roll();
        shows(&mut roll, 5.0);
        assert!(!roll.wants(&at(3.0)) && !roll.wants(&at(5.0)) && !roll.wants(&at(5.5)) && roll.wants(&at(5.96)));
    }

    #[test]
    fn where_no_frame_comes_a_clip_ends_with_what_there_is() {
        let mut roll = roll();
        shows(&mut roll, 5.0);
        assert!(begin(&mut roll, 1, 5.0));
        assert!(roll.overdue(at(12.9).mono).is_empty());
        assert_eq!(roll.overdue(at(13.0).mono).iter().map(times).collect::<Vec<_>>(), [[5.0]]);
    }

    #[test]
    fn more_than_a_few_at_once_go_without() {
        let mut roll = roll();
        let begun = (0..9).filter(|incident| begin(&mut roll, *incident, 1.0)).count();
        assert_eq!(begun, MAX_AWAITED);
    }
}
