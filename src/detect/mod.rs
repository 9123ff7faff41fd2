//! From a frame to detections: letterbox, inference, output decoding, non-maximum suppression.
//!
//! In: [`Frame`]. Out: [`Detections`]. Must not know a rule.

pub mod decode;
pub mod letterbox;
pub mod manifest;
pub mod nms;
mod runtime;

pub use runtime::{Runtime, RuntimeError};

use crate::frame::Frame;
use crate::geometry::BBox;
use letterbox::{InputWriter, PixelRect};
use manifest::{Decoder, Manifest};
use ort::session::Session;
use ort::value::Tensor;
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
    floor: f32,
}

impl Detector {
    /// Loads a model with one intra-op thread and without spinning: on small CPUs sessions side by side beat one session
    /// on all threads. The file's hash, inputs and outputs must be the manifest's.
    pub fn open(runtime: &Runtime, manifest: &Manifest, path: &Path) -> Result<Self, DetectError> {
        manifest.verify_file(path)?;
        let load = |source| DetectError::Load { path: path.to_path_buf(), source };
        let session = runtime.session(path).map_err(load)?;
        check_signature(&session, manifest, path)?;
        let shape = manifest.input.shape();
        let input = Tensor::<f32>::new(session.allocator(), shape).map_err(load)?;
        let writer = InputWriter::new(&manifest.input);
        let floor = FAINT_CONFIDENCE.min(manifest.thresholds.confidence);
        Ok(Self { manifest: manifest.clone(), session, input, writer, floor })
    }

    /// The manifest.
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
        match self.manifest.decoder {
            Decoder::YoloBoxesScores => {
                let output =
                    |index: usize| outputs[self.manifest.outputs[index].name.as_str()].try_extract_tensor::<f32>();
                let (boxes, scores) = (output(0).map_err(run)?.1, output(1).map_err(run)?.1);
                decode::boxes_and_scores(boxes, scores, self.manifest.classes.len(), self.floor, &letterbox, out)
                    .map_err(|source| DetectError::Decode { model: model(), source })?;
            }
        }
        nms::suppress(out, self.manifest.thresholds.nms_iou);
        Ok(())
    }

    /// Runs the session on the last input, alone: the floor that benchmarks compare with.
    pub fn infer_only(&mut self) -> Result<(), DetectError> {
        let run = |source| DetectError::Run { model: self.manifest.name.clone(), source };
        self.session.run(ort::inputs![&self.input]).map(|_| ()).map_err(run)
    }
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
