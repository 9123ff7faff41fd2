//! Encryption at rest: JPEG → sealed file → JPEG, by AES-256-GCM (NIST SP 800-38D) of the `ring` library.
//!
//! Layout of a sealed file:
//! ```text
//! CURBSEA1 | length of the key's id, 1 byte | key's id | nonce, 12 bytes | ciphertext | tag, 16 bytes
//! ```
//! The header up to the nonce and the file's own name are authenticated with it, so that a file under another's name, or with another key's
//! id, does not open. A JPEG begins otherwise, so that what was written before encryption was switched on is still read.
//!
//! Invariants
//! - Each file has a nonce of its own, 96 random bits: below 2^32 files per key a repetition is less likely than 2^-32.
//! - With a key to write with, nothing is written in the clear: without it a picture is not kept.
//! - Keys are in no message, error or `Debug`.

use crate::config::{EncryptionConfig, SecretError, SecretSource};
use crate::ids::Name;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How a sealed file begins; the last letter is the version.
const MAGIC: &[u8; 8] = b"CURBSEA1";

/// Why a file cannot be sealed or opened. Names the key by its id alone.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key cannot be read from where it is kept.
    #[error("failed to read the key \"{key}\" of evidence.encryption")]
    Unreadable {
        /// Id of the key.
        key: Name,
        /// Why.
        source: SecretError,
    },
    /// What is kept there is no key.
    #[error("the key \"{0}\" of evidence.encryption is not base64 of 32 bytes")]
    NoKey(Name),
    /// The file was written with a key that the configuration does not have.
    #[error("it was written with the key \"{0}\", which evidence.encryption does not have")]
    UnknownKey(String),
    /// The tag does not fit.
    #[error(
        "the key \"{0}\" of evidence.encryption does not open it: it was written with another of that id, or has been changed"
    )]
    Wrong(Name),
    /// It is neither a JPEG nor a sealed file.
    #[error("its header is damaged")]
    Damaged,
    /// The system gives no random bits.
    #[error("the system gives no random bits")]
    NoRandom,
}

impl SealError {
    /// Whether the right key could still open it.
    #[must_use]
    pub fn is_for_want_of_a_key(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::NoKey(_) | Self::UnknownKey(_) => true,
            Self::Wrong(_) | Self::Damaged | Self::NoRandom => false,
        }
    }
}

/// The keys of the pictures. Cheap to clone. The default has none: files are written in the clear.
#[derive(Debug, Clone, Default)]
pub struct Keyring(Arc<Keys>);

#[derive(Debug, Default)]
struct Keys {
    /// The key that files are written with; in the clear without one.
    writing: Option<Name>,
    sources: BTreeMap<Name, SecretSource>,
    /// Those that were read; the others are tried again whenever they are needed.
    read: Mutex<BTreeMap<Name, Arc<LessSafeKey>>>,
}

impl Keyring {
    /// The keys that the configuration names; none is read yet.
    #[must_use]
    pub fn new(config: Option<&EncryptionConfig>) -> Self {
        let Some(config) = config else { return Self::default() };
        let (writing, sources) = (Some(config.key.clone()), config.keys.clone());
        Self(Arc::new(Keys { writing, sources, read: Mutex::default() }))
    }

    /// Id of the key that files are written with.
    #[must_use]
    pub fn writing(&self) -> Option<&Name> {
        self.0.writing.as_ref()
    }

    /// Whether files can be written as the configuration wants.
    pub fn check(&self) -> Result<(), SealError> {
        self.0.writing.as_ref().map_or(Ok(()), |id| self.key(id).map(drop))
    }

    /// The bytes that belong into the file of that name.
    pub fn seal(&self, file: &str, content: &[u8]) -> Result<Vec<u8>, SealError> {
        let Some(id) = &self.0.writing else { return Ok(content.to_vec()) };
        let key = self.key(id)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let header = header(id);
        let mut sealed = content.to_vec();
        let aad = Aad::from([header.as_slice(), file.as_bytes()].concat());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| SealError::NoRandom)?;
        Ok([header.as_slice(), &nonce, &sealed].concat())
    }

    /// What was put into the file of that name.
    pub fn open(&self, file: &str, bytes: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let Some(sealed) = bytes.strip_prefix(MAGIC) else { return Ok(bytes) };
        let (id, after) = sealed.split_first().ok_or(SealError::Damaged)?;
        let (id, after) = after.split_at_checked(usize::from(*id)).ok_or(SealError::Damaged)?;
        let (nonce, ciphertext) = after.split_at_checked(NONCE_LEN).ok_or(SealError::Damaged)?;
        let id = std::str::from_utf8(id).map_err(|_| SealError::Damaged)?;
        let id = Name::try_new(id).map_err(|_| SealError::Damaged)?;
        let key = self.key(&id)?;
        let aad = Aad::from([header(&id).as_slice(), file.as_bytes()].concat());
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut content = ciphertext.to_vec();
        let length = key.open_in_place(nonce, aad, &mut content).map_err(|_| SealError::Wrong(id))?.len();
        content.truncate(length);
        Ok(content)
    }

    fn key(&self, id: &Name) -> Result<Arc<LessSafeKey>, SealError> {
        let mut read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = read.get(id) {
            return Ok(Arc::clone(key));
        }
        let source = self.0.sources.get(id).ok_or_else(|| SealError::UnknownKey(id.to_string()))?;
        let text = source.read().map_err(|source| SealError::Unreadable { key: id.clone(), source })?;
        let no_key = || SealError::NoKey(id.clone());
        let bytes = secrecy::SecretSlice::from(STANDARD.decode(text.expose_secret().trim()).map_err(|_| no_key())?);
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose_secret()).map_err(|_| no_key())?;
        let key = Arc::new(LessSafeKey::new(key));
        read.insert(id.clone(), Arc::clone(&key));
        Ok(key)
    }
}

fn header(id: &Name) -> Vec<u8> {
    let id = id.as_str().as_bytes();
    let length = u8::try_from(id.len()).expect("a name has at most 64 letters");
    [MAGIC.as_slice(), &[length], id].concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::Path;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a picture";

    fn name(text: &str) -> Name {
        Name::try_new(text).unwrap()
    }

    /// Keys of these ids that are kept below `folder`; the first is written with.
    pub(crate) fn keyring(folder: &Path, ids: &[&str]) -> Keyring {
        let source = |id: &&str| {
            let file = folder.join(format!("{id}.key"));
            if !file.exists() {
                let mut key = [0; 32];
                SystemRandom::new().fill(&mut key).unwrap();
                std::fs::write(&file, STANDARD.encode(key) + "\n").unwrap();
            }
            (name(id), SecretSource::File(file))
        };
        Keyring::new(Some(&EncryptionConfig { key: name(ids[0]), keys: ids.iter().map(source).collect() }))
    }

    #[test]
    fn a_sealed_file_hides_its_content_and_opens_under_its_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keyring(folder.path(), &["a"]);
        let sealed = keys.seal("1.jpg", JPEG).unwrap();
        assert!(sealed.starts_with(b"CURBSEA1\x01a"));
        assert_eq!(sealed.len(), JPEG.len() + MAGIC.len() + 2 + 12 + 16);
        assert!(!sealed.windows(9).any(|window| window == b"a picture"));
        assert_ne!(keys.seal("1.jpg", JPEG).unwrap(), sealed, "each has a nonce of its own");
        assert_eq!(keys.open("1.jpg", sealed.clone()).unwrap(), JPEG);
        assert!(matches!(keys.open("2.jpg", sealed.clone()), Err(SealError::Wrong(_))), "it is another's");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let opened = keys.open("1.jpg", changed);
            assert!(!opened.is_ok_and(|content| content == JPEG), "byte {at} may be changed");
        }
        for length in MAGIC.len()..sealed.len() {
            assert!(keys.open("1.jpg", sealed[..length].to_vec()).is_err(), "{length} bytes are enough");
        }
    }

    #[test]
    fn keys_are_changed_without_losing_what_was_written_before() {
        let folder = tempfile::tempdir().unwrap();
        let before = keyring(folder.path(), &["old"]).seal("1.jpg", JPEG).unwrap();
        let both = keyring(folder.path(), &["new", "old"]);
        assert_eq!(both.open("1.jpg", before.clone()).unwrap(), JPEG);
        assert!(both.seal("1.jpg", JPEG).unwrap().starts_with(b"CURBSEA1\x03new"));
        assert_eq!(both.open("1.jpg", JPEG.to_vec()).unwrap(), JPEG, "from before there was a key");
        let error = keyring(folder.path(), &["new"]).open("1.jpg", before.clone()).unwrap_err();
        assert_eq!(error.to_string(), "it was written with the key \"old\", which evidence.encryption does not have");
        assert!(error.is_for_want_of_a_key());

        std::fs::remove_file(folder.path().join("old.key")).unwrap();
        let error = keyring(folder.path(), &["old"]).open("1.jpg", before).unwrap_err();
        assert!(error.to_string().starts_with("the key \"old\" of evidence.encryption does not open it"), "{error}");
        assert!(!error.is_for_want_of_a_key());
    }

    #[test]
    fn without_its_key_nothing_is_written_and_no_text_tells_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keyring(folder.path(), &["a"]);
        let text = std::fs::read_to_string(folder.path().join("a.key")).unwrap();
        std::fs::rename(folder.path().join("a.key"), folder.path().join("away")).unwrap();
        assert!(matches!(keys.seal("1.jpg", JPEG), Err(SealError::Unreadable { .. })));
        std::fs::write(folder.path().join("a.key"), &text[..40]).unwrap();
        let error = keys.check().unwrap_err();
        assert_eq!(error.to_string(), "the key \"a\" of evidence.encryption is not base64 of 32 bytes");
        std::fs::rename(folder.path().join("away"), folder.path().join("a.key")).unwrap();
        keys.seal("1.jpg", JPEG).unwrap();
        let told = format!("{keys:?} {error:?}");
        assert!(!told.contains(text.trim()) && !told.contains(&text[..40]), "{told}");
    }
}
