//! Frames into one input tensor.

use super::color::border;
use super::pass::{self, Element, Scratch, Target};
use super::plan::Plan;
use super::{Letterbox, PixelRect};
use crate::detect::manifest::Input;
use crate::frame::Frame;

/// Layouts whose plan is kept. One runner sees every camera of the box in turn; beyond so many different ones the oldest is computed
/// anew when it comes again. A plan takes 24 KiB for an input of 416 × 416.
const MAX_PLANS: usize = 128;

/// Writes frames into one input tensor.
#[derive(Debug)]
pub struct InputWriter {
    input: Input,
    plans: Vec<Plan>,
    /// Index of the plan that is replaced next when there are [`MAX_PLANS`].
    oldest: usize,
    /// What was written last; `None` before the first. While it stays where it is, nobody overwrites the border.
    written: Option<Letterbox>,
    scratch: Scratch,
}

impl InputWriter {
    /// For the input of a manifest.
    #[must_use]
    pub fn new(input: &Input) -> Self {
        let scratch = Scratch::new(input.width);
        Self { input: input.clone(), plans: Vec::new(), oldest: 0, written: None, scratch }
    }

    /// Writes a part of a frame into `tensor` and says how it lies there. Give it the same tensor each time: a border that is
    /// already there is not written again.
    ///
    /// # Panics
    /// If `tensor` does not hold `3 * width * height` elements, or `part` reaches beyond the frame.
    pub fn write<E: Element>(&mut self, frame: &Frame, part: PixelRect, tensor: &mut [E]) -> Letterbox {
        let (width, height) = (self.input.width as usize, self.input.height as usize);
        assert_eq!(tensor.len(), 3 * width * height, "three values per pixel of the model's input");
        let index = self.plan(frame, part);
        let plan = &self.plans[index];
        let mut target = Target { elements: tensor, layout: self.input.layout, width, height };
        if !self.written.is_some_and(|written| written.has_border_of(&plan.letterbox)) {
            target.fill(border(&self.input));
        }
        self.written = Some(plan.letterbox);
        pass::write(plan, frame, &mut self.scratch, &mut target);
        plan.letterbox
    }

    /// Index of the plan for that part of such a frame.
    fn plan(&mut self, frame: &Frame, part: PixelRect) -> usize {
        let layout = *frame.layout();
        if let Some(index) = self.plans.iter().position(|plan| plan.layout == layout && plan.part == part) {
            return index;
        }
        let plan = Plan::new(layout, part, &self.input);
        if self.plans.len() < MAX_PLANS {
            self.plans.push(plan);
            return self.plans.len() - 1;
        }
        let index = self.oldest;
        self.oldest = (self.oldest + 1) % MAX_PLANS;
        self.plans[index] = plan;
        index
    }
}
