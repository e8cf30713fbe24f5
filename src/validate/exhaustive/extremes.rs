//! The ends of what a kernel returns, and where they are.

use serde::{Deserialize, Serialize};

use crate::kernels::dtype::{Elements, values};
use crate::validate::accuracy::Accuracy;
use crate::validate::elementwise::Piece;

/// What the sweep of one kernel found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Errors against the bound.
    pub accuracy: Accuracy,
    /// The ends of what came out.
    pub extremes: Extremes,
}

/// The ends of what a kernel returned for finite inputs, each with its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Extremes {
    /// The smallest result; of a backward kernel that reads x, the smallest dx / dy.
    pub smallest: Option<At>,
    /// The largest. Of equals, the one nearest to 0.
    pub largest: Option<At>,
}

/// A result and the input that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// The result.
    pub value: f64,
    /// The input.
    pub input: f64,
}

impl Found {
    pub(super) fn merge(&mut self, behind: &Self) {
        self.accuracy.merge(&behind.accuracy);
        self.extremes.merge(&behind.extremes);
    }
}

impl Extremes {
    /// Those of results of patterns in their order and of one sign; of dx / dy, where dy is not
    /// empty.
    pub(super) fn of<E: Elements>(piece: &Piece<'_>) -> Self {
        let (input, mut results) = (values::<E>(piece.first), values::<E>(piece.actual));
        if !piece.dy.is_empty() {
            let dy = values::<E>(piece.dy);
            results.iter_mut().zip(dy).for_each(|(result, dy)| *result /= dy);
        }
        for (result, input) in results.iter_mut().zip(&input) {
            // No end, as nothing compares with it.
            *result = if input.is_finite() { *result } else { f64::NAN };
        }
        // In eight lanes, which become vectors.
        let mut ends = [[f64::INFINITY; 8], [f64::NEG_INFINITY; 8]];
        for eight in results.chunks(8) {
            let [smallest, largest] = &mut ends;
            for ((smallest, largest), value) in smallest.iter_mut().zip(largest).zip(eight) {
                *smallest = if value < smallest { *value } else { *smallest };
                *largest = if value > largest { *value } else { *largest };
            }
        }
        let at = |end: f64| {
            let index = results.iter().position(|value| *value == end && end.is_finite())?;
            Some(At { value: results[index], input: input[index] })
        };
        Self {
            smallest: at(ends[0].into_iter().fold(f64::INFINITY, f64::min)),
            largest: at(ends[1].into_iter().fold(f64::NEG_INFINITY, f64::max)),
        }
    }

    /// Adds those of the bit patterns behind: within a sign, larger patterns are farther from 0.
    fn merge(&mut self, behind: &Self) {
        let order = |a: &At, b: &At| a.value.partial_cmp(&b.value).expect("finite");
        // Of equals, `min_by` takes the first and `max_by` the last: the one nearer to 0.
        self.smallest = self.smallest.into_iter().chain(behind.smallest).min_by(order);
        self.largest = behind.largest.into_iter().chain(self.largest).max_by(order);
    }
}
