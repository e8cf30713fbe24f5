//! The functions that activations share (shaders/functions), each alone over its whole domain, with
//! faults that have to show; and what the default f32 variants are good for.

mod common;

use actbench::gpu::{Gpu, ShaderChecks, Shape};
use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::dtype::{Dtype, Format};
use actbench::kernels::inputs::{Inputs, repeat};
use actbench::kernels::kernel::{Kernel, Role};
use common::gpu;

const SEED: u64 = 20_261_128;
const ELEMENTS: usize = 1 << 22;

/// Below, a step may have flushed the result, or half of it, to 0.
const FLUSHED: f64 = 2.0 * Format::F32.min_normal;

/// A function of `shaders/functions`.
struct Function {
    name: &'static str,
    wgsl: &'static str,
    /// The domain, from one end to the other by rising bits.
    domain: [f32; 2],
    reference: fn(f64) -> f64,
    /// The error that it states, in u of the result.
    units: fn(f64) -> f64,
    /// What is wrong, what stands in the text (once), and what is put in its place.
    faults: &'static [(&'static str, &'static str, &'static str)],
}

const FUNCTIONS: &[Function] = &[
    Function {
        name: "expm1",
        wgsl: include_str!("../shaders/functions/expm1.wgsl"),
        domain: [-0.0, -f32::MAX],
        reference: libm::expm1,
        units: |_| 8.0,
        faults: &[
            ("the factor of r^2 is off in its fourth digit", "q * r + 0.5;", "q * r + 0.5004;"),
            ("the factor of r^3 is, too", "0.1666654348373413", "0.1667654348373413"),
            ("ln(2) has 8 digits in its first part", "0.69314575", "0.6931472"),
            ("ln(2) lacks its second part", " - n * 1.4286068e-6", ""),
            ("2^n - 1 is missing", " + (scale - 1.0)", ""),
        ],
    },
    Function {
        name: "log1p",
        wgsl: include_str!("../shaders/functions/log1p.wgsl"),
        domain: [0.0, 1.0],
        reference: libm::log1p,
        units: |_| 8.0,
        faults: &[
            ("the factor of s^3 is off in its fourth digit", "0.6666641235", "0.6667641235"),
            ("the factor of s^5 is off in its third digit", "0.4002169966", "0.4012169966"),
            ("the term of s^9 is missing", "vec4<f32>(0.28024473786354065)", "vec4<f32>(0.0)"),
        ],
    },
    Function {
        name: "erfc",
        wgsl: include_str!("../shaders/functions/erfc.wgsl"),
        domain: [0.0, 10.7],
        reference: libm::erfc,
        units: |t| 9.0 + 3.0 * t * t,
        faults: &[
            ("a coefficient is off in its fourth digit", "0.2394973188", "0.2395973188"),
            ("the highest one is off in its third digit", "0.010253028944", "0.010353028944"),
            ("a term is missing", "q = q * s + 0.2212996482849121;", ""),
            ("s lacks its 2", "2.0 / (2.0 + t)", "1.0 / (2.0 + t)"),
        ],
    },
    Function {
        name: "exp_poly",
        wgsl: include_str!("../shaders/functions/exp_poly.wgsl"),
        domain: [-0.0, -f32::MAX],
        reference: libm::exp,
        units: |x| 4.0 + 2.0 * x.abs(),
        faults: &[
            ("the factor of r^3 is off in its fourth digit", "0.1666652113", "0.1667652113"),
            ("ln(2) has 8 digits in its first part", "0.69314575", "0.6931472"),
            ("ln(2) lacks its second part", " - n * 1.4286068e-6", ""),
            ("the term of r^2 is missing", "r * r * q + r", "r"),
            ("2^n has a factor of two too many", "whole - half", "whole - half + 1"),
        ],
    },
];

impl Function {
    fn inputs(&self) -> Vec<f32> {
        let [first, last] = self.domain.map(|end| u64::from(end.to_bits()));
        let bits = |at: usize| first + (last - first) * at as u64 / (ELEMENTS as u64 - 1);
        (0..ELEMENTS).map(|at| f32::from_bits(bits(at).try_into().expect("an f32's"))).collect()
    }

    /// The largest error as a share of what it states, and where; infinite for NaN.
    fn largest(&self, gpu: &Gpu, wgsl: &str, x: &[f32], references: &[f64]) -> (f64, f32) {
        // A kernel with its tensors; what it computes is replaced.
        let kernel = default_variant("relu", Direction::Forward).expect("a forward pass");
        let results = results(gpu, &kernel, Some(&kernel.wgsl_of(wgsl, self.name)), &[x]);
        let shares = x.iter().zip(references).zip(results).map(|((x, reference), result)| {
            let stated = (self.units)(f64::from(*x)) * Format::F32.unit * reference.abs();
            let share = (f64::from(result) - reference).abs() / stated.max(FLUSHED);
            (if share.is_nan() { f64::INFINITY } else { share }, *x)
        });
        shares.max_by(|a, b| a.0.total_cmp(&b.0)).expect("inputs")
    }
}

/// What a kernel in f32, or a text in its place, makes of its inputs.
fn results(gpu: &Gpu, kernel: &Kernel, wgsl: Option<&str>, inputs: &[&[f32]]) -> Vec<f32> {
    let tensor = || gpu.tensor("a tensor", gpu.layout(ELEMENTS as u64, 4)).expect("room");
    let mut tensors = vec![tensor()];
    for input in inputs {
        let (tensor, host) = (tensor(), bytemuck::cast_slice(input));
        gpu.upload(&tensor, |first, bytes| repeat(host, first * 4, bytes)).expect("a device");
        tensors.push(tensor);
    }
    let bound: Vec<_> = tensors.iter().collect();
    let workload = gpu.workload(kernel, wgsl, Shape::default(), ShaderChecks::Checked, &bound);
    gpu.run(&workload.expect("it compiles")).expect("a device");
    let mut results = Vec::with_capacity(ELEMENTS);
    let take = |_, bytes: &[u8]| {
        results.extend(bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<f32>));
        Ok(())
    };
    gpu.read(&tensors[0], take).expect("a device");
    results
}

fn default_variant(activation: &str, direction: Direction) -> Option<Kernel> {
    let activation = Activation::named(activation).expect("in the table");
    Kernel::default_variant(activation, direction, Dtype::F32)
}

#[test]
fn shared_functions_are_as_good_as_they_state_and_faults_show() {
    let gpu = gpu();
    for function in FUNCTIONS {
        let (x, name) = (function.inputs(), function.name);
        let references: Vec<f64> = x.iter().map(|x| (function.reference)(f64::from(*x))).collect();
        let largest = |wgsl: &str| function.largest(gpu, wgsl, &x, &references);
        let (share, at) = largest(function.wgsl);
        eprintln!("{name}: {share:.3} of its bound at {at:e}");
        assert!(share <= 1.0, "{name} at {at:e}: {share} times the error that it states");
        for (what, find, replace) in function.faults {
            assert_eq!(function.wgsl.matches(find).count(), 1, "{name}: {what}");
            let (share, at) = largest(&function.wgsl.replace(find, replace));
            eprintln!("  {what}: {share:.1} at {at:e}");
            assert!(share > 1.0, "went unnoticed: {name}: {what}: {share} at {at:e}");
        }
    }
}

/// What a default forward variant in f32 is good for, for every finite x. It is measured, and more
/// than WGSL promises: its exp may be off by 3 + 2|x| ULP.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Within {
    /// 16 ULP of the function.
    Ulps,
    /// 2^-22 max(1, |x|).
    Absolute,
}

/// Another activation may have either.
const DEFAULTS: &[(&str, Within)] = &[
    ("relu/plain", Within::Ulps),
    ("leaky_relu/plain", Within::Ulps),
    ("elu/expm1", Within::Ulps),
    ("tanh/expm1", Within::Ulps),
    ("sigmoid/two_sided", Within::Absolute),
    ("silu/two_sided", Within::Absolute),
    ("softplus/log1p", Within::Absolute),
    ("gelu/erfc", Within::Absolute),
    ("gelu_tanh/two_sided", Within::Absolute),
];

/// Edge values, patterns of all exponents and normal values, of what a kernel reads.
fn patterns(kernel: &Kernel) -> Vec<Vec<f32>> {
    let of_role = |role: Role| {
        let mut input = vec![0.0f32; ELEMENTS];
        let bytes = bytemuck::cast_slice_mut(&mut input);
        Inputs::patterns(SEED).fill(kernel, role, 0, bytes);
        input
    };
    kernel.inputs().map(of_role).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

#[test]
fn default_forward_variants_keep_what_is_stated() {
    let gpu = gpu();
    let mut listed = 0;
    for activation in Activation::all() {
        let Some(kernel) = default_variant(activation.name, Direction::Forward) else { continue };
        if kernel.is_raw() {
            continue;
        }
        let inputs = patterns(&kernel);
        let (x, results) = (wide(&inputs[0]), results(gpu, &kernel, None, &[&inputs[0]]));
        let mut references = vec![0.0; x.len()];
        kernel.variant.pass.references(&x, &[], &mut references);
        let (mut ulps, mut absolute) = ((0.0, 0.0), (0.0, 0.0));
        for ((x, reference), result) in x.iter().zip(references).zip(wide(&results)) {
            if x.is_finite() {
                assert!(!result.is_nan(), "{} gives NaN for {x:e}", kernel.path());
                let error = (result - reference).abs();
                let of_absolute = error / x.abs().max(1.0) * 2f64.powi(22);
                if of_absolute > absolute.0 {
                    absolute = (of_absolute, *x);
                }
                let of_ulps = Format::F32.ulps(error, reference);
                if of_ulps > ulps.0 && error >= FLUSHED {
                    ulps = (of_ulps, *x);
                }
            }
        }
        let found = format!("{}: ULP {ulps:?}, shares {absolute:?}", kernel.member_id());
        eprintln!("{found}");
        let stated = DEFAULTS.iter().find(|(name, _)| *name == kernel.member_id());
        listed += usize::from(stated.is_some());
        let keeps = |within| match within {
            Within::Ulps => ulps.0 <= 16.0,
            Within::Absolute => absolute.0 <= 1.0,
        };
        let keeps = match stated {
            Some((_, within)) => keeps(*within),
            None => keeps(Within::Ulps) || keeps(Within::Absolute),
        };
        assert!(keeps || !gpu.facts.is_software, "{found}");
    }
    assert_eq!(listed, DEFAULTS.len(), "all are in the table of activations");
}

#[test]
fn default_backward_variants_give_no_nan() {
    let gpu = gpu();
    let mut checked = 0;
    for activation in Activation::all() {
        let Some(kernel) = default_variant(activation.name, Direction::Backward) else { continue };
        let inputs = patterns(&kernel);
        let results = results(gpu, &kernel, None, &[&inputs[0], &inputs[1]]);
        let (saved, dy) = (wide(&inputs[0]), wide(&inputs[1]));
        let mut references = vec![0.0; ELEMENTS];
        kernel.variant.pass.references(&saved, &dy, &mut references);
        for (((saved, dy), reference), result) in saved.iter().zip(&dy).zip(references).zip(results)
        {
            // Near overflow it may be anything.
            let is_defined = reference.abs() < Format::F32.max / 8.0;
            if saved.is_finite() && dy.is_finite() && is_defined {
                assert!(!result.is_nan(), "{}: saved {saved:e}, dy {dy:e}", kernel.path());
                checked += 1;
            }
        }
    }
    assert!(checked > 9 * ELEMENTS / 2, "{checked}");
}
