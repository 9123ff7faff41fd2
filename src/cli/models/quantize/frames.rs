//! The pictures on which a model is calibrated and compared.

use super::super::picture;
use crate::frame::{Frame, FrameStamp};
use crate::replay::Recording;
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of three pictures one is held out.
const HELD_OUT_OF: usize = 3;
/// Most pictures that are kept in memory: a hundred megabytes at 1080p.
const MAX_HELD_OUT: usize = 32;
/// Most that are calibrated on; more change nothing.
const MAX_CALIBRATED_ON: usize = 200;
/// Fewest pictures in all.
const LEAST: usize = 9;
/// Files that hold one picture; everything else is a video.
const STILLS: [&str; 4] = ["jpg", "jpeg", "png", "bmp"];

/// What was read.
pub(super) struct Pictures {
    /// Pictures that were handed on.
    pub(super) calibrated_on: usize,
    /// Those that were not.
    pub(super) held_out: Vec<Frame>,
}

impl Pictures {
    /// Reads files and folders in order, of a video one picture every so long. Two of three are handed to `calibrate` with their number.
    pub(super) fn read(
        paths: &[PathBuf],
        every: Duration,
        mut calibrate: impl FnMut(usize, &Frame) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut pictures = Self { calibrated_on: 0, held_out: Vec::new() };
        for path in paths.iter().map(|path| files(path)).collect::<anyhow::Result<Vec<_>>>()?.concat() {
            let name = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_lowercase();
            if STILLS.contains(&name.as_str()) {
                pictures.take(picture::read(&path)?, &mut calibrate)?;
                continue;
            }
            let (mut video, mut next) = (Recording::open(&path)?, Duration::ZERO);
            while let Some(picture) = video.next()?
                && !pictures.is_full()
            {
                if picture.at >= next {
                    let stamp = FrameStamp::of_recording(picture.at, jiff::Timestamp::UNIX_EPOCH, 0);
                    pictures.take(Frame::try_from_gst(picture.buffer, &picture.info, stamp)?, &mut calibrate)?;
                    next = picture.at + every;
                }
            }
        }
        let found = pictures.calibrated_on + pictures.held_out.len();
        ensure!(found >= LEAST, "{found} pictures are too few: at least {LEAST}, better a hundred, of different hours");
        Ok(pictures)
    }

    fn is_full(&self) -> bool {
        self.calibrated_on >= MAX_CALIBRATED_ON
    }

    fn take(
        &mut self,
        frame: Frame,
        calibrate: &mut impl FnMut(usize, &Frame) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let number = self.calibrated_on + self.held_out.len();
        if number % HELD_OUT_OF == HELD_OUT_OF - 1 && self.held_out.len() < MAX_HELD_OUT {
            self.held_out.push(frame);
        } else if !self.is_full() {
            calibrate(number, &frame)?;
            self.calibrated_on += 1;
        }
        Ok(())
    }
}

/// A file, or the files of a folder by name.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let unreadable = || format!("failed to read the folder {}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(unreadable)? {
        files.push(entry.with_context(unreadable)?.path());
    }
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}
