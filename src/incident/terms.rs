//! The terms of a rule: how long, when, how grave.

use super::Severity;
use crate::schedule::Schedule;
use std::time::Duration;

/// The terms of a rule, with every default filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// Observed presence after which an incident opens.
    pub dwell: Duration,
    /// Observed absence that does not interrupt the dwell.
    pub gap: Duration,
    /// Observed absence after which an incident closes.
    pub clear: Duration,
    /// Time after closing within which a thing that returns to its place continues the incident.
    pub merge: Duration,
    /// For a thing that moves on within its zone: the time between two stays that add up.
    pub stays_within: Option<Duration>,
    /// Whether a zone holds one thing, which is a group of others.
    pub is_group: bool,
    /// Whether one thing may be seen as one class now and as another then: a stall by its parasol or its table, anything as static.
    pub mixes_classes: bool,
    /// When it is permitted.
    pub schedule: Schedule,
    /// How grave it is when it opens.
    pub severity: Severity,
    /// From which observed presence on it is graver.
    pub escalate: Vec<(Duration, Severity)>,
}

impl Terms {
    /// How grave a thing is that has been there for so long.
    pub(super) fn severity_after(&self, presence: Duration) -> Severity {
        let reached = self.escalate.iter().filter(|(after, _)| presence >= *after).map(|(_, to)| *to);
        reached.fold(self.severity, Severity::max)
    }

    /// Observed absence after which what was not reported is forgotten.
    pub(super) fn patience(&self) -> Duration {
        self.stays_within.map_or(self.gap, |within| within.max(self.gap))
    }
}
