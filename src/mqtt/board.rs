//! The state board: what each retained topic should say, and which of them the broker has not been told.

use super::dialect::Qos;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// A retained topic, in the order in which they are told after a connect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    rank: u8,
    pub(super) topic: String,
}

impl Slot {
    fn new(topic: String) -> Self {
        let rank = match topic.rsplit_once('/') {
            Some((above, "status")) if !above.contains("/camera/") => 0,
            Some((_, "birth")) => 1,
            Some(_) | None => 2,
        };
        Self { rank, topic }
    }
}

/// One payload per topic; bounded by the number of topics.
#[derive(Debug, Default)]
pub(super) struct Board {
    latest: BTreeMap<Slot, (Bytes, Qos)>,
    untold: BTreeSet<Slot>,
}

impl Board {
    pub(super) fn set(&mut self, topic: String, payload: Bytes, qos: Qos) {
        let slot = Slot::new(topic);
        if self.latest.get(&slot).is_none_or(|(latest, _)| *latest != payload) {
            self.latest.insert(slot.clone(), (payload, qos));
            self.untold.insert(slot);
        }
    }

    /// A new connection: the broker may have forgotten everything.
    pub(super) fn forget_told(&mut self) {
        self.untold = self.latest.keys().cloned().collect();
    }

    /// The next topic to tell.
    pub(super) fn next(&mut self) -> Option<(Slot, Bytes, Qos)> {
        let slot = self.untold.pop_first()?;
        let (payload, qos) = self.latest.get(&slot).cloned()?;
        Some((slot, payload, qos))
    }

    /// The broker did not take it.
    pub(super) fn tell_again(&mut self, slot: Slot) {
        self.untold.insert(slot);
    }

    pub(super) fn all_told(&self) -> bool {
        self.untold.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(board: &mut Board) -> Vec<(String, Bytes)> {
        std::iter::from_fn(|| board.next()).map(|(slot, payload, _)| (slot.topic, payload)).collect()
    }

    fn board(entries: &[(&str, &'static str)]) -> Board {
        let mut board = Board::default();
        for (topic, payload) in entries {
            board.set((*topic).to_owned(), Bytes::from_static(payload.as_bytes()), Qos::AtLeastOnce);
        }
        board
    }

    #[test]
    fn status_and_birth_go_first_and_everything_again_after_a_connect() {
        let mut board = board(&[
            ("p/v1/s/a/birth", "b"),
            ("p/v1/s/a/camera/birth/status", "c"),
            ("p/v1/s/a/health", "h"),
            ("p/v1/s/a/status", "s"),
        ]);
        let order = ["p/v1/s/a/status", "p/v1/s/a/birth", "p/v1/s/a/camera/birth/status", "p/v1/s/a/health"];
        let topics = |told: Vec<(String, Bytes)>| told.into_iter().map(|(topic, _)| topic).collect::<Vec<_>>();
        assert_eq!(topics(told(&mut board)), order);
        assert!(board.all_told());
        board.forget_told();
        assert_eq!(topics(told(&mut board)), order);
    }

    #[test]
    fn of_several_changes_only_the_last_is_told_and_no_change_is_not() {
        let mut board = board(&[("t", "1"), ("t", "2")]);
        assert_eq!(told(&mut board), [("t".to_owned(), Bytes::from_static(b"2"))]);
        board.set("t".to_owned(), Bytes::from_static(b"2"), Qos::AtLeastOnce);
        assert!(board.all_told());
        board.set("t".to_owned(), Bytes::new(), Qos::AtLeastOnce);
        assert_eq!(told(&mut board), [("t".to_owned(), Bytes::new())]);
    }
}
