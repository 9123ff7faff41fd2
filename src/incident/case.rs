//! One thing at one place, as a rule follows it.

use super::looks::Looks;
use super::view::{CaseStage, CaseView};
use super::{Incident, IncidentObject, Severity, Terms, Told};
use crate::camera::ClassTable;
use crate::clock::MediaTime;
use crate::frame::{FrameStamp, MAX_STEP};
use crate::geometry::BBox;
use crate::ids::Name;
use crate::scene::{SeenObject, Sighting};
use crate::track::TrackId;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

/// Share of the dwell for which what is with a thing must have been as the rule asks.
const AS_ASKED_SHARE: f64 = 0.5;
/// Least affinity of a sighting with a case.
pub(super) const MIN_AFFINITY: f32 = 0.05;
/// Overlap from which a sighting is at the place of a case.
const SAME_PLACE: f32 = 0.20;
/// Share of the smaller box that lies in the other, from which two sightings are parts of one thing.
const PART_OVERLAP: f32 = 0.7;
/// Time between two notes of where an incident stands, if it has moved or changed.
const NOTE_EVERY: Duration = Duration::from_secs(30);
/// Time between two notes if only time has passed: a restart may forget so much of its presence.
const NOTE_IDLE_EVERY: Duration = Duration::from_mins(10);
/// Overlap with the place last noted below which it has moved.
const NOTED_PLACE: f32 = 0.9;

/// What the hub knows of a case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reported {
    pub id: Uuid,
    pub revision: u32,
    pub confirmed_at: Timestamp,
    pub suppressed: u32,
    pub severity: Severity,
    pub continues: Option<Uuid>,
    pub looks: Looks,
    /// Whether its looks have changed since the hub was told.
    pub has_changed: bool,
}

/// How far a case has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// On its way to be reported.
    Pending,
    /// It would have been reported, but the rule is muted.
    Muted,
    /// Reported, and there.
    Open(Reported),
    /// Reported, and not seen for longer than a gap.
    Clearing(Reported),
    /// Reported, and nobody has looked since an interruption or a restart.
    Stale(Reported),
    /// The hub does not want to hear of it until the time has come or it looks otherwise.
    Dismissed { incident: Uuid, until: Timestamp, looks: Looks, has_changed: bool },
}

/// When and where an incident was last noted for a restart.
#[derive(Debug, Clone, Copy)]
struct Noted {
    at: MediaTime,
    place: BBox,
    objects: usize,
}

/// One thing at one place. It outlives its tracks.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub state: State,
    pub zone: Name,
    pub place: BBox,
    /// Where it was when its presence began.
    origin: BBox,
    pub groups: BTreeSet<u16>,
    tracks: Vec<TrackId>,
    /// Tracks of the part that was last taken for a thing of its own.
    parts: Vec<TrackId>,
    /// Its objects in the last frame that showed it; none since a restart.
    objects: Vec<SeenObject>,
    /// Its objects as noted before a restart.
    noted_objects: Vec<IncidentObject>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    began: MediaTime,
    /// The last frame that showed it; none since a restart.
    seen: Option<MediaTime>,
    /// Observed presence, tolerated gaps included.
    pub presence: Duration,
    /// The part of the presence, of about the last dwell's worth, in which what is with it was as the rule asks.
    as_asked: Duration,
    /// Observed absence since the last sight.
    pub unseen: Duration,
    /// Observed time from the last sight to the first frame without it: it went half-way between, most likely.
    missed_after: Duration,
    noted: Option<Noted>,
}

impl Case {
    pub fn begin(at: &FrameStamp, observed: Duration, sighting: &Sighting, groups: BTreeSet<u16>) -> Self {
        let presence = sighting.first_presence(observed);
        Self {
            state: State::Pending,
            zone: sighting.zone.clone(),
            place: sighting.bbox,
            origin: sighting.bbox,
            groups,
            tracks: tracks_of(sighting),
            parts: Vec::new(),
            objects: sighting.objects.clone(),
            noted_objects: Vec::new(),
            first_seen: at.wall - presence,
            last_seen: at.wall,
            began: at.media,
            seen: Some(at.media),
            presence,
            as_asked: if sighting.is_as_asked { presence } else { Duration::ZERO },
            unseen: Duration::ZERO,
            missed_after: Duration::ZERO,
            noted: None,
        }
    }

    /// A thing as it was noted before a restart, in the state that `state` makes of its looks.
    pub fn restore(incident: Incident, classes: &ClassTable, state: impl FnOnce(Looks) -> State) -> Self {
        let presence = Duration::try_from_secs_f64(incident.dwell_secs).unwrap_or_default();
        let told = if incident.told.classes.is_empty() {
            Looks::new(classes.groups_named(incident.objects.iter().map(|o| o.class.as_str())), incident.bbox.area())
        } else {
            Looks::new(classes.groups_named(incident.told.classes.iter().map(String::as_str)), incident.told.extent)
        };
        Self {
            groups: classes.groups_named(incident.objects.iter().map(|object| object.class.as_str())),
            state: state(told),
            zone: incident.zone,
            place: incident.bbox,
            origin: incident.bbox,
            tracks: Vec::new(),
            parts: Vec::new(),
            objects: Vec::new(),
            noted_objects: incident.objects,
            first_seen: incident.first_seen,
            last_seen: incident.last_seen,
            began: MediaTime::default(),
            seen: None,
            presence,
            as_asked: presence,
            unseen: Duration::ZERO,
            missed_after: Duration::ZERO,
            noted: None,
        }
    }

    /// So much time has been observed since the frame before; until it is found in this one, without it.
    pub fn pass(&mut self, observed: Duration) {
        if self.unseen.is_zero() {
            self.missed_after = observed;
        }
        self.unseen += observed;
    }

    /// How well a sighting fits this case; at least [`MIN_AFFINITY`] if it may be the same thing.
    pub fn affinity(&self, sighting: &Sighting, groups: &BTreeSet<u16>, terms: &Terms) -> f32 {
        if sighting.objects.iter().any(|object| self.tracks.contains(&object.track)) {
            return 1.0 + self.place.iou(&sighting.bbox);
        }
        if terms.is_group {
            return if self.zone == sighting.zone { 1.0 } else { 0.0 };
        }
        let overlap = overlap(&self.place, &sighting.bbox);
        if overlap >= SAME_PLACE {
            return if may_be_one(&self.groups, groups, terms) { overlap } else { 0.0 };
        }
        // What was moved a little is the same thing, once it is missed at its old place.
        let moves_on = terms.stays_within.is_some() && self.zone == sighting.zone;
        let is_missed = self.unseen > terms.gap && !matches!(self.state, State::Dismissed { .. });
        let may_have_moved = is_missed && may_be_one(&self.groups, groups, terms);
        if may_have_moved && (moves_on || is_near(&self.place, &sighting.bbox)) { MIN_AFFINITY } else { 0.0 }
    }

    /// Whether a thing of these looks at that place would be this thing come back.
    pub fn is_return_of(&self, incident: &Incident, classes: &ClassTable, terms: &Terms) -> bool {
        let groups = classes.groups_named(incident.objects.iter().map(|object| object.class.as_str()));
        let roams = terms.is_group || terms.stays_within.is_some();
        self.zone == incident.zone
            && may_be_one(&self.groups, &groups, terms)
            && (roams || overlap(&self.place, &incident.bbox) >= SAME_PLACE)
    }

    /// Takes a sighting, of these association groups, for this thing.
    pub fn see(
        &mut self,
        at: &FrameStamp,
        observed: Duration,
        sighting: &Sighting,
        groups: BTreeSet<u16>,
        terms: &Terms,
    ) {
        let tracks = tracks_of(sighting);
        if !tracks.iter().any(|track| self.tracks.contains(track)) {
            self.suppress();
        }
        let unseen = std::mem::take(&mut self.unseen);
        // Time out of sight counts as presence, since the thing is found where it stood. What moved on was elsewhere meanwhile.
        let moved_on = terms.stays_within.is_some() && unseen > terms.gap;
        let elapsed = if moved_on { self.missed_after / 2 + sighting.first_presence(observed) } else { unseen };
        self.presence += elapsed;
        if sighting.is_as_asked {
            self.as_asked += elapsed;
        }
        if self.has_crept_on(sighting, terms) {
            self.begin_anew(at, observed, sighting);
        }
        let dwell = terms.dwell;
        if self.presence > dwell {
            // Only about the last dwell's worth counts: a parasol left alone all day is not attended by the pauses of
            // passers-by adding up.
            self.as_asked = self.as_asked.mul_f64(dwell.as_secs_f64() / (dwell + elapsed).as_secs_f64());
        }
        self.last_seen = at.wall;
        self.seen = Some(at.media);
        self.place = sighting.bbox;
        self.zone.clone_from(&sighting.zone);
        self.groups = groups;
        self.tracks = tracks;
        self.objects.clone_from(&sighting.objects);
        let (State::Open(Reported { looks, has_changed, .. })
        | State::Clearing(Reported { looks, has_changed, .. })
        | State::Stale(Reported { looks, has_changed, .. })
        | State::Dismissed { looks, has_changed, .. }) = &mut self.state
        else {
            return;
        };
        *has_changed |= looks.observe(&self.groups, self.place.area(), elapsed.min(MAX_STEP));
    }

    /// Whether it is so far from where its presence began that it only stood there for a moment: a street sweeper, a car in a queue.
    /// What was reported, and what may move about, has not.
    fn has_crept_on(&self, sighting: &Sighting, terms: &Terms) -> bool {
        if !matches!(self.state, State::Pending) || terms.stays_within.is_some() || terms.is_group {
            return false;
        }
        if terms.mixes_classes {
            // Seen by its upper part now and its lower one then, it need not overlap itself.
            let width = self.origin.width().max(sighting.bbox.width());
            return (self.origin.center().x - sighting.bbox.center().x).abs() >= width;
        }
        overlap(&self.origin, &sighting.bbox) < SAME_PLACE
    }

    /// Its presence begins where it is now.
    fn begin_anew(&mut self, at: &FrameStamp, observed: Duration, sighting: &Sighting) {
        self.presence = sighting.first_presence(observed);
        self.as_asked = if sighting.is_as_asked { self.presence } else { Duration::ZERO };
        self.first_seen = at.wall - self.presence;
        self.began = at.media;
        self.origin = sighting.bbox;
    }

    /// Whether another case is this thing, put down a little further on while it was missed here.
    pub fn was_moved_to(&self, other: &Self, terms: &Terms) -> bool {
        matches!(other.state, State::Pending)
            && other.unseen.is_zero()
            && self.seen.is_none_or(|seen| other.began > seen)
            && self.zone == other.zone
            && may_be_one(&self.groups, &other.groups, terms)
            && is_near(&self.place, &other.place)
    }

    /// Takes another case's sights for this thing's.
    pub fn take_over(&mut self, other: Self) {
        self.suppress();
        self.presence += other.presence;
        self.unseen = Duration::ZERO;
        (self.place, self.zone, self.groups) = (other.place, other.zone, other.groups);
        (self.tracks, self.objects) = (other.tracks, other.objects);
        (self.seen, self.last_seen) = (other.seen, other.last_seen);
    }

    /// Whether a sighting that fits another case better, or none, is a part of this one: a stall whose table was taken for a
    /// thing of its own, a van seen as two.
    pub fn holds(&self, sighting: &Sighting, groups: &BTreeSet<u16>, terms: &Terms) -> bool {
        let shares_track = sighting.objects.iter().any(|object| self.tracks.contains(&object.track));
        let smaller = self.place.area().min(sighting.bbox.area());
        let lies_within = self.place.intersection(&sighting.bbox) > PART_OVERLAP * smaller;
        shares_track || (lies_within && may_be_one(&self.groups, groups, terms))
    }

    /// Takes a sighting for a part of this thing; counts it once.
    pub fn absorb(&mut self, sighting: &Sighting) {
        let tracks = tracks_of(sighting);
        if !tracks.iter().any(|track| self.parts.contains(track)) {
            self.suppress();
        }
        self.parts = tracks;
    }

    fn suppress(&mut self) {
        if let State::Open(reported) | State::Clearing(reported) | State::Stale(reported) = &mut self.state {
            reported.suppressed += 1;
        }
    }

    /// Whether this frame shows it.
    pub fn is_here(&self, at: &FrameStamp) -> bool {
        self.seen == Some(at.media)
    }

    pub fn is_confirmed(&self, at: &FrameStamp, terms: &Terms) -> bool {
        let needed = terms.dwell.mul_f64(AS_ASKED_SHARE);
        self.is_here(at) && self.presence >= terms.dwell && self.as_asked >= needed
    }

    /// How it stands, for people.
    pub fn view(&self, terms: &Terms, classes: &ClassTable, muted_until: Option<Timestamp>) -> CaseView {
        let stage = match &self.state {
            State::Pending => CaseStage::Pending,
            State::Muted => CaseStage::Muted { until: muted_until },
            State::Open(reported) => CaseStage::Open { incident: reported.id },
            State::Clearing(reported) => CaseStage::Clearing { incident: reported.id, clear: terms.clear },
            State::Stale(reported) => CaseStage::Stale { incident: reported.id },
            State::Dismissed { incident, until, .. } => CaseStage::Dismissed { incident: *incident, until: *until },
        };
        CaseView {
            stage,
            zone: self.zone.clone(),
            bbox: self.place,
            classes: self.incident_objects(classes).into_iter().map(|object| object.class).collect(),
            presence: self.presence,
            dwell: terms.dwell,
            as_asked: self.as_asked,
            as_asked_needed: terms.dwell.mul_f64(AS_ASKED_SHARE),
            unseen: self.unseen,
        }
    }

    /// The incident that it is, or was before it was dismissed.
    pub fn id(&self) -> Option<Uuid> {
        match &self.state {
            State::Pending | State::Muted => None,
            State::Open(reported) | State::Clearing(reported) | State::Stale(reported) => Some(reported.id),
            State::Dismissed { incident, .. } => Some(*incident),
        }
    }

    pub fn reported(&self) -> Option<&Reported> {
        match &self.state {
            State::Pending | State::Muted | State::Dismissed { .. } => None,
            State::Open(reported) | State::Clearing(reported) | State::Stale(reported) => Some(reported),
        }
    }

    /// Its looks now, as they are told.
    pub fn looks(&self) -> Looks {
        Looks::new(self.groups.clone(), self.place.area())
    }

    /// Moves what was reported to another state.
    pub fn move_on(&mut self, to: impl FnOnce(Reported) -> State) {
        self.state = match std::mem::replace(&mut self.state, State::Pending) {
            State::Open(reported) | State::Clearing(reported) | State::Stale(reported) => to(reported),
            state @ (State::Pending | State::Muted | State::Dismissed { .. }) => state,
        };
    }

    /// Whether the hub must be told of a change; then it is taken for told. What a muted rule finds waits.
    pub fn has_news(&mut self, terms: &Terms, is_muted: bool) -> bool {
        let severity = terms.severity_after(self.presence);
        let State::Open(reported) = &mut self.state else { return false };
        let is_graver = severity > reported.severity;
        if is_muted || !(is_graver || reported.has_changed) {
            return false;
        }
        reported.severity = reported.severity.max(severity);
        reported.has_changed = false;
        reported.revision += 1;
        true
    }

    /// The incident as it stands now, open.
    pub fn incident(&self, rule: &Name, reported: &Reported, classes: &ClassTable) -> Incident {
        Incident {
            id: reported.id,
            rule: rule.clone(),
            zone: self.zone.clone(),
            revision: reported.revision,
            first_seen: self.first_seen,
            confirmed_at: reported.confirmed_at,
            last_seen: self.last_seen,
            closed_at: None,
            closed_reason: None,
            severity: reported.severity,
            dwell_secs: self.presence.as_secs_f64(),
            bbox: self.place,
            objects: self.incident_objects(classes),
            suppressed: reported.suppressed,
            continues: reported.continues,
            told: Told {
                classes: reported.looks.groups().iter().map(|group| classes.name(*group)).collect(),
                extent: reported.looks.extent(),
            },
        }
    }

    fn incident_objects(&self, classes: &ClassTable) -> Vec<IncidentObject> {
        let object = |seen: &SeenObject| IncidentObject {
            class: classes.name(seen.class),
            confidence: seen.confidence,
            bbox: seen.bbox,
            stationary_secs: seen.stationary.as_secs_f64(),
        };
        if self.objects.is_empty() { self.noted_objects.clone() } else { self.objects.iter().map(object).collect() }
    }

    /// Whether a restart should know how it stands now: it has moved or changed since the last note, or that is long ago.
    pub fn is_to_be_noted(&mut self, at: &FrameStamp) -> bool {
        let now = Noted { at: at.media, place: self.place, objects: self.objects.len() };
        let is_due = self.noted.is_some_and(|noted| {
            let since = at.media.since(noted.at);
            let has_changed = noted.place.iou(&now.place) < NOTED_PLACE || noted.objects != now.objects;
            since >= NOTE_IDLE_EVERY || (has_changed && since >= NOTE_EVERY)
        });
        if is_due || self.noted.is_none() {
            self.noted = Some(now);
        }
        is_due
    }
}

/// Whether a thing of these looks stands at that place.
pub(super) fn stands_at(
    place: &BBox,
    groups: &BTreeSet<u16>,
    sighting: &Sighting,
    seen: &BTreeSet<u16>,
    terms: &Terms,
) -> bool {
    may_be_one(groups, seen, terms) && overlap(place, &sighting.bbox) >= SAME_PLACE
}

/// Whether things of such classes may be one and the same. Of a thing whose classes the model no longer knows, anything may be.
fn may_be_one(a: &BTreeSet<u16>, b: &BTreeSet<u16>, terms: &Terms) -> bool {
    terms.mixes_classes || a.is_empty() || !a.is_disjoint(b)
}

/// Share of the smaller box that lies in the larger: a stall is seen as its parasol alone or with its table.
fn overlap(a: &BBox, b: &BBox) -> f32 {
    let smaller = a.area().min(b.area());
    if smaller > 0.0 { a.intersection(b) / smaller } else { 0.0 }
}

/// Whether one box lies within a width and a height of the other.
fn is_near(a: &BBox, b: &BBox) -> bool {
    let (from, to) = (a.center(), b.center());
    let (width, height) = (a.width().max(b.width()), a.height().max(b.height()));
    (from.x - to.x).abs() < width && (from.y - to.y).abs() < height
}

fn tracks_of(sighting: &Sighting) -> Vec<TrackId> {
    sighting.objects.iter().map(|object| object.track).collect()
}

/// The association groups of a sighting's classes.
pub(super) fn groups_of(sighting: &Sighting, classes: &ClassTable) -> BTreeSet<u16> {
    sighting.objects.iter().map(|object| classes.group(object.class)).collect()
}
