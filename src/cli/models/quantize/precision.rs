//! Average precision as COCO has it (Lin et al. 2014): 101 points, mean over overlaps and over classes.

use crate::detect::{Detection, Detections};
use std::collections::BTreeMap;

/// Places on the recall axis, from 0 to 1.
const RECALLS: u32 = 101;
/// A class counts from so many objects on: with fewer, one box that slips moves the mean.
const LEAST_TRUTHS: usize = 10;

/// The overlaps of COCO's measure.
pub(super) fn coco_limits() -> [f32; 10] {
    std::array::from_fn(|step| 0.5 + 0.05 * step as f32)
}

/// Mean average precision of what was found in each picture, best first, against its truth, at these overlaps (intersection over union);
/// over the classes of which the truth has enough, all if it has enough of none. 0 without any truth.
pub(super) fn average_precision(found: &[Detections], truth: &[Detections], limits: &[f32]) -> f64 {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    truth.iter().flatten().for_each(|object| *counts.entry(object.class).or_default() += 1);
    let enough = counts.values().any(|count| *count >= LEAST_TRUTHS);
    let classes: Vec<u16> =
        counts.iter().filter(|(_, count)| !enough || **count >= LEAST_TRUTHS).map(|(class, _)| *class).collect();
    let of_class = |class: u16| limits.iter().map(|limit| of_class(found, truth, class, *limit)).sum::<f64>();
    let sum: f64 = classes.iter().map(|class| of_class(*class)).sum();
    if classes.is_empty() { 0.0 } else { sum / (classes.len() * limits.len()) as f64 }
}

/// Of one class at one overlap.
fn of_class(found: &[Detections], truth: &[Detections], class: u16, limit: f32) -> f64 {
    let of = |detections: &Detections| -> Vec<Detection> {
        detections.iter().filter(|detection| detection.class == class).copied().collect()
    };
    let mut open: Vec<Vec<Detection>> = truth.iter().map(of).collect();
    let total = open.iter().map(Vec::len).sum::<usize>();
    let mut ranked: Vec<(usize, Detection)> = found
        .iter()
        .enumerate()
        .flat_map(|(picture, found)| of(found).into_iter().map(move |d| (picture, d)))
        .collect();
    ranked.sort_by(|a, b| b.1.confidence.total_cmp(&a.1.confidence));
    let (mut hits, mut points) = (0usize, Vec::with_capacity(ranked.len()));
    for (rank, (picture, detection)) in ranked.iter().enumerate() {
        let overlap = |object: &Detection| object.bbox.iou(&detection.bbox);
        let candidates = open[*picture].iter().enumerate().map(|(index, object)| (index, overlap(object)));
        let best = candidates.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, overlap)| *overlap >= limit);
        if let Some((index, _)) = best {
            // An object is found once.
            open[*picture].swap_remove(index);
            hits += 1;
        }
        points.push((hits as f64 / total as f64, hits as f64 / (rank + 1) as f64));
    }
    // The best precision at this recall or beyond.
    for index in (1..points.len()).rev() {
        points[index - 1].1 = points[index - 1].1.max(points[index].1);
    }
    let precision_at = |recall: f64| points.iter().find(|point| point.0 >= recall).map_or(0.0, |point| point.1);
    (0..RECALLS).map(|step| precision_at(f64::from(step) / f64::from(RECALLS - 1))).sum::<f64>() / f64::from(RECALLS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;

    fn seen(left: f32, confidence: f32) -> Detection {
        Detection { class: 0, confidence, bbox: BBox::try_new(left, 0.2, left + 0.2, 0.6).unwrap() }
    }

    fn ap(found: &[Detections], truth: &[Detections]) -> f64 {
        average_precision(found, truth, &coco_limits())
    }

    #[test]
    fn the_truth_itself_is_precise_and_nothing_is_not() {
        let truth = vec![vec![seen(0.1, 0.9), seen(0.6, 0.8)], vec![seen(0.3, 0.7)]];
        assert!((ap(&truth, &truth) - 1.0).abs() < 1e-9);
        assert!(ap(&[vec![], vec![]], &truth) <= 0.0);
        assert!(ap(&truth, &[vec![], vec![]]) <= 0.0, "nothing can be told");
    }

    #[test]
    fn a_false_alarm_above_half_of_the_truth_and_a_box_beside_it_cost_what_they_should() {
        let truth = vec![vec![seen(0.1, 1.0), seen(0.6, 1.0)]];
        // Recall 0 to 0.5 at precision 1, the rest at two of three: 51 and 50 of the 101 points.
        let found = vec![vec![seen(0.1, 0.9), seen(0.35, 0.8), seen(0.6, 0.7)]];
        let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((ap(&found, &truth) - expected).abs() < 1e-9);
        // An overlap of 0.18 / 0.22 counts at the limits 0.50 to 0.80: 7 of 10.
        let beside = vec![vec![seen(0.12, 0.9), seen(0.62, 0.8)]];
        assert!((ap(&beside, &truth) - 0.7).abs() < 1e-6);
        // Twice the same object: the second is a false alarm below all of the truth, which costs nothing.
        let twice = vec![vec![seen(0.1, 0.9), seen(0.6, 0.8), seen(0.1, 0.7)]];
        assert!((ap(&twice, &truth) - 1.0).abs() < 1e-9);
    }
}
