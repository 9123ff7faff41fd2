//! `curbwatch models try`.

use super::picture;
use crate::analysis::{look_closely, sensitive_classes};
use crate::config::ModelConfig;
use crate::detect::{DetectError, Detection, Detector};
use crate::evidence::{JpegEncoder, JpegLimits, Mark, RedactedPicture, SensitiveKind, SensitiveObject};
use crate::faces::{FaceFinder, Faces};
use crate::frame::Frame;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const JPEG_QUALITY: u8 = 90;

/// Arguments of `curbwatch models try`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a model, or path of a manifest.
    model: String,
    /// The picture: JPEG, PNG, or a video, of which the first frame is taken.
    image: PathBuf,
    /// Write the picture as JPEG with every box, its class and confidence. Heads and number plates are unrecognisable.
    #[arg(long, value_name = "JPEG")]
    out: Option<PathBuf>,
    /// Least confidence, 0 to 1; the manifest's, if absent.
    #[arg(long)]
    confidence: Option<f32>,
}

/// Prints what the model finds, best first, and draws it.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let (_, mut detector) = super::open(&args.model)?;
    let frame = picture::read(&args.image)?;
    let mut found = Vec::new();
    detector.detect(&frame, &mut found)?;
    let limit = args.confidence.unwrap_or(detector.manifest().thresholds.confidence);
    let classes = detector.manifest().classes.clone();
    let shown: Vec<&Detection> = found.iter().filter(|detection| detection.confidence >= limit).collect();
    for detection in &shown {
        let [left, top, right, bottom] = <[f32; 4]>::from(detection.bbox);
        let class = &classes[usize::from(detection.class)];
        println!(
            "{:.2}  {class}  left {left:.3} top {top:.3} right {right:.3} bottom {bottom:.3}",
            detection.confidence
        );
    }
    println!("{} objects from {limit} of confidence up", shown.len());
    match &args.out {
        Some(path) => draw(path, &frame, &shown, &classes, &sensitive_objects(&frame, &mut detector)?),
        None => Ok(()),
    }
}

fn draw(
    path: &Path,
    frame: &Frame,
    shown: &[&Detection],
    classes: &[String],
    sensitive: &[SensitiveObject],
) -> anyhow::Result<()> {
    let mark =
        |d: &&Detection| Mark { bbox: d.bbox, text: format!("{} {:.2}", classes[usize::from(d.class)], d.confidence) };
    let marks: Vec<Mark> = shown.iter().map(mark).collect();
    let limits = JpegLimits { quality: JPEG_QUALITY, max_bytes: usize::MAX };
    let picture = RedactedPicture::from_frame(frame, sensitive).marked(&marks);
    let jpeg = picture.encode(&mut JpegEncoder::default(), limits)?;
    std::fs::write(path, jpeg.bytes()).with_context(|| format!("failed to write {}", path.display()))
}

/// Who must be redacted in a picture that is going to be written, however faint: people, vehicles and faces, looked for closely. A model
/// that shows no people is helped by the agent's own.
pub(in crate::cli) fn sensitive_objects(
    frame: &Frame,
    detector: &mut Detector,
) -> anyhow::Result<Vec<SensitiveObject>> {
    let kinds = sensitive_classes(&detector.manifest().classes);
    let mut sensitive = Faces::default().find(frame)?;
    sensitive.extend(sensitive_among(frame, detector, &kinds)?);
    if !kinds.values().any(|kind| kind.is_of_person()) {
        let own = ModelConfig::default().manifest;
        let (_, mut detector) = super::open(&own).with_context(|| {
            format!("the model shows no people, and {own}, which would find whom to redact, is not there")
        })?;
        let kinds = sensitive_classes(&detector.manifest().classes);
        sensitive.extend(sensitive_among(frame, &mut detector, &kinds)?);
    }
    Ok(sensitive)
}

fn sensitive_among(
    frame: &Frame,
    detector: &mut Detector,
    kinds: &BTreeMap<u16, SensitiveKind>,
) -> Result<Vec<SensitiveObject>, DetectError> {
    let seen = look_closely(frame, detector)?;
    let object = |d: &Detection| Some(SensitiveObject { kind: *kinds.get(&d.class)?, bbox: d.bbox });
    Ok(seen.iter().filter_map(object).collect())
}
