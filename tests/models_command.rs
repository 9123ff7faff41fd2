//! `curbwatch models` as an integrator uses it: from an ONNX file to a manifest that is verified and tried.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/footage.rs"]
mod footage;
#[path = "common/python.rs"]
mod python;
#[path = "common/reference.rs"]
mod reference;

use assert_cmd::Command;
use curbwatch::detect::manifest::{Decoder, Manifest};
use curbwatch::install;
use std::path::{Path, PathBuf};

fn models(arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("curbwatch").unwrap().arg("models").args(arguments).assert()
}

fn stdout(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// A model of each layout, as `tests/model_layouts.rs` has them.
fn layouts(folder: &Path) -> PathBuf {
    let sample = footage::samples(&install::footage("vtest.avi").unwrap(), "I420", &[0]).remove(0);
    let out = folder.join("models");
    reference::run("tests/reference/layouts.py", &sample, &["--out", out.to_str().unwrap()]);
    out
}

#[test]
fn a_file_becomes_a_manifest_that_is_verified_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let model = layouts(folder.path()).join("yolov8_dynamic");
    let inspected = stdout(&models(&["inspect", model.join("model.onnx").to_str().unwrap()]).success());
    assert!(inspected.contains("# - \"output0\""), "the reasons come first: {inspected}");

    let path = model.join("begun.yaml");
    // Nothing in the model says how large a picture is to be: its dimensions are open.
    assert!(inspected.contains("640x640 is taken"), "{inspected}");
    std::fs::write(&path, inspected.replace("width: 640", "width: 160").replace("height: 640", "height: 96")).unwrap();
    let manifest = Manifest::load(&path).unwrap();
    assert_eq!(manifest.decoder, Some(Decoder::Yolov8));
    assert_eq!(manifest.classes, ["person", "car", "umbrella", "bus", "dog"], "from the metadata");

    let path = path.to_str().unwrap();
    let verified = stdout(&models(&["verify", path]).success());
    assert!(verified.contains("decoder yolov8") && verified.contains("160x96"), "{verified}");
    let still = install::footage("bus.jpg").unwrap();
    let tried = stdout(&models(&["try", path, still.to_str().unwrap()]).success());
    assert!(tried.contains("umbrella  left"), "{tried}");
}

#[test]
fn what_cannot_be_decided_is_said_and_left_to_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let model = layouts(folder.path()).join("ssd_softmax/model.onnx");
    let assert = models(&["inspect", model.to_str().unwrap()]).code(1);
    let inspected = stdout(&assert);
    assert!(inspected.contains("# Undecided:") && inspected.contains("scores: softmax"), "{inspected}");
}

#[test]
fn a_file_that_is_no_model_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holiday.onnx");
    std::fs::write(&path, "not a model").unwrap();
    let assert = models(&["inspect", path.to_str().unwrap()]).failure();
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("holiday.onnx"), "{message}");
}

#[test]
fn an_installed_model_is_tried_on_a_still_and_draws_it_redacted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("found.jpg");
    let still = install::footage("zidane.jpg").unwrap();
    let arguments = |model: &'static str| {
        [
            "try".to_owned(),
            model.to_owned(),
            still.to_str().unwrap().to_owned(),
            "--out".to_owned(),
            out.to_str().unwrap().to_owned(),
        ]
    };
    // The model of faces has no class of whole people; whom it misses the agent's own detector finds.
    for (model, class) in [("yolov4-tiny-416", "person"), ("centerface-640x384", "face")] {
        let arguments = arguments(model);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let tried = stdout(&models(&arguments).success());
        assert!(tried.lines().filter(|line| line.contains(class)).count() >= 2, "{model}: {tried}");
        let (drawn, original) = (grey(&out), grey(&still));
        assert_eq!((drawn.width(), drawn.height()), (original.width(), original.height()));
        // The face of the man in front, away from outlines and words.
        let face = |picture: &image::GrayImage| detail(picture, 940..1030, 140..240);
        assert!(face(&drawn) < 0.5 * face(&original), "{model}: {} {}", face(&drawn), face(&original));
    }
}

#[test]
fn models_are_listed_and_measured() {
    let listed = stdout(&models(&["list"]).success());
    for model in install::built_in_models() {
        assert!(listed.contains(model), "{listed}");
    }
    let measured = stdout(&models(&["bench", "ssdlite-mobilenet-v2-300", "--rounds", "2"]).success());
    for stage in ["write the input", "run the session", "decode and suppress"] {
        assert!(measured.contains(stage), "{measured}");
    }
}

fn grey(path: &Path) -> image::GrayImage {
    image::load_from_memory_with_format(&std::fs::read(path).unwrap(), image::ImageFormat::Jpeg).unwrap().into_luma8()
}

/// Mean difference of neighbouring pixels.
fn detail(picture: &image::GrayImage, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> f64 {
    let at = |x: u32, y: u32| f64::from(picture.get_pixel(x, y).0[0]);
    let differences =
        rows.clone().flat_map(|y| columns.clone().map(move |x| (x, y))).map(|(x, y)| (at(x, y) - at(x + 1, y)).abs());
    differences.sum::<f64>() / f64::from(columns.len() as u32 * rows.len() as u32)
}
