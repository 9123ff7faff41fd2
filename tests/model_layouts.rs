//! Every layout of outputs and every form of input, through the agent's own path, against an independent reference
//! (`tests/reference/layouts.py`); models that are broken; and the layouts that are recognised without help.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agreement.rs"]
mod agreement;
#[path = "common/footage.rs"]
mod footage;
#[path = "common/python.rs"]
mod python;
#[path = "common/reference.rs"]
mod reference;

use agreement::Expected;
use curbwatch::detect::manifest::Manifest;
use curbwatch::detect::{DetectError, Detections, Detector, Runtime};
use curbwatch::install;
use std::path::{Path, PathBuf};

/// A frame of the footage and a folder with a model of every layout.
struct Bench {
    sample: gstreamer::Sample,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let sample = footage::samples(&install::footage("vtest.avi").unwrap(), "I420", &[200]).remove(0);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("models");
        reference::run("tests/reference/layouts.py", &sample, &["--out", out.to_str().unwrap()]);
        Self { sample, folder }
    }

    fn models(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("models")).unwrap();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    }

    fn model(&self, name: &str) -> PathBuf {
        self.folder.path().join("models").join(name)
    }

    fn detect(&self, manifest: &Path) -> Result<(Manifest, Detections), DetectError> {
        let mut detector = open(&Manifest::load(manifest).unwrap())?;
        let mut found = Detections::new();
        // Twice: what a frame leaves behind must not change the next.
        detector.detect(&footage::frame(&self.sample, 0.0), &mut found)?;
        detector.detect(&footage::frame(&self.sample, 0.2), &mut found)?;
        Ok((detector.manifest().clone(), found))
    }
}

fn open(manifest: &Manifest) -> Result<Detector, DetectError> {
    Detector::open(&Runtime::load().unwrap(), manifest, &install::model_file(manifest).unwrap())
}

/// What the reference finds, and whether the layout can be recognised.
fn expected(folder: &Path) -> (Expected, bool) {
    let value: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let is_recognised = value["auto"].as_bool().unwrap();
    (serde_json::from_value(value).unwrap(), is_recognised)
}

#[test]
fn every_layout_finds_what_the_reference_finds() {
    let bench = Bench::new();
    let models = bench.models();
    assert!(models.len() >= 15, "{models:?}");
    for folder in models {
        let (manifest, found) = bench.detect(&folder.join("manifest.yaml")).unwrap();
        let (expected, _) = expected(&folder);
        assert!(expected.detections.len() >= if manifest.classes == ["face"] { 1 } else { 3 }, "{}", manifest.name);
        agreement::assert_same(&manifest.name, &found, &expected, 0.10, 0.01);
    }
}

#[test]
fn a_layout_is_recognised_without_a_decoder_or_refused_with_what_to_write() {
    let bench = Bench::new();
    for folder in bench.models() {
        let given = Manifest::load(&folder.join("manifest.yaml")).unwrap();
        let (expected, auto) = expected(&folder);
        match bench.detect(&folder.join("auto.yaml")) {
            Ok((manifest, found)) => {
                assert!(auto, "{} was guessed", given.name);
                assert_eq!(manifest.decoder, given.decoder, "{}", given.name);
                assert_eq!(manifest.classes, given.classes, "{}", given.name);
                agreement::assert_same(&given.name, &found, &expected, 0.10, 0.01);
            }
            Err(error) => {
                assert!(!auto, "{}: {}", given.name, chain(&error));
                let message = chain(&error);
                assert!(message.contains("model.onnx") && message.contains("Write decoder"), "{message}");
            }
        }
    }
}

#[test]
fn a_broken_file_is_refused_by_name() {
    let bench = Bench::new();
    let folder = bench.model("yolov8");
    let manifest = Manifest::load(&folder.join("manifest.yaml")).unwrap();
    let whole = std::fs::read(folder.join("model.onnx")).unwrap();
    // With the size and hash of what is there, so that only the content is wrong.
    let refusal = |content: &[u8]| {
        std::fs::write(folder.join("model.onnx"), content).unwrap();
        let mut broken = manifest.clone();
        broken.size_bytes = content.len() as u64;
        broken.sha256 = sha256(content).try_into().unwrap();
        chain(&open(&broken).err().unwrap())
    };
    for content in [&whole[..whole.len() / 2], b"not a model", &[]] {
        let message = refusal(content);
        assert!(message.contains("model.onnx"), "{message}");
    }

    let mut other = manifest.clone();
    std::fs::write(folder.join("model.onnx"), &whole).unwrap();
    other.classes.pop();
    other.outputs[0].shape[1] -= 1;
    let message = chain(&open(&other).err().unwrap());
    assert!(message.contains("model.onnx") && message.contains("output0"), "{message}");

    let mut other = Manifest::load(&folder.join("auto.yaml")).unwrap();
    other.classes.pop();
    let message = chain(&open(&other).err().unwrap());
    assert!(message.contains("5 classes, and 4 are named"), "{message}");
}

#[test]
fn names_may_come_from_the_model_and_must_come_from_somewhere() {
    let bench = Bench::new();
    let mut nameless = Manifest::load(&bench.model("yolov8").join("auto.yaml")).unwrap();
    nameless.classes.clear();
    let message = chain(&open(&nameless).err().unwrap());
    assert!(message.contains("model.onnx") && message.contains("names the classes"), "{message}");
    let named = Manifest::load(&bench.model("yolov8_dynamic").join("auto.yaml")).unwrap();
    assert!(named.classes.is_empty());
    assert_eq!(open(&named).unwrap().manifest().classes, ["person", "car", "umbrella", "bus", "dog"]);
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    format!("{:x}", sha2::Sha256::digest(content))
}
