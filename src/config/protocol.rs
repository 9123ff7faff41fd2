//! `5` or `3.1.1`: the version of MQTT. YAML reads the first as a number.

use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const EXPECTED: &str = "5 or 3.1.1";

/// Version of MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 5.
    #[default]
    V5,
    /// MQTT 3.1.1, which many city brokers speak alone.
    V311,
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::V5 => serializer.serialize_u8(5),
            Self::V311 => serializer.serialize_str("3.1.1"),
        }
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ProtocolVisitor)
    }
}

struct ProtocolVisitor;

impl Visitor<'_> for ProtocolVisitor {
    type Value = Protocol;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Protocol, E> {
        match text {
            "5" => Ok(Protocol::V5),
            "3.1.1" => Ok(Protocol::V311),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Protocol, E> {
        if number == 5 { Ok(Protocol::V5) } else { Err(E::invalid_value(Unexpected::Unsigned(number), &self)) }
    }
}

impl JsonSchema for Protocol {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Protocol".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Version of MQTT.",
            "x-allowed": EXPECTED,
            "anyOf": [{"const": 5}, {"enum": ["5", "3.1.1"]}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_taken_as_yaml_reads_them_and_no_other() {
        let read = |json: &str| serde_json::from_str::<Protocol>(json).map_err(|error| error.to_string());
        assert_eq!(
            (read("5"), read("\"5\""), read("\"3.1.1\"")),
            (Ok(Protocol::V5), Ok(Protocol::V5), Ok(Protocol::V311))
        );
        for wrong in ["3", "4", "3.1", "\"3.1\"", "true"] {
            assert!(read(wrong).unwrap_err().contains(EXPECTED), "{wrong}");
        }
    }
}
