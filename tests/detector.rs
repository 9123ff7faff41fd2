//! The installed detectors through the agent's path, against an independent reference (`tests/reference`) on real footage and stills: object by
//! object, and in average precision against one truth.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agreement.rs"]
mod agreement;
#[path = "common/footage.rs"]
mod footage;
#[path = "common/python.rs"]
mod python;

use curbwatch::detect::manifest::Manifest;
use curbwatch::detect::{Detections, Detector, Runtime};
use curbwatch::frame::{Frame, FrameLayout};
use curbwatch::install;
use serde_json::json;
use std::path::Path;

/// Every so many frames of the footage.
const EVERY: usize = 48;
const FRAMES: usize = 16;
/// Parts of each still, all of its size less a few pixels: each is sampled at other places.
const PARTS_OF_STILL: usize = 6;
/// Most that the two may differ in confidence; promised is 0.01. But for rounding both do the same.
const CONFIDENCE: f32 = 0.001;
/// Most that the two may differ in average precision; promised is 0.003.
const AVERAGE_PRECISION: f64 = 0.001;

/// What the reference finds, and how precise the two are.
#[derive(serde::Deserialize)]
struct Comparison {
    truths: usize,
    agent: f64,
    reference: f64,
    found: Vec<agreement::Expected>,
}

/// Frames and parts of stills: limited range, BT.601, of even size and without padding, as they are handed to the reference.
fn pictures() -> Vec<Frame> {
    let format = "I420,colorimetry=bt601";
    let numbers: Vec<usize> = (0..FRAMES).map(|index| 10 + EVERY * index).collect();
    let footage = footage::samples(&install::footage("vtest.avi").unwrap(), format, &numbers);
    let mut frames: Vec<Frame> = footage.iter().map(|sample| part(&footage::frame(sample, 0.0), 0)).collect();
    for still in ["bus.jpg", "zidane.jpg"] {
        let sample = footage::samples(&install::footage(still).unwrap(), format, &[0]).remove(0);
        let whole = footage::frame(&sample, 0.0);
        frames.extend((0..PARTS_OF_STILL).map(|index| part(&whole, 2 * index)));
    }
    frames
}

/// A frame without `cut` pixels (an even number) at its left and twice as many at its upper edge; its rows without padding.
fn part(frame: &Frame, cut: usize) -> Frame {
    let layout = *frame.layout();
    let (width, height) = ((layout.width as usize & !1) - cut, (layout.height as usize & !1) - 2 * cut);
    let planes = [0, 1, 2].map(|plane| {
        let halves = if plane == 0 { 1 } else { 2 };
        let rows = frame.plane(plane).chunks(layout.strides[plane]).skip(2 * cut / halves).take(height / halves);
        rows.flat_map(|row| row[cut / halves..][..width / halves].to_vec()).collect()
    });
    let strides = [width, width / 2, width / 2];
    let layout = FrameLayout { width: width as u32, height: height as u32, strides, ..layout };
    Frame::try_from_planes(layout, *frame.stamp(), planes).unwrap()
}

/// Writes the pictures with what the agent found in them where the reference looks for them.
fn hand_over(folder: &Path, pictures: &[Frame], found: &[Detections]) -> std::path::PathBuf {
    let entries = pictures.iter().zip(found).enumerate().map(|(index, (picture, found))| {
        let file = format!("{index}.i420");
        std::fs::write(folder.join(&file), [0, 1, 2].map(|plane| picture.plane(plane)).concat()).unwrap();
        let detection = |d: &curbwatch::detect::Detection| {
            json!({"index": d.class, "confidence": d.confidence, "bbox": <[f32; 4]>::from(d.bbox)})
        };
        let detections: Vec<_> = found.iter().map(detection).collect();
        let layout = picture.layout();
        json!({"file": file, "width": layout.width, "height": layout.height, "detections": detections})
    });
    let list = folder.join("pictures.json");
    std::fs::write(&list, entries.collect::<serde_json::Value>().to_string()).unwrap();
    list
}

fn compare(manifest: &Manifest, pictures: &[Frame], found: &[Detections]) -> Comparison {
    let folder = tempfile::tempdir().unwrap();
    let list = hand_over(folder.path(), pictures, found);
    let of_model = format!("models/{}.yaml", manifest.name);
    let arguments = [list.to_str().unwrap(), "--manifest", &of_model];
    serde_json::from_slice(&python::run("tests/reference/average_precision.py", &arguments)).unwrap()
}

#[test]
fn every_installed_detector_finds_what_the_reference_finds() {
    let runtime = Runtime::load().unwrap();
    let pictures = pictures();
    for model in install::built_in_models() {
        let manifest = install::manifest(model).unwrap();
        let mut detector = Detector::open(&runtime, &manifest, &install::model_file(&manifest).unwrap()).unwrap();
        let detect = |picture: &Frame| {
            let mut found = Detections::new();
            detector.detect(picture, &mut found).unwrap();
            found
        };
        let found: Vec<Detections> = pictures.iter().map(detect).collect();
        let compared = compare(&manifest, &pictures, &found);
        let (agent, reference) = (compared.agent, compared.reference);
        println!("{model}: {} truths, AP of the agent {agent:.4}, of the reference {reference:.4}", compared.truths);
        let limit = manifest.thresholds.confidence;
        let mut differences = Vec::new();
        for (found, mut expected) in found.iter().zip(compared.found) {
            expected.detections.retain(|wanted| wanted.confidence >= limit);
            differences.extend(agreement::assert_same(model, found, &expected, limit, CONFIDENCE));
        }
        let objects = differences.len();
        let most = differences.into_iter().fold(0.0, f32::max);
        println!("{model}: {objects} objects differ by at most {most:.5} of confidence");
        // Faces of the footage are too small to be found.
        let least = if manifest.classes == ["face"] { 20 } else { 80 };
        assert!(objects >= least && compared.truths >= least, "{model}: {objects} objects, {} truths", compared.truths);
        assert!((agent - reference).abs() <= AVERAGE_PRECISION, "{model}: {agent} against {reference}");
    }
}

#[test]
fn a_model_that_differs_from_its_manifest_is_refused_with_what_was_found() {
    let runtime = Runtime::load().unwrap();
    let manifest = install::manifest("yolov4-tiny-416").unwrap();
    let model = install::model_file(&manifest).unwrap();
    let refusal = |manifest| Detector::open(&runtime, &manifest, &model).err().unwrap().to_string();

    let mut other = manifest.clone();
    other.size_bytes += 1;
    assert!(refusal(other).contains("bytes"));
    let mut other = manifest.clone();
    other.input.width = 640;
    let message = refusal(other);
    assert!(message.contains("640]") && message.contains("416"), "{message}");
    let mut other = manifest.clone();
    other.outputs[1].name = "logits".to_owned();
    let message = refusal(other);
    assert!(message.contains("\"logits\"") && message.contains("\"scores\""), "{message}");
}
