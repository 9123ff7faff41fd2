//! What a model file is and how to feed it: the YAML manifests in `models/`.
//!
//! In: the text of a manifest. Out: a [`Manifest`] whose numbers make sense. [`Manifest::verify_file`] compares a model
//! file with it; the session's inputs and outputs are compared where the session is made. A model that differs from its
//! manifest is refused, never adapted to.

mod file;
mod input;
mod reading;

pub(crate) use file::sha256_of;
pub use file::{ModelFileError, Sha256Hex};
pub use input::{Color, ElementType, Input, Layout, Resize};
pub use reading::{BoxForm, BoxUnit, Boxes, Decoder, MAX_OUTPUTS, Output, Reading, Scores};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most classes of a model: the index is a `u16` and no detector comes near it.
const MAX_CLASSES: usize = 10_000;

/// A model, its input, its outputs and what they mean.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
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
    /// How the outputs are read; without it, it is recognised when the model is loaded: see [`super::layout`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Decoder>,
    /// How boxes are written, if not as the decoder's family does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<Boxes>,
    /// What scores are, if not what they are in the decoder's family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// The outputs, in the order that the decoder names; empty without a decoder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// Defaults of the limits below which boxes are dropped.
    pub thresholds: Thresholds,
    /// Names of the classes by the model's index. An empty name stands for an index that means nothing (the background of an SSD,
    /// the gaps in COCO's numbers) and is never reported. Without any, they are taken from the model's metadata.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Folder from which it was loaded; none for a built-in manifest.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// Limits below which boxes are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Least confidence, 0..=1.
    pub confidence: f32,
    /// Overlap (intersection over union, 0..=1) from which the weaker of two boxes of a class is dropped; at 1 nothing is.
    pub nms_iou: f32,
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
        if self.decoder.is_none() && (self.boxes.is_some() || self.scores.is_some() || !self.outputs.is_empty()) {
            return Some("boxes, scores and outputs need a decoder; without one all of them are recognised".to_owned());
        }
        if self.classes.len() > MAX_CLASSES {
            return Some(format!("classes has {} names, allowed are {MAX_CLASSES}", self.classes.len()));
        }
        if let Some(twice) = first_repeated(&self.classes) {
            return Some(format!("classes names \"{twice}\" twice"));
        }
        match (self.reading(), self.classes.len()) {
            (None, _) => None,
            (Some(_), 0) => Some("classes has no names; with a decoder they must be there".to_owned()),
            (Some(reading), classes) => reading.mistake(classes),
        }
    }

    /// Takes over what was recognised. A model that gives each object once has nothing suppressed.
    pub fn adopt(&mut self, reading: Reading) {
        if reading.decoder.is_suppressed() {
            self.thresholds.nms_iou = 1.0;
        }
        self.decoder = Some(reading.decoder);
        self.boxes = Some(reading.boxes);
        self.scores = Some(reading.scores);
        self.outputs = reading.outputs;
    }

    /// How the outputs are read, if the manifest says so.
    #[must_use]
    pub fn reading(&self) -> Option<Reading> {
        self.decoder.map(|decoder| Reading {
            decoder,
            boxes: self.boxes.unwrap_or_else(|| decoder.default_boxes()),
            scores: self.scores.unwrap_or_else(|| decoder.default_scores()),
            outputs: self.outputs.clone(),
        })
    }
}

fn first_repeated(names: &[String]) -> Option<&str> {
    let mut seen = std::collections::BTreeSet::new();
    names.iter().map(String::as_str).find(|&name| !name.is_empty() && !seen.insert(name))
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
            ("decoder: yolo_boxes_scores", "", "need a decoder"),
            ("decoder: yolo_boxes_scores", "decoder: yolov8", "reads [1, 6, N]"),
            ("decoder: yolo_boxes_scores", "decoder: yolo_boxes_scores\nscores: softmax", "scores Softmax"),
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
