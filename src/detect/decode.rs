//! Output tensors → detections.
//!
//! A model's output is input from outside: values that are not finite, scores above 1 and boxes of negative size are
//! never detections, and a shape that does not fit is an error that names the output.

use super::letterbox::Letterbox;
use super::{Detection, Detections};

/// Most candidates kept before suppression; beyond it, the model is answering noise.
pub const MAX_CANDIDATES: usize = 4096;

/// Why output tensors cannot be decoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The two outputs disagree.
    #[error(
        "output \"boxes\" holds {boxes} values and \"scores\" {scores}; {classes} classes need 4 and {classes} per box"
    )]
    Shape {
        /// Values in `boxes`.
        boxes: usize,
        /// Values in `scores`.
        scores: usize,
        /// Classes of the manifest.
        classes: usize,
    },
    /// More candidates above the threshold than any picture holds.
    #[error("output \"scores\" has more than {MAX_CANDIDATES} values above {threshold_percent} %")]
    Flood {
        /// The threshold in per cent.
        threshold_percent: u32,
    },
    /// A value that is not a number.
    #[error("output \"{0}\" holds values that are not finite")]
    NotFinite(&'static str),
}

/// Decodes `boxes` `[N, 4]` (cx, cy, w, h in model pixels) and `scores` `[N, C]` (0..=1), each row-major, into `out`,
/// not yet suppressed. A box counts for its best class only.
pub fn boxes_and_scores(
    boxes: &[f32],
    scores: &[f32],
    classes: usize,
    threshold: f32,
    letterbox: &Letterbox,
    out: &mut Detections,
) -> Result<(), DecodeError> {
    out.clear();
    let count = boxes.len() / 4;
    if classes == 0 || boxes.len() != count * 4 || scores.len() != count * classes {
        return Err(DecodeError::Shape { boxes: boxes.len(), scores: scores.len(), classes });
    }
    for (bbox, scores) in boxes.chunks_exact(4).zip(scores.chunks_exact(classes)) {
        // Branch-free over the classes: almost every box ends here. `max` passes over NaN, the sum does not.
        let (best, sum) = scores.iter().fold((0f32, 0f32), |(best, sum), &score| (best.max(score), sum + score));
        if !sum.is_finite() {
            return Err(DecodeError::NotFinite("scores"));
        }
        if best < threshold {
            continue;
        }
        if bbox.iter().any(|v| !v.is_finite()) {
            return Err(DecodeError::NotFinite("boxes"));
        }
        let (true, Ok(bbox)) = (best <= 1.0, letterbox.frame_from_model(bbox[0], bbox[1], bbox[2], bbox[3])) else {
            continue;
        };
        if bbox.area() <= 0.0 {
            continue;
        }
        if out.len() == MAX_CANDIDATES {
            out.clear();
            return Err(DecodeError::Flood { threshold_percent: (threshold * 100.0) as u32 });
        }
        let class = scores.iter().position(|&score| score >= best).expect("the maximum is among them");
        out.push(Detection { class: class as u16, confidence: best, bbox });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(boxes: &[f32], scores: &[f32], classes: usize) -> Result<Detections, DecodeError> {
        let mut out = Vec::new();
        let letterbox = Letterbox::fit(1920, 1080, 416, 416);
        boxes_and_scores(boxes, scores, classes, 0.25, &letterbox, &mut out).map(|()| out)
    }

    #[test]
    fn a_box_takes_its_best_class_and_its_place_in_the_frame() {
        let found = decode(&[208.0, 208.0, 41.6, 23.4], &[0.1, 0.7, 0.3], 3).unwrap();
        assert_eq!((found.len(), found[0].class), (1, 1));
        assert!((found[0].confidence - 0.7).abs() < 1e-6);
        assert!((found[0].bbox.center().x - 0.5).abs() < 1e-3 && (found[0].bbox.width() - 0.1).abs() < 1e-3);
        assert!((found[0].bbox.height() - 0.1).abs() < 1e-3, "the border of the letterbox is taken off");
    }

    #[test]
    fn a_broken_model_is_named_and_detects_nothing() {
        assert_eq!(decode(&[1.0; 4], &[f32::NAN, 0.9], 2), Err(DecodeError::NotFinite("scores")));
        assert_eq!(decode(&[f32::INFINITY; 4], &[0.9, 0.1], 2), Err(DecodeError::NotFinite("boxes")));
        assert!(matches!(decode(&[1.0; 8], &[0.9, 0.1], 2), Err(DecodeError::Shape { .. })));
        assert_eq!(decode(&[200.0, 200.0, -5.0, 10.0], &[0.9, 0.1], 2), Ok(vec![]), "negative size");
        assert_eq!(decode(&[200.0, 200.0, 5.0, 10.0], &[9.0, 0.1], 2), Ok(vec![]), "score above 1");
        let flood = MAX_CANDIDATES + 1;
        assert!(matches!(
            decode(&[200.0, 200.0, 5.0, 5.0].repeat(flood), &[0.9].repeat(flood), 1),
            Err(DecodeError::Flood { .. })
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_bits_never_become_a_detection_outside_the_frame(
            bits in proptest::collection::vec(any::<u32>(), 24), scores in proptest::collection::vec(any::<u32>(), 12)
        ) {
            let floats = |v: &[u32]| v.iter().map(|&b| f32::from_bits(b)).collect::<Vec<_>>();
            if let Ok(found) = decode(&floats(&bits), &floats(&scores), 2) {
                for d in found {
                    prop_assert!((0.25..=1.0).contains(&d.confidence));
                    prop_assert!(d.bbox.area() > 0.0 && d.bbox.right() <= 1.0 && d.bbox.left() >= 0.0);
                }
            }
        }
    }
}
