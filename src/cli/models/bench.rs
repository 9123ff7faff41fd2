//! `curbwatch models bench`.

use super::picture;
use crate::clock::thread_cpu_time;
use crate::detect::letterbox::{InputWriter, PixelRect};
use crate::detect::manifest::{ElementType, Input};
use crate::detect::{Detections, Detector};
use crate::frame::Frame;
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
    /// Rounds; each runs every stage once, and the median of them counts.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

/// Prints the CPU time of each stage on one thread, as the median of all rounds.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let (_, mut detector) = super::open(&args.model)?;
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
    let median = |stage: usize| {
        let mut times: Vec<Duration> = rounds.iter().map(|round| round[stage]).collect();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    let layout = frame.layout();
    println!("{}, a picture of {}x{}, one thread, CPU-ms:", detector.manifest().name, layout.width, layout.height);
    let [write, inference, all] = [median(0), median(1), median(2)];
    println!("  write the input      {write:8.2}");
    println!("  run the session      {inference:8.2}");
    println!("  decode and suppress  {:8.2}", (all - write - inference).max(0.0));
    println!("  all                  {all:8.2}");
    Ok(())
}

/// What one round needs beside the detector.
struct Stages {
    writer: InputWriter,
    tensor: Tensor,
    found: Detections,
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
        Self { writer: InputWriter::new(input), tensor, found: Detections::new() }
    }

    /// CPU time of writing the input, of the session alone, and of the whole way.
    fn round(&mut self, detector: &mut Detector, frame: &Frame) -> anyhow::Result<[Duration; 3]> {
        let part = PixelRect::whole(frame.layout().width, frame.layout().height);
        let begun = thread_cpu_time();
        match &mut self.tensor {
            Tensor::F32(elements) => self.writer.write(frame, part, elements),
            Tensor::F16(elements) => self.writer.write(frame, part, elements),
            Tensor::U8(elements) => self.writer.write(frame, part, elements),
        };
        let written = thread_cpu_time();
        detector.detect(frame, &mut self.found)?;
        let detected = thread_cpu_time();
        detector.infer_only()?;
        let inferred = thread_cpu_time();
        Ok([written.saturating_sub(begun), inferred.saturating_sub(detected), detected.saturating_sub(written)])
    }
}
