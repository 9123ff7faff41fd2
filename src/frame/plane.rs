//! Planes of samples: within a frame as the decoder left them, or in memory of their own; copied as they are, or averaged to a smaller size.

use super::{Frame, PixelFormat};
use std::ops::Range;

/// One plane without padding between its rows.
pub(crate) struct Plane {
    pub(crate) samples: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Plane {
    /// The samples of row `y`.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..][..self.width]
    }

    /// The samples of row `y`, to be written.
    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.samples[y * self.width..][..self.width]
    }

    /// A copy of a part of it.
    pub(crate) fn part(&self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let (width, height) = (columns.len(), rows.len());
        let samples = rows.flat_map(|y| &self.row(y)[columns.clone()]).copied().collect();
        Self { samples, width, height }
    }

    /// Appends rows of one value.
    pub(crate) fn extend(&mut self, rows: usize, value: u8) {
        self.height += rows;
        self.samples.resize(self.width * self.height, value);
    }

    /// Sets a part of it to one value.
    pub(crate) fn fill(&mut self, columns: Range<usize>, rows: Range<usize>, value: u8) {
        for y in rows {
            self.row_mut(y)[columns.clone()].fill(value);
        }
    }

    /// As [`PlaneView::averaged`].
    pub(crate) fn averaged(&self, width: usize, height: usize) -> Self {
        let view = PlaneView {
            bytes: &self.samples,
            stride: self.width,
            step: 1,
            offset: 0,
            width: self.width,
            height: self.height,
        };
        view.averaged(width, height)
    }
}

/// A plane within a frame: every `step`-th byte from `offset` of each row.
pub(crate) struct PlaneView<'a> {
    bytes: &'a [u8],
    stride: usize,
    step: usize,
    offset: usize,
    width: usize,
    height: usize,
}

impl Frame {
    /// Y, Cb and Cr, whichever way the frame holds them; chroma halved in both directions and rounded up.
    pub(crate) fn planes(&self) -> [PlaneView<'_>; 3] {
        let (width, height) = (self.layout.width as usize, self.layout.height as usize);
        let view = |plane: usize, step, offset, width, height| {
            let (bytes, stride) = (self.plane(plane), self.layout.strides[plane]);
            PlaneView { bytes, stride, step, offset, width, height }
        };
        let chroma = |plane, step, offset| view(plane, step, offset, width.div_ceil(2), height.div_ceil(2));
        let luma = view(0, 1, 0, width, height);
        match self.layout.format {
            PixelFormat::I420 => [luma, chroma(1, 1, 0), chroma(2, 1, 0)],
            PixelFormat::Nv12 => [luma, chroma(1, 2, 0), chroma(1, 2, 1)],
        }
    }
}

impl PlaneView<'_> {
    /// A copy of it.
    pub(crate) fn tight(&self) -> Plane {
        let mut samples = Vec::with_capacity(self.width * self.height);
        for y in 0..self.height {
            let row = self.row(y);
            if self.step == 1 {
                samples.extend_from_slice(&row[..self.width]);
            } else {
                samples.extend(row.iter().step_by(self.step).take(self.width));
            }
        }
        Plane { samples, width: self.width, height: self.height }
    }

    /// A copy in another, not larger size: each sample is the mean of those that it stands for, so that no pattern appears that is not there.
    pub(crate) fn averaged(&self, width: usize, height: usize) -> Plane {
        let columns = spans(width, self.width);
        let mut samples = Vec::with_capacity(width * height);
        let mut sums = vec![0u32; self.width];
        for rows in spans(height, self.height) {
            sums.fill(0);
            for y in rows.clone() {
                let row = self.row(y);
                if self.step == 1 {
                    sums.iter_mut().zip(row).for_each(|(sum, sample)| *sum += u32::from(*sample));
                } else {
                    sums.iter_mut()
                        .zip(row.iter().step_by(self.step))
                        .for_each(|(sum, sample)| *sum += u32::from(*sample));
                }
            }
            samples.extend(columns.iter().map(|columns| {
                let count = (columns.len() * rows.len()) as u32;
                ((sums[columns.clone()].iter().sum::<u32>() + count / 2) / count) as u8
            }));
        }
        Plane { samples, width, height }
    }

    /// From the first sample of row `y`.
    fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.stride + self.offset..]
    }
}

/// The parts of `from` for which each of `to` stands, in order.
fn spans(to: usize, from: usize) -> Vec<Range<usize>> {
    (0..to).map(|at| at * from / to..(at + 1) * from / to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, height: usize, sample: impl Fn(usize, usize) -> u8) -> Plane {
        let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| sample(x, y)).collect();
        Plane { samples, width, height }
    }

    #[test]
    fn a_sample_is_the_mean_of_those_it_stands_for() {
        let half = plane(4, 4, |x, y| (x * 10 + y) as u8).averaged(2, 2);
        assert_eq!(half.samples, [6, 26, 8, 28]);
        let third = plane(5, 3, |x, _| (x * 10) as u8).averaged(2, 1);
        assert_eq!((third.samples, third.width, third.height), (vec![5, 30], 2, 1));
        let same = plane(3, 2, |x, y| (x * 10 + y) as u8);
        assert_eq!(same.averaged(3, 2).samples, same.samples);
    }

    #[test]
    fn every_second_byte_of_a_wider_row_is_a_plane_too() {
        let bytes: Vec<u8> = (0..24).collect();
        let view = PlaneView { bytes: &bytes, stride: 12, step: 2, offset: 1, width: 4, height: 2 };
        assert_eq!(view.tight().samples, [1, 3, 5, 7, 13, 15, 17, 19]);
        assert_eq!(view.averaged(2, 1).samples, [8, 12]);
    }
}
