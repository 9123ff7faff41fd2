//! Tracks and static objects → facts: which things stand in which zone, for how long, attended or not.
//!
//! In: the tracks of one frame, and the [static objects](Statics) of its picture. Out: [`Sighting`]s of one [`Watch`], which keeps nothing
//! between frames. Knows neither MQTT nor a clock.

mod heights;
mod passed_over;
mod statics;

#[cfg(test)]
pub(crate) use heights::tests::of_a_street;
pub use heights::{HeightLearner, PersonHeights};
pub use passed_over::{Hindrance, PassedOver};
pub use statics::{MAX_OBJECTS, Mover, NOTICED_AFTER, StaticObject, Statics};

use crate::detect::{Detection, FAINT_CONFIDENCE};
use crate::geometry::{BBox, Point, Polygon};
use crate::ids::Name;
use crate::track::{Track, TrackId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a thing must have stood before it is a fact. Below it, a walker who pauses and a car that brakes would begin
/// incidents by the dozen.
pub const MIN_STATIONARY: Duration = Duration::from_secs(2);
/// An attendant moves slower than this, in his own heights per second; a passer-by walks at about one.
const ATTENDANT_MAX_SPEED: f32 = 0.35;
/// Reach of an attendant beyond the thing's edge, in his own heights.
const ATTENDANT_REACH: f32 = 0.5;
/// Share of the smaller box that lies in the other from which a tracked object explains a static one.
const EXPLAINED: f32 = 0.5;

/// Parts of one thing lie at most this share of the taller one's height apart.
const PART_REACH: f32 = 0.5;
/// Overlap from which a detection is what stands there, and below which something that stood there is missing: boxes of one thing
/// seconds apart differ more than those of two frames in a row.
const SAME_THING_IOU: f32 = 0.45;
const STILL_THERE_IOU: f32 = 0.20;
/// How long a thing of a group counts after it was last seen: of many things a detector misses one or another in nearly every frame.
const GROUP_MEMORY: Duration = Duration::from_secs(4);
/// What ends above half the height of the one who attends it hangs in the air: a parasol that is seen without its table.
const HANGS_ABOVE: f32 = 0.5;
/// How far a parasol's near rim is above its foot in the picture, in heights of a person: it hangs at two metres, and a metre nearer to
/// a camera that looks down on it.
const RIM_ABOVE: f32 = 0.8;
/// How far its top is above its foot, in heights of a person: it is some 2.3 m high.
const TOP_ABOVE: f32 = 1.35;
/// How far a foot that is reckoned may be from where it is, in heights of a person: 0.3 m.
const FOOT_ERROR: f32 = 0.17;
/// Most objects that a group is made of; a crowd of bicycles is told by its first.
const MAX_GROUP: usize = 32;

/// Whether someone must be within reach of a thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attended {
    /// Someone must be.
    Required,
    /// Nobody may be.
    Absent,
    /// It does not matter.
    #[default]
    Any,
}

/// What else must be near a thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Classes of it.
    pub classes: BTreeSet<u16>,
    /// Widest gap between the two boxes, in the thing's own width or height, whichever is greater.
    pub within: f32,
}

/// What a rule looks for, with every reference resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// Zones in which it applies, in order; the first that holds the anchor counts.
    pub zones: Vec<(Name, Polygon)>,
    /// Where it does not apply, though a zone holds the anchor.
    pub except: Vec<Polygon>,
    /// Classes that may be the thing.
    pub classes: BTreeSet<u16>,
    /// Classes of people, as attendants.
    pub person_classes: BTreeSet<u16>,
    /// Classes of what hangs over a thing: parasols.
    pub hanging_classes: BTreeSet<u16>,
    /// Smallest area of the thing, as a share of the frame.
    pub min_area: f32,
    /// Whether objects that stand above or beside each other are one thing: parasol, table and goods are one stall.
    pub is_composite: bool,
    /// Whether someone must be with the thing.
    pub attended: Attended,
    /// What else must be near it.
    pub near: Option<Near>,
    /// Things that must stand in one zone; from 2 on they are one sighting, a group.
    pub min_count: usize,
}

/// What a frame shows of the street.
#[derive(Debug, Clone, Copy)]
pub struct Street<'a> {
    /// What is followed.
    pub tracks: &'a [Track],
    /// What was put down and stays.
    pub statics: &'a [SeenObject],
    /// How tall people look where.
    pub heights: PersonHeights,
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
    /// Whether what is with it in this frame is what the rule asks for.
    pub is_as_asked: bool,
}

impl Sighting {
    /// The time that it has been there for before it became a fact, `observed` after the frame before.
    #[must_use]
    pub fn first_presence(&self, observed: Duration) -> Duration {
        let is_put_down = self.objects.iter().all(|object| object.track.is_of_place());
        let noticed_after = if is_put_down { NOTICED_AFTER } else { MIN_STATIONARY };
        self.stationary().min(noticed_after + observed)
    }

    /// For how long its longest-standing object has not moved.
    #[must_use]
    pub fn stationary(&self) -> Duration {
        self.objects.iter().map(|object| object.stationary).max().unwrap_or_default()
    }
}

impl Watch {
    /// The things of this watch in the street.
    #[must_use]
    pub fn sightings(&self, street: Street<'_>) -> Vec<Sighting> {
        self.sift(street, &mut |_| {})
    }

    /// As [`Self::sightings`]; what is of the watch's classes and no part of them is named with the reason.
    pub fn sift(&self, street: Street<'_>, passed_over: &mut dyn FnMut(PassedOver)) -> Vec<Sighting> {
        let mut things: Vec<Vec<SeenObject>> = Vec::new();
        for object in self.standing(street.tracks, street.statics, passed_over) {
            let same_thing = |thing: &&mut Vec<SeenObject>| {
                self.is_composite && thing.iter().any(|other| belong_together(&other.bbox, &object.bbox))
            };
            match things.iter_mut().find(same_thing) {
                Some(thing) => thing.push(object),
                None => things.push(vec![object]),
            }
        }
        let sightings = things.into_iter().filter_map(|objects| self.sighting(objects, street, passed_over)).collect();
        if self.is_group() { self.groups(sightings, passed_over) } else { sightings }
    }

    /// Whether its sightings are groups of things, of which a zone has one.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.min_count > 1
    }

    /// Whether it asks for anything to be with the thing, or not to be.
    #[must_use]
    pub fn asks_for_company(&self) -> bool {
        self.attended != Attended::Any || self.near.is_some()
    }

    /// The objects of its classes that stand; a static object that one of the others explains is not told twice.
    fn standing(
        &self,
        tracks: &[Track],
        statics: &[SeenObject],
        passed_over: &mut dyn FnMut(PassedOver),
    ) -> Vec<SeenObject> {
        let mut objects: Vec<SeenObject> = Vec::new();
        for track in tracks.iter().filter(|track| self.classes.contains(&track.class())) {
            let (class, bbox, stationary) = (track.class(), track.bbox(), track.stationary());
            let is_remembered = self.is_group() && stationary >= MIN_STATIONARY && track.unseen() <= GROUP_MEMORY;
            if !track.is_seen() && !is_remembered {
                passed_over(PassedOver { class, bbox, why: Hindrance::OutOfSight });
            } else if stationary < MIN_STATIONARY {
                passed_over(PassedOver { class, bbox, why: Hindrance::Moves(stationary) });
            } else {
                objects.push(SeenObject { track: track.id(), class, confidence: track.confidence(), bbox, stationary });
            }
        }
        let tracked = objects.len();
        for object in statics.iter().filter(|object| self.classes.contains(&object.class)) {
            let explains = |other: &SeenObject| {
                let smaller = other.bbox.area().min(object.bbox.area());
                other.bbox.intersection(&object.bbox) >= EXPLAINED * smaller
            };
            if objects[..tracked].iter().any(explains) {
                passed_over(PassedOver { class: object.class, bbox: object.bbox, why: Hindrance::Explained });
            } else {
                objects.push(*object);
            }
        }
        objects
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

    /// Whether something stands in a zone as the rule asks: attended, near something.
    #[must_use]
    pub fn holds_as_asked(&self, street: Street<'_>) -> bool {
        self.sightings(street).iter().any(|sighting| sighting.is_as_asked)
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

    /// Whether someone, or what the rule asks for beside the thing, is in a zone or at its edge.
    #[must_use]
    pub fn shows_company(&self, detections: &[Detection]) -> bool {
        let is_asked = |class: &u16| {
            (self.attended == Attended::Required && self.person_classes.contains(class))
                || self.near.as_ref().is_some_and(|near| near.classes.contains(class))
        };
        detections.iter().any(|seen| is_asked(&seen.class) && self.is_near(&seen.bbox))
    }

    /// Whether a thing with this box, or one of which it is a part, may stand in a zone.
    fn is_near(&self, bbox: &BBox) -> bool {
        let reach = if self.is_composite { PART_REACH * bbox.height() } else { 0.0 };
        let foot = bbox.bottom_center();
        let edges = [bbox.left(), foot.x, bbox.right()].map(|x| Point { x, y: bbox.bottom() });
        let below = Point { y: (foot.y + reach).min(1.0), ..foot };
        edges.into_iter().chain([bbox.center(), below]).any(|point| self.zone_of(point).is_some())
    }

    fn sighting(
        &self,
        objects: Vec<SeenObject>,
        street: Street<'_>,
        passed_over: &mut dyn FnMut(PassedOver),
    ) -> Option<Sighting> {
        let bbox = objects.iter().map(|object| object.bbox).reduce(|a, b| a.union(&b))?;
        let is_person = |track: &&Track| self.person_classes.contains(&track.class());
        let attendants = || street.tracks.iter().filter(is_person).filter(|person| attends(person, &bbox));
        let foot = self.foot(&objects, &bbox, street.heights, attendants());
        let hindrance = match self.zone_under(foot) {
            None if self.is_excepted(foot.at) => Err(Hindrance::Excepted),
            None => Err(Hindrance::OutsideZones),
            Some(_) if bbox.area() < self.min_area => Err(Hindrance::TooSmall(bbox.area())),
            Some(zone) => Ok(zone.clone()),
        };
        let zone = hindrance.map_err(|why| passed_over(PassedOver { class: objects[0].class, bbox, why })).ok()?;
        let is_attended = attendants().next().is_some();
        let is_attended_as_asked = match self.attended {
            Attended::Required => is_attended,
            Attended::Absent => !is_attended,
            Attended::Any => true,
        };
        let is_own = |track: &Track| objects.iter().any(|object| object.track == track.id());
        let is_near = self.near.as_ref().is_none_or(|near| {
            street.tracks.iter().any(|track| track.is_seen() && !is_own(track) && near.holds(&bbox, track))
        });
        Some(Sighting { zone, bbox, objects, is_attended, is_as_asked: is_attended_as_asked && is_near })
    }

    /// The place on the ground that counts: the middle of the lower edge; of a parasol alone, as far below its top as parasols are high, since
    /// its box ends anywhere between its rim and the ground. How tall people look there tells how far that is. While that is not known, who
    /// has stood by it longest tells whether it hangs and how far above the ground; others who are near may stand anywhere behind.
    fn foot<'t>(
        &self,
        objects: &[SeenObject],
        bbox: &BBox,
        heights: PersonHeights,
        attendants: impl Iterator<Item = &'t Track>,
    ) -> Foot {
        let end = Foot { at: bbox.bottom_center(), error: 0.0 };
        if !self.is_composite || !objects.iter().all(|object| self.hanging_classes.contains(&object.class)) {
            return end;
        }
        let reckoned = |y: f32, height: f32| Foot { at: Point { y: y.min(1.0), ..end.at }, error: FOOT_ERROR * height };
        if let Some((foot, height)) = heights.below(bbox.top(), TOP_ABOVE) {
            return reckoned(foot.max(end.at.y), height);
        }
        let Some(attendant) = attendants.max_by_key(|person| person.stationary()) else { return end };
        let (ground, height) = (attendant.bbox().bottom(), attendant.bbox().height());
        let hangs = ground - end.at.y >= HANGS_ABOVE * height;
        if hangs { reckoned(end.at.y + RIM_ABOVE * height, height) } else { end }
    }

    /// One sighting per zone in which enough things stand as asked.
    fn groups(&self, sightings: Vec<Sighting>, passed_over: &mut dyn FnMut(PassedOver)) -> Vec<Sighting> {
        let because =
            |sighting: &Sighting, why| PassedOver { class: sighting.objects[0].class, bbox: sighting.bbox, why };
        let mut by_zone: BTreeMap<Name, Vec<Sighting>> = BTreeMap::new();
        for sighting in sightings {
            if sighting.is_as_asked {
                by_zone.entry(sighting.zone.clone()).or_default().push(sighting);
            } else {
                passed_over(because(&sighting, Hindrance::NotAsAsked));
            }
        }
        let mut group = |(zone, things): (Name, Vec<Sighting>)| {
            if things.len() < self.min_count {
                for thing in &things {
                    passed_over(because(thing, Hindrance::TooFew(things.len())));
                }
                return None;
            }
            let bbox = things.iter().map(|thing| thing.bbox).reduce(|a, b| a.union(&b))?;
            let is_attended = things.iter().any(|thing| thing.is_attended);
            let objects = things.into_iter().flat_map(|thing| thing.objects).take(MAX_GROUP).collect();
            Some(Sighting { zone, bbox, objects, is_attended, is_as_asked: true })
        };
        by_zone.into_iter().filter_map(&mut group).collect()
    }

    fn is_excepted(&self, anchor: Point) -> bool {
        self.except.iter().any(|polygon| polygon.contains(anchor))
    }

    /// The zone that holds a foot, wherever within its error it is.
    fn zone_under(&self, foot: Foot) -> Option<&Name> {
        let zone = self.zone_of(foot.at)?;
        let ends = [foot.at.y - foot.error, (foot.at.y + foot.error).min(1.0)];
        ends.iter().all(|&y| self.zone_of(Point { y, ..foot.at }) == Some(zone)).then_some(zone)
    }

    fn zone_of(&self, anchor: Point) -> Option<&Name> {
        if self.is_excepted(anchor) {
            return None;
        }
        self.zones.iter().find(|(_, polygon)| polygon.contains(anchor)).map(|(name, _)| name)
    }
}

/// Where a thing stands.
#[derive(Debug, Clone, Copy)]
struct Foot {
    at: Point,
    /// How far above or below it may be.
    error: f32,
}

impl Near {
    fn holds(&self, thing: &BBox, other: &Track) -> bool {
        let other_box = other.bbox();
        let gap_x = (thing.left().max(other_box.left()) - thing.right().min(other_box.right())).max(0.0);
        let gap_y = (thing.top().max(other_box.top()) - thing.bottom().min(other_box.bottom())).max(0.0);
        let reach = self.within * thing.width().max(thing.height());
        self.classes.contains(&other.class()) && gap_x <= reach && gap_y <= reach
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
    use crate::detect::Detection;
    use crate::frame::FrameStamp;
    use crate::track::{StartConfidence, Tracker};

    const PERSON: u16 = 0;
    const UMBRELLA: u16 = 1;
    const TABLE: u16 = 2;

    fn watch() -> Watch {
        let polygon = Polygon::try_new(&[[0.2, 0.4], [0.8, 0.4], [0.8, 0.9], [0.2, 0.9]]).unwrap();
        Watch {
            zones: vec![(Name::try_new("road").unwrap(), polygon)],
            except: vec![],
            classes: [UMBRELLA, TABLE].into(),
            person_classes: [PERSON].into(),
            hanging_classes: [UMBRELLA].into(),
            min_area: 0.0,
            is_composite: true,
            attended: Attended::Required,
            near: None,
            min_count: 1,
        }
    }

    /// A street of which nothing was learned yet.
    fn street<'a>(tracks: &'a [Track], statics: &'a [SeenObject]) -> Street<'a> {
        Street { tracks, statics, heights: PersonHeights::default() }
    }

    fn seen(class: u16, l: f32, t: f32, r: f32, b: f32) -> Detection {
        Detection { class, confidence: 0.8, bbox: BBox::try_new(l, t, r, b).unwrap() }
    }

    /// The sightings after `secs` seconds in which `scene(second)` is seen, a frame per half second.
    fn after(secs: u32, scene: impl Fn(f32) -> Vec<Detection>) -> Vec<Sighting> {
        seen_by(&watch(), secs, scene)
    }

    fn seen_by(watch: &Watch, secs: u32, scene: impl Fn(f32) -> Vec<Detection>) -> Vec<Sighting> {
        let mut tracker = Tracker::new(vec![0, 1, 2], StartConfidence::same(0.3));
        let mut last = Vec::new();
        for step in 0..=2 * secs {
            let secs = f64::from(step) / 2.0;
            last = watch.sightings(street(tracker.update(&FrameStamp::at_secs(secs, 0), &scene(secs as f32)), &[]));
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
        let awaits = |l: f32, secs: u32| {
            let mut tracker = Tracker::new(vec![0, 1, 2], StartConfidence::same(0.3));
            let mut awaits = false;
            for step in 0..=2 * secs {
                let stamp = FrameStamp::at_secs(f64::from(step) / 2.0, 0);
                awaits = watch().awaits(tracker.update(&stamp, &[seen(UMBRELLA, l, 0.5, l + 0.1, 0.6)]));
            }
            awaits
        };
        assert!(awaits(0.4, 1));
        assert!(!awaits(0.4, 3), "it stands");
        assert!(!awaits(0.0, 1), "it is outside the zone");
    }

    #[test]
    fn a_static_object_is_a_fact_unless_a_tracked_one_of_the_rule_explains_it() {
        const STATIC: u16 = 3;
        let watch = Watch { classes: [UMBRELLA, TABLE, STATIC].into(), ..watch() };
        let crates = SeenObject {
            track: TrackId::of_place(1),
            class: STATIC,
            confidence: 0.9,
            bbox: BBox::try_new(0.42, 0.35, 0.6, 0.6).unwrap(),
            stationary: Duration::from_mins(10),
        };
        let alone = watch.sightings(street(&[], &[crates]));
        assert_eq!((alone.len(), alone[0].objects[0].class), (1, STATIC));
        assert_eq!(alone[0].first_presence(Duration::from_secs(1)), NOTICED_AFTER + Duration::from_secs(1));
        let mut tracker = Tracker::new(vec![0, 1, 2], StartConfidence::same(0.3));
        for step in 0..=6u32 {
            tracker.update(&FrameStamp::at_secs(f64::from(step) / 2.0, 0), &[seen(UMBRELLA, 0.4, 0.3, 0.6, 0.45)]);
        }
        let explained = watch.sightings(street(tracker.tracks(), &[crates]));
        assert_eq!((explained.len(), explained[0].objects.len(), explained[0].objects[0].class), (1, 1, UMBRELLA));
        let of_stalls_alone = Watch { classes: [UMBRELLA].into(), ..watch.clone() };
        assert_eq!(of_stalls_alone.sightings(street(&[], &[crates])), []);
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

    #[test]
    fn a_permitted_place_within_a_zone_is_not_of_it() {
        let except = Polygon::try_new(&[[0.2, 0.4], [0.5, 0.4], [0.5, 0.9], [0.2, 0.9]]).unwrap();
        let watch = Watch { except: vec![except], ..watch() };
        assert_eq!(seen_by(&watch, 5, |_| vec![seen(TABLE, 0.3, 0.5, 0.4, 0.6)]), []);
        assert_eq!(seen_by(&watch, 5, |_| vec![seen(TABLE, 0.6, 0.5, 0.7, 0.6)]).len(), 1);
    }

    #[test]
    fn a_thing_must_be_attended_or_not_as_the_rule_asks() {
        let table = seen(TABLE, 0.4, 0.5, 0.5, 0.6);
        let alone = move |_: f32| vec![table];
        let with_vendor = move |_: f32| vec![table, seen(PERSON, 0.51, 0.4, 0.56, 0.62)];
        for (attended, when_alone, when_attended) in
            [(Attended::Required, false, true), (Attended::Absent, true, false), (Attended::Any, true, true)]
        {
            let watch = Watch { attended, ..watch() };
            assert_eq!(seen_by(&watch, 5, alone)[0].is_as_asked, when_alone, "{attended:?}");
            assert_eq!(seen_by(&watch, 5, with_vendor)[0].is_as_asked, when_attended, "{attended:?}");
        }
    }

    #[test]
    fn what_must_be_near_is_measured_in_sizes_of_the_thing() {
        let near = Near { classes: [UMBRELLA].into(), within: 1.0 };
        let watch = Watch { classes: [TABLE].into(), attended: Attended::Any, near: Some(near), ..watch() };
        let with_parasol = |left: f32| {
            seen_by(&watch, 5, move |_| {
                vec![seen(TABLE, 0.4, 0.5, 0.5, 0.6), seen(UMBRELLA, left, 0.5, left + 0.05, 0.6)]
            })
        };
        assert!(with_parasol(0.59)[0].is_as_asked);
        assert!(!with_parasol(0.62)[0].is_as_asked);
    }

    #[test]
    fn a_parasol_without_its_table_stands_below_its_rim_wherever_its_attendant_does() {
        // The road ends at 0.9.
        let stall = |rim: f32, feet: f32| {
            after(5, move |_| vec![seen(UMBRELLA, 0.4, 0.4, 0.6, rim), seen(PERSON, 0.6, feet - 0.3, 0.7, feet)])
        };
        let from_the_kerb = stall(0.6, 0.95);
        assert!(from_the_kerb.len() == 1 && from_the_kerb[0].is_as_asked, "he stands on the kerb, it on the road");
        assert_eq!(stall(0.7, 0.88), [], "he stands on the road, it beyond");
        let with_somebody_behind = after(5, |secs| {
            let mut seen_now = vec![seen(UMBRELLA, 0.4, 0.4, 0.6, 0.7), seen(PERSON, 0.6, 0.58, 0.7, 0.88)];
            seen_now.extend((secs > 2.0).then(|| seen(PERSON, 0.45, 0.42, 0.55, 0.72)));
            seen_now
        });
        assert_eq!(with_somebody_behind, [], "who stops behind it later says nothing of it");
    }

    #[test]
    fn a_parasol_stands_where_the_height_of_people_tells_whoever_attends_it() {
        // The road ends at 0.9. People look as tall as half of their feet's distance from 0.1.
        let heights = of_a_street();
        let stands = |top: f32, rim: f32| {
            let mut tracker = Tracker::new(vec![0, 1, 2], StartConfidence::same(0.3));
            let parasol = seen(UMBRELLA, 0.4, top, 0.6, rim);
            for step in 0..=10u32 {
                tracker.update(&FrameStamp::at_secs(f64::from(step) / 2.0, 0), &[parasol]);
            }
            !watch().sightings(Street { tracks: tracker.tracks(), statics: &[], heights }).is_empty()
        };
        // foot = top + 1.35 (foot - 0.1) / 2.
        assert!(stands(0.27, 0.4), "its foot is at 0.62");
        assert!(stands(0.27, 0.6), "wherever its box ends");
        assert!(!stands(0.4, 0.5), "its foot is at 1.02");
        assert!(!stands(0.34, 0.45), "at 0.84, or beyond the road: it is not that sure");
        assert!(stands(0.22, 0.27), "at 0.47, on the road, though its rim is not");
    }

    #[test]
    fn from_two_on_things_of_a_zone_are_one_group() {
        let watch = Watch { min_count: 3, attended: Attended::Any, ..watch() };
        let row = |count: u8| {
            seen_by(&watch, 5, move |_| {
                (0..count).map(|i| 0.21 + 0.1 * f32::from(i)).map(|l| seen(TABLE, l, 0.5, l + 0.05, 0.6)).collect()
            })
        };
        assert_eq!(row(2), []);
        let group = row(4);
        assert_eq!((group.len(), group[0].objects.len()), (1, 4));
        assert!((group[0].bbox.width() - 0.35).abs() < 0.01);
        // One of three is missed in every frame, another each time.
        let flickering = seen_by(&watch, 10, |secs| {
            let missed = (2.0 * secs) as u8 % 3;
            let seen_now = (0..3).filter(|i| secs < 4.0 || *i != missed);
            seen_now.map(|i| 0.21 + 0.1 * f32::from(i)).map(|l| seen(TABLE, l, 0.5, l + 0.05, 0.6)).collect()
        });
        assert_eq!(flickering.len(), 1);
    }
}
