//! A pixel at a time.

use super::{CHROMA_LEVEL, Converter, LEVEL, Out, Sources, share_of_rows};
use crate::detect::letterbox::plan::{Column, Columns, near_and_next};

/// Of the four pixels around a place: the upper two, the lower two.
type Four = [[i16; 2]; 2];

pub(super) fn convert(sources: &Sources<'_>, columns: &Columns, converter: &Converter, mut out: Out<'_>) {
    let down = share_of_rows(sources.share);
    for (index, &Column { pair, shares }) in columns.all.iter().enumerate() {
        let luma = sources.luma.map(|row| pair.map(|column| i16::from(row[column]) * LEVEL));
        let chroma = sources.chroma.map(|rows| doubled(rows, pair, sources.is_first));
        let values = converter.values(luma, chroma, shares, down);
        match &mut out {
            Out::Planes(rows) => {
                for (row, value) in rows.iter_mut().zip(values) {
                    row[index] = value;
                }
            }
            Out::Pixels(pixels) => pixels[3 * index..][..3].copy_from_slice(&values),
        }
    }
}

/// Chroma of two columns in two rows, from its middle.
fn doubled(rows: [&[u8]; 3], pair: [usize; 2], is_first: bool) -> Four {
    let across = rows.map(|row| {
        pair.map(|column| {
            let [near, next] = near_and_next(column, row.len());
            3 * u16::from(row[near]) + u16::from(row[next])
        })
    });
    let mix = |near: usize, next: usize| {
        [0, 1].map(|column| {
            let sixteenths = 3 * across[near][column] + across[next][column];
            (CHROMA_LEVEL / 16 * sixteenths).wrapping_sub(128 * CHROMA_LEVEL) as i16
        })
    };
    if is_first { [mix(1, 0), mix(1, 2)] } else { [mix(1, 2), mix(2, 1)] }
}

impl Converter {
    /// The tensor's channels at a place among four pixels.
    fn values(&self, luma: Four, [cb, cr]: [Four; 2], across: [i16; 2], down: i16) -> [f32; 3] {
        let colors = [
            four(|row, column| times(cr[row][column], self.red)),
            four(|row, column| {
                times(cb[row][column], self.green[0]).saturating_add(times(cr[row][column], self.green[1]))
            }),
            four(|row, column| times(cb[row][column], self.blue)),
        ];
        let levels = self.in_order(colors).map(|color| {
            let [upper, lower] =
                four(|row, column| luma[row][column].saturating_add(color[row][column]).clamp(self.zero, self.white));
            let [left, right] = [0, 1].map(|column| upper[column] + times(lower[column] - upper[column], down));
            i32::from(left) * i32::from(across[0]) + i32::from(right) * i32::from(across[1])
        });
        std::array::from_fn(|index| levels[index] as f32 * self.gain[index] + self.offset[index])
    }
}

fn four(of: impl Fn(usize, usize) -> i16) -> Four {
    [0, 1].map(|row| [0, 1].map(|column| of(row, column)))
}

/// A value times a share in units of 1 / 2^15, rounded to the nearest.
fn times(value: i16, share: i16) -> i16 {
    ((((i32::from(value) * i32::from(share)) >> 14) + 1) >> 1) as i16
}
