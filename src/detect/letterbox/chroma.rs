//! Chroma of one output row.

use super::plan::Columns;
use super::row::{CbCr, ChromaRows, mix};

/// Three rows of chroma, mixed into one: from the sample before the first that is wanted to the second after the last, so that four can be
/// read from the first of any three.
#[derive(Debug, Default)]
pub(super) struct ChromaRow(Vec<CbCr>);

impl ChromaRow {
    /// Mixes three rows of `count` samples by their shares. Beyond the edges the last sample is repeated.
    pub(super) fn mix(&mut self, rows: ChromaRows<'_>, count: usize, shares: [i16; 3], columns: &Columns) -> &[CbCr] {
        let (first, wanted) = (columns.chroma_begin, columns.chroma_count);
        // The sample `first + i` is at `1 + i`.
        self.0.resize(wanted + 3, [0; 2]);
        let (from, to) = (first.saturating_sub(1), (first + wanted + 1).min(count));
        let begins_at = from + 1 - first;
        let inner = &mut self.0[begins_at..begins_at + to - from];
        mix(rows, from, shares, inner);
        let (leftmost, rightmost) = (inner[0], inner[inner.len() - 1]);
        self.0[..begins_at].fill(leftmost);
        self.0[begins_at + to - from..].fill(rightmost);
        &self.0
    }
}
