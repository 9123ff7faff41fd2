//! The installed detector through the agent's path, against an independent reference (`tests/reference/detect.py`) on real
//! footage.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/footage.rs"]
mod footage;

use curbwatch::detect::{Detection, Detector, Runtime};
use curbwatch::geometry::BBox;
use curbwatch::install;
use std::path::PathBuf;
use std::process::Command;

#[derive(serde::Deserialize)]
struct Reference {
    width: f32,
    height: f32,
    detections: Vec<ReferenceDetection>,
}

#[derive(serde::Deserialize)]
struct ReferenceDetection {
    index: u16,
    confidence: f32,
    bbox: [f32; 4],
}

fn reference(sample: &gstreamer::Sample) -> Reference {
    let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = footage::frame(sample, 0.0);
    let (width, height) = (info.width() as usize, info.height() as usize);
    let rows = [(0, width, height), (1, width / 2, height / 2), (2, width / 2, height / 2)];
    let packed: Vec<u8> = rows
        .iter()
        .flat_map(|&(plane, row, count)| {
            frame
                .plane(plane)
                .chunks(frame.layout().strides[plane])
                .take(count)
                .flat_map(move |line| line[..row].to_vec())
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("frame.i420");
    std::fs::write(&raw, packed).unwrap();
    let output = Command::new(install_python())
        .arg("tests/reference/detect.py")
        .arg(&raw)
        .args(["--i420", &format!("{}x{}", info.width(), info.height())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn install_python() -> PathBuf {
    dirs::cache_dir().unwrap().join("curbwatch/python/bin/python")
}

fn open() -> Detector {
    let manifest = install::manifest("yolov4-tiny-416").unwrap();
    let model = install::model_file(&manifest).unwrap();
    Detector::open(&Runtime::load().unwrap(), &manifest, &model).unwrap()
}

#[test]
fn finds_what_the_reference_finds() {
    let footage_file = install::footage("vtest.avi").unwrap();
    let numbers = [10, 200, 400, 600];
    let samples = footage::samples(&footage_file, "I420", &numbers);
    let mut detector = open();
    let mut found = Vec::new();
    let mut compared = 0;
    for sample in &samples {
        let expected = reference(sample);
        detector.detect(&footage::frame(sample, 0.0), &mut found).unwrap();
        let sure: Vec<&Detection> = found.iter().filter(|d| d.confidence >= 0.25).collect();
        for wanted in &expected.detections {
            let [left, top, right, bottom] = wanted.bbox;
            let bbox = BBox::try_new(left, top, right, bottom).unwrap();
            let twin = found
                .iter()
                .filter(|d| d.class == wanted.index)
                .max_by(|a, b| a.bbox.iou(&bbox).total_cmp(&b.bbox.iou(&bbox)));
            let twin = twin.unwrap_or_else(|| panic!("class {} at {:?} is missing", wanted.index, wanted.bbox));
            let pixels = [expected.width, expected.height, expected.width, expected.height];
            for ((a, b), size) in <[f32; 4]>::from(twin.bbox).iter().zip(wanted.bbox).zip(pixels) {
                assert!((a - b).abs() * size <= 1.0, "{twin:?} is not within a pixel of {:?}", wanted.bbox);
            }
            assert!((twin.confidence - wanted.confidence).abs() <= 0.01, "{twin:?}: {}", wanted.confidence);
            compared += 1;
        }
        let clearly_more = sure.iter().filter(|d| d.confidence >= 0.26).count();
        assert!(clearly_more <= expected.detections.len(), "{sure:?}");
    }
    assert!(compared >= 8, "the footage shows people and vehicles: {compared}");
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
