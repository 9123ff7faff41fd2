//! Times and sequence numbers in the form in which they stand in messages.

use jiff::Timestamp;
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};
use jiff::tz::{Offset, TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// An instant with the offset in which it is written: RFC 3339 with milliseconds, `2026-11-21T15:29:41.120+08:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime {
    instant: Timestamp,
    offset: Offset,
}

/// The text is not an instant with an offset.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not an RFC 3339 time")]
pub struct WallTimeError(String);

impl WallTime {
    /// The instant as clocks in `zone` show it; the fraction below a millisecond is cut off.
    #[must_use]
    pub fn new(instant: Timestamp, zone: &TimeZone) -> Self {
        let whole = Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant);
        Self { instant: whole, offset: zone.to_offset(instant) }
    }

    /// The instant.
    #[must_use]
    pub fn instant(&self) -> Timestamp {
        self.instant
    }

    /// Date, time and offset, for people: to the second, which is what can be read in a picture.
    #[must_use]
    pub fn for_people(&self) -> String {
        self.instant.to_zoned(TimeZone::fixed(self.offset)).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// Hours, minutes and seconds at its offset, for people.
    #[must_use]
    pub fn time_of_day(&self) -> String {
        self.offset.to_datetime(self.instant).strftime("%H:%M:%S").to_string()
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = DateTimePrinter::new().precision(Some(3));
        f.write_str(&printer.timestamp_with_offset_to_string(&self.instant, self.offset))
    }
}

impl std::str::FromStr for WallTime {
    type Err = WallTimeError;
    fn from_str(text: &str) -> Result<Self, WallTimeError> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        let error = || WallTimeError(text.to_owned());
        let instant: Timestamp = text.parse().map_err(|_| error())?;
        let pieces = PARSER.parse_pieces(text).map_err(|_| error())?;
        Ok(Self { instant, offset: pieces.to_numeric_offset().unwrap_or(Offset::UTC) })
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for WallTime {
    fn schema_name() -> Cow<'static, str> {
        "WallTime".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}[+-]\d{2}:\d{2}$",
            "description": "RFC 3339 with milliseconds and the offset of the agent's time zone"
        })
    }
}

/// Position of an event among all events of an agent; gap-free, so that a hub sees a loss. Written with 16 digits
/// (`CloudEvents` extension `sequence`: sorts as text).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}", self.0)
    }
}

impl Serialize for Sequence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let good = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit());
        let number = good.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is not 16 digits")))
    }
}

impl JsonSchema for Sequence {
    fn schema_name() -> Cow<'static, str> {
        "Sequence".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[0-9]{16}$",
            "description": "Position among all events of the agent, gap-free"
        })
    }
}

/// Schema of a UUID in its usual text form.
pub(super) fn uuid_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "uuid"})
}

/// Schema of an instant that a hub writes: RFC 3339 with any offset.
pub(super) fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// Schema of a SHA-256 digest in lower-case hexadecimal.
pub(super) fn sha256_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
}

/// Schema of a list of UUIDs with at least one.
pub(super) fn uuids_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "format": "uuid"}})
}

/// Schema of a box: left, top, right, bottom, 0..1 in the frame.
pub(super) fn bbox_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 4, "maxItems": 4,
        "items": {"type": "number", "minimum": 0, "maximum": 1},
        "description": "Left, top, right, bottom; 0..1 in the frame from the top left"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_with_milliseconds_and_offset_and_read_back() {
        let instant: Timestamp = "2026-11-21T07:29:41.120999Z".parse().unwrap();
        let time = WallTime::new(instant, &TimeZone::fixed(jiff::tz::offset(8)));
        assert_eq!(time.to_string(), "2026-11-21T15:29:41.120+08:00");
        assert_eq!(time.to_string().parse::<WallTime>().unwrap(), time);
        assert_eq!(time.time_of_day(), "15:29:41");
    }

    #[test]
    fn utc_is_written_as_a_numeric_offset() {
        let time = WallTime::new("2026-11-21T07:29:41Z".parse().unwrap(), &TimeZone::UTC);
        assert_eq!(time.to_string(), "2026-11-21T07:29:41.000+00:00");
        assert!("2026-11-21".parse::<WallTime>().is_err());
    }

    #[test]
    fn sequences_sort_as_text_as_they_do_as_numbers() {
        let text = |n| serde_json::to_string(&Sequence(n)).unwrap();
        assert_eq!(text(4217), "\"0000000000004217\"");
        assert!(text(9) < text(10));
        assert!(serde_json::from_str::<Sequence>("\"17\"").is_err());
    }
}
