//! The engine of one camera: detections in, transitions of its incidents out.
//!
//! Synchronous and pure: no I/O, no clock, no lock, no async; a frame's stamp brings the time. Owns the camera's tracker and the
//! course of each of its rules.

use crate::detect::Detection;
use crate::frame::FrameStamp;
use crate::ids::{IdSource, Name};
use crate::incident::{Course, Incident, Limits, Transition};
use crate::scene::Watch;
use crate::track::Tracker;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The model's classes as the engine needs them.
#[derive(Debug, Clone)]
pub struct ClassTable {
    /// Name of each class, by index.
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

/// The engine of one camera.
#[derive(Debug)]
pub struct Engine {
    classes: Arc<ClassTable>,
    tracker: Tracker,
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
        let mut rules: Vec<_> = rules.into_iter().map(|rule| (rule.watch, Course::new(rule.id, rule.limits))).collect();
        let mut orphans = Vec::new();
        for incident in open {
            match rules.iter_mut().find(|(_, course)| *course.rule() == incident.rule) {
                Some((_, course)) => course.restore(incident),
                None => orphans.push(incident),
            }
        }
        (Self { classes, tracker, rules, ids, last: None, is_paused: false }, orphans)
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
        let names = &self.classes.names;
        let class_name = |class: u16| names.get(usize::from(class)).cloned().unwrap_or_else(|| class.to_string());
        let mut transitions = Vec::new();
        for (watch, course) in &mut self.rules {
            let sightings = watch.sightings(tracks);
            transitions.extend(course.advance(stamp, observed, &sightings, &class_name, &mut self.ids));
        }
        transitions
    }

    /// Whether the camera is to be watched closely: an incident may be about to open or close, something that a rule is about has
    /// come into a zone, or someone attends what stands there. An incident that is open and stands there does not ask for it.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        let tracks = self.tracker.tracks();
        self.rules.iter().any(|(watch, course)| {
            course.is_undecided() || watch.awaits(tracks) || (course.lacks_attendant() && watch.is_attended(tracks))
        })
    }

    /// Whether detections show something that a rule must see come or go, rather than passers-by and what is known to stand there.
    /// In doubt they do: what is too faint to be followed now was, or will be, surer in the frames before and after.
    #[must_use]
    pub fn is_surprised_by(&self, detections: &[Detection]) -> bool {
        let tracks = self.tracker.tracks();
        self.rules.iter().any(|(watch, course)| {
            watch.has_changed(tracks, detections) || (course.lacks_attendant() && watch.shows_person(detections))
        })
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

#[cfg(test)]
mod attention_tests;
#[cfg(test)]
mod tests;
