//! What the engine of a camera must know after a restart, beside its configuration.

use super::Incident;
use crate::ids::Name;
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// For how long a closed incident is remembered at most: it may be continued, dismissed or looked at again.
pub const CLOSED_MEMORY: Duration = Duration::from_hours(24);

/// Most closed incidents of a camera in [`Memory`]; the last ones.
const MAX_CLOSED: usize = 512;

/// What the engine of a camera must know after a restart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Incidents that are open, as last noted.
    pub open: Vec<Incident>,
    /// Incidents that were closed within [`CLOSED_MEMORY`], the last one last.
    pub closed: Vec<Incident>,
    /// Things that the hub does not want to hear of.
    pub dismissals: Vec<Dismissal>,
    /// Rules of which the hub does not want to hear, until when.
    pub mutes: Vec<(Name, Timestamp)>,
}

/// A thing at a place of which the hub does not want to hear.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dismissal {
    /// As it was dismissed.
    pub incident: Incident,
    /// Until when, unless it changes before.
    pub until: Timestamp,
}

/// Something to remember over a restart of which the hub need not be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Memo {
    /// How an open incident stands now.
    Standing(Incident),
    /// The hub dismissed a thing.
    Dismissed(Dismissal),
    /// A dismissal is over.
    DismissalOver(Uuid),
    /// The hub muted a rule until a time; one that has passed ends it.
    Muted(Name, Timestamp),
}

impl Memory {
    /// Takes in how an incident stands after a change of it.
    pub fn note(&mut self, incident: &Incident) {
        self.open.retain(|known| known.id != incident.id);
        self.closed.retain(|known| known.id != incident.id);
        match incident.closed_at {
            None => self.open.push(incident.clone()),
            Some(now) => {
                self.closed.retain(|known| known.is_remembered(now));
                let surplus = (self.closed.len() + 1).saturating_sub(MAX_CLOSED);
                self.closed.drain(..surplus);
                self.closed.push(incident.clone());
            }
        }
    }

    /// Takes in what is to be remembered.
    pub fn take(&mut self, memo: &Memo) {
        match memo {
            Memo::Standing(incident) => self.note(incident),
            Memo::Dismissed(dismissal) => {
                self.dismissals.retain(|known| known.incident.id != dismissal.incident.id);
                self.dismissals.push(dismissal.clone());
            }
            Memo::DismissalOver(incident) => self.dismissals.retain(|known| known.incident.id != *incident),
            Memo::Muted(rule, until) => {
                self.mutes.retain(|(muted, _)| muted != rule);
                self.mutes.push((rule.clone(), *until));
            }
        }
    }
}

impl Incident {
    /// Whether it is open, or was closed within [`CLOSED_MEMORY`].
    #[must_use]
    pub fn is_remembered(&self, now: Timestamp) -> bool {
        self.closed_at.is_none_or(|closed_at| now.duration_since(closed_at).unsigned_abs() <= CLOSED_MEMORY)
    }
}
