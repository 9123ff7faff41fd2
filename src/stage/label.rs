//! The word STAGED in the corner of every frame, so that no staged picture is taken for a real one.

use super::FrameSize;
use font8x8::UnicodeFonts;

const TEXT: &str = "STAGED";
/// Luma of the letters and of the plate behind them.
const INK: u8 = 235;
const PLATE: u8 = 24;

/// The label, drawn once.
pub(super) struct Label {
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

impl Label {
    /// About a thirtieth of the picture's height.
    pub(super) fn for_size(size: FrameSize) -> Self {
        let dot = (size.height() as usize / 240).max(1);
        let (width, height) = ((dot * (8 * TEXT.len() + 4)) & !1, (dot * 12) & !1);
        let mut samples = vec![PLATE; width * height];
        for (position, letter) in TEXT.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS.get(letter).expect("the font holds every ASCII letter");
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..8).filter(|column| bits & (1 << column) != 0) {
                    for y in (row + 2) * dot..(row + 3) * dot {
                        let x = (2 + 8 * position + column) * dot;
                        samples[y * width + x..y * width + x + dot].fill(INK);
                    }
                }
            }
        }
        Self { width, height, samples }
    }

    /// Columns and rows that it covers: the left lower corner of the picture.
    pub(super) fn extent(&self, size: FrameSize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let margin = (size.height() as usize / 60).next_multiple_of(2);
        let bottom = size.height() as usize - margin;
        (margin..margin + self.width, bottom - self.height..bottom)
    }

    /// Burns it into a frame: planar I420, rows without padding.
    pub(super) fn burn(&self, size: FrameSize, frame: &mut [u8]) {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (columns, rows) = self.extent(size);
        for (y, source) in rows.clone().zip(self.samples.chunks_exact(self.width)) {
            frame[y * width..][columns.clone()].copy_from_slice(source);
        }
        for chroma in frame[width * height..].chunks_exact_mut(width * height / 4) {
            for y in rows.start / 2..rows.end / 2 {
                chroma[y * width / 2..][columns.start / 2..columns.end / 2].fill(128);
            }
        }
    }
}
