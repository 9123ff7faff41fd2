//! The luma of a frame, sampled on a coarse grid: all that picture health and the change gate look at.
//!
//! Reading 4 of every 64 pixels of a 1080p frame costs about a thousandth of its inference. The buffers are reused: in the steady
//! state nothing is allocated.

use crate::frame::{ColorRange, Frame};

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
            range: ColorRange::Limited,
            size: (0, 0),
        }
    }

    /// Samples the Y plane of a frame; what this held before is overwritten.
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
        (self.noise, self.range, self.size) = (other.noise, other.range, other.size);
    }
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
    use crate::picture::test_pictures::{Luma, frame};
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

    proptest! {
        #[test]
        fn every_size_of_frame_is_sampled(width in 2_usize..300, height in 2_usize..200, value in 0_u8..=255) {
            let mut sample = LumaSample::new();
            sample.take(&frame(vec![value; width * height], width, height));
            prop_assert!(sample.luma().iter().all(|&luma| luma == value));
            prop_assert!(sample.steps().iter().all(|&step| step == 0));
        }
    }
}
