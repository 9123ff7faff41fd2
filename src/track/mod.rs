//! Detections → tracks: the same object over frames.
//!
//! ByteTrack (Zhang et al. 2022): confident detections are matched first, faint ones may only continue a track. Time is
//! media time with real steps; nothing is counted in frames. A track is one object while it can be followed; that an
//! incident outlives it is `incident`'s concern. A person's track lives [`LOST_MOVING`] after its last sight and leaves
//! nothing behind.

pub mod assign;
mod kalman;

use crate::detect::Detection;
use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::picture::Light;
use kalman::BoxFilter;
use std::collections::BTreeMap;
use std::time::Duration;

/// Confidence from which a detection is matched in the first round; fainter ones only continue tracks.
const HIGH_CONFIDENCE: f32 = 0.25;
/// Least overlap of a prediction with its detection.
const MATCH_IOU: f32 = 0.20;
/// Two detections of one association group that overlap more than this are one object seen as two classes.
const SAME_OBJECT_IOU: f32 = 0.60;
/// A thing has moved when its box overlaps the place where it stood by less than this.
const SAME_PLACE_IOU: f32 = 0.55;
/// How long a moving object is looked for after it was last seen.
const LOST_MOVING: Duration = Duration::from_secs(3);
/// How long a standing object is looked for: others walk in front of it.
const LOST_STANDING: Duration = Duration::from_secs(30);
/// From how long on an object counts as standing, for the two limits above.
const STANDING: Duration = Duration::from_secs(5);
/// Longest that an object is taken to have stood before its first sight: less than makes it stand at that sight.
const MAX_BEFORE_SEEN: Duration = Duration::from_secs(1);
/// Most tracks at once; the rest of a flood of detections is not tracked.
const MAX_TRACKS: usize = 256;

/// Marks the numbers of things that are known by their place alone.
const PLACE: u64 = 1 << 63;

/// Number of a track, unique within its camera's process lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(u64);

impl TrackId {
    /// Of a thing that is known by its place alone; differs from every number that a tracker gives.
    pub(crate) fn of_place(number: u64) -> Self {
        Self(PLACE | number)
    }

    /// Whether it is the number of a thing that is known by its place alone.
    pub(crate) fn is_of_place(self) -> bool {
        self.0 & PLACE != 0
    }
}

/// One object, followed.
#[derive(Debug, Clone)]
pub struct Track {
    id: TrackId,
    group: u16,
    /// Confidence summed per class: a van flickers between car and truck.
    votes: Vec<(u16, f32)>,
    confidence: f32,
    filter: BoxFilter,
    /// The filter's box: it is asked for many times per frame.
    bbox: BBox,
    /// The filter's box when it was last seen.
    seen_at: BBox,
    /// Whether the frame before did not show it.
    was_missed: bool,
    /// Observed time since the last matched detection; zero when seen in this frame.
    unseen: Duration,
    /// Observed time for which the object has been seen, or looked for, at `place`.
    stationary: Duration,
    /// Time for which it was at `place` before its first sight, most likely.
    before_seen: Duration,
    place: BBox,
}

impl Track {
    /// Begins with a first sight, `observed` after a frame that did not show it: most likely it came half-way between.
    fn start(id: TrackId, group: u16, detection: &Detection, observed: Duration) -> Self {
        Self {
            id,
            group,
            votes: vec![(detection.class, detection.confidence)],
            confidence: detection.confidence,
            filter: BoxFilter::new(&detection.bbox),
            bbox: detection.bbox,
            seen_at: detection.bbox,
            was_missed: false,
            unseen: Duration::ZERO,
            stationary: Duration::ZERO,
            before_seen: (observed / 2).min(MAX_BEFORE_SEEN),
            place: detection.bbox,
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> TrackId {
        self.id
    }

    /// The class it was most often and most surely seen as.
    #[must_use]
    pub fn class(&self) -> u16 {
        self.votes.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |vote| vote.0)
    }

    /// Confidence, smoothed over recent sights, 0..=1.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.confidence
    }

    /// Filtered box.
    #[must_use]
    pub fn bbox(&self) -> BBox {
        self.bbox
    }

    /// Whether a detection of this frame belongs to it.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.unseen.is_zero()
    }

    /// For how long, observed, no detection belonged to it.
    #[must_use]
    pub fn unseen(&self) -> Duration {
        self.unseen
    }

    /// For how long, observed, it has not moved; half of the time before its first sight included.
    #[must_use]
    pub fn stationary(&self) -> Duration {
        self.before_seen + self.stationary
    }

    /// Speed in its own sizes per second.
    #[must_use]
    pub fn relative_speed(&self) -> f32 {
        self.filter.relative_speed()
    }

    fn see(&mut self, detection: &Detection) {
        self.filter.correct(&detection.bbox);
        self.bbox = self.filter.bbox();
        self.seen_at = self.bbox;
        self.confidence += 0.2 * (detection.confidence - self.confidence);
        match self.votes.iter_mut().find(|vote| vote.0 == detection.class) {
            Some(vote) => vote.1 += detection.confidence,
            None => self.votes.push((detection.class, detection.confidence)),
        }
        // What passed while it was hidden counts, since it is found where it stood.
        self.unseen = Duration::ZERO;
        if self.bbox.iou(&self.place) < SAME_PLACE_IOU {
            self.place = self.bbox;
            (self.stationary, self.before_seen) = (Duration::ZERO, Duration::ZERO);
        }
    }

    /// Overlap of a detection with where it should be by now; of what was missed before, also with where it was last: it may have
    /// stopped, or never moved, where a part of it was seen and then all of it.
    fn overlap(&self, detection: &Detection) -> f32 {
        let ahead = self.bbox.iou(&detection.bbox);
        if self.was_missed { ahead.max(self.seen_at.iou(&detection.bbox)) } else { ahead }
    }

    /// Whether it has been at its place for long enough to be looked for there.
    fn stands(&self) -> bool {
        self.stationary >= STANDING
    }

    fn is_expired(&self) -> bool {
        self.unseen > if self.stands() { LOST_STANDING } else { LOST_MOVING }
    }
}

/// A confidence by day and by night, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByLight {
    /// By day.
    pub day: f32,
    /// By night.
    pub night: f32,
}

/// Confidence from which a detection may start a track, by its class and the light. Fainter ones continue tracks whatever their class.
#[derive(Debug, Clone, PartialEq)]
pub struct StartConfidence {
    general: ByLight,
    of_class: BTreeMap<u16, ByLight>,
}

impl StartConfidence {
    /// The general one, and those of classes that have their own.
    #[must_use]
    pub fn new(general: ByLight, of_class: BTreeMap<u16, ByLight>) -> Self {
        Self { general, of_class }
    }

    /// The same for all classes by any light.
    #[must_use]
    pub fn same(confidence: f32) -> Self {
        Self::new(ByLight { day: confidence, night: confidence }, BTreeMap::new())
    }

    fn of(&self, class: u16, light: Light) -> f32 {
        let ByLight { day, night } = *self.of_class.get(&class).unwrap_or(&self.general);
        match light {
            Light::Day => day,
            Light::Night => night,
        }
    }
}

/// Follows the objects of one camera.
#[derive(Debug)]
pub struct Tracker {
    /// Association group of each class: classes of one group may be the same object.
    groups: Vec<u16>,
    start_confidence: StartConfidence,
    light: Light,
    tracks: Vec<Track>,
    next_id: u64,
    last: Option<FrameStamp>,
    faint: usize,
}

impl Tracker {
    /// `groups[class]` is the association group of a class; objects are only matched within a group.
    /// `start_confidence` is what a detection must have to start a track.
    #[must_use]
    pub fn new(groups: Vec<u16>, start_confidence: StartConfidence) -> Self {
        Self { groups, start_confidence, light: Light::default(), tracks: Vec::new(), next_id: 0, last: None, faint: 0 }
    }

    /// Frames are seen by this light from here on; by day at the beginning. What is followed already is followed on.
    pub fn see_by(&mut self, light: Light) {
        self.light = light;
    }

    /// Takes in the detections of one frame (best first) and returns all tracks, seen or looked for.
    pub fn update(&mut self, stamp: &FrameStamp, detections: &[Detection]) -> &[Track] {
        let observed = self.last.and_then(|last| stamp.observed_since(&last));
        self.last = Some(*stamp);
        self.advance(observed);
        let detections = self.one_per_object(detections);
        let (high, low): (Vec<_>, Vec<_>) = detections.into_iter().partition(|d| d.confidence >= HIGH_CONFIDENCE);
        let mut seen = vec![false; self.tracks.len()];
        let mut unmatched = self.associate(&high, &mut seen);
        unmatched.extend(self.associate(&low, &mut seen));
        self.tracks.retain(|track| !track.is_expired());
        self.faint = 0;
        for detection in unmatched {
            if detection.confidence < self.start_confidence.of(detection.class, self.light) {
                self.faint += 1;
            } else if self.tracks.len() < MAX_TRACKS {
                let id = TrackId(self.next_id);
                self.next_id += 1;
                let group = self.group(detection.class);
                self.tracks.push(Track::start(id, group, &detection, observed.unwrap_or_default()));
            }
        }
        &self.tracks
    }

    /// Detections of the last frame that belong to no track and were too faint to begin one.
    #[must_use]
    pub fn faint(&self) -> usize {
        self.faint
    }

    /// All tracks as of the last frame, seen or looked for.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Nothing is observed from here to the next frame: no time counts, and nothing moves.
    pub fn pause(&mut self) {
        self.last = None;
    }

    fn group(&self, class: u16) -> u16 {
        self.groups.get(usize::from(class)).copied().unwrap_or(class)
    }

    /// Moves all tracks to this frame. Across an interruption nothing was observed: nothing moves and no time counts.
    fn advance(&mut self, observed: Option<Duration>) {
        for track in &mut self.tracks {
            track.was_missed = !track.is_seen();
            if track.was_missed {
                track.filter.stop_growing();
            }
            match observed {
                Some(observed) => {
                    if track.stands() {
                        // It has no motion to go on with: what looks like one is a box that flickers, and two seconds of it are a
                        // place far off.
                        track.filter.stop();
                    }
                    track.filter.predict(observed.as_secs_f32());
                    track.bbox = track.filter.bbox();
                    track.unseen += observed;
                    track.stationary += observed;
                }
                None => track.filter.stop(),
            }
        }
    }

    /// Drops the less sure of two detections that are one object seen as two classes of a group.
    fn one_per_object(&self, detections: &[Detection]) -> Vec<Detection> {
        let mut kept: Vec<Detection> = Vec::with_capacity(detections.len());
        for detection in detections {
            let group = self.group(detection.class);
            let is_repeat =
                kept.iter().any(|k| self.group(k.class) == group && k.bbox.iou(&detection.bbox) > SAME_OBJECT_IOU);
            if !is_repeat {
                kept.push(*detection);
            }
        }
        kept
    }

    /// Matches detections with tracks not yet `seen`; returns those left over.
    fn associate(&mut self, detections: &[Detection], seen: &mut [bool]) -> Vec<Detection> {
        let open: Vec<usize> = (0..self.tracks.len()).filter(|&index| !seen[index]).collect();
        let pairs = assign::best_pairs(open.len(), detections.len(), MATCH_IOU, |row, column| {
            let (track, detection) = (&self.tracks[open[row]], &detections[column]);
            if track.group == self.group(detection.class) { track.overlap(detection) } else { 0.0 }
        });
        let mut taken = vec![false; detections.len()];
        for (row, column) in pairs {
            taken[column] = true;
            seen[open[row]] = true;
            self.tracks[open[row]].see(&detections[column]);
        }
        detections.iter().zip(taken).filter(|(_, taken)| !taken).map(|(detection, _)| *detection).collect()
    }
}

#[cfg(test)]
mod tests;
