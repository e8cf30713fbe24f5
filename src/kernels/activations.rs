//! The activations. Each is a file here and one in `shaders/activations/`; tests, validation,
//! benchmarks and chains follow from it. The WGSL function of a variant is named
//! `{activation}_{variant}`.

mod add;
mod copy;
pub mod elu;
mod gated;
pub mod gelu;
pub mod gelu_tanh;
pub mod leaky_relu;
pub mod relu;
pub mod sigmoid;
pub mod silu;
pub mod softplus;
pub mod tanh;

use crate::kernels::activation::Activation;

/// All of them, as tables list them: copy and add first.
static ACTIVATIONS: &[&Activation] = &[
    &copy::COPY,
    &add::ADD,
    &relu::RELU,
    &sigmoid::SIGMOID,
    &leaky_relu::LEAKY_RELU,
    &elu::ELU,
    &tanh::TANH,
    &silu::SILU,
    &softplus::SOFTPLUS,
    &gelu::GELU,
    &gelu_tanh::GELU_TANH,
];

impl Activation {
    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        ACTIVATIONS.iter().copied()
    }

    /// The activation of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|activation| activation.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::kernels::activation::{Direction, Pass, Saved, Variant};
    use crate::kernels::built_ins::{BuiltIn, BuiltIns};
    use crate::kernels::dtype::{Dtype, Format};
    use crate::kernels::kernel::{self, Kernel};
    use crate::kernels::tolerance::{Allowed, Case};

    fn case(variant: &Variant, dtype: Dtype, first: f64, dy: f64) -> Case {
        let reference = variant.pass.reference(first, dy);
        let (first_bits, built_ins) = (dtype.bits(first), BuiltIns::default());
        Case { dtype, first, first_bits, dy, reference, built_ins }
    }

    #[test]
    fn references_agree_with_multiprecision() {
        let mut lines = include_str!("../../tests/data/activations.csv").lines().skip(1);
        let names: Vec<&str> = lines.next().expect("a header").split(',').skip(1).collect();
        // Sigmoid has a file of its own; what is exact needs none.
        let has_none = ["copy", "add", "relu", "sigmoid"];
        for activation in Activation::all().filter(|it| !has_none.contains(&it.name)) {
            let is_there = |name: &str| names.contains(&name);
            let derivative = format!("{}_derivative", activation.name);
            assert!(is_there(activation.name) && is_there(&derivative), "{}", activation.name);
        }
        let mut checked = 0;
        for line in lines {
            let mut columns = line.split(',');
            let bits = u32::from_str_radix(columns.next().expect("x"), 16).expect("bits");
            let x = f64::from(f32::from_bits(bits));
            for (name, column) in names.iter().zip(columns) {
                let nearest = f64::from_bits(u64::from_str_radix(column, 16).expect("bits"));
                let (activation, saved) = match name.strip_suffix("_derivative") {
                    Some(activation) => (activation, Some(Saved::X)),
                    None => (*name, None),
                };
                let activation = Activation::named(activation).expect("in the table");
                for variant in activation.variants {
                    let (is_it, dy) = match variant.pass {
                        Pass::Forward { .. } => (saved.is_none(), 0.0),
                        Pass::Backward { saved: own, .. } => (saved == Some(own), 1.0),
                    };
                    if is_it {
                        let case = case(variant, Dtype::F32, x, dy);
                        // Near a zero, of the largest term.
                        let ulp = Format::F32.ulp(variant.tolerance(&case).of.max(nearest.abs()));
                        let ulps = (case.reference - nearest).abs() / ulp;
                        assert!(ulps <= 2f64.powi(-16), "{name} {}: {ulps} at {x}", variant.name);
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 5000, "{checked}");
    }

    #[test]
    fn from_y_is_from_x() {
        let reads = |activation: &'static Activation, wanted| {
            activation.variants.iter().find(
                |variant| matches!(variant.pass, Pass::Backward { saved, .. } if saved == wanted),
            )
        };
        let mut checked = 0;
        for activation in Activation::all() {
            let (Some(forward), Some(from_y), Some(from_x)) =
                (activation.forward(), reads(activation, Saved::Y), reads(activation, Saved::X))
            else {
                continue;
            };
            for step in -800..=800 {
                let x = f64::from(step) / 100.0;
                let [own, other] = [
                    from_y.pass.reference(forward.reference(x, 0.0), 2.0),
                    from_x.pass.reference(x, 2.0),
                ];
                assert!((own - other).abs() < 1e-9, "{} at {x}: {own}, {other}", activation.name);
                checked += 1;
            }
        }
        assert!(checked > 6000, "{checked}");
    }

    #[test]
    fn y_stays_in_its_range_and_the_domain_of_what_reads_it() {
        for activation in Activation::all() {
            let Some(forward) = activation.forward() else { continue };
            let [lowest, highest] = activation.y;
            for step in -4000..=4000 {
                let y = forward.reference(f64::from(step) / 40.0, 0.0);
                assert!(lowest <= y && y <= highest, "{}: {y}", activation.name);
                for variant in activation.variants {
                    if let Pass::Backward { saved: Saved::Y, .. } = variant.pass {
                        let case = case(variant, Dtype::F32, y, 1.0);
                        assert_ne!(variant.allowed(&case), Allowed::Anything, "{}", variant.name);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_indeterminate() {
        for kernel in kernel::all().filter(|kernel| !kernel.is_raw()) {
            for first in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let case = case(kernel.variant, kernel.dtype, first, 1.0);
                assert_eq!(kernel.variant.allowed(&case), Allowed::Anything, "{}", kernel.path());
            }
        }
    }

    #[test]
    fn a_reference_is_always_right_and_what_is_far_off_is_not() {
        for kernel in kernel::all().filter(|kernel| !kernel.is_raw()) {
            let dy = if kernel.direction() == Direction::Backward { 0.75 } else { 0.0 };
            for step in -300..=300 {
                let first = kernel.dtype.value(kernel.dtype.bits(f64::from(step) / 100.0));
                let case = case(kernel.variant, kernel.dtype, first, dy);
                let allowed = kernel.variant.allowed(&case);
                let contains = |value: f64| allowed.contains(value, kernel.dtype.bits(value));
                assert!(contains(case.reference), "{}: {case:?} {allowed:?}", kernel.path());
                let is_anything = allowed == Allowed::Anything;
                let far_off = case.reference + 1.0;
                assert!(is_anything || !contains(far_off), "{}: {case:?}", kernel.path());
                assert!(is_anything || !contains(f64::NAN), "{}: {case:?}", kernel.path());
            }
        }
    }

    #[test]
    fn relu_is_exact_and_keeps_a_subnormal_dy_in_f32() {
        let [plain, from_y] = ["plain", "from_y"].map(|name| relu::RELU.variant(name));
        let forward = |x: f64| plain.allowed(&case(plain, Dtype::F32, x, 0.0));
        assert!(forward(1.0).contains(1.0, 0));
        assert!(!forward(1.0).contains(1.0 + f64::from(f32::EPSILON), 0));
        assert!(forward(-1.0).contains(-0.0, 0) && !forward(-1.0).contains(-1.0, 0));
        assert!(forward(1e-40).contains(0.0, 0));
        assert!(!forward(1e-40).contains(f64::from(f32::MIN_POSITIVE), 0));
        let may_be_0 = |dtype, dy| from_y.allowed(&case(from_y, dtype, 1.0, dy)).contains(0.0, 0);
        assert!(!may_be_0(Dtype::F32, 1e-40));
        assert!(may_be_0(Dtype::F16, 6e-8));
        assert!(!may_be_0(Dtype::F16Native, 6e-8));
    }

    /// The functions that a WGSL function calls, its own ones followed; a division is `/`.
    fn calls(wgsl: &str, function: &str) -> HashSet<String> {
        let body = wgsl.split(&format!("\nfn {function}(")).nth(1).unwrap_or_else(|| {
            let first = wgsl.strip_prefix(&format!("fn {function}("));
            first.unwrap_or_else(|| panic!("no function {function}"))
        });
        let body = body.split("\n}").next().expect("its end");
        let mut found = HashSet::new();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for line in body.lines().map(|line| line.split("//").next().expect("a part")) {
            if line.contains('/') {
                found.insert("/".to_owned());
            }
            let mut parts = line.split('(').peekable();
            while let Some(part) = parts.next() {
                let name = part.rsplit(|c| !is_name(c)).next().expect("a part");
                if parts.peek().is_none() || name.is_empty() {
                    continue;
                }
                let is_own = wgsl.contains(&format!("fn {name}("));
                found.extend(if is_own { calls(wgsl, name) } else { HashSet::new() });
                found.insert(name.to_owned());
            }
        }
        found
    }

    /// In f32: where arithmetic is in f16, functions of our own are still in f32.
    #[test]
    fn a_built_in_beyond_the_specification_widens_what_calls_it_and_nothing_else() {
        let width = |kernel: &Kernel, x: f64, built_ins: BuiltIns| {
            let case = Case { built_ins, ..case(kernel.variant, Dtype::F32, x, 0.75) };
            match kernel.variant.allowed(&case) {
                Allowed::Within { lowest, highest } => highest - lowest,
                _ => 0.0,
            }
        };
        let mut widened = 0;
        for kernel in kernel::all().filter(|kernel| kernel.dtype == Dtype::F32) {
            let function = format!("{}_{}", kernel.activation.name, kernel.variant.name);
            let calls = calls(kernel.activation.wgsl, &function);
            for built_in in BuiltIn::ALL {
                let name = match built_in {
                    BuiltIn::Division => "/",
                    BuiltIn::InverseSqrt => "inverseSqrt",
                    _ => built_in.name(),
                };
                let is_wider = |share: f64| {
                    let simulated = BuiltIns::default().with(built_in, share);
                    let step = |step| f64::from(step) / 10.0;
                    (-80..=80).map(step).any(|x| {
                        let [own, by_wgsl] =
                            [simulated, BuiltIns::default()].map(|of| width(&kernel, x, of));
                        assert!(own >= by_wgsl, "{function} at {x}");
                        own > by_wgsl * 1.001
                    })
                };
                assert_eq!(is_wider(1.5), calls.contains(name), "{function}, {name}");
                // Within the specification, and broken.
                for share in [0.9, 1.0, 1.001 * BuiltIns::MOST, f64::INFINITY] {
                    assert!(!is_wider(share), "{function}, {name}, {share}");
                }
                widened += usize::from(is_wider(1.5));
            }
        }
        assert!(widened > 20, "{widened}");
    }
}
