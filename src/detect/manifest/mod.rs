//! What a model file is and how to feed it: the YAML manifests in `models/`.
//!
//! In: the text of a manifest. Out: a [`Manifest`] whose numbers make sense. [`Manifest::verify_file`] compares a model
//! file with it; the session's inputs and outputs are compared where the session is made. A model that differs from its
//! manifest is refused, never adapted to.

mod input;

pub use input::{Color, ElementType, Input, Layout, Resize};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most classes of a model: the index is a `u16` and no detector comes near it.
const MAX_CLASSES: usize = 10_000;
/// Bytes hashed at a time.
const HASH_CHUNK_BYTES: usize = 1 << 16;

/// A model, its input, its outputs and what they mean.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name by which the configuration refers to it.
    pub name: String,
    /// File name of the model, looked for beside the manifest and in the places of [`crate::install`].
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: Sha256Hex,
    /// Size of the file.
    pub size_bytes: u64,
    /// Terms under which the weights may be used.
    pub licence: String,
    /// Where the weights come from.
    pub source: String,
    /// The one input.
    pub input: Input,
    /// How the outputs are read.
    pub decoder: Decoder,
    /// The outputs, in the order that the decoder names.
    pub outputs: Vec<Output>,
    /// Defaults of the limits below which boxes are dropped.
    pub thresholds: Thresholds,
    /// Names of the classes by the model's index.
    pub classes: Vec<String>,
    /// Folder from which it was loaded; none for a built-in manifest.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// How the outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// Two outputs: boxes `[1, N, 4]` as centre x, centre y, width, height in input pixels, then scores `[1, N, classes]`, 0..=1.
    YoloBoxesScores,
}

/// One output tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the tensor.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<i64>,
}

/// Limits below which boxes are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Least confidence, 0..=1.
    pub confidence: f32,
    /// Overlap (intersection over union, 0..=1) from which the weaker of two boxes of a class is dropped.
    pub nms_iou: f32,
}

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

/// Why a manifest is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("failed to read the manifest {path}")]
    Read {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a manifest.
    #[error("failed to understand the manifest {origin}: {message}")]
    Parse {
        /// Path of the manifest, or `built-in NAME`.
        origin: String,
        /// What and where, with line and column.
        message: String,
    },
    /// A value cannot be right.
    #[error("failed to accept the manifest {origin}: {mistake}")]
    Invalid {
        /// Path of the manifest, or `built-in NAME`.
        origin: String,
        /// Which value, what it is and what is allowed.
        mistake: String,
    },
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
    /// Reads a manifest file.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ManifestError::Read { path: path.to_path_buf(), source })?;
        let mut manifest = Self::parse(&text, &path.display().to_string())?;
        manifest.folder = Some(path.parent().unwrap_or(Path::new("")).to_path_buf());
        Ok(manifest)
    }

    /// Reads a manifest's text; `origin` says in errors where it came from.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_saphyr::from_str(text)
            .map_err(|error| ManifestError::Parse { origin: origin.to_owned(), message: error.to_string() })?;
        match manifest.mistake() {
            None => Ok(manifest),
            Some(mistake) => Err(ManifestError::Invalid { origin: origin.to_owned(), mistake }),
        }
    }

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

    /// The first value that cannot be right.
    fn mistake(&self) -> Option<String> {
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return Some(format!("name \"{}\" must not be empty nor contain a slash", self.name));
        }
        if let Some(mistake) = self.input.mistake() {
            return Some(mistake);
        }
        for (limit, value) in [("confidence", self.thresholds.confidence), ("nms_iou", self.thresholds.nms_iou)] {
            if !(0.0..=1.0).contains(&value) {
                return Some(format!("thresholds.{limit} is {value}, allowed is 0 to 1"));
            }
        }
        if !(1..=MAX_CLASSES).contains(&self.classes.len()) {
            return Some(format!("classes has {} names, allowed are 1 to {MAX_CLASSES}", self.classes.len()));
        }
        if let Some(twice) = first_repeated(&self.classes) {
            return Some(format!("classes names \"{twice}\" twice"));
        }
        self.mistake_in_outputs()
    }

    /// Whether the outputs are those of the decoder.
    fn mistake_in_outputs(&self) -> Option<String> {
        match self.decoder {
            Decoder::YoloBoxesScores => {
                let classes = self.classes.len() as i64;
                let shapes: Vec<&[i64]> = self.outputs.iter().map(|output| output.shape.as_slice()).collect();
                match shapes[..] {
                    [&[1, boxes, 4], &[1, scores, columns]] if boxes > 0 && boxes == scores && columns == classes => {
                        None
                    }
                    _ => Some(format!(
                        "outputs have the shapes {shapes:?}, the decoder yolo_boxes_scores reads [1, N, 4] and [1, N, {classes}]"
                    )),
                }
            }
        }
    }
}

fn first_repeated(names: &[String]) -> Option<&str> {
    let mut seen = std::collections::BTreeSet::new();
    names.iter().map(String::as_str).find(|&name| !seen.insert(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r"
name: small
file: small.onnx
sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
size_bytes: 3
licence: none
source: a test
input: {name: images, width: 64, height: 32, layout: nchw, color: rgb, scale: 0.5, resize: letterbox, pad: 128}
decoder: yolo_boxes_scores
outputs:
  - {name: boxes, shape: [1, 10, 4]}
  - {name: scores, shape: [1, 10, 2]}
thresholds: {confidence: 0.25, nms_iou: 0.45}
classes: [person, umbrella]
";

    fn parse_error(from: &str, to: &str) -> String {
        assert!(SMALL.contains(from), "the test changes something");
        Manifest::parse(&SMALL.replace(from, to), "small.yaml").unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_says_how_the_input_lies_in_memory() {
        let manifest = Manifest::parse(SMALL, "small.yaml").unwrap();
        assert_eq!(manifest.input.shape(), [1, 3, 32, 64]);
        assert_eq!(Input { layout: Layout::Nhwc, ..manifest.input }.shape(), [1, 32, 64, 3]);
        assert_eq!(manifest.classes, ["person", "umbrella"]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let message = parse_error("licence: none", "licence: none\nlicense: none");
        assert!(
            message.contains("small.yaml") && message.contains("license") && message.contains("line 7"),
            "{message}"
        );
    }

    #[test]
    fn values_that_cannot_be_right_are_refused() {
        for (from, to, expected) in [
            ("width: 64", "width: 0", "input.width is 0"),
            ("scale: 0.5", "scale: 0", "input.scale is 0"),
            ("scale: 0.5", "scale: 0.5, std: [1, 0, 1]", "input.std is"),
            ("scale: 0.5", "scale: 0.5, dtype: u8", "scale must be 1"),
            ("confidence: 0.25", "confidence: 25", "thresholds.confidence is 25"),
            ("[person, umbrella]", "[person, person]", "\"person\" twice"),
            ("[person, umbrella]", "[person]", "reads [1, N, 4] and [1, N, 1]"),
            ("[1, 10, 4]", "[1, 11, 4]", "outputs have the shapes"),
            ("2c26b46b", "2C26B46B", "64 lower-case"),
        ] {
            let message = parse_error(from, to);
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn a_file_is_accepted_only_with_the_size_and_the_hash_of_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.onnx");
        let manifest = Manifest::parse(SMALL, "small.yaml").unwrap();

        assert!(matches!(manifest.verify_file(&path), Err(ModelFileError::Read { .. })));
        std::fs::write(&path, "foo").unwrap();
        manifest.verify_file(&path).unwrap();
        std::fs::write(&path, "fo").unwrap();
        assert!(matches!(manifest.verify_file(&path), Err(ModelFileError::Size { expected: 3, found: 2, .. })));
        std::fs::write(&path, "bar").unwrap();
        let message = manifest.verify_file(&path).unwrap_err().to_string();
        assert!(message.contains("says sha256 2c26b46b") && message.contains("has fcde2b2e"), "{message}");
    }
}
