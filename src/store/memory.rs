//! What an engine must know after a restart, and what the hub said of its incidents. Nothing here goes to the outbox.

use super::error::{failed, state_error};
use super::{OpenIncident, Store, StoreError, phase_of};
use crate::ids::Name;
use crate::incident::{CLOSED_MEMORY, Dismissal, Incident, Memo, Memory};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use std::time::Duration;
use uuid::Uuid;

/// What a person at the hub found when looking at an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as reported.
    Confirmed,
    /// It is not.
    Dismissed,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Dismissed => "dismissed",
        }
    }
}

/// The verdicts on the incidents of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// The camera.
    pub camera: Name,
    /// The rule.
    pub rule: Name,
    /// Incidents that were as reported.
    pub confirmed: u64,
    /// Incidents that were not.
    pub dismissed: u64,
}

impl Store {
    /// What the engine of a camera must know: open incidents, those closed within the last day, and what the hub does not want to hear of.
    pub fn memory(&self, camera: &Name, now: Timestamp) -> Result<Memory, StoreError> {
        let open = self.open_incidents(camera)?.into_iter().map(|open| open.incident).collect();
        let id = camera.as_str();
        let closed: Vec<Incident> = self.states(
            "SELECT id, state FROM incident WHERE camera = ?1 AND phase = 'closed' AND changed_ms > ?2 ORDER BY changed_ms",
            params![id, (now - CLOSED_MEMORY).as_millisecond()],
        )?;
        let dismissals: Vec<Dismissal> = self.states(
            "SELECT incident, state FROM dismissal WHERE camera = ?1 AND until_ms > ?2 ORDER BY incident",
            params![id, now.as_millisecond()],
        )?;
        let mute = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let mutes = self.rows(
            "SELECT rule, until_ms FROM mute WHERE camera = ?1 AND until_ms > ?2",
            params![id, now.as_millisecond()],
            mute,
        )?;
        let mute =
            |(rule, until): (String, i64)| Some((Name::try_new(rule).ok()?, Timestamp::from_millisecond(until).ok()?));
        Ok(Memory { open, closed, dismissals, mutes: mutes.into_iter().filter_map(mute).collect() })
    }

    /// Remembers something of a camera, in one transaction. What is over is forgotten.
    pub fn remember(&mut self, camera: &Name, memo: &Memo, now: Timestamp) -> Result<(), StoreError> {
        let written =
            |incident: Uuid, result: serde_json::Result<String>| result.map_err(|source| state_error(incident, source));
        let state = match memo {
            Memo::Standing(incident) => Some(written(incident.id, serde_json::to_string(incident))?),
            Memo::Dismissed(dismissal) => Some(written(dismissal.incident.id, serde_json::to_string(dismissal))?),
            Memo::DismissalOver(_) | Memo::Muted(..) => None,
        };
        self.transact("remember how an incident stands", |transaction| {
            match memo {
                Memo::Standing(incident) => transaction
                    // Never back from a later change: memos and changes come in order, and still.
                    .prepare_cached("UPDATE incident SET state = ?2 WHERE id = ?1 AND revision = ?3 AND phase = ?4")?
                    .execute(params![incident.id.to_string(), state, incident.revision, phase_of(incident)])?,
                Memo::Dismissed(Dismissal { incident, until }) => transaction.execute(
                    "INSERT INTO dismissal (incident, camera, state, until_ms) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (incident) DO UPDATE SET state = excluded.state, until_ms = excluded.until_ms",
                    params![incident.id.to_string(), camera.as_str(), state, until.as_millisecond()],
                )?,
                Memo::DismissalOver(incident) => {
                    transaction.execute("DELETE FROM dismissal WHERE incident = ?1", [incident.to_string()])?
                }
                Memo::Muted(rule, until) => transaction.execute(
                    "INSERT INTO mute (camera, rule, until_ms) VALUES (?1, ?2, ?3)
                     ON CONFLICT (camera, rule) DO UPDATE SET until_ms = excluded.until_ms",
                    params![camera.as_str(), rule.as_str(), until.as_millisecond()],
                )?,
            };
            transaction.execute("DELETE FROM mute WHERE until_ms <= ?1", [now.as_millisecond()])?;
            transaction.execute("DELETE FROM dismissal WHERE until_ms <= ?1", [now.as_millisecond()])?;
            Ok(())
        })
    }

    /// Every open incident with its camera, oldest first for each.
    pub fn open_everywhere(&self) -> Result<Vec<(Name, OpenIncident)>, StoreError> {
        let mut found = Vec::new();
        let cameras = self.rows(
            "SELECT DISTINCT camera FROM incident WHERE phase NOT IN ('closed', 'withdrawn') ORDER BY camera",
            params![],
            |row| row.get::<_, String>(0),
        )?;
        for camera in cameras.into_iter().filter_map(|camera| Name::try_new(camera).ok()) {
            found.extend(self.open_incidents(&camera)?.into_iter().map(|open| (camera.clone(), open)));
        }
        Ok(found)
    }

    /// The payload of an incident's last event; none if it is not known.
    pub fn last_event(&self, incident: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || {
            let mut query = self.connection.prepare_cached("SELECT event FROM incident WHERE id = ?1")?;
            query.query_row([incident.to_string()], |row| row.get::<_, Option<Vec<u8>>>(0)).optional()
        };
        read().map(Option::flatten).map_err(|source| failed(&self.path, "read an incident's last event", source))
    }

    /// Counts what a person found of an incident, and why; the last word counts. False if there is no such incident.
    pub fn record_verdict(
        &mut self,
        incident: Uuid,
        verdict: Verdict,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let year_ago = now - Duration::from_hours(24 * 365);
        self.transact("record a verdict", |transaction| {
            transaction.execute("DELETE FROM verdict WHERE at_ms < ?1", [year_ago.as_millisecond()])?;
            let counted = transaction.execute(
                "INSERT INTO verdict (incident, camera, rule, verdict, at_ms, reason)
                 SELECT id, camera, rule, ?2, ?3, ?4 FROM incident WHERE id = ?1
                 ON CONFLICT (incident) DO UPDATE SET
                     verdict = excluded.verdict, at_ms = excluded.at_ms, reason = excluded.reason",
                params![incident.to_string(), verdict.as_str(), now.as_millisecond(), reason],
            )?;
            Ok(counted > 0)
        })
    }

    /// The verdicts per camera and rule, of the rules that have any.
    pub fn verdicts(&self) -> Result<Vec<Verdicts>, StoreError> {
        let counts = |row: &Row<'_>| -> rusqlite::Result<(String, String, i64, i64)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let rows = self.rows(
            "SELECT camera, rule, sum(verdict = 'confirmed'), sum(verdict = 'dismissed') FROM verdict
             GROUP BY camera, rule ORDER BY camera, rule",
            params![],
            counts,
        )?;
        let verdicts = |(camera, rule, confirmed, dismissed): (String, String, i64, i64)| {
            let (camera, rule) = (Name::try_new(camera).ok()?, Name::try_new(rule).ok()?);
            Some(Verdicts { camera, rule, confirmed: confirmed.unsigned_abs(), dismissed: dismissed.unsigned_abs() })
        };
        Ok(rows.into_iter().filter_map(verdicts).collect())
    }

    /// States written as JSON, by id; one that cannot be read is reported in the log and left out.
    fn states<T: DeserializeOwned>(&self, query: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<T>, StoreError> {
        let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let restore = |(id, state): (String, String)| {
            serde_json::from_str(&state)
                .inspect_err(|error| tracing::error!(incident = %id, %error, "what is remembered cannot be read"))
                .ok()
        };
        Ok(self.rows(query, params, row)?.into_iter().filter_map(restore).collect())
    }

    pub(super) fn rows<T>(
        &self,
        query: &str,
        params: &[&dyn rusqlite::ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let all = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(query)?.query_map(params, read)?.collect()
        };
        all().map_err(|source| failed(&self.path, "read what is remembered", source))
    }
}
