//! Optimal assignment of detections to tracks.

/// Pairs rows with columns so that the sum of scores is largest; pairs scoring below `floor` are left out.
///
/// A row and a column that have nobody else to pair with are taken at once; for the others, few as a rule, the Hungarian method with
/// potentials (Kuhn 1955, Munkres 1957), O(rows² · columns). `score` must be finite. Returns (row, column) pairs in order of rows.
#[must_use]
pub fn best_pairs(rows: usize, columns: usize, floor: f32, score: impl Fn(usize, usize) -> f32) -> Vec<(usize, usize)> {
    let mut candidates = Vec::with_capacity(rows.max(columns));
    let (mut of_row, mut of_column) = (vec![0; rows], vec![0; columns]);
    for (row, in_row) in of_row.iter_mut().enumerate() {
        for (column, in_column) in of_column.iter_mut().enumerate() {
            let score = score(row, column);
            if score >= floor {
                candidates.push((row, column, score));
                *in_row += 1;
                *in_column += 1;
            }
        }
    }
    let (alone, contested): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|&(row, column, _)| of_row[row] == 1 && of_column[column] == 1);
    let mut pairs: Vec<_> = alone.into_iter().map(|(row, column, _)| (row, column)).collect();
    if !contested.is_empty() {
        pairs.extend(best_of(&contested));
        pairs.sort_unstable();
    }
    pairs
}

/// The best pairs among candidates (row, column, score).
fn best_of(candidates: &[(usize, usize, f32)]) -> Vec<(usize, usize)> {
    let distinct = |of: fn(&(usize, usize, f32)) -> usize| {
        let mut values: Vec<usize> = candidates.iter().map(of).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let (rows, columns) = (distinct(|candidate| candidate.0), distinct(|candidate| candidate.1));
    let place = |values: &[usize], value| values.binary_search(&value).unwrap_or_default();
    // The method wants no more rows than columns.
    let is_flipped = rows.len() > columns.len();
    let (short, long) = if is_flipped { (&columns, &rows) } else { (&rows, &columns) };
    let mut scores = vec![None; short.len() * long.len()];
    for &(row, column, score) in candidates {
        let (short_of, long_of) = if is_flipped { (column, row) } else { (row, column) };
        scores[place(short, short_of) * long.len() + place(long, long_of)] = Some(score);
    }
    // A pair that is no candidate costs as much as none, so that it never displaces a good one.
    let gain = |i: usize, j: usize| scores[i * long.len() + j];
    let row_of_column = assign(short.len(), long.len(), |i, j| gain(i, j).map_or(0.0, |score: f32| -score));
    let pair = |i: usize, j: usize| if is_flipped { (long[j], short[i]) } else { (short[i], long[j]) };
    let pairs = (0..long.len()).filter_map(|j| row_of_column[j].filter(|&i| gain(i, j).is_some()).map(|i| pair(i, j)));
    pairs.collect()
}

/// Minimum-cost assignment of every row to a column; `rows <= columns`. Indices shifted by one: column 0 is the root of
/// the augmenting path.
fn assign(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f32) -> Vec<Option<usize>> {
    let mut row_potential = vec![0f32; rows + 1];
    let mut column_potential = vec![0f32; columns + 1];
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut previous = vec![0usize; columns + 1];
        let mut slack = vec![f32::INFINITY; columns + 1];
        let mut visited = vec![false; columns + 1];
        let mut column = 0;
        while row_of[column] != 0 {
            visited[column] = true;
            let (mut nearest, mut delta) = (0, f32::INFINITY);
            for next in (1..=columns).filter(|&next| !visited[next]) {
                let current = row_of[column];
                let reduced = cost(current - 1, next - 1) - row_potential[current] - column_potential[next];
                if reduced < slack[next] {
                    (slack[next], previous[next]) = (reduced, column);
                }
                if slack[next] < delta {
                    (delta, nearest) = (slack[next], next);
                }
            }
            for index in 0..=columns {
                if visited[index] {
                    row_potential[row_of[index]] += delta;
                    column_potential[index] -= delta;
                } else {
                    slack[index] -= delta;
                }
            }
            column = nearest;
        }
        while column != 0 {
            row_of[column] = row_of[previous[column]];
            column = previous[column];
        }
    }
    row_of[1..].iter().map(|&row| row.checked_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(pairs: &[(usize, usize)], scores: &[Vec<f32>]) -> f32 {
        pairs.iter().map(|&(r, c)| scores[r][c]).sum()
    }

    /// The best total over all ways to pair, by trying them all.
    fn exhaustive(scores: &[Vec<f32>], row: usize, used: &mut Vec<bool>, floor: f32) -> f32 {
        let Some(line) = scores.get(row) else { return 0.0 };
        let mut best = exhaustive(scores, row + 1, used, floor);
        for (column, &score) in line.iter().enumerate() {
            if !used[column] && score >= floor {
                used[column] = true;
                best = best.max(score + exhaustive(scores, row + 1, used, floor));
                used[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn is_as_good_as_trying_everything(
            rows in 0usize..5, columns in 0usize..5, values in proptest::collection::vec(0f32..1.0, 25)
        ) {
            let scores: Vec<Vec<f32>> = (0..rows).map(|r| values[r * 5..r * 5 + columns].to_vec()).collect();
            let pairs = best_pairs(rows, columns, 0.2, |r, c| scores[r][c]);
            let best = exhaustive(&scores, 0, &mut vec![false; columns], 0.2);
            prop_assert!((total(&pairs, &scores) - best).abs() < 1e-4, "{pairs:?} {best}");
            let (mut rows_used, mut columns_used) = (vec![false; rows], vec![false; columns]);
            for (r, c) in pairs {
                prop_assert!(!std::mem::replace(&mut rows_used[r], true));
                prop_assert!(!std::mem::replace(&mut columns_used[c], true));
                prop_assert!(scores[r][c] >= 0.2);
            }
        }
    }
}
