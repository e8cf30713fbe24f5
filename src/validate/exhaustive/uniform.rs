//! Chunks over which an activation is one number, and a kernel's results are one number: close to 0 and far from it, seven tenths of all f32.
//!
//! There it is enough to see that every result is the same, and to judge the chunk's corners: the least and the largest |x| with the least and the
//! largest |dy|. No result goes unread, and nothing is found otherwise than by a look at each element: the error is one number, too, and an
//! interval of [`crate::kernels::bounds`] around one reference does not narrow as |x| grows (a test there asserts it). Backward, dy is a power of two,
//! by which reference and result are multiplied alike.

use std::ops::Range;

use multiversion::multiversion;

use super::{Extremes, Found, reads_y};
use crate::kernels::dtype::{Dtype, Elements, F16Elements, F32Elements};
use crate::kernels::kernel::Kernel;
use crate::validate::{self, BLOCK};

/// 1 + x is 1 in f64 for every x below: 2^-54.
const LOST_BESIDE_1: f64 = f64::EPSILON / 4.0;

/// The true result, or what dy is multiplied with, where that is the same for a range of patterns in their order. What is the same at both
/// ends of what falls or rises with |x| alone need not be computed in between. (A computed derivative close to 1/4 is no such function: its last
/// bit goes up and down, until x is lost beside 1.)
pub(super) fn reference(
    kernel: &Kernel,
    range: &Range<usize>,
    first: &[u8],
    dy: &[u8],
) -> Option<f64> {
    if kernel.activation.forward().is_none() || reads_y(kernel) {
        return None;
    }
    let x_at = |index: usize| kernel.dtype.value(kernel.dtype.element(first, index));
    let (first_x, last_x) = (x_at(range.start), x_at(range.end - 1));
    let [reference, at_last] = [first_x, last_x].map(|x| kernel.variant.pass.reference(x, 1.0));
    let is_monotone =
        dy.is_empty() || reference == 0.0 || reference == 1.0 || last_x.abs() < LOST_BESIDE_1;
    // NaN differs from itself.
    let is_same = first_x.is_sign_negative() == last_x.is_sign_negative() && reference == at_last;
    (is_monotone && is_same).then_some(reference)
}

/// What a kernel is found to be on a range with one `reference`, if its results are one number, too, and everything is as far off as the first
/// element. `known` is the largest share of its bound that it is known to take.
pub(super) fn compare(
    kernel: &Kernel,
    range: &Range<usize>,
    first: &[u8],
    dy: &[u8],
    actual: &[u8],
    known: f64,
    reference: f64,
) -> Option<Found> {
    // A pair is judged as a pair.
    if kernel.packs_pairs() {
        return None;
    }
    let dtype = kernel.dtype;
    let bytes = range.start * dtype.element_size()..range.end * dtype.element_size();
    let in_dy = if dy.is_empty() { dy } else { &dy[bytes.clone()] };
    let Same { result, least_dy, largest_dy } = match dtype {
        Dtype::F32 => result_of::<F32Elements>(in_dy, &actual[bytes]),
        Dtype::F16 | Dtype::F16Native => result_of::<F16Elements>(in_dy, &actual[bytes]),
    }?;
    let judge = |first_bits: u32, dy: Option<f64>| {
        let of = |bits: u32| {
            let mut bytes = Vec::new();
            dtype.push(&mut bytes, bits);
            bytes
        };
        let factor = dy.unwrap_or(1.0);
        let (dy, actual) =
            (dy.map_or(Vec::new(), |dy| of(dtype.bits(dy))), of(dtype.bits(result * factor)));
        validate::compare_with(
            kernel,
            0,
            0..1,
            &of(first_bits),
            &dy,
            &actual,
            known,
            &[reference * factor],
        )
    };
    let first_dy = (!dy.is_empty()).then(|| dtype.value(dtype.element(dy, range.start)));
    let [first_bits, last_bits] =
        [range.start, range.end - 1].map(|index| dtype.element(first, index));
    let own = judge(first_bits, first_dy);
    let corners =
        [first_bits, last_bits].into_iter().flat_map(|x| [(x, least_dy), (x, largest_dy)]);
    let mut corners = corners.map(|(x, dy)| judge(x, first_dy.map(|_| dy)));
    if !corners.all(|corner| corner.is_no_worse_than(&own)) {
        return None;
    }
    let first_two = range.start..range.end.min(range.start + 2);
    Some(Found {
        accuracy: own.times(range.len() as u64),
        extremes: Extremes::of(dtype, first_two, first, dy, actual),
    })
}

/// Results that are one number, or one number times dy.
struct Same {
    result: f64,
    /// The least |dy|; 1 forward.
    least_dy: f64,
    /// The largest.
    largest_dy: f64,
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn result_of<E: Elements>(dy: &[u8], actual: &[u8]) -> Option<Same> {
    let first = E::value(E::bits(actual, 0));
    if dy.is_empty() {
        let is_same = actual[E::SIZE..] == actual[..actual.len() - E::SIZE];
        return is_same.then_some(Same { result: first, least_dy: 1.0, largest_dy: 1.0 });
    }
    let result = first / E::value(E::bits(dy, 0));
    let (mut least, mut largest) = (u32::MAX, 0);
    for (dy, actual) in dy.chunks(BLOCK * E::SIZE).zip(actual.chunks(BLOCK * E::SIZE)) {
        let mut differs = 0;
        for index in 0..dy.len() / E::SIZE {
            let dy = E::bits(dy, index) & E::MAGNITUDE;
            (least, largest) = (least.min(dy), largest.max(dy));
        }
        for index in 0..dy.len() / E::SIZE {
            // To the bit, for the signs of zeros.
            let expected = (result * E::value(E::bits(dy, index))).to_bits();
            differs |= expected ^ E::value(E::bits(actual, index)).to_bits();
        }
        if differs != 0 {
            return None;
        }
    }
    // The quotient of 0 and 0 is none.
    let is_defined = result.is_finite() && least > 0;
    is_defined.then_some(Same { result, least_dy: E::value(least), largest_dy: E::value(largest) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation::Direction;
    use crate::kernels::kernel::{self, Role};
    use crate::validate::exhaustive::{dy_scales_exactly, reads_dy};

    const ELEMENTS: usize = 5 * BLOCK + 7;

    /// Kernels that a sweep of x may look at a chunk at a time.
    fn kernels() -> impl Iterator<Item = Kernel> {
        kernel::all().filter(|kernel| {
            dy_scales_exactly(kernel)
                && !kernel.packs_pairs()
                && !kernel.inputs().any(Role::is_mask)
        })
    }

    fn patterns(dtype: Dtype, start: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        (start..).take(ELEMENTS).for_each(|bits| dtype.push(&mut bytes, bits));
        bytes
    }

    /// Powers of two of either sign.
    fn dy(kernel: &Kernel) -> Vec<u8> {
        let elements = if reads_dy(kernel) { ELEMENTS } else { 0 };
        let mut bytes = Vec::new();
        for index in 0..elements {
            let exponent = i32::try_from(index * 31 % 11).expect("small") - 8;
            let sign = if index % 3 == 0 { -1.0 } else { 1.0 };
            kernel.dtype.push(&mut bytes, kernel.dtype.bits(sign * 2f64.powi(exponent)));
        }
        bytes
    }

    /// Results of `factor`, or `factor` dy.
    fn results(dtype: Dtype, factor: f64, dy: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for index in 0..ELEMENTS {
            let dy = if dy.is_empty() { 1.0 } else { dtype.value(dtype.element(dy, index)) };
            dtype.push(&mut bytes, dtype.bits(factor * dy));
        }
        bytes
    }

    /// Starts of chunks in every fourth exponent, of either sign.
    fn starts(dtype: Dtype) -> Vec<u32> {
        let (exponent, sign) =
            if dtype == Dtype::F32 { (1 << 23, 1u32 << 31) } else { (1 << 10, 1 << 15) };
        let exponents = (0..sign / exponent).step_by(4).map(|index| index * exponent);
        exponents.flat_map(|start| [start, start | sign]).collect()
    }

    #[test]
    fn corners_say_what_a_look_at_each_element_says() {
        let (mut uniform, mut wrong) = (0, 0);
        for kernel in kernels() {
            let (dtype, dy) = (kernel.dtype, dy(&kernel));
            for start in starts(dtype) {
                let (first, range) = (patterns(dtype, start), 0..ELEMENTS);
                let Some(reference) = reference(&kernel, &range, &first, &dy) else { continue };
                for units in [0.0, 0.5, 1.0, -2.0, 5.0, 9.0, -40.0, 1e6] {
                    for known in [0.0, 0.1, 0.3, 0.9] {
                        let actual = results(
                            dtype,
                            reference + units * reference * dtype.memory().unit,
                            &dy,
                        );
                        let own = compare(&kernel, &range, &first, &dy, &actual, known, reference);
                        let references = validate::references(&kernel, range.clone(), &first, &dy);
                        let each = validate::compare_with(
                            &kernel,
                            0,
                            range.clone(),
                            &first,
                            &dy,
                            &actual,
                            known,
                            &references,
                        );
                        let what = format!(
                            "{} from {start:#x}, {units} units, {known} known",
                            kernel.path()
                        );
                        let Some(own) = own else {
                            wrong += usize::from(each.violations > 0);
                            continue;
                        };
                        assert_eq!(own.accuracy, each, "{what}");
                        let extremes = Extremes::of(dtype, range.clone(), &first, &dy, &actual);
                        assert_eq!(
                            format!("{:?}", own.extremes),
                            format!("{extremes:?}"),
                            "{what}"
                        );
                        uniform += 1;
                    }
                }
            }
        }
        assert!(uniform > 5000 && wrong > 1000, "{uniform} {wrong}");
    }

    #[test]
    fn one_result_that_differs_by_one_bit_is_seen() {
        let mut seen = 0;
        for kernel in kernels().filter(|kernel| kernel.dtype == Dtype::F32) {
            let (dtype, dy, range) = (kernel.dtype, dy(&kernel), 0..ELEMENTS);
            for start in [0x1000_0000, 0x7000_0000, 0x9000_0000, 0xf000_0000] {
                let first = patterns(dtype, start);
                let Some(reference) = reference(&kernel, &range, &first, &dy) else { continue };
                let right = results(dtype, reference, &dy);
                assert!(
                    compare(&kernel, &range, &first, &dy, &right, 0.0, reference).is_some(),
                    "{}",
                    kernel.path()
                );
                for at in 0..ELEMENTS {
                    // One bit of each byte.
                    for byte in 0..4 {
                        let mut actual = right.clone();
                        actual[at * 4 + byte] ^= 1 << ((at + byte) % 8);
                        let own = compare(&kernel, &range, &first, &dy, &actual, 0.0, reference);
                        assert!(
                            own.is_none(),
                            "{} from {start:#x}, byte {byte} of element {at}",
                            kernel.path()
                        );
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 10_000, "{seen}");
        assert!(kernels().any(|kernel| kernel.direction() == Direction::Backward), "some read dy");
    }
}
