//! A pedestrian of the footage who stands still, or walks where we want.

use super::prop::Part;
use crate::geometry::Point;
use crate::stage::StageError;
use crate::stage::canvas::Cutout;
use crate::stage::footage::Footage;
use crate::stage::pedestrians::Walker;

/// Frame of the footage, and the middle of the walker in it. A man who faces the camera.
const FRAME: u64 = 465;
const MIDDLE: Point = Point { x: 540.0, y: 256.0 };
/// How tall, in metres.
pub(super) const HEIGHT: f32 = 1.72;

/// The person, cut out, with the extent of the body inside the cut-out.
pub(super) struct Person {
    pub(super) cutout: Cutout,
    /// Left, top, right, bottom in the cut-out's pixels.
    pub(super) body: [f32; 4],
}

impl Person {
    /// Takes the walker out of the footage.
    pub(super) fn find(footage: &Footage) -> Result<Self, StageError> {
        Self::cut_out(footage.walkers(FRAME)).ok_or(StageError::NoAttendant)
    }

    /// As a part of a figure, standing so many metres to the right of its foot.
    pub(super) fn into_part(self, right: f32) -> Part {
        let [left, top, body_right, bottom] = self.body;
        let metre = (bottom - top) / HEIGHT;
        Part {
            foot: (f32::midpoint(left, body_right) - right * metre, bottom),
            metre,
            cutout: self.cutout,
            is_alive: true,
        }
    }

    /// The walker around [`MIDDLE`].
    fn cut_out(walkers: &[Walker]) -> Option<Self> {
        let Point { x, y } = MIDDLE;
        let walker = walkers.iter().find(|walker| {
            let (width, height) = walker.cutout.size();
            let inside = |start: usize, length: usize, at: f32| (start..start + length).contains(&(at as usize));
            inside(walker.left, width, x) && inside(walker.top, height, y)
        })?;
        let alpha = &walker.cutout.alpha;
        // Almost opaque: the soft rim is ground.
        let solid = |x: usize, y: usize| alpha.samples[y * alpha.width + x] > 250;
        let in_column = |x: &usize| (0..alpha.height).any(|y| solid(*x, y));
        let middle = x as usize - walker.left;
        // Whoever else was cut out with this one stands apart: the columns between are clear.
        let left = (0..middle).rev().take_while(in_column).last()?;
        let right = (middle..alpha.width).take_while(in_column).last()? + 1;
        let rows = || (0..alpha.height).filter(|&y| (left..right).any(|x| solid(x, y)));
        let body = [left, rows().min()?, right, rows().max()? + 1].map(|edge| edge as f32);
        let mut cutout = walker.cutout.clone();
        let kept = left.saturating_sub(2)..right + 2;
        for row in cutout.alpha.samples.chunks_exact_mut(alpha.width) {
            row.iter_mut().enumerate().filter(|(x, _)| !kept.contains(x)).for_each(|(_, alpha)| *alpha = 0);
        }
        Some(Self { cutout, body })
    }
}
