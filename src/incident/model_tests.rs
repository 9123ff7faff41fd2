//! The course of incidents against a reference that is written naively: a list of what was seen at whole seconds, looked through anew
//! for every question.

use super::{ClosedReason, Course, Memory, Phase, Terms};
use crate::camera::ClassTable;
use crate::clock::MediaTime;
use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::ids::{IdSource, Name};
use crate::scene::{MIN_STATIONARY, SeenObject, Sighting};
use crate::track::{StartConfidence, Track, TrackId, Tracker};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const DWELL: u32 = 20;
const GAP: u32 = 5;
const CLEAR: u32 = 9;
const MERGE: u32 = 60;
/// Places far apart, so that no thing is taken for another.
const PLACES: [f32; 3] = [0.15, 0.5, 0.85];

/// One second of a street.
#[derive(Debug, Clone, Copy)]
enum Second {
    /// A frame that shows what is at each place.
    Frame([bool; PLACES.len()]),
    /// The stream is interrupted: nothing is observed between the frame before and the one after.
    Interruption,
    /// The agent restarts.
    Restart,
    /// The wall clock is set forward, or back.
    ClockStep(i16),
}

/// What the hub is told: at which place, whether it opened or closed, and whether it continues what was closed there last.
type Told = (usize, Phase, bool);

/// One thing at one place, as a person with a stop-watch would keep book of it.
#[derive(Debug, Clone, Default)]
struct Book {
    /// Seconds of presence noted so far; none if nothing is followed.
    present: Option<u32>,
    /// Seconds since it was last seen.
    missed: u32,
    is_open: bool,
    /// Whether it was found missing in a frame before this one.
    is_missed: bool,
    /// Wall second at which it was closed, until it is continued.
    closed: Option<i64>,
}

impl Book {
    /// A frame `observed` seconds after the last one (none if nothing is known of the time between).
    fn frame(&mut self, is_seen: bool, observed: Option<u32>, wall: i64) -> Option<(Phase, bool)> {
        if observed.is_none() && self.is_open {
            self.is_missed = false;
        }
        self.missed += observed.unwrap_or(0);
        if is_seen {
            return self.seen(observed, wall);
        }
        self.present?;
        if !self.is_open {
            if self.missed > GAP {
                *self = Self { closed: self.closed, ..Self::default() };
            }
            return None;
        }
        if self.is_missed && self.missed >= CLEAR {
            *self = Self { closed: Some(wall), ..Self::default() };
            return Some((Phase::Closed, false));
        }
        self.is_missed |= self.missed > GAP.min(CLEAR);
        None
    }

    fn seen(&mut self, observed: Option<u32>, wall: i64) -> Option<(Phase, bool)> {
        // It has stood for two seconds when it is first a fact, or as long as it was observed to stand.
        let first = MIN_STATIONARY.as_secs() as u32;
        // What was missed for too long while it was pending, and is seen in the same frame, has been found where it stood.
        let present = self.present.map_or(first.min(first + observed.unwrap_or(0)), |present| present + self.missed);
        (self.present, self.missed, self.is_missed) = (Some(present), 0, false);
        if self.is_open || present < DWELL {
            return None;
        }
        self.is_open = true;
        let continues = self.closed.is_some_and(|closed| (wall - closed).abs() <= i64::from(MERGE));
        if continues {
            self.closed = None;
        }
        Some((Phase::Opened, continues))
    }
}

/// The real course, with restarts from what it left behind.
struct Street {
    course: Course,
    memory: Memory,
    ids: IdSource,
    tracks: Vec<TrackId>,
    last: Option<FrameStamp>,
    media: u32,
    segment: u32,
    wall_step: i64,
}

impl Street {
    fn new() -> Self {
        Self {
            course: course(),
            memory: Memory::default(),
            ids: IdSource::from_seed(1),
            tracks: tracks(),
            last: None,
            media: 0,
            segment: 0,
            wall_step: 0,
        }
    }

    fn stamp(&self) -> FrameStamp {
        let stamp = FrameStamp::at_secs(f64::from(self.media), self.segment);
        let wall = stamp.wall + jiff::SignedDuration::from_secs(self.wall_step);
        FrameStamp { wall, media: MediaTime(Duration::from_secs(u64::from(self.media))), ..stamp }
    }

    fn restart(&mut self) {
        self.course = course();
        self.course.restore(&self.memory);
        self.last = None;
    }

    /// Seconds observed since the last frame.
    fn observed(&self) -> Option<u32> {
        self.last.and_then(|last| self.stamp().observed_since(&last)).map(|observed| observed.as_secs() as u32)
    }

    fn frame(&mut self, seen: [bool; PLACES.len()]) -> Vec<Told> {
        let stamp = self.stamp();
        let observed = self.last.and_then(|last| stamp.observed_since(&last));
        self.last = Some(stamp);
        let sightings: Vec<Sighting> =
            (0..PLACES.len()).filter(|place| seen[*place]).map(|place| sighting(place, self.tracks[place])).collect();
        let transitions = self.course.advance(&stamp, observed, &sightings, &mut self.ids);
        for memo in self.course.take_memos() {
            self.memory.take(&memo);
        }
        let told = transitions.iter().map(|transition| {
            let incident = &transition.incident;
            self.memory.note(incident);
            assert_eq!(incident.closed_reason, (transition.phase == Phase::Closed).then_some(ClosedReason::Gone));
            let x = incident.bbox.center().x;
            let place = PLACES.iter().position(|place| (place - x).abs() < 0.01).unwrap();
            (place, transition.phase, transition.phase == Phase::Opened && incident.continues.is_some())
        });
        let mut told: Vec<Told> = told.collect();
        told.sort_unstable_by_key(|(place, ..)| *place);
        told
    }
}

fn course() -> Course {
    let secs = |secs: u32| Duration::from_secs(u64::from(secs));
    let terms =
        Terms { dwell: secs(DWELL), gap: secs(GAP), clear: secs(CLEAR), merge: secs(MERGE), ..Terms::default() };
    let classes = ClassTable {
        names: vec!["van".to_owned()],
        association: vec![0],
        start_confidence: StartConfidence::same(0.3),
    };
    Course::new(Name::try_new("rule").unwrap(), terms, Arc::new(classes))
}

fn place(index: usize) -> BBox {
    BBox::try_from_center(PLACES[index], 0.5, 0.1, 0.1).unwrap()
}

/// A track for each place; only a tracker makes them.
fn tracks() -> Vec<TrackId> {
    let seen = |index| crate::detect::Detection { class: 0, confidence: 0.9, bbox: place(index) };
    let seen: Vec<_> = (0..PLACES.len()).map(seen).collect();
    Tracker::new(vec![0], StartConfidence::same(0.3))
        .update(&FrameStamp::at_secs(0.0, 0), &seen)
        .iter()
        .map(Track::id)
        .collect()
}

fn sighting(index: usize, track: TrackId) -> Sighting {
    let bbox = place(index);
    let object = SeenObject { track, class: 0, confidence: 0.8, bbox, stationary: MIN_STATIONARY };
    let zone = Name::try_new("zone").unwrap();
    Sighting { zone, bbox, objects: vec![object], is_attended: false, is_as_asked: true }
}

/// Runs of the same second, so that something stays long enough to be an incident.
fn seconds() -> impl Strategy<Value = Vec<Second>> {
    let second = prop_oneof![
        12 => any::<[bool; PLACES.len()]>().prop_map(Second::Frame),
        1 => Just(Second::Interruption),
        1 => Just(Second::Restart),
        1 => (-90i16..90).prop_map(Second::ClockStep),
    ];
    let run = (second, 1usize..30).prop_map(|(second, times)| match second {
        Second::Frame(_) => vec![second; times],
        Second::Interruption | Second::Restart | Second::ClockStep(_) => vec![second],
    });
    prop::collection::vec(run, 1..24).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_is_told_what_a_person_with_a_stop_watch_would_tell(seconds in seconds(), stride in 1u32..4) {
        let mut street = Street::new();
        let mut books: [Book; PLACES.len()] = Default::default();
        for second in seconds {
            match second {
                Second::Frame(seen) => {
                    street.media += stride;
                    let (observed, wall) = (street.observed(), street.stamp().wall.as_second());
                    let expected: Vec<Told> = books.iter_mut().enumerate().filter_map(|(place, book)| {
                        book.frame(seen[place], observed, wall).map(|(phase, continues)| (place, phase, continues))
                    }).collect();
                    prop_assert_eq!(street.frame(seen), expected, "at media second {}", street.media);
                    let open: usize = books.iter().filter(|book| book.is_open).count();
                    prop_assert_eq!(street.course.active().len(), open);
                }
                Second::Interruption => street.segment += 1,
                Second::Restart => {
                    street.restart();
                    // What is pending is not remembered; what is open is looked for as if it had just been seen.
                    for book in &mut books {
                        let present = book.present.filter(|_| book.is_open);
                        *book = Book { present, is_open: book.is_open, closed: book.closed, ..Book::default() };
                    }
                }
                Second::ClockStep(secs) => street.wall_step += i64::from(secs),
            }
        }
    }
}
