//! Models that are broken or mean harm: each gets an error that names the model and what is wrong with it, and never a crash or a detection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/footage.rs"]
mod footage;
#[path = "common/python.rs"]
mod python;

use curbwatch::detect::manifest::Manifest;
use curbwatch::detect::{Detections, Detector, Runtime};
use curbwatch::frame::Frame;
use curbwatch::install;
use std::path::{Path, PathBuf};

/// A model of each kind of `tests/reference/hostile.py`.
fn models(folder: &Path) -> Vec<PathBuf> {
    let out = folder.join("models");
    python::run("tests/reference/hostile.py", &["--out", out.to_str().unwrap()]);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn street() -> Frame {
    footage::frame(&footage::samples(&install::footage("vtest.avi").unwrap(), "I420", &[200]).remove(0), 0.0)
}

/// What is said of a model when it is loaded, or else when it is run; none if it is believed.
fn refusal(runtime: &Runtime, manifest: &Manifest, frame: &Frame) -> Option<String> {
    let mut detector = match Detector::open(runtime, manifest, &install::model_file(manifest).unwrap()) {
        Ok(detector) => detector,
        Err(error) => return Some(chain(&error)),
    };
    let mut found = Detections::new();
    let error = detector.detect(frame, &mut found).err()?;
    assert_eq!(found, [], "{}: nothing of a broken frame is a detection", manifest.name);
    assert!(detector.detect(frame, &mut found).is_err(), "{}: nor of the next one", manifest.name);
    Some(chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_hostile_model_is_refused_by_name_and_nothing_of_it_is_a_detection() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, frame) = (Runtime::load().unwrap(), street());
    let models = models(folder.path());
    assert!(models.len() >= 20, "{models:?}");
    for model in &models {
        let name = model.file_name().unwrap().to_str().unwrap();
        let manifest = Manifest::load(&model.join("manifest.yaml")).unwrap();
        let message = refusal(&runtime, &manifest, &frame).unwrap_or_else(|| panic!("{name} is believed"));
        assert!(message.contains(&format!("model {name}")) || message.contains("model.onnx"), "{name}: {message}");
        let named: Vec<String> = serde_json::from_slice(&std::fs::read(model.join("expected.json")).unwrap()).unwrap();
        for expected in named {
            assert!(message.contains(&expected), "{name}, {expected}: {message}");
        }
        println!("{name}: {message}");
    }
}

/// What is wrong may come to light when the layout is recognised, or the file may be right for another manifest.
#[test]
fn a_hostile_model_whose_layout_is_left_open_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, frame) = (Runtime::load().unwrap(), street());
    for model in models(folder.path()) {
        let name = model.file_name().unwrap().to_str().unwrap();
        let manifest = Manifest::load(&model.join("auto.yaml")).unwrap();
        match refusal(&runtime, &manifest, &frame) {
            Some(message) => {
                let is_named = message.contains(&format!("model {name}")) || message.contains("model.onnx");
                assert!(is_named, "{name}: {message}");
            }
            None => assert_eq!(name, "shape_varies", "it is believed"),
        }
    }
}
