//! Events as flat JSON, posted to a platform.

use super::client::{Client, NotReady};
use super::{Errand, Outcome};
use crate::clock::Clocks;
use crate::config::WebhookConfig;
use crate::contract::{JSON, MediaType, mark_replayed};
use crate::evidence::EvidenceDir;
use crate::store::{Body, Destination, OutboxRow};
use base64::Engine;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Carries the event's id, the same at every repetition (draft-ietf-httpapi-idempotency-key-header), without quotation marks.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Posts events.
pub(super) struct Webhook {
    config: WebhookConfig,
    evidence: EvidenceDir,
    client: Client,
}

impl Webhook {
    pub(super) fn new(config: WebhookConfig, evidence: EvidenceDir, clocks: Arc<dyn Clocks>) -> Self {
        let client = Client::new(config.tls.clone(), Duration::from_secs(u64::from(config.timeout_secs)), clocks);
        Self { config, evidence, client }
    }

    fn post(&mut self, id: &str, message: &Value) -> Outcome {
        let header = self.config.authentication.as_ref();
        let secret = match header.map(|header| header.value.read()).transpose() {
            Ok(secret) => secret,
            Err(reason) => return NotReady::from(reason).into(),
        };
        let (url, body) = (&self.config.url, message.to_string());
        self.client.ask(|agent| {
            let mut request = agent.post(url).header("Content-Type", JSON).header(IDEMPOTENCY_KEY, id);
            if let (Some(header), Some(secret)) = (header, &secret) {
                request = request.header(&header.header, secret.expose_secret());
            }
            request.send(&body)
        })
    }

    /// The event's picture in base64; none if it has none, or none any more.
    fn picture(&self, event: &Value) -> Option<String> {
        let evidence = event.pointer("/data/evidence/0")?;
        if evidence["media_type"] != MediaType::Jpeg.as_str() {
            return None;
        }
        let id = evidence["id"].as_str()?.parse::<uuid::Uuid>().ok()?;
        match self.evidence.read(id) {
            Ok(bytes) => Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%id, error, "an event goes to the webhook without its picture");
                None
            }
        }
    }
}

impl Errand for Webhook {
    fn destination(&self) -> Destination {
        Destination::Webhook
    }

    fn send(&mut self, row: &OutboxRow, is_late: bool) -> Outcome {
        let no_event = || Outcome::Rejected { reason: "it is no event".to_owned() };
        let Body::Payload(stored) = &row.body else { return no_event() };
        let late = is_late.then(|| mark_replayed(stored).ok()).flatten();
        let Ok(event) = serde_json::from_slice::<Value>(late.as_ref().unwrap_or(stored)) else { return no_event() };
        let Some(id) = event["id"].as_str() else { return no_event() };
        let mut message = flat(&self.config, &event);
        if let Some(field) = &self.config.picture_field
            && let Some(picture) = self.picture(&event)
        {
            message.insert(field.clone(), picture.into());
        }
        self.post(id, &Value::Object(message))
    }
}

/// The fields of an event under the names that the platform has for them.
fn flat(config: &WebhookConfig, event: &Value) -> Map<String, Value> {
    let value = |path: &str| event.pointer(&format!("/{}", path.replace('.', "/"))).filter(|value| !value.is_null());
    let fields = config.fields.iter().filter_map(|(name, path)| Some((name.clone(), value(path)?.clone())));
    let constants = config.constants.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str())));
    fields.chain(constants).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::event;
    use crate::incident::Phase;
    use serde_json::json;

    fn config(webhook: Value) -> WebhookConfig {
        serde_json::from_value(webhook).unwrap()
    }

    fn sent(webhook: Value) -> Value {
        let event = serde_json::to_value(event(Phase::Opened, 17)).unwrap();
        Value::Object(flat(&config(webhook), &event))
    }

    #[test]
    fn fields_have_the_platforms_names_and_what_an_event_does_not_have_is_left_out() {
        let fields = json!({"code": "data.matter.code", "score": "data.objects.0.confidence", "end": "data.timing.closed_at", "x": "data.objects.9.class"});
        let sent = sent(json!({"url": "http://c/", "fields": fields, "constants": {"origin": "curbwatch"}}));
        let event = serde_json::to_value(event(Phase::Opened, 17)).unwrap();
        let score = &event["data"]["objects"][0]["confidence"];
        assert_eq!(sent, json!({"code": "09006", "score": score, "origin": "curbwatch"}));
    }

    #[test]
    fn the_built_in_fields_are_flat_and_tell_what_where_and_when() {
        let sent = sent(json!({"url": "http://c/"}));
        for (name, value) in sent.as_object().unwrap() {
            assert!(!value.is_object() && !value.is_array(), "{name}: {value}");
        }
        for name in ["eventId", "incidentId", "phase", "caseCode", "cameraId", "address", "longitude", "firstSeen"] {
            assert!(sent.get(name).is_some(), "{name} of {sent}");
        }
    }
}
