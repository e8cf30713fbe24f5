//! A restricted Boltzmann machine: its units are on with a probability, which sigmoid gives.
//! Trained by one step of contrastive divergence on bars and stripes; and what becomes of it when
//! ReLU takes that place.

use rand::RngExt;
use rand_distr::StandardNormal;

use super::random::{self, random, uniform_of};
use super::range::percent;
use super::shallow::{
    self, Function, Sizes, TUNING_SEEDS, Training, arrived_at, bars_and_stripes, best_rate,
    error_of_mean, figure_of_errors, figure_of_steps,
};
use super::{
    Context, Experiment, Findings, as_f64, check, count, over_seeds, over_seeds_of_merit,
    told_over_seeds, told_rate,
};
use crate::claims::report::{Figure, Outcome};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks};
use crate::kernels::dtype::Dtype;
use crate::render::numbers::interval;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "boltzmann",
    statement: "a restricted Boltzmann machine wants sigmoid, whose values are probabilities",
    run,
};

/// Pixels a side: few enough that the sum over all pictures, 2^16, can be taken.
const SIDE: u32 = 4;

const SIZES: Sizes = Sizes { visible: 16, hidden: 16, batch: 10 };

/// Learning rates that are tried on seeds of their own.
const RATES: [f32; 7] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

/// It works if its error ends below so much of that of the mean picture ...
const WORKS: f64 = 0.5;

/// ... and if, in the last tenth of its steps, no more than this share of what it takes for
/// probabilities is above 1 or no number.
const NO_PROBABILITIES: f64 = 0.01;

/// Weights and biases of a machine.
fn weight_count(sizes: Sizes) -> usize {
    sizes.visible * sizes.hidden + sizes.hidden + sizes.visible
}

/// Probabilities of a step: of hidden units twice, of visible ones once.
fn probability_count(sizes: Sizes) -> usize {
    sizes.batch * (2 * sizes.hidden + sizes.visible)
}

/// The bias to begin with: that of a probability of 1/2.
fn bias(unit: Function) -> f32 {
    match unit {
        Function::Sigmoid => 0.0,
        Function::Relu => 0.5,
    }
}

/// The text of machines whose `probability` of a unit's input is a function.
fn wgsl(unit: Function, sizes: Sizes) -> String {
    let machine = include_str!("../../shaders/claims/boltzmann.wgsl");
    [Dtype::F32.wgsl(), &unit.wgsl("probability"), random::WGSL, &sizes.wgsl(), machine].join("\n")
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let pictures = bars_and_stripes(SIDE);
    let baseline = error_of_mean(&pictures);
    let steps = context.either(2000, 20_000);
    let (seeds, tuning) = shallow::seeds(context);
    let mut trained = Vec::new();
    for unit in Function::BOTH {
        (context.progress)(&format!(
            "units of {}: learning rates, then {steps} steps of {} seeds",
            unit.name(),
            seeds.len()
        ));
        check(context.gpu, unit, &wgsl(unit, CHECKED), ShaderChecks::Trusted)?;
        let run = |seeds: &[u64], rates: &[f32]| {
            let training = training(unit, SIZES, &pictures, seeds, rates, steps);
            train(&training, context.gpu, &wgsl(unit, SIZES), ShaderChecks::Trusted)
        };
        let tried = run(&tuning, &RATES)?;
        let rate = match unit {
            Function::Sigmoid => likeliest_rate(&tried.weights, &pictures),
            Function::Relu => best_rate(&tried.errors, &RATES),
        };
        trained.push(Trained { unit, rate, run: run(&seeds, &[rate])? });
    }
    let [sigmoid, relu] = [&trained[0], &trained[1]];
    (context.progress)("the likelihood of all pictures");
    let likelihoods: Vec<f64> = sigmoid
        .run
        .weights
        .iter()
        .map(|weights| mean_log_likelihood(SIZES, weights, &pictures))
        .collect();
    let mut figures = vec![Figure::new("mean picture: mean squared error", "", baseline)];
    figures.extend(trained.iter().flat_map(|trained| trained.figures(WORKS * baseline)));
    figures.extend(figures_of_likelihood(&likelihoods, pictures.len()));
    let works = trained.iter().map(|trained| trained.works(baseline)).collect::<Vec<_>>();
    Ok(Findings {
        outcome: outcome(&works[0], &works[1]),
        conclusion: conclusion(sigmoid, relu, baseline, &likelihoods, pictures.len(), steps),
        seeds,
        figures,
        plots: vec![shallow::plot(
            "Reconstruction error of restricted Boltzmann machines over steps",
            &trained.iter().map(Trained::line).collect::<Vec<_>>(),
            40,
        )],
        notes: vec![
            format!(
                "{} bars and stripes of {SIDE} by {SIDE} pixels, {} hidden units, batches of {}; the learning rate is the best of {} on {TUNING_SEEDS} other seeds: of sigmoid by likelihood, of ReLU, which has none, by error. \
                 A machine works if, over the last tenth of its steps, its error is below {WORKS} of that of the mean picture and at most {:.0} % of its probabilities are none; \
                 the claim holds for a seed if sigmoid's does and ReLU's does not.",
                pictures.len(),
                SIZES.hidden,
                SIZES.batch,
                RATES.len(),
                100.0 * NO_PROBABILITIES
            ),
            "A unit of ReLU begins with a bias of 1/2, that of a probability of 1/2; one whose value is above 1 is on for certain, which is no sample of it."
                .to_owned(),
        ],
    })
}

/// By seed, whether sigmoid's machine works and ReLU's does not.
fn outcome(sigmoid: &[bool], relu: &[bool]) -> Outcome {
    Outcome::of(sigmoid.iter().zip(relu).map(|(sigmoid, relu)| *sigmoid && !relu))
}

fn conclusion(
    sigmoid: &Trained,
    relu: &Trained,
    baseline: f64,
    likelihoods: &[f64],
    pictures: usize,
    steps: usize,
) -> String {
    let working = |trained: &Trained| {
        let count = trained.works(baseline).into_iter().filter(|works| *works).count();
        format!("{count} of {}", trained.run.errors.len())
    };
    format!(
        "after {steps} steps {} machines of sigmoid work, with a reconstruction error of {} ({}; the mean picture's: {baseline:.2}) and a log-likelihood of {} (chance {:.1}, at most \
         {:.2}); of ReLU {} do: {} % of what should be probabilities are none at the end, and the error is {} ({}){}",
        working(sigmoid),
        told_over_seeds(&sigmoid.arrived()),
        told_rate(sigmoid.rate, &RATES),
        over_seeds_of_merit(likelihoods).map_or_else(|| "none".to_owned(), interval),
        log_likelihood_by_chance(),
        best_log_likelihood(pictures),
        working(relu),
        told_over_seeds(&relu.percent_at_end()),
        told_over_seeds(&relu.arrived()),
        told_rate(relu.rate, &RATES),
        match relu.failed() {
            0 => String::new(),
            failed => format!(" ({failed} of {} machines left f32)", relu.run.errors.len()),
        }
    )
}

/// What became of the machines of a unit.
struct Trained {
    unit: Function,
    rate: f32,
    run: Run,
}

/// What a training gave, by machine.
struct Run {
    /// The error by step.
    errors: Vec<Vec<f32>>,
    /// Probabilities above 1, and those that are no numbers, in all steps.
    above_1: Vec<u64>,
    nan: Vec<u64>,
    /// The share of both in the last tenth of the steps.
    none_at_end: Vec<f64>,
    /// Probabilities of all machines and steps.
    probabilities: u64,
    /// The weights at the end.
    weights: Vec<Vec<f32>>,
}

impl Trained {
    fn arrived(&self) -> Vec<f64> {
        self.run.errors.iter().map(|course| arrived_at(course)).collect()
    }

    /// By machine.
    fn works(&self, baseline: f64) -> Vec<bool> {
        let both = self.run.errors.iter().zip(&self.run.none_at_end);
        both.map(|(course, none)| {
            arrived_at(course) < WORKS * baseline && *none <= NO_PROBABILITIES
        })
        .collect()
    }

    fn line(&self) -> (String, &[Vec<f32>]) {
        (format!("units of {}", self.unit.name()), &self.run.errors)
    }

    fn failed(&self) -> usize {
        self.arrived().iter().filter(|error| !error.is_finite()).count()
    }

    fn figures(&self, works: f64) -> Vec<Figure> {
        let Run { errors, above_1, nan, probabilities, .. } = &self.run;
        let of = |what: &str| format!("{}: {what}", self.unit.name());
        let share = |what: &str, counts: &[u64]| {
            let count = counts.iter().sum();
            Figure::new(of(&format!("probabilities {what}")), "%", percent(count, *probabilities))
                .noted(format!("{count} of {probabilities}"))
        };
        let at_end = over_seeds(&self.percent_at_end()).expect("seeds");
        vec![
            figure_of_errors(of("reconstruction error"), errors, &told_rate(self.rate, &RATES)),
            figure_of_steps(of("steps until the error is low enough"), errors, works),
            share("above 1", above_1),
            share("that are no numbers", nan),
            Figure::estimated(of("probabilities that are none at the end"), "%", at_end),
        ]
    }

    fn percent_at_end(&self) -> Vec<f64> {
        self.run.none_at_end.iter().map(|share| 100.0 * share).collect()
    }
}

fn figures_of_likelihood(likelihoods: &[f64], pictures: usize) -> [Figure; 3] {
    let measured = over_seeds_of_merit(likelihoods).expect("seeds");
    [
        Figure::estimated("sigmoid: log-likelihood of a picture", "nat", measured).noted("exact"),
        Figure::new("the most it can be", "nat", best_log_likelihood(pictures)),
        Figure::new("that of pixels by chance", "nat", log_likelihood_by_chance()),
    ]
}

/// Of a machine that gives every picture there is the same probability.
fn log_likelihood_by_chance() -> f64 {
    -f64::from(SIDE * SIDE) * std::f64::consts::LN_2
}

/// Of a machine that gives all probability to these pictures alike, and none to others.
fn best_log_likelihood(pictures: usize) -> f64 {
    -as_f64(pictures).ln()
}

/// The rate with the largest likelihood over the tuning seeds; machines are by seed and rate.
fn likeliest_rate(machines: &[Vec<f32>], pictures: &[Vec<f32>]) -> f32 {
    let likelihoods: Vec<f64> =
        machines.iter().map(|weights| mean_log_likelihood(SIZES, weights, pictures)).collect();
    let of_rate = |rate: usize| likelihoods.iter().skip(rate).step_by(RATES.len()).sum::<f64>();
    // The likelihood of weights that are not finite is NaN, which is less than any.
    let finite = (0..RATES.len()).filter(|rate| of_rate(*rate).is_finite());
    finite.max_by(|a, b| of_rate(*a).total_cmp(&of_rate(*b))).map_or(RATES[0], |rate| RATES[rate])
}

/// The mean log-likelihood of pictures, exactly: a picture's unnormalised probability is exp(c v)
/// times the product of 1 + exp(b + v W) over hidden units, and the sum of it is taken over every
/// picture there is.
fn mean_log_likelihood(sizes: Sizes, weights: &[f32], pictures: &[Vec<f32>]) -> f64 {
    let Sizes { visible, hidden, .. } = sizes;
    let w: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let log_of = |is_on: &dyn Fn(usize) -> bool| {
        let on: Vec<usize> = (0..visible).filter(|v| is_on(*v)).collect();
        let bias: f64 = on.iter().map(|v| w[visible * hidden + hidden + v]).sum();
        let of_unit = |unit: usize| {
            let input: f64 = on.iter().map(|v| w[v * hidden + unit]).sum();
            softplus(w[visible * hidden + unit] + input)
        };
        bias + (0..hidden).map(of_unit).sum::<f64>()
    };
    let all: Vec<f64> =
        (0..1_u32 << visible).map(|picture| log_of(&|v| picture >> v & 1 == 1)).collect();
    let largest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_of_sum = largest + all.iter().map(|log| (log - largest).exp()).sum::<f64>().ln();
    let logs = pictures.iter().map(|picture| log_of(&|v| picture[v] == 1.0) - log_of_sum);
    logs.sum::<f64>() / as_f64(pictures.len())
}

/// Machines to be trained.
fn training(
    unit: Function,
    sizes: Sizes,
    pictures: &[Vec<f32>],
    seeds: &[u64],
    rates: &[f32],
    steps: usize,
) -> Training {
    Training::new((unit, sizes), pictures, seeds, rates, steps, |random| {
        // Hinton's practical guide (2010), section 8: normal, 0.01.
        let weight = || 0.01 * random.sample::<f32, _>(StandardNormal);
        let mut of_machine: Vec<f32> =
            std::iter::repeat_with(weight).take(sizes.visible * sizes.hidden).collect();
        of_machine.resize(weight_count(sizes), bias(unit));
        of_machine
    })
}

/// Words of what a step found, as in the shader.
const FOUND_WORDS: usize = 4;

/// The key of a seed's random numbers.
fn key(seed: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = [seed as u32, (seed >> 32) as u32];
    halves
}

/// Trains all machines on the device.
fn train(training: &Training, gpu: &Gpu, wgsl: &str, checks: ShaderChecks) -> Result<Run> {
    let path = format!("boltzmann/{}", training.function.name());
    let program = gpu.program(&path, wgsl, &[], checks)?;
    let keys: Vec<u32> = training.seeds.iter().flat_map(|seed| key(*seed)).collect();
    let keys = gpu.buffer_of("keys", &keys)?;
    let (found, weights) = training.run(gpu, &program, FOUND_WORDS, &[&keys])?;
    let found: Vec<u32> = gpu.load(&found)?;
    let of_machines = || found.chunks_exact(training.steps * FOUND_WORDS);
    let counts = |word: usize| {
        let sum = |steps: &[u32]| {
            steps.iter().skip(word).step_by(FOUND_WORDS).map(|count| u64::from(*count)).sum()
        };
        of_machines().map(sum).collect::<Vec<u64>>()
    };
    let at_end = (training.steps / 10).max(1);
    let none_at_end = |steps: &[u32]| {
        let none: u32 =
            steps.rchunks_exact(FOUND_WORDS).take(at_end).map(|found| found[1] + found[2]).sum();
        f64::from(none) / as_f64(at_end * probability_count(training.sizes))
    };
    let errors = |steps: &[u32]| {
        steps.iter().step_by(FOUND_WORDS).map(|bits| f32::from_bits(*bits)).collect()
    };
    Ok(Run {
        errors: of_machines().map(errors).collect(),
        above_1: counts(1),
        nan: counts(2),
        none_at_end: of_machines().map(none_at_end).collect(),
        probabilities: (training.models() * training.steps * probability_count(training.sizes))
            as u64,
        weights: weights.chunks_exact(weight_count(training.sizes)).map(<[f32]>::to_vec).collect(),
    })
}

/// The same in f64, with the same random numbers.
fn train_in_f64(training: &Training) -> Expected {
    let mut expected = Expected {
        errors: Vec::new(),
        weights: Vec::new(),
        above_1: Vec::new(),
        margin: f64::INFINITY,
    };
    for machine in 0..training.models() {
        train_one_in_f64(training, machine, &mut expected);
    }
    expected
}

fn train_one_in_f64(training: &Training, machine: usize, expected: &mut Expected) {
    let Sizes { visible, hidden, batch } = training.sizes;
    let matrix = visible * hidden;
    let key = key(training.seeds[training.seed(machine)]);
    let (rate, mut w) = training.start(machine);
    let mut above_1 = 0;
    for step in 0..training.steps {
        let mut gradient = vec![0.0; w.len()];
        let mut squares = 0.0;
        for example in 0..batch {
            let v0 = training.example(machine, step, example);
            let hidden_of = |v: &[f64]| -> Vec<f64> {
                let input =
                    |unit: usize| (0..visible).map(|at| v[at] * w[at * hidden + unit]).sum::<f64>();
                (0..hidden)
                    .map(|unit| training.function.forward(w[matrix + unit] + input(unit)))
                    .collect()
            };
            let mut sample = |p: &[f64], stream: u32| -> Vec<f64> {
                let units = p.len();
                let is_on = |(unit, p): (usize, &f64)| {
                    let word = (example * units + unit) / 4;
                    let uniform = f64::from(uniform(word, unit % 4, step, stream, key));
                    expected.margin = expected.margin.min((uniform - p).abs());
                    if uniform < *p { 1.0 } else { 0.0 }
                };
                p.iter().enumerate().map(is_on).collect()
            };
            let p0 = hidden_of(&v0);
            let on = sample(&p0, 0);
            let input =
                |at: usize| (0..hidden).map(|unit| on[unit] * w[at * hidden + unit]).sum::<f64>();
            let pv: Vec<f64> = (0..visible)
                .map(|at| training.function.forward(w[matrix + hidden + at] + input(at)))
                .collect();
            let v1 = sample(&pv, 1);
            let p1 = hidden_of(&v1);
            above_1 += [&p0, &pv, &p1].into_iter().flatten().filter(|p| **p > 1.0).count() as u64;
            squares += v0.iter().zip(&pv).map(|(v, p)| (v - p).powi(2)).sum::<f64>();
            for unit in 0..hidden {
                gradient[matrix + unit] += p0[unit] - p1[unit];
                (0..visible).for_each(|at| {
                    gradient[at * hidden + unit] += v0[at] * p0[unit] - v1[at] * p1[unit];
                });
            }
            (0..visible).for_each(|at| gradient[matrix + hidden + at] += v0[at] - v1[at]);
        }
        expected.errors.push(squares / as_f64(batch * visible));
        w.iter_mut().zip(&gradient).for_each(|(w, gradient)| *w += rate / as_f64(batch) * gradient);
    }
    expected.above_1.push(above_1);
    expected.weights.extend(w);
}

/// The uniform number of one of the four units of a word.
fn uniform(word: usize, unit: usize, step: usize, stream: u32, key: [u32; 2]) -> f32 {
    let counter = 4 * count(word) + 2 * stream + count(unit / 2);
    uniform_of(random([counter, count(step)], key)[unit % 2])
}

/// What a training has to give.
struct Expected {
    errors: Vec<f64>,
    weights: Vec<f64>,
    above_1: Vec<u64>,
    /// The least distance of a probability from the random number that it was compared with: a
    /// probability that is farther off samples otherwise.
    margin: f64,
}

/// More work than a workgroup has lanes, and no multiple of them.
const CHECKED: Sizes = Sizes { visible: 16, hidden: 12, batch: 17 };

/// How far a probability may be off in the few steps of the check.
const CHECKED_OFF: f64 = 1e-5;

/// Compares a few steps of a few small machines with f64, sample by sample.
fn check(gpu: &Gpu, unit: Function, wgsl: &str, checks: ShaderChecks) -> Result<()> {
    let training = training(unit, CHECKED, &bars_and_stripes(4), &[1, 2], &[0.25, 1.0], 4);
    let run = train(&training, gpu, wgsl, checks)?;
    let expected = train_in_f64(&training);
    let what = |of: &str| format!("{of} of Boltzmann machines with units of {}", unit.name());
    check::within(&what("errors"), &run.errors.concat(), &expected.errors, |_| CHECKED_OFF)?;
    check::within(&what("weights"), &run.weights.concat(), &expected.weights, |_| CHECKED_OFF)?;
    if run.above_1 == expected.above_1 && run.nan.iter().all(|nan| *nan == 0) {
        return Ok(());
    }
    let (above, expected) = (run.above_1, expected.above_1);
    Err(Error::Mismatch(format!(
        "{}: {above:?} above 1 instead of {expected:?}",
        what("probabilities")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::Choice;
    use crate::report::Status;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn training_on_the_adapter_is_that_in_f64() {
        let gpu = gpu();
        for unit in Function::BOTH {
            check(&gpu, unit, &wgsl(unit, CHECKED), ShaderChecks::Trusted).expect("right");
        }
    }

    #[test]
    fn no_sample_of_the_check_hangs_on_a_rounding() {
        for unit in Function::BOTH {
            let pictures = bars_and_stripes(4);
            let training = training(unit, CHECKED, &pictures, &[1, 2], &[0.25, 1.0], 4);
            let expected = train_in_f64(&training);
            assert!(expected.margin > CHECKED_OFF, "{unit:?}: {:e}", expected.margin);
            // Both are seen: probabilities above 1 and below.
            assert_eq!(expected.above_1.iter().sum::<u64>() > 0, unit == Function::Relu);
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (unit, find, replace) in [
            (
                Function::Sigmoid,
                "return sigmoid_two_sided(x)",
                "return sigmoid_two_sided(x * 1.01)",
            ),
            (Function::Sigmoid, "OF_VISIBLE: u32 = 1u", "OF_VISIBLE: u32 = 0u"),
            (Function::Sigmoid, "4u * word + 2u * stream", "2u * word + stream"),
            (
                Function::Sigmoid,
                "uniform_of(second.x), uniform_of(second.y)",
                "uniform_of(first.x), uniform_of(first.y)",
            ),
            (Function::Sigmoid, "+ 1u, step)", "+ 1u, 0u)"),
            (Function::Sigmoid, "keys[seed], at, lane", "keys[0], at, lane"),
            (
                Function::Sigmoid,
                "hidden_of_reconstruction(machine * MACHINE, lane);",
                "p1[lane] = p0[lane];",
            ),
            (Function::Relu, "weights[machine + i] += rate", "weights[machine + i] -= rate"),
            (Function::Relu, "weights[machine + MATRIX + i] += rate * difference;", ""),
            (
                Function::Relu,
                "weights[machine + MATRIX + HIDDEN_WORDS + i] += rate * difference;",
                "",
            ),
            (Function::Relu, "bits > vec4<u32>(0x3f800000u)", "bits > vec4<u32>(0x3f900000u)"),
            (Function::Relu, "sum.above_1 += counts_above_1[i]", "sum.above_1 = counts_above_1[i]"),
            (Function::Relu, "rates[machine]", "rates[0]"),
            (Function::Sigmoid, "at][v % 4u] * p1[hidden]", "at][v % 4u] * p0[hidden]"),
            (
                Function::Sigmoid,
                "hidden_input(machine, RECONSTRUCTION, i)",
                "hidden_input(machine, DATA, i)",
            ),
            (Function::Relu, "let example = first + i", "let example = i"),
            (Function::Sigmoid, "machine / params.machines_per_seed", "machine % 2u"),
        ] {
            let own = wgsl(unit, CHECKED);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let error = check(&gpu, unit, &planted, ShaderChecks::Checked).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn the_likelihood_is_that_of_known_machines() {
        let sizes = Sizes { visible: 4, hidden: 4, batch: 1 };
        let pictures = bars_and_stripes(2);
        // Without weights every picture is as likely as any other.
        let chance = mean_log_likelihood(sizes, &vec![0.0; weight_count(sizes)], &pictures);
        assert!((chance + 4.0 * std::f64::consts::LN_2).abs() < 1e-12, "{chance}");
        // With visible biases alone, pixels are independent.
        let mut weights = vec![0.0; weight_count(sizes)];
        weights[16 + 4] = 2.0;
        let on = crate::kernels::activations::sigmoid::sigmoid(2.0);
        let (likely, unlikely) = (on.ln(), (1.0 - on).ln());
        let expected = f64::midpoint(likely, unlikely) - 3.0 * std::f64::consts::LN_2;
        assert!((mean_log_likelihood(sizes, &weights, &pictures) - expected).abs() < 1e-7);
        // One strong unit that ties two pixels: p(v) is the sum over that unit's two states.
        let mut weights = vec![0.0; weight_count(sizes)];
        (weights[0], weights[4]) = (3.0, 3.0);
        let unnormalised = |a: f64, b: f64| 1.0 + (3.0 * a + 3.0 * b).exp();
        let sum: f64 = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
            .iter()
            .map(|(a, b)| unnormalised(*a, *b))
            .sum();
        let picture = vec![vec![1.0, 1.0, 0.0, 1.0]];
        let expected = (unnormalised(1.0, 1.0) / sum / 4.0).ln();
        assert!((mean_log_likelihood(sizes, &weights, &picture) - expected).abs() < 1e-12);
    }

    /// Machines of such errors and such shares of probabilities that are none.
    fn trained(unit: Function, machines: &[(f32, f64)]) -> Trained {
        let run = Run {
            errors: machines.iter().map(|(error, _)| vec![*error; 10]).collect(),
            above_1: vec![0; machines.len()],
            nan: vec![0; machines.len()],
            none_at_end: machines.iter().map(|(_, none)| *none).collect(),
            probabilities: 1,
            weights: Vec::new(),
        };
        Trained { unit, rate: 0.1, run }
    }

    #[test]
    fn a_machine_works_by_its_error_and_by_its_probabilities() {
        let works = |error, none| trained(Function::Relu, &[(error, none)]).works(0.25)[0];
        assert!(works(0.124, 0.01));
        assert!(
            !works(0.126, 0.0)
                && !works(0.1, 0.011)
                && !works(f32::NAN, 0.0)
                && !works(f32::INFINITY, 0.0)
        );
        assert_eq!(outcome(&[true, true], &[false, false]), Outcome::Holds);
        // ReLU's machines do as well: nothing is left of the claim.
        assert_eq!(outcome(&[true, true], &[true, true]), Outcome::DoesNotHold);
        assert_eq!(outcome(&[true, true], &[false, true]), Outcome::HoldsOnlyWhen);
        assert_eq!(outcome(&[false, true], &[false, false]), Outcome::HoldsOnlyWhen);
    }

    #[test]
    fn machines_that_diverged_are_told() {
        let sigmoid = trained(Function::Sigmoid, &[(0.0625, 0.0), (f32::NAN, 1.0), (0.125, 0.0)]);
        let relu = trained(Function::Relu, &[(f32::NAN, 1.0); 3]);
        let told = conclusion(&sigmoid, &relu, 0.25, &[-5.0, f64::NAN, -6.0], 30, 2000);
        for part in [
            "1 of 3 machines of sigmoid work, with a reconstruction error of 0.125 [0.0625, inf]",
            "log-likelihood of -6 [-inf, -5]",
            "of ReLU 0 of 3 do: 100 [100, 100] %",
            "(3 of 3 machines left f32)",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let likelihood = &figures_of_likelihood(&[-5.0, f64::NAN, -6.0], 30)[0];
        assert_eq!(
            (likelihood.value, likelihood.low, likelihood.high),
            (Some(-6.0), None, Some(-5.0))
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        let gpu = gpu();
        let bits = |seed: u64| {
            let training = training(
                Function::Sigmoid,
                CHECKED,
                &bars_and_stripes(4),
                &[seed],
                &[0.1],
                shallow::STEPS_AT_ONCE + 30,
            );
            let text = wgsl(Function::Sigmoid, CHECKED);
            let run = train(&training, &gpu, &text, ShaderChecks::Trusted).expect("it runs");
            run.errors.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(bits(3), bits(3));
        assert_ne!(bits(3), bits(4));
    }

    #[test]
    fn sigmoid_learns_and_relu_gives_no_probabilities() {
        let gpu = gpu();
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        let value = |name: &str| {
            let figure = claim.figures.iter().find(|figure| figure.name == name);
            figure
                .and_then(|figure| figure.value)
                .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
        };
        let likelihood = value("sigmoid: log-likelihood of a picture");
        assert!(
            value("that of pixels by chance") < likelihood
                && likelihood < value("the most it can be"),
            "{likelihood}"
        );
        assert_eq!(value("sigmoid: probabilities above 1"), 0.0);
        assert!(value("ReLU: probabilities above 1") > 0.0);
        let (again, _) = CLAIM.examine(&context);
        assert_eq!(
            (&again.figures, &again.plots),
            (&claim.figures, &claim.plots),
            "the same seed gives the same result"
        );
    }
}
