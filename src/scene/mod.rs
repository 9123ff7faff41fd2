//! Tracks → facts: which things stand in which zone, for how long, attended or not.
//!
//! In: the tracks of one frame. Out: [`Sighting`]s of one [`Watch`]. Knows neither MQTT nor a clock; keeps nothing between
//! frames.

use crate::detect::{Detection, FAINT_CONFIDENCE};
use crate::geometry::{BBox, Point, Polygon};
use crate::ids::Name;
use crate::track::{Track, TrackId};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a thing must have stood before it is a fact. Below it, a walker who pauses and a car that brakes would begin
/// incidents by the dozen.
pub const MIN_STATIONARY: Duration = Duration::from_secs(2);
/// An attendant moves slower than this, in his own heights per second; a passer-by walks at about one.
const ATTENDANT_MAX_SPEED: f32 = 0.35;
/// Reach of an attendant beyond the thing's edge, in his own heights.
const ATTENDANT_REACH: f32 = 0.5;

/// Parts of one thing lie at most this share of the taller one's height apart.
const PART_REACH: f32 = 0.5;
/// Overlap from which a detection is what stands there, and below which something that stood there is missing: boxes of one thing
/// seconds apart differ more than those of two frames in a row.
const SAME_THING_IOU: f32 = 0.45;
const STILL_THERE_IOU: f32 = 0.20;

/// What a rule looks for, with every reference resolved.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Zones in which it applies, in order; the first that holds the anchor counts.
    pub zones: Vec<(Name, Polygon)>,
    /// Classes that may be the thing.
    pub classes: BTreeSet<u16>,
    /// Classes of people, as attendants.
    pub person_classes: BTreeSet<u16>,
    /// Smallest area of the thing, as a share of the frame.
    pub min_area: f32,
    /// Whether objects that stand above or beside each other are one thing: parasol, table and goods are one stall.
    pub is_composite: bool,
}

/// One object of a sighting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenObject {
    /// Its track.
    pub track: TrackId,
    /// Its class.
    pub class: u16,
    /// Smoothed confidence, 0..=1.
    pub confidence: f32,
    /// Where it stands.
    pub bbox: BBox,
    /// For how long, observed.
    pub stationary: Duration,
}

/// A thing that stands in a zone, in this frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The zone that holds its anchor.
    pub zone: Name,
    /// The smallest box around its objects.
    pub bbox: BBox,
    /// Its objects, at least one.
    pub objects: Vec<SeenObject>,
    /// Whether a person stays within reach in this frame.
    pub is_attended: bool,
}

impl Sighting {
    /// For how long its longest-standing object has not moved.
    #[must_use]
    pub fn stationary(&self) -> Duration {
        self.objects.iter().map(|object| object.stationary).max().unwrap_or_default()
    }
}

impl Watch {
    /// The things of this watch among the tracks of one frame.
    #[must_use]
    pub fn sightings(&self, tracks: &[Track]) -> Vec<Sighting> {
        let standing = tracks.iter().filter(|track| {
            track.is_seen() && track.stationary() >= MIN_STATIONARY && self.classes.contains(&track.class())
        });
        let mut things: Vec<Vec<SeenObject>> = Vec::new();
        for track in standing {
            let object = SeenObject {
                track: track.id(),
                class: track.class(),
                confidence: track.confidence(),
                bbox: track.bbox(),
                stationary: track.stationary(),
            };
            let same_thing = |thing: &&mut Vec<SeenObject>| {
                self.is_composite && thing.iter().any(|other| belong_together(&other.bbox, &object.bbox))
            };
            match things.iter_mut().find(same_thing) {
                Some(thing) => thing.push(object),
                None => things.push(vec![object]),
            }
        }
        let people: Vec<&Track> = tracks.iter().filter(|track| self.person_classes.contains(&track.class())).collect();
        things.into_iter().filter_map(|objects| self.sighting(objects, &people)).collect()
    }

    /// Whether something that would be a sighting once it stood is in a zone.
    #[must_use]
    pub fn awaits(&self, tracks: &[Track]) -> bool {
        tracks.iter().any(|track| {
            track.is_seen()
                && track.stationary() < MIN_STATIONARY
                && self.classes.contains(&track.class())
                && self.zone_of(track.bbox().bottom_center()).is_some()
                && (self.is_composite || track.bbox().area() >= self.min_area)
        })
    }

    /// Whether something stands in a zone that someone attends.
    #[must_use]
    pub fn is_attended(&self, tracks: &[Track]) -> bool {
        self.sightings(tracks).iter().any(|sighting| sighting.is_attended)
    }

    /// Whether detections show something else than `tracks` have standing there: a thing, even a faint one, in a zone or at its edge
    /// that does not stand there yet, or none where one stood in a zone a moment ago.
    #[must_use]
    pub fn has_changed(&self, tracks: &[Track], detections: &[Detection]) -> bool {
        let detections = || detections.iter().filter(|seen| seen.confidence >= FAINT_CONFIDENCE);
        let standing = || tracks.iter().filter(|track| track.stationary() >= MIN_STATIONARY);
        let is_new = |seen: &Detection| {
            self.classes.contains(&seen.class)
                && self.is_near(&seen.bbox)
                && !standing().any(|track| track.bbox().iou(&seen.bbox) >= SAME_THING_IOU)
        };
        let is_missing = |track: &Track| {
            track.is_seen()
                && self.classes.contains(&track.class())
                && self.zone_of(track.bbox().bottom_center()).is_some()
                && !detections().any(|seen| seen.bbox.iou(&track.bbox()) >= STILL_THERE_IOU)
        };
        detections().any(is_new) || standing().any(is_missing)
    }

    /// Whether someone is in a zone or at its edge.
    #[must_use]
    pub fn shows_person(&self, detections: &[Detection]) -> bool {
        detections.iter().any(|seen| self.person_classes.contains(&seen.class) && self.is_near(&seen.bbox))
    }

    /// Whether a thing with this box, or one of which it is a part, may stand in a zone.
    fn is_near(&self, bbox: &BBox) -> bool {
        let reach = if self.is_composite { PART_REACH * bbox.height() } else { 0.0 };
        let foot = bbox.bottom_center();
        let edges = [bbox.left(), foot.x, bbox.right()].map(|x| Point { x, y: bbox.bottom() });
        let below = Point { y: (foot.y + reach).min(1.0), ..foot };
        edges.into_iter().chain([bbox.center(), below]).any(|point| self.zone_of(point).is_some())
    }

    fn sighting(&self, objects: Vec<SeenObject>, people: &[&Track]) -> Option<Sighting> {
        let bbox = objects.iter().map(|object| object.bbox).reduce(|a, b| a.union(&b))?;
        let zone = self.zone_of(bbox.bottom_center())?.clone();
        let is_attended = people.iter().any(|person| attends(person, &bbox));
        (bbox.area() >= self.min_area).then_some(Sighting { zone, bbox, objects, is_attended })
    }

    fn zone_of(&self, anchor: Point) -> Option<&Name> {
        self.zones.iter().find(|(_, polygon)| polygon.contains(anchor)).map(|(name, _)| name)
    }
}

/// Whether two boxes are parts of one stall: most of the narrower one's width lies under or over the other, and the
/// gap between them is less than half the taller one's height. Two stalls side by side share no width.
fn belong_together(a: &BBox, b: &BBox) -> bool {
    let shared_width = a.right().min(b.right()) - a.left().max(b.left());
    let gap = a.top().max(b.top()) - a.bottom().min(b.bottom());
    shared_width >= 0.5 * a.width().min(b.width()) && gap <= PART_REACH * a.height().max(b.height())
}

/// Whether a person stays within reach of a thing: slow, and feet near its edge.
fn attends(person: &Track, thing: &BBox) -> bool {
    let (bbox, feet) = (person.bbox(), person.bbox().bottom_center());
    let reach = ATTENDANT_REACH * bbox.height();
    let beside = feet.x >= thing.left() - reach && feet.x <= thing.right() + reach;
    // Standing in front of or behind the thing: the box of a parasol alone ends above the feet of who stands under it.
    let level = feet.y >= thing.top() && feet.y <= thing.bottom() + bbox.height() + reach;
    person.relative_speed() <= ATTENDANT_MAX_SPEED && beside && level
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockQuality, MediaTime, Mono};
    use crate::detect::Detection;
    use crate::frame::FrameStamp;
    use crate::track::Tracker;

    const PERSON: u16 = 0;
    const UMBRELLA: u16 = 1;
    const TABLE: u16 = 2;

    fn watch() -> Watch {
        let polygon = Polygon::try_new(&[[0.2, 0.4], [0.8, 0.4], [0.8, 0.9], [0.2, 0.9]]).unwrap();
        Watch {
            zones: vec![(Name::try_new("road").unwrap(), polygon)],
            classes: [UMBRELLA, TABLE].into(),
            person_classes: [PERSON].into(),
            min_area: 0.0,
            is_composite: true,
        }
    }

    fn seen(class: u16, l: f32, t: f32, r: f32, b: f32) -> Detection {
        Detection { class, confidence: 0.8, bbox: BBox::try_new(l, t, r, b).unwrap() }
    }

    /// The sightings after `secs` seconds in which `scene(second)` is seen, a frame per half second.
    fn after(secs: u32, scene: impl Fn(f32) -> Vec<Detection>) -> Vec<Sighting> {
        let mut tracker = Tracker::new(vec![0, 1, 2], 0.3);
        let mut last = Vec::new();
        for step in 0..=2 * secs {
            let time = Duration::from_millis(u64::from(step) * 500);
            let stamp = FrameStamp {
                media: MediaTime(time),
                mono: Mono(time),
                wall: jiff::Timestamp::UNIX_EPOCH,
                clock_quality: ClockQuality::Arrival,
                clock_offset: None,
                segment: 0,
            };
            last = watch().sightings(tracker.update(&stamp, &scene(time.as_secs_f32())));
        }
        last
    }

    #[test]
    fn parasol_and_table_are_one_stall_and_two_parasols_side_by_side_are_two() {
        let one = after(5, |_| vec![seen(UMBRELLA, 0.4, 0.3, 0.6, 0.45), seen(TABLE, 0.43, 0.48, 0.57, 0.6)]);
        assert_eq!((one.len(), one[0].objects.len()), (1, 2));
        let two = after(5, |_| vec![seen(UMBRELLA, 0.3, 0.3, 0.45, 0.45), seen(UMBRELLA, 0.47, 0.3, 0.62, 0.45)]);
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn the_anchor_decides_about_the_zone() {
        assert_eq!(after(5, |_| vec![seen(TABLE, 0.4, 0.2, 0.6, 0.41)]).len(), 1);
        assert_eq!(after(5, |_| vec![seen(TABLE, 0.4, 0.2, 0.6, 0.39)]).len(), 0, "a hand's breadth above the zone");
    }

    #[test]
    fn what_comes_into_a_zone_is_awaited_until_it_stands() {
        let awaits = |l: f32, secs: u64| {
            let mut tracker = Tracker::new(vec![0, 1, 2], 0.3);
            let mut awaits = false;
            for step in 0..=2 * secs {
                let time = Duration::from_millis(step * 500);
                let stamp = FrameStamp {
                    media: MediaTime(time),
                    mono: Mono(time),
                    wall: jiff::Timestamp::UNIX_EPOCH,
                    clock_quality: ClockQuality::Arrival,
                    clock_offset: None,
                    segment: 0,
                };
                awaits = watch().awaits(tracker.update(&stamp, &[seen(UMBRELLA, l, 0.5, l + 0.1, 0.6)]));
            }
            awaits
        };
        assert!(awaits(0.4, 1));
        assert!(!awaits(0.4, 3), "it stands");
        assert!(!awaits(0.0, 1), "it is outside the zone");
    }

    #[test]
    fn what_moves_is_not_a_fact() {
        let carried = |t: f32| vec![seen(UMBRELLA, 0.3 + 0.05 * t, 0.5, 0.4 + 0.05 * t, 0.6)];
        assert_eq!(after(5, carried).len(), 0);
    }

    #[test]
    fn a_vendor_attends_and_a_passer_by_does_not() {
        let parasol = seen(UMBRELLA, 0.4, 0.3, 0.6, 0.45);
        let standing = move |_: f32| vec![parasol, seen(PERSON, 0.61, 0.4, 0.66, 0.62)];
        assert!(after(5, standing)[0].is_attended);
        let walking = move |t: f32| vec![parasol, seen(PERSON, 0.3 + 0.05 * t, 0.4, 0.35 + 0.05 * t, 0.62)];
        assert!(!after(5, walking)[0].is_attended);
        let far_away = move |_: f32| vec![parasol, seen(PERSON, 0.9, 0.4, 0.95, 0.62)];
        assert!(!after(5, far_away)[0].is_attended);
    }
}
