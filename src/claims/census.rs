//! What a function of one operand gives over every bit pattern there is, counted on the device: see
//! shaders/claims/census.wgsl.
//!
//! A sweep ([`crate::validate::exhaustive`]) brings every result to the CPU and compares it; a
//! census brings back what it counted, so that every f32 takes seconds even on a CPU. What is
//! looked for (where results reach a level, first or last) is found by taking the census again in
//! ever smaller blocks.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program, Sequence, ShaderChecks};
use crate::kernels::tolerance::Allowed;
use crate::kernels::dtype::Dtype;

/// Invocations of a workgroup, as in the shader.
const WORKGROUP: u32 = 64;

/// Words of a block, as in the shader.
const BLOCK_WORDS: usize = 8;

/// Blocks of a dispatch.
const MOST_BLOCKS: u32 = 1 << 14;

/// Elements of a submission: less than a second of a slow adapter.
const MOST_ELEMENTS: u64 = 1 << 26;

/// Patterns of a block, where they are f32.
const LENGTH: u32 = 1 << 12;

/// Blocks that a block is divided into, where something is looked for.
const DIVISION: u32 = 1 << 6;

/// A function of one operand, compiled to be counted.
pub struct Census<'gpu> {
    gpu: &'gpu Gpu,
    dtype: Dtype,
    program: Program,
    threshold: f32,
}

/// Blocks of bit patterns: `length` patterns each, a `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRange {
    /// The first pattern.
    pub first: u32,
    /// From a pattern to the next.
    pub stride: u32,
    /// Patterns of a block.
    pub length: u32,
    /// Blocks.
    pub blocks: u32,
}

/// What was found in the finite operands of a sign.
pub struct Half {
    span: InputRange,
    /// By block, in the order of patterns: away from 0.
    pub tallies: Vec<Tally>,
}

/// What was found in a block, or in several.
#[derive(Clone, Copy, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of the smallest pattern.
    First,
    /// That of the largest.
    Last,
}

impl<'gpu> Census<'gpu> {
    /// Compiles `function`, which `definitions` defines for the T of a dtype, beside a threshold to
    /// count from.
    pub fn new(
        gpu: &'gpu Gpu,
        dtype: Dtype,
        definitions: &str,
        function: &str,
        threshold: f32,
    ) -> Result<Self> {
        gpu.supports_dtype(dtype)?;
        let path = format!("census/{}/{function}", dtype.name());
        let program =
            gpu.program(&path, &wgsl(dtype, definitions, function), &[], ShaderChecks::Trusted)?;
        Ok(Self { gpu, dtype, program, threshold })
    }

    /// Counts each block.
    pub fn blocks(&self, span: InputRange) -> Result<Vec<Tally>> {
        let mut tallies = Vec::new();
        let at_once = u32::try_from(MOST_ELEMENTS / u64::from(span.length))
            .unwrap_or(u32::MAX)
            .clamp(1, MOST_BLOCKS);
        let buffer = self.gpu.buffer("blocks", at_once.min(span.blocks) as usize * BLOCK_WORDS)?;
        for first in (0..span.blocks).step_by(at_once as usize) {
            let blocks = at_once.min(span.blocks - first);
            let params =
                [span.pattern(first), span.stride, span.length, blocks, self.threshold.to_bits()];
            let workgroups = [blocks.div_ceil(WORKGROUP), 1, 1];
            let step = self.gpu.step(&self.program, &[&buffer], &params, workgroups)?;
            self.gpu.run_sequence(&Sequence::new(self.program.path.clone(), vec![step]), 1)?;
            let words: Vec<u32> = self.gpu.load(&buffer)?;
            let words = words.chunks_exact(BLOCK_WORDS).take(blocks as usize);
            tallies.extend(words.map(|words| Tally::of_block(span.length, words)));
        }
        Ok(tallies)
    }

    /// Whether results, one by one at places where something happens (of f16, everywhere), are
    /// `allowed` for their operand and its bits, and whether the same results are counted as they
    /// are.
    pub fn check(&self, allowed: impl Fn(f64, u32) -> Allowed) -> Result<()> {
        for (first, count) in self.checked() {
            let results = self.results(first, count)?;
            for (bits, result) in (first..).zip(&results) {
                let x = self.dtype.value(bits);
                let allowed = allowed(x, bits);
                if !allowed.contains(*result, self.dtype.bits(*result)) {
                    let path = &self.program.path;
                    return Err(Error::Mismatch(format!(
                        "{path}: {x:e} gives {result:e}, which is none of {allowed:?}"
                    )));
                }
            }
            // No multiple of four, so that the last results of a block are told from the first of
            // the next.
            let span = InputRange { first, stride: 1, length: 31, blocks: count / 31 };
            for (index, (tally, results)) in
                self.blocks(span)?.iter().zip(results.chunks(31)).enumerate()
            {
                let expected = Tally::of_results(results, self.threshold);
                if *tally != expected {
                    let path = &self.program.path;
                    return Err(Error::Mismatch(format!(
                        "{path}: block {index} from {first:#x} is {tally:?}, not {expected:?}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// First patterns of what is checked, and how many.
    fn checked(&self) -> Vec<(u32, u32)> {
        match self.dtype {
            Dtype::F32 => {
                let around = |value: f32| {
                    value
                        .to_bits()
                        .saturating_sub(CHECKED_RUN / 2)
                        .min(f32::MAX.to_bits() + 1 - CHECKED_RUN)
                };
                let signs = |pattern: u32| [pattern, pattern | 1 << 31];
                let firsts = CHECKED.into_iter().flatten().map(around).flat_map(signs);
                firsts.map(|first| (first, CHECKED_RUN)).collect()
            }
            Dtype::F16 | Dtype::F16Native => vec![(0, 0x7c00), (0x8000, 0x7c00)],
        }
    }

    /// Counts the finite operands of a sign: every one of f16, and of f32 one in `stride`, which
    /// divides 255.
    pub fn half(&self, negative: bool, stride: u32) -> Result<Half> {
        let span = InputRange::finite(self.dtype, negative, stride);
        Ok(Half { span, tallies: self.blocks(span)? })
    }

    /// The results of the patterns from `first` on, one by one.
    pub fn results(&self, first: u32, count: u32) -> Result<Vec<f64>> {
        let tallies = self.blocks(InputRange { first, stride: 1, length: 1, blocks: count })?;
        Ok(tallies
            .iter()
            .map(|tally| if tally.nan > 0 { f64::NAN } else { tally.lowest })
            .collect())
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

/// The whole text of a census.
pub fn wgsl(dtype: Dtype, definitions: &str, function: &str) -> String {
    let patterns = match dtype {
        Dtype::F32 => include_str!("../../shaders/claims/patterns_f32.wgsl"),
        Dtype::F16 | Dtype::F16Native => include_str!("../../shaders/claims/patterns_f16.wgsl"),
    };
    let glue = format!("fn outcome(x: T) -> T {{ return {function}(x); }}\n");
    [dtype.wgsl(), definitions, &glue, patterns, include_str!("../../shaders/claims/census.wgsl")]
        .join("\n")
}

fn at(which: Which, tallies: &[Tally], has: impl Fn(&Tally) -> bool) -> Option<u32> {
    let found = match which {
        Which::First => tallies.iter().position(has),
        Which::Last => tallies.iter().rposition(has),
    };
    found.map(|block| u32::try_from(block).expect("fewer blocks than patterns"))
}

impl InputRange {
    /// Every `stride`th finite pattern of a sign, so that the last is among them.
    fn finite(dtype: Dtype, negative: bool, stride: u32) -> Self {
        let sign = if negative { 1 << (8 * dtype.element_bytes() - 1) } else { 0 };
        match dtype {
            Dtype::F32 => {
                // 255 exponents of 2^23 patterns.
                assert!(
                    255_u32.is_multiple_of(stride),
                    "a stride of {stride} leaves out the largest"
                );
                let blocks = (255 << 23) / (LENGTH * stride);
                Self { first: sign + stride - 1, stride, length: LENGTH, blocks }
            }
            Dtype::F16 | Dtype::F16Native => {
                Self { first: sign, stride: 1, length: 1, blocks: 31 << 10 }
            }
        }
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
        Tally::sum(&self.tallies)
    }
}

impl Tally {
    /// Nothing yet.
    pub const NONE: Self = Self {
        inputs: 0,
        lowest: f64::INFINITY,
        highest: f64::NEG_INFINITY,
        zeros: 0,
        ones: 0,
        above: 0,
        negative: 0,
        infinite: 0,
        nan: 0,
    };

    fn of_block(length: u32, words: &[u32]) -> Self {
        let count = |word: usize| u64::from(words[word]);
        let tally = Self {
            inputs: u64::from(length),
            zeros: count(2),
            ones: count(3),
            above: count(4),
            negative: count(5),
            infinite: count(6),
            nan: count(7),
            ..Self::NONE
        };
        if tally.nan == tally.inputs {
            return tally;
        }
        Self { lowest: of_key(words[0]), highest: of_key(words[1]), ..tally }
    }

    /// What a block with these results has to be.
    fn of_results(results: &[f64], threshold: f32) -> Self {
        let count = |which: &dyn Fn(f64) -> bool| {
            results.iter().filter(|result| which(**result)).count() as u64
        };
        let numbers = || results.iter().copied().filter(|result| !result.is_nan());
        Self {
            inputs: results.len() as u64,
            // The order of keys: -0 below 0.
            lowest: numbers().min_by(f64::total_cmp).unwrap_or(f64::INFINITY),
            highest: numbers().max_by(f64::total_cmp).unwrap_or(f64::NEG_INFINITY),
            zeros: count(&|result| result == 0.0),
            ones: count(&|result| result == 1.0),
            above: count(&|result| result > f64::from(threshold)),
            negative: count(&|result| result < 0.0),
            infinite: count(&f64::is_infinite),
            nan: count(&f64::is_nan),
        }
    }

    /// With what was found elsewhere.
    pub fn and(self, other: &Self) -> Self {
        Self {
            inputs: self.inputs + other.inputs,
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
            zeros: self.zeros + other.zeros,
            ones: self.ones + other.ones,
            above: self.above + other.above,
            negative: self.negative + other.negative,
            infinite: self.infinite + other.infinite,
            nan: self.nan + other.nan,
        }
    }

    /// All of them.
    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        tallies.into_iter().fold(Self::NONE, Self::and)
    }

    /// Results that are infinite or no numbers.
    pub fn not_finite(&self) -> u64 {
        self.infinite + self.nan
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
    use crate::gpu::Choice;
    use crate::kernels::tolerance::{self, Case};
    use crate::kernels::{kernel, reference};
    use crate::validate::exhaustive as sweep;

    const SIGMOID: &str = include_str!("../../shaders/activations/sigmoid.wgsl");

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    fn sigmoid(dtype: Dtype) -> impl Fn(f64, u32) -> Allowed {
        move |x, bits| {
            activations::variant("sigmoid/two_sided").allowed(&Case {
                dtype,
                first: x,
                first_bits: bits,
                dy: 0.0,
                reference: sigmoid::sigmoid(x),
            })
        }
    }

    #[test]
    fn a_census_counts_what_is_there() {
        let gpu = gpu();
        for dtype in Dtype::ALL {
            match Census::new(&gpu, dtype, SIGMOID, "sigmoid_two_sided", 0.75) {
                Err(Error::Unsupported(_)) => assert_ne!(dtype, Dtype::F32),
                census => {
                    census.and_then(|census| census.check(sigmoid(dtype))).expect("it counts");
                }
            }
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
            Census::new(&gpu, Dtype::F32, every_kind, "every_kind", 1.5).expect("it compiles");
        census.check(|_, _| Allowed::Anything).expect("it counts");
        let all = Tally::sum(
            [false, true].map(|negative| census.half(negative, 255).expect("it runs").sum()).iter(),
        );
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
            let definitions = format!("{SIGMOID}{function}");
            let own = wgsl(Dtype::F32, &definitions, "both");
            let planted = own.replace(find, replace);
            assert_ne!(planted, own, "{what}");
            let program =
                gpu.program(what, &planted, &[], ShaderChecks::Checked).expect("it compiles");
            let census = Census { gpu: &gpu, dtype: Dtype::F32, program, threshold: -0.5 };
            let allowed = |x: f64, bits: u32| match sigmoid(Dtype::F32)(x, bits) {
                Allowed::Within { lowest, highest } if x < 1.0 => {
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
            Census::new(&gpu, Dtype::F16, SIGMOID, "sigmoid_two_sided", 1.0).expect("it compiles");
        let domain = sweep::domains(&[kernel]).remove(0);
        let mut position = domain.start();
        sweep::run(&gpu, &domain, 1, &mut position, |_| true).expect("it runs");
        let extremes = position.found[0].extremes;
        let [positive, negative] =
            [false, true].map(|negative| census.half(negative, 1).expect("it runs"));
        let all = positive.sum().and(&negative.sum());
        assert_eq!(
            (Some(all.lowest), Some(all.highest)),
            (extremes.smallest.map(|at| at.value), extremes.largest.map(|at| at.value))
        );
        let find = |which, half: &Half, has: fn(&Tally) -> bool| {
            census.find(which, half, has).expect("it runs")
        };
        assert_eq!(
            find(Which::First, &positive, |tally| tally.ones > 0),
            extremes.first_one.map(|at| at.input)
        );
        assert_eq!(
            find(Which::First, &negative, |tally| tally.zeros > 0),
            extremes.first_zero.map(|at| at.input)
        );
    }

    #[test]
    fn what_a_stride_leaves_out_is_found() {
        // A step at a pattern that no stride takes; first and last of either side of it.
        let gpu = gpu();
        let step =
            "fn step_at(x: T) -> T { return select(T(0.0), T(1.0), abs(x) >= T(3.1415927)); }";
        let census = Census::new(&gpu, Dtype::F32, step, "step_at", 1.0).expect("it compiles");
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
