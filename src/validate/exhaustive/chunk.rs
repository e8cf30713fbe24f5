//! A chunk of every kernel's results.
//!
//! Close to 0 and far from it, over seven tenths of all f32, an activation is one number, and so are
//! a kernel's results. There it is enough to see that every result is the same, and to judge the
//! chunk's corners: the smallest and the largest |x| with the smallest and the largest |dy|. Every
//! result is read, and the findings are those of a look at each element: the error is one number,
//! too, and an interval of [`crate::kernels::bounds`] around one reference does not narrow as |x|
//! grows (a test there asserts it). Backward, dy is a power of two, which scales reference and
//! result alike.

use std::cell::OnceCell;
use std::ops::Range;

use multiversion::multiversion;

use super::extremes::{Extremes, Found};
use super::reads_y;
use crate::kernels::dtype::{self, Elements};
use crate::kernels::kernel::{Kernel, Role};
use crate::validate::accuracy::{Accuracy, Judged};
use crate::validate::elementwise::{self, BLOCK, Piece, compare_mask, compare_with};

/// Compares every kernel's results for a range of `inputs`. The forward reference is computed at
/// most once. `known` is the largest share of its bound that each kernel is known to take.
pub(super) fn compare<E: Elements>(
    kernels: &[Kernel],
    inputs: &Piece<'_>,
    range: Range<usize>,
    results: &[&[u8]],
    known: &[f64],
) -> Vec<Found> {
    let of_forward = OnceCell::new();
    let mut results = results.iter();
    let compare = |(kernel, known): (&Kernel, &f64)| {
        let actual = results.next().expect("a result for each kernel");
        let dy = if kernel.reads(Role::Dy) { inputs.dy } else { &[] };
        let piece = Piece { dy, actual, ..*inputs }.part::<E>(range.clone());
        let reference = uniform_reference::<E>(kernel, &piece);
        let uniform =
            reference.and_then(|reference| compare_corners::<E>(kernel, &piece, *known, reference));
        let mut found = uniform.unwrap_or_else(|| {
            let references = || references::<E>(kernel, &piece, reference);
            let accuracy = if piece.dy.is_empty() {
                compare_with::<E>(kernel, &piece, *known, of_forward.get_or_init(references))
            } else {
                compare_with::<E>(kernel, &piece, *known, &references())
            };
            // Where y is swept, dy is no power of two, and dx / dy no derivative.
            let is_other = reads_y(kernel);
            let extremes = if is_other { Extremes::default() } else { Extremes::of::<E>(&piece) };
            Found { accuracy, extremes }
        });
        if kernel.tensors().contains(&Role::MaskResult) {
            let mask = &results.next().expect("a mask beside it")[range.start / 8..];
            found.accuracy.merge(&compare_mask(kernel, piece.start, piece.first, mask));
        }
        found
    };
    kernels.iter().zip(known).map(compare).collect()
}

/// The f64 results of patterns in their order, which may be one number, or that times dy.
fn references<E: Elements>(kernel: &Kernel, piece: &Piece<'_>, uniform: Option<f64>) -> Vec<f64> {
    match uniform {
        None => elementwise::references::<E>(kernel, piece),
        Some(reference) if piece.dy.is_empty() => vec![reference; piece.elements::<E>()],
        Some(reference) => {
            dtype::values::<E>(piece.dy).into_iter().map(|dy| dy * reference).collect()
        }
    }
}

/// 1 + x is 1 in f64 for every x below: 2^-54.
const LOST_BESIDE_1: f64 = f64::EPSILON / 4.0;

/// The result, or what dy is multiplied with, where that is the same for patterns in their order.
/// What rises or falls with |x| alone is the same in between if it is the same at both ends. (A
/// computed derivative close to 1/4 does not: its last bit goes up and down, until x is lost beside
/// 1.)
fn uniform_reference<E: Elements>(kernel: &Kernel, piece: &Piece<'_>) -> Option<f64> {
    if kernel.activation.forward().is_none() || reads_y(kernel) {
        return None;
    }
    let x_at = |index: usize| E::value(E::bits(piece.first, index));
    let (first, last) = (x_at(0), x_at(piece.elements::<E>() - 1));
    let [reference, at_last] = [first, last].map(|x| kernel.variant.pass.reference(x, 1.0));
    let is_monotone =
        piece.dy.is_empty() || reference == 0.0 || reference == 1.0 || last.abs() < LOST_BESIDE_1;
    // NaN differs from itself.
    let is_same = first.is_sign_negative() == last.is_sign_negative() && reference == at_last;
    (is_monotone && is_same).then_some(reference)
}

/// What a kernel is found to be on patterns with one `reference`, if its results are one number,
/// too, and everything is as far off as the first element. `known` is the largest share of its
/// bound that it is known to take.
fn compare_corners<E: Elements>(
    kernel: &Kernel,
    piece: &Piece<'_>,
    known: f64,
    reference: f64,
) -> Option<Found> {
    // A pair is judged as a pair.
    if kernel.packs_pairs() {
        return None;
    }
    let (result, ends_of_dy) = result_of::<E>(piece.dy, piece.actual)?;
    let is_backward = !piece.dy.is_empty();
    let judge = |first_bits: u32, dy: f64| {
        let (reference, actual_bits) = (reference * dy, E::nearest(result * dy));
        let dy_bits = is_backward.then(|| E::nearest(dy));
        let element = Judged::new(kernel, 0, first_bits, dy_bits, reference, actual_bits);
        let mut found = Accuracy { inputs: 1, max_share: known, ..Accuracy::default() };
        found.add::<E>(&element);
        found
    };
    let first_dy = if is_backward { E::value(E::bits(piece.dy, 0)) } else { 1.0 };
    let elements = piece.elements::<E>();
    let [first_bits, last_bits] = [0, elements - 1].map(|index| E::bits(piece.first, index));
    let own = judge(first_bits, first_dy);
    let mut corners =
        [first_bits, last_bits].into_iter().flat_map(|x| ends_of_dy.map(|dy| (x, dy)));
    corners.all(|(x, dy)| judge(x, dy).is_no_worse_than(&own)).then(|| Found {
        accuracy: own.times(elements as u64),
        extremes: Extremes::of::<E>(&piece.part::<E>(0..elements.min(2))),
    })
}

/// The one number that all results are, or are times dy; and the smallest and the largest |dy|, 1
/// forward.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn result_of<E: Elements>(dy: &[u8], actual: &[u8]) -> Option<(f64, [f64; 2])> {
    let first = E::value(E::bits(actual, 0));
    if dy.is_empty() {
        let is_same = actual[E::SIZE..] == actual[..actual.len() - E::SIZE];
        return is_same.then_some((first, [1.0; 2]));
    }
    let result = first / E::value(E::bits(dy, 0));
    let (mut smallest, mut largest) = (u32::MAX, 0);
    for (dy, actual) in dy.chunks(BLOCK * E::SIZE).zip(actual.chunks(BLOCK * E::SIZE)) {
        let mut differs = 0;
        for index in 0..dy.len() / E::SIZE {
            let dy = E::bits(dy, index) & E::MAGNITUDE;
            (smallest, largest) = (smallest.min(dy), largest.max(dy));
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
    // 0 / 0 is no number.
    let is_defined = result.is_finite() && smallest > 0;
    is_defined.then_some((result, [smallest, largest].map(E::value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation::{Direction, Saved};
    use crate::kernels::dtype::{Dtype, F16Elements, F32Elements};
    use crate::kernels::kernel;

    #[test]
    fn references_that_are_one_number_are_those_of_each() {
        let bits = |value: f32| u64::from(value.to_bits());
        // Around every end of what is one number: 0, 2^-54 and its neighbours, 36, 746, infinity;
        // and what is none.
        let tiny = [0.0, 1e-38, f32::powi(2.0, -56), f32::powi(2.0, -30)];
        let ends = tiny.into_iter().chain([1.0, 36.0, 37.0, 745.0, 747.0, 1e30, f32::MAX]);
        let finite = ends.flat_map(|end| [end, -end]).map(|end| bits(end).saturating_sub(40));
        let infinite = [bits(f32::INFINITY) - 50, bits(-f32::INFINITY) - 50, (1 << 32) - 100];
        let starts: Vec<u64> = finite.chain(infinite).collect();
        let reads_x = |kernel: &Kernel| {
            kernel.dtype == Dtype::F32
                && !kernel.reads(Role::Saved(Saved::Y))
                && !kernel.inputs().any(Role::is_mask)
        };
        let mut constant = 0;
        for kernel in kernel::all().filter(reads_x) {
            for start in &starts {
                let first: Vec<u8> = (*start..start + 100)
                    .flat_map(|bits| bits.to_le_bytes()[..4].to_vec())
                    .collect();
                let dys = (0..100u8)
                    .flat_map(|index| f32::powi(-2.0, i32::from(index) - 50).to_le_bytes());
                let dy: Vec<u8> = if kernel.reads(Role::Dy) { dys.collect() } else { Vec::new() };
                let piece = Piece { start: 0, first: &first, dy: &dy, actual: &first };
                let piece = piece.part::<F32Elements>(3..97);
                let reference = uniform_reference::<F32Elements>(&kernel, &piece);
                let own = references::<F32Elements>(&kernel, &piece, reference);
                let each = elementwise::references::<F32Elements>(&kernel, &piece);
                let same = |(own, each): (&f64, &f64)| own == each || own.is_nan() && each.is_nan();
                assert!(own.iter().zip(&each).all(same), "{} from {start:#x}", kernel.path());
                constant += usize::from(own.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
        assert!(constant > 50, "{constant}");
    }

    const ELEMENTS: usize = 5 * BLOCK + 7;

    /// Kernels that a sweep of x may look at a chunk at a time.
    fn kernels() -> impl Iterator<Item = Kernel> {
        kernel::all().filter(|kernel| {
            !kernel.reads(Role::Saved(Saved::Y))
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
        let elements = if kernel.reads(Role::Dy) { ELEMENTS } else { 0 };
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

    /// Compares results around the one reference of patterns from `start` in both ways. Returns how
    /// often the corners said it, and how often they left a violation to a look at each element.
    fn compare_twice<E: Elements>(kernel: &Kernel, start: u32) -> (usize, usize) {
        let (dtype, dy, first) = (kernel.dtype, dy(kernel), patterns(kernel.dtype, start));
        let piece = Piece { start: 0, first: &first, dy: &dy, actual: &first };
        let (mut uniform, mut wrong) = (0, 0);
        let Some(reference) = uniform_reference::<E>(kernel, &piece) else { return (0, 0) };
        for units in [0.0, 0.5, 1.0, -2.0, 5.0, 9.0, -40.0, 1e6] {
            let actual = results(dtype, reference + units * reference * E::MEMORY.unit, &dy);
            let piece = Piece { actual: &actual, ..piece };
            for known in [0.0, 0.1, 0.3, 0.9] {
                let own = compare_corners::<E>(kernel, &piece, known, reference);
                let references = elementwise::references::<E>(kernel, &piece);
                let each = compare_with::<E>(kernel, &piece, known, &references);
                let what =
                    format!("{} from {start:#x}, {units} units, {known} known", kernel.path());
                let Some(own) = own else {
                    wrong += usize::from(each.violations > 0);
                    continue;
                };
                assert_eq!(own.accuracy, each, "{what}");
                let extremes = Extremes::of::<E>(&piece);
                assert_eq!(format!("{:?}", own.extremes), format!("{extremes:?}"), "{what}");
                uniform += 1;
            }
        }
        (uniform, wrong)
    }

    #[test]
    fn corners_say_what_a_look_at_each_element_says() {
        let (mut uniform, mut wrong) = (0, 0);
        for kernel in kernels() {
            let (exponent, sign) =
                if kernel.dtype == Dtype::F32 { (1 << 23, 1u32 << 31) } else { (1 << 10, 1 << 15) };
            // Every fourth exponent, of either sign.
            for start in (0..sign / exponent).step_by(4).map(|index| index * exponent) {
                for start in [start, start | sign] {
                    let (of_kernel, left) = match kernel.dtype {
                        Dtype::F32 => compare_twice::<F32Elements>(&kernel, start),
                        _ => compare_twice::<F16Elements>(&kernel, start),
                    };
                    (uniform, wrong) = (uniform + of_kernel, wrong + left);
                }
            }
        }
        assert!(uniform > 5000 && wrong > 1000, "{uniform} {wrong}");
    }

    #[test]
    fn one_result_that_differs_by_one_bit_is_seen() {
        let mut seen = 0;
        for kernel in kernels().filter(|kernel| kernel.dtype == Dtype::F32) {
            let (path, dy) = (kernel.path(), dy(&kernel));
            for start in [0x1000_0000, 0x7000_0000, 0x9000_0000, 0xf000_0000] {
                let first = patterns(kernel.dtype, start);
                let mut piece = Piece { start: 0, first: &first, dy: &dy, actual: &first };
                let Some(reference) = uniform_reference::<F32Elements>(&kernel, &piece) else {
                    continue;
                };
                let right = results(kernel.dtype, reference, &dy);
                piece.actual = &right;
                let own = compare_corners::<F32Elements>(&kernel, &piece, 0.0, reference);
                assert!(own.is_some(), "{path}");
                for at in 0..ELEMENTS {
                    // One bit of each byte.
                    for byte in 0..4 {
                        let mut actual = right.clone();
                        actual[at * 4 + byte] ^= 1 << ((at + byte) % 8);
                        let piece = Piece { actual: &actual, ..piece };
                        let own = compare_corners::<F32Elements>(&kernel, &piece, 0.0, reference);
                        assert!(own.is_none(), "{path} from {start:#x}, byte {byte} of {at}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 10_000, "{seen}");
        assert!(kernels().any(|kernel| kernel.direction() == Direction::Backward), "some read dy");
    }
}
