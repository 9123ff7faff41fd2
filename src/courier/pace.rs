//! When the next request may be made, and for which incidents. Pure: time is an argument.

use crate::back_off::{BackOff, BackOffSettings};
use crate::clock::Mono;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Incidents that are held back each for itself; with more the server has a trouble that is not theirs.
pub(super) const MAX_HELD: usize = 64;
/// A server that says "come later" is believed up to here.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// An incident at whose message the server failed.
#[derive(Debug)]
struct Held {
    until: Mono,
    back_off: BackOff,
}

/// The pauses of a courier.
#[derive(Debug)]
pub(super) struct Pace {
    settings: BackOffSettings,
    back_off: BackOff,
    paused_until: Option<Mono>,
    held: BTreeMap<Uuid, Held>,
}

impl Pace {
    pub(super) fn new(settings: BackOffSettings) -> Self {
        Self { settings, back_off: BackOff::new(settings), paused_until: None, held: BTreeMap::new() }
    }

    /// Until when no request may be made.
    pub(super) fn paused_until(&self, now: Mono) -> Option<Mono> {
        self.paused_until.filter(|until| now < *until)
    }

    /// Until when an incident is held back.
    pub(super) fn held_until(&self, incident: Uuid, now: Mono) -> Option<Mono> {
        self.held.get(&incident).map(|held| held.until).filter(|until| now < *until)
    }

    /// Whether rows read ahead are still in the order in which they may go.
    pub(super) fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }

    /// The server answered to a message of an incident, and need not hear it again.
    pub(super) fn settled(&mut self, incident: Uuid) {
        self.back_off.reset();
        self.paused_until = None;
        self.held.remove(&incident);
    }

    /// The server takes nothing: everything pauses.
    pub(super) fn unavailable(&mut self, now: Mono, retry_after: Option<Duration>) {
        let wait = self.back_off.next().max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        self.paused_until = Some(Mono(now.0 + wait));
    }

    /// The server failed at a message: the next request waits, and the incident longer, so that another has its turn.
    pub(super) fn failed(&mut self, incident: Uuid, now: Mono) {
        self.unavailable(now, None);
        if self.held.len() >= MAX_HELD && !self.held.contains_key(&incident) {
            return;
        }
        let new = || Held { until: now, back_off: BackOff::new(self.settings) };
        let held = self.held.entry(incident).or_insert_with(new);
        held.until = Mono(self.paused_until.unwrap_or(now).0 + held.back_off.next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    fn pace() -> Pace {
        Pace::new(BackOffSettings { first: Duration::from_secs(4), cap: Duration::from_mins(1) })
    }

    fn wait(pace: &Pace, now: Mono) -> Duration {
        pace.paused_until(now).map_or(Duration::ZERO, |until| until.since(now))
    }

    #[test]
    fn pauses_grow_while_nothing_is_taken_and_end_when_something_is() {
        let mut pace = pace();
        for _ in 0..8 {
            pace.unavailable(at(0), None);
        }
        assert!(wait(&pace, at(0)) >= Duration::from_secs(30));
        pace.settled(Uuid::nil());
        assert_eq!(pace.paused_until(at(0)), None);
        pace.unavailable(at(0), None);
        assert!(wait(&pace, at(0)) <= Duration::from_secs(4));
    }

    #[test]
    fn a_server_that_says_when_to_come_again_is_believed_within_reason() {
        let mut pace = pace();
        pace.unavailable(at(0), Some(Duration::from_mins(7)));
        assert_eq!(wait(&pace, at(0)), Duration::from_mins(7));
        pace.unavailable(at(0), Some(Duration::MAX));
        assert_eq!(wait(&pace, at(0)), MAX_RETRY_AFTER);
        pace.unavailable(at(0), Some(Duration::ZERO));
        assert!(wait(&pace, at(0)) >= Duration::from_secs(2), "never at once");
    }

    #[test]
    fn an_incident_at_which_the_server_fails_is_held_longer_than_the_others() {
        let (mut pace, poison, other) = (pace(), Uuid::from_u128(1), Uuid::from_u128(2));
        for round in 0..5 {
            pace.failed(poison, at(100 * round));
            assert_eq!(pace.held_until(other, at(100 * round)), None);
            pace.settled(other);
        }
        assert!(pace.held_until(poison, at(400)).unwrap().since(at(400)) >= Duration::from_secs(30));
        assert!(wait(&pace, at(400)) <= Duration::from_secs(4), "the others need not wait so long");
        pace.settled(poison);
        assert!(pace.holds_nothing());
    }

    #[test]
    fn what_is_remembered_of_incidents_has_a_bound() {
        let mut pace = pace();
        for incident in 0..1000 {
            pace.failed(Uuid::from_u128(incident), at(0));
        }
        assert_eq!(pace.held.len(), MAX_HELD);
        assert!(pace.paused_until(at(1)).is_some());
    }
}
