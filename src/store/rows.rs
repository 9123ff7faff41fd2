//! From changes to rows of the tables, and back.

use super::evidence;
use super::{Body, Change, Destination, EvidenceFile, Message, OutboxRow, RowId, phase_of};
use jiff::Timestamp;
use rusqlite::{Transaction, params};

pub(super) fn upsert_incident(transaction: &Transaction<'_>, change: &Change<'_>, state: &str) -> rusqlite::Result<()> {
    let incident = change.incident;
    transaction
        .prepare_cached(
            "INSERT INTO incident (id, camera, rule, zone, kind, phase, revision, state, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET phase = excluded.phase, revision = excluded.revision,
                 state = excluded.state, changed_ms = excluded.changed_ms",
        )?
        .execute(params![
            incident.id.to_string(),
            change.camera.as_str(),
            incident.rule.as_str(),
            incident.zone.as_str(),
            change.kind.as_str(),
            phase_of(change.incident),
            incident.revision,
            state,
            change.now.as_millisecond()
        ])?;
    Ok(())
}

pub(super) fn insert_evidence(
    transaction: &Transaction<'_>,
    change: &Change<'_>,
    file: &EvidenceFile,
) -> rusqlite::Result<()> {
    let incident = change.incident.id.to_string();
    evidence::index(transaction, Some(&incident), change.kind.as_str(), file, change.now)?;
    match &file.topic {
        Some(topic) => insert_picture(transaction, &incident, topic, file, change.now),
        None => Ok(()),
    }
}

pub(super) fn insert_event(
    transaction: &Transaction<'_>,
    change: &Change<'_>,
    destination: Destination,
    sequence: u64,
    message: &Message,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO outbox (destination, incident, topic, content_type, payload, recorded_ms, sequence, size_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            destination.as_str(),
            change.incident.id.to_string(),
            message.topic,
            message.content_type,
            message.payload,
            change.now.as_millisecond(),
            sequence as i64,
            message.payload.len() as i64
        ])?;
    Ok(())
}

pub(super) fn insert_picture(
    transaction: &Transaction<'_>,
    incident: &str,
    topic: &str,
    file: &EvidenceFile,
    now: Timestamp,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO outbox (destination, incident, topic, content_type, path, recorded_ms, size_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            file.destination.as_str(),
            incident,
            topic,
            file.evidence.media_type.as_str(),
            file.path.to_string_lossy(),
            now.as_millisecond(),
            file.evidence.size_bytes as i64
        ])?;
    Ok(())
}

pub(super) fn outbox_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<OutboxRow> {
    let (incident, path): (String, Option<String>) = (row.get(1)?, row.get(5)?);
    let incident = incident
        .parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error)))?;
    let body = match path {
        Some(path) => Body::File(path.into()),
        None => Body::Payload(row.get(4)?),
    };
    Ok(OutboxRow {
        row: RowId(row.get(0)?),
        incident,
        topic: row.get(2)?,
        content_type: row.get(3)?,
        body,
        is_repeated: row.get(6)?,
        is_retained: row.get(7)?,
    })
}
