//! From what an inference gave to detections: outputs by name, in the decoder's order, as 32-bit numbers.

use super::Detections;
use super::decode::{Converted, DecodeError, OutputDecoder, TensorView};
use super::letterbox::Letterbox;
use super::manifest::MAX_OUTPUTS;
use super::session::Binding;

/// A model's decoder and room for outputs that must be converted.
#[derive(Debug)]
pub(super) struct OutputReader {
    decoder: OutputDecoder,
    names: Vec<String>,
    converted: [Converted; MAX_OUTPUTS],
}

impl OutputReader {
    pub fn new(decoder: OutputDecoder) -> Self {
        let names = decoder.names().map(str::to_owned).collect();
        Self { decoder, names, converted: std::array::from_fn(|_| Converted::default()) }
    }

    /// Decodes what one inference gave into `out`.
    pub fn read(&mut self, outputs: &Binding, letterbox: &Letterbox, out: &mut Detections) -> Result<(), DecodeError> {
        out.clear();
        let mut views = [TensorView::default(); MAX_OUTPUTS];
        let mut count = 0;
        for ((name, view), room) in self.names.iter().zip(&mut views).zip(&mut self.converted) {
            let value = outputs.output(name).ok_or_else(|| DecodeError::Missing { output: name.clone() })?;
            *view = room.view(name, value)?;
            count += 1;
        }
        self.decoder.decode(&views[..count], letterbox, out)
    }
}
