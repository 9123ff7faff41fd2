//! Both steps, a pixel at a time.

use super::{CHROMA_LEVEL, CbCr, ChromaRows, Converter, LEVEL, Sources};
use crate::detect::letterbox::plan::Columns;

pub(super) fn mix(rows: ChromaRows<'_>, from: usize, shares: [i16; 3], out: &mut [CbCr]) {
    match rows {
        ChromaRows::Planes([blue, red]) => {
            for (index, out) in out.iter_mut().enumerate() {
                *out = [blue, red].map(|rows| mixed(rows.map(|row| row[from + index]), shares));
            }
        }
        ChromaRows::Interleaved(rows) => {
            for (index, out) in out.as_flattened_mut().iter_mut().enumerate() {
                *out = mixed(rows.map(|row| row[2 * from + index]), shares);
            }
        }
    }
}

fn mixed(samples: [u8; 3], shares: [i16; 3]) -> i16 {
    let part = |(sample, share)| times(i16::from(sample) * CHROMA_LEVEL, share);
    samples.into_iter().zip(shares).map(part).sum::<i16>() - 128 * CHROMA_LEVEL
}

pub(super) fn convert(sources: &Sources<'_>, columns: &Columns, converters: &[Converter; 3], out: [&mut [f32]; 3]) {
    let [first, second, third] = out;
    for (index, (&(at, x), chroma)) in columns.luma.iter().zip(&columns.chroma).enumerate() {
        let chroma = chroma_at(sources.chroma, chroma);
        // Beyond the right edge the last is repeated.
        let (left, right) = (at as usize, (at as usize + 1).min(columns.width - 1));
        let luma = sources.luma.map(|row| [row[left], row[right]].map(|sample| i16::from(sample) * LEVEL));
        first[index] = converters[0].value(luma, chroma, x, sources.y);
        second[index] = converters[1].value(luma, chroma, x, sources.y);
        third[index] = converters[2].value(luma, chroma, x, sources.y);
    }
}

fn chroma_at(mixed: &[CbCr], &(at, shares): &(u32, [i16; 3])) -> CbCr {
    let taps = &mixed[at as usize..][..3];
    [0, 1].map(|which| taps.iter().zip(shares).map(|(sample, share)| times(sample[which], share)).sum())
}

impl Converter {
    /// The value of a pixel among four of luma: each gets the colour and is cut to what can be shown, then they are interpolated.
    fn value(&self, luma: [[i16; 2]; 2], [cb, cr]: CbCr, x: i16, y: i16) -> f32 {
        let color = (i32::from(cb) * i32::from(self.chroma[0]) + i32::from(cr) * i32::from(self.chroma[1])) >> 16;
        let color = color as i16 - self.zero;
        // Cut is luma alone, to what shows nothing beyond black and white once the colour is added: the same, and fewer steps.
        let (low, high) = (-color, self.span - color);
        let row = |[left, right]: [i16; 2]| between(left.max(low).min(high), right.max(low).min(high), x);
        let level = between(row(luma[0]), row(luma[1]), y) + color;
        f32::from(level) * self.gain + self.black
    }
}

/// A value times a share, rounded to the nearest.
fn times(value: i16, share: i16) -> i16 {
    ((((i32::from(value) * i32::from(share)) >> 14) + 1) >> 1) as i16
}

fn between(from: i16, to: i16, share: i16) -> i16 {
    from + times(to - from, share)
}
