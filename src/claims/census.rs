//! What a function of one operand gives over every bit pattern there is, counted on the device: see
//! shaders/claims/census.wgsl.
//!
//! A sweep ([`crate::validate::exhaustive`]) brings every result to the CPU and compares it; a
//! census brings back what it counted, so that every f32 takes seconds even on a CPU. What is
//! looked for (where results reach a level, first or last) is found by taking the census again in
//! ever smaller blocks.

use super::{Context, Extent, check, count};
use crate::error::Result;
use crate::gpu::{Gpu, Program, Sequence, ShaderChecks};
use crate::kernels::activation::Activation;
use crate::kernels::dtype::Dtype;
use crate::kernels::tolerance::{Allowed, Case};
use crate::validate::behaviour::built_ins;

/// Of so many f32, quick looks at one.
pub const QUICK_STRIDE: u32 = 17;

/// Invocations of a workgroup, as in the shader.
const WORKGROUP: u32 = 64;

/// Words of a block, as in the shader.
const BLOCK_WORDS: usize = 8;

/// Blocks of a dispatch.
const MOST_BLOCKS: u32 = 1 << 14;

/// Elements of a submission: less than a second of a slow adapter.
const MOST_ELEMENTS: u32 = 1 << 26;

/// Patterns of a block, where they are f32.
const LENGTH: u32 = 1 << 12;

/// Blocks that a block is divided into, where something is looked for.
const DIVISION: u32 = 1 << 6;

/// A function of one operand, compiled to be counted.
pub struct Census<'gpu> {
    gpu: &'gpu Gpu,
    pub dtype: Dtype,
    program: Program,
    threshold: f32,
}

/// Blocks of bit patterns: `length` patterns each, a `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u32,
    stride: u32,
    length: u32,
    blocks: u32,
}

/// What was found in the finite operands of a sign.
pub struct Half {
    span: Span,
    /// By block, in the order of patterns: away from 0.
    tallies: Vec<Tally>,
}

/// What was found in a block, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Results.
    pub inputs: u64,
    /// The smallest result that is a number, infinities included; infinity if there is none.
    pub lowest: f64,
    /// The largest; negative infinity if there is none.
    pub highest: f64,
    /// Results that are 0, of either sign.
    pub zeros: u64,
    /// Results that are 1.
    pub ones: u64,
    /// Results above the threshold of the census.
    pub above: u64,
    /// Results below 0.
    pub negative: u64,
    /// Infinite results.
    pub infinite: u64,
    /// Results that are not numbers.
    pub nan: u64,
}

/// Where the results of f32 are checked one by one: around 0, the smallest normal number, 1, where
/// sigmoid rounds to 1 and to 0, where exp leaves the range, and at the largest.
const CHECKED: [[f32; 4]; 3] = [
    [0.0, 1.175_494_4e-38, 1e-20, 1e-7],
    [2.4e-4, 1.0, 16.635_53, 17.328_68],
    [87.336_55, 88.722_84, 103.972, f32::MAX],
];

/// Results that are checked at each of these places.
const CHECKED_RUN: u32 = 256;

/// Which of several places.
#[derive(Clone, Copy)]
pub enum Which {
    /// That of the smallest pattern.
    First,
    /// That of the largest.
    Last,
}

/// The dtypes of the device, and notes on what is not looked at.
pub fn scope(context: &Context<'_>) -> (Vec<Dtype>, Vec<String>) {
    let (mut dtypes, mut notes) = (Vec::new(), Vec::new());
    for dtype in Dtype::ALL {
        match context.gpu.supports_dtype(dtype) {
            Ok(()) => dtypes.push(dtype),
            Err(reason) => notes.push(format!("{} was not looked at: {reason}", dtype.name())),
        }
    }
    if context.extent == Extent::Quick {
        notes.push(format!(
            "Of f32, one input in {QUICK_STRIDE} was looked at, and every one where a level is reached."
        ));
    }
    (dtypes, notes)
}

impl<'gpu> Census<'gpu> {
    /// Compiles `outcome`, WGSL that gives a T of an x, with the functions of both activations and
    /// those of `definitions`, beside a threshold to count from.
    pub fn new(
        gpu: &'gpu Gpu,
        dtype: Dtype,
        definitions: &str,
        outcome: &str,
        threshold: f32,
    ) -> Result<Self> {
        let path = format!("census of {outcome} in {}", dtype.name());
        let wgsl = wgsl(dtype, definitions, outcome);
        let program = gpu.program(&path, &wgsl, &[], ShaderChecks::Trusted)?;
        Ok(Self { gpu, dtype, program, threshold })
    }

    /// Counts each block.
    fn blocks(&self, span: Span) -> Result<Vec<Tally>> {
        let mut tallies = Vec::new();
        let at_once = (MOST_ELEMENTS / span.length).clamp(1, MOST_BLOCKS);
        let buffer = self.gpu.buffer("blocks", at_once.min(span.blocks) as usize * BLOCK_WORDS)?;
        for first in (0..span.blocks).step_by(at_once as usize) {
            let blocks = at_once.min(span.blocks - first);
            let params =
                [span.pattern(first), span.stride, span.length, blocks, self.threshold.to_bits()];
            let workgroups = [blocks.div_ceil(WORKGROUP), 1, 1];
            let step = self.gpu.step(&self.program, &[&buffer], &params, workgroups)?;
            self.gpu.run_sequence(&Sequence::new(&self.program.path, vec![step]), 1)?;
            let words: Vec<u32> = self.gpu.load(&buffer)?;
            let words = words.as_chunks().0.iter().take(blocks as usize);
            tallies.extend(words.map(|words| Tally::of_block(span.length, *words)));
        }
        Ok(tallies)
    }

    /// Whether results, one by one at places where something happens (of f16, everywhere), are
    /// `allowed` for their operand, of which no reference is given, and whether the same results
    /// are counted as they are.
    pub fn check(&self, allowed: impl Fn(Case) -> Allowed) -> Result<()> {
        let path = &self.program.path;
        let built_ins = built_ins(self.gpu, self.dtype)?;
        for (first, count) in self.checked() {
            let results = self.results(first, count)?;
            for (first_bits, result) in (first..).zip(&results) {
                let (dtype, x) = (self.dtype, self.dtype.value(first_bits));
                let (dy, reference) = (0.0, 0.0);
                let allowed =
                    allowed(Case { dtype, first: x, first_bits, dy, reference, built_ins });
                check::ensure(allowed.contains(*result, dtype.bits(*result)), || {
                    format!("{path}: {x:e} gives {result:e}, which is none of {allowed:?}")
                })?;
            }
            // No multiple of four, so that the last results of a block are told from the first of
            // the next.
            let span = Span { first, stride: 1, length: 31, blocks: count / 31 };
            for (index, (tally, results)) in
                self.blocks(span)?.iter().zip(results.chunks(31)).enumerate()
            {
                let expected =
                    Tally::sum(results.iter().map(|result| Tally::of(*result, self.threshold)));
                check::ensure(*tally == expected, || {
                    format!("{path}: block {index} from {first:#x} is {tally:?}, not {expected:?}")
                })?;
            }
        }
        Ok(())
    }

    /// First patterns of what is checked, and how many.
    fn checked(&self) -> Vec<(u32, u32)> {
        match self.dtype {
            Dtype::F32 => {
                let last = f32::MAX.to_bits() + 1 - CHECKED_RUN;
                let around = |value: f32| value.to_bits().saturating_sub(CHECKED_RUN / 2).min(last);
                let signs = |pattern: u32| [pattern, pattern | 1 << 31];
                let firsts = CHECKED.into_iter().flatten().map(around).flat_map(signs);
                firsts.map(|first| (first, CHECKED_RUN)).collect()
            }
            Dtype::F16 | Dtype::F16Native => vec![(0, 0x7c00), (0x8000, 0x7c00)],
        }
    }

    /// Counts the finite operands of either sign, positive first: every one of f16, and of f32 one
    /// in `stride`, which divides 255.
    pub fn halves(&self, stride: u32) -> Result<[Half; 2]> {
        Ok([self.half(false, stride)?, self.half(true, stride)?])
    }

    fn half(&self, negative: bool, stride: u32) -> Result<Half> {
        let span = Span::finite(self.dtype, negative, stride);
        Ok(Half { span, tallies: self.blocks(span)? })
    }

    /// The result of an operand.
    pub fn result(&self, x: f64) -> Result<f64> {
        Ok(self.results(self.dtype.bits(x), 1)?[0])
    }

    /// The results of the patterns from `first` on, one by one.
    fn results(&self, first: u32, count: u32) -> Result<Vec<f64>> {
        let tallies = self.blocks(Span { first, stride: 1, length: 1, blocks: count })?;
        let result = |tally: &Tally| if tally.nan > 0 { f64::NAN } else { tally.lowest };
        Ok(tallies.iter().map(result).collect())
    }

    /// The first or the last operand, in the order of patterns, whose result is such that a block
    /// with it `has` it. Where operands were left out, what is looked for is taken to begin and to
    /// end where those beside it have it; there every operand is looked at.
    pub fn find(
        &self,
        which: Which,
        half: &Half,
        has: impl Fn(&Tally) -> bool,
    ) -> Result<Option<f64>> {
        let (mut span, mut found) = (half.span, at(which, &half.tallies, &has));
        while let Some(block) = found {
            if span.length == 1 && span.stride == 1 {
                return Ok(Some(self.dtype.value(span.pattern(block))));
            }
            span = span.around(which, block);
            found = at(which, &self.blocks(span)?, &has);
        }
        Ok(None)
    }
}

/// The functions of both activations.
pub fn activations() -> String {
    ["sigmoid", "relu"].map(|name| Activation::named(name).expect("in the table").wgsl).concat()
}

/// The whole text of a census.
fn wgsl(dtype: Dtype, definitions: &str, outcome: &str) -> String {
    let patterns = match dtype {
        Dtype::F32 => include_str!("../../shaders/claims/patterns_f32.wgsl"),
        Dtype::F16 | Dtype::F16Native => include_str!("../../shaders/claims/patterns_f16.wgsl"),
    };
    let glue = format!("fn outcome(x: T) -> T {{ return {outcome}; }}\n");
    let census = include_str!("../../shaders/claims/census.wgsl");
    [dtype.wgsl(), &activations(), definitions, &glue, patterns, census].join("\n")
}

fn at(which: Which, tallies: &[Tally], has: impl Fn(&Tally) -> bool) -> Option<u32> {
    let found = match which {
        Which::First => tallies.iter().position(has),
        Which::Last => tallies.iter().rposition(has),
    };
    found.map(count)
}

impl Span {
    /// Every `stride`th finite pattern of a sign, so that the last is among them.
    fn finite(dtype: Dtype, negative: bool, stride: u32) -> Self {
        let (sign, patterns, stride, length) = match dtype {
            // 255 exponents of 2^23 patterns.
            Dtype::F32 => (1 << 31, 255_u32 << 23, stride, LENGTH),
            Dtype::F16 | Dtype::F16Native => (1 << 15, 31 << 10, 1, 1),
        };
        let of_block = length * stride;
        assert!(patterns.is_multiple_of(of_block), "a stride of {stride} leaves out the largest");
        let first = stride - 1 + if negative { sign } else { 0 };
        Self { first, stride, length, blocks: patterns / of_block }
    }

    /// The first pattern of a block.
    fn pattern(&self, block: u32) -> u32 {
        self.first + block * self.length * self.stride
    }

    /// Every pattern of a block and of the one before, if the first of something is there, or
    /// behind, if the last is; in smaller blocks. The patterns that a stride leaves out lie before
    /// those that it takes.
    fn around(&self, which: Which, block: u32) -> Self {
        let (first, last) = match which {
            Which::First => (block.saturating_sub(1), block),
            Which::Last => (block, (block + 1).min(self.blocks - 1)),
        };
        let length = (self.length / DIVISION).max(1);
        let patterns = (last - first + 1) * self.length * self.stride;
        Self {
            first: self.pattern(first) + 1 - self.stride,
            stride: 1,
            length,
            blocks: patterns / length,
        }
    }
}

impl Half {
    /// All results together.
    pub fn sum(&self) -> Tally {
        Tally::sum(self.tallies.iter().copied())
    }

    /// Those of both signs.
    pub fn sum_of(halves: &[Self; 2]) -> Tally {
        Tally::sum(halves.iter().map(Self::sum))
    }
}

impl Tally {
    fn of_block(length: u32, words: [u32; BLOCK_WORDS]) -> Self {
        let [_, _, zeros, ones, above, negative, infinite, nan] = words.map(u64::from);
        let inputs = length.into();
        let [lowest, highest] = if nan == inputs {
            [f64::INFINITY, f64::NEG_INFINITY]
        } else {
            [words[0], words[1]].map(of_key)
        };
        Self { inputs, lowest, highest, zeros, ones, above, negative, infinite, nan }
    }

    /// Of one result.
    fn of(result: f64, threshold: f32) -> Self {
        Self {
            inputs: 1,
            lowest: result,
            highest: result,
            zeros: (result == 0.0).into(),
            ones: (result == 1.0).into(),
            above: (result > threshold.into()).into(),
            negative: (result < 0.0).into(),
            infinite: result.is_infinite().into(),
            nan: result.is_nan().into(),
        }
    }

    /// All of them together.
    fn sum(tallies: impl Iterator<Item = Self>) -> Self {
        let mut sum = Self { lowest: f64::INFINITY, highest: f64::NEG_INFINITY, ..Self::default() };
        for tally in tallies {
            sum.inputs += tally.inputs;
            sum.lowest = sum.lowest.min(tally.lowest);
            sum.highest = sum.highest.max(tally.highest);
            sum.zeros += tally.zeros;
            sum.ones += tally.ones;
            sum.above += tally.above;
            sum.negative += tally.negative;
            sum.infinite += tally.infinite;
            sum.nan += tally.nan;
        }
        sum
    }

    /// Results that are infinite or no numbers.
    pub fn not_finite(&self) -> u64 {
        self.infinite + self.nan
    }

    /// Results that are not from 0 to the threshold.
    pub fn outside(&self) -> u64 {
        self.above + self.negative + self.not_finite()
    }
}

/// The number that the shader's key stands for.
fn of_key(key: u32) -> f64 {
    let bits = if key >> 31 == 1 { key & 0x7fff_ffff } else { !key };
    f64::from(f32::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::gpu::Choice;
    use crate::kernels::activations::sigmoid;
    use crate::kernels::kernel;
    use crate::validate::exhaustive as sweep;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    fn sigmoid(case: Case) -> Allowed {
        sigmoid::SIGMOID
            .variant("two_sided")
            .allowed(&Case { reference: sigmoid::sigmoid(case.first), ..case })
    }

    #[test]
    fn a_census_counts_what_is_there() {
        let gpu = gpu();
        for dtype in Dtype::ALL {
            if gpu.supports_dtype(dtype).is_err() {
                assert_ne!(dtype, Dtype::F32);
                continue;
            }
            let census = Census::new(&gpu, dtype, "", "sigmoid_two_sided(x)", 0.75);
            census.and_then(|census| census.check(sigmoid)).expect("it counts");
        }
        // A function whose results are of every kind.
        let every_kind = "fn every_kind(x: T) -> T {
            let infinite = T(1.0) / (x - x);
            let nan = bitcast<T>(bitcast<vec4<u32>>(x) | vec4<u32>(0x7fc00000u));
            let near = select(x, T(0.0), abs(x) < T(0.001));
            let far = select(infinite, nan, abs(x) > T(1e10));
            return select(near, select(far, T(1.0), abs(x) < T(20.0)), abs(x) > T(5.0));
        }";
        let census =
            Census::new(&gpu, Dtype::F32, every_kind, "every_kind(x)", 1.5).expect("it compiles");
        census.check(|_| Allowed::Anything).expect("it counts");
        let all = Half::sum_of(&census.halves(255).expect("it runs"));
        assert_eq!(all.inputs, 2 << 23);
        for (kind, count) in [
            ("0", all.zeros),
            ("1", all.ones),
            ("above", all.above),
            ("negative", all.negative),
            ("infinite", all.infinite),
            ("NaN", all.nan),
        ] {
            assert!(count > 0, "{kind}: {all:?}");
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (what, find, replace) in [
            ("another function", "outcome(x)", "outcome(x) * T(1.001)"),
            ("a pattern left out", "i += 4u", "i += 8u"),
            (
                "results of the next block",
                "index < vec4<u32>(params.length)",
                "index < vec4<u32>(params.length + 1u)",
            ),
            ("another stride", "* params.stride", "* (params.stride + 1u)"),
            ("blocks one place on", "id.x * params.length", "id.x * params.length + 1u"),
            ("no zeros", "found.zeros +=", "found.nan +="),
            ("no ones", "0x3f800000u", "0x3f800001u"),
            ("the threshold counted", "of_result > key", "of_result >= key"),
            ("the order of negative numbers", "~bits", "bits"),
            (
                "the lowest of one lane",
                "min(min(lowest.x, lowest.y), min(lowest.z, lowest.w))",
                "lowest.x",
            ),
            (
                "the highest of one lane",
                "max(max(highest.x, highest.y), max(highest.z, highest.w))",
                "highest.x",
            ),
        ] {
            // Both signs, and the threshold among the results.
            let function = "fn both(x: T) -> T { return sigmoid_two_sided(x) * select(T(1.0), T(-1.0), x < T(1.0)); }\n";
            let own = wgsl(Dtype::F32, function, "both(x)");
            let planted = own.replace(find, replace);
            assert_ne!(planted, own, "{what}");
            let program =
                gpu.program(what, &planted, &[], ShaderChecks::Checked).expect("it compiles");
            let census = Census { gpu: &gpu, dtype: Dtype::F32, program, threshold: -0.5 };
            let allowed = |case: Case| match sigmoid(case) {
                Allowed::Within { lowest, highest } if case.first < 1.0 => {
                    Allowed::Within { lowest: -highest, highest: -lowest }
                }
                allowed => allowed,
            };
            let error = census.check(allowed).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{what}: {error:?}");
        }
    }

    #[test]
    fn places_are_those_that_a_sweep_finds() {
        let gpu = gpu();
        let kernel = kernel::all()
            .find(|kernel| kernel.path() == "forward/f16/sigmoid/two_sided")
            .expect("in the table");
        let census =
            Census::new(&gpu, Dtype::F16, "", "sigmoid_two_sided(x)", 1.0).expect("it compiles");
        let domain = sweep::domains(&[kernel]).remove(0);
        let mut position = domain.start();
        sweep::run(&gpu, &domain, 1, &mut position, |_| true).expect("it runs");
        let extremes = position.found[0].extremes;
        let halves = census.halves(1).expect("it runs");
        let all = Half::sum_of(&halves);
        assert_eq!(
            (Some(all.lowest), Some(all.highest)),
            (extremes.smallest.map(|at| at.value), extremes.largest.map(|at| at.value))
        );
        let find = |which, half: &Half, has: fn(&Tally) -> bool| {
            census.find(which, half, has).expect("it runs")
        };
        assert_eq!(
            find(Which::First, &halves[0], |tally| tally.ones > 0),
            extremes.largest.map(|at| at.input)
        );
        assert_eq!(
            find(Which::First, &halves[1], |tally| tally.zeros > 0),
            extremes.smallest.map(|at| at.input)
        );
    }

    #[test]
    fn what_a_stride_leaves_out_is_found() {
        // A step at a pattern that no stride takes; first and last of either side of it.
        let gpu = gpu();
        let step =
            "fn step_at(x: T) -> T { return select(T(0.0), T(1.0), abs(x) >= T(3.1415927)); }";
        let census = Census::new(&gpu, Dtype::F32, step, "step_at(x)", 1.0).expect("it compiles");
        let at = std::f32::consts::PI;
        let (at, below) = (f64::from(at), f64::from(at.next_down()));
        for stride in [17, 51, 255] {
            for (negative, sign) in [(false, 1.0), (true, -1.0)] {
                let half = census.half(negative, stride).expect("it runs");
                let find = |which, has: fn(&Tally) -> bool| {
                    census.find(which, &half, has).expect("it runs")
                };
                assert_eq!(find(Which::First, |tally| tally.ones > 0), Some(sign * at), "{stride}");
                assert_eq!(
                    find(Which::Last, |tally| tally.lowest < 1.0),
                    Some(sign * below),
                    "{stride}"
                );
                assert_eq!(
                    find(Which::Last, |tally| tally.ones > 0),
                    Some(sign * f64::from(f32::MAX)),
                    "{stride}"
                );
                assert_eq!(
                    find(Which::First, |tally| tally.zeros > 0),
                    Some(sign * 0.0),
                    "{stride}"
                );
                assert_eq!(find(Which::First, |tally| tally.nan > 0), None, "{stride}");
            }
        }
    }
}
