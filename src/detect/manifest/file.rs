//! Whether a model file is the one that a manifest describes.

use super::Manifest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes hashed at a time.
const HASH_CHUNK_BYTES: usize = 1 << 16;

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let good = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good { Ok(Self(text)) } else { Err(format!("\"{text}\" is not 64 lower-case hexadecimal digits")) }
    }
}

/// Why a model file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file cannot be read.
    #[error("failed to read the model {path}")]
    Read {
        /// The model file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The size differs from the manifest's.
    #[error("failed to accept the model {path}: the manifest says {expected} bytes, the file has {found}")]
    Size {
        /// The model file.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The hash differs from the manifest's.
    #[error("failed to accept the model {path}: the manifest says sha256 {expected}, the file has {found}")]
    Hash {
        /// The model file.
        path: PathBuf,
        /// SHA-256 by the manifest.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
}

impl Manifest {
    /// Checks that a model file is the one that the manifest describes. Reads all of it.
    pub fn verify_file(&self, path: &Path) -> Result<(), ModelFileError> {
        let read_error = |source| ModelFileError::Read { path: path.to_path_buf(), source };
        let mut file = std::fs::File::open(path).map_err(read_error)?;
        let found = file.metadata().map_err(read_error)?.len();
        if found != self.size_bytes {
            return Err(ModelFileError::Size { path: path.to_path_buf(), expected: self.size_bytes, found });
        }
        let found = sha256_of(&mut file).map_err(read_error)?;
        if found != self.sha256.as_str() {
            return Err(ModelFileError::Hash { path: path.to_path_buf(), expected: self.sha256.to_string(), found });
        }
        Ok(())
    }
}

/// SHA-256 of everything that `source` gives, as lower-case hexadecimal digits.
pub(crate) fn sha256_of(source: &mut impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; HASH_CHUNK_BYTES];
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        hasher.update(&chunk[..count]);
    }
    Ok(format!("{:x}", hasher.finalize()))
}
