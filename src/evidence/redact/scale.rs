//! Planes made smaller: each pixel is the mean of those that it stands for, so that no pattern appears that is not there.

use super::planes::{JfifPlanes, Plane};

impl JfifPlanes {
    /// Planes of at most this width, in the same proportions; wider ones are never made of narrower ones.
    pub(super) fn scaled_to(self, max_width: usize) -> Self {
        let (width, height) = (self.luma.width, self.luma.height);
        if width <= max_width {
            return self;
        }
        // At least one chroma sample.
        let (wide, high) = (max_width.max(2), (height * max_width).div_ceil(width).max(2));
        let (half_wide, half_high) = (wide.div_ceil(2), high.div_ceil(2));
        Self {
            luma: self.luma.scaled_to(wide, high),
            cb: self.cb.scaled_to(half_wide, half_high),
            cr: self.cr.scaled_to(half_wide, half_high),
        }
    }
}

impl Plane {
    /// Not larger than it is.
    fn scaled_to(&self, width: usize, height: usize) -> Self {
        let spans = |length: usize, of: usize| -> Vec<(usize, usize)> {
            (0..length).map(|at| (at * of / length, ((at + 1) * of / length).max(at * of / length + 1))).collect()
        };
        let columns = spans(width, self.width);
        let mut samples = Vec::with_capacity(width * height);
        let mut sums = vec![0u32; self.width];
        for (top, bottom) in spans(height, self.height) {
            sums.fill(0);
            for y in top..bottom {
                for (sum, sample) in sums.iter_mut().zip(self.row(y)) {
                    *sum += u32::from(*sample);
                }
            }
            samples.extend(columns.iter().map(|(left, right)| {
                let pixels = ((right - left) * (bottom - top)) as u32;
                ((sums[*left..*right].iter().sum::<u32>() + pixels / 2) / pixels) as u8
            }));
        }
        Self { samples, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, height: usize, sample: impl Fn(usize, usize) -> u8) -> Plane {
        let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| sample(x, y)).collect();
        Plane { samples, width, height }
    }

    #[test]
    fn a_pixel_is_the_mean_of_those_it_stands_for() {
        let half = plane(4, 4, |x, y| (x * 10 + y) as u8).scaled_to(2, 2);
        assert_eq!(half.samples, [6, 26, 8, 28]);
        let third = plane(5, 3, |x, _| (x * 10) as u8).scaled_to(2, 1);
        assert_eq!((third.samples, third.width, third.height), (vec![5, 30], 2, 1));
    }

    #[test]
    fn proportions_stay_and_nothing_is_enlarged() {
        let planes = |width: usize, height: usize| JfifPlanes {
            luma: plane(width, height, |_, _| 7),
            cb: plane(width.div_ceil(2), height.div_ceil(2), |_, _| 8),
            cr: plane(width.div_ceil(2), height.div_ceil(2), |_, _| 9),
        };
        let sizes = |planes: &JfifPlanes| [&planes.luma, &planes.cb, &planes.cr].map(|p| (p.width, p.height));
        let small = planes(1920, 1080).scaled_to(960);
        assert_eq!(sizes(&small), [(960, 540), (480, 270), (480, 270)]);
        assert!(small.luma.samples.iter().all(|sample| *sample == 7));
        assert_eq!(sizes(&planes(1921, 1081).scaled_to(960)), [(960, 541), (480, 271), (480, 271)]);
        assert_eq!(sizes(&planes(640, 360).scaled_to(960)), [(640, 360), (320, 180), (320, 180)]);
        assert_eq!(sizes(&planes(16384, 2).scaled_to(960))[0], (960, 2));
    }
}
