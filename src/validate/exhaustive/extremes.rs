//! The ends of what a kernel returns, and where they are.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use crate::kernels::dtype::Elements;
use crate::validate::accuracy::Accuracy;
use crate::validate::elementwise::{BLOCK, Piece, values};

/// Results that running extremes are kept of side by side.
const LANES: usize = 8;

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

/// The smallest and the largest result of each block, or dx / dy where dy is not empty; NaN passed
/// over. In lanes, since one running minimum would allow one element at a time.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn ends_of_blocks<E: Elements>(dy: &[u8], actual: &[u8]) -> Vec<(f64, f64)> {
    let block_bytes = BLOCK * E::SIZE;
    let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); actual.len().div_ceil(block_bytes)];
    for (block, ends) in ends.iter_mut().enumerate() {
        let bytes = block * block_bytes..actual.len().min((block + 1) * block_bytes);
        let mut results = values::<E>(&actual[bytes.clone()]);
        if !dy.is_empty() {
            results.iter_mut().zip(values::<E>(&dy[bytes])).for_each(|(dx, dy)| *dx /= dy);
        }
        let (mut lows, mut highs) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        for values in results.chunks_exact(LANES) {
            for lane in 0..LANES {
                lows[lane] = if values[lane] < lows[lane] { values[lane] } else { lows[lane] };
                highs[lane] = if values[lane] > highs[lane] { values[lane] } else { highs[lane] };
            }
        }
        let low = lows.into_iter().fold(f64::INFINITY, f64::min);
        *ends = (low, highs.into_iter().fold(f64::NEG_INFINITY, f64::max));
    }
    ends
}

impl Extremes {
    /// Those of results of patterns in their order and of one sign; of dx / dy, where dy is not
    /// empty.
    pub(super) fn of<E: Elements>(piece: &Piece<'_>) -> Self {
        let input = |index: usize| E::value(E::bits(piece.first, index));
        // Infinity and NaN come last.
        let last_finite = (0..piece.elements::<E>()).rfind(|index| input(*index).is_finite());
        let Some(finite) = last_finite.map(|last| last + 1) else { return Self::default() };
        let piece = piece.part::<E>(0..finite);
        // The ends of blocks first: elements are looked for in the blocks that reach so far.
        let ends = ends_of_blocks::<E>(piece.dy, piece.actual);
        let smallest = ends.iter().fold(f64::INFINITY, |smallest, (low, _)| smallest.min(*low));
        let largest = ends.iter().fold(f64::NEG_INFINITY, |largest, (_, high)| largest.max(*high));
        let at = |index: usize| {
            let value = E::value(E::bits(piece.actual, index));
            let dy = if piece.dy.is_empty() { 1.0 } else { E::value(E::bits(piece.dy, index)) };
            At { value: value / dy, input: input(index) }
        };
        let find = |wanted: f64| {
            let reaches =
                move |(_, (low, high)): &(usize, &(f64, f64))| *low <= wanted && wanted <= *high;
            let blocks = ends.iter().enumerate().filter(reaches).map(|(block, _)| block * BLOCK);
            let elements = blocks.flat_map(|first| first..finite.min(first + BLOCK)).map(at);
            elements.filter(move |at| at.value == wanted)
        };
        let first = |wanted: f64| find(wanted).next().filter(|at| at.value.is_finite());
        Self { smallest: first(smallest), largest: first(largest) }
    }

    /// Adds those of the bit patterns behind: within a sign, larger patterns are farther from 0.
    fn merge(&mut self, behind: &Self) {
        let order = |a: &At, b: &At| a.value.partial_cmp(&b.value).expect("finite");
        // Of equals, `min_by` takes the first and `max_by` the last: the one nearer to 0.
        self.smallest = self.smallest.into_iter().chain(behind.smallest).min_by(order);
        self.largest = behind.largest.into_iter().chain(self.largest).max_by(order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::dtype::{self, F16Elements, F32Elements};
    use crate::validate::elementwise::THREAD_CHUNK;

    fn extremes_plainly<E: Elements>(piece: &Piece<'_>) -> Extremes {
        let mut found = Extremes::default();
        let value = |bytes: &[u8], index: usize| E::value(E::bits(bytes, index));
        for index in 0..piece.elements::<E>() {
            let (input, result) = (value(piece.first, index), value(piece.actual, index));
            let value = if piece.dy.is_empty() { result } else { result / value(piece.dy, index) };
            if !input.is_finite() || value.is_nan() {
                continue;
            }
            let at = Some(At { value, input });
            if found.smallest.is_none_or(|smallest| value < smallest.value) {
                found.smallest = at;
            }
            if found.largest.is_none_or(|largest| value > largest.value) {
                found.largest = at;
            }
        }
        found.smallest = found.smallest.filter(|at| at.value.is_finite());
        found.largest = found.largest.filter(|at| at.value.is_finite());
        found
    }

    /// Compares both ways for patterns from `start`; returns how many ended at 0, and at 1.
    fn compare_twice<E: Elements>(start: u32, elements: usize) -> (usize, usize) {
        let bytes = |bits: u32| bits.to_le_bytes().into_iter().take(E::SIZE);
        let first: Vec<u8> = (start..).take(elements).flat_map(bytes).collect();
        let values = |low: f64, step: f64| {
            let values = (0..977u32).cycle().take(elements).map(|at| low + step * f64::from(at));
            dtype::rounded::<E>(&values.collect::<Vec<_>>())
        };
        let dy =
            dtype::rounded::<E>(&[1.0, -2.0, 0.5, 4.0].repeat(elements.div_ceil(4))[..elements]);
        let (mut zeros, mut ones) = (0, 0);
        // Where the extreme is, in which direction, and beside what.
        for place in
            [0, BLOCK - 1, BLOCK, elements / 2, elements - BLOCK, elements - 2, elements - 1]
        {
            for extreme in [0.0, -0.0, 1.0, -8.0, 8.0, f64::NAN, f64::INFINITY] {
                for mut actual in
                    [values(0.25, 1e-4), values(1.0, 0.0), values(0.0, 0.0), values(1.0, -1e-3)]
                {
                    actual[place * E::SIZE..][..E::SIZE]
                        .copy_from_slice(&E::nearest(extreme).to_le_bytes()[..E::SIZE]);
                    for (dy, range) in [
                        (&[][..], 0..elements),
                        (&dy[..], 0..elements),
                        (&[][..], 70..elements - 3),
                    ] {
                        let piece = Piece { start: 0, first: &first, dy, actual: &actual };
                        let piece = piece.part::<E>(range.clone());
                        let own = Extremes::of::<E>(&piece);
                        let plain = extremes_plainly::<E>(&piece);
                        let what = format!("from {start:#x}, {range:?}, {extreme} at {place}");
                        assert_eq!(format!("{own:?}"), format!("{plain:?}"), "{what}");
                        let is =
                            |end: Option<At>, value: f64| end.is_some_and(|at| at.value == value);
                        zeros += usize::from(is(own.smallest, 0.0));
                        ones += usize::from(is(own.largest, 1.0));
                    }
                }
            }
        }
        (zeros, ones)
    }

    #[test]
    fn extremes_of_blocks_are_those_of_a_plain_loop() {
        let (mut zeros, mut ones) = (0, 0);
        let mut add = |found: (usize, usize)| (zeros, ones) = (zeros + found.0, ones + found.1);
        for elements in [THREAD_CHUNK, THREAD_CHUNK - BLOCK + 5] {
            for start in [0, 0x3f80_0000, 0x7f7f_c000, 0x7f80_0000, 0xbf80_0000, 0xff7f_c000] {
                add(compare_twice::<F32Elements>(start, elements));
            }
            for start in [0, 0x4000, 0x8000, 0xc000] {
                add(compare_twice::<F16Elements>(start, elements));
            }
        }
        assert!(zeros > 100 && ones > 100, "{zeros} {ones}");
    }
}
