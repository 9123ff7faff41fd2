//! `curbwatch models bench`.

use super::picture;
use crate::clock::{Clocks, SystemClocks, process_cpu_time};
use crate::detect::letterbox::{InputWriter, PixelRect};
use crate::detect::manifest::{ElementType, Input};
use crate::detect::{Detections, Detector, Model, Provider, Runtime, SessionOptions};
use crate::frame::Frame;
use crate::install;
use anyhow::ensure;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `curbwatch models bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a model, or path of a manifest.
    model: String,
    /// A picture as the cameras give it; a grey one of the model's size, if absent.
    image: Option<PathBuf>,
    /// On what it runs (`tensorrt`, `cuda`, `openvino`, `cann`, `xnnpack`, `qnn`), if the runtime that is installed was built with it or its own
    /// library lies beside it.
    #[arg(long, value_enum, default_value_t = Provider::Cpu)]
    provider: Provider,
    /// An option that is passed on to it, as in `device_type=GPU`.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = name_and_value)]
    options: Vec<(String, String)>,
    /// Rounds; each runs every stage once, and the median of them counts.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

/// Prints the CPU time of each stage, all threads together, and how long one waits for it: medians of all rounds.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let manifest = install::manifest(&args.model)?;
    let provider_options = [(args.provider, args.options.iter().cloned().collect())].into();
    let options = SessionOptions { providers: vec![args.provider], provider_options, ..SessionOptions::default() };
    let model = Model::open(&Runtime::load()?, &manifest, &install::model_file(&manifest)?, &options)?;
    let in_use = model.provider();
    if let Some(alarm) = in_use.alarm() {
        anyhow::bail!("{alarm}");
    }
    let mut detector = model.detector()?;
    let frame = match &args.image {
        Some(path) => picture::read(path)?,
        None => picture::grey(detector.manifest())?,
    };
    let mut stages = Stages::new(&detector.manifest().input);
    // The first round makes what is kept.
    stages.round(&mut detector, &frame)?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push(stages.round(&mut detector, &frame)?);
    }
    ensure!(!rounds.is_empty(), "no round was run");
    let layout = frame.layout();
    println!("{} on {}, a picture of {}x{}", detector.manifest().name, in_use.provider, layout.width, layout.height);
    for (name, nodes) in &in_use.nodes {
        println!("  {nodes} nodes run on {name}");
    }
    let median = |time: fn(&Cost) -> Duration, stage: usize| {
        let mut times: Vec<Duration> = rounds.iter().map(|round| time(&round[stage])).collect();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    println!("                         CPU-ms        ms");
    let print = |name: &str, [cpu, wall]: [f64; 2]| println!("  {name:<19}{cpu:10.2}{wall:10.2}");
    let [write, inference, all] =
        [0, 1, 2].map(|stage| [median(|cost| cost.cpu, stage), median(|cost| cost.wall, stage)]);
    print("write the input", write);
    print("run the session", inference);
    print("decode and suppress", [0, 1].map(|kind| (all[kind] - write[kind] - inference[kind]).max(0.0)));
    print("all", all);
    Ok(())
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What a stage took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Of all threads together.
    cpu: Duration,
    wall: Duration,
}

/// What one round needs beside the detector.
struct Stages {
    writer: InputWriter,
    tensor: Tensor,
    found: Detections,
    clocks: SystemClocks,
}

enum Tensor {
    F32(Vec<f32>),
    F16(Vec<half::f16>),
    U8(Vec<u8>),
}

impl Stages {
    fn new(input: &Input) -> Self {
        let count = input.shape().iter().product::<i64>() as usize;
        let tensor = match input.dtype {
            ElementType::F32 => Tensor::F32(vec![0.0; count]),
            ElementType::F16 => Tensor::F16(vec![half::f16::ZERO; count]),
            ElementType::U8 => Tensor::U8(vec![0; count]),
        };
        Self { writer: InputWriter::new(input), tensor, found: Detections::new(), clocks: SystemClocks::new() }
    }

    /// What it takes to write the input, to run the session alone, and to go the whole way.
    fn round(&mut self, detector: &mut Detector, frame: &Frame) -> anyhow::Result<[Cost; 3]> {
        let part = PixelRect::whole(frame.layout().width, frame.layout().height);
        let begun = self.now();
        match &mut self.tensor {
            Tensor::F32(elements) => self.writer.write(frame, part, elements),
            Tensor::F16(elements) => self.writer.write(frame, part, elements),
            Tensor::U8(elements) => self.writer.write(frame, part, elements),
        };
        let written = self.now();
        detector.detect(frame, &mut self.found)?;
        let detected = self.now();
        detector.infer_only()?;
        let inferred = self.now();
        let cost = |from: Cost, to: Cost| Cost {
            cpu: to.cpu.saturating_sub(from.cpu),
            wall: to.wall.saturating_sub(from.wall),
        };
        Ok([cost(begun, written), cost(detected, inferred), cost(written, detected)])
    }

    /// What was taken since the beginning.
    fn now(&self) -> Cost {
        Cost { cpu: process_cpu_time(), wall: self.clocks.mono().since(crate::clock::Mono::default()) }
    }
}
