//! The public half of a key with which a hub signs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Base64 of a public Ed25519 key: of its 32 bytes, or of these behind the twelve with which OpenSSL's PEM begins (RFC 8410). The last
/// letter of 32 bytes has two bits to spare, which are zero.
const PATTERN: &str = "^(MCowBQYDK2VwAyEA)?[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$";
/// Letters of 32 bytes in base64.
const LETTERS: usize = 44;

/// A public Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// The text is no public key.
#[derive(Debug, thiserror::Error)]
#[error("it is not base64 of an Ed25519 public key")]
pub struct PublicKeyError;

impl PublicKey {
    /// Its bytes (RFC 8032, 5.1.2).
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;
    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        use base64::Engine;
        let own = text.len().checked_sub(LETTERS).and_then(|from| text.get(from..)).ok_or(PublicKeyError)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(own).map_err(|_| PublicKeyError)?;
        bytes.try_into().map(Self).map_err(|_| PublicKeyError)
    }
}

/// Base64 of its bytes.
impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(key.0)
    }
}

impl JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": PATTERN,
            "description": "A public Ed25519 key.",
            "x-allowed": "base64 of an Ed25519 public key: the middle line of what openssl pkey -pubout prints"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one_key_and_every_text_of_the_pattern_is_one() {
        let raw = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
        let openssl = format!("MCowBQYDK2VwAyEA{raw}");
        let key = |text: &str| PublicKey::try_from(text.to_owned());
        assert_eq!(key(raw).unwrap(), key(&openssl).unwrap());
        for last in "AEIMQUYcgkosw048".chars() {
            assert!(key(&format!("{}{last}=", &raw[..42])).is_ok(), "{last}");
        }
        for wrong in ["", "====", &raw[1..], "长长长长长长长长长长长长长长长长"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
