//! What a comparison with the reference found: errors in ULP and as a share of the bound, and the
//! first wrong element with all that is needed to see it again.

use serde::{Deserialize, Serialize};

use crate::kernels::dtype::{Dtype, Elements};
use crate::kernels::kernel::Kernel;
use crate::kernels::tolerance::{Allowed, Case, FormulaError};

/// What a comparison of many elements found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Elements compared.
    pub inputs: u64,
    /// Elements outside what is allowed.
    pub violations: u64,
    /// The first of them.
    pub first_violation: Option<Judged>,
    /// The largest error in ULP of the reference, over results that no step may have flushed to 0.
    pub max_ulp: f64,
    /// Where it was found: the bits of x, or of the saved tensor's element.
    pub max_ulp_at: u32,
    /// Sum of those errors.
    pub(super) ulp_sum: f64,
    /// Their number.
    pub(super) ulp_count: u64,
    /// The largest error as a share of the bound, over the same results.
    pub max_share: f64,
    /// Whether something was written behind the end of the result.
    pub guard_broken: bool,
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
}

/// One element of a comparison.
pub(super) struct Element {
    pub index: u64,
    pub case: Case,
    /// None forward.
    pub dy_bits: Option<u32>,
    pub actual_bits: u32,
}

impl Accuracy {
    /// Whether everything is as it must be.
    pub fn is_right(&self) -> bool {
        self.violations == 0 && !self.guard_broken
    }

    /// Mean error in ULP, over results that are normal; 0 if there are none.
    pub fn mean_ulp(&self) -> f64 {
        let count = self.ulp_count.max(1) as f64;
        self.ulp_sum / count
    }

    /// How good it is beyond being right: A within 3 ULP everywhere, B where at least half of the
    /// digits are right, C within the bound. None if it is wrong.
    pub fn tier(&self, dtype: Dtype) -> Option<char> {
        let half_of_digits = dtype.memory().unit.recip().sqrt().log2().ceil().exp2();
        let tier = match self.max_ulp {
            ..=3.0 => 'A',
            ulps if ulps <= half_of_digits => 'B',
            _ => 'C',
        };
        self.is_right().then_some(tier)
    }

    /// Adds one element.
    #[inline(always)]
    pub(super) fn add<E: Elements>(&mut self, kernel: &Kernel, element: &Element) {
        let Case { dtype, first, first_bits, dy, reference, .. } = element.case;
        let actual = E::value(element.actual_bits);
        let error = (actual - reference).abs();
        let tolerance = kernel.variant.tolerance(&element.case);
        // A result that a step may have flushed to 0 would be right and 2^23 ULP off; infinite and
        // NaN inputs have no reference.
        let is_normal = |value: f64| value == 0.0 || E::MEMORY.is_normal(value);
        let counts = error.is_finite()
            && E::MEMORY.is_normal(reference)
            && tolerance.least >= dtype.arithmetic().min_normal
            && is_normal(first)
            && is_normal(dy);
        if counts {
            if tolerance.promises_a_digit(dtype) {
                let ulps = E::MEMORY.ulps(error, tolerance.of);
                self.raise_max_ulp(ulps, first_bits);
                self.ulp_sum += ulps;
                self.ulp_count += 1;
            }
            // Nearer than roundings alone allow, and no larger share than is known.
            let near = tolerance.of_result(dtype, reference) * self.max_share.min(1.0);
            if error <= near && matches!(kernel.variant.error, FormulaError::Within(_)) {
                return;
            }
        }
        let allowed = kernel.variant.allowed(&element.case);
        if !allowed.contains(actual, element.actual_bits) {
            self.violations += 1;
            self.first_violation.get_or_insert_with(|| Judged::new(element, allowed));
        }
        if let (Allowed::Within { lowest, highest }, true) = (allowed, counts) {
            let bound = if actual < reference { reference - lowest } else { highest - reference };
            self.max_share = self.max_share.max(error / bound);
        }
    }

    #[inline]
    pub(super) fn raise_max_ulp(&mut self, ulps: f64, first_bits: u32) {
        if ulps > self.max_ulp {
            (self.max_ulp, self.max_ulp_at) = (ulps, first_bits);
        }
    }

    /// Adds what was found in the elements behind these.
    pub fn merge(&mut self, behind: &Self) {
        self.inputs += behind.inputs;
        self.violations += behind.violations;
        self.first_violation = self.first_violation.or(behind.first_violation);
        self.raise_max_ulp(behind.max_ulp, behind.max_ulp_at);
        self.max_share = self.max_share.max(behind.max_share);
        self.ulp_sum += behind.ulp_sum;
        self.ulp_count += behind.ulp_count;
        self.guard_broken |= behind.guard_broken;
    }

    /// What is wrong, with everything that is needed to see it again; nothing if all is right.
    pub fn complaint(&self, kernel: &Kernel, seed: u64) -> Option<String> {
        let path = kernel.path();
        if let Some(violation) = &self.first_violation {
            let (violations, inputs) = (self.violations, self.inputs);
            return Some(format!(
                "{path} has {violations} wrong results over {inputs} inputs. {}; seed {seed}",
                violation.sentence(kernel)
            ));
        }
        self.guard_broken.then(|| format!("{path} writes behind the end of its result"))
    }
}

impl Judged {
    pub(super) fn new(element: &Element, allowed: Allowed) -> Self {
        let Element { index, case: Case { first_bits, reference, .. }, dy_bits, actual_bits } =
            *element;
        Self { index, first_bits, dy_bits, reference, allowed, actual_bits, in_mask: false }
    }

    /// Index, inputs in decimal and bits, what is allowed, and what is there.
    pub fn sentence(&self, kernel: &Kernel) -> String {
        let dtype = kernel.dtype;
        let digits = dtype.element_size() * 2;
        let show = |bits: u32| format!("{:e} (0x{bits:0digits$x})", dtype.value(bits));
        let first = show(self.first_bits);
        let inputs = match self.dy_bits {
            Some(dy) => format!("saved {first}, dy {}", show(dy)),
            None => format!("x {first}"),
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
        let (index, actual) = (self.index, show(self.actual_bits));
        let of_mask = if self.in_mask { "bit of mask " } else { "" };
        let is_unwritten = self.actual_bits == dtype.sentinel();
        let unwritten = if is_unwritten { ": it was never written" } else { "" };
        format!(
            "Element {index}: {inputs}: {of_mask}expected {expected}, actual {actual}{unwritten}"
        )
    }
}

fn null_is_nan<'de, D: serde::Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation::Direction;
    use crate::kernels::built_ins::BuiltIns;
    use crate::kernels::dtype::{F16Elements, F32Elements};
    use crate::kernels::inputs::Inputs;
    use crate::kernels::kernel::{self, Role};

    /// What is found in a result that is off by a share of what roundings allow, where `known` is
    /// the largest share so far.
    fn found<E: Elements>(kernel: &Kernel, case: Case, share: f64, known: f64) -> Accuracy {
        let roundings = kernel.variant.tolerance(&case).of_result(kernel.dtype, case.reference);
        let dy_bits = (kernel.direction() == Direction::Backward).then(|| E::nearest(case.dy));
        let actual_bits = E::nearest(case.reference + share * roundings);
        let mut found = Accuracy { max_share: known, ..Accuracy::default() };
        found.add::<E>(kernel, &Element { index: 0, case, dy_bits, actual_bits });
        found
    }

    fn compare_twice<E: Elements>(kernel: &Kernel) -> [usize; 2] {
        const ELEMENTS: usize = 3000;
        let read = |role: Role| {
            let mut bytes = vec![0; ELEMENTS * E::SIZE];
            Inputs::patterns(5).fill(kernel, role, 0, &mut bytes);
            bytes
        };
        let first = read(kernel.inputs().next().expect("an input"));
        let dy = (kernel.direction() == Direction::Backward).then(|| read(Role::Dy));
        let (mut shortcuts, mut wrong) = (0, 0);
        for index in 0..ELEMENTS {
            let first_bits = E::bits(&first, index);
            let first = E::value(first_bits);
            let dy = dy.as_ref().map_or(0.0, |dy| E::value(E::bits(dy, index)));
            let reference = kernel.variant.pass.reference(first, dy);
            let (dtype, built_ins) = (kernel.dtype, BuiltIns::default());
            let case = Case { dtype, first, first_bits, dy, reference, built_ins };
            for share in [-40.0, -1.0, -0.3, 0.0, 0.2, 0.9, 40.0] {
                let whole = found::<E>(kernel, case, share, 0.0);
                for known in [0.1, 0.5, 1.0] {
                    let short = found::<E>(kernel, case, share, known);
                    let what = || format!("{} {case:?}, {share}, {known}", kernel.path());
                    assert_eq!(short.violations, whole.violations, "{}", what());
                    assert_eq!(short.max_share, whole.max_share.max(known), "{}", what());
                    shortcuts += usize::from(whole.max_share > 0.0 && short.max_share == known);
                }
                wrong += usize::from(whole.violations > 0);
            }
        }
        [shortcuts, wrong]
    }

    #[test]
    fn what_is_known_to_be_allowed_is_what_a_whole_look_finds() {
        let (mut shortcuts, mut wrong) = (0, 0);
        let reads_elements = |kernel: &Kernel| !kernel.inputs().any(Role::is_mask);
        for kernel in kernel::all().filter(reads_elements) {
            let [own_shortcuts, own_wrong] = match kernel.dtype {
                Dtype::F32 => compare_twice::<F32Elements>(&kernel),
                Dtype::F16 | Dtype::F16Native => compare_twice::<F16Elements>(&kernel),
            };
            (shortcuts, wrong) = (shortcuts + own_shortcuts, wrong + own_wrong);
        }
        assert!(shortcuts > 100_000 && wrong > 100_000, "{shortcuts} {wrong}");
    }
}
