//! Follows the boxes of a `MOTChallenge` file through the tracker: `track_mot WIDTH HEIGHT FPS STRIDE < detections.txt > tracks.txt`.
//!
//! In and out: `frame,id,left,top,width,height,…` in pixels, frames from 1. Identities of the input are dropped, every box counts as a
//! sure detection of one class, and only every `STRIDE`th frame is looked at. `scripts/tracking` scores what comes out.

use curbwatch::detect::Detection;
use curbwatch::frame::FrameStamp;
use curbwatch::geometry::BBox;
use curbwatch::track::{StartConfidence, TrackId, Tracker};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<f32> = std::env::args().skip(1).map(|argument| argument.parse()).collect::<Result<_, _>>()?;
    let [width, height, fps, stride] = arguments[..] else {
        return Err("usage: track_mot WIDTH HEIGHT FPS STRIDE < detections > tracks".into());
    };
    let mut frames: BTreeMap<u32, Vec<Detection>> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let cells: Vec<f32> = line.split(',').map(|cell| cell.trim().parse()).collect::<Result<_, _>>()?;
        let [frame, _, left, top, box_width, box_height, ..] = cells[..] else {
            return Err(format!("not a line of a MOT file: {line}").into());
        };
        let bbox = BBox::try_new(left / width, top / height, (left + box_width) / width, (top + box_height) / height)?;
        frames.entry(frame as u32).or_default().push(Detection { class: 0, confidence: 1.0, bbox });
    }
    let mut tracker = Tracker::new(vec![0], StartConfidence::same(0.5));
    let mut numbers: BTreeMap<TrackId, usize> = BTreeMap::new();
    let mut out = std::io::stdout().lock();
    let last = frames.keys().last().copied().unwrap_or(0);
    for frame in (1..=last).step_by(stride as usize) {
        let detections = frames.remove(&frame).unwrap_or_default();
        let tracks = tracker.update(&stamp(frame, fps), &detections);
        for track in tracks.iter().filter(|track| track.is_seen()) {
            let next = numbers.len() + 1;
            let number = *numbers.entry(track.id()).or_insert(next);
            let bbox = track.bbox();
            let (left, top) = (bbox.left() * width, bbox.top() * height);
            let (box_width, box_height) = (bbox.width() * width, bbox.height() * height);
            writeln!(out, "{frame},{number},{left:.2},{top:.2},{box_width:.2},{box_height:.2},1,-1,-1,-1")?;
        }
    }
    Ok(())
}

fn stamp(frame: u32, fps: f32) -> FrameStamp {
    let time = Duration::from_secs_f32(frame as f32 / fps);
    FrameStamp::of_recording(time, jiff::Timestamp::UNIX_EPOCH, 0)
}
