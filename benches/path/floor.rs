//! What nobody can save of a camera's path: its decoding, and for every fifth frame the model's input and `Session::run`. From the file, or from the
//! camera that plays it: then GStreamer's RTSP is in it too.
//!
//! In a process of its own, which runs beside the agent and at the camera's pace: processors that are shared, slowed down or cold cost both the same.

use crate::measure::cpu_ms;
use curbwatch::detect::letterbox::{InputWriter, PixelRect};
use curbwatch::detect::manifest::Input;
use curbwatch::detect::{Detector, Runtime};
use curbwatch::frame::Frame;
use curbwatch::install;
use gstreamer::prelude::*;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

/// First argument of the process.
pub const ARGUMENT: &str = "floor";
/// One frame of so many is inferred.
const INFERRED_ONE_OF: u64 = 5;

/// What was done for how much since the start.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub cpu_ms: f64,
    pub decoded: u64,
    pub inferred: u64,
}

impl Spent {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ms: self.cpu_ms - earlier.cpu_ms,
            decoded: self.decoded - earlier.decoded,
            inferred: self.inferred - earlier.inferred,
        }
    }
}

/// The process that does only that.
pub struct Floor {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Floor {
    /// Starts it; the model is loaded and has run, nothing is decoded yet. The stream is the file itself, or the address of a camera that plays it.
    pub fn ready(file: &Path, stream: &str, model: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a running executable has a path"))
            .args([ARGUMENT, model, stream])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this executable can be run again");
        let ask = process.stdin.take().expect("piped above");
        let answers = BufReader::new(process.stdout.take().expect("piped above"));
        let mut floor = Self { process, ask, answers };
        floor.answer();
        floor
    }

    /// The first call lets the stream begin to play.
    pub fn spent(&mut self) -> Spent {
        writeln!(self.ask).expect("the floor runs");
        self.answer()
    }

    fn answer(&mut self) -> Spent {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the floor answers");
        let mut words = line.split_whitespace();
        let mut next = || words.next().expect("the floor answers with three numbers");
        Spent {
            cpu_ms: next().parse().expect("a number"),
            decoded: next().parse().expect("a number"),
            inferred: next().parse().expect("a number"),
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It has ended already if it failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The process: answers each line on its standard input with CPU-ms, frames decoded and frames inferred so far.
pub fn serve(model: &str, stream: &str, frame: &Frame) {
    let manifest = install::manifest(model).expect("make setup");
    let model = install::model_file(&manifest).expect("make setup");
    let mut detector =
        Detector::open(&Runtime::load().expect("make setup"), &manifest, &model).expect("the model loads");
    // Writes the input, and allocates.
    detector.detect(frame, &mut Vec::new()).expect("the model runs");
    let (decoded, inferred) = (Arc::new(AtomicU64::new(0)), &AtomicU64::new(0));
    let (due, wanted) = sync_channel(1);
    let answer = || println!("{} {} {}", cpu_ms(), decoded.load(Ordering::Relaxed), inferred.load(Ordering::Relaxed));
    answer();
    let mut lines = std::io::stdin().lines();
    lines.next();
    let counted = Arc::clone(&decoded);
    let pipeline = decoding(stream, move || {
        if counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(INFERRED_ONE_OF) {
            // A processor that cannot keep up infers fewer; they are counted.
            let _ = due.try_send(());
        }
    });
    std::thread::scope(|scope| {
        let (detector, input) = (&mut detector, &manifest.input);
        let runner = std::thread::Builder::new().name("runner".to_owned());
        let work = move || infer(detector, input, frame, wanted, inferred);
        runner.spawn_scoped(scope, work).expect("a thread");
        pipeline.set_state(gstreamer::State::Playing).expect("the pipeline starts");
        answer();
        lines.map_while(Result::ok).for_each(|_| answer());
    });
}

fn infer(detector: &mut Detector, input: &Input, frame: &Frame, wanted: Receiver<()>, inferred: &AtomicU64) {
    let mut writer = InputWriter::new(input);
    let mut tensor = vec![0f32; 3 * (input.width * input.height) as usize];
    let part = PixelRect::whole(frame.layout().width, frame.layout().height);
    for () in wanted {
        writer.write(std::hint::black_box(frame), part, &mut tensor);
        detector.infer_only().expect("the model runs");
        inferred.fetch_add(1, Ordering::Relaxed);
    }
}

/// Decodes the stream at its own pace and throws the pictures away, after `seen` was called for each.
fn decoding(stream: &str, seen: impl Fn() + Send + Sync + 'static) -> gstreamer::Pipeline {
    let source = if stream.starts_with("rtsp://") {
        "rtspsrc name=source protocols=tcp ! rtph264depay"
    } else {
        "filesrc name=source ! qtdemux"
    };
    let description = format!("{source} ! h264parse ! avdec_h264 max-threads=1 ! fakesink name=sink sync=true");
    let pipeline = gstreamer::parse::launch(&description)
        .expect("elements are installed")
        .downcast::<gstreamer::Pipeline>()
        .expect("a pipeline");
    pipeline.by_name("source").expect("named above").set_property("location", stream);
    let pad = pipeline.by_name("sink").expect("named above").static_pad("sink").expect("a sink has one");
    pad.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| {
        seen();
        gstreamer::PadProbeReturn::Ok
    });
    pipeline
}
