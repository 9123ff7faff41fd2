//! The messages between agent and hub, as types and as JSON Schema.
//!
//! Each type serialises to exactly what stands on the wire. No type has room for a further property
//! (`additionalProperties: false` in every schema), so that there is no field in which an identity could be put.
//! A value that the site did not configure is left out. [`schemas`] is the published contract; `docs/schemas/` holds
//! what it generates. This module performs no I/O and reads no clock.

mod adapters;
mod asyncapi;
mod case;
mod command;
mod disclosure;
mod event;
mod event_types;
mod fields;
mod health;
mod matter;
mod onvif;
mod scalars;
mod state;
mod topics;
mod validation;

pub use adapters::*;
pub use asyncapi::asyncapi;
pub use case::*;
pub use command::*;
pub use event::{EventParts, FrameSize, ModelIdentity, closing_event, incident_event, mark_replayed};
pub use event_types::*;
pub use fields::event_fields;
pub use health::*;
pub use matter::{Code, Matter, matter};
pub use onvif::{onvif_property, onvif_topic};
pub use scalars::{Sequence, WallTime};
pub use state::*;
pub use topics::{Topic, Topics};
pub use validation::first_mistake;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use std::collections::BTreeMap;

/// Content type of incident events: `CloudEvents` 1.0 in structured JSON mode.
pub const CLOUDEVENTS_JSON: &str = "application/cloudevents+json";
/// Content type of the state topics.
pub const JSON: &str = "application/json";

/// Version of every message's schema; a part of each schema's `$id`.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Schemas (2020-12) of all messages, by message name.
#[must_use]
pub fn schemas() -> BTreeMap<&'static str, serde_json::Value> {
    BTreeMap::from([
        ("active", schema_of::<Active>("active")),
        ("birth", schema_of::<Birth>("birth")),
        ("camera-status", schema_of::<CameraStatus>("camera-status")),
        ("case", input_schema_of::<CaseUpdate>("case")),
        ("command-camera", input_schema_of::<Command<CameraArgs>>("command-camera")),
        ("command-feedback", input_schema_of::<Command<FeedbackArgs>>("command-feedback")),
        ("command-hold", input_schema_of::<Command<HoldArgs>>("command-hold")),
        ("command-recheck", input_schema_of::<Command<RecheckArgs>>("command-recheck")),
        ("command-release", input_schema_of::<Command<ReleaseArgs>>("command-release")),
        ("command-reload", input_schema_of::<Command<NoArgs>>("command-reload")),
        ("command-replay", input_schema_of::<Command<ReplayArgs>>("command-replay")),
        ("command-rule", input_schema_of::<Command<RuleArgs>>("command-rule")),
        ("command-snapshot", input_schema_of::<Command<SnapshotArgs>>("command-snapshot")),
        ("command-status", input_schema_of::<Command<NoArgs>>("command-status")),
        ("events-lost", schema_of::<EventsLost>("events-lost")),
        ("health", schema_of::<Health>("health")),
        ("heartbeat", schema_of::<Heartbeat>("heartbeat")),
        ("image", schema_of::<ImageHealth>("image")),
        ("incident", schema_of::<IncidentEvent>("incident")),
        ("reply", schema_of::<Reply>("reply")),
        ("signed-message", input_schema_of::<SignedMessage>("signed-message")),
        ("status", schema_of::<AgentStatus>("status")),
    ])
}

/// The `$id` of a message's schema.
#[must_use]
pub fn schema_id(message: &str) -> String {
    format!("urn:curbwatch:schema:{message}:{SCHEMA_VERSION}")
}

/// Of what the agent sends.
fn schema_of<T: JsonSchema>(message: &str) -> serde_json::Value {
    root_schema::<T>(message, SchemaSettings::draft2020_12().for_serialize())
}

/// Of what the hub sends: what has a default may be left out.
fn input_schema_of<T: JsonSchema>(message: &str) -> serde_json::Value {
    root_schema::<T>(message, SchemaSettings::draft2020_12().for_deserialize())
}

fn root_schema<T: JsonSchema>(message: &str, settings: SchemaSettings) -> serde_json::Value {
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), schema_id(message).into());
    schema.to_value()
}

/// A message as it goes on the wire.
///
/// # Panics
/// Never for the types of this module: they hold no maps with keys that are not text.
#[must_use]
pub fn to_json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).expect("the contract's types serialise")
}

#[cfg(test)]
pub(crate) mod tests;
