//! From a frame to detections: letterbox, inference, output decoding, non-maximum suppression.
//!
//! In: [`Frame`]. Out: [`Detections`]. Must not know a rule.

pub mod decode;
pub mod layout;
pub mod letterbox;
pub mod manifest;
pub mod nms;
mod outputs;
mod runtime;
mod signature;

pub use runtime::{Runtime, RuntimeError};

use crate::frame::Frame;
use crate::geometry::BBox;
use decode::OutputDecoder;
use letterbox::{InputWriter, PixelRect};
use manifest::Manifest;
use ort::session::Session;
use ort::value::Tensor;
use outputs::OutputReader;
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

/// One session of one model with its input tensor. Used by one thread; make one per runner.
pub struct Detector {
    manifest: Manifest,
    session: Session,
    input: Tensor<f32>,
    writer: InputWriter,
    outputs: OutputReader,
}

impl Detector {
    /// Loads a model with one intra-op thread and without spinning: on small CPUs sessions side by side beat one session
    /// on all threads. The file's hash, inputs and outputs must be the manifest's.
    pub fn open(runtime: &Runtime, manifest: &Manifest, path: &Path) -> Result<Self, DetectError> {
        manifest.verify_file(path)?;
        let load = |source| DetectError::Load { path: path.to_path_buf(), source };
        let mut session = runtime.session(path).map_err(load)?;
        signature::check_inputs(&session, &manifest.input, path)?;
        let (manifest, reasons) = layout::complete(manifest, &mut session)
            .map_err(|source| DetectError::Layout { path: path.to_path_buf(), source })?;
        for reason in reasons {
            tracing::info!(model = manifest.name, "recognised: {reason}");
        }
        let reading = manifest.reading().expect("a complete manifest names its decoder");
        signature::check_outputs(&session, &reading, path)?;
        let shape = manifest.input.shape();
        let input = Tensor::<f32>::new(session.allocator(), shape).map_err(load)?;
        let writer = InputWriter::new(&manifest.input);
        let floor = FAINT_CONFIDENCE.min(manifest.thresholds.confidence);
        let decoder = OutputDecoder::new(reading, &manifest.input, &manifest.classes, floor);
        Ok(Self { manifest, session, input, writer, outputs: OutputReader::new(decoder) })
    }

    /// The manifest, with what it leaves to the model filled in.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Finds the objects of a frame, best first, from [`FAINT_CONFIDENCE`] up. `out` is emptied first.
    pub fn detect(&mut self, frame: &Frame, out: &mut Detections) -> Result<(), DetectError> {
        out.clear();
        let model = || self.manifest.name.clone();
        let (_, tensor) = self.input.extract_tensor_mut();
        let part = PixelRect::whole(frame.layout().width, frame.layout().height);
        let letterbox = self.writer.write(frame, part, tensor);
        let run = |source| DetectError::Run { model: model(), source };
        let outputs = self.session.run(ort::inputs![&self.input]).map_err(run)?;
        self.outputs
            .read(|name| outputs.get(name), &letterbox, out)
            .map_err(|source| DetectError::Decode { model: model(), source })?;
        nms::suppress(out, self.manifest.thresholds.nms_iou);
        Ok(())
    }

    /// Runs the session on the last input, alone: the floor that benchmarks compare with.
    pub fn infer_only(&mut self) -> Result<(), DetectError> {
        let run = |source| DetectError::Run { model: self.manifest.name.clone(), source };
        self.session.run(ort::inputs![&self.input]).map(|_| ()).map_err(run)
    }
}
