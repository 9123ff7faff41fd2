//! One record: its canonical form, its hash, and the check of a line.

use super::{Actor, Deed, Entry, Head};
use crate::sha256::sha256_hex;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What stands in `prev` of the first record.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Longest line that is written or read.
pub(super) const MAX_LINE_BYTES: usize = 64 << 10;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) sequence: u64,
    pub(super) hash: String,
    pub(super) prev: String,
    pub(super) time: Timestamp,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) detail: Value,
    /// Whether the hash is that of the line.
    pub(super) is_intact: bool,
}

/// The line of a deed after that head, without the line feed, and the head that it makes.
pub(super) fn line(actor: &Actor, deed: &Deed, after: Option<&Head>, now: Timestamp) -> (String, Head) {
    let sequence = after.map_or(1, |head| head.sequence + 1);
    let mut record = serde_json::to_value(deed).expect("deeds have no maps with keys that are not text");
    record["actor"] = actor.to_string().into();
    record["prev"] = after.map_or(GENESIS, |head| &head.hash).into();
    record["sequence"] = sequence.into();
    record["time"] = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into();
    let hash = hash_of(&record);
    record["hash"] = hash.clone().into();
    (canonical(&record), Head { sequence, hash })
}

/// Reads a line; none if it is no record. One that is not in canonical form is not intact.
pub(super) fn read(line: &str) -> Option<Record> {
    let value: Value = (line.len() <= MAX_LINE_BYTES).then(|| serde_json::from_str(line).ok()).flatten()?;
    let Value::Object(mut fields) = value else { return None };
    let is_canonical = canonical(&Value::Object(fields.clone())) == line;
    let hash = fields.shift_remove("hash")?.as_str()?.to_owned();
    let text = |fields: &Map<String, Value>, key: &str| fields.get(key)?.as_str().map(str::to_owned);
    let record = Record {
        sequence: fields.get("sequence")?.as_u64()?,
        prev: text(&fields, "prev")?,
        time: text(&fields, "time")?.parse().ok()?,
        actor: text(&fields, "actor")?,
        action: text(&fields, "action")?,
        detail: fields.get("detail").cloned().unwrap_or(json!({})),
        is_intact: is_canonical && hash_of(&Value::Object(fields)) == hash,
        hash,
    };
    Some(record)
}

impl Record {
    pub(super) fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash.clone() }
    }
}

impl From<Record> for Entry {
    fn from(Record { sequence, time, actor, action, detail, .. }: Record) -> Self {
        Self { sequence, time, actor, action, detail }
    }
}

fn hash_of(record: &Value) -> String {
    sha256_hex(canonical(record))
}

/// The canonical form (RFC 8785) of a value without fractions: keys are sorted, and there is no white space.
fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<&String, Value> = fields.iter().map(|(key, value)| (key, sorted(value))).collect();
                Value::Object(fields.into_iter().map(|(key, value)| (key.clone(), value)).collect())
            }
            Value::Array(values) => values.iter().map(sorted).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    sorted(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_canonical_and_reads_back() {
        let now = "2026-11-22T08:00:00.120Z".parse().unwrap();
        let deed = Deed::CommandsRefused { count: 7 };
        let (first, head) = line(&Actor::Hub(None), &deed, None, now);
        let expected = format!(
            r#"{{"action":"commands_refused","actor":"hub","detail":{{"count":7}},"hash":"{}","prev":"{GENESIS}","sequence":1,"time":"2026-11-22T08:00:00.120Z"}}"#,
            head.hash
        );
        assert_eq!(first, expected);
        // By hand: the line without its hash.
        let bare = first.replace(&format!("\"hash\":\"{}\",", head.hash), "");
        assert_eq!(sha256_hex(bare), head.hash);
        let record = read(&first).unwrap();
        assert!(record.is_intact && record.head() == head && record.time == now);
        assert_eq!(line(&Actor::Agent, &deed, Some(&head), now).1.sequence, 2);

        assert!(!read(&first.replace("\"count\":7", "\"count\":8")).unwrap().is_intact);
        assert!(!read(&first.replace("\"count\":7", "\"count\": 7")).unwrap().is_intact, "another form of the same");
        assert_eq!(read("{}"), None);
        assert_eq!(read("[1]"), None);
    }
}
