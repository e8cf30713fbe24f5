//! Chains: what arithmetic costs in registers. Each element takes k steps, and the time of a step
//! is the slope of the time over k.

use crate::kernels::activation::Saved;
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Role;
use crate::kernels::ops::{self, Op};

/// Steps per iteration of the shader's loop, so that its counter costs a sixteenth.
pub const UNROLL: u32 = 16;

/// Each step shrinks the errors of earlier ones at least by this factor.
const CONTRACTION: f64 = 0.751;

/// What a second fma multiplies with: it shows in the results, and is so close to 1 that v stays in
/// the domain of every op.
const SHOWN: f32 = 63.0 / 64.0;

/// Steps of one op: v = fma(f(v, x), factor, x), with x the lane's own element, and with a second
/// fma v = fma(v, again, 0). x, the factors and the 0 are known at run time only, so no step can be
/// folded into another. A gradient that is x or 0 may be folded: a compiler may compute both fmas
/// before the loop, and a step is then less than the op and an fma.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// f.
    pub op: &'static Op,
    /// What it computes in, and what lies in memory.
    pub dtype: Dtype,
    /// Words of 16 bytes per lane. Their elements are independent: their steps overlap.
    pub words: u32,
    /// What f's result is multiplied with. The shader reads it at run time.
    pub factor: f32,
    /// With a second fma in each step, what v is multiplied with there.
    pub again: Option<f32>,
    /// Where v starts.
    pub start: Start,
    /// Steps per iteration of the loop: [`UNROLL`], or 1 where k is small and the shader has to be
    /// short.
    pub unroll: u32,
}

/// Where v starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At x.
    X,
    /// At an element of a second tensor, as in a backward pass: the saved tensor, with x for dy.
    Saved,
}

impl Chain {
    /// The fma alone: the unit of other steps, and the clock probe.
    pub fn fma() -> Self {
        Self::new(ops::fma(), Dtype::F32, 1)
    }

    /// The chain of an op, with the op's factor.
    pub fn new(op: &'static Op, dtype: Dtype, words: u32) -> Self {
        Self { op, dtype, words, factor: op.factor, again: None, start: Start::X, unroll: UNROLL }
    }

    /// With a second fma in each step.
    pub fn with_second_fma(self) -> Self {
        Self { again: Some(SHOWN), ..self }
    }

    /// Such as `arithmetic/f32/fma`.
    pub fn path(&self) -> String {
        format!("arithmetic/{}/{}", self.dtype.name(), self.op.name)
    }

    /// Its path at a number of steps, such as `arithmetic/f32/fma/k=64`.
    pub fn id(&self, steps: u32) -> String {
        format!("{}/k={steps}", self.path())
    }

    /// Its tensors in the order of their bindings, which start at 1.
    pub fn tensors(&self) -> &'static [Role] {
        match self.start {
            Start::X => &[Role::Result, Role::X],
            Start::Saved => &[Role::Result, Role::X, Role::Saved(Saved::X)],
        }
    }

    /// Vectors of four elements in a word.
    fn parts(&self) -> u32 {
        match self.dtype {
            Dtype::F32 => 1,
            Dtype::F16 | Dtype::F16Native => 2,
        }
    }

    /// Elements per lane, which are independent chains.
    pub fn chains(&self) -> u32 {
        4 * self.parts() * self.words
    }

    /// Its whole WGSL. Every word and step is written out, since compilers do not interleave calls.
    pub fn wgsl(&self) -> String {
        let (binding, from) = match self.start {
            Start::X => ("", "word"),
            Start::Saved => (SAVED, "saved"),
        };
        let second = if self.again.is_some() { ", b, zero" } else { "" };
        let [mut loads, mut values, mut step, mut stores] = <[String; 4]>::default();
        for w in 0..self.words {
            // A lane past the end repeats the last word.
            let index = format!("min(first + {w}u * workgroup_size, params.words - 1u)");
            loads += &format!("    let i{w} = {index};\n    let word{w} = x[i{w}];\n");
            if self.start == Start::Saved {
                loads += &format!("    let saved{w} = saved[i{w}];\n");
            }
            stores += &format!("    var result{w}: W;\n");
            for p in 0..self.parts() {
                values += &format!("    let x{w}{p} = part(word{w}, {p}u);\n");
                values += &format!("    var v{w}{p} = part({from}{w}, {p}u);\n");
                step += &format!("        v{w}{p} = step(v{w}{p}, a, x{w}{p}{second});\n");
                stores += &format!("    put(&result{w}, {p}u, v{w}{p});\n");
            }
            stores += &format!("    y[i{w}] = result{w};\n");
        }
        let steps = step.repeat(self.unroll as usize);
        let mut loops =
            format!("    for (var n = 0u; n < params.unrolled; n++) {{\n{steps}    }}\n");
        if self.unroll > 1 {
            loops += &format!("    for (var n = 0u; n < params.rest; n++) {{\n{step}    }}\n");
        }
        let f = &self.op.wgsl;
        let function = match self.again {
            None => format!("fn step(v: T, a: T, x: T) -> T {{\n    return fma({f}, a, x);\n}}\n"),
            Some(_) => format!(
                "fn step(v: T, a: T, x: T, b: T, zero: T) -> T {{\n    \
                 return fma(fma({f}, a, x), b, zero);\n}}\n"
            ),
        };
        let factors = if self.again.is_some() { [FACTOR, SECOND].concat() } else { FACTOR.into() };
        let driver =
            [&function, TENSORS, binding, MAIN, &factors, &loads, &values, &loops, &stores, "}\n"];
        let definitions = self.op.variant().map_or("", |(activation, _)| activation.wgsl);
        let words = include_str!("../../shaders/drivers/words.wgsl");
        [self.dtype.wgsl(), definitions, words, &driver.concat()].join("\n")
    }

    /// v after `steps` steps from `start`, in f64, and how far WGSL lets an implementation be off:
    /// two roundings per step, what it allows for f, and what is left of earlier errors. With these
    /// built-in functions.
    pub fn run(&self, built_ins: &BuiltIns, start: f64, x: f64, steps: u32) -> (f64, f64) {
        let factor = f64::from(self.factor);
        let format = self.dtype.arithmetic();
        let contraction = if self.is_linear() { factor.abs() } else { CONTRACTION };
        let (mut v, mut off) = (start, 0.0);
        for _ in 0..steps {
            let f = self.op.reference(v, x);
            let error = self.op.error_at(built_ins, self.dtype.computed_in(), v, x);
            let next = f.mul_add(factor, x);
            let rounding =
                format.unit * ((factor * f).abs() + next.abs()) + 2.0 * format.min_normal;
            let next_off = contraction * off + factor.abs() * error + rounding;
            let (next, next_off) = match self.again.map(f64::from) {
                None => (next, next_off),
                Some(again) => {
                    (next * again, next_off * again + format.unit * next.abs() + format.min_normal)
                }
            };
            let is_at_rest = (next, next_off) == (v, off);
            (v, off) = (next, next_off);
            if is_at_rest {
                break;
            }
        }
        (v, off)
    }

    /// Whether its end is proportional to x, so that one chain in f64 gives them all: the fma's is.
    pub fn is_linear(&self) -> bool {
        self.op.name == ops::fma().name
    }

    /// The fma chain with a factor so close to 1 that each of `steps` steps shows in the result.
    /// With -0.75 values converge: in f32 the 48th step is the last that shows, and leaving out
    /// later ones would change nothing. The factor is read at run time, so the shader is the same.
    pub fn remembering(self, steps: u32) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "exact for powers of two, and below 1 for all that are tried"
        )]
        let factor = (1.0 - 1.0 / f64::from(steps)) as f32;
        Self { factor, ..self }
    }
}

const TENSORS: &str = "
// y = v after all steps, which are taken in registers.
@group(0) @binding(1) var<storage, read_write> y: array<W>;
@group(0) @binding(2) var<storage, read> x: array<W>;
";

const SAVED: &str = "@group(0) @binding(3) var<storage, read> saved: array<W>;\n";

const MAIN: &str = "
@compute @workgroup_size(workgroup_size)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = first_unit(workgroup, grid, lane);
";

const FACTOR: &str = "    let a = T(vec4<f32>(params.factor));\n";

const SECOND: &str = "    let b = T(vec4<f32>(params.again));
    let zero = T(vec4<f32>(params.zero));
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a chain that takes fewer steps is outside the bound, even with the largest error
    /// towards it.
    fn shows(chain: &Chain, steps: u32, run: u32) -> bool {
        let built_ins = BuiltIns::default();
        let (end, bound) = chain.run(&built_ins, 1.0, 1.0, steps);
        (chain.run(&built_ins, 1.0, 1.0, run).0 - end).abs() > 2.0 * bound
    }

    #[test]
    fn values_converge_unless_the_factor_remembers() {
        // Why steps are not checked with the factor that is timed alone.
        let timed = Chain::fma();
        assert!(shows(&timed, 16, 15) && shows(&timed, 48, 47));
        assert!(!shows(&timed, 49, 48) && !shows(&timed, 256, 240) && !shows(&timed, 4096, 2048));
    }

    #[test]
    fn steps_left_out_show() {
        for power in 4..=20 {
            let steps = 1 << power;
            let chain = Chain::fma().remembering(steps);
            assert!(chain.factor < 1.0);
            assert_eq!(shows(&chain, steps, steps - 1), power <= 10, "one step of {steps}");
            assert_eq!(
                shows(&chain, steps, steps - UNROLL),
                power <= 12,
                "an iteration of {steps} steps"
            );
            assert_eq!(
                shows(&chain, steps, steps / 16 * 15),
                power <= 17,
                "one step of each iteration of {steps} steps"
            );
            assert!(shows(&chain, steps, steps / 2), "every second of {steps} steps");
            assert!(shows(&chain, steps, 1), "all but one of {steps} steps");
            assert!(!shows(&chain, steps, steps));
        }
    }

    /// So a branch of the function, which all have at 0, goes both ways within a workgroup.
    #[test]
    fn lanes_of_an_activation_differ_and_are_on_both_sides_of_0() {
        // Saved is a y in (0, 1), and it has no branch.
        const ONE_SIDED: &[&str] = &["backward/sigmoid/from_y"];
        const LANES: u32 = 256;
        for op in ops::OPS.iter().filter(|op| op.variant().is_some()) {
            let lane = |lane: u32| {
                let share = (f64::from(lane % LANES) + 0.5) / f64::from(LANES);
                op.range[0] + (op.range[1] - op.range[0]) * share
            };
            let chain = Chain::new(op, Dtype::F32, 1);
            for (steps, saved) in [(64, false), (256, false), (64, true), (256, true)] {
                let end = |at: u32| {
                    // What was saved is any other element.
                    let start = if saved { lane(at * 101 + 7) } else { lane(at) };
                    chain.run(&BuiltIns::default(), start, lane(at), steps).0
                };
                let ends: Vec<f64> = (0..LANES).map(end).collect();
                let what = format!("{} after {steps} steps", op.name);
                // In f16, too.
                let bits = |v: f64| Dtype::F16.bits(v);
                assert!(ends.windows(2).all(|v| bits(v[0]) != bits(v[1])), "{what}: {ends:?}");
                let below = ends.iter().filter(|v| **v < 0.0).count();
                let is_mixed = 4 * below.min(ends.len() - below) >= ends.len();
                let is_one_sided = ONE_SIDED.contains(&op.name.as_str());
                assert_ne!(is_mixed, is_one_sided, "{what}: {below} of {LANES} are below 0");
            }
        }
    }

    #[test]
    fn every_chain_is_a_shader() {
        for op in ops::OPS.iter() {
            for dtype in &op.dtypes {
                for (words, start) in
                    [(1, Start::X), (2, Start::Saved), (4, Start::X), (4, Start::Saved)]
                {
                    let wgsl = Chain { start, ..Chain::new(op, *dtype, words) }.wgsl();
                    let module = naga::front::wgsl::parse_str(&wgsl);
                    assert!(module.is_ok(), "{} of {words} words: {:?}", op.name, module.err());
                }
            }
        }
    }
}
