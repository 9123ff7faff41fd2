//! A frame → a small one of its own memory: the decoder gets its buffer back, and a second takes less than a megabyte.

use crate::frame::{Frame, FrameError, FrameLayout, PixelFormat};

/// The frame as I420 with no side longer than `max_side`, each pixel the average of those it stands for; a copy if it is as small already.
pub(super) fn reduced(frame: &Frame, max_side: u32) -> Result<Frame, FrameError> {
    let FrameLayout { width, height, format, strides, .. } = *frame.layout();
    let longest = width.max(height);
    // Even, so that every pixel has its whole sample of chroma.
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(max_side) / u64::from(longest.max(max_side));
        (scaled as u32 / 2 * 2).max(2)
    };
    let (to_width, to_height) = (side(width), side(height));
    let chroma = |side: u32| side.div_ceil(2) as usize;
    let plane = |plane: usize, step: usize, offset: usize| {
        let source = Source { bytes: frame.plane(plane), stride: strides[plane], step, offset };
        let (from, to) = ((chroma(width), chroma(height)), (chroma(to_width), chroma(to_height)));
        averaged(&source, from, to)
    };
    let luma = Source { bytes: frame.plane(0), stride: strides[0], step: 1, offset: 0 };
    let luma = averaged(&luma, (width as usize, height as usize), (to_width as usize, to_height as usize));
    let planes = match format {
        PixelFormat::I420 => [luma, plane(1, 1, 0), plane(2, 1, 0)],
        PixelFormat::Nv12 => [luma, plane(1, 2, 0), plane(1, 2, 1)],
    };
    let strides = [to_width as usize, chroma(to_width), chroma(to_width)];
    let layout =
        FrameLayout { width: to_width, height: to_height, format: PixelFormat::I420, strides, ..*frame.layout() };
    Frame::try_from_planes(layout, *frame.stamp(), planes)
}

/// A plane inside a frame: every `step`-th byte from `offset` of each row.
struct Source<'a> {
    bytes: &'a [u8],
    stride: usize,
    step: usize,
    offset: usize,
}

/// A plane in another, not larger size.
fn averaged(source: &Source<'_>, from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let edge = |index: usize, from: usize, to: usize| index * from / to;
    let columns: Vec<(usize, usize)> = (0..to.0).map(|x| (edge(x, from.0, to.0), edge(x + 1, from.0, to.0))).collect();
    let mut samples = Vec::with_capacity(to.0 * to.1);
    let mut sums = vec![0u32; to.0];
    for y in 0..to.1 {
        let (top, bottom) = (edge(y, from.1, to.1), edge(y + 1, from.1, to.1));
        sums.fill(0);
        for row in top..bottom {
            let row = &source.bytes[row * source.stride + source.offset..];
            for (sum, &(left, right)) in sums.iter_mut().zip(&columns) {
                *sum += (left..right).map(|x| u32::from(row[x * source.step])).sum::<u32>();
            }
        }
        let averages = sums.iter().zip(&columns).map(|(sum, (left, right))| {
            let count = ((right - left) * (bottom - top)) as u32;
            ((sum + count / 2) / count) as u8
        });
        samples.extend(averages);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::redact::test_pictures::frame;
    use crate::frame::{ColorMatrix, ColorRange};

    const COLOURS: (ColorMatrix, ColorRange) = (ColorMatrix::Bt709, ColorRange::Limited);

    #[test]
    fn a_large_frame_becomes_as_small_as_wanted_and_keeps_what_it_shows() {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            for (from, to) in [((64, 36), (32, 18)), ((100, 75), (32, 24)), ((33, 65), (16, 32)), ((32, 18), (32, 18))]
            {
                // Left and right differ in every plane.
                let half = |plane: usize| from.0 as usize / if plane == 0 { 2 } else { 4 };
                let sides = |plane: usize, x: usize| (plane * 20 + if x < half(plane) { 50 } else { 150 }) as u8;
                let small = reduced(&frame(from, format, COLOURS, 5, |plane, x, _| sides(plane, x)), 32).unwrap();
                let layout = *small.layout();
                assert_eq!((layout.width, layout.height, layout.format), (to.0, to.1, PixelFormat::I420));
                assert_eq!((layout.matrix, layout.range), COLOURS);
                for plane in 0..3 {
                    let row = &small.plane(plane)[..layout.strides[plane]];
                    let ends = (row[0], row[row.len() - 1]);
                    assert_eq!(ends, ((plane * 20 + 50) as u8, (plane * 20 + 150) as u8), "{from:?} {plane}");
                }
            }
        }
    }

    #[test]
    fn a_pixel_is_the_average_of_those_it_stands_for() {
        let checked = frame((64, 36), PixelFormat::I420, COLOURS, 0, |_, x, y| ((x + y) % 2 * 200) as u8);
        let small = reduced(&checked, 32).unwrap();
        assert!(small.plane(0).iter().all(|luma| *luma == 100));
    }
}
