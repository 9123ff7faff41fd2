//! From a frame to detections: letterbox, inference, output decoding, non-maximum suppression.
//!
//! In: [`Frame`](crate::frame::Frame). Out: [`Detections`]. Must not know a rule.

mod arrange;
pub mod decode;
mod detector;
pub mod letterbox;
pub mod manifest;
pub mod nms;
mod provider;
mod runtime;
mod session;

pub use arrange::{Arrangement, arrange};
pub use detector::{Detector, Model};
pub use provider::{Provider, ProviderInUse, Refusal};
pub use runtime::{Runtime, RuntimeError, SessionOptions};

use crate::geometry::BBox;
use manifest::Manifest;
use ort::session::Session;
use std::path::{Path, PathBuf};

/// Confidence below which nothing is decoded. Below the manifest's threshold a detection only continues a track or has an
/// area redacted.
pub const FAINT_CONFIDENCE: f32 = 0.10;

/// One object that the model saw in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index into the model's class names.
    pub class: u16,
    /// The model's score, 0..=1.
    pub confidence: f32,
    /// Where, 0..1 in the frame.
    pub bbox: BBox,
}

/// All objects of one frame, best first.
pub type Detections = Vec<Detection>;

/// Why a model cannot be used, or an inference failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The file is not the one of the manifest.
    #[error(transparent)]
    File(#[from] manifest::ModelFileError),
    /// The runtime refuses the model.
    #[error("failed to load the model {path}")]
    Load {
        /// The model file.
        path: PathBuf,
        /// The runtime's reason.
        source: ort::Error,
    },
    /// Inputs or outputs differ from the manifest.
    #[error("failed to accept the model {path}: {what} should be {expected}, the file has {found}")]
    Signature {
        /// The model file.
        path: PathBuf,
        /// Which input or output.
        what: String,
        /// By the manifest.
        expected: String,
        /// By the file.
        found: String,
    },
    /// A thread for the measurement at the start cannot be had.
    #[error("failed to start a thread")]
    Thread {
        /// Why.
        source: std::io::Error,
    },
    /// The inference failed.
    #[error("failed to run the model {model}")]
    Run {
        /// Name of the model.
        model: String,
        /// The runtime's reason.
        source: ort::Error,
    },
    /// The outputs make no sense.
    #[error("failed to read the outputs of the model {model}")]
    Decode {
        /// Name of the model.
        model: String,
        /// Which output and why.
        source: decode::DecodeError,
    },
}

/// Compares the session's input and outputs with the manifest's.
fn check_signature(session: &Session, manifest: &Manifest, path: &Path) -> Result<(), DetectError> {
    use ort::value::Outlet;
    let describe = |outlets: &[Outlet]| {
        let one = |outlet: &Outlet| format!("\"{}\" {}", outlet.name(), outlet.dtype());
        outlets.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let is = |outlet: &Outlet, name: &str, shape: &[i64]| {
        let tensor = outlet.dtype().tensor_type() == Some(ort::value::TensorElementType::Float32);
        let found: Option<&[i64]> = outlet.dtype().tensor_shape().map(|shape| &shape[..]);
        tensor && outlet.name() == name && found == Some(shape)
    };
    let mistake = |what: &str, expected: String, outlets: &[Outlet]| {
        Err(DetectError::Signature {
            path: path.to_path_buf(),
            what: what.to_owned(),
            expected,
            found: if outlets.is_empty() { "none".to_owned() } else { describe(outlets) },
        })
    };
    let shape = manifest.input.shape();
    let expected = format!("\"{}\" f32 {shape:?}", manifest.input.name);
    match session.inputs() {
        [input] if is(input, &manifest.input.name, &shape) => {}
        others => return mistake("the input", expected, others),
    }
    for output in &manifest.outputs {
        if !session.outputs().iter().any(|found| is(found, &output.name, &output.shape)) {
            return mistake("an output", format!("\"{}\" f32 {:?}", output.name, output.shape), session.outputs());
        }
    }
    Ok(())
}
