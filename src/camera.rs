//! The engine of one camera: detections and the hub's orders in, transitions of its incidents out.
//!
//! Synchronous and pure: no I/O, no clock, no lock, no async; a frame's stamp brings the time. Owns the camera's tracker and the
//! course of each of its rules.

mod reasons;
mod view;

pub use reasons::{Reason, reasons};
pub use view::{CameraView, RuleView, ThingView};

use crate::clock::Mono;
use crate::config::{STATIC_CLASS, moves_by_itself};
use crate::detect::Detection;
use crate::frame::{Frame, FrameStamp};
use crate::geometry::{BBox, Polygon};
use crate::ids::{IdSource, Name};
use crate::incident::{
    CannotSee, Course, Incident, Memo, Memory, Order, OrderError, Recheck, RecheckOutcome, Terms, Transition,
};
use crate::picture::Light;
use crate::quality::{QualityStage, Tallies};
use crate::scene::{
    HeightLearner, Hindrance, Mover, PersonHeights, SeenObject, Sighting, StaticObject, Statics, Street, Watch,
};
use crate::track::{StartConfidence, Track, Tracker};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Most requests to look again that wait at one camera.
const MAX_RECHECKS: usize = 16;
/// How long after its time a request to look again waits for a frame before it is answered without one.
const RECHECK_GRACE: Duration = Duration::from_secs(5);

/// The model's classes as the engine needs them.
#[derive(Debug, Clone)]
pub struct ClassTable {
    /// Name of each class, by index; after the model's own comes [`STATIC_CLASS`](crate::config::STATIC_CLASS).
    pub names: Vec<String>,
    /// Association group of each class: classes of one group may be the same object.
    pub association: Vec<u16>,
    /// Confidence from which a detection may start a track.
    pub start_confidence: StartConfidence,
}

impl ClassTable {
    /// Name of a class; its number, if it has none.
    #[must_use]
    pub fn name(&self, class: u16) -> String {
        self.names.get(usize::from(class)).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Association group of a class: the lowest class of the group.
    #[must_use]
    pub fn group(&self, class: u16) -> u16 {
        self.association.get(usize::from(class)).copied().unwrap_or(class)
    }

    /// Association groups of classes by their names; names that are not known are left out.
    #[must_use]
    pub fn groups_named<'n>(&self, names: impl Iterator<Item = &'n str>) -> BTreeSet<u16> {
        let class_of = |name: &str| (0u16..).zip(&self.names).find(|(_, known)| *known == name).map(|(class, _)| class);
        names.filter_map(class_of).map(|class| self.group(class)).collect()
    }
}

/// One rule, ready to run.
#[derive(Debug, Clone)]
pub struct EngineRule {
    /// Its id.
    pub id: Name,
    /// What it looks for.
    pub watch: Watch,
    /// How long, when, how grave.
    pub terms: Terms,
}

/// A request to look again, until it is answered.
#[derive(Debug)]
struct Looking {
    incident: Incident,
    until: Mono,
    look_for: Duration,
    /// For how long the place has been looked at.
    observed: Duration,
    is_seen: bool,
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
    tracker: Tracker,
    /// None if no rule speaks of static objects.
    ground: Option<Ground>,
    /// What was put down and stays, as of the last frame.
    statics: Vec<SeenObject>,
    /// How tall people look where: it tells where on the ground a parasol stands.
    heights: HeightLearner,
    rules: Vec<(Watch, Course)>,
    rechecks: Vec<Looking>,
    ids: IdSource,
    last: Option<FrameStamp>,
    /// Why nothing has been seen since the last frame that was analysed.
    blind: Option<CannotSee>,
    /// What was filtered since the last call of [`Self::take_tallies`].
    tallies: Tallies,
}

impl Engine {
    /// Begins with what is remembered from before a restart; an open incident is returned whose rule no longer exists, or no longer
    /// applies in its zone.
    #[must_use]
    pub fn new(
        classes: &Arc<ClassTable>,
        rules: Vec<EngineRule>,
        mut memory: Memory,
        ids: IdSource,
    ) -> (Self, Vec<Incident>) {
        let applies = |rule: &EngineRule, incident: &Incident| {
            rule.id == incident.rule && rule.watch.zones.iter().any(|(zone, _)| *zone == incident.zone)
        };
        let (open, orphans) =
            memory.open.into_iter().partition(|incident| rules.iter().any(|rule| applies(rule, incident)));
        memory.open = open;
        let tracker = Tracker::new(classes.association.clone(), classes.start_confidence.clone());
        let ground = Ground::of(classes, &rules, &memory.open);
        let rules = rules.into_iter().map(|rule| begin(classes, rule, &memory)).collect();
        let engine = Self {
            tracker,
            ground,
            statics: Vec::new(),
            heights: HeightLearner::default(),
            rules,
            rechecks: Vec::new(),
            ids,
            last: None,
            blind: None,
            tallies: Tallies::default(),
        };
        (engine, orphans)
    }

    /// Goes on by other rules, of the same camera and the same classes. What is followed is followed on, and a rule that is as it was keeps what it
    /// knows; the others begin with what is remembered, as after a restart. The ground is learnt anew only where other zones have a rule about it.
    pub fn adopt(&mut self, classes: &Arc<ClassTable>, rules: Vec<EngineRule>, memory: &Memory) {
        let before = Ground::zones(classes, self.rules.iter().map(|(watch, _)| watch));
        if before != Ground::zones(classes, rules.iter().map(|rule| &rule.watch)) {
            self.ground = Ground::of(classes, &rules, &memory.open);
            self.statics.clear();
        }
        let mut before = std::mem::take(&mut self.rules);
        for rule in rules {
            let is_same =
                |(watch, course): &(Watch, Course)| *watch == rule.watch && course.is_of(&rule.id, &rule.terms);
            let kept = before.iter().position(is_same).map(|index| before.swap_remove(index));
            self.rules.push(kept.unwrap_or_else(|| begin(classes, rule, memory)));
        }
    }

    /// Looks at the picture of the frame that is [analysed](Self::analyse) next, for what was put down and stays. Free for a camera without
    /// a rule about that.
    pub fn see(&mut self, frame: &Frame) {
        if let Some(ground) = &mut self.ground {
            ground.statics.see(frame);
        }
    }

    /// Frames are seen by this light from here on: what may begin anything is judged accordingly.
    pub fn see_by(&mut self, light: Light) {
        self.tracker.see_by(light);
    }

    /// Takes in the detections of one frame, best first. Frames come in the order of their media time; one that does not
    /// is ignored.
    pub fn analyse(&mut self, stamp: &FrameStamp, detections: &[Detection]) -> Vec<Transition> {
        self.take(stamp, detections, None)
    }

    /// As [`Self::analyse`], of a frame whose picture is gone and in which these static objects were found.
    pub fn analyse_with(
        &mut self,
        stamp: &FrameStamp,
        detections: &[Detection],
        statics: &[SeenObject],
    ) -> Vec<Transition> {
        self.take(stamp, detections, Some(statics))
    }

    fn take(
        &mut self,
        stamp: &FrameStamp,
        detections: &[Detection],
        statics: Option<&[SeenObject]>,
    ) -> Vec<Transition> {
        if self.last.is_some_and(|last| stamp.media <= last.media) {
            return Vec::new();
        }
        let was_blind = self.blind.take();
        let observed = self.last.filter(|_| was_blind.is_none()).and_then(|last| stamp.observed_since(&last));
        self.last = Some(*stamp);
        let tracks = self.tracker.update(stamp, detections);
        self.statics = match (statics, &mut self.ground) {
            (Some(found), _) => found.to_vec(),
            (None, Some(ground)) => ground.advance(observed, tracks),
            (None, None) => Vec::new(),
        };
        let tallies = &mut self.tallies;
        tallies.of_mut(QualityStage::Filtering).stopped += self.tracker.faint() as u64;
        let tracks = self.tracker.tracks();
        let is_person =
            |track: &&Track| self.rules.iter().any(|(watch, _)| watch.person_classes.contains(&track.class()));
        tracks.iter().filter(is_person).for_each(|person| self.heights.learn(person));
        let street = Street { tracks, statics: &self.statics, heights: self.heights.learned() };
        let mut transitions = Vec::new();
        for (watch, course) in &mut self.rules {
            let sightings = watch.sift(street, &mut |passed_over| {
                if let Some(stage) = stage_that_stops(passed_over.why) {
                    tallies.of_mut(stage).stopped += 1;
                }
            });
            tallies.of_mut(QualityStage::Filtering).passed += sightings.len() as u64;
            transitions.extend(course.advance(stamp, observed, &sightings, &mut self.ids));
            look_again(&mut self.rechecks, course, observed, &sightings);
        }
        transitions.extend(self.answer_rechecks(stamp, was_blind, Duration::ZERO));
        transitions
    }

    /// Whether the camera is to be watched closely: an incident may be about to open or close, something that a rule is about has
    /// come into a zone, someone attends what stands there, or the hub asked to look again. An incident that is open and stands there
    /// does not ask for it.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        let awaits = |watch: &Watch, course: &Course| {
            self.may_report(course)
                && (watch.awaits(self.tracker.tracks())
                    || (course.lacks_company() && watch.holds_as_asked(self.street())))
        };
        !self.rechecks.is_empty()
            || self.rules.iter().any(|(watch, course)| course.is_undecided() || awaits(watch, course))
    }

    /// Whether detections show something that a rule must see come or go, rather than passers-by and what is known to stand there.
    /// In doubt they do: what is too faint to be followed now was, or will be, surer in the frames before and after.
    #[must_use]
    pub fn is_surprised_by(&self, detections: &[Detection]) -> bool {
        let tracks = self.tracker.tracks();
        self.rules.iter().any(|(watch, course)| {
            self.may_report(course)
                && (watch.has_changed(tracks, detections)
                    || (course.lacks_company() && watch.shows_company(detections)))
        })
    }

    /// Whether what comes now would be reported: not while it is permitted.
    fn may_report(&self, course: &Course) -> bool {
        !self.last.is_some_and(|last| course.is_permitted(last.wall))
    }

    /// Nothing can be seen from here to the next frame that is analysed, for this reason: the time between counts as neither presence
    /// nor absence.
    pub fn pause(&mut self, why: CannotSee) {
        self.blind = Some(why);
        self.tracker.pause();
    }

    /// Carries out an order of the hub. What it changes at once is returned; the answer to a request to look again comes later.
    pub fn order(&mut self, order: &Order, now: Mono, wall: Timestamp) -> Result<Option<Transition>, OrderError> {
        match order {
            Order::Dismiss { incident, until } => {
                let course = self.course_of(*incident).ok_or(OrderError::UnknownIncident)?;
                course.dismiss(*incident, *until, &FrameStamp::without_frame(now, wall))
            }
            Order::Mute { rule, until } => {
                let mut courses = self.rules.iter_mut().map(|(_, course)| course);
                courses.find(|course| course.rule() == rule).ok_or(OrderError::UnknownRule)?.mute(*until);
                Ok(None)
            }
            Order::Recheck { incident, look_for } => self.recheck(*incident, *look_for, now).map(|()| None),
        }
    }

    /// The change by which the hub learns that there is news of an incident's evidence; none if it is neither open nor was closed within the last day.
    pub fn tell(&mut self, incident: Uuid, now: Mono, wall: Timestamp) -> Option<Transition> {
        self.course_of(incident)?.tell(incident, &FrameStamp::without_frame(now, wall))
    }

    /// Answers the requests to look again whose time is long over: no frame came.
    pub fn answer_overdue(&mut self, now: Mono, wall: Timestamp) -> Vec<Transition> {
        let why = self.blind;
        self.answer_rechecks(&FrameStamp::without_frame(now, wall), why, RECHECK_GRACE)
    }

    /// What the stages that judge sights did since the last call.
    pub fn take_tallies(&mut self) -> Tallies {
        let mut tallies = std::mem::take(&mut self.tallies);
        for (_, course) in &mut self.rules {
            tallies.add(&course.take_tallies());
        }
        tallies
    }

    /// What is to be remembered over a restart since the last call, besides the transitions.
    pub fn take_memos(&mut self) -> Vec<Memo> {
        self.rules.iter_mut().flat_map(|(_, course)| course.take_memos()).collect()
    }

    /// What is open now, by rule; rules with nothing open included.
    #[must_use]
    pub fn active(&self) -> BTreeMap<Name, Vec<Uuid>> {
        self.rules.iter().map(|(_, course)| (course.rule().clone(), course.active())).collect()
    }

    /// What was put down and stays, as of the last frame.
    #[must_use]
    pub fn statics(&self) -> &[SeenObject] {
        &self.statics
    }

    /// How tall people look where, as far as it has learned.
    #[must_use]
    pub fn person_heights(&self) -> PersonHeights {
        self.heights.learned()
    }

    /// Begins with what another engine has learned of how tall people look.
    #[must_use]
    pub fn knowing_heights(self, heights: PersonHeights) -> Self {
        Self { heights: HeightLearner::knowing(heights), ..self }
    }

    /// Why nothing has been seen since the last frame that was analysed, if so.
    #[must_use]
    pub fn blind(&self) -> Option<CannotSee> {
        self.blind
    }

    /// How every rule stands after the last frame, and why.
    #[must_use]
    pub fn view(&self) -> CameraView {
        let rule = |(watch, course): &(Watch, Course)| {
            let mut passed_over = Vec::new();
            watch.sift(self.street(), &mut |seen| passed_over.push(seen));
            RuleView {
                rule: course.rule().clone(),
                is_permitted: self.last.is_some_and(|last| course.is_permitted(last.wall)),
                asks_for_company: watch.asks_for_company(),
                min_area: watch.min_area,
                min_count: watch.min_count,
                cases: course.cases(),
                passed_over: passed_over.into_iter().map(|seen| (course.class_name(seen.class), seen)).collect(),
            }
        };
        CameraView { blind: self.blind, rules: self.rules.iter().map(rule).collect(), things: self.things() }
    }

    /// What is there in the last frame of what its rules are about; never people.
    fn things(&self) -> Vec<ThingView> {
        let is_told = |class: u16| {
            self.rules.iter().any(|(watch, _)| watch.classes.contains(&class))
                && !self.rules.iter().any(|(watch, _)| watch.person_classes.contains(&class))
        };
        let Some((_, course)) = self.rules.first() else { return Vec::new() };
        let thing = |class: u16, is_static: bool, bbox: BBox, standing: Duration| {
            is_told(class).then(|| ThingView { class: course.class_name(class), is_static, bbox, standing })
        };
        let seen = self.tracker.tracks().iter().filter(|track| track.is_seen());
        let tracked = seen.filter_map(|track| thing(track.class(), false, track.bbox(), track.stationary()));
        let put_down =
            self.statics.iter().filter_map(|object| thing(object.class, true, object.bbox, object.stationary));
        tracked.chain(put_down).collect()
    }

    /// As of the last frame.
    fn street(&self) -> Street<'_> {
        Street { tracks: self.tracker.tracks(), statics: &self.statics, heights: self.heights.learned() }
    }

    fn course_of(&mut self, incident: Uuid) -> Option<&mut Course> {
        self.rules.iter_mut().map(|(_, course)| course).find(|course| course.find(incident).is_some())
    }

    /// Begins to look again; a second request for the same incident looks from now on.
    fn recheck(&mut self, id: Uuid, look_for: Duration, now: Mono) -> Result<(), OrderError> {
        let incident = self.course_of(id).and_then(|course| course.find(id)).ok_or(OrderError::UnknownIncident)?;
        self.rechecks.retain(|looking| looking.incident.id != id);
        if self.rechecks.len() >= MAX_RECHECKS {
            return Err(OrderError::TooMany(MAX_RECHECKS));
        }
        let until = Mono(now.0 + look_for);
        self.rechecks.push(Looking { incident, until, look_for, observed: Duration::ZERO, is_seen: false });
        Ok(())
    }

    /// Answers the requests whose time, and `grace` more, is over.
    fn answer_rechecks(&mut self, at: &FrameStamp, blind: Option<CannotSee>, grace: Duration) -> Vec<Transition> {
        let (due, waiting) =
            std::mem::take(&mut self.rechecks).into_iter().partition(|looking| at.mono.0 >= looking.until.0 + grace);
        self.rechecks = waiting;
        let answer = |looking: Looking| {
            let recheck = looking.outcome(blind);
            self.course_of(looking.incident.id)?.answer(looking.incident.id, recheck, at)
        };
        let due: Vec<Looking> = due;
        due.into_iter().filter_map(answer).collect()
    }
}

/// A rule with what is remembered of it.
fn begin(classes: &Arc<ClassTable>, rule: EngineRule, memory: &Memory) -> (Watch, Course) {
    let mut course = Course::new(rule.id, rule.terms, Arc::clone(classes));
    course.restore(memory);
    (rule.watch, course)
}

impl Looking {
    fn outcome(&self, blind: Option<CannotSee>) -> Recheck {
        if self.is_seen {
            Recheck { outcome: RecheckOutcome::Persisting, reason: None }
        } else if self.observed >= self.look_for / 2 {
            Recheck { outcome: RecheckOutcome::Cleared, reason: None }
        } else {
            Recheck { outcome: RecheckOutcome::CannotSee, reason: Some(blind.unwrap_or(CannotSee::NoPicture)) }
        }
    }
}

/// The stage that keeps something of a rule's classes from being a sight; none if it is nowhere where the rule looks, or is not there.
fn stage_that_stops(why: Hindrance) -> Option<QualityStage> {
    match why {
        Hindrance::TooSmall(_) | Hindrance::TooFew(_) => Some(QualityStage::Filtering),
        Hindrance::Excepted => Some(QualityStage::RuleCheck),
        Hindrance::OutOfSight
        | Hindrance::Moves(_)
        | Hindrance::OutsideZones
        | Hindrance::Explained
        | Hindrance::NotAsAsked => None,
    }
}

/// Looks for the things of a rule's incidents that the hub asked about.
fn look_again(rechecks: &mut [Looking], course: &Course, observed: Option<Duration>, sightings: &[Sighting]) {
    for looking in rechecks.iter_mut().filter(|looking| looking.incident.rule == *course.rule()) {
        looking.observed += observed.unwrap_or_default();
        looking.is_seen |= course.is_seen(&looking.incident, sightings);
    }
}

impl Ground {
    /// Of the zones in which rules speak of static objects; with those that are open. None without such a rule.
    fn of(classes: &ClassTable, rules: &[EngineRule], open: &[Incident]) -> Option<Self> {
        let class = Self::class(classes)?;
        let zones = Self::zones(classes, rules.iter().map(|rule| &rule.watch));
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

    fn class(classes: &ClassTable) -> Option<u16> {
        classes.names.iter().position(|name| name == STATIC_CLASS).map(|class| class as u16)
    }

    /// The zones in which rules speak of static objects.
    fn zones<'w>(classes: &ClassTable, watches: impl Iterator<Item = &'w Watch>) -> Vec<Polygon> {
        let Some(class) = Self::class(classes) else { return Vec::new() };
        let about_them = watches.filter(|watch| watch.classes.contains(&class));
        about_them.flat_map(|watch| &watch.zones).map(|(_, polygon)| polygon.clone()).collect()
    }

    fn advance(&mut self, observed: Option<Duration>, tracks: &[Track]) -> Vec<SeenObject> {
        let movers = tracks.iter().filter(|track| self.movers.contains(&track.class()));
        let movers = movers.map(|track| Mover { bbox: track.bbox(), is_seen: track.is_seen() });
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
mod order_tests;
#[cfg(test)]
mod tests;
