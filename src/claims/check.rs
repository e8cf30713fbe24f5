//! Results of an experiment's programs against the CPU in f64.

use crate::error::{Error, Result};

/// A mismatch, unless it is so.
pub fn ensure(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if is_so { Ok(()) } else { Err(Error::Mismatch(otherwise())) }
}

/// Whether every element is within its bound of what it should be.
pub fn within(
    what: &str,
    actual: &[f32],
    expected: &[f64],
    bound: impl Fn(usize) -> f64,
) -> Result<()> {
    as_many(what, actual.len(), expected.len())?;
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let (off, allowed) = ((f64::from(*actual) - expected).abs(), bound(index));
        // NaN is out of bounds.
        ensure(off <= allowed, || {
            let bits = actual.to_bits();
            format!(
                "{what}: element {index} is {actual:e} ({bits:#010x}) instead of {expected:e} within {allowed:e}"
            )
        })?;
    }
    Ok(())
}

/// Whether a tensor is what it should be by norm: the norm of the difference is at most such a
/// share of the norm of what is expected.
pub fn within_norm(what: &str, actual: &[f32], expected: &[f64], share: f64) -> Result<()> {
    as_many(what, actual.len(), expected.len())?;
    let difference =
        norm(actual.iter().zip(expected).map(|(actual, expected)| f64::from(*actual) - expected));
    let size = norm(expected.iter().copied());
    ensure(difference <= share * size, || {
        format!(
            "{what}: differs from f64 by {difference:e}; {share:e} of its norm, {size:e}, is allowed"
        )
    })
}

fn as_many(what: &str, actual: usize, expected: usize) -> Result<()> {
    ensure(actual == expected, || format!("{what}: {actual} elements instead of {expected}"))
}

/// The Euclidean norm.
pub fn norm(elements: impl Iterator<Item = f64>) -> f64 {
    elements.map(|element| element * element).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_found() {
        let fine = [1.0, 2.0, 3.0];
        assert!(within("x", &fine, &[1.0, 2.1, 3.0], |_| 0.11).is_ok());
        assert!(within("x", &fine, &[1.0, 2.1, 3.0], |index| [0.0, 0.09, 0.0][index]).is_err());
        assert!(within("x", &fine, &[1.0, 2.0], |_| 1.0).is_err());
        for wrong in [f32::NAN, f32::INFINITY] {
            assert!(within("x", &[wrong], &[1.0], |_| 1e9).is_err());
            assert!(within_norm("x", &[wrong, 1.0], &[1.0, 1.0], 0.5).is_err());
        }
        assert!(within("x", &[1.0], &[f64::NAN], |_| 1e9).is_err());
    }

    #[test]
    fn norms_are_compared_as_shares() {
        assert!(within_norm("x", &[3.0, 4.05], &[3.0, 4.0], 0.0101).is_ok());
        assert!(within_norm("x", &[3.0, 4.05], &[3.0, 4.0], 0.0099).is_err());
        assert!(within_norm("x", &[0.0], &[0.0], 0.0).is_ok());
        assert!(within_norm("x", &[1.0], &[1.0, 0.0], 1.0).is_err());
    }
}
