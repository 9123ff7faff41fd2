//! What the agent takes, beside what the published schemas allow.

use super::*;
use crate::contract::{read_case, schemas};
use serde_json::{Value, json};

const INCIDENT: &str = "01a200a7-f161-76c2-9ff1-3e49a84e1138";

/// Commands and cases, and whether each is as the contract says.
fn examples() -> Vec<(&'static str, Value, bool)> {
    let command = |args: Value| json!({"id": "r-1", "client": "hub", "args": args});
    vec![
        ("recheck", command(json!({"incident": INCIDENT})), true),
        ("recheck", command(json!({"incident": INCIDENT, "look_secs": 20})), true),
        ("recheck", command(json!({"incident": INCIDENT, "look_secs": 1})), false),
        ("recheck", command(json!({"incident": INCIDENT, "look_secs": 121})), false),
        ("recheck", command(json!({"incident": "1"})), false),
        ("recheck", command(json!({})), false),
        ("recheck", json!({"id": "r 1", "args": {"incident": INCIDENT}}), false),
        ("recheck", json!({"id": "r1", "args": {"incident": INCIDENT}, "person": "x"}), false),
        ("recheck", json!({"id": "r1", "expires_at": "2026-11-22T08:00:00Z", "args": {"incident": INCIDENT}}), true),
        ("recheck", json!({"id": "r1", "expires_at": "tomorrow", "args": {"incident": INCIDENT}}), false),
        ("snapshot", command(json!({"camera": "east"})), true),
        ("snapshot", command(json!({"camera": "east", "incident": INCIDENT})), true),
        ("snapshot", command(json!({"camera": "../east"})), false),
        ("camera", command(json!({"camera": "east", "enabled": false})), true),
        ("camera", command(json!({"camera": "east"})), false),
        ("rule", command(json!({"camera": "east", "rule": "fire", "muted_until": "2026-11-22T08:00:00+08:00"})), true),
        ("rule", command(json!({"camera": "east", "rule": "fire", "muted_until": null})), true),
        ("rule", command(json!({"camera": "east", "rule": "fire"})), false),
        ("feedback", command(json!({"incident": INCIDENT, "verdict": "confirmed"})), true),
        ("feedback", command(json!({"incident": INCIDENT, "verdict": "dismissed", "reason": "permitted"})), true),
        ("feedback", command(json!({"incident": INCIDENT, "verdict": "maybe"})), false),
        ("reload", command(json!({})), true),
        ("reload", command(json!({"file": "/etc/passwd"})), false),
        ("replay", command(json!({"from": 7})), true),
        ("replay", command(json!({"from": -7})), false),
        ("hold", command(json!({"incident": INCIDENT})), true),
        ("hold", command(json!({"incident": INCIDENT, "until": "2027-11-22T08:00:00Z"})), true),
        ("hold", command(json!({"incident": INCIDENT, "until": "the trial"})), false),
        ("hold", command(json!({"incident": INCIDENT, "person": "x"})), false),
        ("release", command(json!({"incident": INCIDENT})), true),
        ("release", command(json!({})), false),
        ("status", command(json!({})), true),
        ("status", json!({"id": "s"}), false),
        ("case", json!({"status": "dispatched", "time": "2026-11-22T08:00:00Z", "number": "A-7"}), true),
        ("case", json!({"status": "lost", "time": "2026-11-22T08:00:00Z"}), false),
        ("case", json!({"status": "closed", "time": "2026-11-22T08:00:00Z", "number": "7".repeat(65)}), false),
    ]
}

#[test]
fn the_agent_takes_what_the_published_schema_allows_and_nothing_else() {
    for (kind, payload, is_good) in examples() {
        let (bytes, verb) = (serde_json::to_vec(&payload).unwrap(), Verb::of_name(kind));
        let taken = verb.map_or_else(|| read_case(&bytes).map(drop), |verb| read_command(verb, &bytes).map(drop));
        assert_eq!(taken.is_ok(), is_good, "{payload}: {taken:?}");
        let message = verb.map_or_else(|| "case".to_owned(), |verb| format!("command-{}", verb.as_str()));
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        let validator = options.build(&schemas()[&*message]).unwrap();
        assert_eq!(validator.is_valid(&payload), is_good, "{message}: {payload}");
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let id = "x".repeat(MAX_COMMAND_BYTES);
    let payload = format!(r#"{{"id": "{id}", "args": {{}}}}"#);
    assert!(matches!(read_command(Verb::Status, payload.as_bytes()), Err(CommandError::TooLarge(_))));
    assert_eq!(sender_of(payload.as_bytes()), (None, None));
}

#[test]
fn whom_to_tell_is_read_from_what_cannot_be_used() {
    let (id, client) = sender_of(br#"{"id": "r-1", "client": "hub", "args": 7}"#);
    assert_eq!((id.unwrap().as_str(), client.unwrap().as_str()), ("r-1", "hub"));
    assert_eq!(sender_of(br#"{"id": "r 1", "client": "../hub"}"#), (None, None));
    assert_eq!(sender_of(b"{"), (None, None));
}
