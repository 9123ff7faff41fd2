//! `curbwatch models quantize`: an 8-bit model with a manifest that is believed, and what it gains and loses in words.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::Command;
use curbwatch::detect::manifest::Manifest;
use curbwatch::install;
use std::path::Path;

fn quantize(frames: &Path, every: &str, out: &Path) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("curbwatch").unwrap();
    command.args(["models", "quantize", "ssdlite-mobilenet-v2-300", "--every", every]);
    command.arg("--frames").arg(frames).arg("--out").arg(out).assert()
}

#[test]
fn a_quantised_model_is_smaller_described_measured_and_usable() {
    let out = tempfile::tempdir().unwrap();
    // A picture every eight seconds of eighty.
    let told = quantize(&install::footage("vtest.avi").unwrap(), "8", out.path()).success();
    let told = String::from_utf8(told.get_output().stdout.clone()).unwrap();
    for expected in [
        "7 pictures to calibrate on, 3 others",
        "times as fast",
        "objects that it found before",
        "recommended (from 1.2 times",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }

    let path = out.path().join("ssdlite-mobilenet-v2-300-int8.yaml");
    let (int8, float) = (Manifest::load(&path).unwrap(), install::manifest("ssdlite-mobilenet-v2-300").unwrap());
    assert!(int8.size_bytes < float.size_bytes / 2, "{} of {} bytes", int8.size_bytes, float.size_bytes);
    assert_eq!((&int8.classes, &int8.outputs), (&float.classes, &float.outputs));
    let models = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("curbwatch").unwrap();
        let assert =
            command.arg("models").args(arguments).arg(&path).arg(install::footage("bus.jpg").unwrap()).assert();
        String::from_utf8(assert.success().get_output().stdout.clone()).unwrap()
    };
    let found = models(&["try"]);
    assert!(found.contains("person") && found.contains("bus"), "{found}");
}

#[test]
fn too_few_pictures_are_refused_before_anything_is_written() {
    let out = tempfile::tempdir().unwrap();
    let refused = quantize(&install::footage("bus.jpg").unwrap(), "1", out.path()).failure();
    let told = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(told.contains("1 pictures are too few: at least 9"), "{told}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}
