//! A frame → a small one of its own memory: the decoder gets its buffer back, and a second takes less than a megabyte.

use crate::frame::{Frame, FrameError, FrameLayout, PixelFormat};

/// The frame as I420 with no side longer than `max_side`, each pixel the mean of those it stands for; a copy if it is as small already.
pub(super) fn reduced(frame: &Frame, max_side: u32) -> Result<Frame, FrameError> {
    let FrameLayout { width, height, .. } = *frame.layout();
    let longest = width.max(height);
    // Even, so that every pixel has its whole sample of chroma.
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(max_side) / u64::from(longest.max(max_side));
        (scaled as u32 / 2 * 2).max(2)
    };
    let (width, height) = (side(width), side(height));
    let (wide, high) = (width as usize, height as usize);
    let [luma, cb, cr] = frame.planes();
    let planes = [luma.averaged(wide, high), cb.averaged(wide / 2, high / 2), cr.averaged(wide / 2, high / 2)];
    let strides = planes.each_ref().map(|plane| plane.width);
    let layout = FrameLayout { width, height, format: PixelFormat::I420, strides, ..*frame.layout() };
    Frame::try_from_planes(layout, *frame.stamp(), planes.map(|plane| plane.samples))
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
