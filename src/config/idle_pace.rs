//! `keyframes` or a number: what an idle camera decodes.

use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const KEY_FRAMES: &str = "keyframes";
const EXPECTED: &str = "keyframes, or frames per second from 0.1 to 30";
const FPS: std::ops::RangeInclusive<f64> = 0.1..=30.0;

/// What an idle camera decodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IdlePace {
    /// Key frames, and nothing else.
    KeyFrames,
    /// The whole stream, of which this many frames per second are passed on at most.
    Fps(f64),
}

impl Serialize for IdlePace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::KeyFrames => serializer.serialize_str(KEY_FRAMES),
            Self::Fps(fps) => serializer.serialize_f64(*fps),
        }
    }
}

impl<'de> Deserialize<'de> for IdlePace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdlePaceVisitor)
    }
}

struct IdlePaceVisitor;

impl Visitor<'_> for IdlePaceVisitor {
    type Value = IdlePace;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<IdlePace, E> {
        if text == KEY_FRAMES { Ok(IdlePace::KeyFrames) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }

    fn visit_f64<E: Error>(self, fps: f64) -> Result<IdlePace, E> {
        if FPS.contains(&fps) { Ok(IdlePace::Fps(fps)) } else { Err(E::invalid_value(Unexpected::Float(fps), &self)) }
    }

    fn visit_u64<E: Error>(self, fps: u64) -> Result<IdlePace, E> {
        self.visit_f64(fps as f64)
    }

    fn visit_i64<E: Error>(self, fps: i64) -> Result<IdlePace, E> {
        self.visit_f64(fps as f64)
    }
}

impl JsonSchema for IdlePace {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IdlePace".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What an idle camera decodes.",
            "x-allowed": EXPECTED,
            "anyOf": [{"const": KEY_FRAMES}, {"type": "number", "minimum": FPS.start(), "maximum": FPS.end()}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<IdlePace, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn key_frames_and_rates_are_taken() {
        assert_eq!(read("\"keyframes\""), Ok(IdlePace::KeyFrames));
        assert_eq!(read("2"), Ok(IdlePace::Fps(2.0)));
        assert_eq!(read("0.5"), Ok(IdlePace::Fps(0.5)));
    }

    #[test]
    fn what_is_neither_is_refused_with_what_is_allowed() {
        for wrong in ["\"key_frames\"", "0", "-1", "31", "true"] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(EXPECTED), "{wrong}: {error}");
        }
    }
}
