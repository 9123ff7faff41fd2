//! The fused pass beside the same in C.

use crate::measure::{Bar, Figure, median, target, thread_cpu_ms};
use curbwatch::detect::letterbox::{InputWriter, PixelRect};
use curbwatch::frame::Frame;
use curbwatch::install;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROUNDS: usize = 7;
const REPETITIONS: usize = 30;

/// CPU-ms of writing a frame into the input of YOLOv4-tiny, in rounds that take turns with the program in C.
pub fn beside_c(frame: &Frame) -> Figure {
    let program = compile();
    let raw = target().join("bench-frame.i420");
    let packed = [0, 1, 2].map(|plane| frame.plane(plane)).concat();
    std::fs::write(&raw, packed).expect("target/ is writable");
    let input = install::manifest("yolov4-tiny-416").expect("a built-in manifest is right").input;
    let mut writer = InputWriter::new(&input);
    let mut tensor = vec![0f32; 3 * (input.width * input.height) as usize];
    let part = PixelRect::whole(frame.layout().width, frame.layout().height);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for _ in 0..REPETITIONS {
            let before = thread_cpu_ms();
            writer.write(std::hint::black_box(frame), part, &mut tensor);
            ours.push(thread_cpu_ms() - before);
        }
        let (times, reference) = run(&program, &raw, frame, input.width);
        theirs.extend(times);
        let farthest = tensor.iter().zip(&reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(farthest <= 1.0 / 255.0, "the two do the same: {farthest}");
    }
    let (value, floor) = (median(&ours), median(&theirs));
    Figure { name: "input_416_vs_c".to_owned(), unit: "cpu_ms_per_frame", value, floor, ratio: value / floor, bar: Bar::AtMost(1.5) }
}

fn compile() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/detect/letterbox.c");
    let program = target().join("bench-letterbox");
    let done = Command::new("cc").args(["-std=c11", "-O3", "-march=native", "-o"]).arg(&program).arg(source).status();
    assert!(done.expect("a C compiler is installed: make setup").success());
    program
}

/// The program's times and its tensor.
fn run(program: &Path, raw: &Path, frame: &Frame, side: u32) -> (Vec<f64>, Vec<f32>) {
    let tensor = target().join("bench-tensor.f32");
    let numbers = [frame.layout().width, frame.layout().height, side, REPETITIONS as u32].map(|n| n.to_string());
    let output = Command::new(program).arg(raw).args(numbers).arg(&tensor).output().expect("it was just compiled");
    assert!(output.status.success());
    let times = String::from_utf8(output.stdout).expect("numbers");
    let values = std::fs::read(&tensor).expect("the program wrote it");
    let values = values.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")));
    (times.lines().map(|line| line.parse().expect("a number")).collect(), values.collect())
}
