//! Identifiers: names that a person chose (cameras, zones, rules) and UUIDv7 that the agent makes (incidents, evidence, events).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A name chosen by the integrator: 1–64 of `a-z 0-9 _ -`, beginning with a letter or digit. Safe in MQTT topics,
/// file names and metric labels. Cheap to clone: facts of every frame carry names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// What a [`Name`] may look like, as a regular expression.
pub const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";

/// The text is not a valid name.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not a name: 1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter or digit")]
pub struct NameError(String);

impl Name {
    /// Checks and takes a name.
    pub fn try_new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let good = (1..=64).contains(&text.len())
            && text.chars().all(legal)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if good { Ok(Self(text.into())) } else { Err(NameError(text)) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::try_new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl schemars::JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": NAME_PATTERN,
            "description": "1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter or digit"
        })
    }
}

/// Makes UUIDv7 (RFC 9562) from a wall time and random bits; seedable, so that a replay repeats its ids.
pub struct IdSource(rand_pcg::Pcg64);

impl IdSource {
    /// Seeds from the operating system.
    #[must_use]
    pub fn from_os() -> Self {
        use rand::SeedableRng;
        Self(rand_pcg::Pcg64::from_os_rng())
    }

    /// Seeds with a number: the same seed gives the same ids for the same times.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        use rand::SeedableRng;
        Self(rand_pcg::Pcg64::seed_from_u64(seed))
    }

    /// A new id whose leading 48 bits are `wall` in milliseconds.
    pub fn next(&mut self, wall: jiff::Timestamp) -> uuid::Uuid {
        use rand::RngCore;
        let mut random = [0; 10];
        self.0.fill_bytes(&mut random);
        let millis = u64::try_from(wall.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_topic_or_a_path_are_refused() {
        for bad in ["", "A", "a/b", "a+b", "#", "../x", "-a", "ä", &"x".repeat(65)] {
            assert!(Name::try_new(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(Name::try_new("wenyi-road_3").unwrap().as_str(), "wenyi-road_3");
    }

    #[test]
    fn ids_sort_by_time_and_repeat_by_seed() {
        let at = |ms| jiff::Timestamp::from_millisecond(ms).unwrap();
        let mut ids = IdSource::from_seed(7);
        let (early, late) = (ids.next(at(1_000)), ids.next(at(2_000)));
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
        assert_eq!(IdSource::from_seed(7).next(at(1_000)), early);
    }
}
