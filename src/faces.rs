//! Faces in a picture that is about to be written: hidden besides the heads of people whom the agent's own detector saw.
//!
//! A face detector sees what a detector of people misses: a head over a wall, behind a window, in a crowd. Each picture that is larger
//! than the model's input is looked at as a whole and in four overlapping parts, so that faces far away are found too; that takes five
//! inferences (a quarter of a CPU-second in all) for each picture that is made. Nothing is kept of what is found, and it identifies nobody.

use crate::analysis::look_closely;
use crate::detect::{DetectError, Detections, Detector, Runtime, RuntimeError};
use crate::evidence::{SensitiveKind, SensitiveObject};
use crate::frame::Frame;
use crate::install;

/// The model that set-up installs for it.
const MODEL: &str = "centerface-640x384";

/// Why faces cannot be looked for. The picture is withheld then.
#[derive(Debug, thiserror::Error)]
pub enum FacesError {
    /// ONNX Runtime is missing or broken.
    #[error("faces cannot be looked for")]
    Runtime(#[from] RuntimeError),
    /// No manifest of the model.
    #[error("faces cannot be looked for")]
    Manifest(#[from] install::FindManifestError),
    /// The model is missing.
    #[error("faces cannot be looked for")]
    Model(#[from] install::NotFound),
    /// The model is refused, or fails.
    #[error("faces cannot be looked for")]
    Detect(#[from] DetectError),
}

/// Finds faces in pictures.
pub trait FaceFinder: Send {
    /// Every face in a frame, however unsure.
    fn find(&mut self, frame: &Frame) -> Result<Vec<SensitiveObject>, FacesError>;

    /// The faces that are seen in a frame as a whole: enough for a picture that is shown at a fraction of its size, and a fifth of the work.
    fn find_coarsely(&mut self, frame: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        self.find(frame)
    }
}

/// The installed face detector. It is loaded for the first picture, and tried again for each while it cannot be had.
#[derive(Default)]
pub struct Faces {
    detector: Option<Detector>,
}

impl FaceFinder for Faces {
    fn find(&mut self, frame: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        let detector = self.detector()?;
        if frame.layout().width > detector.manifest().input.width {
            return Ok(heads(&look_closely(frame, detector)?));
        }
        self.find_coarsely(frame)
    }

    fn find_coarsely(&mut self, frame: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        let mut found = Detections::new();
        self.detector()?.detect(frame, &mut found)?;
        Ok(heads(&found))
    }
}

impl Faces {
    fn detector(&mut self) -> Result<&mut Detector, FacesError> {
        match &mut self.detector {
            Some(detector) => Ok(detector),
            none => Ok(none.insert(load()?)),
        }
    }
}

fn heads(found: &Detections) -> Vec<SensitiveObject> {
    found.iter().map(|face| SensitiveObject { kind: SensitiveKind::Head, bbox: face.bbox }).collect()
}

fn load() -> Result<Detector, FacesError> {
    let manifest = install::manifest(MODEL)?;
    let path = install::model_file(&manifest)?;
    Ok(Detector::open(&Runtime::load()?, &manifest, &path)?)
}
