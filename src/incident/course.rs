//! The course of the incidents of one rule at one camera.
//!
//! A *case* is one thing at one place. It outlives its tracks: a sighting near a case belongs to it, whatever its track.
//! Time is observed media time: an interruption of the stream counts as neither presence nor absence.
//!
//! ```text
//! Pending ──dwell reached──→ Open ──unseen > gap, clear──→ Clearing ──unseen ≥ clear──→ (closed: gone)
//!    │  └─rule muted→ Muted ─┘ │ ←──────seen again────────┘   │
//!    │                         └──interruption──→ Stale ←─────┘   Stale ──seen──→ Open, ──unseen > gap──→ Clearing
//!    └─unseen > patience──→ (forgotten)      any reported ──dismissed──→ Dismissed ──until, or changed──→ (closed: dismissed)
//! ```
//! While the rule's schedule permits the thing, nothing is followed: what is open is closed, what is pending forgotten.

mod tally;

use super::case::{self, Case, MIN_AFFINITY, Reported, State};
use super::view::CaseView;
use super::{ClosedReason, Dismissal, Incident, Memo, Memory, OrderError, Phase, Recheck, Terms, Transition};
use crate::camera::ClassTable;
use crate::frame::FrameStamp;
use crate::ids::{IdSource, Name};
use crate::quality::{QualityStage, Tallies};
use crate::scene::Sighting;
use crate::track::assign;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Most things followed at once per rule; a zone does not hold more.
const MAX_CASES: usize = 128;
/// Most closed incidents remembered per rule; the last ones.
const MAX_CLOSED: usize = 64;

/// The course of the incidents of one rule at one camera.
#[derive(Debug)]
pub struct Course {
    rule: Name,
    terms: Terms,
    classes: Arc<ClassTable>,
    cases: Vec<Case>,
    /// The last one last.
    closed: Vec<Incident>,
    muted_until: Option<Timestamp>,
    /// Open incidents whose dismissal is remembered; closed at the first frame.
    unfinished: Vec<Incident>,
    memos: Vec<Memo>,
    tallies: Tallies,
}

impl Course {
    /// Begins without a case.
    #[must_use]
    pub fn new(rule: Name, terms: Terms, classes: Arc<ClassTable>) -> Self {
        let (cases, closed, unfinished, memos) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let tallies = Tallies::default();
        Self { rule, terms, classes, cases, closed, muted_until: None, unfinished, memos, tallies }
    }

    /// Whether it is that of this rule on these terms.
    #[must_use]
    pub fn is_of(&self, rule: &Name, terms: &Terms) -> bool {
        self.rule == *rule && self.terms == *terms
    }

    /// Takes up what is remembered of this rule: the thing that stands at the place of an open incident is this incident.
    pub fn restore(&mut self, memory: &Memory) {
        let is_own = |incident: &&Incident| incident.rule == self.rule;
        for incident in memory.open.iter().filter(is_own) {
            let (id, revision, severity) = (incident.id, incident.revision, incident.severity);
            let (confirmed_at, suppressed, continues) =
                (incident.confirmed_at, incident.suppressed, incident.continues);
            self.cases.push(Case::restore(incident.clone(), &self.classes, |looks| {
                let has_changed = false;
                State::Stale(Reported {
                    id,
                    revision,
                    confirmed_at,
                    suppressed,
                    severity,
                    continues,
                    looks,
                    has_changed,
                })
            }));
        }
        self.closed = memory.closed.iter().filter(is_own).cloned().collect();
        for dismissal in &memory.dismissals {
            if dismissal.incident.rule == self.rule {
                // The agent stopped between the dismissal and the closing, if it is open still.
                self.unfinished
                    .extend(self.find(dismissal.incident.id).filter(|incident| incident.closed_at.is_none()));
                self.hold_dismissed(dismissal);
            }
        }
        self.muted_until = memory.mutes.iter().find(|(rule, _)| *rule == self.rule).map(|(_, until)| *until);
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &Name {
        &self.rule
    }

    /// Name of a class.
    #[must_use]
    pub fn class_name(&self, class: u16) -> String {
        self.classes.name(class)
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
            State::Pending if case.unseen.is_zero() => case.presence < self.terms.dwell,
            State::Pending => case.unseen <= self.terms.gap,
            State::Open(_) => !case.unseen.is_zero(),
            State::Clearing(_) | State::Stale(_) => true,
            State::Muted | State::Dismissed { .. } => false,
        })
    }

    /// Whether something has stood for the dwell, but not as the rule asks: whoever stays by it makes it an incident.
    #[must_use]
    pub fn lacks_company(&self) -> bool {
        self.cases.iter().any(|case| matches!(case.state, State::Pending) && case.presence >= self.terms.dwell)
    }

    /// Whether what the rule is about is permitted at this time.
    #[must_use]
    pub fn is_permitted(&self, at: Timestamp) -> bool {
        self.terms.schedule.is_permitted(at)
    }

    /// How each case stands, in the order in which they began.
    #[must_use]
    pub fn cases(&self) -> Vec<CaseView> {
        self.cases.iter().map(|case| case.view(&self.terms, &self.classes, self.muted_until)).collect()
    }

    /// Takes in what was seen at one frame, `observed` after the last one (`None`: nothing is known of the time between).
    pub fn advance(
        &mut self,
        at: &FrameStamp,
        observed: Option<Duration>,
        sightings: &[Sighting],
        ids: &mut IdSource,
    ) -> Vec<Transition> {
        let unfinished = std::mem::take(&mut self.unfinished);
        let mut transitions = self.close_all(unfinished, ClosedReason::Dismissed, at);
        self.end_dismissals(at.wall);
        if self.is_permitted(at.wall) {
            self.tallies.of_mut(QualityStage::RuleCheck).stopped += sightings.len() as u64;
            transitions.extend(self.rest(at));
            return transitions;
        }
        match observed {
            Some(observed) => self.cases.iter_mut().for_each(|case| case.pass(observed)),
            None => self.lose_sight(),
        }
        let suppressed = self.suppressed();
        self.match_up(at, observed.unwrap_or_default(), sightings);
        self.reunite();
        let duplicates = self.suppressed().saturating_sub(suppressed);
        let told = self.step_all(at, ids);
        self.count(&told, duplicates);
        transitions.extend(told);
        self.note_standing(at);
        transitions
    }

    /// What is to be remembered since the last call.
    pub fn take_memos(&mut self) -> Vec<Memo> {
        std::mem::take(&mut self.memos)
    }

    /// An incident that is open, or was closed within the last day.
    #[must_use]
    pub fn find(&self, id: Uuid) -> Option<Incident> {
        let open = self.cases.iter().find_map(|case| {
            let reported = case.reported().filter(|reported| reported.id == id)?;
            Some(case.incident(&self.rule, reported, &self.classes))
        });
        open.or_else(|| self.closed.iter().rfind(|incident| incident.id == id).cloned())
    }

    /// Closes an incident as dismissed, and does not report its thing until the time has come or it changes.
    pub fn dismiss(&mut self, id: Uuid, until: Timestamp, at: &FrameStamp) -> Result<Option<Transition>, OrderError> {
        let incident = self.find(id).ok_or(OrderError::UnknownIncident)?;
        let is_open = incident.closed_at.is_none();
        let incident = if is_open { self.close(incident, ClosedReason::Dismissed, at.wall) } else { incident };
        let dismissal = Dismissal { incident: incident.clone(), until };
        self.hold_dismissed(&dismissal);
        self.memos.push(Memo::Dismissed(dismissal));
        Ok(is_open.then_some(Transition { phase: Phase::Closed, at: *at, incident, recheck: None }))
    }

    /// Reports nothing new until the time has come.
    pub fn mute(&mut self, until: Timestamp) {
        self.muted_until = Some(until);
        self.memos.push(Memo::Muted(self.rule.clone(), until));
    }

    /// Whether the thing of an incident, open or closed, is among these sightings.
    #[must_use]
    pub fn is_seen(&self, incident: &Incident, sightings: &[Sighting]) -> bool {
        if self.cases.iter().any(|case| case.unseen.is_zero() && case.reported().is_some_and(|r| r.id == incident.id)) {
            return true;
        }
        let groups = self.classes.groups_named(incident.objects.iter().map(|object| object.class.as_str()));
        sightings.iter().any(|sighting| {
            let seen = case::groups_of(sighting, &self.classes);
            case::stands_at(&incident.bbox, &groups, sighting, &seen, &self.terms)
        })
    }

    /// Tells what was found when looking again at an incident, open or closed.
    pub fn answer(&mut self, id: Uuid, recheck: Recheck, at: &FrameStamp) -> Option<Transition> {
        let incident = self.revise(id)?;
        Some(Transition { phase: Phase::Rechecked, at: *at, incident, recheck: Some(recheck) })
    }

    /// Tells of an incident, open or closed, as it stands: there is news of its evidence.
    pub fn tell(&mut self, id: Uuid, at: &FrameStamp) -> Option<Transition> {
        let incident = self.revise(id)?;
        Some(Transition { phase: Phase::Updated, at: *at, incident, recheck: None })
    }

    /// The next revision of an incident, open or closed, as it stands.
    fn revise(&mut self, id: Uuid) -> Option<Incident> {
        for case in &mut self.cases {
            if let State::Open(reported) | State::Clearing(reported) | State::Stale(reported) = &mut case.state
                && reported.id == id
            {
                reported.revision += 1;
            }
        }
        if let Some(closed) = self.closed.iter_mut().rfind(|incident| incident.id == id) {
            closed.revision += 1;
        }
        self.find(id)
    }

    /// The next revision of an incident, closed; remembered for a while.
    fn close(&mut self, incident: Incident, reason: ClosedReason, now: Timestamp) -> Incident {
        let (revision, closed_at, closed_reason) = (incident.revision + 1, Some(now), Some(reason));
        let incident = Incident { revision, closed_at, closed_reason, ..incident };
        self.closed.retain(|known| known.is_remembered(now));
        if self.closed.len() >= MAX_CLOSED {
            self.closed.remove(0);
        }
        self.closed.push(incident.clone());
        incident
    }

    fn hold_dismissed(&mut self, dismissal: &Dismissal) {
        let (incident, until) = (dismissal.incident.id, dismissal.until);
        let state = |looks| State::Dismissed { incident, until, looks, has_changed: false };
        self.cases.retain(|case| case.id() != Some(incident));
        self.cases.push(Case::restore(dismissal.incident.clone(), &self.classes, state));
    }

    /// Ends the dismissals whose time has come, and those of things that look otherwise now; what stands there begins anew.
    fn end_dismissals(&mut self, now: Timestamp) {
        let memos = &mut self.memos;
        self.cases.retain(|case| {
            let State::Dismissed { incident, until, has_changed, .. } = &case.state else { return true };
            let is_over = *has_changed || now >= *until;
            if is_over {
                memos.push(Memo::DismissalOver(*incident));
            }
            !is_over
        });
    }

    /// A window begins, or goes on, in which the thing is permitted.
    fn rest(&mut self, at: &FrameStamp) -> Vec<Transition> {
        let open: Vec<Incident> = self.active().into_iter().filter_map(|id| self.find(id)).collect();
        self.cases.retain(|case| matches!(case.state, State::Dismissed { .. }));
        self.close_all(open, ClosedReason::Permitted, at)
    }

    fn close_all(&mut self, open: Vec<Incident>, reason: ClosedReason, at: &FrameStamp) -> Vec<Transition> {
        let close = |incident| Transition {
            phase: Phase::Closed,
            at: *at,
            incident: self.close(incident, reason, at.wall),
            recheck: None,
        };
        open.into_iter().map(close).collect()
    }

    fn lose_sight(&mut self) {
        for case in &mut self.cases {
            case.state = match std::mem::replace(&mut case.state, State::Pending) {
                State::Open(reported) | State::Clearing(reported) => State::Stale(reported),
                state @ (State::Pending | State::Muted | State::Stale(_) | State::Dismissed { .. }) => state,
            };
        }
    }

    /// Gives each sighting to the case that it fits best; what fits none begins one.
    fn match_up(&mut self, at: &FrameStamp, observed: Duration, sightings: &[Sighting]) {
        let terms = &self.terms;
        let mut groups: Vec<_> =
            sightings.iter().map(|sighting| Some(case::groups_of(sighting, &self.classes))).collect();
        let pairs = assign::best_pairs(self.cases.len(), sightings.len(), MIN_AFFINITY, |case, sighting| {
            let seen = groups[sighting].as_ref();
            seen.map_or(0.0, |seen| self.cases[case].affinity(&sightings[sighting], seen, terms))
        });
        for (case, sighting) in pairs {
            if let Some(groups) = groups[sighting].take() {
                self.cases[case].see(at, observed, &sightings[sighting], groups, terms);
            }
        }
        for (sighting, groups) in sightings.iter().zip(groups) {
            let Some(groups) = groups else { continue };
            if let Some(case) = self.cases.iter_mut().find(|case| case.holds(sighting, &groups, terms)) {
                case.absorb(sighting);
            } else if self.cases.len() < MAX_CASES {
                self.cases.push(Case::begin(at, observed, sighting, groups));
            }
        }
    }

    /// A reported thing that is missed, and one that has begun to stand beside its place since, are one that was moved.
    fn reunite(&mut self) {
        let terms = &self.terms;
        let is_missed = |case: &Case| case.reported().is_some() && case.unseen > terms.gap;
        let mut moved = Vec::new();
        for case in self.cases.iter().filter(|case| is_missed(case)) {
            let other = (0..self.cases.len()).find(|other| case.was_moved_to(&self.cases[*other], terms));
            moved.extend(other.filter(|other| !moved.contains(other)));
        }
        moved.sort_unstable();
        for other in moved.into_iter().rev() {
            let other = self.cases.remove(other);
            if let Some(case) = self.cases.iter_mut().find(|case| is_missed(case) && case.was_moved_to(&other, terms)) {
                case.take_over(other);
            }
        }
    }

    /// Moves every case to the state that its times ask for, and forgets those that ended.
    fn step_all(&mut self, at: &FrameStamp, ids: &mut IdSource) -> Vec<Transition> {
        let is_muted = self.muted_until.is_some_and(|until| at.wall < until);
        let mut transitions = Vec::new();
        let room = Vec::with_capacity(self.cases.len());
        for mut case in std::mem::replace(&mut self.cases, room) {
            let told = match &case.state {
                State::Pending | State::Muted if case.unseen > self.terms.patience() => continue,
                State::Pending | State::Muted if case.is_confirmed(at, &self.terms) => {
                    if is_muted {
                        case.state = State::Muted;
                        None
                    } else {
                        case.state = State::Open(self.report(&case, at, ids));
                        Some(Phase::Opened)
                    }
                }
                // Never straight from open: one frame without the thing, after a long step, is not yet its absence.
                State::Clearing(reported) if case.unseen >= self.terms.clear => {
                    let incident = case.incident(&self.rule, reported, &self.classes);
                    let incident = self.close(incident, ClosedReason::Gone, at.wall);
                    transitions.push(Transition { phase: Phase::Closed, at: *at, incident, recheck: None });
                    continue;
                }
                State::Open(_) | State::Stale(_) if case.unseen > self.terms.gap.min(self.terms.clear) => {
                    case.move_on(State::Clearing);
                    None
                }
                State::Open(_) | State::Clearing(_) | State::Stale(_) if case.is_here(at) => {
                    case.move_on(State::Open);
                    case.has_news(&self.terms, is_muted).then_some(Phase::Updated)
                }
                State::Pending
                | State::Muted
                | State::Dismissed { .. }
                | State::Open(_)
                | State::Clearing(_)
                | State::Stale(_) => None,
            };
            if let (Some(phase), Some(reported)) = (told, case.reported()) {
                let incident = case.incident(&self.rule, reported, &self.classes);
                transitions.push(Transition { phase, at: *at, incident, recheck: None });
            }
            self.cases.push(case);
        }
        transitions
    }

    /// The beginning of an incident: a new one, or one that continues what was closed at the same place not long ago.
    fn report(&self, case: &Case, at: &FrameStamp, ids: &mut IdSource) -> Reported {
        let is_continued = |id: Uuid| {
            let by_open = self.cases.iter().filter_map(Case::reported).any(|reported| reported.continues == Some(id));
            by_open || self.closed.iter().any(|incident| incident.continues == Some(id))
        };
        // Only of the last one at that place: a clock that was set back brings an earlier one no nearer.
        let last = self
            .closed
            .iter()
            .rfind(|incident| case.is_return_of(incident, &self.classes, &self.terms) && !is_continued(incident.id));
        let returned = last.filter(|incident| {
            let is_over = matches!(incident.closed_reason, Some(ClosedReason::Gone | ClosedReason::Permitted));
            let since = incident.closed_at.map(|closed_at| at.wall.duration_since(closed_at).unsigned_abs());
            is_over && since.is_some_and(|since| since <= self.terms.merge)
        });
        Reported {
            id: ids.next(at.wall),
            revision: 0,
            confirmed_at: at.wall,
            suppressed: 0,
            severity: self.terms.severity_after(case.presence),
            continues: returned.map(|incident| incident.id),
            looks: case.looks(),
            has_changed: false,
        }
    }

    fn note_standing(&mut self, at: &FrameStamp) {
        for case in &mut self.cases {
            if case.reported().is_some() && case.is_to_be_noted(at) {
                let incident = case.reported().map(|reported| case.incident(&self.rule, reported, &self.classes));
                self.memos.extend(incident.map(Memo::Standing));
            }
        }
    }
}

#[cfg(test)]
mod tests;
