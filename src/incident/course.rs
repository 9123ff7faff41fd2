//! The course of the incidents of one rule at one camera.
//!
//! A *case* is one thing at one place. It outlives its tracks: a sighting near a case belongs to it, whatever its track.
//! Time is observed media time: an interruption of the stream counts as neither presence nor absence.
//!
//! ```text
//! Pending ──dwell reached──→ Open ──unseen > gap, clear──→ Clearing ──unseen ≥ clear──→ (closed, forgotten)
//!    └─unseen > gap──→ (forgotten)   ←──seen again──┘
//! ```

use super::{Incident, IncidentObject, Phase, Transition};
use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::ids::{IdSource, Name};
use crate::scene::{MIN_STATIONARY, Sighting};
use crate::track::{TrackId, assign};
use std::time::Duration;
use uuid::Uuid;

/// Share of the dwell for which an attended thing must have been attended.
const ATTENDED_SHARE: f64 = 0.5;
/// Least affinity of a sighting with a case.
const MIN_AFFINITY: f32 = 0.05;
/// Overlap from which a sighting is at the place of a case.
const SAME_PLACE: f32 = 0.20;
/// Share of the smaller box that lies in the other, from which two sightings are parts of one thing.
const PART_OVERLAP: f32 = 0.7;
/// Most things followed at once per rule; a zone does not hold more.
const MAX_CASES: usize = 128;

/// The times of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Observed presence after which an incident opens.
    pub dwell: Duration,
    /// Observed absence that does not interrupt the dwell.
    pub gap: Duration,
    /// Observed absence after which an incident closes.
    pub clear: Duration,
    /// Whether someone must attend the thing for most of the dwell.
    pub needs_attendant: bool,
}

/// What the hub knows of a case.
#[derive(Debug, Clone, PartialEq)]
struct Reported {
    id: Uuid,
    revision: u32,
    confirmed_at: jiff::Timestamp,
    suppressed: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Pending,
    Open(Reported),
    Clearing(Reported),
}

#[derive(Debug, Clone)]
struct Case {
    state: State,
    zone: Name,
    place: BBox,
    tracks: Vec<TrackId>,
    /// Tracks of the part that was last taken for a thing of its own.
    parts: Vec<TrackId>,
    objects: Vec<IncidentObject>,
    first_seen: jiff::Timestamp,
    last_seen: jiff::Timestamp,
    /// Observed presence, tolerated gaps included.
    presence: Duration,
    /// Attended part of the presence, of about the last dwell's worth.
    attended: Duration,
    /// Observed absence since the last sight.
    unseen: Duration,
}

/// The course of the incidents of one rule at one camera.
#[derive(Debug)]
pub struct Course {
    rule: Name,
    limits: Limits,
    cases: Vec<Case>,
}

impl Course {
    /// Begins without a case.
    #[must_use]
    pub fn new(rule: Name, limits: Limits) -> Self {
        Self { rule, limits, cases: Vec::new() }
    }

    /// Takes up an incident that was open before a restart: the thing that stands at its place is this incident.
    pub fn restore(&mut self, incident: Incident) {
        let presence = Duration::try_from_secs_f64(incident.dwell_secs).unwrap_or_default();
        self.cases.push(Case {
            state: State::Open(Reported {
                id: incident.id,
                revision: incident.revision,
                confirmed_at: incident.confirmed_at,
                suppressed: incident.suppressed,
            }),
            zone: incident.zone,
            place: incident.bbox,
            tracks: Vec::new(),
            parts: Vec::new(),
            objects: incident.objects,
            first_seen: incident.first_seen,
            last_seen: incident.last_seen,
            presence,
            attended: presence,
            unseen: Duration::ZERO,
        });
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &Name {
        &self.rule
    }

    /// Ids of the incidents that are open or clearing, oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.cases.iter().filter_map(|case| case.reported().map(|r| r.id)).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether the next frames may change a case: one is on its way to be reported, or is missed at its place. A thing that was reported
    /// and stands there is settled; so is one that has stood for the dwell and lacks an attendant, until someone comes.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.cases.iter().any(|case| match case.state {
            State::Pending => !case.unseen.is_zero() || case.presence < self.limits.dwell,
            State::Open(_) => !case.unseen.is_zero(),
            State::Clearing(_) => true,
        })
    }

    /// Whether something has stood for the dwell and lacks an attendant: whoever stays by it makes it an incident.
    #[must_use]
    pub fn lacks_attendant(&self) -> bool {
        let is_pending = |case: &Case| matches!(case.state, State::Pending) && case.presence >= self.limits.dwell;
        self.limits.needs_attendant && self.cases.iter().any(is_pending)
    }

    /// Takes in what was seen at one frame, `observed` after the last one (`None`: nothing is known of the time between).
    /// `class_name` names a class for the hub.
    pub fn advance(
        &mut self,
        at: &FrameStamp,
        observed: Option<Duration>,
        sightings: &[Sighting],
        class_name: &dyn Fn(u16) -> String,
        ids: &mut IdSource,
    ) -> Vec<Transition> {
        let observed = observed.unwrap_or_default();
        for case in &mut self.cases {
            case.unseen += observed;
        }
        let pairs = assign::best_pairs(self.cases.len(), sightings.len(), MIN_AFFINITY, |case, sighting| {
            self.cases[case].affinity(&sightings[sighting], self.limits.gap)
        });
        let mut taken = vec![false; sightings.len()];
        for (case, sighting) in pairs {
            taken[sighting] = true;
            self.cases[case].see(at, &sightings[sighting], self.limits.dwell, class_name);
        }
        for (sighting, _) in sightings.iter().zip(taken).filter(|(_, taken)| !taken) {
            if let Some(case) = self.cases.iter_mut().find(|case| case.holds(sighting)) {
                case.absorb(sighting);
            } else if self.cases.len() < MAX_CASES {
                self.cases.push(Case::begin(at, observed, sighting, class_name));
            }
        }
        self.transitions(at, ids)
    }

    /// Moves every case to the state that its times ask for, and forgets those that ended.
    fn transitions(&mut self, at: &FrameStamp, ids: &mut IdSource) -> Vec<Transition> {
        let (rule, limits) = (&self.rule, &self.limits);
        let mut transitions = Vec::new();
        self.cases.retain_mut(|case| match case.state.clone() {
            State::Pending if case.unseen > limits.gap => false,
            State::Pending if case.is_confirmed(limits) => {
                let reported = Reported { id: ids.next(at.wall), revision: 0, confirmed_at: at.wall, suppressed: 0 };
                transitions.push(case.transition(Phase::Opened, at, rule, &reported));
                case.state = State::Open(reported);
                true
            }
            // Never straight from open: one frame without the thing, after a long step, is not yet its absence.
            State::Clearing(reported) if case.unseen >= limits.clear => {
                let reported = Reported { revision: reported.revision + 1, ..reported };
                transitions.push(case.transition(Phase::Closed, at, rule, &reported));
                false
            }
            State::Open(reported) if case.unseen > limits.gap.min(limits.clear) => {
                case.state = State::Clearing(reported);
                true
            }
            State::Clearing(reported) if case.unseen.is_zero() => {
                case.state = State::Open(reported);
                true
            }
            State::Pending | State::Open(_) | State::Clearing(_) => true,
        });
        transitions
    }
}

impl Case {
    fn begin(at: &FrameStamp, observed: Duration, sighting: &Sighting, class_name: &dyn Fn(u16) -> String) -> Self {
        // A thing becomes a fact once it has stood for a while: that while belongs to its dwell. Time before an
        // interruption of its dwell does not, although its track may remember it.
        let presence = sighting.stationary().min(MIN_STATIONARY + observed);
        Self {
            state: State::Pending,
            zone: sighting.zone.clone(),
            place: sighting.bbox,
            tracks: tracks_of(sighting),
            parts: Vec::new(),
            objects: objects_of(sighting, class_name),
            first_seen: at.wall - presence,
            last_seen: at.wall,
            presence,
            attended: if sighting.is_attended { presence } else { Duration::ZERO },
            unseen: Duration::ZERO,
        }
    }

    /// How well a sighting fits this case; at least [`MIN_AFFINITY`] if it may be the same thing.
    fn affinity(&self, sighting: &Sighting, gap: Duration) -> f32 {
        if sighting.objects.iter().any(|object| self.tracks.contains(&object.track)) {
            return 1.0 + self.place.iou(&sighting.bbox);
        }
        // A stall is seen as its parasol alone or with its table: the smaller box lies inside the larger.
        let smaller = self.place.area().min(sighting.bbox.area());
        let overlap = if smaller > 0.0 { self.place.intersection(&sighting.bbox) / smaller } else { 0.0 };
        if overlap >= SAME_PLACE {
            return overlap;
        }
        // What was moved a little is the same thing, once it is missed at its old place.
        let (from, to) = (self.place.center(), sighting.bbox.center());
        let width = self.place.width().max(sighting.bbox.width());
        let height = self.place.height().max(sighting.bbox.height());
        let is_near = (from.x - to.x).abs() < width && (from.y - to.y).abs() < height;
        if is_near && self.unseen > gap { MIN_AFFINITY } else { 0.0 }
    }

    fn see(&mut self, at: &FrameStamp, sighting: &Sighting, dwell: Duration, class_name: &dyn Fn(u16) -> String) {
        let tracks = tracks_of(sighting);
        let is_another_track = !tracks.iter().any(|track| self.tracks.contains(track));
        if is_another_track {
            self.suppress();
        }
        // Time out of sight counts as presence, since the thing is found where it stood.
        let elapsed = std::mem::take(&mut self.unseen);
        self.presence += elapsed;
        if sighting.is_attended {
            self.attended += elapsed;
        }
        if self.presence > dwell {
            // Only about the last dwell's worth counts: a parasol left alone all day is not attended by the pauses of
            // passers-by adding up.
            self.attended = self.attended.mul_f64(dwell.as_secs_f64() / (dwell + elapsed).as_secs_f64());
        }
        self.last_seen = at.wall;
        self.place = sighting.bbox;
        self.zone = sighting.zone.clone();
        self.tracks = tracks;
        self.objects = objects_of(sighting, class_name);
    }

    /// Whether a sighting that fits another case better, or none, is a part of this one: a stall whose table was taken for a
    /// thing of its own, a van seen as two.
    fn holds(&self, sighting: &Sighting) -> bool {
        let shares_track = sighting.objects.iter().any(|object| self.tracks.contains(&object.track));
        let smaller = self.place.area().min(sighting.bbox.area());
        shares_track || self.place.intersection(&sighting.bbox) > PART_OVERLAP * smaller
    }

    /// Takes a sighting for a part of this thing; counts it once.
    fn absorb(&mut self, sighting: &Sighting) {
        let tracks = tracks_of(sighting);
        if !tracks.iter().any(|track| self.parts.contains(track)) {
            self.suppress();
        }
        self.parts = tracks;
    }

    fn suppress(&mut self) {
        if let State::Open(reported) | State::Clearing(reported) = &mut self.state {
            reported.suppressed += 1;
        }
    }

    fn is_confirmed(&self, limits: &Limits) -> bool {
        let needed = if limits.needs_attendant { limits.dwell.mul_f64(ATTENDED_SHARE) } else { Duration::ZERO };
        self.unseen.is_zero() && self.presence >= limits.dwell && self.attended >= needed
    }

    fn reported(&self) -> Option<&Reported> {
        match &self.state {
            State::Pending => None,
            State::Open(reported) | State::Clearing(reported) => Some(reported),
        }
    }

    fn transition(&self, phase: Phase, at: &FrameStamp, rule: &Name, reported: &Reported) -> Transition {
        let incident = Incident {
            id: reported.id,
            rule: rule.clone(),
            zone: self.zone.clone(),
            revision: reported.revision,
            first_seen: self.first_seen,
            confirmed_at: reported.confirmed_at,
            last_seen: self.last_seen,
            closed_at: (phase == Phase::Closed).then_some(at.wall),
            dwell_secs: self.presence.as_secs_f64(),
            bbox: self.place,
            objects: self.objects.clone(),
            suppressed: reported.suppressed,
        };
        Transition { phase, at: *at, incident }
    }
}

fn tracks_of(sighting: &Sighting) -> Vec<TrackId> {
    sighting.objects.iter().map(|object| object.track).collect()
}

fn objects_of(sighting: &Sighting, class_name: &dyn Fn(u16) -> String) -> Vec<IncidentObject> {
    let object = |seen: &crate::scene::SeenObject| IncidentObject {
        class: class_name(seen.class),
        confidence: seen.confidence,
        bbox: seen.bbox,
        stationary_secs: seen.stationary.as_secs_f64(),
    };
    sighting.objects.iter().map(object).collect()
}

#[cfg(test)]
mod tests;
