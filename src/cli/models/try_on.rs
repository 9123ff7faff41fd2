//! `curbwatch models try`.

use super::picture;
use crate::analysis::sensitive_classes;
use crate::config::ModelConfig;
use crate::detect::Detection;
use crate::evidence::{JpegEncoder, JpegLimits, Mark, RedactedPicture, SensitiveObject};
use crate::faces::{FaceFinder, Faces};
use crate::frame::Frame;
use anyhow::Context;
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
    let manifest = detector.manifest();
    let limit = args.confidence.unwrap_or(manifest.thresholds.confidence);
    let shown: Vec<&Detection> = found.iter().filter(|detection| detection.confidence >= limit).collect();
    for detection in &shown {
        let [left, top, right, bottom] = <[f32; 4]>::from(detection.bbox);
        let class = &manifest.classes[usize::from(detection.class)];
        println!(
            "{:.2}  {class}  left {left:.3} top {top:.3} right {right:.3} bottom {bottom:.3}",
            detection.confidence
        );
    }
    println!("{} objects from {limit} of confidence up", shown.len());
    match &args.out {
        Some(path) => draw(path, &frame, &found, &shown, &manifest.classes),
        None => Ok(()),
    }
}

fn draw(
    path: &Path,
    frame: &Frame,
    found: &[Detection],
    shown: &[&Detection],
    classes: &[String],
) -> anyhow::Result<()> {
    let mark =
        |d: &&Detection| Mark { bbox: d.bbox, text: format!("{} {:.2}", classes[usize::from(d.class)], d.confidence) };
    let marks: Vec<Mark> = shown.iter().map(mark).collect();
    let limits = JpegLimits { quality: JPEG_QUALITY, max_bytes: usize::MAX };
    let sensitive = sensitive_objects(frame, found, classes)?;
    let picture = RedactedPicture::from_frame(frame, &sensitive).marked(&marks);
    let jpeg = picture.encode(&mut JpegEncoder::default(), limits)?;
    std::fs::write(path, jpeg.bytes()).with_context(|| format!("failed to write {}", path.display()))
}

/// Who must be redacted, however faint, as in the agent's own pictures: people, vehicles and faces. A model that shows no people is helped by the agent's own.
pub(in crate::cli) fn sensitive_objects(
    frame: &Frame,
    found: &[Detection],
    classes: &[String],
) -> anyhow::Result<Vec<SensitiveObject>> {
    let of = |found: &[Detection], classes: &[String]| -> Vec<SensitiveObject> {
        let kinds = sensitive_classes(classes);
        let object = |d: &Detection| Some(SensitiveObject { kind: *kinds.get(&d.class)?, bbox: d.bbox });
        found.iter().filter_map(object).collect()
    };
    let mut sensitive = of(found, classes);
    sensitive.extend(Faces::default().find(frame)?);
    if !sensitive_classes(classes).values().any(|kind| kind.is_of_person()) {
        let own = ModelConfig::default().manifest;
        let (_, mut detector) = super::open(&own).with_context(|| {
            format!("the model shows no people, and {own}, which would find whom to redact, is not there")
        })?;
        let mut people = Vec::new();
        detector.detect(frame, &mut people)?;
        sensitive.extend(of(&people, &detector.manifest().classes));
    }
    Ok(sensitive)
}
