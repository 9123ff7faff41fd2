//! Incidents with their course and pictures, and what people say of them.

use super::Console;
use super::answer::{Answer, Json, Refusal, blocking, read};
use super::session::Person;
use super::sign_in::{actor, signed_in};
use crate::audit::Deed;
use crate::command::Outcome;
use crate::config::RuleKind;
use crate::contract::{self, MediaType, ReplyStatus, Verb, matter};
use crate::ids::Name;
use crate::sha256::sha256_hex;
use crate::store::{Listed, ListedIncident, StoreError};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Most incidents of one answer.
const MAX_LISTED: u32 = 100;
const USUALLY_LISTED: u32 = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    before: Option<Uuid>,
    camera: Option<String>,
    state: Option<Standing>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Open,
    Closed,
}

pub(super) async fn list(
    State(console): State<Arc<Console>>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(wanted) = wanted.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    blocking(console, move |console| console.incidents(wanted)).await.map(Json)
}

/// A picture of an incident; who looks is on record before.
pub(super) async fn evidence(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Option<Person>>,
    Path(picture): Path<String>,
) -> Answer<Response> {
    let person = signed_in(person)?;
    let (media_type, bytes) = blocking(console, move |console| console.evidence(&person, &picture)).await?;
    Ok(([(header::CONTENT_TYPE, media_type.as_str())], bytes).into_response())
}

pub(super) async fn recheck(
    state: State<Arc<Console>>,
    person: Extension<Option<Person>>,
    incident: Path<String>,
    body: Bytes,
) -> Answer<Response> {
    let outcome = ask(Verb::Recheck, state, person, incident, body).await?;
    Ok((StatusCode::ACCEPTED, outcome).into_response())
}

pub(super) async fn feedback(
    state: State<Arc<Console>>,
    person: Extension<Option<Person>>,
    incident: Path<String>,
    body: Bytes,
) -> Answer {
    ask(Verb::Feedback, state, person, incident, body).await
}

/// Asks the agent for something about an incident, as the hub does.
async fn ask(
    verb: Verb,
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Option<Person>>,
    Path(incident): Path<String>,
    body: Bytes,
) -> Answer {
    let person = signed_in(person)?;
    let mut args: Map<String, Value> = read(&body)?;
    args.retain(|_, value| !value.is_null());
    args.insert("incident".to_owned(), incident.into());
    let outcome = blocking(console, move |console| console.ask(verb, &args, &person)).await?;
    let Outcome { status, reason, .. } = outcome;
    let status_code = match status {
        ReplyStatus::Ok => return Ok(Json(json!({"status": status, "reason": reason}))),
        ReplyStatus::Rejected | ReplyStatus::Expired => StatusCode::CONFLICT,
        ReplyStatus::Failed => StatusCode::SERVICE_UNAVAILABLE,
    };
    Err(Refusal::new(status_code, reason.unwrap_or_else(|| "it could not be done".to_owned())))
}

impl Console {
    fn ask(&self, verb: Verb, args: &Map<String, Value>, person: &Person) -> Result<Outcome, Refusal> {
        let id = format!("console-{}", self.next_id());
        let command = contract::to_json(&json!({"id": id, "args": args}));
        let command = contract::read_command(verb, &command)
            .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        Ok(self.backend.carry_out(actor(person), command))
    }

    fn incidents(&self, wanted: Wanted) -> Result<Value, Refusal> {
        let limit = wanted.limit.unwrap_or(USUALLY_LISTED).clamp(1, MAX_LISTED);
        let is_open = wanted.state.map(|state| matches!(state, Standing::Open));
        let listed = Listed { before: wanted.before, camera: wanted.camera, is_open, limit };
        let found = self.store.lock().incidents(&listed, self.clocks.wall()).map_err(|error| not_read(&error))?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.incident.id);
        let open = self.backend.open();
        let stale: BTreeSet<&Name> = open.iter().filter(|open| open.is_stale).map(|open| &open.camera).collect();
        let incidents = found.iter().map(|listed| self.incident(listed, &stale)).collect::<Result<Vec<_>, _>>();
        Ok(json!({"incidents": incidents.map_err(|error| not_read(&error))?, "next": next}))
    }

    /// `stale`: cameras that give no pictures.
    fn incident(&self, listed: &ListedIncident, stale: &BTreeSet<&Name>) -> Result<Value, StoreError> {
        let ListedIncident { camera, kind, incident, verdict, is_held } = listed;
        // Each for itself, so that nobody who records waits for a page of incidents.
        let events = self.store.lock().events_of(incident.id)?;
        let pictures = self.store.lock().pictures_of(incident.id)?;
        let kind: Option<RuleKind> = serde_json::from_value(kind.as_str().into()).ok();
        let is_stale = stale.iter().any(|stale| stale.as_str() == camera);
        let evidence: Vec<Value> =
            pictures.into_iter().map(|(id, media_type, taken_at)| self.picture(id, media_type, taken_at)).collect();
        Ok(json!({
            "id": incident.id, "camera": camera, "rule": incident.rule, "kind": kind, "matter": kind.map(|kind| &matter(kind).name),
            "zone": incident.zone, "state": if incident.closed_at.is_some() { "closed" } else { "open" },
            "severity": incident.severity, "opened_at": self.written(incident.confirmed_at),
            "closed_at": incident.closed_at.map(|at| self.written(at)), "is_stale": is_stale && incident.closed_at.is_none(),
            "verdict": verdict, "is_held": is_held, "course": self.course(listed, &events), "evidence": evidence,
        }))
    }

    /// What happened to an incident, by its events; of those that are forgotten by the incident itself.
    fn course(&self, listed: &ListedIncident, events: &[Vec<u8>]) -> Vec<Value> {
        let incident = &listed.incident;
        let read = |payload: &Vec<u8>| serde_json::from_slice::<Value>(payload).ok().map(|event| step(&event));
        let mut course: Vec<Value> = events.iter().filter_map(read).collect();
        if course.first().is_none_or(|first| first["type"] != "opened") {
            let at = self.written(incident.confirmed_at);
            course.insert(0, json!({"at": at, "type": "opened", "sequence": null, "text": null}));
        }
        if let Some(at) = incident.closed_at
            && !course.iter().any(|step| step["type"] == "closed")
        {
            let text = incident.closed_reason;
            course.push(json!({"at": self.written(at), "type": "closed", "sequence": null, "text": text}));
        }
        course
    }

    /// What is said of a picture beside it.
    fn picture(&self, id: Uuid, media_type: MediaType, taken_at: jiff::Timestamp) -> Value {
        let beside = self.evidence.read_sidecar(id).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let beside: Value = beside.unwrap_or_default();
        let of_picture = |key: &str| beside["picture"][key].clone();
        json!({
            "id": id, "role": of_picture("role"), "view": of_picture("view"), "taken_at": self.written(taken_at),
            "media_type": media_type,
        })
    }

    fn evidence(&self, person: &Person, picture: &str) -> Result<(MediaType, Vec<u8>), Refusal> {
        let id: Uuid = picture.parse().map_err(|_| Refusal::unknown("picture"))?;
        let media_type = self.store.lock().media_type_of_picture(id).map_err(|error| not_read(&error))?;
        let media_type = media_type.ok_or_else(|| Refusal::unknown("picture"))?;
        let bytes = self.evidence.read(id).map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "a picture is not shown");
            Refusal::failed("the picture cannot be read; the log says why")
        })?;
        let opened = Deed::PictureOpened { evidence: id, sha256: sha256_hex(&bytes) };
        let recorded = self.audit.append(&actor(person), &opened, self.clocks.wall());
        recorded.map_err(|_| Refusal::failed("no picture is shown while the audit log takes no record"))?;
        Ok((media_type, bytes))
    }
}

/// An event as a step of its incident's course.
fn step(event: &Value) -> Value {
    let data = &event["data"];
    let text = match data["phase"].as_str() {
        Some("closed") => data["closed_reason"].clone(),
        Some("rechecked") => data["recheck"]["outcome"].clone(),
        Some("opened" | "updated") => data["severity"].clone(),
        _ => Value::Null,
    };
    let sequence: Option<u64> = event["sequence"].as_str().and_then(|text| text.parse().ok());
    json!({"at": event["time"], "type": data["phase"], "sequence": sequence, "text": text})
}

fn not_read(error: &StoreError) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "the console cannot read the database");
    Refusal::failed("the database cannot be read; the log says why")
}
