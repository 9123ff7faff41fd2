//! The luma of a frame, sampled on a coarse grid, and how much of the frame is coloured: all that picture health, the change gate and the
//! light meter look at.
//!
//! Reading 4 of every 64 pixels of a 1080p frame costs about a thousandth of its inference. The buffers are reused: in the steady
//! state nothing is allocated.

use crate::frame::{ColorRange, Frame, PixelFormat};

/// Columns of the grid.
pub const COLUMNS: usize = 240;
/// Rows of the grid.
pub const ROWS: usize = 135;
/// Cells of the grid.
pub const CELLS: usize = COLUMNS * ROWS;
/// Neighbouring pixels of a row that make a cell.
const RUN: usize = 4;
/// Noise is measured in every fourth row.
const NOISE_ROW_STEP: usize = 4;
/// Colour is looked at in every fourth cell of every fourth row.
const COLOR_STEP: usize = 4;
/// Distance from grey (128) of Cb or Cr beyond which a place is coloured; compression and noise stay within it.
const GREY_TOLERANCE: u8 = 6;
/// The third difference of four pixels with independent noise has 20 times its variance; the median of a normal
/// distribution's magnitude is 0.6745 of its deviation.
const NOISE_PER_MEDIAN: f32 = 1.0 / (0.6745 * 4.472_136);

/// Sampled luma of one frame. Rows from the top, cells from the left.
#[derive(Debug, Clone, PartialEq)]
pub struct LumaSample {
    luma: Box<[u8]>,
    steps: Box<[u8]>,
    /// Magnitudes of the third difference, by value.
    noise_counts: Box<[u16; 256]>,
    noise: f32,
    colored_share: f32,
    range: ColorRange,
    size: (u32, u32),
}

impl Default for LumaSample {
    fn default() -> Self {
        Self::new()
    }
}

impl LumaSample {
    /// A black sample, to be [taken](Self::take) from frames.
    #[must_use]
    pub fn new() -> Self {
        Self {
            luma: vec![0; CELLS].into(),
            steps: vec![0; CELLS].into(),
            noise_counts: Box::new([0; 256]),
            noise: 0.0,
            colored_share: 0.0,
            range: ColorRange::Limited,
            size: (0, 0),
        }
    }

    /// Samples a frame; what this held before is overwritten.
    pub fn take(&mut self, frame: &Frame) {
        let layout = frame.layout();
        let (width, height) = (layout.width as usize, layout.height as usize);
        (self.range, self.size) = (layout.range, (layout.width, layout.height));
        let plane = frame.plane(0);
        self.noise_counts.fill(0);
        for row in 0..ROWS {
            let start = ((2 * row + 1) * height / (2 * ROWS)) * layout.strides[0];
            let line = &plane[start..start + width];
            self.take_row(row, line);
        }
        self.noise = median_of_counts(&self.noise_counts) * NOISE_PER_MEDIAN;
        self.colored_share = colored_share(frame);
    }

    fn take_row(&mut self, row: usize, line: &[u8]) {
        let cells = row * COLUMNS..(row + 1) * COLUMNS;
        let (luma, steps) = (&mut self.luma[cells.clone()], &mut self.steps[cells]);
        for column in 0..COLUMNS {
            let center = (2 * column + 1) * line.len() / (2 * COLUMNS);
            let first = center.saturating_sub(RUN / 2).min(line.len().saturating_sub(RUN));
            let [a, b, c, d] = match line[first..].first_chunk::<RUN>() {
                Some(&run) => run.map(i32::from),
                // Narrower than a run: nobody analyses such a picture, but it is no reason to fail.
                None => [i32::from(line[center]); RUN],
            };
            luma[column] = ((a + b + c + d + 2) >> 2) as u8;
            steps[column] = (d - a).unsigned_abs() as u8;
            if row.is_multiple_of(NOISE_ROW_STEP) {
                let third = (d - a + 3 * (b - c)).unsigned_abs().min(255);
                self.noise_counts[third as usize] += 1;
            }
        }
    }

    /// Mean luma of each cell, 0..=255 as coded.
    #[must_use]
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// Difference of luma over three pixels at each cell: what blur takes away.
    #[must_use]
    pub fn steps(&self) -> &[u8] {
        &self.steps
    }

    /// Deviation of the noise of a pixel in luma steps, estimated from this frame alone. Fine texture adds to it.
    #[must_use]
    pub fn noise(&self) -> f32 {
        self.noise
    }

    /// Share of the picture, 0..=1, that is not grey. Half of a street by day; next to nothing under infrared light.
    #[must_use]
    pub fn colored_share(&self) -> f32 {
        self.colored_share
    }

    /// Mean level of the picture as a share of the way from black to white.
    #[must_use]
    pub fn mean_level(&self) -> f32 {
        let sum: u32 = self.luma.iter().map(|&luma| u32::from(luma)).sum();
        self.level(sum as f32 / CELLS as f32)
    }

    /// Luma as a share of the way from black to white.
    #[must_use]
    pub fn level(&self, luma: f32) -> f32 {
        match self.range {
            ColorRange::Limited => (luma - self.black()) / 219.0,
            ColorRange::Full => luma / 255.0,
        }
    }

    /// Luma of black.
    #[must_use]
    pub fn black(&self) -> f32 {
        match self.range {
            ColorRange::Limited => 16.0,
            ColorRange::Full => 0.0,
        }
    }

    /// Width and height of the frame in pixels.
    #[must_use]
    pub fn frame_size(&self) -> (u32, u32) {
        self.size
    }

    /// Whether every sampled pixel is the same.
    #[must_use]
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        self.luma == other.luma && self.steps == other.steps
    }

    /// Becomes a copy of another sample without allocating.
    pub fn copy_from(&mut self, other: &Self) {
        self.luma.copy_from_slice(&other.luma);
        self.steps.copy_from_slice(&other.steps);
        self.noise_counts.copy_from_slice(&other.noise_counts[..]);
        (self.noise, self.colored_share) = (other.noise, other.colored_share);
        (self.range, self.size) = (other.range, other.size);
    }
}

/// Share of the places looked at whose chroma is not grey.
fn colored_share(frame: &Frame) -> f32 {
    let layout = frame.layout();
    let (width, height) = (layout.width.div_ceil(2) as usize, layout.height.div_ceil(2) as usize);
    // Where Cr lies from Cb, and the next Cb: beside each other, or in planes of their own.
    let (cr_plane, cr_offset, step) = match layout.format {
        PixelFormat::I420 => (2, 0, 1),
        PixelFormat::Nv12 => (1, 1, 2),
    };
    let (mut colored, mut places) = (0_u32, 0_u32);
    for row in (COLOR_STEP / 2..ROWS).step_by(COLOR_STEP) {
        let line = (2 * row + 1) * height / (2 * ROWS);
        let blue = &frame.plane(1)[line * layout.strides[1]..];
        let red = &frame.plane(cr_plane)[line * layout.strides[cr_plane]..];
        for column in (COLOR_STEP / 2..COLUMNS).step_by(COLOR_STEP) {
            let at = (2 * column + 1) * width / (2 * COLUMNS) * step;
            let farthest = blue[at].abs_diff(128).max(red[at + cr_offset].abs_diff(128));
            colored += u32::from(farthest > GREY_TOLERANCE);
            places += 1;
        }
    }
    colored as f32 / places as f32
}

/// The median of values that were counted, interpolated within its bin.
fn median_of_counts(counts: &[u16; 256]) -> f32 {
    let total: u32 = counts.iter().map(|&count| u32::from(count)).sum();
    let (half, mut below) = (total as f32 / 2.0, 0.0);
    for (value, &count) in counts.iter().enumerate() {
        let count = f32::from(count);
        if count > 0.0 && below + count >= half {
            // A bin holds what rounds to its value; magnitudes begin at zero.
            let (from, to) = if value == 0 { (0.0, 0.5) } else { (value as f32 - 0.5, value as f32 + 0.5) };
            return from + (to - from) * (half - below) / count;
        }
        below += count;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::test_pictures::{Luma, frame, half_colored};
    use proptest::prelude::*;

    #[test]
    fn the_noise_of_a_flat_picture_is_measured() {
        for deviation in [1.0, 3.0, 8.0] {
            let noise = Luma::filled(120).noisy(deviation, 5).sample().noise();
            assert!((noise / deviation - 1.0).abs() < 0.15, "{noise} for {deviation}");
        }
    }

    #[test]
    fn cells_lie_where_the_picture_has_them() {
        let mut picture = Luma::filled(50);
        picture.fill(320, 180, 320, 180, 200);
        let sample = picture.sample();
        let at = |row: usize, column: usize| sample.luma()[row * COLUMNS + column];
        assert_eq!([at(0, 0), at(66, 239), at(134, 118), at(68, 121), at(134, 239)], [50, 50, 50, 200, 200]);
    }

    #[test]
    fn the_coloured_part_of_a_picture_is_measured_in_both_formats() {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let sample_with = |cb: u8, cr: u8| {
                let mut sample = LumaSample::new();
                sample.take(&half_colored(format, cb, cr));
                sample.colored_share()
            };
            assert!((sample_with(128, 140) - 0.5).abs() < 0.02, "{format:?}");
            assert!((sample_with(100, 128) - 0.5).abs() < 0.02, "{format:?}");
            assert!(sample_with(123, 133) <= 0.0, "a tint of compression: {format:?}");
        }
    }

    proptest! {
        #[test]
        fn every_size_of_frame_is_sampled(width in 2_usize..300, height in 2_usize..200, value in 0_u8..=255) {
            let mut sample = LumaSample::new();
            sample.take(&frame(vec![value; width * height], width, height));
            prop_assert!(sample.luma().iter().all(|&luma| luma == value));
            prop_assert!(sample.steps().iter().all(|&step| step == 0));
            prop_assert!(sample.colored_share() <= 0.0, "its chroma is grey");
        }
    }
}
