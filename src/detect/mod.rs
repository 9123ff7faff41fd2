//! From a frame to detections: letterbox, inference, output decoding, non-maximum suppression.
//!
//! In: [`Frame`](crate::frame::Frame). Out: [`Detections`]. Must not know a rule.

mod arrange;
pub mod decode;
mod detector;
pub mod layout;
pub mod letterbox;
pub mod manifest;
pub mod nms;
mod outputs;
mod provider;
mod runtime;
mod session;
mod signature;

pub use arrange::{Arrangement, arrange};
pub use detector::{Detector, Model};
pub use provider::{OptionsOfProviders, Provider, ProviderInUse, Refusal};
pub use runtime::{Runtime, RuntimeError, SessionOptions};

use crate::geometry::BBox;
use std::path::PathBuf;

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
    /// How its outputs are to be read cannot be told.
    #[error("failed to understand the model {path}")]
    Layout {
        /// The model file.
        path: PathBuf,
        /// What is missing, and what to write.
        source: layout::LayoutError,
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
