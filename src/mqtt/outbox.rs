//! Which outbox row goes next on one connection, and which may be removed. Pure: rows, verdicts and time are arguments.

use crate::back_off::{BackOff, BackOffSettings};
use crate::clock::Mono;
use crate::store::{OutboxRow, RowId};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The reading of the outbox on one connection.
///
/// How long refused rows wait for later ones of their incidents that are still in flight.
const IN_FLIGHT_GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// Rows up to `cursor` were looked at: each is in flight, may be removed, was refused, waits behind a refused one of its
/// incident, or is left for the next connection.
#[derive(Debug)]
pub(super) struct Reading {
    cursor: RowId,
    in_flight: BTreeMap<RowId, Uuid>,
    refused: BTreeMap<RowId, Uuid>,
    left: BTreeSet<RowId>,
    removable: BTreeSet<RowId>,
    back_off: BackOff,
    retry_at: Option<Mono>,
}

impl Reading {
    pub(super) fn new(retry_refused: BackOffSettings) -> Self {
        Self {
            cursor: RowId::ZERO,
            in_flight: BTreeMap::new(),
            refused: BTreeMap::new(),
            left: BTreeSet::new(),
            removable: BTreeSet::new(),
            back_off: BackOff::new(retry_refused),
            retry_at: None,
        }
    }

    /// Rows after this one have not been looked at.
    pub(super) fn cursor(&self) -> RowId {
        self.cursor
    }

    /// Reads from the first row on: rows that were held until their picture was stored may stand before the cursor.
    pub(super) fn begin_anew(&mut self) {
        self.cursor = RowId::ZERO;
    }

    /// Whether the row goes now. If so, it counts as in flight.
    pub(super) fn take(&mut self, row: &OutboxRow) -> bool {
        self.cursor = row.row;
        let held = self.refused.values().any(|incident| *incident == row.incident);
        let known = self.in_flight.contains_key(&row.row) || self.removable.contains(&row.row);
        let goes = !held && !known && !self.left.contains(&row.row);
        if goes {
            self.in_flight.insert(row.row, row.incident);
        }
        goes
    }

    /// The broker has the row: it may be removed, and true is returned. Not so if an earlier row of its incident was
    /// refused: then it goes again after that one, so that the last word the hub hears of an incident is the last one.
    pub(super) fn acknowledged(&mut self, row: RowId) -> bool {
        let Some(incident) = self.in_flight.remove(&row) else { return false };
        if self.refused.range(..row).any(|(_, refused)| *refused == incident) {
            self.refused.insert(row, incident);
            return false;
        }
        if self.refused.is_empty() {
            self.back_off.reset();
        }
        self.removable.insert(row)
    }

    /// Rows that the broker has and the store still holds.
    pub(super) fn removable(&self) -> &BTreeSet<RowId> {
        &self.removable
    }

    /// The store has removed them.
    pub(super) fn removed(&mut self) {
        self.removable.clear();
    }

    /// The broker did not take the row: it goes again later.
    pub(super) fn refused(&mut self, row: RowId, now: Mono) {
        if let Some(incident) = self.in_flight.remove(&row) {
            self.refused.insert(row, incident);
            if self.retry_at.is_none() {
                self.retry_at = Some(Mono(now.0 + self.back_off.next()));
            }
        }
    }

    /// The row cannot go on this connection at all; the later ones of its incident need not wait for it.
    pub(super) fn leave(&mut self, row: RowId) {
        self.in_flight.remove(&row);
        self.left.insert(row);
    }

    /// Whether no row waits to be sent again.
    pub(super) fn refuses_nothing(&self) -> bool {
        self.refused.is_empty()
    }

    /// When refused rows go again.
    pub(super) fn retry_at(&self) -> Option<Mono> {
        self.retry_at
    }

    /// Goes back to the first refused row if it is time. Rows read ahead are stale then.
    pub(super) fn retry(&mut self, now: Mono) -> bool {
        if self.retry_at.is_none_or(|at| now < at) {
            return false;
        }
        // A later row of a refused one's incident may still be on its way: if it went through after the earlier one was sent
        // again, the hub's last word would be the earlier.
        if self.in_flight.values().any(|incident| self.refused.values().any(|refused| refused == incident)) {
            self.retry_at = Some(Mono(now.0 + IN_FLIGHT_GRACE));
            return false;
        }
        self.retry_at = None;
        let Some((first, _)) = self.refused.first_key_value() else { return false };
        self.cursor = first.before();
        self.refused.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Body;
    use std::time::Duration;

    fn row(number: i64, incident: u128) -> OutboxRow {
        let incident = Uuid::from_u128(incident);
        let body = Body::Payload(vec![]);
        OutboxRow {
            row: RowId::numbered(number),
            incident,
            topic: String::new(),
            content_type: String::new(),
            body,
            is_repeated: false,
            is_retained: false,
        }
    }

    fn reading() -> Reading {
        Reading::new(BackOffSettings { first: Duration::from_secs(4), cap: Duration::from_mins(1) })
    }

    /// The rows that go when all are read from the cursor on.
    fn read(reading: &mut Reading, rows: &[OutboxRow]) -> Vec<RowId> {
        let after = reading.cursor();
        rows.iter().filter(|row| row.row > after && reading.take(row)).map(|row| row.row).collect()
    }

    fn numbers(rows: &[i64]) -> Vec<RowId> {
        rows.iter().copied().map(RowId::numbered).collect()
    }

    fn at(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    #[test]
    fn rows_go_in_order_and_each_once() {
        let (mut reading, rows) = (reading(), [row(1, 1), row(2, 2), row(5, 1)]);
        assert_eq!(read(&mut reading, &rows), numbers(&[1, 2, 5]));
        assert_eq!(read(&mut reading, &rows), []);
        assert!(reading.acknowledged(RowId::numbered(2)));
        assert!(!reading.acknowledged(RowId::numbered(2)), "acknowledged twice");
        assert_eq!(reading.removable().iter().copied().collect::<Vec<_>>(), numbers(&[2]));
    }

    #[test]
    fn a_refused_row_holds_its_incident_and_no_other_and_goes_again_in_order() {
        let (mut reading, rows) = (reading(), [row(1, 1), row(2, 2), row(3, 1), row(4, 2)]);
        assert!(reading.take(&rows[0]));
        reading.refused(RowId::numbered(1), at(0));
        assert_eq!(read(&mut reading, &rows), numbers(&[2, 4]));
        assert!(reading.acknowledged(RowId::numbered(2)));
        assert!(!reading.retry(at(1)), "too early");
        assert!(reading.retry(at(4)));
        assert_eq!(read(&mut reading, &rows), numbers(&[1, 3]), "4 is in flight, and the broker has 2");
    }

    #[test]
    fn a_row_that_overtook_a_refused_one_goes_again_after_it() {
        let (mut reading, rows) = (reading(), [row(1, 1), row(2, 1)]);
        assert_eq!(read(&mut reading, &rows), numbers(&[1, 2]));
        reading.refused(RowId::numbered(1), at(0));
        assert!(!reading.acknowledged(RowId::numbered(2)), "2 may not be removed before 1");
        assert!(reading.retry(at(4)));
        assert_eq!(read(&mut reading, &rows), numbers(&[1, 2]));
        assert!(reading.acknowledged(RowId::numbered(1)) && reading.acknowledged(RowId::numbered(2)));
    }

    #[test]
    fn a_row_that_cannot_go_is_left_and_blocks_nothing() {
        let (mut reading, rows) = (reading(), [row(1, 1), row(2, 1)]);
        assert!(reading.take(&rows[0]));
        reading.leave(RowId::numbered(1));
        assert_eq!(read(&mut reading, &rows), numbers(&[2]));
        assert_eq!(reading.retry_at(), None);
    }

    #[test]
    fn rows_that_were_held_go_when_it_is_read_anew_and_the_others_do_not_go_twice() {
        let mut reading = reading();
        assert_eq!(read(&mut reading, &[row(1, 1), row(4, 2), row(5, 3)]), numbers(&[1, 4, 5]));
        assert!(reading.acknowledged(RowId::numbered(1)));
        reading.refused(RowId::numbered(4), at(0));
        reading.begin_anew();
        let rows = [row(1, 1), row(2, 9), row(3, 9), row(4, 2), row(5, 3)];
        assert_eq!(read(&mut reading, &rows), numbers(&[2, 3]));
    }

    #[test]
    fn refusals_are_repeated_ever_later() {
        let (mut reading, rows) = (reading(), [row(1, 1)]);
        let mut waits = vec![];
        for round in 0..5 {
            let now = at(1000 * round);
            assert_eq!(read(&mut reading, &rows), numbers(&[1]));
            reading.refused(RowId::numbered(1), now);
            waits.push(reading.retry_at().unwrap().since(now));
            assert!(reading.retry(at(1000 * round + 60)));
        }
        assert!(waits[0] <= Duration::from_secs(4) && waits[4] >= Duration::from_secs(30), "{waits:?}");
    }

    #[test]
    fn a_refused_row_waits_for_the_later_ones_of_its_incident_that_are_on_their_way() {
        let mut reading = reading();
        let rows = [row(1, 7), row(2, 7)];
        assert_eq!(read(&mut reading, &rows).len(), 2);
        reading.refused(RowId::numbered(1), Mono::default());
        let due = Mono(Duration::from_mins(5));
        assert!(!reading.retry(due), "row 2 is in flight");
        assert!(!reading.acknowledged(RowId::numbered(2)), "it goes again after row 1");
        assert!(reading.retry(Mono(due.0 + Duration::from_secs(2))));
        assert_eq!(read(&mut reading, &rows), [RowId::numbered(1), RowId::numbered(2)]);
    }
}
