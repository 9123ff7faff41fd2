//! What the hub asked and said: commands with their answers, cases, cameras that were switched off, events to be sent again.

use super::error::failed;
use super::{Store, StoreError};
use crate::contract::{CaseStatus, CaseUpdate, Replayed, RequestId};
use crate::ids::Name;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

/// For how long a command's answer is kept: delivered again within it, a command acts once.
pub const COMMAND_MEMORY: Duration = Duration::from_hours(24 * 7);
/// Most commands that are remembered; the last ones.
const MAX_COMMANDS: u32 = 10_000;
/// Most updates of one case; the last ones.
const MAX_CASE_UPDATES: u32 = 64;

/// What is known of a command that comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is new, and remembered from now on.
    New,
    /// It was begun, and no answer was stored.
    Unanswered,
    /// It was answered.
    Answered(Vec<u8>),
    /// Another command had this id.
    Other,
}

impl Store {
    /// Remembers that a command was begun, unless it is known; `digest` tells one command from another with the same id.
    pub fn begin_command(&mut self, id: &RequestId, digest: &str, now: Timestamp) -> Result<Known, StoreError> {
        self.transact("begin a command", |transaction| {
            let known = known(transaction, id, digest)?;
            if known != Known::New {
                return Ok(known);
            }
            transaction
                .prepare_cached("INSERT INTO command (id, digest, received_ms) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_str(), digest, now.as_millisecond()])?;
            transaction
                .prepare_cached(
                    "DELETE FROM command WHERE received_ms < ?1 OR rowid IN
                     (SELECT rowid FROM command ORDER BY received_ms DESC LIMIT -1 OFFSET ?2)",
                )?
                .execute(params![(now - COMMAND_MEMORY).as_millisecond(), MAX_COMMANDS])?;
            Ok(Known::New)
        })
    }

    /// What is known of a command, which is not begun.
    pub fn known_command(&self, id: &RequestId, digest: &str) -> Result<Known, StoreError> {
        known(&self.connection, id, digest).map_err(|source| failed(&self.path, "look a command up", source))
    }

    /// Stores the answer to a command that was begun.
    pub fn answer_command(&mut self, id: &RequestId, answer: &[u8]) -> Result<(), StoreError> {
        self.transact("store the answer to a command", |transaction| {
            let mut update = transaction.prepare_cached("UPDATE command SET answer = ?2 WHERE id = ?1")?;
            update.execute(params![id.as_str(), answer]).map(drop)
        })
    }

    /// Stores how a case goes on. False if there is no such incident.
    pub fn record_case(&mut self, incident: Uuid, update: &CaseUpdate) -> Result<bool, StoreError> {
        self.transact("store the course of a case", |transaction| {
            let stored = transaction
                .prepare_cached(
                    "INSERT INTO case_update (incident, at_ms, status, number)
                     SELECT id, ?2, ?3, ?4 FROM incident WHERE id = ?1
                     ON CONFLICT (incident, at_ms, status) DO UPDATE SET number = excluded.number",
                )?
                .execute(params![
                    incident.to_string(),
                    update.time.as_millisecond(),
                    update.status.as_str(),
                    update.number
                ])?;
            transaction
                .prepare_cached(
                    "DELETE FROM case_update WHERE incident = ?1 AND rowid IN
                     (SELECT rowid FROM case_update WHERE incident = ?1 ORDER BY at_ms DESC LIMIT -1 OFFSET ?2)",
                )?
                .execute(params![incident.to_string(), MAX_CASE_UPDATES])?;
            Ok(stored > 0)
        })
    }

    /// The course of an incident's case, oldest first.
    pub fn case_of(&self, incident: Uuid) -> Result<Vec<CaseUpdate>, StoreError> {
        let rows = self.rows(
            "SELECT at_ms, status, number FROM case_update WHERE incident = ?1 ORDER BY at_ms, rowid",
            params![incident.to_string()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?)),
        )?;
        let update = |(at, status, number): (i64, String, Option<String>)| {
            let status: CaseStatus = serde_json::from_value(status.into()).ok()?;
            Some(CaseUpdate { status, time: Timestamp::from_millisecond(at).ok()?, number })
        };
        Ok(rows.into_iter().filter_map(update).collect())
    }

    /// Remembers whether the hub has switched a camera off.
    pub fn switch_camera(&mut self, camera: &Name, is_on: bool) -> Result<(), StoreError> {
        self.transact("remember that a camera was switched", |transaction| {
            let change = if is_on {
                "DELETE FROM switched_off WHERE camera = ?1"
            } else {
                "INSERT INTO switched_off (camera) VALUES (?1) ON CONFLICT DO NOTHING"
            };
            transaction.execute(change, [camera.as_str()]).map(drop)
        })
    }

    /// The cameras that the hub has switched off.
    pub fn switched_off(&self) -> Result<BTreeSet<Name>, StoreError> {
        let rows = self.rows("SELECT camera FROM switched_off", params![], |row| row.get::<_, String>(0))?;
        Ok(rows.into_iter().filter_map(|camera| Name::try_new(camera).ok()).collect())
    }

    /// Puts events that the hub has had into the outbox once more, in their order; those that wait there already are left alone.
    pub fn repeat_events(&mut self, from: u64, to: Option<u64>, now: Timestamp) -> Result<Replayed, StoreError> {
        let bound = |sequence: u64| i64::try_from(sequence).unwrap_or(i64::MAX);
        let (from, to) = (bound(from), to.map_or(i64::MAX, bound));
        let (replayed, size) = self.transact("put events into the outbox again", |transaction| {
            const CHOSEN: &str = "FROM sent WHERE sequence BETWEEN ?1 AND ?2
                 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.sequence = sent.sequence AND outbox.destination = 'hub')";
            let counted = transaction.query_row(
                &format!("SELECT count(*), min(sequence), max(sequence), coalesce(sum(length(payload)), 0) {CHOSEN}"),
                params![from, to],
                |row| {
                    let (events, size): (i64, i64) = (row.get(0)?, row.get(3)?);
                    let sequence = |at| row.get::<_, Option<i64>>(at).map(|s| s.map(i64::unsigned_abs));
                    let replayed = Replayed { events: events.unsigned_abs(), first: sequence(1)?, last: sequence(2)? };
                    Ok((replayed, size.unsigned_abs()))
                },
            )?;
            transaction.execute(
                &format!(
                    "INSERT INTO outbox (incident, topic, content_type, payload, recorded_ms, sequence, is_repeated, size_bytes)
                     SELECT incident, topic, content_type, payload, ?3, sequence, 1, length(payload) {CHOSEN} ORDER BY sequence"
                ),
                params![from, to, now.as_millisecond()],
            )?;
            Ok(counted)
        })?;
        self.waiting_bytes += size;
        Ok(replayed)
    }
}

fn known(connection: &Connection, id: &RequestId, digest: &str) -> rusqlite::Result<Known> {
    let known = connection
        .prepare_cached("SELECT digest, answer FROM command WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<Vec<u8>>>(1)?)))
        .optional()?;
    Ok(match known {
        None => Known::New,
        Some((before, _)) if before != digest => Known::Other,
        Some((_, Some(answer))) => Known::Answered(answer),
        Some((_, None)) => Known::Unanswered,
    })
}
