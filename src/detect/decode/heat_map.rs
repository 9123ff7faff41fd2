//! A heat map of object centres for each class, with sizes and offsets beside it.
//!
//! CenterNet (Zhou et al. 2019, "Objects as Points"): a centre is a cell that none of its eight neighbours exceeds; sizes and offsets are in
//! cells, x first. CenterFace (Xu et al. 2019): every cell above the threshold counts, sizes are logarithms, the offset is added to the
//! cell's middle, y comes first; its boxes are suppressed afterwards. The stride is the input's size divided by the map's.

use super::DecodeError;
use super::candidates::Candidates;
use super::scores::ClassScores;
use super::tensor::TensorView;

pub(super) fn decode_centernet(
    heat: &TensorView<'_>,
    sizes: &TensorView<'_>,
    offsets: &TensorView<'_>,
    scores: &ClassScores,
    input: (u32, u32),
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    let map = Map::of(heat, sizes, offsets, scores.count(), input)?;
    map.for_each_centre(heat, scores, found, |map, plane, cell, raw| {
        if !map.is_peak(plane, cell, raw) {
            return None;
        }
        let (width, height) = (map.value(sizes, 0, cell), map.value(sizes, 1, cell));
        let (x, y) = (map.value(offsets, 0, cell), map.value(offsets, 1, cell));
        Some(map.bbox(cell, (x, y), (width, height)))
    })
}

pub(super) fn decode_centerface(
    heat: &TensorView<'_>,
    sizes: &TensorView<'_>,
    offsets: &TensorView<'_>,
    scores: &ClassScores,
    input: (u32, u32),
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    let map = Map::of(heat, sizes, offsets, scores.count(), input)?;
    map.for_each_centre(heat, scores, found, |map, _, cell, _| {
        let (height, width) = (map.value(sizes, 0, cell).exp(), map.value(sizes, 1, cell).exp());
        let (y, x) = (map.value(offsets, 0, cell) + 0.5, map.value(offsets, 1, cell) + 0.5);
        Some(map.bbox(cell, (x, y), (width, height)))
    })
}

/// Size of the maps in cells, and of a cell in input pixels.
struct Map {
    width: usize,
    height: usize,
    stride: (f32, f32),
}

impl Map {
    fn of(
        heat: &TensorView<'_>,
        sizes: &TensorView<'_>,
        offsets: &TensorView<'_>,
        classes: usize,
        input: (u32, u32),
    ) -> Result<Self, DecodeError> {
        let (height, width) = heat.planes(classes)?;
        for pair in [sizes, offsets] {
            if pair.planes(2)? != (height, width) {
                return Err(pair.misshapen(format!("[1, 2, {height}, {width}]")));
            }
        }
        Ok(Self { width, height, stride: (input.0 as f32 / width as f32, input.1 as f32 / height as f32) })
    }

    /// Adds the candidates whose boxes `bbox_of(map, plane, cell, raw score)` gives.
    fn for_each_centre(
        &self,
        heat: &TensorView<'_>,
        scores: &ClassScores,
        found: &mut Candidates<'_>,
        bbox_of: impl Fn(&Self, &[f32], usize, f32) -> Option<[f32; 4]>,
    ) -> Result<(), DecodeError> {
        let cells = self.width * self.height;
        for class in scores.named() {
            let plane = &heat.values[class * cells..][..cells];
            for (cell, &raw) in plane.iter().enumerate() {
                // Written so that NaN goes on.
                if raw < scores.raw_threshold() {
                    continue;
                }
                let confidence = scores.single(heat, raw)?;
                if !confidence.is_finite() {
                    return Err(heat.not_finite());
                }
                if let Some(bbox) = bbox_of(self, plane, cell, raw) {
                    found.push(heat, class as u16, confidence, bbox)?;
                }
            }
        }
        Ok(())
    }

    fn value(&self, pair: &TensorView<'_>, plane: usize, cell: usize) -> f32 {
        pair.values[plane * self.width * self.height + cell]
    }

    /// Whether none of the eight neighbours of a cell exceeds it.
    fn is_peak(&self, plane: &[f32], cell: usize, raw: f32) -> bool {
        let (x, y) = (cell % self.width, cell / self.width);
        let (rows, columns) =
            (y.saturating_sub(1)..=(y + 1).min(self.height - 1), x.saturating_sub(1)..=(x + 1).min(self.width - 1));
        rows.into_iter().all(|row| plane[row * self.width..][columns.clone()].iter().all(|&other| other <= raw))
    }

    /// The corners in input pixels of a box that is centred `offset` cells into its cell.
    fn bbox(&self, cell: usize, offset: (f32, f32), size: (f32, f32)) -> [f32; 4] {
        let (x, y) = ((cell % self.width) as f32 + offset.0, (cell / self.width) as f32 + offset.1);
        let (half_width, half_height) = (size.0 / 2.0, size.1 / 2.0);
        let (scale_x, scale_y) = self.stride;
        [
            (x - half_width) * scale_x,
            (y - half_height) * scale_y,
            (x + half_width) * scale_x,
            (y + half_height) * scale_y,
        ]
    }
}
