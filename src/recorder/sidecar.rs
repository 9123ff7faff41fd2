//! The file beside a picture, which says what it is to whoever finds it without its event.

use crate::contract::{Evidence, Matter, ModelIdentity};
use crate::ids::Name;
use serde::Serialize;
use uuid::Uuid;

/// What is written beside a picture, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Sidecar<'a> {
    pub(super) agent: &'a Name,
    pub(super) camera: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) incident_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) matter: Option<&'a Matter>,
    pub(super) model: &'a ModelIdentity,
    pub(super) agent_version: &'a str,
    pub(super) config_sha256: &'a str,
    /// As the event says it of the picture, its digest and redaction among it.
    pub(super) picture: &'a Evidence,
}
