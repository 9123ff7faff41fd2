//! What is open, as retained properties of ONVIF: a row with every change of an incident, in its transaction, and after a connect to a broker
//! that may have forgotten them.

use super::{Change, Store, StoreError};
use crate::config::RuleKind;
use crate::contract::{IncidentEvent, JSON, onvif_property, onvif_topic};
use crate::ids::Name;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A rule of which a property tells.
struct Of<'a> {
    prefix: &'a str,
    camera: &'a Name,
    rule: &'a Name,
    kind: RuleKind,
}

impl Store {
    /// Tells the properties of everything that is open once more, unless a message of the same topic waits anyway: a broker that was
    /// restarted may have forgotten what it retained.
    pub fn tell_properties(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(prefix) = self.adapters.onvif.clone() else { return Ok(()) };
        let open = self.open_everywhere()?;
        let size = self.transact("tell what is open", |transaction| {
            let mut size = 0;
            for (camera, open) in &open {
                let of = Of { prefix: &prefix, camera, rule: &open.incident.rule, kind: open.kind };
                let topic = onvif_topic(of.prefix, of.camera, of.rule, of.kind);
                let waits = transaction
                    .prepare_cached("SELECT 1 FROM outbox WHERE incident = ?1 AND topic = ?2 LIMIT 1")?
                    .exists(params![group_of(&topic).to_string(), topic])?;
                if !waits {
                    size += insert(transaction, &of, now)?;
                }
            }
            Ok(size)
        })?;
        self.waiting_bytes += size;
        Ok(())
    }
}

/// Puts the property of a change's rule, as it is after the change, into the outbox; returns its bytes.
pub(super) fn insert_property(
    transaction: &Transaction<'_>,
    change: &Change<'_>,
    prefix: Option<&str>,
) -> rusqlite::Result<u64> {
    let Some(prefix) = prefix else { return Ok(0) };
    let of = Of { prefix, camera: change.camera, rule: &change.incident.rule, kind: change.kind };
    insert(transaction, &of, change.now)
}

fn insert(transaction: &Transaction<'_>, of: &Of<'_>, now: Timestamp) -> rusqlite::Result<u64> {
    // The newest that is open and of which the hub was told.
    let event: Option<Vec<u8>> = transaction
        .prepare_cached(
            "SELECT event FROM incident WHERE camera = ?1 AND rule = ?2 AND kind = ?3 AND phase NOT IN ('closed', 'withdrawn')
             AND event IS NOT NULL ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![of.camera.as_str(), of.rule.as_str(), of.kind.as_str()], |row| row.get(0))
        .optional()?;
    let event: Option<IncidentEvent> = event.and_then(|event| serde_json::from_slice(&event).ok());
    let payload = event.as_ref().map(onvif_property).unwrap_or_default();
    let topic = onvif_topic(of.prefix, of.camera, of.rule, of.kind);
    transaction
        .prepare_cached(
            "INSERT INTO outbox (incident, topic, content_type, payload, recorded_ms, size_bytes, is_retained)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)",
        )?
        .execute(params![
            group_of(&topic).to_string(),
            topic,
            JSON,
            payload,
            now.as_millisecond(),
            payload.len() as i64
        ])?;
    Ok(payload.len() as u64)
}

/// What stands in a property's row for the incident: the same for all messages of a topic, so that these keep their order whichever
/// incident they tell of, and a broker that refuses them holds up no incident.
fn group_of(topic: &str) -> Uuid {
    let digest = Sha256::digest(topic);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
