//! Whether a kernel is right: every element of its result against the interval that the specification allows around the f64 reference.

pub mod behaviour;
pub mod chain;
pub mod exhaustive;

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Layout, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::activation::Pass;
use crate::kernels::bounds::{Allowed, Case, InputRange, ToleranceFloor};
use crate::kernels::dtype::{self, Dtype, Elements, F16Elements, F32Elements};
use crate::kernels::inputs::{Distribution, Inputs};
use crate::kernels::kernel::{Kernel, Role};

/// Elements that one thread compares at a time. Results are merged in the order of elements, so that sums do not depend on threads.
pub(crate) const THREAD_CHUNK: usize = 1 << 14;

/// Elements that are looked at together before each by itself.
pub(crate) const BLOCK: usize = 64;

/// What a comparison of many elements found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Elements compared.
    pub inputs: u64,
    /// Elements outside what is allowed.
    pub violations: u64,
    /// The first of them.
    pub first_violation: Option<Judged>,
    /// The largest error in ULP of the true result, over results that no step may have flushed to 0, and where it was found.
    pub max_ulp: Extreme,
    /// Sum of those errors.
    ulp_sum: f64,
    /// Their number.
    ulp_count: u64,
    /// The largest error as a share of the bound, over the same results.
    pub max_share: Extreme,
    /// Whether some error exceeds what a plain exp of a driver explains, 6 + 1.2 |x| ULP.
    pub exceeds_plain_exp: bool,
    /// Whether something was written behind the end of the result.
    pub guard_broken: bool,
}

/// Whether an element's error in ULP means something: no step may have flushed to 0, which would be right and 2^23 ULP off.
#[inline]
fn counts<E: Elements>(case: &Case) -> bool {
    let smallest = E::MEMORY.min_normal;
    let may_be_flushed = |value: f64| (value != 0.0) & (value.abs() < smallest);
    // dy f' of a large dy is normal where f' is not.
    let derivative_is_normal = case.reference.abs() >= smallest * case.dy.abs().max(1.0);
    // Infinite and NaN inputs have no true result.
    let finite = case.first.is_finite() & case.dy.is_finite();
    finite & derivative_is_normal & !may_be_flushed(case.first) & !may_be_flushed(case.dy)
}

/// ULP that a driver's plain exp explains.
#[inline(always)]
fn plain_exp_explains(magnitude_of_x: f64) -> f64 {
    6.0 + 1.2 * magnitude_of_x
}

/// A largest value, with the inputs it was found at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Extreme {
    /// How large.
    pub value: f64,
    /// Where: the bits of x, or of the saved tensor's element.
    pub first_bits: u32,
    /// And of dy; 0 forward.
    pub dy_bits: u32,
}

/// One element, with what is right for it and what is there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Its place in the tensor.
    pub index: u64,
    /// The bits of x, or of the saved tensor's element.
    pub first_bits: u32,
    /// The bits of dy; none forward.
    pub dy_bits: Option<u32>,
    /// The f64 reference; null in JSON where it is NaN.
    #[serde(deserialize_with = "null_is_nan")]
    pub reference: f64,
    /// What would have been right.
    pub allowed: Allowed,
    /// What is there.
    pub actual_bits: u32,
    /// Whether it is not the result, but the bit of mask beside it, shown as 1 or 0.
    pub in_mask: bool,
    /// Whether that is what was there before the kernel ran.
    pub unwritten: bool,
}

impl Accuracy {
    /// Whether everything is as it must be.
    pub fn is_right(&self) -> bool {
        self.violations == 0 && !self.guard_broken
    }

    /// Mean error in ULP, over results that are normal; 0 if there are none.
    pub fn mean_ulp(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a mean over fewer than 2^53 elements")]
        let count = self.ulp_count.max(1) as f64;
        self.ulp_sum / count
    }

    /// How good it is beyond being right: A within 3 ULP, B within what a driver's plain exp explains (6 + 1.2 |x| ULP), C within the bound.
    /// None if it is wrong.
    pub fn tier(&self) -> Option<char> {
        match (self.is_right(), self.max_ulp.value <= 3.0, self.exceeds_plain_exp) {
            (false, ..) => None,
            (true, true, _) => Some('A'),
            (true, false, false) => Some('B'),
            (true, false, true) => Some('C'),
        }
    }

    /// Adds one element.
    fn add<E: Elements>(&mut self, element: &Element, allowed: Allowed, backward: bool) {
        self.judge::<E>(element, allowed, backward);
        let error = (E::value(element.actual_bits) - element.case.reference).abs();
        if error.is_finite() {
            self.count::<E>(element, E::MEMORY.ulps(error, element.case.reference));
        }
    }

    /// Whether an element is right, and the share of its bound that it takes.
    fn judge<E: Elements>(&mut self, element: &Element, allowed: Allowed, backward: bool) {
        let Element { index, case, dy_bits, actual_bits } = *element;
        let Case { dtype, first_bits, reference, .. } = case;
        let value = E::value(actual_bits);
        if !allowed.contains(value, actual_bits) {
            let unwritten = actual_bits == dtype.sentinel();
            self.violations += 1;
            let dy_bits = backward.then_some(dy_bits);
            let in_mask = false;
            let violation = Judged {
                index,
                first_bits,
                dy_bits,
                reference,
                allowed,
                actual_bits,
                in_mask,
                unwritten,
            };
            self.first_violation.get_or_insert(violation);
        }
        let error = (value - reference).abs();
        if let (Allowed::Within { lowest, highest }, true) =
            (allowed, error.is_finite() && counts::<E>(&case))
        {
            let reach = if value < reference { reference - lowest } else { highest - reference };
            self.max_share.raise(Extreme { value: error / reach, first_bits, dy_bits });
        }
    }

    /// The error of an element in ULP if it takes no more than a glance: it lies so near the reference that no bound excludes it, and that it
    /// raises no largest share.
    #[inline]
    fn close<E: Elements>(&self, least: Option<ToleranceFloor>, element: &Element) -> Option<f64> {
        let case = &element.case;
        let error = (E::value(element.actual_bits) - case.reference).abs();
        let ToleranceFloor { relative, absolute } = least?;
        let reach = (relative * E::MEMORY.unit * case.reference.abs() + absolute)
            * self.max_share.value.min(1.0);
        // NaN and infinity fail these.
        let close = error == 0.0 || error <= reach && counts::<E>(case);
        (close && case.first.is_finite() && case.dy.is_finite())
            .then(|| E::MEMORY.ulps(error, case.reference))
    }

    /// Counts the errors of a block of elements, and says which of them have to be judged each by itself: those of `far` that are not 0. Arrays and
    /// selections instead of branches, so that it is compiled to vector instructions: most of a sweep's time is spent here.
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
    #[inline(always)]
    fn count_block<E: Elements>(
        &mut self,
        least: Option<ToleranceFloor>,
        block: &Block,
    ) -> [u64; BLOCK] {
        let any_is_close = least.is_some();
        let ToleranceFloor { relative, absolute } = least.unwrap_or(ToleranceFloor::NOTHING);
        let known = self.max_share.value.min(1.0);
        let (relative, absolute) = (relative * E::MEMORY.unit * known, absolute * known);
        let (smallest, largest) = (E::MEMORY.min_normal, f64::MAX);
        let (mut ulps, mut far, mut counted, mut exceeding) =
            ([0.0; BLOCK], [0u64; BLOCK], [0u64; BLOCK], [0u64; BLOCK]);
        for index in 0..BLOCK {
            let (first, dy, reference) =
                (block.first[index].abs(), block.dy[index].abs(), block.reference[index].abs());
            let error = (block.actual[index] - block.reference[index]).abs();
            // As `counts` has it.
            let finite = (first <= largest) & (dy <= largest);
            let unflushed =
                ((first == 0.0) | (first >= smallest)) & ((dy == 0.0) | (dy >= smallest));
            let scale = if dy > 1.0 { dy } else { 1.0 };
            let counts = finite & unflushed & (reference >= smallest * scale);
            let near = counts & (error <= relative * reference + absolute);
            far[index] = u64::from(!(any_is_close & finite & (near | (error == 0.0))));
            let counts = counts & (error <= largest);
            ulps[index] = if counts { E::MEMORY.ulps(error, reference) } else { 0.0 };
            counted[index] = u64::from(counts);
            exceeding[index] = u64::from(ulps[index] > plain_exp_explains(first));
        }
        // Running sums and maxima in lanes, for the same reason.
        let (mut sums, mut maxima) = ([0.0; 4], [0.0; 4]);
        for four in ulps.chunks_exact(4) {
            for lane in 0..4 {
                sums[lane] += four[lane];
                maxima[lane] = if four[lane] > maxima[lane] { four[lane] } else { maxima[lane] };
            }
        }
        self.ulp_sum += sums.iter().sum::<f64>();
        self.ulp_count += counted.iter().sum::<u64>();
        self.exceeds_plain_exp |= exceeding.iter().sum::<u64>() > 0;
        let max = maxima.into_iter().fold(0.0, f64::max);
        if max > self.max_ulp.value {
            let at = ulps.iter().position(|ulps| *ulps == max).unwrap_or_default();
            let (first_bits, dy_bits) = (block.first_bits[at], block.dy_bits[at]);
            self.max_ulp = Extreme { value: max, first_bits, dy_bits };
        }
        far
    }

    /// Counts an error in ULP, where it means something.
    #[inline]
    fn count<E: Elements>(&mut self, element: &Element, ulps: f64) {
        if counts::<E>(&element.case) {
            let Element { case: Case { first_bits, .. }, dy_bits, .. } = *element;
            self.max_ulp.raise(Extreme { value: ulps, first_bits, dy_bits });
            self.exceeds_plain_exp |= ulps > plain_exp_explains(element.case.first.abs());
            self.ulp_sum += ulps;
            self.ulp_count += 1;
        }
    }

    /// Adds what was found in the elements behind these.
    pub fn merge(&mut self, behind: &Self) {
        self.inputs += behind.inputs;
        self.violations += behind.violations;
        self.first_violation = self.first_violation.or(behind.first_violation);
        self.max_ulp.raise(behind.max_ulp);
        self.max_share.raise(behind.max_share);
        self.ulp_sum += behind.ulp_sum;
        self.ulp_count += behind.ulp_count;
        self.exceeds_plain_exp |= behind.exceeds_plain_exp;
        self.guard_broken |= behind.guard_broken;
    }

    /// Of two elements: whether this one is right, as far off in ULP as `other`, and takes no larger share of its bound.
    pub(crate) fn is_no_worse_than(&self, other: &Self) -> bool {
        let is_as_far_off = (self.ulp_count, self.ulp_sum) == (other.ulp_count, other.ulp_sum);
        self.violations == 0 && is_as_far_off && self.max_share.value <= other.max_share.value
    }

    /// What was found in one element, found in so many.
    pub(crate) fn times(&self, elements: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 elements")]
        let ulp_sum = self.ulp_sum * elements as f64;
        let (inputs, violations) = (self.inputs * elements, self.violations * elements);
        Self { inputs, violations, ulp_sum, ulp_count: self.ulp_count * elements, ..*self }
    }

    /// What is wrong, with everything that is needed to see it again; nothing if all is right.
    pub fn complaint(&self, kernel: &Kernel, seed: u64) -> Option<String> {
        if let Some(violation) = &self.first_violation {
            let (violations, inputs) = (self.violations, self.inputs);
            return Some(format!(
                "{} has {violations} wrong results over {inputs} inputs. {}; seed {seed}",
                kernel.path(),
                violation.sentence(kernel)
            ));
        }
        self.guard_broken.then(|| format!("{} writes behind the end of its result", kernel.path()))
    }
}

impl Extreme {
    #[inline]
    fn raise(&mut self, other: Self) {
        if other.value > self.value {
            *self = other;
        }
    }
}

impl Judged {
    /// Index, inputs in decimal and bits, what is allowed, and what is there.
    pub fn sentence(&self, kernel: &Kernel) -> String {
        let dtype = kernel.dtype;
        let digits = dtype.element_size() * 2;
        let show = |bits: u32| format!("{:e} (0x{bits:0digits$x})", dtype.value(bits));
        let inputs = match (kernel.variant.pass, self.dy_bits) {
            (Pass::Backward { .. }, Some(dy)) => {
                format!("saved {}, dy {}", show(self.first_bits), show(dy))
            }
            _ => format!("x {}", show(self.first_bits)),
        };
        let expected = match self.allowed {
            Allowed::Anything => "anything".to_owned(),
            Allowed::Bits(bits) => show(bits),
            Allowed::OneOf(a, b) if a == b => format!("{a:e}"),
            Allowed::OneOf(a, b) => format!("{a:e} or {b:e}"),
            Allowed::Within { lowest, highest } => {
                format!("{:e}, allowed [{lowest:e}, {highest:e}]", self.reference)
            }
        };
        let unwritten =
            if self.unwritten { ", which was there before: it was never written" } else { "" };
        let actual = show(self.actual_bits);
        let of_mask = if self.in_mask { "bit of mask " } else { "" };
        format!(
            "Element {}: {inputs}: {of_mask}expected {expected}, actual {actual}{unwritten}",
            self.index
        )
    }
}

fn null_is_nan<'de, D: serde::Deserializer<'de>>(value: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

/// Compares a piece of a result with the reference. `first` holds x or the saved tensor, `dy` is empty in a forward pass; all are
/// bytes of the same elements, of which the first has index `start`.
pub fn compare(kernel: &Kernel, start: u64, first: &[u8], dy: &[u8], actual: &[u8]) -> Accuracy {
    let elements = actual.len() / kernel.dtype.element_size();
    let chunks: Vec<Accuracy> = (0..elements.div_ceil(THREAD_CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let range = chunk * THREAD_CHUNK..elements.min((chunk + 1) * THREAD_CHUNK);
            compare_chunk(kernel, start, range, first, dy, actual)
        })
        .collect();
    let mut all = Accuracy::default();
    for chunk in &chunks {
        all.merge(chunk);
    }
    all
}

fn compare_chunk(
    kernel: &Kernel,
    start: u64,
    range: Range<usize>,
    first: &[u8],
    dy: &[u8],
    actual: &[u8],
) -> Accuracy {
    let references = references(kernel, range.clone(), first, dy);
    compare_with(kernel, start, range, first, dy, actual, 0.0, &references)
}

/// The true results of a range of elements.
pub(crate) fn references(
    kernel: &Kernel,
    range: Range<usize>,
    first: &[u8],
    dy: &[u8],
) -> Vec<f64> {
    let (dtype, size) = (kernel.dtype, kernel.dtype.element_size());
    let values = |bytes: &[u8]| dtype::values(dtype, &bytes[range.start * size..range.end * size]);
    let mut references = vec![0.0; range.len()];
    kernel.variant.pass.references(
        &values(first),
        &if dy.is_empty() { Vec::new() } else { values(dy) },
        &mut references,
    );
    references
}

/// [`compare`] of a range of elements with these references. A share of the bound is only looked for above `known_share`.
#[expect(
    clippy::too_many_arguments,
    reason = "slices of the same elements, each with its own meaning"
)]
pub(crate) fn compare_with(
    kernel: &Kernel,
    start: u64,
    range: Range<usize>,
    first: &[u8],
    dy: &[u8],
    actual: &[u8],
    known_share: f64,
    references: &[f64],
) -> Accuracy {
    let compare = match kernel.dtype {
        Dtype::F32 => compare_as::<F32Elements>,
        Dtype::F16 | Dtype::F16Native => compare_as::<F16Elements>,
    };
    compare(kernel, start, range, first, dy, actual, known_share, references)
}

#[expect(
    clippy::too_many_arguments,
    reason = "slices of the same elements, each with its own meaning"
)]
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn compare_as<E: Elements>(
    kernel: &Kernel,
    start: u64,
    range: Range<usize>,
    first: &[u8],
    dy: &[u8],
    actual: &[u8],
    known_share: f64,
    references: &[f64],
) -> Accuracy {
    let dtype = kernel.dtype;
    let element = |index: usize| {
        let first_bits = E::bits(first, index);
        let dy_bits = if dy.is_empty() { 0 } else { E::bits(dy, index) };
        let (first, dy) = (E::value(first_bits), E::value(dy_bits));
        let case =
            Case { dtype, first, first_bits, dy, reference: references[index - range.start] };
        Element { index: start + index as u64, case, dy_bits, actual_bits: E::bits(actual, index) }
    };
    let variant = kernel.variant;
    let least =
        variant.least(&span::<E>(dtype, &first[range.start * E::SIZE..range.end * E::SIZE]));
    let (backward, packs_pairs) = (!dy.is_empty(), kernel.packs_pairs());
    let mut found = Accuracy { inputs: range.len() as u64, ..Accuracy::default() };
    found.max_share.value = known_share;
    let mut index = range.start;
    while index < range.end {
        if packs_pairs && index + 1 < range.end {
            let own = element(index);
            let partner = element(index + 1);
            index += 2;
            let close = |element: &Element| found.close::<E>(least, element);
            if let (Some(ulps), Some(of_partner)) = (close(&own), close(&partner)) {
                found.count::<E>(&own, ulps);
                found.count::<E>(&partner, of_partner);
                continue;
            }
            // pack2x16float of a pair of which one is not finite is indeterminate as a whole, by WGSL. (SwiftShader does spoil the
            // upper half where the lower is NaN.)
            let (allowed, of_partner) =
                ((variant.allowed)(&own.case), (variant.allowed)(&partner.case));
            if allowed != Allowed::Anything && of_partner != Allowed::Anything {
                found.add::<E>(&own, allowed, backward);
                found.add::<E>(&partner, of_partner, backward);
            }
        } else {
            let end = range.end.min(index + BLOCK);
            if end - index == BLOCK {
                let block =
                    Block::of::<E>(index, first, dy, actual, &references[index - range.start..]);
                let far = found.count_block::<E>(least, &block);
                if far.iter().sum::<u64>() > 0 {
                    for element in (index..end)
                        .zip(far)
                        .filter(|(_, far)| *far > 0)
                        .map(|(index, _)| element(index))
                    {
                        found.judge::<E>(&element, (variant.allowed)(&element.case), backward);
                    }
                }
            } else {
                (index..end).map(&element).for_each(|element| {
                    found.add::<E>(&element, (variant.allowed)(&element.case), backward);
                });
            }
            index = end;
        }
    }
    found
}

/// Between which inputs a range of them lies.
pub(crate) fn span_of(dtype: Dtype, first: &[u8]) -> InputRange {
    match dtype {
        Dtype::F32 => span::<F32Elements>(dtype, first),
        Dtype::F16 | Dtype::F16Native => span::<F16Elements>(dtype, first),
    }
}

#[inline(always)]
fn span<E: Elements>(dtype: Dtype, first: &[u8]) -> InputRange {
    let (mut least, mut largest) = (E::MAGNITUDE, 0);
    for index in 0..first.len() / E::SIZE {
        let bits = E::bits(first, index);
        least = least.min(bits & E::MAGNITUDE);
        // The sign is the highest bit.
        largest = largest.max(if bits <= E::MAGNITUDE { bits } else { 0 });
    }
    // NaN is no number, and infinity then as good a bound as any.
    let value = |bits: u32| E::value(bits).min(f64::INFINITY);
    InputRange { dtype, least_magnitude: value(least), largest: value(largest) }
}

/// What [`compare_with`] finds, shares of a bound excepted, in a range whose every element is the reference rounded to nearest.
pub(crate) fn nearest(
    dtype: Dtype,
    range: Range<usize>,
    first: &[u8],
    references: &[f64],
    nearest: &[u8],
) -> Accuracy {
    let nearest_as = match dtype {
        Dtype::F32 => nearest_as::<F32Elements>,
        Dtype::F16 | Dtype::F16Native => nearest_as::<F16Elements>,
    };
    nearest_as(dtype, range, first, references, nearest)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn nearest_as<E: Elements>(
    dtype: Dtype,
    range: Range<usize>,
    first: &[u8],
    references: &[f64],
    nearest: &[u8],
) -> Accuracy {
    let mut found = Accuracy { inputs: range.len() as u64, ..Accuracy::default() };
    let mut at = 0;
    while at < references.len() {
        let end = references.len().min(at + BLOCK);
        let of_block = &first[(range.start + at) * E::SIZE..(range.start + end) * E::SIZE];
        let in_block = &nearest[at * E::SIZE..end * E::SIZE];
        if end - at == BLOCK {
            found.count_block::<E>(
                None,
                &Block::of::<E>(0, of_block, &[], in_block, &references[at..]),
            );
        } else {
            for (index, reference) in references[at..end].iter().enumerate() {
                let first_bits = E::bits(of_block, index);
                let case = Case {
                    dtype,
                    first: E::value(first_bits),
                    first_bits,
                    dy: 0.0,
                    reference: *reference,
                };
                let actual_bits = E::bits(in_block, index);
                let ulps = E::MEMORY.ulps((E::value(actual_bits) - reference).abs(), *reference);
                found.count::<E>(&Element { index: 0, case, dy_bits: 0, actual_bits }, ulps);
            }
        }
        at = end;
    }
    found
}

/// [`BLOCK`] elements of a comparison.
struct Block {
    first_bits: [u32; BLOCK],
    dy_bits: [u32; BLOCK],
    first: [f64; BLOCK],
    dy: [f64; BLOCK],
    reference: [f64; BLOCK],
    actual: [f64; BLOCK],
}

impl Block {
    /// Those from `start` on; `references` begins with theirs.
    #[inline(always)]
    fn of<E: Elements>(
        start: usize,
        first: &[u8],
        dy: &[u8],
        actual: &[u8],
        references: &[f64],
    ) -> Self {
        let (first_bits, first) = bits_and_values::<E>(start, first);
        let (dy_bits, dy) = if dy.is_empty() {
            ([0; BLOCK], [0.0; BLOCK])
        } else {
            bits_and_values::<E>(start, dy)
        };
        let (_, actual) = bits_and_values::<E>(start, actual);
        let mut reference = [0.0; BLOCK];
        reference.copy_from_slice(&references[..BLOCK]);
        Self { first_bits, dy_bits, first, dy, reference, actual }
    }
}

/// A block of elements, the first of which has the index `start`.
#[inline(always)]
fn bits_and_values<E: Elements>(start: usize, bytes: &[u8]) -> ([u32; BLOCK], [f64; BLOCK]) {
    let bytes = &bytes[start * E::SIZE..][..BLOCK * E::SIZE];
    let (mut bits, mut values) = ([0; BLOCK], [0.0; BLOCK]);
    for index in 0..BLOCK {
        bits[index] = E::bits(bytes, index);
        values[index] = E::value(bits[index]);
    }
    (bits, values)
}

/// One element of a comparison.
struct Element {
    index: u64,
    case: Case,
    dy_bits: u32,
    actual_bits: u32,
}

/// Fills a tensor that a kernel is to write with what no kernel writes.
pub(crate) fn sentinel(gpu: &Gpu, tensor: &Tensor, dtype: Dtype) -> Result<()> {
    let sentinel = dtype.sentinel_word();
    gpu.upload(tensor, |_, bytes| {
        for word in bytes.chunks_mut(sentinel.len()) {
            word.copy_from_slice(&sentinel[..word.len()]);
        }
    })
}

/// Sentinels what the kernel's workload writes, runs it once, and compares every element with the reference. `tensors` are those that it is
/// bound to.
pub fn check(
    gpu: &Gpu,
    kernel: &Kernel,
    workload: &Workload,
    tensors: &[&Tensor],
    inputs: &Inputs,
) -> Result<Accuracy> {
    let written = kernel.tensors().iter().zip(tensors).filter(|(role, _)| role.is_written());
    for (_, tensor) in written.clone() {
        sentinel(gpu, tensor, kernel.dtype)?;
    }
    gpu.run(workload)?;

    let mut found = Accuracy::default();
    for (role, tensor) in written {
        let (mut first, mut dy) = (Vec::new(), Vec::new());
        gpu.read(tensor, |start, actual| {
            let elements_per_unit = if role.is_mask() { 32 } else { 1 };
            let elements = actual.len() as u64 * elements_per_unit / tensor.layout.element_bytes;
            fill(kernel, inputs, start * elements_per_unit, elements, [&mut first, &mut dy]);
            let first_element = start * elements_per_unit;
            found.merge(&match role {
                Role::MaskResult => {
                    // Bits behind the last element are those of padding.
                    let inside = workload.elements.saturating_sub(first_element).min(elements);
                    let inside =
                        usize::try_from(inside).expect("a piece") * kernel.dtype.element_size();
                    first[inside..].fill(0);
                    compare_mask(kernel, first_element, 0..actual.len() * 8, &first, actual)
                }
                _ => compare(kernel, first_element, &first, &dy, actual),
            });
            Ok(())
        })?;
        found.guard_broken |= !gpu.guards_are_intact(tensor)?;
    }
    Ok(found)
}

/// What a kernel read for so many elements from `start` on: x or the saved tensor, and dy.
fn fill(
    kernel: &Kernel,
    inputs: &Inputs,
    start: u64,
    elements: u64,
    [first, dy]: [&mut Vec<u8>; 2],
) {
    for role in kernel.inputs() {
        let host = if role == Role::Dy { &mut *dy } else { &mut *first };
        host.resize(usize::try_from(elements).expect("a piece") * kernel.dtype.element_size(), 0);
        inputs.fill(kernel.activation, role, kernel.dtype, start, host);
    }
}

/// Compares a range of the bits of a mask with x > 0; the first bit is that of the element `start`.
pub(crate) fn compare_mask(
    kernel: &Kernel,
    start: u64,
    range: Range<usize>,
    x: &[u8],
    actual: &[u8],
) -> Accuracy {
    let dtype = kernel.dtype;
    let mut found = Accuracy::default();
    for bit in range {
        let first_bits = dtype.element(x, bit);
        let value = dtype.value(first_bits);
        let is_set = actual[bit / 8] >> (bit % 8) & 1 == 1;
        let either = !value.is_finite() || dtype.memory().is_subnormal(value);
        if is_set != (value > 0.0) && !either {
            found.violations += 1;
            let as_bits = |set: bool| dtype.bits(f64::from(u8::from(set)));
            found.first_violation.get_or_insert(Judged {
                index: start + bit as u64,
                first_bits,
                dy_bits: None,
                reference: f64::from(u8::from(value > 0.0)),
                allowed: Allowed::Bits(as_bits(value > 0.0)),
                actual_bits: as_bits(is_set),
                in_mask: true,
                unwritten: false,
            });
        }
    }
    found
}

/// [`check`], with anything wrong as an error.
pub fn ensure_right(
    gpu: &Gpu,
    kernel: &Kernel,
    workload: &Workload,
    tensors: &[&Tensor],
    inputs: &Inputs,
) -> Result<Accuracy> {
    let found = check(gpu, kernel, workload, tensors, inputs)?;
    match found.complaint(kernel, inputs.seed) {
        Some(complaint) => Err(Error::Mismatch(complaint)),
        None => Ok(found),
    }
}

/// One validation of one kernel: tensors of its own, inputs, size, shape.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// The kernel.
    pub kernel: Kernel,
    /// Where its inputs come from.
    pub inputs: Inputs,
    /// Elements of each tensor.
    pub elements: u64,
    /// Workgroup size and words per invocation.
    pub shape: Shape,
    /// Whether wgpu checks the shader at run time.
    pub checks: ShaderChecks,
    /// The most bytes that a buffer may have, guard included: smaller than the device's own limit to split a small tensor.
    pub max_buffer_bytes: u64,
    /// Text that stands in for the kernel's own, always checked at run time.
    pub wgsl: Option<&'a str>,
}

impl Trial<'_> {
    /// A trial of `elements` elements in the default shape.
    pub fn new(gpu: &Gpu, kernel: Kernel, inputs: Inputs, elements: u64) -> Self {
        Self {
            kernel,
            inputs,
            elements,
            shape: Shape::default(),
            checks: ShaderChecks::default(),
            max_buffer_bytes: gpu.max_buffer_bytes(),
            wgsl: None,
        }
    }

    /// Makes the tensors, uploads the inputs, runs the kernel and compares every element.
    pub fn run(&self, gpu: &Gpu) -> Result<Accuracy> {
        let (workload, tensors) = self.prepare(gpu)?;
        check(gpu, &self.kernel, &workload, &tensors.iter().collect::<Vec<_>>(), &self.inputs)
    }

    /// [`Self::run`] with an answer for each of so many equal parts of the tensors. The result alone is compared, no mask and no guard.
    ///
    /// # Panics
    /// If the parts are not equal.
    pub fn run_in_bins(&self, gpu: &Gpu, bins: u64) -> Result<Vec<Accuracy>> {
        assert!(self.elements.is_multiple_of(bins), "{} elements in {bins} bins", self.elements);
        let (workload, tensors) = self.prepare(gpu)?;
        gpu.run(&workload)?;
        let (per_bin, size) = (self.elements / bins, self.kernel.dtype.element_size());
        let mut found = Vec::new();
        found.resize_with(usize::try_from(bins).expect("a handful"), Accuracy::default);
        let (mut first, mut dy) = (Vec::new(), Vec::new());
        gpu.read(&tensors[0], |start, actual| {
            let elements = (actual.len() / size) as u64;
            fill(&self.kernel, &self.inputs, start, elements, [&mut first, &mut dy]);
            let mut index = start;
            while index < start + elements {
                let bin = index / per_bin;
                let end = (start + elements).min((bin + 1) * per_bin);
                let [from, to] = [index, end]
                    .map(|index| usize::try_from(index - start).expect("a piece") * size);
                let of_bin = |host: &[u8]| if host.is_empty() { 0..0 } else { from..to };
                let (first, dy) = (&first[of_bin(&first)], &dy[of_bin(&dy)]);
                let bin = &mut found[usize::try_from(bin).expect("a handful")];
                bin.merge(&compare(&self.kernel, index, first, dy, &actual[from..to]));
                index = end;
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn prepare(&self, gpu: &Gpu) -> Result<(Workload, Vec<Tensor>)> {
        let Self { kernel, inputs, elements, shape, checks, max_buffer_bytes, wgsl } = self;
        gpu.supports(kernel)?;
        gpu.ensure_room(
            elements.saturating_mul(kernel.dtype.element_bytes() * kernel.tensors().len() as u64),
        )?;
        let layout = Layout::new(*elements, kernel.dtype.element_bytes(), *max_buffer_bytes);
        let mut tensors = Vec::new();
        for role in kernel.tensors() {
            let tensor = gpu.tensor(&format!("{role:?}"), layout.of(kernel, *role))?;
            if !role.is_written() {
                gpu.upload(&tensor, |first, bytes| {
                    inputs.fill_stored(kernel.activation, *role, kernel.dtype, first, bytes);
                })?;
            }
            tensors.push(tensor);
        }
        let bound: Vec<&Tensor> = tensors.iter().collect();
        let workload = match wgsl {
            Some(wgsl) => gpu.workload_of(*kernel, wgsl, *shape, &bound)?,
            None => gpu.workload(*kernel, *shape, *checks, &bound)?,
        };
        Ok((workload, tensors))
    }
}

/// What a kernel makes of one input, given by its bits, and whether that is right.
pub fn one(gpu: &Gpu, kernel: Kernel, first_bits: u32, dy_bits: u32) -> Result<(Judged, bool)> {
    let inputs =
        Inputs { distribution: Distribution::Bits { first: first_bits, dy: dy_bits }, seed: 0 };
    let (workload, tensors) = Trial::new(gpu, kernel, inputs, 1).prepare(gpu)?;
    gpu.run(&workload)?;
    let mut actual_bits = 0;
    gpu.read(&tensors[0], |_, bytes| {
        actual_bits = kernel.dtype.element(bytes, 0);
        Ok(())
    })?;
    let dtype = kernel.dtype;
    let is_mask = kernel.inputs().any(Role::is_mask);
    let first = dtype.value(first_bits);
    let first = if is_mask { f64::from(u8::from(first > 0.0)) } else { first };
    let reference = kernel.variant.pass.reference(first, dtype.value(dy_bits));
    let allowed = (kernel.variant.allowed)(&Case {
        dtype,
        first,
        first_bits,
        dy: dtype.value(dy_bits),
        reference,
    });
    let dy_bits = kernel.inputs().any(|role| role == Role::Dy).then_some(dy_bits);
    let judged = Judged {
        index: 0,
        first_bits,
        dy_bits,
        reference,
        allowed,
        actual_bits,
        in_mask: false,
        unwritten: false,
    };
    Ok((judged, allowed.contains(dtype.value(actual_bits), actual_bits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation::Direction;
    use crate::kernels::kernel;

    /// [`compare`] without blocks, shortcuts or wide vectors.
    fn compare_plainly<E: Elements>(
        kernel: &Kernel,
        first: &[u8],
        dy: &[u8],
        actual: &[u8],
    ) -> Accuracy {
        let dtype = kernel.dtype;
        let elements = actual.len() / E::SIZE;
        let mut found = Accuracy { inputs: elements as u64, ..Accuracy::default() };
        for index in 0..elements {
            let first_bits = E::bits(first, index);
            let dy_bits = if dy.is_empty() { 0 } else { E::bits(dy, index) };
            let (first, dy_value) = (E::value(first_bits), E::value(dy_bits));
            let reference = kernel.variant.pass.reference(first, dy_value);
            let case = Case { dtype, first, first_bits, dy: dy_value, reference };
            let element =
                Element { index: index as u64, case, dy_bits, actual_bits: E::bits(actual, index) };
            found.add::<E>(&element, (kernel.variant.allowed)(&case), !dy.is_empty());
        }
        found
    }

    /// Wrong or odd results at both ends of blocks and chunks, and errors of up to 15 ULP everywhere else, in one of which the largest.
    fn plant(dtype: Dtype, round: usize, actual: &mut [u8]) {
        let size = dtype.element_size();
        let elements = actual.len() / size;
        let mut put = |index: usize, bits: u32| {
            actual[index * size..][..size].copy_from_slice(&bits.to_le_bytes()[..size]);
        };
        let odd =
            [dtype.sentinel(), dtype.bits(f64::INFINITY), dtype.bits(0.75), dtype.bits(-0.0), 1];
        let at = [
            0,
            BLOCK - 1,
            BLOCK,
            THREAD_CHUNK - 1,
            THREAD_CHUNK,
            THREAD_CHUNK + BLOCK,
            elements - BLOCK,
            elements - 2,
            elements - 1,
        ];
        if round > 0 {
            put(at[round % at.len()], odd[round % odd.len()]);
        }
    }

    #[test]
    fn blocks_and_wide_vectors_find_what_a_plain_loop_finds() {
        let mut violations = 0;
        // The last block is not full, and no chunk the second.
        let elements = THREAD_CHUNK + 5 * BLOCK + 7;
        for kernel in kernel::all()
            .filter(|kernel| !kernel.packs_pairs() && !kernel.inputs().any(Role::is_mask))
        {
            let dtype = kernel.dtype;
            let backward = kernel.direction() == Direction::Backward;
            for round in 0..9usize {
                let bytes = |role: Role, inputs: Inputs| {
                    let mut bytes = vec![0; elements * dtype.element_size()];
                    inputs.fill(kernel.activation, role, dtype, 0, &mut bytes);
                    bytes
                };
                let seed = round as u64;
                let inputs =
                    if round % 2 == 0 { Inputs::patterns(seed) } else { Inputs::normal(seed) };
                let first = bytes(kernel.inputs().next().expect("an input"), inputs);
                let dy = if backward { bytes(Role::Dy, inputs) } else { Vec::new() };
                let references = references(&kernel, 0..elements, &first, &dy);
                // Off by a few units in the last place, more so in later rounds.
                let off = |(index, reference): (usize, &f64)| {
                    let units = [0.0, 1.0, -1.0, 3.0, 15.0][(index * 7919 + index / 97) % 5]
                        * f64::from(u8::from(round > 2));
                    reference + units * dtype.memory().unit * reference
                };
                let results: Vec<f64> = references.iter().enumerate().map(off).collect();
                let mut actual = dtype::rounded(dtype, &results);
                plant(dtype, round, &mut actual);
                let own = compare(&kernel, 0, &first, &dy, &actual);
                let plain = match dtype {
                    Dtype::F32 => compare_plainly::<F32Elements>(&kernel, &first, &dy, &actual),
                    Dtype::F16 | Dtype::F16Native => {
                        compare_plainly::<F16Elements>(&kernel, &first, &dy, &actual)
                    }
                };
                violations += plain.violations;
                let what = format!("{} in round {round}", kernel.path());
                // Sums in another order differ in their last digits.
                assert!(
                    (own.mean_ulp() - plain.mean_ulp()).abs() <= 1e-12 * plain.mean_ulp(),
                    "{what}"
                );
                let same_sum = Accuracy { ulp_sum: plain.ulp_sum, ..own };
                assert_eq!(format!("{same_sum:?}"), format!("{plain:?}"), "{what}");
            }
        }
        assert!(violations > 1000, "{violations}");
    }
}
