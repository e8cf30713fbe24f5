//! A binary output layer: sigmoid with cross-entropy is said to be its natural choice. Measured:
//! what it costs and how wrong it gets when both are computed from the logit at once, against
//! sigmoid first and the logarithm behind it, and what becomes of ReLU in its place.

mod allowed;
mod cost;

use rayon::prelude::*;

use self::allowed::{Input, references, softplus};
use self::cost::Cost;
use super::census::{Census, Tally};
use super::range::percent;
use super::{Context, Experiment, Findings, count};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Step};
use crate::kernels::activation::Activation;
use crate::kernels::tolerance::Allowed;
use crate::kernels::dtype::{Dtype, Format};
use crate::render::numbers::{number, ratio};

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "output",
    statement: "a binary output layer wants sigmoid with cross-entropy, and ReLU can't take its place",
    run,
};

/// Of so many inputs, quick counts one.
const QUICK_STRIDE: u32 = 85;

/// Of so many inputs, quick compares one with f64: prime, so that every low bit is met.
const QUICK_SPARSE: usize = 4093;

/// Of so many inputs, full compares one with f64 where it doesn't compare all.
const FULL_SPARSE: usize = 61;

/// Inputs of a chunk of the comparison.
const CHUNK: usize = 1 << 20;

/// Invocations of a workgroup, four elements each.
const WORKGROUP: usize = 256;

/// A way to compute loss and gradient from a logit and a label.
#[derive(Clone, Copy)]
struct Way {
    /// The second part of its function in shaders/claims/output.wgsl.
    name: &'static str,
    told: &'static str,
    /// Whether full compares every input with f64, of label 0: that of label 1 at x is the same
    /// arithmetic as that of label 0 at -x.
    exhaustive: bool,
    /// What it may give.
    allowed: fn(&Input) -> [Allowed; 2],
}

const WAYS: [Way; 6] = [
    Way::new("fused", "fused", true, allowed::fused),
    Way::new("fused_log", "fused, built-in log", false, allowed::fused_log),
    Way::new("apart", "sigmoid, log", false, allowed::apart),
    Way::new("textbook", "sigmoid, both logs", false, allowed::textbook),
    Way::new("clamped", "sigmoid, clamped log", false, allowed::clamped),
    Way::new("relu", "ReLU, log", false, allowed::relu),
];

impl Way {
    const fn new(
        name: &'static str,
        told: &'static str,
        exhaustive: bool,
        allowed: fn(&Input) -> [Allowed; 2],
    ) -> Self {
        Self { name, told, exhaustive, allowed }
    }
}

/// The fields of what a way gives: loss and gradient.
const FIELDS: [&str; 2] = ["loss", "dx"];

fn run(context: &Context<'_>) -> Result<Findings> {
    let (mut figures, mut notes) = (Vec::new(), Vec::new());
    let mut failures = Vec::new();
    let mut errors = Vec::new();
    for way in &WAYS {
        (context.progress)(way.told);
        let found = Failures::of(context, way)?;
        figures.extend(found.figures(way));
        failures.push(found);
        // With ReLU it is another loss, whose distance from this one says nothing.
        if way.name != "relu" {
            let of_way = compare(context, way)?;
            figures.extend(of_way.figures(way));
            errors.push(of_way);
        }
    }
    (context.progress)("what it costs");
    let cost = Cost::measured(context)?;
    figures.extend(cost.figures());
    notes.push("Fused: from the logit, by softplus; the others: sigmoid or ReLU first. Shares are of all finite logits with either label; errors are the largest of finite results.".to_owned());
    if context.either(true, false) {
        notes.push(format!(
            "Counted is one logit in {QUICK_STRIDE}, compared with f64 one in {QUICK_SPARSE}."
        ));
    }
    let wrong = |way: usize| wrong(&failures[way], &errors[way]);
    let outside = failures[5].outside.unwrap_or_default();
    Ok(Findings {
        // From the logit, behind a sigmoid, and with ReLU, whose outputs are said to be no
        // probabilities.
        outcome: Outcome::of([wrong(0) == 0.0, wrong(2) == 0.0, outside > 0]),
        conclusion: conclusion(&failures, &errors, &cost),
        seeds: vec![context.seed],
        figures,
        plots: vec![plot(context)?],
        notes,
    })
}

/// The share of cases, in %, whose loss (or gradient, if that is more) is not finite, or finite
/// without a right digit: what an adapter makes of the logarithm of 0 is its own.
fn wrong(failures: &Failures, errors: &Errors) -> f64 {
    let of = |not_finite: u64, worst: &Worst| {
        let not_finite = percent(not_finite, failures.cases);
        not_finite + (100.0 - not_finite) * percent(worst.lost, worst.compared) / 100.0
    };
    of(failures.loss, &errors.loss).max(of(failures.gradient, &errors.gradient))
}

fn conclusion(failures: &[Failures], errors: &[Errors], cost: &Cost) -> String {
    let wrong = |way: usize| wrong(&failures[way], &errors[way]);
    let relu = &failures[5];
    format!(
        "computed from the logit: of {} losses and gradients {} % are not finite or, as far as they were compared with f64, without a right digit, and the loss is off by {} ULP at \
         most; of sigmoid and then log {} % are, which takes {} times as long in one kernel, which moves the same bytes, and {} times in three, a layer each; of ReLU's outputs {} % are not in (0, 1)",
        failures[0].cases,
        number(wrong(0)),
        number(errors[0].loss.ulps.value),
        number(wrong(2)),
        ratio(cost.in_one_over_fused),
        ratio(cost.apart_over_fused),
        number(relu.outside.map_or(0.0, |outside| percent(outside, relu.logits))),
    )
}

/// The activation's functions that the ways call, and the ways.
fn definitions() -> String {
    let [sigmoid, relu] =
        ["sigmoid", "relu"].map(|name| Activation::named(name).expect("in the table").wgsl);
    [sigmoid, relu, include_str!("../../shaders/claims/output.wgsl")].join("\n")
}

/// How often a way fails.
struct Failures {
    /// Logits.
    logits: u64,
    /// Logits with labels.
    cases: u64,
    /// Cases whose loss is not finite, and whose gradient is not.
    loss: u64,
    gradient: u64,
    /// Cases whose gradient is 0, though the output is as wrong as it can be.
    dead: u64,
    /// Outputs outside (0, 1), where that is not sigmoid's.
    outside: Option<u64>,
}

impl Failures {
    fn of(context: &Context<'_>, way: &Way) -> Result<Self> {
        let mut found = Self { logits: 0, cases: 0, loss: 0, gradient: 0, dead: 0, outside: None };
        for label in [0u8, 1] {
            let [loss, gradient] =
                [tallies(context, way, 0, label)?, tallies(context, way, 1, label)?];
            let both = |tallies: &[Tally; 2]| tallies[0].not_finite() + tallies[1].not_finite();
            found.cases += loss[0].inputs + loss[1].inputs;
            found.logits = loss[0].inputs + loss[1].inputs;
            found.loss += both(&loss);
            found.gradient += both(&gradient);
            // Of the label that the sign of the logit contradicts.
            found.dead += gradient[usize::from(label)].zeros;
        }
        if way.name == "relu" {
            let counted = "fn counted(x: T) -> T { return relu_plain(x); }\n";
            let outputs = halves(context, &census(context, counted, 1.0)?)?;
            let outside = outputs.iter().map(|half| half.zeros + half.ones + half.above);
            found.outside = Some(outside.sum());
        }
        Ok(found)
    }

    fn figures(&self, way: &Way) -> Vec<Figure> {
        let told = way.told;
        let share = |name: &str, part: u64| {
            Figure::new(format!("{told}: {name}"), "%", percent(part, self.cases))
        };
        let mut figures = vec![
            share("losses not finite", self.loss),
            share("gradients not finite", self.gradient),
            share("wrong outputs, gradient 0", self.dead),
        ];
        if let Some(outside) = self.outside {
            let name = format!("{told}: outputs outside (0, 1)");
            figures.push(Figure::new(name, "%", percent(outside, self.logits)));
        }
        figures
    }
}

fn census<'gpu>(context: &Context<'gpu>, counted: &str, threshold: f32) -> Result<Census<'gpu>> {
    Census::new(context.gpu, Dtype::F32, &[&definitions(), counted].concat(), "counted", threshold)
}

/// One of the two fields that a way gives for positive and for negative logits with a label, after
/// it was checked.
fn tallies(context: &Context<'_>, way: &Way, index: usize, label: u8) -> Result<[Tally; 2]> {
    let (name, field) = (way.name, FIELDS[index]);
    let counted =
        format!("fn counted(x: T) -> T {{ return output_{name}(x, T({label}.0)).{field}; }}\n");
    let census = census(context, &counted, 0.0)?;
    census.check(|x, _| (way.allowed)(&Input { x, label: label == 1 })[index])?;
    halves(context, &census)
}

fn halves(context: &Context<'_>, census: &Census<'_>) -> Result<[Tally; 2]> {
    let stride = context.either(QUICK_STRIDE, 1);
    Ok([census.half(false, stride)?.sum(), census.half(true, stride)?.sum()])
}

/// How far the finite results of a way are from f64.
struct Errors {
    loss: Worst,
    gradient: Worst,
}

/// The largest errors of one result, each with its logit.
#[derive(Clone, Copy, Default)]
struct Worst {
    /// In ULP of the true result, where no step may have flushed it.
    ulps: At,
    absolute: At,
    /// Results compared.
    compared: u64,
    /// Those of them that are off by half of the true result or more.
    lost: u64,
}

#[derive(Clone, Copy, Default)]
struct At {
    value: f64,
    x: f64,
}

impl Worst {
    fn add(&mut self, x: f64, actual: f64, reference: f64) {
        let error = (actual - reference).abs();
        if !error.is_finite() {
            return;
        }
        self.compared += 1;
        self.absolute.raise(At { value: error, x });
        if reference.abs() >= 2.0 * Format::F32.min_normal {
            self.ulps.raise(At { value: Format::F32.ulps(error, reference), x });
            self.lost += u64::from(error >= reference.abs() / 2.0);
        }
    }

    fn merge(&mut self, behind: &Self) {
        self.ulps.raise(behind.ulps);
        self.absolute.raise(behind.absolute);
        self.compared += behind.compared;
        self.lost += behind.lost;
    }
}

impl At {
    fn raise(&mut self, other: Self) {
        if other.value > self.value {
            *self = other;
        }
    }
}

impl Errors {
    fn figures(&self, way: &Way) -> Vec<Figure> {
        let told = way.told;
        let of = |what: &str, worst: &Worst| {
            let largest = |name: String, unit, At { value, x }| {
                Figure::new(name, unit, value).noted(format!("largest at {}", number(x)))
            };
            let name = |which: &str| format!("{told}: {what}, {which}");
            [
                largest(name("error"), "ULP", worst.ulps),
                largest(name("absolute error"), "", worst.absolute),
                Figure::new(name("no right digit"), "%", percent(worst.lost, worst.compared)),
            ]
        };
        [of("loss", &self.loss), of("gradient", &self.gradient)].concat()
    }
}

/// A program of pairs, bound to a chunk.
struct Pairs {
    first: Buffer,
    label: Buffer,
    loss: Buffer,
    gradient: Buffer,
}

impl Pairs {
    fn new(gpu: &Gpu, elements: usize) -> Result<Self> {
        let buffer = |label| gpu.buffer(label, elements);
        Ok(Self {
            first: buffer("logits")?,
            label: buffer("labels")?,
            loss: buffer("loss")?,
            gradient: buffer("gradient")?,
        })
    }

    fn step(&self, gpu: &Gpu, program: &Program) -> Result<Step> {
        let words = self.first.words / 4;
        let buffers = [&self.loss, &self.gradient, &self.first, &self.label];
        gpu.step(program, &buffers, &[count(words)], groups(words))
    }
}

fn groups(words: usize) -> [u32; 3] {
    [count(words.div_ceil(WORKGROUP)), 1, 1]
}

/// The program of pairs around a function of two operands.
fn wgsl(function: &str) -> String {
    let glue = format!(
        "const WORKGROUP_SIZE: u32 = {WORKGROUP}u;\nfn outputs(first: T, label: T) -> Output {{ return {function}(first, label); }}\n"
    );
    let pairs = include_str!("../../shaders/claims/output_pairs.wgsl");
    [Dtype::F32.wgsl(), &definitions(), &glue, pairs].join("\n")
}

fn program(gpu: &Gpu, function: &str) -> Result<Program> {
    gpu.program(&format!("output/{function}"), &wgsl(function), &[], ShaderChecks::Trusted)
}

/// Compares every finite result of a way with f64, of all logits or of some.
fn compare(context: &Context<'_>, way: &Way) -> Result<Errors> {
    let gpu = context.gpu;
    let program = program(gpu, &format!("output_{}", way.name))?;
    let pairs = Pairs::new(gpu, CHUNK)?;
    let run = Sequence::new(way.name, vec![pairs.step(gpu, &program)?]);
    let mut errors = Errors { loss: Worst::default(), gradient: Worst::default() };
    for is_one in [false, true] {
        gpu.store(&pairs.label, &vec![f32::from(u8::from(is_one)); CHUNK])?;
        let in_full = if way.exhaustive && !is_one { 1 } else { FULL_SPARSE };
        let stride = context.either(QUICK_SPARSE, in_full);
        for (first, fresh) in chunks(stride) {
            // What wraps around is not looked at again.
            let logits: Vec<u32> =
                (0..CHUNK).map(|index| first.wrapping_add(count(index * stride))).collect();
            gpu.store(&pairs.first, &logits)?;
            gpu.run_sequence(&run, 1)?;
            let (loss, gradient) = (gpu.load(&pairs.loss)?, gpu.load(&pairs.gradient)?);
            errors.add(&logits[..fresh], is_one, &loss, &gradient);
        }
    }
    Ok(errors)
}

/// The first pattern of each chunk of one pattern in `stride`, and how many patterns it has.
fn chunks(stride: usize) -> impl Iterator<Item = (u32, usize)> {
    let patterns = 1_usize << 32;
    (0..patterns)
        .step_by(CHUNK * stride)
        .map(move |first| (count(first), (patterns - first).div_ceil(stride).min(CHUNK)))
}

impl Errors {
    fn add(&mut self, logits: &[u32], is_one: bool, loss: &[f32], gradient: &[f32]) {
        const CHUNK: usize = 1 << 12;
        let chunks: Vec<[Worst; 2]> = (logits
            .par_chunks(CHUNK)
            .zip(loss.par_chunks(CHUNK))
            .zip(gradient.par_chunks(CHUNK)))
        .map(|((logits, loss), gradient)| {
            let x: Vec<f64> = logits.iter().map(|bits| f64::from(f32::from_bits(*bits))).collect();
            let (mut true_loss, mut true_gradient) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            references(&x, is_one, &mut true_loss, &mut true_gradient);
            let mut worst = [Worst::default(); 2];
            for (index, x) in x.iter().enumerate().filter(|(_, x)| x.is_finite()) {
                worst[0].add(*x, f64::from(loss[index]), true_loss[index]);
                worst[1].add(*x, f64::from(gradient[index]), true_gradient[index]);
            }
            worst
        })
        .collect();
        for [loss, gradient] in &chunks {
            self.loss.merge(loss);
            self.gradient.merge(gradient);
        }
    }
}

/// The loss of label 0 by logit.
fn plot(context: &Context<'_>) -> Result<Plot> {
    const MOST: u16 = 120;
    let logits = || (0..=MOST).map(f64::from);
    let mut series = vec![Series {
        label: "exact".to_owned(),
        points: logits().map(|x| Point::new(x, softplus(x))).collect(),
    }];
    for way in [&WAYS[0], &WAYS[2], &WAYS[4]] {
        let name = way.name;
        let counted =
            format!("fn counted(x: T) -> T {{ return output_{name}(x, T(0.0)).loss; }}\n");
        let census = census(context, &counted, 0.0)?;
        let points = logits().map(|x| Ok(Point::new(x, census.results(Dtype::F32.bits(x), 1)?[0])));
        series.push(Series { label: way.told.to_owned(), points: points.collect::<Result<_>>()? });
    }
    Ok(Plot {
        title:
            "Cross-entropy of a wrong output by its logit: where there is no point, it is infinite"
                .to_owned(),
        x: Axis::linear("logit, of label 0"),
        y: Axis::linear("loss"),
        series,
    })
}

#[cfg(test)]
mod tests {
    use super::allowed::{apart, fused};
    use super::cost::Layers;
    use super::*;
    use crate::claims::Extent;
    use crate::claims::report::Claim;
    use crate::error::Error;
    use crate::gpu::Choice;
    use crate::kernels::inputs::DEFAULT_SEED;
    use crate::report::Status;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn softplus_is_that_of_libm() {
        for step in -4000..=4000 {
            let x = f64::from(step) / 5.0;
            let expected = x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
            let own = softplus(x);
            assert!(
                (own - expected).abs() <= 8.0 * f64::EPSILON * expected + 1e-320,
                "{x}: {own:e}, {expected:e}"
            );
        }
        // Known values: ln 2, and ln(1 + e).
        assert!((softplus(0.0) - std::f64::consts::LN_2).abs() < 2e-16);
        assert!((softplus(1.0) - 1.313_261_687_518_222_8).abs() < 4e-16);
        assert!((softplus(-100.0) / 3.720_075_976_020_836e-44 - 1.0).abs() < 1e-14);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let of = |x: f64, is_one: bool| {
            let (mut loss, mut gradient) = ([0.0], [0.0]);
            references(&[x], is_one, &mut loss, &mut gradient);
            (loss[0], gradient[0])
        };
        for step in -200..=200 {
            for is_one in [false, true] {
                let (x, h) = (f64::from(step) / 8.0, 1e-4);
                let slope = (of(x + h, is_one).0 - of(x - h, is_one).0) / (2.0 * h);
                let (_, gradient) = of(x, is_one);
                assert!((gradient - slope).abs() < 1e-8, "{x} {is_one}: {gradient} {slope}");
            }
        }
    }

    /// Every way's loss and gradient, on the adapter, by a text that may be planted.
    fn checked(gpu: &Gpu, way: &Way, plant: impl Fn(&str) -> String) -> Result<()> {
        for label in [0u8, 1] {
            for (index, field) in FIELDS.into_iter().enumerate() {
                let name = way.name;
                let counted = format!(
                    "fn counted(x: T) -> T {{ return output_{name}(x, T({label}.0)).{field}; }}\n"
                );
                let definitions = plant(&[&definitions(), &counted[..]].concat());
                let census = Census::new(gpu, Dtype::F32, &definitions, "counted", 0.0)?;
                census.check(|x, _| (way.allowed)(&Input { x, label: label == 1 })[index])?;
            }
        }
        Ok(())
    }

    #[test]
    fn every_way_gives_what_is_allowed() {
        let gpu = gpu();
        for way in &WAYS {
            checked(&gpu, way, str::to_owned).expect(way.name);
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (way, find, replace) in [
            (0, "twice + twice * (sum * square)", "twice"),
            (0, "T(1.0 / 7.0)", "T(1.0 / 8.0)"),
            (0, "1.0 / 5.0", "1.0 / 6.0"),
            (0, "max(s, T(0.0)) + log_1p", "max(x, T(0.0)) + log_1p"),
            (0, "select(y, -y, label == T(1.0)));", "y);"),
            (0, "log_1p(z)", "log_1p(y)"),
            (1, "log(T(1.0) + z)", "log(T(1.0001) + z)"),
            (1, "sigmoid_of(s, z)", "sigmoid_of(x, z)"),
            (2, "sigmoid_from_y(y, of_y.dx)", "sigmoid_from_y(y, -of_y.dx)"),
            (2, "select(T(1.0) - y, y, is_one)", "select(y, T(1.0) - y, is_one)"),
            (3, "(T(1.0) - label) * log(T(1.0) - y)", "label * log(T(1.0) - y)"),
            (4, "T(-100.0)", "T(-10.0)"),
            (4, "(y - label) / max", "(y + label) / max"),
            (5, "relu_from_y(y, of_y.dx)", "of_y.dx * y"),
        ] {
            let planted = |text: &str| {
                let planted = text.replace(find, replace);
                assert_ne!(planted, text, "{find}");
                planted
            };
            let error = checked(&gpu, &WAYS[way], planted).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn layers_are_compared_before_they_are_timed() {
        let gpu = gpu();
        let context =
            Context { gpu: &gpu, extent: Extent::Quick, seed: DEFAULT_SEED, progress: &|_| () };
        // No multiple of a workgroup's elements.
        let layers = Layers::new(&context, 5 * 4 * WORKGROUP + 12).expect("room");
        let sequence = |function| layers.one(&gpu, function).expect("it compiles");
        layers.check(&gpu, &sequence("output_fused"), fused).expect("right");
        layers.check(&gpu, &sequence("output_apart"), apart).expect("right");
        layers.check(&gpu, &layers.three(&gpu).expect("it compiles"), apart).expect("right");
        assert!(layers.check(&gpu, &sequence("output_relu"), fused).is_err());
        let wrong = Layers { logits: layers.logits.iter().map(|x| x + 0.001).collect(), ..layers };
        assert!(
            wrong
                .check(&gpu, &wrong.one(&gpu, "output_fused").expect("it compiles"), fused)
                .is_err()
        );
    }

    #[test]
    fn chunks_have_every_pattern_once() {
        for stride in [1, FULL_SPARSE, QUICK_SPARSE] {
            let mut next = 0;
            for (first, patterns) in chunks(stride) {
                assert_eq!(u64::from(first), next);
                next += (patterns * stride) as u64;
            }
            assert!(next >= 1 << 32 && next - (1 << 32) < stride as u64, "{stride}: {next}");
        }
    }

    #[test]
    fn errors_are_counted_as_they_are() {
        let mut errors = Errors { loss: Worst::default(), gradient: Worst::default() };
        // Exact, one ULP off, infinite, nothing right.
        let logits = [0.0f32, 0.0, 3.0, -3.0];
        let ln_2 = std::f32::consts::LN_2;
        let loss = [ln_2, f32::from_bits(ln_2.to_bits() + 1), f32::INFINITY, 0.0];
        errors.add(
            &logits.map(f32::to_bits),
            false,
            &loss,
            &[0.5, 0.5, 0.952_574_15, 0.047_425_874],
        );
        let Errors { loss, gradient } = errors;
        assert_eq!((loss.compared, loss.lost, loss.absolute.x), (3, 1, -3.0));
        assert!(loss.ulps.value > 1e6);
        assert!(gradient.compared == 4 && gradient.lost == 0 && gradient.ulps.value < 1.0);
    }

    #[test]
    fn the_fused_loss_is_finite_everywhere_and_the_others_are_not() {
        let gpu = gpu();
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        let value = |claim: &Claim, name: &str| {
            let figure = claim.figures.iter().find(|figure| figure.name == name);
            figure
                .and_then(|figure| figure.value)
                .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
        };
        for what in ["losses not finite", "gradients not finite", "wrong outputs, gradient 0"] {
            assert_eq!(value(&claim, &format!("fused: {what}")), 0.0);
        }
        // Both are told, and neither for the other.
        let told = claim.conclusion.as_deref().unwrap_or_default();
        for (figure, words) in [
            (
                "sigmoid, log, in one kernel : fused",
                "times as long in one kernel, which moves the same bytes",
            ),
            ("sigmoid, log, in three kernels : fused", "times in three, a layer each"),
        ] {
            let value = value(&claim, figure);
            let (before, _) = told.split_once(words).unwrap_or_else(|| panic!("{words}: {told}"));
            let (_, own) = before
                .rsplit_once(" takes ")
                .or_else(|| before.rsplit_once(" and "))
                .expect("a ratio");
            let own = own.rsplit(" and ").next().expect("a ratio");
            assert!(own.starts_with(&format!("{value:.2} [")), "{value}: {own}");
        }
        // A quarter of all f32 is above 16.6, and wrong for one of two labels; what log(0) is, the
        // adapter says.
        let wrong = |way: &str| {
            value(&claim, &format!("{way}: losses not finite"))
                + value(&claim, &format!("{way}: loss, no right digit"))
        };
        assert_eq!(wrong("fused"), 0.0);
        assert!((10.0..30.0).contains(&wrong("sigmoid, log")), "{}", wrong("sigmoid, log"));
        assert_eq!(value(&claim, "sigmoid, clamped log: losses not finite"), 0.0);
        assert!(value(&claim, "sigmoid, clamped log: wrong outputs, gradient 0") > 10.0);
        assert!(value(&claim, "ReLU, log: outputs outside (0, 1)") > 70.0);
        // Times apart, the same every time.
        let counted = |claim: &Claim| {
            let times = ["ns/element", "GB/s", "x"];
            claim
                .figures
                .iter()
                .filter(|figure| !times.contains(&figure.unit.as_str()))
                .cloned()
                .collect::<Vec<_>>()
        };
        let (again, _) = CLAIM.examine(&context);
        assert_eq!((counted(&again), &again.plots), (counted(&claim), &claim.plots));
    }
}
