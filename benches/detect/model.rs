//! A model through the agent's detector, beside ONNX Runtime alone.

use crate::measure::{Bar, Figure, cpu_ms, median};
use curbwatch::detect::letterbox::{Element, InputWriter, PixelRect};
use curbwatch::detect::manifest::ElementType;
use curbwatch::detect::{Detections, Model, Runtime};
use curbwatch::frame::Frame;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor};
use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Detections and bare runs, one after the other in turns.
const TURNS: usize = 60;
/// Rounds of two threads.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// ONNX Runtime alone: a session as the agent makes them, with the input of a real frame.
struct Bare {
    session: Session,
    inputs: Vec<(Cow<'static, str>, DynValue)>,
}

impl Bare {
    fn new(runtime: &Runtime, model: &Model, path: &Path, frame: &Frame) -> Self {
        let session = session(runtime, path).expect("the model loads");
        let input = &model.manifest().input;
        let picture = match input.dtype {
            ElementType::F32 => written::<f32>(model, frame, 0.0),
            ElementType::F16 => written::<half::f16>(model, frame, half::f16::ZERO),
            ElementType::U8 => written::<u8>(model, frame, 0),
        };
        let mut inputs = vec![(Cow::Owned(input.name.clone()), picture)];
        if let Some(name) = &input.size_input {
            let size = Tensor::from_array(([1, 2], vec![i64::from(input.width), i64::from(input.height)]));
            inputs.push((Cow::Owned(name.clone()), size.expect("two numbers").into_dyn()));
        }
        Self { session, inputs }
    }

    fn run(&mut self) {
        let inputs: Vec<(&str, SessionInputValue<'_>)> =
            self.inputs.iter().map(|(name, value)| (&**name, value.into())).collect();
        self.session.run(inputs).expect("the model runs");
    }
}

fn session(runtime: &Runtime, path: &Path) -> ort::Result<Session> {
    Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .commit_from_file(path)
}

fn written<E: Element + PrimitiveTensorElementType + std::fmt::Debug>(
    model: &Model,
    frame: &Frame,
    zero: E,
) -> DynValue {
    let input = &model.manifest().input;
    let mut tensor = vec![zero; 3 * (input.width * input.height) as usize];
    let part = PixelRect::whole(frame.layout().width, frame.layout().height);
    InputWriter::new(input).write(frame, part, &mut tensor);
    Tensor::from_array((input.shape(), tensor)).expect("as many values as the shape says").into_dyn()
}

/// CPU-ms of a detection beside a bare run.
pub fn detection_beside_run(runtime: &Runtime, model: &Model, path: &Path, frame: &Frame) -> Figure {
    let mut bare = Bare::new(runtime, model, path, frame);
    let mut detector = model.detector().expect("the model runs");
    let mut found = Detections::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let before = cpu_ms();
        detector.detect(frame, &mut found).expect("the model runs");
        let between = cpu_ms();
        bare.run();
        // The first runs allocate.
        if turn > 2 {
            ours.push(between - before);
            theirs.push(cpu_ms() - between);
        }
    }
    let (value, floor) = (median(&ours), median(&theirs));
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let name = format!("detect_vs_run_{}", model.manifest().name);
    Figure { name, unit: "cpu_ms_per_frame", value, floor, ratio: median(&ratios), bar: Bar::AtMost(1.03) }
}

/// Frames per second of two detectors, beside two bare sessions; higher is better, so that the ratio is theirs by ours.
pub fn two_runners(runtime: &Runtime, model: &Model, path: &Path, frame: &Frame) -> Figure {
    let mut detectors = [0, 1].map(|_| model.detector().expect("the model runs"));
    let mut bare = [0, 1].map(|_| Bare::new(runtime, model, path, frame));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(per_second(detectors.each_mut().map(|detector| {
            let mut found = Detections::new();
            move || detector.detect(frame, &mut found).expect("the model runs")
        })));
        theirs.push(per_second(bare.each_mut().map(|bare| || bare.run())));
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect();
    Figure {
        name: "two_runners_vs_ort".to_owned(),
        unit: "frames_per_second",
        value: median(&ours),
        floor: median(&theirs),
        ratio: median(&ratios),
        bar: Bar::AtMost(1.0 / 0.9),
    }
}

/// How often two threads together do their work per second.
#[expect(clippy::disallowed_methods, reason = "throughput is wall time, and nothing here is tested by a manual clock")]
fn per_second(work: [impl FnMut() + Send; 2]) -> f64 {
    let began = Instant::now();
    let counts: u32 = std::thread::scope(|scope| {
        let threads = work.map(|mut work| {
            scope.spawn(move || {
                let mut count = 0;
                while began.elapsed() < ROUND {
                    work();
                    count += 1;
                }
                count
            })
        });
        threads.into_iter().map(|thread| thread.join().expect("the thread counts")).sum()
    });
    f64::from(counts) / began.elapsed().as_secs_f64()
}
