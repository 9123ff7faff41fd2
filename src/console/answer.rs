//! What a request gets: JSON, or a refusal with a sentence for a person.

use super::Console;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    /// The field that is wrong.
    at: Option<String>,
    /// Seconds after which it may be tried again.
    retry_after: Option<u64>,
    /// What a person may do by hand instead.
    yaml: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), at: None, retry_after: None, yaml: None }
    }

    pub(super) fn unknown(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// Something of the agent's own failed; `error` says what, without its inner parts.
    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    pub(super) fn at(self, field: impl Into<String>) -> Self {
        Self { at: Some(field.into()), ..self }
    }

    pub(super) fn retry_after(self, secs: u64) -> Self {
        Self { retry_after: Some(secs), ..self }
    }

    pub(super) fn with_yaml(self, yaml: String) -> Self {
        Self { yaml: Some(yaml), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"error": self.error, "at": self.at});
        if let Some(yaml) = self.yaml {
            body["yaml"] = yaml.into();
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(secs) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, secs.into());
        }
        response
    }
}

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer of the console is no JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// What a handler gives.
pub(super) type Answer<T = Json<Value>> = Result<T, Refusal>;

/// Reads a body; what is wrong with it stands in the refusal.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the request cannot be read: {error}")))
}

/// Does what may wait for a disk or a lock on a thread of the pool, so that no other request waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    console: Arc<Console>,
    work: impl FnOnce(&Console) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(move || work(&console)).await;
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "a request of the console panicked");
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong; the log says more"))
    })
}
