//! What was reported against what was there.
//!
//! In: the [`Truth`] of a recording and the events that a replay of it gave. Out: a [`Score`] per kind, with every miss, false alarm and
//! duplicate named. Pure.
//!
//! An incident is that of a thing if kind, place and time agree: the smaller of the two boxes lies in the other by at least
//! [`MIN_OVERLAP`], and it was first seen before the thing went and confirmed after it came. The first incident of a thing finds it, each further one
//! is a duplicate; one that belongs to no thing, or to one that is not to be reported, is a false alarm.

pub mod truth;

use crate::config::RuleKind;
use crate::contract::IncidentEvent;
use crate::geometry::BBox;
use crate::incident::Phase;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use truth::{Thing, Truth};
use uuid::Uuid;

/// Share of the smaller box that must lie in the other.
const MIN_OVERLAP: f32 = 0.3;
/// Seconds by which a time may be wrong: a frame interval and the rounding of the truth.
const TIME_SLACK_SECS: f64 = 2.0;

/// How well the things of one kind were reported.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// Things that were to be reported.
    pub reportable: u32,
    /// Of them, those that were.
    pub found: u32,
    /// Incidents of nothing that was to be reported.
    pub false_alarms: u32,
    /// Further incidents of a thing that was reported already.
    pub duplicates: u32,
    /// Seconds from the end of the dwell to the confirmation, per thing found.
    pub confirmation_delays: Vec<f64>,
    /// Seconds from the thing's going to the closing, per thing that went and was closed.
    pub closing_delays: Vec<f64>,
}

impl Score {
    /// Share of the reportable things that were found; none if there were none.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        (self.reportable > 0).then(|| f64::from(self.found) / f64::from(self.reportable))
    }

    /// Share of the reports that were right, duplicates aside; none if nothing was reported.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        let reported = self.found + self.false_alarms;
        (reported > 0).then(|| f64::from(self.found) / f64::from(reported))
    }

    fn add(&mut self, other: &Self) {
        self.reportable += other.reportable;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
        self.duplicates += other.duplicates;
        self.confirmation_delays.extend(&other.confirmation_delays);
        self.closing_delays.extend(&other.closing_delays);
    }
}

/// The middle value, or the mean of the two; none of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mistake {
    /// What it is.
    pub what: MistakeKind,
    /// The kind of rule.
    pub kind: RuleKind,
    /// The thing; none for a false alarm of nothing that is in the truth.
    pub thing: Option<String>,
    /// The incident; none for a miss.
    pub incident: Option<Uuid>,
    /// Seconds since the beginning of the recording: when the thing came, or when the incident was confirmed.
    pub at_secs: f64,
}

/// What a [`Mistake`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MistakeKind {
    /// A thing was not reported.
    Missed,
    /// An incident of nothing that was to be reported.
    FalseAlarm,
    /// A second incident of the same thing.
    Duplicate,
}

/// The scores of one recording or of many.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// By the name of the kind.
    pub kinds: BTreeMap<&'static str, Score>,
    /// Every mistake, in the order of recordings and time.
    pub mistakes: Vec<Mistake>,
}

impl Report {
    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> Score {
        let mut total = Score::default();
        self.kinds.values().for_each(|score| total.add(score));
        total
    }

    /// Takes in another recording's.
    pub fn add(&mut self, other: Self) {
        for (kind, score) in other.kinds {
            self.kinds.entry(kind).or_default().add(&score);
        }
        self.mistakes.extend(other.mistakes);
    }
}

/// An incident as its events tell of it, times in seconds since the beginning of the recording.
struct Reported {
    id: Uuid,
    kind: RuleKind,
    place: BBox,
    dwell_secs: f64,
    first_seen: f64,
    confirmed: f64,
    closed: Option<f64>,
}

/// Scores the events of one recording, whose first picture was taken at `start`.
#[must_use]
pub fn evaluate(truth: &Truth, events: &[IncidentEvent], start: Timestamp) -> Report {
    let mut report = Report::default();
    let mut first_of: BTreeMap<usize, Uuid> = BTreeMap::new();
    for thing in truth.things.iter().filter(|thing| thing.is_reportable) {
        report.kinds.entry(thing.kind.as_str()).or_default().reportable += 1;
    }
    for incident in reported(events, start) {
        let thing = thing_of(&incident, &truth.things);
        let score = report.kinds.entry(incident.kind.as_str()).or_default();
        let what = match thing {
            Some((index, thing)) if thing.is_reportable => {
                if let Entry::Vacant(first) = first_of.entry(index) {
                    first.insert(incident.id);
                    score.found += 1;
                    score.confirmation_delays.push(incident.confirmed - thing.from_secs - incident.dwell_secs);
                    let has_gone = thing.to_secs < truth.duration_secs;
                    score.closing_delays.extend(incident.closed.filter(|_| has_gone).map(|at| at - thing.to_secs));
                    continue;
                }
                score.duplicates += 1;
                MistakeKind::Duplicate
            }
            Some(_) | None => {
                score.false_alarms += 1;
                MistakeKind::FalseAlarm
            }
        };
        report.mistakes.push(Mistake {
            what,
            kind: incident.kind,
            thing: thing.map(|(_, thing)| thing.id.clone()),
            incident: Some(incident.id),
            at_secs: incident.confirmed,
        });
    }
    for (index, thing) in truth.things.iter().enumerate() {
        if thing.is_reportable && !first_of.contains_key(&index) {
            report.mistakes.push(Mistake {
                what: MistakeKind::Missed,
                kind: thing.kind,
                thing: Some(thing.id.clone()),
                incident: None,
                at_secs: thing.from_secs,
            });
        }
    }
    report
}

/// The incidents that were opened, in the order of the events.
fn reported(events: &[IncidentEvent], start: Timestamp) -> Vec<Reported> {
    let secs = |at: Timestamp| at.duration_since(start).as_secs_f64();
    let mut incidents: Vec<Reported> = Vec::new();
    for event in events {
        let data = &event.data;
        let known = incidents.iter().position(|incident| incident.id == data.incident_id);
        let place = data.objects.iter().map(|object| object.bbox).reduce(|a, b| a.union(&b));
        match (data.phase, known, place) {
            (Phase::Opened, None, Some(place)) => incidents.push(Reported {
                id: data.incident_id,
                kind: data.matter.kind,
                place,
                dwell_secs: data.rule.dwell_secs,
                first_seen: secs(data.timing.first_seen.instant()),
                confirmed: secs(data.timing.confirmed_at.instant()),
                closed: None,
            }),
            (Phase::Closed, Some(known), _) => {
                incidents[known].closed = data.timing.closed_at.map(|at| secs(at.instant()));
            }
            (Phase::Opened | Phase::Updated | Phase::Rechecked | Phase::Closed | Phase::Withdrawn, _, _) => {}
        }
    }
    incidents
}

/// The thing to which an incident belongs: of those that agree, the one that overlaps most.
fn thing_of<'a>(incident: &Reported, things: &'a [Thing]) -> Option<(usize, &'a Thing)> {
    let overlap = |thing: &Thing| {
        let smaller = thing.bbox.area().min(incident.place.area());
        if smaller > 0.0 { thing.bbox.intersection(&incident.place) / smaller } else { 0.0 }
    };
    let agrees = |thing: &Thing| {
        thing.kind == incident.kind
            && overlap(thing) >= MIN_OVERLAP
            && incident.first_seen <= thing.to_secs + TIME_SLACK_SECS
            && incident.confirmed >= thing.from_secs - TIME_SLACK_SECS
    };
    let agreeing = things.iter().enumerate().filter(|(_, thing)| agrees(thing));
    agreeing.max_by(|(_, a), (_, b)| overlap(a).total_cmp(&overlap(b)))
}

#[cfg(test)]
mod tests;
