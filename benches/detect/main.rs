//! CPU time of a detection and of its parts, each beside its floor measured in the same run, in turns.
//!
//! - `input_416_vs_c`: a 1080p frame into the input of a YOLO, beside a plain loop in C (`letterbox.c`, compiled by the system's
//!   compiler for this very processor); both tensors are compared.
//! - `detect_vs_run_<model>`: a detection by every installed model beside `Session::run` alone on the same input.
//! - `two_runners_vs_ort`: frames per second of two detectors of one model, beside two sessions of ONNX Runtime that do nothing else.
//!
//! Prints a table and adds to `target/bench.json`: `name → {value, unit, floor, ratio}`.

#[path = "../common/frames.rs"]
mod frames;
mod input;
#[path = "../common/measure.rs"]
mod measure;
mod model;

use curbwatch::detect::{Model, Runtime, SessionOptions};
use curbwatch::install;
use measure::{print_table, report};

fn main() {
    let frame = frames::street(1920, 1080);
    let mut figures = vec![input::beside_c(&frame)];
    let runtime = Runtime::load().expect("make setup");
    for name in install::built_in_models() {
        let manifest = install::manifest(name).expect("a built-in manifest is right");
        let Ok(path) = install::model_file(&manifest) else {
            eprintln!("{name} is not installed");
            continue;
        };
        let model = Model::open(&runtime, &manifest, &path, &SessionOptions::default()).expect("the model loads");
        figures.push(model::detection_beside_run(&runtime, &model, &path, &frame));
        if name == "yolov4-tiny-416" {
            figures.push(model::two_runners(&runtime, &model, &path, &frame));
        }
    }
    print_table(&figures);
    report(&figures);
}
