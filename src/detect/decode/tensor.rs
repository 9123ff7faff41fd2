//! One output tensor as decoders see it.

use super::DecodeError;
use ort::value::{DynValue, TensorElementType};

/// One output tensor: 32-bit numbers, row-major.
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorView<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// Its dimensions.
    pub shape: &'a [i64],
    /// Its values, as many as the product of the dimensions.
    pub values: &'a [f32],
}

impl<'a> TensorView<'a> {
    /// The dimensions `[1, rows, columns]`, or `[rows, columns]` of a model without batches; a dimension of 1 before the columns
    /// is passed over.
    pub(super) fn rows(&self, columns: usize) -> Result<usize, DecodeError> {
        let fits = match *self.shape {
            [1, rows, found] | [1, rows, 1, found] | [rows, found] => rows >= 0 && found == columns as i64,
            _ => false,
        };
        if fits && columns > 0 && self.values.len().is_multiple_of(columns) {
            Ok(self.values.len() / columns)
        } else {
            Err(self.misshapen(format!("[1, N, {columns}]")))
        }
    }

    /// As many values as there are boxes, whatever the dimensions.
    pub(super) fn list(&self, count: usize) -> Result<&'a [f32], DecodeError> {
        if self.values.len() == count { Ok(self.values) } else { Err(self.misshapen(format!("[1, {count}]"))) }
    }

    /// The dimensions `[1, planes, height, width]`.
    pub(super) fn planes(&self, planes: usize) -> Result<(usize, usize), DecodeError> {
        match *self.shape {
            [1, found, height, width]
                if found == planes as i64
                    && height > 0
                    && width > 0
                    && self.values.len() as i64 == found * height * width =>
            {
                Ok((height as usize, width as usize))
            }
            _ => Err(self.misshapen(format!("[1, {planes}, H, W]"))),
        }
    }

    pub(super) fn misshapen(&self, expected: String) -> DecodeError {
        DecodeError::Shape { output: self.name.to_owned(), found: self.shape.to_vec(), expected }
    }

    pub(super) fn not_finite(&self) -> DecodeError {
        DecodeError::NotFinite { output: self.name.to_owned() }
    }
}

/// Room for an output whose elements are not 32-bit floating point numbers; kept from frame to frame.
#[derive(Debug, Default)]
pub struct Converted(Vec<f32>);

impl Converted {
    /// Views a value, converting it into this room if it must. Integers beyond 2²⁴ lose digits; no class index comes near.
    pub fn view<'a>(&'a mut self, name: &'a str, value: &'a DynValue) -> Result<TensorView<'a>, DecodeError> {
        let unreadable = || DecodeError::ElementType { output: name.to_owned(), found: value.dtype().to_string() };
        let element = value.dtype().tensor_type().ok_or_else(unreadable)?;
        let mut converted = |shape: &'a [i64], values: &mut dyn Iterator<Item = f32>| {
            self.0.clear();
            self.0.extend(values);
            shape
        };
        let shape = if element == TensorElementType::Float32 {
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(|_| unreadable())?;
            return Ok(TensorView { name, shape, values });
        } else if element == TensorElementType::Float16 {
            let (shape, values) = value.try_extract_tensor::<half::f16>().map_err(|_| unreadable())?;
            converted(shape, &mut values.iter().map(|value| value.to_f32()))
        } else if element == TensorElementType::Int64 {
            let (shape, values) = value.try_extract_tensor::<i64>().map_err(|_| unreadable())?;
            converted(shape, &mut values.iter().map(|&value| value as f32))
        } else if element == TensorElementType::Int32 {
            let (shape, values) = value.try_extract_tensor::<i32>().map_err(|_| unreadable())?;
            converted(shape, &mut values.iter().map(|&value| value as f32))
        } else {
            return Err(unreadable());
        };
        Ok(TensorView { name, shape, values: &self.0 })
    }
}
