//! Chroma of one output row: three rows of a plane are mixed into one, of which each output pixel takes three neighbours.

#![expect(clippy::inline_always, reason = "what is called by the version for AVX2 must be compiled into it")]

use super::plan::ChromaAxis;

/// A chroma sample of 1 in a mixed row.
pub(super) const UNIT: f32 = 256.0;

/// Cb or Cr of one output row.
#[derive(Debug, Default)]
pub(super) struct ChromaRow {
    /// The three rows, mixed: from the sample before the first middle one to that after the last. In units of 1 / [`UNIT`].
    mixed: Vec<u16>,
    /// Of each output pixel the sample before in the lower half, the middle one in the upper.
    pairs: Vec<u32>,
    /// Of each output pixel the sample after.
    after: Vec<u16>,
}

/// Three samples for each output pixel of a row.
#[derive(Clone, Copy)]
pub(super) struct Triples<'a> {
    pub(super) pairs: &'a [u32],
    pub(super) after: &'a [u16],
}

impl Triples<'_> {
    /// The same for slices that the compiler knows to be of one length.
    #[inline(always)]
    pub(super) fn of_length(self, count: usize) -> Self {
        Self { pairs: &self.pairs[..count], after: &self.after[..count] }
    }

    /// Chroma of a pixel in units of 1 / [`UNIT`].
    #[inline(always)]
    pub(super) fn at(self, index: usize, weight_before: f32, weight_after: f32) -> f32 {
        let (pair, after) = (self.pairs[index], f32::from(self.after[index]));
        let (before, middle) = ((pair & 0xffff) as f32, (pair >> 16) as f32);
        middle + (before - middle) * weight_before + (after - middle) * weight_after
    }
}

impl ChromaRow {
    /// For rows of at most `width` output pixels.
    pub(super) fn new(width: usize) -> Self {
        Self { mixed: Vec::new(), pairs: vec![0; width], after: vec![0; width] }
    }

    /// Mixes three rows of `count` samples, `STEP` bytes apart, by their weights (which add up to 1), and gathers what `axis` wants of them.
    /// Beyond the edges the last sample is repeated.
    #[inline(always)]
    pub(super) fn take<const STEP: usize>(
        &mut self,
        rows: [&[u8]; 3],
        count: usize,
        weights: [f32; 3],
        axis: &ChromaAxis,
    ) -> Triples<'_> {
        let (Some(&first), Some(&last)) = (axis.middle.first(), axis.middle.last()) else {
            return Triples { pairs: &[], after: &[] };
        };
        let (first, last) = (first as usize, last as usize);
        // What is mixed begins one sample before the first, so that the sample `first + i` is at `1 + i`.
        self.mixed.resize(last - first + 3, 0);
        let (from, to) = (first.saturating_sub(1), (last + 2).min(count));
        let begins_at = from + 1 - first;
        let inner = &mut self.mixed[begins_at..begins_at + to - from];
        mix::<STEP>(rows.map(|row| &row[STEP * from..]), weights, inner);
        let (leftmost, rightmost) = (inner[0], inner[inner.len() - 1]);
        self.mixed[..begins_at].fill(leftmost);
        self.mixed[begins_at + to - from..].fill(rightmost);

        let (pairs, after) = (&mut self.pairs[..axis.middle.len()], &mut self.after[..axis.middle.len()]);
        for ((pair, after), &middle) in pairs.iter_mut().zip(&mut *after).zip(&axis.middle) {
            let three = &self.mixed[middle as usize - first..][..3];
            *pair = u32::from(three[0]) | u32::from(three[1]) << 16;
            *after = three[2];
        }
        Triples { pairs, after }
    }
}

/// Three rows into one, in units of 1 / [`UNIT`]; no weight is 1.
#[inline(always)]
fn mix<const STEP: usize>(rows: [&[u8]; 3], weights: [f32; 3], out: &mut [u16]) {
    // Sixteen bits of each: a product's upper half is one instruction for sixteen samples.
    let weights = weights.map(|weight| u32::from((weight * 65536.0) as u16));
    let [a, b, c] = rows.map(|row| &row[..=STEP * (out.len() - 1)]);
    let part = |sample: u8, weight: u32| (((u32::from(sample) << 8) * weight) >> 16) as u16;
    for (index, out) in out.iter_mut().enumerate() {
        let at = STEP * index;
        *out = part(a[at], weights[0]) + part(b[at], weights[1]) + part(c[at], weights[2]);
    }
}
