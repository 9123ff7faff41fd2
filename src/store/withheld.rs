//! Events that must not leave since something in them is wrong: kept here with the reason, and no part of the outbox.

use super::error::state_error;
use super::properties::insert_property;
use super::rows::{insert_evidence, upsert_incident};
use super::{Change, EvidenceFile, Store, StoreError};
use rusqlite::params;

/// Most events that are kept back; the last ones. About 2 MB.
const MAX_WITHHELD: u32 = 256;

/// What was kept back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// How many, ever.
    pub count: u64,
    /// What was wrong with the last of them.
    pub reason: String,
}

impl Store {
    /// Records a change of which the hub is not told, since its event has a defect: the incident, its pictures, and the event with the
    /// reason, in one transaction. It takes no sequence number, for the hub would look for it.
    pub fn withhold(&mut self, change: &Change<'_>, event: &[u8], reason: &str) -> Result<(), StoreError> {
        let state = serde_json::to_string(change.incident).map_err(|source| state_error(change.incident.id, source))?;
        let onvif = self.adapters.onvif.clone();
        let size = self.transact("keep an event back", |transaction| {
            upsert_incident(transaction, change, &state)?;
            for file in change.evidence {
                insert_evidence(transaction, change, &EvidenceFile { topic: None, ..file.clone() })?;
            }
            transaction
                .prepare_cached("INSERT INTO withheld (incident, event, reason, at_ms) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![change.incident.id.to_string(), event, reason, change.now.as_millisecond()])?;
            transaction
                .prepare_cached("DELETE FROM withheld WHERE number <= (SELECT max(number) FROM withheld) - ?1")?
                .execute([MAX_WITHHELD])?;
            insert_property(transaction, change, onvif.as_deref())
        })?;
        self.waiting_bytes += size;
        self.evidence_bytes += super::bytes_of(change.evidence);
        Ok(())
    }

    /// What was kept back; none if nothing ever was.
    pub fn withheld(&self) -> Result<Option<Withheld>, StoreError> {
        // Numbers are never used again: the last one is how many there were.
        let last = "SELECT number, reason FROM withheld ORDER BY number DESC LIMIT 1";
        let rows = self.rows(last, &[], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().next().map(|(count, reason)| Withheld { count: count.unsigned_abs(), reason }))
    }
}
