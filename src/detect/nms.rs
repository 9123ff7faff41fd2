//! Greedy non-maximum suppression within each class (as in Girshick et al., R-CNN, 2014).

use super::Detection;

/// Keeps, best first, each detection that no better one of its class overlaps by more than `iou_limit`; from 1 on, all of them.
///
/// Works in place without allocating. Ties in confidence are broken by place, so that the result does not depend on the
/// order of the input.
pub fn suppress(detections: &mut Vec<Detection>, iou_limit: f32) {
    detections.sort_unstable_by(|a, b| {
        let by_place = || <[f32; 4]>::from(a.bbox).partial_cmp(&<[f32; 4]>::from(b.bbox));
        b.confidence.total_cmp(&a.confidence).then(a.class.cmp(&b.class)).then_with(|| {
            // Boxes are finite, so that they always compare.
            by_place().unwrap_or(std::cmp::Ordering::Equal)
        })
    });
    if iou_limit >= 1.0 {
        return;
    }
    let mut kept = 0;
    for candidate in 0..detections.len() {
        let detection = detections[candidate];
        let is_repeat = detections[..kept]
            .iter()
            .any(|better| better.class == detection.class && better.bbox.iou(&detection.bbox) > iou_limit);
        if !is_repeat {
            detections[kept] = detection;
            kept += 1;
        }
    }
    detections.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;
    use proptest::prelude::*;

    fn any_detection() -> impl Strategy<Value = Detection> {
        (0u16..3, 0.1f32..1.0, 0.1f32..0.9, 0.1f32..0.9, 0.05f32..0.4, 0.05f32..0.4).prop_map(
            |(class, confidence, cx, cy, w, h)| Detection {
                class,
                confidence,
                bbox: BBox::try_from_center(cx, cy, w, h).unwrap(),
            },
        )
    }

    proptest! {
        #[test]
        fn survivors_do_not_overlap_and_the_suppressed_have_a_better_twin(
            mut detections in proptest::collection::vec(any_detection(), 0..60)
        ) {
            let all = detections.clone();
            suppress(&mut detections, 0.45);
            for (i, a) in detections.iter().enumerate() {
                for b in &detections[..i] {
                    prop_assert!(a.class != b.class || a.bbox.iou(&b.bbox) <= 0.45);
                    prop_assert!(b.confidence >= a.confidence);
                }
            }
            for gone in all.iter().filter(|d| !detections.contains(d)) {
                let has_better_twin = detections.iter().any(|kept| kept.class == gone.class
                    && kept.confidence >= gone.confidence && kept.bbox.iou(&gone.bbox) > 0.45);
                prop_assert!(has_better_twin);
            }
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(detections in proptest::collection::vec(any_detection(), 0..40)) {
            let (mut forward, mut backward) = (detections.clone(), detections);
            backward.reverse();
            suppress(&mut forward, 0.45);
            suppress(&mut backward, 0.45);
            prop_assert_eq!(forward, backward);
        }
    }
}
