//! Messages of the hub: what is taken is allowed by the published schema, small enough, and on a topic of the contract; all else is an error.

use crate::mutate;
use curbwatch::contract::{self, MAX_COMMAND_BYTES, Topic, Verb};
use curbwatch::ids::Name;
use rand::Rng;
use rand_pcg::Pcg64Mcg;

const EXAMPLES: [(&str, &str); 11] = [
    ("cmd/recheck", r#"{"id": "r-1", "args": {"incident": "01a200a7-f161-76c2-9ff1-3e49a84e1138", "look_secs": 20}}"#),
    ("cmd/snapshot", r#"{"id": "r-1", "client": "hub", "args": {"camera": "east"}}"#),
    (
        "cmd/camera",
        r#"{"id": "r-1", "expires_at": "2026-11-22T08:00:00Z", "args": {"camera": "east", "enabled": false}}"#,
    ),
    ("cmd/rule", r#"{"id": "r", "args": {"camera": "c", "rule": "r", "muted_until": "2026-11-22T08:00:00.5+08:00"}}"#),
    ("cmd/rule", r#"{"id": "r", "args": {"camera": "c", "rule": "r", "muted_until": null}}"#),
    (
        "cmd/feedback",
        r#"{"id": "r", "args": {"incident": "01a200a7-f161-76c2-9ff1-3e49a84e1138", "verdict": "dismissed", "reason": "other"}}"#,
    ),
    ("cmd/reload", r#"{"id": "r:1", "issued_at": "2026-11-22T08:00:00Z", "args": {}}"#),
    ("cmd/replay", r#"{"id": "r.1", "args": {"from": 7, "to": 9}}"#),
    ("cmd/status", r#"{"id": "r_1", "args": {}}"#),
    (
        "case/01a200a7-f161-76c2-9ff1-3e49a84e1138",
        r#"{"status": "dispatched", "time": "2026-11-22T08:00:00Z", "number": "A-7"}"#,
    ),
    ("case/1", r#"{"status": "closed", "time": "2026-11-22T08:00:00+08:00"}"#),
];

pub fn run(random: &mut Pcg64Mcg) {
    let (topic, payload) = EXAMPLES[random.random_range(0..EXAMPLES.len())];
    let topic = if random.random_ratio(1, 4) {
        mutate::text(random, topic, &EXAMPLES.map(|(topic, _)| topic))
    } else {
        topic.to_owned()
    };
    let payload = mutate::text(random, payload, &EXAMPLES.map(|(_, payload)| payload));
    let (bytes, prefix) = (payload.as_bytes(), Name::try_new("p").expect("a literal name"));
    let (id, client) = contract::sender_of(bytes);
    assert!(bytes.len() <= MAX_COMMAND_BYTES || (id.is_none() && client.is_none()), "{payload}");
    let taken = match Topic::parse(&prefix, &format!("p/v1/s/a/{topic}")).map(|(_, _, what)| what) {
        Some(Topic::Command { verb: Some(verb) }) => contract::read_command(verb, bytes).ok().map(|command| {
            assert_eq!(id.as_ref(), Some(&command.id), "{payload}");
            command_of(verb)
        }),
        Some(Topic::Case { .. }) => contract::read_case(bytes).ok().map(|_| "case".to_owned()),
        _ => None,
    };
    if let Some(message) = taken {
        assert!(bytes.len() <= MAX_COMMAND_BYTES, "{payload}");
        let value = serde_json::from_str(&payload).expect("what was read is JSON");
        assert_eq!(contract::first_mistake(&message, &value), None, "{message}: {payload}");
    }
}

fn command_of(verb: Verb) -> String {
    format!("command-{}", verb.as_str())
}
