//! A binary output layer: sigmoid with cross-entropy is said to be its natural choice. Measured:
//! what it costs and how wrong it gets when both are computed from the logit at once, against
//! sigmoid first and the logarithm behind it, and what becomes of ReLU in its place.

mod allowed;
mod cost;

use rayon::prelude::*;

use self::allowed::{Input, references, softplus};
use self::cost::Cost;
use super::census::{self, Census, Half};
use super::range::percent;
use super::{Context, Experiment, Findings, count};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Step};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::tolerance::Allowed;
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

/// The ways, which call the activations' functions.
const WGSL: &str = include_str!("../../shaders/claims/output.wgsl");

/// What loss and gradient may be.
type Rule = fn(&Input) -> [Allowed; 2];

/// A way to compute loss and gradient from a logit and a label.
struct Way {
    /// The second part of its function in shaders/claims/output.wgsl.
    name: &'static str,
    told: &'static str,
    allowed: Rule,
}

const WAYS: [Way; 6] = [
    Way { name: "fused", told: "fused", allowed: allowed::fused },
    Way { name: "fused_log", told: "fused, built-in log", allowed: allowed::fused_log },
    Way { name: "apart", told: "sigmoid, log", allowed: allowed::apart },
    Way { name: "textbook", told: "sigmoid, both logs", allowed: allowed::textbook },
    Way { name: "clamped", told: "sigmoid, clamped log", allowed: allowed::clamped },
    Way { name: "relu", told: "ReLU, log", allowed: allowed::relu },
];

/// What the ways give.
const RESULTS: [&str; 2] = ["loss", "gradient"];

impl Way {
    /// One of its results, of a logit x with a label, in WGSL.
    fn wgsl(&self, result: usize, label: usize) -> String {
        format!("output_{}(x, T({label}.0)).{}", self.name, ["loss", "dx"][result])
    }

    /// One of its results for positive and for negative logits with a label, after it was checked.
    fn counted(&self, context: &Context<'_>, result: usize, label: usize) -> Result<[Half; 2]> {
        let census = census(context, &self.wgsl(result, label), 0.0)?;
        census
            .check(|case| (self.allowed)(&Input { x: case.first, is_one: label == 1 })[result])?;
        census.halves(context.either(QUICK_STRIDE, 1))
    }
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let (mut figures, mut found) = (Vec::new(), Vec::new());
    for way in &WAYS {
        (context.progress)(way.told);
        let of_way = Found::of(context, way)?;
        figures.extend(of_way.figures());
        found.push(of_way);
    }
    let outputs = census(context, "relu_plain(x)", 1.0)?.halves(context.either(QUICK_STRIDE, 1))?;
    let outputs = Half::sum_of(&outputs);
    let outside = percent(outputs.zeros + outputs.ones + outputs.above, outputs.inputs);
    figures.push(Figure::new("ReLU, log: outputs outside (0, 1)", "%", outside));
    (context.progress)("what it costs");
    let cost = Cost::measured(context)?;
    figures.extend(cost.figures());
    let [in_three, in_one] = cost.over_fused().map(ratio);
    let mut notes = vec!["Fused: from the logit, by softplus; the others: sigmoid or ReLU first. Shares are of all finite logits with either label; errors are the largest of finite results.".to_owned()];
    if context.either(true, false) {
        notes.push(format!(
            "Counted is one logit in {QUICK_STRIDE}, compared with f64 one in {QUICK_SPARSE}."
        ));
    }
    let [fused, apart] = [0, 2].map(|way: usize| found[way].wrong());
    Ok(Findings {
        // From the logit, behind a sigmoid, and with ReLU, whose outputs are said to be no
        // probabilities.
        outcome: Outcome::of([fused == 0.0, apart == 0.0, outside > 0.0]),
        conclusion: format!(
            "computed from the logit: of {} losses and gradients {} % are not finite or, as far as they were compared with f64, without a right digit, and the loss is off by {} ULP at \
             most; of sigmoid and then log {} % are, which takes {in_one} times as long in one kernel, which moves the same bytes, and {in_three} times in three, a layer each; of ReLU's outputs {} % are not in (0, 1)",
            found[0].cases,
            number(fused),
            number(found[0].worst[0].ulps.value),
            number(apart),
            number(outside),
        ),
        seeds: vec![context.seed],
        figures,
        plots: vec![plot(context)?],
        notes,
    })
}

fn census<'gpu>(context: &Context<'gpu>, outcome: &str, threshold: f32) -> Result<Census<'gpu>> {
    Census::new(context.gpu, Dtype::F32, WGSL, outcome, threshold)
}

/// How often a way fails, and by how much.
struct Found {
    way: &'static Way,
    /// Logits with labels.
    cases: u64,
    /// Cases whose loss is not finite, and whose gradient is not.
    not_finite: [u64; 2],
    /// Cases whose gradient is 0, though the output is as wrong as it can be.
    dead: u64,
    /// Of losses and gradients. None with ReLU: it is another loss, whose distance from this one
    /// says nothing.
    worst: Vec<Worst>,
}

impl Found {
    fn of(context: &Context<'_>, way: &'static Way) -> Result<Self> {
        let (mut cases, mut not_finite, mut dead) = (0, [0; 2], 0);
        for label in [0, 1] {
            let halves = [way.counted(context, 0, label)?, way.counted(context, 1, label)?];
            let sums = halves.each_ref().map(Half::sum_of);
            cases += sums[0].inputs;
            for (sum, tally) in not_finite.iter_mut().zip(sums) {
                *sum += tally.not_finite();
            }
            // Of the label that the sign of the logit contradicts.
            dead += halves[1][label].sum().zeros;
        }
        let worst = if way.name == "relu" { Vec::new() } else { compare(context, way)?.to_vec() };
        Ok(Self { way, cases, not_finite, dead, worst })
    }

    /// The share of cases, in %, whose loss (or gradient, if that is more) is not finite, or finite
    /// without a right digit: what an adapter makes of the logarithm of 0 is its own.
    fn wrong(&self) -> f64 {
        let shares = self.not_finite.iter().zip(&self.worst).map(|(not_finite, worst)| {
            let not_finite = percent(*not_finite, self.cases);
            not_finite + (100.0 - not_finite) * percent(worst.lost, worst.compared) / 100.0
        });
        shares.fold(0.0, f64::max)
    }

    fn figures(&self) -> Vec<Figure> {
        let name = |what: &str| format!("{}: {what}", self.way.told);
        let share = |what: &str, part: u64| Figure::new(name(what), "%", percent(part, self.cases));
        let mut figures = vec![
            share("losses not finite", self.not_finite[0]),
            share("gradients not finite", self.not_finite[1]),
            share("wrong outputs, gradient 0", self.dead),
        ];
        for (result, worst) in RESULTS.into_iter().zip(&self.worst) {
            figures.extend(worst.figures(&name(result)));
        }
        figures
    }
}

/// How far finite results are from f64: the largest errors, each with its logit.
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

    fn figures(&self, what: &str) -> [Figure; 3] {
        let largest = |name: &str, unit, At { value, x }| {
            Figure::new(format!("{what}, {name}"), unit, value)
                .noted(format!("largest at {}", number(x)))
        };
        let lost = percent(self.lost, self.compared);
        [
            largest("error", "ULP", self.ulps),
            largest("absolute error", "", self.absolute),
            Figure::new(format!("{what}, no right digit"), "%", lost),
        ]
    }
}

impl At {
    fn raise(&mut self, other: Self) {
        if other.value > self.value {
            *self = other;
        }
    }
}

/// Logits with labels, and room for what a way gives.
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

    /// Loss and gradient in one kernel, by a function of the two.
    fn sequence(&self, gpu: &Gpu, function: &str) -> Result<Sequence> {
        let buffers = [&self.loss, &self.gradient, &self.first, &self.label];
        Ok(Sequence::new(function, vec![step(gpu, &program(gpu, function)?, &buffers)?]))
    }
}

/// A program of four elements an invocation over tensors of one length.
fn step(gpu: &Gpu, program: &Program, buffers: &[&Buffer]) -> Result<Step> {
    let words = buffers[0].words / 4;
    gpu.step(program, buffers, &[count(words)], [count(words.div_ceil(WORKGROUP)), 1, 1])
}

/// The program that gives pairs by a function of two operands.
fn program(gpu: &Gpu, function: &str) -> Result<Program> {
    let glue = format!(
        "const WORKGROUP_SIZE: u32 = {WORKGROUP}u;\nfn outputs(first: T, label: T) -> Output {{ return {function}(first, label); }}\n"
    );
    let pairs = include_str!("../../shaders/claims/output_pairs.wgsl");
    let wgsl = [Dtype::F32.wgsl(), &census::activations(), WGSL, &glue, pairs].join("\n");
    gpu.program(&format!("output/{function}"), &wgsl, &[], ShaderChecks::Trusted)
}

/// Compares every finite loss and gradient of a way with f64, of all logits or of some.
fn compare(context: &Context<'_>, way: &Way) -> Result<[Worst; 2]> {
    let gpu = context.gpu;
    let pairs = Pairs::new(gpu, CHUNK)?;
    let run = pairs.sequence(gpu, &format!("output_{}", way.name))?;
    let mut worst = [Worst::default(); 2];
    for is_one in [false, true] {
        gpu.store(&pairs.label, &vec![f32::from(is_one); CHUNK])?;
        // That of label 1 at x is the same arithmetic as that of label 0 at -x.
        let in_full = if way.name == "fused" && !is_one { 1 } else { FULL_SPARSE };
        let stride = context.either(QUICK_SPARSE, in_full);
        for (first, fresh) in chunks(stride) {
            // What wraps around is not looked at again.
            let logits: Vec<u32> =
                (0..CHUNK).map(|index| first.wrapping_add(count(index * stride))).collect();
            gpu.store(&pairs.first, &logits)?;
            gpu.run_sequence(&run, 1)?;
            let results = [gpu.load(&pairs.loss)?, gpu.load(&pairs.gradient)?];
            add(&mut worst, &logits[..fresh], is_one, &results);
        }
    }
    Ok(worst)
}

/// The first pattern of each chunk of one pattern in `stride`, and how many patterns it has.
fn chunks(stride: usize) -> impl Iterator<Item = (u32, usize)> {
    let patterns = 1_usize << 32;
    (0..patterns)
        .step_by(CHUNK * stride)
        .map(move |first| (count(first), (patterns - first).div_ceil(stride).min(CHUNK)))
}

/// Adds the errors of losses and gradients of these logits.
fn add(worst: &mut [Worst; 2], logits: &[u32], is_one: bool, [loss, gradient]: &[Vec<f32>; 2]) {
    const CHUNK: usize = 1 << 12;
    let chunks =
        logits.par_chunks(CHUNK).zip(loss.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK)));
    let chunks = chunks.map(|(logits, (loss, gradient))| {
        let x: Vec<f64> = logits.iter().map(|bits| f64::from(f32::from_bits(*bits))).collect();
        let (mut true_loss, mut true_gradient) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        references(&x, is_one, &mut true_loss, &mut true_gradient);
        let mut worst = [Worst::default(); 2];
        for (index, x) in x.iter().enumerate().filter(|(_, x)| x.is_finite()) {
            worst[0].add(*x, loss[index].into(), true_loss[index]);
            worst[1].add(*x, gradient[index].into(), true_gradient[index]);
        }
        worst
    });
    for behind in chunks.collect::<Vec<_>>() {
        for (worst, behind) in worst.iter_mut().zip(&behind) {
            worst.merge(behind);
        }
    }
}

/// The loss of label 0 by logit.
fn plot(context: &Context<'_>) -> Result<Plot> {
    let line = |label: &str, loss: &dyn Fn(f64) -> Result<f64>| -> Result<Series> {
        let points = (0..=120).map(f64::from).map(|x| Ok(Point::new(x, loss(x)?)));
        Ok(Series { label: label.to_owned(), points: points.collect::<Result<_>>()? })
    };
    let mut series = vec![line("exact", &|x| Ok(softplus(x)))?];
    for way in [&WAYS[0], &WAYS[2], &WAYS[4]] {
        let census = census(context, &way.wgsl(0, 0), 0.0)?;
        series.push(line(way.told, &|x| census.result(x))?);
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
    use super::*;
    use crate::claims::Extent;
    use crate::claims::report::Claim;
    use crate::error::Error;
    use crate::gpu::Choice;
    use crate::kernels::tolerance::Case;
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
        for (result, label) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (definitions, outcome) = (plant(WGSL), way.wgsl(result, label));
            let census = Census::new(gpu, Dtype::F32, &definitions, &outcome, 0.0)?;
            let input = |case: Case| Input { x: case.first, is_one: label == 1 };
            census.check(|case| (way.allowed)(&input(case))[result])?;
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
        let mut worst = [Worst::default(); 2];
        // Exact, one ULP off, infinite, nothing right.
        let logits = [0.0f32, 0.0, 3.0, -3.0];
        let ln_2 = std::f32::consts::LN_2;
        let results = [
            vec![ln_2, f32::from_bits(ln_2.to_bits() + 1), f32::INFINITY, 0.0],
            vec![0.5, 0.5, 0.952_574_15, 0.047_425_874],
        ];
        add(&mut worst, &logits.map(f32::to_bits), false, &results);
        let [loss, gradient] = worst;
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
