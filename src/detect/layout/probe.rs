//! One inference on a grey picture: what the outputs look like, in shape and in value.

use crate::detect::decode::Converted;
use crate::detect::manifest::{ElementType, Input};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;

/// An output as one inference wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Name of the tensor.
    pub name: String,
    /// The shape that the model declares; -1 for a dimension left open. Empty if it declares none.
    pub declared: Vec<i64>,
    /// The shape that it had.
    pub shape: Vec<i64>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// Runs a model once on a grey picture.
pub(in crate::detect) fn probe(session: &mut Session, input: &Input) -> ort::Result<Vec<Seen>> {
    let shape = input.shape();
    let count = shape.iter().product::<i64>() as usize;
    let image: SessionInputValue<'_> = match input.dtype {
        ElementType::F32 => {
            let grey = (127.0 * input.scale - input.mean[0]) / input.std[0];
            Tensor::from_array((shape, vec![grey; count]))?.into()
        }
        ElementType::F16 => Tensor::from_array((shape, vec![half::f16::from_f32(0.5); count]))?.into(),
        ElementType::U8 => Tensor::from_array((shape, vec![127u8; count]))?.into(),
    };
    let mut inputs = vec![(input.name.clone(), image)];
    if let Some(name) = &input.size_input {
        let size = vec![i64::from(input.width), i64::from(input.height)];
        inputs.push((name.clone(), Tensor::from_array(([1, 2], size))?.into()));
    }
    let declared: Vec<(String, Vec<i64>)> = session
        .outputs()
        .iter()
        .map(|outlet| {
            let shape = crate::detect::signature::shape_of(outlet).unwrap_or_default();
            (outlet.name().to_owned(), shape.to_vec())
        })
        .collect();
    let outputs = session.run(inputs)?;
    let mut seen = Vec::new();
    for (name, declared) in declared {
        let Some(value) = outputs.get(&name) else { continue };
        let mut room = Converted::default();
        // An output that no decoder could read anyway tells nothing.
        if let Ok(view) = room.view(&name, value) {
            let (shape, values) = (view.shape.to_vec(), view.values.to_vec());
            seen.push(Seen { name: name.clone(), declared, shape, values });
        }
    }
    Ok(seen)
}
