//! The audit log as people read it, the newest record first, and whether its chain is whole.

use super::Console;
use super::answer::{Answer, Json, Refusal, blocking};
use crate::audit;
use crate::clock::Mono;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most records of one answer.
const MAX_LISTED: usize = 500;
const USUALLY_LISTED: usize = 100;
/// The whole chain is read at most this often: a year of it may be some megabytes.
const VERIFIED_EVERY: Duration = Duration::from_mins(1);

/// Whether the chain was whole, and when that was looked at.
#[derive(Debug, Default)]
pub(super) struct Records(Mutex<Option<(Mono, bool)>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    before: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(console): State<Arc<Console>>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(wanted) = wanted.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    blocking(console, move |console| console.list_records(&wanted)).await.map(Json)
}

impl Console {
    fn list_records(&self, wanted: &Wanted) -> Result<Value, Refusal> {
        let failed = |error: audit::AuditError| {
            tracing::error!(error = &error as &dyn std::error::Error, "the console cannot read the audit log");
            Refusal::failed("the audit log cannot be read; the log says why")
        };
        let limit = wanted.limit.unwrap_or(USUALLY_LISTED).clamp(1, MAX_LISTED);
        let records = self.audit.latest(wanted.before, limit).map_err(failed)?;
        let next = records.last().map(|record| record.sequence).filter(|last| records.len() == limit && *last > 1);
        let is_whole = self.is_chain_whole().map_err(failed)?;
        let record = |entry: &audit::Entry| {
            json!({
                "sequence": entry.sequence, "time": self.written(entry.time), "actor": entry.actor, "action": entry.action,
                "detail": entry.detail,
            })
        };
        Ok(json!({"is_whole": is_whole, "records": records.iter().map(record).collect::<Vec<_>>(), "next": next}))
    }

    fn is_chain_whole(&self) -> Result<bool, audit::AuditError> {
        // Held while the chain is read: who asks meanwhile waits for the same answer.
        let mut verified = self.records.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clocks.mono();
        if let Some((at, is_whole)) = *verified
            && now.since(at) < VERIFIED_EVERY
        {
            return Ok(is_whole);
        }
        let is_whole = audit::verify(&self.audit.files()?, true, &[])?.problems.is_empty();
        *verified = Some((now, is_whole));
        Ok(is_whole)
    }
}
