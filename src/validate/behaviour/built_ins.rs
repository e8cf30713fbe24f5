//! How far built-in functions are off, as shares of what WGSL allows: on samples of their domains
//! in f32, at every number in f16. Kernels are judged by it.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use super::evaluate::Case;
use super::judge::{Value, Word, largest};
use super::probe::of_built_in;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::built_ins::{BuiltIn, BuiltIns};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::inputs::DEFAULT_SEED;
use crate::kernels::kernel::Kernel;
use crate::kernels::tolerance::FormulaError;

/// What is known of the built-in functions in arithmetic of a dtype. They are measured once.
pub fn built_ins(gpu: &Gpu, dtype: Dtype) -> Result<BuiltIns> {
    let known = &gpu.built_ins[usize::from(dtype.arithmetic() == Format::F16)];
    if let Some(known) = known.get() {
        return Ok(*known);
    }
    let mut built_ins = BuiltIns::default();
    for built_in in BuiltIn::ALL {
        if let Some(worst) = measured(gpu, built_in, dtype.computed_in())? {
            built_ins = built_ins.with(built_in, worst.share);
        }
    }
    Ok(*known.get_or_init(|| built_ins))
}

/// [`built_ins`], by which the kernel's results are judged.
pub(in crate::validate) fn of_kernel(gpu: &Gpu, kernel: &Kernel) -> Result<BuiltIns> {
    if calls_some(kernel) { built_ins(gpu, kernel.dtype) } else { Ok(BuiltIns::default()) }
}

/// Whether it may call built-in functions: what is exact calls none.
fn calls_some(kernel: &Kernel) -> bool {
    matches!(kernel.variant.error, FormulaError::Within(_))
}

/// Which built-in functions are off by more than WGSL allows in the arithmetic of these kernels, and
/// what follows, in a line; nothing if none is.
pub fn note(gpu: &Gpu, kernels: &[Kernel]) -> Result<Option<String>> {
    let mut seen: Vec<Dtype> = Vec::new();
    for kernel in kernels.iter().filter(|kernel| calls_some(kernel)) {
        let dtype = kernel.dtype.computed_in();
        if !seen.contains(&dtype) && gpu.supports(kernel).is_ok() {
            seen.push(dtype);
        }
    }
    let (mut beyond, mut broken) = (Vec::new(), Vec::new());
    for dtype in seen {
        for (built_in, share) in built_ins(gpu, dtype)?.beyond() {
            let (name, dtype) = (built_in.name(), dtype.name());
            if share <= BuiltIns::MOST {
                beyond.push(format!("{dtype} {name} ({share:.2})"));
            } else {
                broken.push(format!("{dtype} {name}"));
            }
        }
    }
    let mut sentences = Vec::new();
    if !beyond.is_empty() {
        sentences.push(format!(
            "Beyond WGSL's bound: {}. Kernels are judged by what was measured.",
            beyond.join(", ")
        ));
    }
    if !broken.is_empty() {
        let broken = broken.join(", ");
        sentences.push(format!("Beyond {} times the bound: {broken}.", BuiltIns::MOST));
    }
    Ok((!sentences.is_empty()).then(|| sentences.join(" ")))
}

/// The worst in f32 and in f16, where the adapter computes in them.
pub fn worst(gpu: &Gpu, built_in: BuiltIn) -> Result<Vec<(Dtype, Worst)>> {
    let mut formats = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16Native] {
        formats.extend(measured(gpu, built_in, dtype)?.map(|worst| (dtype, worst)));
    }
    Ok(formats)
}

/// What that says, what it means, and where it was seen.
pub fn answer(built_in: BuiltIn, formats: &[(Dtype, Worst)]) -> (Value, String, Option<String>) {
    let name = built_in.name();
    let share = formats.iter().map(|(_, worst)| worst.share).fold(0.0, f64::max);
    let (result, meaning) = if formats.is_empty() {
        (Value::Word(Word::Unsupported), "not measured".to_owned())
    } else if !share.is_finite() {
        let meaning =
            format!("NaN or infinity within its domain: kernels that call {name} are wrong");
        (Value::Word(Word::NotFinite), meaning)
    } else {
        let meaning = match share {
            ..=1.0 => "within WGSL's bound".to_owned(),
            ..=BuiltIns::MOST => format!(
                "beyond WGSL's bound: kernels that call {name} are judged by what was measured"
            ),
            _ => format!("far beyond WGSL's bound: kernels that call {name} are wrong"),
        };
        (Value::Number(share), meaning)
    };
    let evidence = formats.iter().map(|(dtype, Worst { share, x })| {
        let format = if *dtype == Dtype::F32 { "f32" } else { "f16" };
        let x = f32::from_bits(Dtype::F32.bits(*x));
        format!("{format} {share:.2} at {x:e}")
    });
    let evidence = (!formats.is_empty()).then(|| evidence.collect::<Vec<_>>().join(", "));
    (result, meaning, evidence)
}

/// The largest share of what WGSL allows, and the first operand where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    pub share: f64,
    pub x: f64,
}

impl Worst {
    pub fn of(built_in: BuiltIn, cases: &[Case]) -> Self {
        let (share, x) = largest(cases, |case| {
            case.error() / built_in.error(case.dtype, case.values[0], case.reference)
        });
        Self { share, x }
    }
}

/// None if the adapter does not compute in that dtype, or can't compile it.
fn measured(gpu: &Gpu, built_in: BuiltIn, dtype: Dtype) -> Result<Option<Worst>> {
    const AT_ONCE: usize = 1 << 12;
    let (expression, inputs) = (of_built_in(built_in, dtype), sample(built_in, dtype));
    let results = match expression.results(gpu, &inputs) {
        Ok(results) => results,
        Err(Error::Unsupported(_) | Error::Compile { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let worst = |(inputs, results): (&[[u32; 2]], &[u32])| {
        let cases = inputs.iter().zip(results).map(|(input, bits)| expression.case(*input, *bits));
        Worst::of(built_in, &cases.collect::<Vec<_>>())
    };
    let parts = inputs.par_chunks(AT_ONCE).zip(results.par_chunks(AT_ONCE)).map(worst);
    let larger = |a: Worst, b: Worst| if b.share > a.share { b } else { a };
    Ok(parts.reduce_with(larger))
}

/// Of the two parts of a domain, rising; in f32, then every 97th number of a range where much of
/// the bound is taken, and that activations use most. 97 is odd and divides no run of digits.
pub fn sample(built_in: BuiltIn, dtype: Dtype) -> Vec<[u32; 2]> {
    let dense = |from: f32, to: f32| (from.to_bits()..to.to_bits()).step_by(97);
    let mut inputs = match built_in {
        BuiltIn::Division => return of_division(dtype),
        _ => rising(dtype, built_in.domain(dtype)),
    };
    match built_in {
        BuiltIn::Exp | BuiltIn::Exp2 if dtype == Dtype::F32 => {
            inputs.extend(dense(2f32.powi(-6), 1.0).map(|bits| bits | sign(dtype)));
        }
        BuiltIn::Log | BuiltIn::Log2 if dtype == Dtype::F32 => inputs.extend(dense(0.5, 2.0)),
        _ => {}
    }
    inputs.into_iter().map(|bits| [bits, 0]).collect()
}

fn sign(dtype: Dtype) -> u32 {
    if dtype == Dtype::F32 { 0x8000_0000 } else { 0x8000 }
}

/// Numbers from the lowest to the highest. In f32 those of either sign are 2^14 runs of 16
/// neighbours, spread evenly over bit patterns; in f16 they are all that are normal.
fn rising(dtype: Dtype, [lowest, highest]: [f64; 2]) -> Vec<u32> {
    const RUNS: u32 = 1 << 14;
    const LENGTH: u32 = 16;
    let smallest = if dtype == Dtype::F32 { 2f64.powi(-30) } else { Format::F16.min_normal };
    let runs = |lowest: f64, highest: f64| -> Vec<u32> {
        let [lowest, highest] = [lowest, highest].map(|end| dtype.bits(end));
        let stride = (highest - lowest) / RUNS;
        if stride <= LENGTH {
            return (lowest..highest).collect();
        }
        let run = |run: u32| (0..LENGTH).map(move |step| lowest + run * stride + step);
        (0..RUNS).flat_map(run).collect()
    };
    if lowest > 0.0 {
        return runs(lowest, highest);
    }
    let negative = runs(smallest, -lowest).into_iter().rev().map(|bits| bits | sign(dtype));
    negative.chain(runs(smallest, highest)).collect()
}

/// Random operands of either sign whose quotients are normal, and 1 over numbers in [1, 2].
fn of_division(dtype: Dtype) -> Vec<[u32; 2]> {
    const COUNT: u32 = 1 << 18;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(DEFAULT_SEED);
    // A fraction of f32 and its sign, an exponent as far from 0 as the format lets a quotient be.
    let farthest = if dtype == Dtype::F32 { 60 } else { 6 };
    let mut operand = move || {
        let word = random.next_u32();
        let exponent = 127 - farthest + (word >> 23 & 0xff) * 2 * farthest / 255;
        let bits = word & 0x807f_ffff | exponent << 23;
        dtype.bits(f64::from(f32::from_bits(bits)))
    };
    let random = (0..COUNT).map(|_| [operand(), operand()]).collect::<Vec<_>>();
    let one = dtype.bits(1.0);
    let denominator = |step| dtype.bits(1.0 + f64::from(step) / f64::from(COUNT));
    random.into_iter().chain((0..=COUNT).map(|step| [one, denominator(step)])).collect()
}
