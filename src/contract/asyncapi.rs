//! The contract as an `AsyncAPI` 3.0 document: every topic with its messages, who sends them, `QoS` and retention.

use super::{CLOUDEVENTS_JSON, JSON, MediaType, SCHEMA_VERSION};
use serde_json::{Map, Value, json};

/// Content type of pictures.
const JPEG: &str = MediaType::Jpeg.as_str();

/// Who sends on a topic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Agent,
    Hub,
}

/// A topic of the contract.
struct Channel {
    name: &'static str,
    /// Below `{prefix}/v1/{site}/{agent}/`.
    address: &'static str,
    sender: Sender,
    qos: u8,
    retain: bool,
    /// The message, which is also the name of its schema.
    message: &'static str,
    content_type: &'static str,
    summary: &'static str,
}

const fn agent(
    name: &'static str,
    address: &'static str,
    (qos, retain): (u8, bool),
    content_type: &'static str,
    summary: &'static str,
) -> Channel {
    Channel { name, address, sender: Sender::Agent, qos, retain, message: name, content_type, summary }
}

const fn hub(name: &'static str, address: &'static str, summary: &'static str) -> Channel {
    let (sender, qos, retain) = (Sender::Hub, 1, false);
    Channel { name, address, sender, qos, retain, message: name, content_type: JSON, summary }
}

/// The form of the hub's messages that is signed.
const SIGNED: &str = "signed-message";

const CHANNELS: [Channel; 23] = [
    agent("status", "status", (1, true), JSON, "How the agent is; also its will."),
    agent("birth", "birth", (1, true), JSON, "What the agent is and watches."),
    agent("heartbeat", "heartbeat", (0, false), JSON, "A sign of life every 30 s."),
    agent("health", "health", (0, true), JSON, "Load, latencies, what waits, what was lost."),
    agent("events-lost", "events_lost", (1, true), JSON, "Events that were dropped before the hub had them."),
    agent("camera-status", "camera/{camera}/status", (1, true), JSON, "How a camera is."),
    agent("image", "camera/{camera}/image", (1, true), JSON, "How a camera's picture is."),
    agent(
        "incident",
        "camera/{camera}/event/{matter}",
        (1, false),
        CLOUDEVENTS_JSON,
        "Something happened to an incident.",
    ),
    agent("active", "camera/{camera}/active/{rule}", (1, true), JSON, "What is open; zero bytes when nothing is."),
    agent(
        "evidence",
        "evidence/{incident}/{evidence}",
        (1, false),
        JPEG,
        "A redacted picture, before the event that names it; or a clip, as video/webm.",
    ),
    agent("snapshot", "evidence/snapshot/{evidence}", (1, false), JPEG, "A redacted picture that the hub asked for."),
    agent(
        "reply",
        "reply/{client}",
        (1, false),
        JSON,
        "The answer to a command, unless it named a response topic (MQTT 5).",
    ),
    hub("command-recheck", "cmd/recheck", "Look again at an incident."),
    hub("command-snapshot", "cmd/snapshot", "Take a picture."),
    hub("command-camera", "cmd/camera", "Switch a camera off or on."),
    hub("command-rule", "cmd/rule", "Mute a rule, or end that."),
    hub("command-feedback", "cmd/feedback", "What a person found of an incident."),
    hub("command-reload", "cmd/reload", "Read the configuration again."),
    hub("command-replay", "cmd/replay", "Send events again."),
    hub("command-status", "cmd/status", "Send the retained topics again."),
    hub("command-hold", "cmd/hold", "Keep the pictures of an incident."),
    hub("command-release", "cmd/release", "Let them be deleted in their time."),
    hub("case", "case/{incident}", "The course of a case."),
];

/// The document, as committed in `docs/asyncapi.json`; schemas are references to `docs/schemas/`.
#[must_use]
pub fn asyncapi() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for channel in &CHANNELS {
        channels.insert(channel.name.to_owned(), channel_object(channel));
        let action = if channel.sender == Sender::Agent { "send" } else { "receive" };
        let mut operation = json!({
            "action": action, "channel": {"$ref": format!("#/channels/{}", channel.name)}, "summary": channel.summary,
            "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}}
        });
        if channel.message.starts_with("command-") {
            operation["reply"] = json!({"channel": {"$ref": "#/channels/reply"}});
        }
        operations.insert(format!("{action}-{}", channel.name), operation);
        messages.insert(channel.message.to_owned(), message_object(channel));
    }
    let signed = "Any message of the hub, signed, to an agent that has keys (hub.commands.keys).";
    messages.insert(SIGNED.to_owned(), message_with_schema(SIGNED, JSON, signed));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Curbwatch", "version": format!("{SCHEMA_VERSION}.0.0"),
            "description": "What an agent says to the hub and the hub to an agent, over MQTT 5 or 3.1.1. Seen from the agent."
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages}
    })
}

fn channel_object(channel: &Channel) -> Value {
    let address = format!("{{prefix}}/v1/{{site}}/{{agent}}/{}", channel.address);
    let mut parameters = Map::new();
    for parameter in address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}')) {
        parameters.insert(parameter.to_owned(), json!({"description": description_of(parameter)}));
    }
    let forms = [Some(channel.message), (channel.sender == Sender::Hub).then_some(SIGNED)];
    let reference = |message: &str| (message.to_owned(), json!({"$ref": format!("#/components/messages/{message}")}));
    let messages: Map<String, Value> = forms.into_iter().flatten().map(reference).collect();
    json!({"address": address, "parameters": parameters, "summary": channel.summary, "messages": messages})
}

fn message_object(channel: &Channel) -> Value {
    let Channel { message, content_type, summary, .. } = *channel;
    if content_type == JPEG {
        return json!({"name": message, "contentType": content_type, "summary": summary});
    }
    message_with_schema(message, content_type, summary)
}

fn message_with_schema(message: &str, content_type: &str, summary: &str) -> Value {
    let schema = json!({"$ref": format!("schemas/{message}.schema.json")});
    json!({
        "name": message, "contentType": content_type, "summary": summary,
        "payload": {"schemaFormat": "application/schema+json;version=2020-12", "schema": schema}
    })
}

fn description_of(parameter: &str) -> &'static str {
    match parameter {
        "prefix" => "hub.prefix of the configuration",
        "site" => "agent.site of the configuration",
        "agent" => "agent.id of the configuration",
        "camera" => "id of a camera",
        "matter" => "kind of matter",
        "rule" => "id of a rule",
        "incident" => "id of an incident",
        "evidence" => "id of a picture",
        _ => "client of a command",
    }
}
