//! The ends of what a kernel returns, and where they are.

use serde::{Deserialize, Serialize};

use crate::kernels::dtype::Elements;
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
        let value = |bytes: &[u8], index: usize| E::value(E::bits(bytes, index));
        let mut found: Option<[At; 2]> = None;
        for index in 0..piece.elements::<E>() {
            let input = value(piece.first, index);
            let dy = if piece.dy.is_empty() { 1.0 } else { value(piece.dy, index) };
            let at = At { value: value(piece.actual, index) / dy, input };
            if !input.is_finite() || at.value.is_nan() {
                continue;
            }
            let [smallest, largest] = found.get_or_insert([at; 2]);
            if at.value < smallest.value {
                *smallest = at;
            }
            if at.value > largest.value {
                *largest = at;
            }
        }
        let finite = |at: At| Some(at).filter(|at| at.value.is_finite());
        let [smallest, largest] = found.map_or([None; 2], |ends| ends.map(finite));
        Self { smallest, largest }
    }

    /// Adds those of the bit patterns behind: within a sign, larger patterns are farther from 0.
    fn merge(&mut self, behind: &Self) {
        let order = |a: &At, b: &At| a.value.partial_cmp(&b.value).expect("finite");
        // Of equals, `min_by` takes the first and `max_by` the last: the one nearer to 0.
        self.smallest = self.smallest.into_iter().chain(behind.smallest).min_by(order);
        self.largest = behind.largest.into_iter().chain(self.largest).max_by(order);
    }
}
