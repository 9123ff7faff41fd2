//! The best class of a row of scores, and its confidence.

#![expect(clippy::inline_always, reason = "what is called by a version for AVX2 must be compiled into it")]

use super::DecodeError;
use super::tensor::TensorView;
use crate::detect::manifest::Scores;
use std::ops::Range;

/// How far above 1 rounding (of 16-bit or quantised models) may take a probability.
const PROBABILITY_TOLERANCE: f32 = 1e-2;
/// Scores summed side by side; the compiler makes vectors of them.
const LANES: usize = 8;
/// Scores compared side by side: enough vectors that none waits for the one before.
const MANY_LANES: usize = 32;

/// Which columns of a score tensor count, and what their values are.
#[derive(Debug)]
pub(super) struct ClassScores {
    kind: Scores,
    /// Whether each class has a name; the others are never reported.
    is_named: Vec<bool>,
    /// From the first named class to the last.
    span: Range<usize>,
    threshold: f32,
    /// The raw value below which no class can reach the threshold.
    raw_threshold: f32,
}

impl ClassScores {
    pub fn new(kind: Scores, classes: &[String], threshold: f32) -> Self {
        let is_named: Vec<bool> = classes.iter().map(|name| !name.is_empty()).collect();
        let first = is_named.iter().position(|&named| named).unwrap_or(0);
        let last = is_named.iter().rposition(|&named| named).map_or(0, |last| last + 1);
        let raw_threshold = match kind {
            Scores::Probability => threshold,
            Scores::Logit => (threshold / (1.0 - threshold)).ln(),
            Scores::Softmax => f32::NEG_INFINITY,
        };
        Self { kind, is_named, span: first..last, threshold, raw_threshold }
    }

    /// Number of classes, with or without names.
    pub fn count(&self) -> usize {
        self.is_named.len()
    }

    /// Classes that are reported, ascending.
    pub fn named(&self) -> impl Iterator<Item = usize> + '_ {
        self.span.clone().filter(|&class| self.is_named[class])
    }

    /// The class that a number in an output stands for; none for one without a name.
    pub fn class_of(&self, output: &TensorView<'_>, number: f32) -> Result<Option<u16>, DecodeError> {
        let classes = self.is_named.len();
        let nearest = number.round();
        // Written so that NaN is refused.
        if !((number - nearest).abs() < 1e-3 && nearest >= 0.0 && nearest < classes as f32) {
            return Err(DecodeError::Class { output: output.name.to_owned(), class: number, classes });
        }
        Ok(self.is_named[nearest as usize].then_some(nearest as u16))
    }

    /// Whether some rows of [`Self::count`] scores surely hold no object and no error. Says no where it cannot tell.
    #[inline(always)]
    pub fn are_quiet(&self, rows: &[f32]) -> bool {
        // Logits of a softmax mean nothing alone, and a class without a name may be the loudest of all.
        if self.kind == Scores::Softmax || self.span.len() != self.is_named.len() {
            return false;
        }
        let mut is_loud = [0u32; MANY_LANES];
        let (chunks, rest) = rows.as_chunks::<MANY_LANES>();
        for chunk in chunks {
            for (is_loud, &score) in is_loud.iter_mut().zip(chunk) {
                *is_loud |= self.is_loud(score);
            }
        }
        for (is_loud, &score) in is_loud.iter_mut().zip(rest) {
            *is_loud |= self.is_loud(score);
        }
        is_loud.iter().fold(0, |any, is_loud| any | is_loud) == 0
    }

    /// 1 for a raw score that reaches the threshold or is not finite, else 0: numbers, so that many are compared at once.
    #[inline(always)]
    fn is_loud(&self, score: f32) -> u32 {
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is below nothing")]
        let reaches = !(score < self.raw_threshold);
        u32::from(reaches) | u32::from(score < f32::MIN)
    }

    /// The best named class of a row of [`Self::count`] scores and its confidence, if it reaches the threshold once it is
    /// multiplied by `factor` (0..=1).
    #[inline(always)]
    pub fn best(&self, output: &TensorView<'_>, row: &[f32], factor: f32) -> Result<Option<(u16, f32)>, DecodeError> {
        let lanes = Lanes::of(&row[self.span.clone()]);
        if !lanes.are_finite() {
            return Err(output.not_finite());
        }
        // Almost every row ends here.
        if self.kind != Scores::Softmax && lanes.are_below(self.raw_threshold) {
            return Ok(None);
        }
        let highest = lanes.highest();
        // A softmax is below the threshold if it is so against the strongest rival alone.
        let hopeless = match self.kind {
            Scores::Probability => highest * factor < self.threshold,
            Scores::Logit => highest < self.raw_threshold,
            Scores::Softmax => {
                let rivals = Lanes::of(row);
                if !rivals.are_finite() {
                    return Err(output.not_finite());
                }
                logistic(highest - rivals.highest()) < self.threshold && highest < rivals.highest()
            }
        };
        if hopeless {
            return Ok(None);
        }
        let loudest = row[self.span.clone()].iter().position(|score| *score >= highest).map(|at| self.span.start + at);
        let Some(class) = loudest.filter(|&class| self.is_named[class]).or_else(|| self.best_named(row)) else {
            return Ok(None);
        };
        let confidence = self.confidence(output, row, row[class])? * factor;
        Ok((confidence >= self.threshold).then_some((class as u16, confidence)))
    }

    /// The named class with the highest of a row of scores; the first of equals.
    fn best_named(&self, row: &[f32]) -> Option<usize> {
        let best = |best: Option<usize>, class: usize| match best {
            Some(known) if row[known] >= row[class] => Some(known),
            Some(_) | None => Some(class),
        };
        self.named().fold(None, best)
    }

    /// The probability that a raw score of `row` stands for.
    fn confidence(&self, output: &TensorView<'_>, row: &[f32], raw: f32) -> Result<f32, DecodeError> {
        match self.kind {
            Scores::Probability => probability(output, raw),
            Scores::Logit => Ok(logistic(raw)),
            Scores::Softmax => Ok(1.0 / row.iter().map(|other| (other - raw).exp()).sum::<f32>()),
        }
    }

    /// The probability that a raw score stands for, where there is no row of rivals.
    pub fn single(&self, output: &TensorView<'_>, raw: f32) -> Result<f32, DecodeError> {
        self.confidence(output, &[], raw)
    }

    /// The raw value below which no class can reach the threshold.
    pub fn raw_threshold(&self) -> f32 {
        self.raw_threshold
    }
}

/// `score`, if it is one.
pub(super) fn probability(output: &TensorView<'_>, score: f32) -> Result<f32, DecodeError> {
    if !score.is_finite() {
        Err(output.not_finite())
    } else if score > 1.0 + PROBABILITY_TOLERANCE {
        Err(DecodeError::NotProbability { output: output.name.to_owned(), score })
    } else {
        Ok(score.min(1.0))
    }
}

fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The highest values and the sums of a row, in lanes that the compiler makes vectors of. A maximum passes over NaN; a sum does not.
struct Lanes {
    highest: [f32; LANES],
    sums: [f32; LANES],
}

impl Lanes {
    #[inline(always)]
    fn of(values: &[f32]) -> Self {
        let (mut highest, mut sums) = ([f32::NEG_INFINITY; LANES], [0f32; LANES]);
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                highest[lane] = larger(highest[lane], chunk[lane]);
                sums[lane] += chunk[lane];
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            highest[lane] = larger(highest[lane], value);
            sums[lane] += value;
        }
        Self { highest, sums }
    }

    #[inline(always)]
    fn are_finite(&self) -> bool {
        self.sums.iter().fold(true, |all, sum| all & sum.is_finite())
    }

    #[inline(always)]
    fn are_below(&self, limit: f32) -> bool {
        // Without a branch, so that it is one comparison of vectors.
        self.highest.iter().map(|highest| u32::from(*highest >= limit)).sum::<u32>() == 0
    }

    #[inline(always)]
    fn highest(&self) -> f32 {
        self.highest.iter().copied().fold(f32::NEG_INFINITY, larger)
    }
}

/// The larger of two; the first if the second is not a number.
#[inline(always)]
fn larger(first: f32, second: f32) -> f32 {
    if second > first { second } else { first }
}
