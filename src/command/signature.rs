//! Who may ask, where a broker is shared: commands signed by a key that the configuration names.
//!
//! A signed message is [`SignedMessage`]: the text of the command or case, the key's id, and the Ed25519 signature (RFC 8032) of the topic, a
//! line feed and that text. The topic is part of it so that what is asked of one agent cannot be asked of another, nor a verb be
//! exchanged. It needs no canonical JSON, and no property of MQTT 5.
//!
//! Against replay: a signed command acts once by its request id, which is remembered for a week and over restarts; and it is refused when
//! it was issued more than [`FRESH_FOR`] ago, long before its id is forgotten.

use crate::config::PublicKey;
use crate::contract::{MAX_COMMAND_BYTES, SignedMessage};
use crate::ids::Name;
use crate::store::COMMAND_MEMORY;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long ago a signed command may have been issued.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// How far the hub's clock may be ahead of the box's.
const AHEAD: Duration = Duration::from_mins(1);
const _: () = assert!(FRESH_FOR.as_secs() + AHEAD.as_secs() < COMMAND_MEMORY.as_secs(), "an id outlives its command");

/// Why a message is not taken for that of a hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has none.
    #[error("it is not signed, and this agent takes signed messages alone")]
    Unsigned,
    /// Its key is not configured.
    #[error("hub.commands.keys of this agent does not have \"{0}\"")]
    UnknownKey(Name),
    /// It was signed by another key, for another topic, or changed since.
    #[error("its signature is not one of \"{0}\" of this topic and text")]
    Wrong(Name),
    /// It does not say when it was issued.
    #[error("a signed command needs issued_at")]
    NoTime,
    /// It was issued too long ago, or in the future.
    #[error("it was issued at {0}, and 10 minutes ago is the longest")]
    Stale(Timestamp),
}

/// The keys whose holders may ask. Without any, messages are not signed.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<Name, PublicKey>);

/// A message without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    /// What was asked; also of a message that must not be carried out, so that it can be answered.
    pub(super) text: Bytes,
    /// Whether it may be carried out, and by which key it is signed, if it must be.
    pub(super) verdict: Result<Option<Name>, SignatureError>,
}

impl Keys {
    /// By their ids.
    #[must_use]
    pub fn new(keys: BTreeMap<Name, PublicKey>) -> Self {
        Self(keys)
    }

    /// Takes the signature off a message of this topic, and looks whether it is right.
    pub(super) fn open(&self, topic: &str, payload: &Bytes) -> Opened {
        if self.0.is_empty() {
            return Opened { text: payload.clone(), verdict: Ok(None) };
        }
        let is_readable = payload.len() <= 2 * MAX_COMMAND_BYTES;
        let signed = is_readable.then(|| serde_json::from_slice::<SignedMessage>(payload).ok()).flatten();
        let Some(SignedMessage { key, text, signature }) = signed else {
            return Opened { text: payload.clone(), verdict: Err(SignatureError::Unsigned) };
        };
        let verdict = match self.0.get(&key) {
            None => Err(SignatureError::UnknownKey(key)),
            Some(public) => {
                let signature = STANDARD.decode(signature).unwrap_or_default();
                let public = UnparsedPublicKey::new(&ED25519, public.bytes());
                match public.verify(&signed_bytes(topic, &text), &signature) {
                    Ok(()) => Ok(Some(key)),
                    Err(_) => Err(SignatureError::Wrong(key)),
                }
            }
        };
        Opened { text: text.into(), verdict }
    }

    /// Whether a command that was issued then may still be carried out.
    pub(super) fn check_age(&self, issued_at: Option<Timestamp>, now: Timestamp) -> Result<(), SignatureError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let issued_at = issued_at.ok_or(SignatureError::NoTime)?;
        let is_fresh = issued_at >= now - FRESH_FOR && issued_at <= now + AHEAD;
        if is_fresh { Ok(()) } else { Err(SignatureError::Stale(issued_at)) }
    }
}

/// Signs the text of a command or case for a topic.
#[must_use]
pub fn sign(key: &Ed25519KeyPair, id: Name, topic: &str, text: String) -> SignedMessage {
    let signature = STANDARD.encode(key.sign(&signed_bytes(topic, &text)));
    SignedMessage { key: id, text, signature }
}

fn signed_bytes(topic: &str, text: &str) -> Vec<u8> {
    format!("{topic}\n{text}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::KeyPair;

    const TOPIC: &str = "curbwatch/v1/s/a/cmd/status";

    fn name(text: &str) -> Name {
        Name::try_new(text).unwrap()
    }

    /// A pair from a seed, and its public half as the configuration has it.
    fn pair(seed: u8) -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = STANDARD.encode(pair.public_key().as_ref());
        (pair, public.try_into().unwrap())
    }

    fn opened(keys: &Keys, topic: &str, message: &SignedMessage) -> Opened {
        keys.open(topic, &crate::contract::to_json(message).into())
    }

    #[test]
    fn a_message_is_taken_from_its_key_for_its_topic_as_it_was_signed() {
        let ((hub, public), (stranger, _)) = (pair(1), pair(2));
        let keys = Keys::new([(name("hub"), public)].into());
        let signed = sign(&hub, name("hub"), TOPIC, "{}".to_owned());
        assert_eq!(opened(&keys, TOPIC, &signed), Opened { text: "{}".into(), verdict: Ok(Some(name("hub"))) });

        let wrong = |topic, message: &SignedMessage| opened(&keys, topic, message).verdict.unwrap_err();
        let by_nobody = sign(&stranger, name("hub"), TOPIC, "{}".to_owned());
        assert_eq!(wrong(TOPIC, &by_nobody), SignatureError::Wrong(name("hub")));
        assert_eq!(wrong("curbwatch/v1/s/b/cmd/status", &signed), SignatureError::Wrong(name("hub")));
        assert_eq!(
            wrong(TOPIC, &SignedMessage { text: "{ }".into(), ..signed.clone() }),
            SignatureError::Wrong(name("hub"))
        );
        assert_eq!(
            wrong(TOPIC, &SignedMessage { signature: "?".into(), ..signed.clone() }),
            SignatureError::Wrong(name("hub"))
        );
        let other = sign(&hub, name("other"), TOPIC, "{}".to_owned());
        assert_eq!(wrong(TOPIC, &other), SignatureError::UnknownKey(name("other")));
        let plain = keys.open(TOPIC, &Bytes::from_static(b"{\"id\": \"r-1\"}"));
        assert_eq!(plain.verdict, Err(SignatureError::Unsigned));
        assert_eq!(&plain.text[..], b"{\"id\": \"r-1\"}", "it can be answered all the same");
    }

    #[test]
    fn without_keys_messages_come_as_they_are() {
        let payload = Bytes::from_static(b"{}");
        assert_eq!(Keys::default().open(TOPIC, &payload), Opened { text: payload, verdict: Ok(None) });
        assert_eq!(Keys::default().check_age(None, Timestamp::UNIX_EPOCH), Ok(()));
    }

    #[test]
    fn a_signed_command_is_fresh_for_ten_minutes_by_the_clock_of_the_box() {
        let keys = Keys::new([(name("hub"), pair(1).1)].into());
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let issued = |text: &str| keys.check_age(Some(text.parse().unwrap()), now);
        assert_eq!(issued("2026-11-22T07:50:00Z"), Ok(()));
        assert_eq!(issued("2026-11-22T08:01:00Z"), Ok(()));
        assert!(matches!(issued("2026-11-22T07:49:59Z"), Err(SignatureError::Stale(_))));
        assert!(matches!(issued("2026-11-22T08:01:01Z"), Err(SignatureError::Stale(_))));
        assert_eq!(keys.check_age(None, now), Err(SignatureError::NoTime));
    }
}
