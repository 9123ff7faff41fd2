//! The installed detectors through the agent's path, against an independent reference (`tests/reference/detect.py`) on real
//! footage and stills.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agreement.rs"]
mod agreement;
#[path = "common/footage.rs"]
mod footage;
#[path = "common/reference.rs"]
mod reference;

use curbwatch::detect::{Detections, Detector, Runtime};
use curbwatch::install;

/// Frames and stills as packed planes can be handed to the reference: limited range, BT.601.
fn pictures() -> Vec<gstreamer::Sample> {
    let format = "I420,colorimetry=bt601";
    let mut samples = footage::samples(&install::footage("vtest.avi").unwrap(), format, &[10, 200, 400, 600]);
    for still in ["bus.jpg", "zidane.jpg"] {
        samples.extend(footage::samples(&install::footage(still).unwrap(), format, &[0]));
    }
    samples
}

#[test]
fn every_installed_detector_finds_what_the_reference_finds() {
    let runtime = Runtime::load().unwrap();
    let pictures = pictures();
    for model in install::built_in_models() {
        let manifest = install::manifest(model).unwrap();
        let mut detector = Detector::open(&runtime, &manifest, &install::model_file(&manifest).unwrap()).unwrap();
        let (mut found, mut compared) = (Detections::new(), 0);
        for sample in &pictures {
            let script = ["--manifest", &format!("models/{model}.yaml")];
            let printed = reference::run("tests/reference/detect.py", sample, &script);
            let expected: agreement::Expected = serde_json::from_slice(&printed).unwrap();
            detector.detect(&footage::frame(sample, 0.0), &mut found).unwrap();
            agreement::assert_same(model, &found, &expected, manifest.thresholds.confidence);
            compared += expected.detections.len();
        }
        // Faces of the footage are too small to be found.
        let least = if manifest.classes == ["face"] { 3 } else { 12 };
        assert!(compared >= least, "{model}: the pictures show people and vehicles: {compared}");
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
