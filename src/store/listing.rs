//! Incidents as people look at them: the newest first, with what was told and said of each, and their pictures.

use super::error::failed;
use super::{Store, StoreError};
use crate::contract::MediaType;
use crate::incident::Incident;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use std::path::Path;
use uuid::Uuid;

/// Which incidents are listed.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// Those before this one.
    pub before: Option<Uuid>,
    /// Those of this camera.
    pub camera: Option<String>,
    /// Those that are open, or those that are not.
    pub is_open: Option<bool>,
    /// So many at most.
    pub limit: u32,
}

/// An incident with what people said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedIncident {
    /// The camera.
    pub camera: String,
    /// The kind of the rule that found it.
    pub kind: String,
    /// The incident after its last recorded change.
    pub incident: Incident,
    /// What was last said of it: `confirmed` or `dismissed`.
    pub verdict: Option<String>,
    /// Whether its pictures are held.
    pub is_held: bool,
}

impl Store {
    /// Incidents, the newest first. One that cannot be read is left out.
    pub fn incidents(&self, listed: &Listed, now: Timestamp) -> Result<Vec<ListedIncident>, StoreError> {
        let chosen = "SELECT incident.id, camera, kind, state,
                (SELECT verdict FROM verdict WHERE verdict.incident = incident.id),
                EXISTS (SELECT 1 FROM hold WHERE hold.incident = incident.id AND (until_ms IS NULL OR until_ms > ?5))
            FROM incident
            WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR camera = ?2)
                AND (?3 IS NULL OR (phase NOT IN ('closed', 'withdrawn')) = ?3)
            ORDER BY id DESC LIMIT ?4";
        let before = listed.before.map(|id| id.to_string());
        let params = params![before, listed.camera, listed.is_open, listed.limit, now.as_millisecond()];
        let rows = self.rows(chosen, params, |row| {
            let columns: (String, String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((columns, row.get(4)?, row.get(5)?))
        })?;
        let read = |((id, camera, kind, state), verdict, is_held): ((String, String, String, String), _, _)| {
            let incident = serde_json::from_str(&state)
                .inspect_err(|error| tracing::error!(incident = %id, %error, "an incident cannot be read"))
                .ok()?;
            Some(ListedIncident { camera, kind, incident, verdict, is_held })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// The payloads of an incident's events that are still known, in their order.
    pub fn events_of(&self, incident: Uuid) -> Result<Vec<Vec<u8>>, StoreError> {
        let of_incident = "SELECT payload, sequence FROM sent WHERE incident = ?1
            UNION SELECT payload, sequence FROM outbox
                WHERE incident = ?1 AND destination = 'hub' AND sequence IS NOT NULL AND payload IS NOT NULL
            ORDER BY sequence";
        self.rows(of_incident, params![incident.to_string()], |row| row.get(0))
    }

    /// The pictures and clips of an incident that are kept, in the order of their recording, with the time at which each was made: the overview of a
    /// change comes before its crop, within one millisecond too.
    pub fn pictures_of(&self, incident: Uuid) -> Result<Vec<(Uuid, MediaType, Timestamp)>, StoreError> {
        let of_incident =
            "SELECT id, path, taken_ms FROM picture WHERE incident = ?1 AND doomed IS NULL ORDER BY number";
        let rows = self.rows(of_incident, params![incident.to_string()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })?;
        let picture = |(id, path, taken): (String, String, i64)| {
            Some((id.parse().ok()?, media_type_of(&path)?, Timestamp::from_millisecond(taken).ok()?))
        };
        Ok(rows.into_iter().filter_map(picture).collect())
    }

    /// What a picture or clip is that is in the index and not to be deleted; none if there is no such one.
    pub fn media_type_of_picture(&self, id: Uuid) -> Result<Option<MediaType>, StoreError> {
        let known = "SELECT path FROM picture WHERE id = ?1 AND doomed IS NULL";
        let read = || self.connection.query_row(known, [id.to_string()], |row| row.get::<_, String>(0)).optional();
        let path = read().map_err(|source| failed(&self.path, "look a picture up", source))?;
        Ok(path.and_then(|path| media_type_of(&path)))
    }
}

fn media_type_of(path: &str) -> Option<MediaType> {
    MediaType::of_extension(Path::new(path).extension()?.to_str()?)
}
