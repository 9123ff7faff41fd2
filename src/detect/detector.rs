//! A loaded model, and what one thread detects with.

use super::decode::OutputDecoder;
use super::letterbox::{InputWriter, PixelRect};
use super::manifest::{ElementType, Manifest, Reading};
use super::outputs::OutputReader;
use super::provider::ProviderInUse;
use super::session::{Binding, SharedSession};
use super::{DetectError, Detections, FAINT_CONFIDENCE, Runtime, SessionOptions, layout, nms, signature};
use crate::frame::Frame;
use crate::geometry::BBox;
use std::path::Path;
use std::sync::Arc;

/// Overlap (intersection over union) from which what two parts of a frame show is one object.
const SEEN_TWICE_IOU: f32 = 0.6;

/// How near to an edge a box counts as cut by it, as a share of the part's side.
const NEAR_EDGE: f32 = 0.01;

/// A model in memory; its weights are there once, however many detectors it gives.
pub struct Model {
    manifest: Arc<Manifest>,
    reading: Reading,
    session: Arc<SharedSession>,
}

impl Model {
    /// Loads a model. The file's hash, inputs and outputs must be the manifest's; what the manifest leaves to the model is recognised.
    pub fn open(
        runtime: &Runtime,
        manifest: &Manifest,
        path: &Path,
        options: &SessionOptions,
    ) -> Result<Self, DetectError> {
        manifest.verify_file(path)?;
        let load = |source| DetectError::Load { path: path.to_path_buf(), source };
        let (mut session, in_use) = runtime.session(path, options).map_err(load)?;
        signature::check_inputs(&session, &manifest.input, path)?;
        let (manifest, reading, reasons) = layout::complete(manifest, &mut session)
            .map_err(|source| DetectError::Layout { path: path.to_path_buf(), source })?;
        for reason in reasons {
            tracing::info!(model = manifest.name, "recognised: {reason}");
        }
        signature::check_outputs(&session, &reading, path)?;
        let session = Arc::new(SharedSession::new(session, in_use));
        Ok(Self { manifest: Arc::new(manifest), reading, session })
    }

    /// A detector for one more thread.
    pub fn detector(&self) -> Result<Detector, DetectError> {
        let outputs = self.reading.outputs.iter().map(|output| (output.name.as_str(), output.shape.as_slice()));
        let binding = Binding::new(&self.session, &self.manifest.input, outputs)
            .map_err(|source| DetectError::Run { model: self.manifest.name.clone(), source })?;
        let (input, classes) = (&self.manifest.input, &self.manifest.classes);
        let floor = FAINT_CONFIDENCE.min(self.manifest.thresholds.confidence);
        let decoder = OutputDecoder::new(self.reading.clone(), input, classes, floor);
        Ok(Detector {
            binding,
            writer: InputWriter::new(input),
            outputs: OutputReader::new(decoder),
            seen: Detections::new(),
            manifest: Arc::clone(&self.manifest),
        })
    }

    /// The manifest, with what it leaves to the model filled in.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// On what it runs.
    #[must_use]
    pub fn provider(&self) -> &ProviderInUse {
        self.session.in_use()
    }
}

/// What one thread detects with: its own input and outputs of a [`Model`]. Allocates nothing per frame once it has seen a frame of each size.
pub struct Detector {
    manifest: Arc<Manifest>,
    binding: Binding,
    writer: InputWriter,
    outputs: OutputReader,
    /// Room for what one of several parts shows.
    seen: Detections,
}

impl Detector {
    /// Loads a model for one thread, on the CPU.
    pub fn open(runtime: &Runtime, manifest: &Manifest, path: &Path) -> Result<Self, DetectError> {
        Model::open(runtime, manifest, path, &SessionOptions::default())?.detector()
    }

    /// The manifest, with what it leaves to the model filled in.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Finds the objects of a frame, best first, from [`FAINT_CONFIDENCE`] up. `out` is emptied first.
    pub fn detect(&mut self, frame: &Frame, out: &mut Detections) -> Result<(), DetectError> {
        let part = PixelRect::whole(frame.layout().width, frame.layout().height);
        self.detect_part(frame, part, out)?;
        nms::suppress(out, self.manifest.thresholds.nms_iou);
        Ok(())
    }

    /// Finds the objects in some parts of a frame as [`Self::detect`] does in the whole; each part fills the model's input, so that what is
    /// small is seen larger. The first part covers the others. What several parts see is there once, and what an edge of one cuts, that is
    /// not an edge of the first, is left to those that see more of it.
    pub fn detect_in(&mut self, frame: &Frame, parts: &[BBox], out: &mut Detections) -> Result<(), DetectError> {
        out.clear();
        let (width, height) = (frame.layout().width, frame.layout().height);
        let mut seen = std::mem::take(&mut self.seen);
        for part in parts {
            self.detect_part(frame, PixelRect::covering(part, width, height), &mut seen)?;
            seen.retain(|detection| !is_cut(&detection.bbox, part, &parts[0]));
            out.append(&mut seen);
        }
        self.seen = seen;
        let limit = self.manifest.thresholds.nms_iou;
        // A model that needs no suppression sees an object once in each part.
        nms::suppress(out, if parts.len() > 1 { limit.min(SEEN_TWICE_IOU) } else { limit });
        Ok(())
    }

    /// What is seen in a part, not yet suppressed.
    fn detect_part(&mut self, frame: &Frame, part: PixelRect, out: &mut Detections) -> Result<(), DetectError> {
        let Self { manifest, binding, writer, outputs, .. } = self;
        let failed = |source| DetectError::Run { model: manifest.name.clone(), source };
        let picture = binding.picture_mut();
        let letterbox = match manifest.input.dtype {
            ElementType::F32 => writer.write(frame, part, picture.try_extract_tensor_mut::<f32>().map_err(failed)?.1),
            ElementType::F16 => {
                writer.write(frame, part, picture.try_extract_tensor_mut::<half::f16>().map_err(failed)?.1)
            }
            ElementType::U8 => writer.write(frame, part, picture.try_extract_tensor_mut::<u8>().map_err(failed)?.1),
        };
        binding.run().map_err(failed)?;
        outputs
            .read(binding, &letterbox, out)
            .map_err(|source| DetectError::Decode { model: manifest.name.clone(), source })
    }

    /// Runs the session on the last input, alone.
    pub fn infer_only(&mut self) -> Result<(), DetectError> {
        self.binding.run().map_err(|source| DetectError::Run { model: self.manifest.name.clone(), source })
    }
}

/// Whether a box reaches an edge of a part beyond which more is seen in the whole.
fn is_cut(bbox: &BBox, part: &BBox, whole: &BBox) -> bool {
    let (x, y) = (part.width() * NEAR_EDGE, part.height() * NEAR_EDGE);
    (bbox.left() < part.left() + x && part.left() > whole.left())
        || (bbox.top() < part.top() + y && part.top() > whole.top())
        || (bbox.right() > part.right() - x && part.right() < whole.right())
        || (bbox.bottom() > part.bottom() - y && part.bottom() < whole.bottom())
}
