//! The engine of one camera: detections in, transitions of its incidents out.
//!
//! Synchronous and pure: no I/O, no clock, no lock, no async; a frame's stamp brings the time. Owns the camera's tracker and the
//! course of each of its rules.

use crate::config::{STATIC_CLASS, moves_by_itself};
use crate::detect::Detection;
use crate::frame::{Frame, FrameStamp};
use crate::ids::{IdSource, Name};
use crate::incident::{Course, Incident, Limits, Transition};
use crate::scene::{SeenObject, StaticObject, Statics, Watch};
use crate::track::{Track, Tracker};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The model's classes as the engine needs them.
#[derive(Debug, Clone)]
pub struct ClassTable {
    /// Name of each class, by index; after the model's own comes [`STATIC_CLASS`](crate::config::STATIC_CLASS).
    pub names: Vec<String>,
    /// Association group of each class: classes of one group may be the same object.
    pub association: Vec<u16>,
    /// Confidence from which a detection may start a track, 0..=1.
    pub start_confidence: f32,
}

/// One rule, ready to run.
#[derive(Debug, Clone)]
pub struct EngineRule {
    /// Its id.
    pub id: Name,
    /// What it looks for.
    pub watch: Watch,
    /// Its times.
    pub limits: Limits,
}

/// The ground on which things are put down.
#[derive(Debug)]
struct Ground {
    statics: Statics,
    /// Index of [`STATIC_CLASS`].
    class: u16,
    /// Classes of what moves by itself.
    movers: BTreeSet<u16>,
}

/// The engine of one camera.
#[derive(Debug)]
pub struct Engine {
    classes: Arc<ClassTable>,
    tracker: Tracker,
    /// None if no rule speaks of static objects.
    ground: Option<Ground>,
    rules: Vec<(Watch, Course)>,
    ids: IdSource,
    last: Option<FrameStamp>,
    is_paused: bool,
}

impl Engine {
    /// Begins with the incidents that were open when the agent last stopped; one whose rule no longer exists is returned.
    #[must_use]
    pub fn new(
        classes: Arc<ClassTable>,
        rules: Vec<EngineRule>,
        open: Vec<Incident>,
        ids: IdSource,
    ) -> (Self, Vec<Incident>) {
        let tracker = Tracker::new(classes.association.clone(), classes.start_confidence);
        let ground = Ground::of(&classes, &rules, &open);
        let mut rules: Vec<_> = rules.into_iter().map(|rule| (rule.watch, Course::new(rule.id, rule.limits))).collect();
        let mut orphans = Vec::new();
        for incident in open {
            match rules.iter_mut().find(|(_, course)| *course.rule() == incident.rule) {
                Some((_, course)) => course.restore(incident),
                None => orphans.push(incident),
            }
        }
        (Self { classes, tracker, ground, rules, ids, last: None, is_paused: false }, orphans)
    }

    /// Looks at the picture of the frame that is [analysed](Self::analyse) next, for what was put down and stays. Free for a camera without
    /// a rule about that.
    pub fn see(&mut self, frame: &Frame) {
        if let Some(ground) = &mut self.ground {
            ground.statics.see(frame);
        }
    }

    /// Takes in the detections of one frame, best first. Frames come in the order of their media time; one that does not
    /// is ignored.
    pub fn analyse(&mut self, stamp: &FrameStamp, detections: &[Detection]) -> Vec<Transition> {
        if self.last.is_some_and(|last| stamp.media <= last.media) {
            return Vec::new();
        }
        let was_paused = std::mem::take(&mut self.is_paused);
        let observed = self.last.filter(|_| !was_paused).and_then(|last| stamp.observed_since(&last));
        self.last = Some(*stamp);
        let tracks = self.tracker.update(stamp, detections);
        let statics = self.ground.as_mut().map(|ground| ground.advance(observed, tracks)).unwrap_or_default();
        let names = &self.classes.names;
        let class_name = |class: u16| names.get(usize::from(class)).cloned().unwrap_or_else(|| class.to_string());
        let mut transitions = Vec::new();
        for (watch, course) in &mut self.rules {
            let sightings = watch.sightings(tracks, &statics);
            transitions.extend(course.advance(stamp, observed, &sightings, &class_name, &mut self.ids));
        }
        transitions
    }

    /// Whether the camera is to be watched closely: an incident may be about to open or close, or something that a rule is about has
    /// come into a zone. An incident that is open and stands there does not ask for it.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        let tracks = self.tracker.tracks();
        self.rules.iter().any(|(watch, course)| course.is_undecided() || watch.awaits(tracks))
    }

    /// Nothing can be seen from here to the next frame that is analysed: the time between counts as neither presence nor absence.
    pub fn pause(&mut self) {
        self.is_paused = true;
        self.tracker.pause();
    }

    /// What is open now, by rule; rules with nothing open included.
    #[must_use]
    pub fn active(&self) -> BTreeMap<Name, Vec<Uuid>> {
        self.rules.iter().map(|(_, course)| (course.rule().clone(), course.active())).collect()
    }
}

impl Ground {
    /// Of the zones in which rules speak of static objects; with those that are open. None without such a rule.
    fn of(classes: &ClassTable, rules: &[EngineRule], open: &[Incident]) -> Option<Self> {
        let class = classes.names.iter().position(|name| name == STATIC_CLASS)? as u16;
        let about_them = || rules.iter().filter(|rule| rule.watch.classes.contains(&class));
        let zones: Vec<_> =
            about_them().flat_map(|rule| &rule.watch.zones).map(|(_, polygon)| polygon.clone()).collect();
        if zones.is_empty() {
            return None;
        }
        let mut statics = Statics::new(zones);
        for object in open.iter().flat_map(|incident| &incident.objects).filter(|object| object.class == STATIC_CLASS) {
            statics.restore(object.bbox, Duration::try_from_secs_f64(object.stationary_secs).unwrap_or_default());
        }
        let moves = |(index, name): (u16, &String)| moves_by_itself(name).then_some(index);
        Some(Self { statics, class, movers: (0..).zip(&classes.names).filter_map(moves).collect() })
    }

    fn advance(&mut self, observed: Option<Duration>, tracks: &[Track]) -> Vec<SeenObject> {
        let movers = tracks.iter().filter(|track| self.movers.contains(&track.class())).map(Track::bbox);
        let seen = |object: &StaticObject| SeenObject {
            track: object.id,
            class: self.class,
            confidence: object.strength,
            bbox: object.bbox,
            stationary: object.standing,
        };
        self.statics.advance(observed, movers).iter().map(seen).collect()
    }
}

#[cfg(test)]
mod attention_tests;
#[cfg(test)]
mod tests;
