//! Sizes with their unit, as people write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a [`ByteSize`] may look like, as a regular expression.
const PATTERN: &str = "^[0-9]{1,7} ?(MiB|GiB|TiB)$";
/// The units with their bytes, the largest first.
const UNITS: [(&str, u64); 3] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

/// The text is no size.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not a size such as 512 MiB, 20 GiB or 1 TiB")]
pub struct ByteSizeError(String);

impl ByteSize {
    /// So many mebibytes.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<String> for ByteSize {
    type Error = ByteSizeError;
    fn try_from(text: String) -> Result<Self, ByteSizeError> {
        let read = |(unit, bytes): (&str, u64)| {
            let number = text.strip_suffix(unit)?;
            let number = number.strip_suffix(' ').unwrap_or(number);
            let is_plain = (1..=7).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| number.parse::<u64>().ok()?.checked_mul(bytes)).flatten()
        };
        let bytes = UNITS.into_iter().find_map(read);
        bytes.map(Self).ok_or(ByteSizeError(text))
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.into_iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        let (unit, bytes) = whole.unwrap_or(UNITS[2]);
        write!(f, "{} {unit}", self.0 / bytes)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": PATTERN,
            "description": "A number of bytes with its unit.",
            "x-allowed": "a whole number of MiB, GiB or TiB, such as 512 MiB or 20 GiB"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_as_people_do() {
        for (text, bytes) in [("20 GiB", 20 << 30), ("512MiB", 512 << 20), ("0 MiB", 0), ("1 TiB", 1 << 40)] {
            assert_eq!(ByteSize::try_from(text.to_owned()).unwrap().bytes(), bytes, "{text}");
        }
        assert_eq!(ByteSize::mib(20 << 10).to_string(), "20 GiB");
        assert_eq!(ByteSize::mib(1536).to_string(), "1536 MiB");
        for wrong in ["20", "20 GB", "-1 GiB", "1.5 GiB", "+1 GiB", " GiB", "12345678 MiB", "20  GiB"] {
            assert!(ByteSize::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
