//! Which events a hub has seen: at-least-once delivery made exactly-once, and losses made visible.

use crate::contract::IncidentEvent;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use uuid::Uuid;

/// Ids of events that are remembered per agent; a repetition comes within one outage.
const REMEMBERED: usize = 65_536;

/// What an event is to a hub that has seen others of the same agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// Seen for the first time, next in the sequence.
    New,
    /// Seen for the first time, and events between the last one and this one were not seen.
    AfterGap(RangeInclusive<u64>),
    /// Seen for the first time, after later ones: it fills a gap, or the agent's sequence began anew.
    Late,
    /// Seen before.
    Duplicate,
}

/// What was seen of each agent.
#[derive(Debug, Default)]
pub struct Ledger {
    agents: BTreeMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<Uuid>,
    in_order: VecDeque<Uuid>,
    last: Option<u64>,
}

impl Ledger {
    /// Enters an event.
    pub fn enter(&mut self, event: &IncidentEvent) -> Sighting {
        let seen = self.agents.entry(event.source.clone()).or_default();
        if !seen.ids.insert(event.id) {
            return Sighting::Duplicate;
        }
        seen.in_order.push_back(event.id);
        if seen.in_order.len() > REMEMBERED
            && let Some(oldest) = seen.in_order.pop_front()
        {
            seen.ids.remove(&oldest);
        }
        let sequence = event.sequence.0;
        let sighting = match seen.last {
            Some(last) if sequence <= last => Sighting::Late,
            Some(last) if sequence > last + 1 => Sighting::AfterGap(last + 1..=sequence - 1),
            Some(_) | None => Sighting::New,
        };
        seen.last = seen.last.max(Some(sequence));
        sighting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::event;
    use crate::incident::Phase;

    #[test]
    fn repetitions_gaps_and_late_events_are_told_apart() {
        let mut ledger = Ledger::default();
        let mut enter = |sequence| ledger.enter(&event(Phase::Opened, sequence));
        assert_eq!(enter(5), Sighting::New, "the first one seen has no predecessor");
        assert_eq!(enter(6), Sighting::New);
        assert_eq!(enter(6), Sighting::Duplicate);
        assert_eq!(enter(9), Sighting::AfterGap(7..=8));
        assert_eq!(enter(7), Sighting::Late);
        assert_eq!(enter(10), Sighting::New);
    }

    #[test]
    fn agents_have_sequences_of_their_own() {
        let mut ledger = Ledger::default();
        ledger.enter(&event(Phase::Opened, 5));
        let mut other = event(Phase::Opened, 77);
        other.source = "urn:curbwatch:other".into();
        assert_eq!(ledger.enter(&other), Sighting::New);
    }
}
