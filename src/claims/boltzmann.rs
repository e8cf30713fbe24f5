//! A restricted Boltzmann machine: its units are on with a probability, which sigmoid gives.
//! Trained by one step of contrastive divergence on bars and stripes; and what becomes of it when
//! ReLU takes that place.

use rand::RngExt;
use rand_distr::StandardNormal;

use super::random::{self, random, uniform_of};
use super::range::percent;
use super::shallow::{
    self, CHECKED, Function, Model, Run, Sizes, TUNING_SEEDS, Trained, Training, error_of_mean, key,
};
use super::{
    Context, Experiment, Findings, Random, as_f64, count, in_f64, over_seeds, over_seeds_of_merit,
    told_over_seeds,
};
use crate::claims::report::{Figure, Outcome};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks};
use crate::measure::stats::Estimate;
use crate::render::numbers::interval;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "boltzmann",
    statement: "a restricted Boltzmann machine wants sigmoid, whose values are probabilities",
    run,
};

/// Pixels a side: few enough that the sum over all pictures, 2^16, can be taken.
const SIDE: usize = 4;

static MODEL: Model = Model {
    name: "boltzmann",
    place: "units",
    sizes: Sizes { visible: SIDE * SIDE, hidden: 16, batch: 10 },
    rates: &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
    words: 4,
    has_keys: true,
    shader: &[random::WGSL, include_str!("../../shaders/claims/boltzmann.wgsl")],
    calls: "probability",
    draw,
    check,
};

/// Words of what a step found: how many probabilities are above 1, and how many are no numbers.
const ABOVE_1: usize = 1;
const NAN: usize = 2;

/// It works if its error ends below so much of that of the mean picture ...
const WORKS: f64 = 0.5;

/// ... and if, in the last tenth of its steps, no more than this share of what it takes for
/// probabilities is above 1 or no number.
const NO_PROBABILITIES: f64 = 0.01;

/// Probabilities of a step: of hidden units twice, of visible ones once.
fn probability_count(sizes: Sizes) -> usize {
    sizes.batch * (2 * sizes.hidden + sizes.visible)
}

/// Weights as in Hinton's practical guide (2010), section 8: normal, 0.01. Biases of a probability
/// of 1/2.
fn draw(random: &mut Random, unit: Function, sizes: Sizes) -> Vec<f32> {
    let bias = match unit {
        Function::Sigmoid => 0.0,
        Function::Relu => 0.5,
    };
    let weight = |_| 0.01 * random.sample::<f32, _>(StandardNormal);
    let mut weights: Vec<f32> = (0..sizes.visible * sizes.hidden).map(weight).collect();
    weights.extend(vec![bias; sizes.hidden + sizes.visible]);
    weights
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let pictures = MODEL.sizes.pictures();
    let baseline = error_of_mean(&pictures);
    let steps = context.either(2000, 20_000);
    let likelihoods = |run: &Run| -> Vec<f64> {
        let likelihood = |w: &Vec<f32>| mean_log_likelihood(MODEL.sizes, w, &pictures);
        run.weights.iter().map(likelihood).collect()
    };
    let losses = |run: &Run| likelihoods(run).into_iter().map(|likelihood| -likelihood).collect();
    let sigmoid = MODEL.trained(context, Function::Sigmoid, steps, losses)?;
    let relu = MODEL.trained(context, Function::Relu, steps, Run::arrived)?;
    (context.progress)("the likelihood of all pictures");
    let likelihood = over_seeds_of_merit(&likelihoods(&sigmoid.run)).expect("seeds");
    let mut figures = vec![Figure::new("mean picture: mean squared error", "", baseline)];
    figures.extend(figures_of(&sigmoid, baseline));
    figures.extend(figures_of(&relu, baseline));
    figures.extend(figures_of_likelihood(likelihood, pictures.len()));
    Ok(Findings {
        outcome: outcome(&works(&sigmoid, baseline), &works(&relu, baseline)),
        conclusion: conclusion(&sigmoid, &relu, baseline, likelihood, pictures.len(), steps),
        seeds: shallow::seeds(context).0,
        figures,
        plots: vec![shallow::plot(
            "Reconstruction error of restricted Boltzmann machines over steps",
            [&sigmoid, &relu],
            40,
        )],
        notes: vec![
            format!(
                "{} bars and stripes of {SIDE} by {SIDE} pixels, {} hidden units, batches of {}; the learning rate is the best of {} on {TUNING_SEEDS} other seeds: of sigmoid by likelihood, of ReLU, which has none, by error. \
                 A machine works if, over the last tenth of its steps, its error is below {WORKS} of that of the mean picture and at most {:.0} % of its probabilities are none; \
                 the claim holds for a seed if sigmoid's does and ReLU's does not.",
                pictures.len(),
                MODEL.sizes.hidden,
                MODEL.sizes.batch,
                MODEL.rates.len(),
                100.0 * NO_PROBABILITIES
            ),
            "A unit of ReLU begins with a bias of 1/2, that of a probability of 1/2; one with a value above 1 is always on, which is no sample of it."
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
    likelihood: Estimate,
    pictures: usize,
    steps: usize,
) -> String {
    let working = |trained: &Trained| {
        let works = works(trained, baseline);
        format!("{} of {}", works.iter().filter(|works| **works).count(), works.len())
    };
    let ([error, rate], [relu_error, relu_rate]) = (sigmoid.told(), relu.told());
    let [chance, best] = chance_and_best(pictures);
    let left = match relu.run.failed() {
        0 => String::new(),
        failed => format!(" ({failed} of {} machines left f32)", relu.run.errors.len()),
    };
    format!(
        "after {steps} steps {} machines of sigmoid work, with a reconstruction error of {error} ({rate}; the mean picture's: {baseline:.2}) and a log-likelihood of {} (chance {chance:.1}, at most \
         {best:.2}); of ReLU {} do: {} % of what should be probabilities are none at the end, and the error is {relu_error} ({relu_rate}){left}",
        working(sigmoid),
        interval(likelihood),
        working(relu),
        told_over_seeds(&percent_at_end(&relu.run))
    )
}

/// A word of what these steps found, all together.
fn total(steps: &[u32], word: usize) -> u64 {
    steps.iter().skip(word).step_by(MODEL.words).map(|count| u64::from(*count)).sum()
}

/// By machine, the share of probabilities that are none in the last tenth of its steps.
fn percent_at_end(run: &Run) -> Vec<f64> {
    let of_machine = |found: &Vec<u32>| {
        let steps = (found.len() / MODEL.words / 10).max(1);
        let end = &found[found.len() - steps * MODEL.words..];
        let none = total(end, ABOVE_1) + total(end, NAN);
        100.0 * (none as f64 / as_f64(steps * probability_count(MODEL.sizes)))
    };
    run.found.iter().map(of_machine).collect()
}

/// By machine.
fn works(trained: &Trained, baseline: f64) -> Vec<bool> {
    let both = trained.run.arrived().into_iter().zip(percent_at_end(&trained.run));
    both.map(|(error, none)| error < WORKS * baseline && none <= 100.0 * NO_PROBABILITIES).collect()
}

fn figures_of(trained: &Trained, baseline: f64) -> Vec<Figure> {
    let of = |what: &str| format!("{}: {what}", trained.function.name());
    let found = &trained.run.found;
    let steps = found.iter().map(Vec::len).sum::<usize>() / MODEL.words;
    let probabilities = (steps * probability_count(MODEL.sizes)) as u64;
    let share = |what: &str, word| {
        let count = found.iter().map(|steps| total(steps, word)).sum();
        Figure::new(of(&format!("probabilities {what}")), "%", percent(count, probabilities))
            .noted(format!("{count} of {probabilities}"))
    };
    let names = ["reconstruction error", "steps until the error is low enough"];
    let at_end = over_seeds(percent_at_end(&trained.run)).expect("seeds");
    let mut figures = trained.figures(names, WORKS * baseline).to_vec();
    figures.extend([
        share("above 1", ABOVE_1),
        share("that are no numbers", NAN),
        Figure::estimated(of("probabilities that are none at the end"), "%", at_end),
    ]);
    figures
}

fn figures_of_likelihood(measured: Estimate, pictures: usize) -> [Figure; 3] {
    let [chance, best] = chance_and_best(pictures);
    [
        Figure::estimated("sigmoid: log-likelihood of a picture", "nat", measured).noted("exact"),
        Figure::new("the most it can be", "nat", best),
        Figure::new("that of pixels by chance", "nat", chance),
    ]
}

/// The log-likelihood of a machine that gives every picture there is the same probability, and of
/// one that gives all of it to so many pictures alike.
fn chance_and_best(pictures: usize) -> [f64; 2] {
    [-as_f64(MODEL.sizes.visible) * std::f64::consts::LN_2, -as_f64(pictures).ln()]
}

/// The mean log-likelihood of pictures, exactly: a picture's unnormalised probability is exp(c v)
/// times the product of 1 + exp(b + v W) over hidden units, and the sum of it is taken over every
/// picture there is.
fn mean_log_likelihood(sizes: Sizes, weights: &[f32], pictures: &[Vec<f32>]) -> f64 {
    let Sizes { visible, hidden, .. } = sizes;
    let w = in_f64(weights);
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

/// The same in f64, with the same random numbers.
fn train_in_f64(training: &Training) -> Expected {
    let Sizes { visible, hidden, .. } = training.sizes;
    let matrix = visible * hidden;
    let (mut above_1, mut margin) = (vec![0; training.weights.len()], f64::INFINITY);
    let trained = training.in_f64(|[machine, step, example], v0, w, gradient| {
        let key = key(training.seeds[training.seed(machine)]);
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
                let word = count((example * units + unit) / 4);
                let counter = [4 * word + 2 * stream + count(unit % 4 / 2), count(step)];
                let uniform = f64::from(uniform_of(random(counter, key)[unit % 2]));
                margin = margin.min((uniform - p).abs());
                if uniform < *p { 1.0 } else { 0.0 }
            };
            p.iter().enumerate().map(is_on).collect()
        };
        let p0 = hidden_of(v0);
        let on = sample(&p0, 0);
        let input =
            |at: usize| (0..hidden).map(|unit| on[unit] * w[at * hidden + unit]).sum::<f64>();
        let pv: Vec<f64> = (0..visible)
            .map(|at| training.function.forward(w[matrix + hidden + at] + input(at)))
            .collect();
        let v1 = sample(&pv, 1);
        let p1 = hidden_of(&v1);
        above_1[machine] += [&p0, &pv, &p1].into_iter().flatten().filter(|p| **p > 1.0).count();
        for unit in 0..hidden {
            gradient[matrix + unit] += p1[unit] - p0[unit];
            for at in 0..visible {
                gradient[at * hidden + unit] += v1[at] * p1[unit] - v0[at] * p0[unit];
            }
        }
        (0..visible).for_each(|at| gradient[matrix + hidden + at] += v1[at] - v0[at]);
        v0.iter().zip(&pv).map(|(v, p)| (v - p).powi(2)).sum()
    });
    Expected { trained, above_1, margin }
}

/// What a training has to give.
struct Expected {
    /// Errors and weights.
    trained: [Vec<f64>; 2],
    /// By machine, probabilities.
    above_1: Vec<usize>,
    /// The least distance of a probability from the random number that it was compared with: a
    /// probability that is farther off samples otherwise.
    margin: f64,
}

/// Machines that are compared with f64.
fn checked(unit: Function) -> Training {
    Training::new(&MODEL, (unit, CHECKED), &[1, 2], &[0.25, 1.0], 4)
}

/// How far a probability may be off in the few steps of the check.
const CHECKED_OFF: f64 = 1e-5;

/// Compares a few steps of a few small machines with f64, sample by sample.
fn check(gpu: &Gpu, unit: Function, wgsl: &str, checks: ShaderChecks) -> Result<()> {
    let training = checked(unit);
    let run = training.run(gpu, wgsl, checks)?;
    let expected = train_in_f64(&training);
    debug_assert!(expected.margin > CHECKED_OFF, "a sample hangs on a rounding");
    training.compare(&run, &expected.trained, CHECKED_OFF)?;
    for (found, expected) in run.found.iter().zip(expected.above_1) {
        let [above_1, nan] = [ABOVE_1, NAN].map(|word| total(found, word));
        if (above_1, nan) != (expected as u64, 0) {
            return Err(Error::Mismatch(format!(
                "{}: {above_1} probabilities above 1 instead of {expected}, and {nan} that are no numbers",
                training.path()
            )));
        }
    }
    Ok(())
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
            check(&gpu, unit, &MODEL.wgsl(unit, CHECKED), ShaderChecks::Trusted).expect("right");
        }
    }

    #[test]
    fn no_sample_of_the_check_hangs_on_a_rounding() {
        for unit in Function::BOTH {
            let expected = train_in_f64(&checked(unit));
            assert!(expected.margin > CHECKED_OFF, "{unit:?}: {:e}", expected.margin);
            // Both are seen: probabilities above 1 and below.
            assert_eq!(expected.above_1.iter().sum::<usize>() > 0, unit == Function::Relu);
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
            let own = MODEL.wgsl(unit, CHECKED);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let error = check(&gpu, unit, &planted, ShaderChecks::Checked).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn the_likelihood_is_that_of_known_machines() {
        let sizes = Sizes { visible: 4, hidden: 4, batch: 1 };
        let pictures = sizes.pictures();
        // Without weights every picture is as likely as any other.
        let chance = mean_log_likelihood(sizes, &[0.0; 4 * 4 + 4 + 4], &pictures);
        assert!((chance + 4.0 * std::f64::consts::LN_2).abs() < 1e-12, "{chance}");
        // With visible biases alone, pixels are independent.
        let mut weights = vec![0.0; 4 * 4 + 4 + 4];
        weights[16 + 4] = 2.0;
        let on = crate::kernels::activations::sigmoid::sigmoid(2.0);
        let (likely, unlikely) = (on.ln(), (1.0 - on).ln());
        let expected = f64::midpoint(likely, unlikely) - 3.0 * std::f64::consts::LN_2;
        assert!((mean_log_likelihood(sizes, &weights, &pictures) - expected).abs() < 1e-7);
        // One strong unit that ties two pixels: p(v) is the sum over that unit's two states.
        let mut weights = vec![0.0; 4 * 4 + 4 + 4];
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

    /// Machines of such errors and of so many percent of probabilities that are none.
    fn trained(unit: Function, machines: &[(f32, f64)]) -> Trained {
        const STEPS: usize = 1000;
        let found = |(_, none): &(f32, f64)| {
            let mut found = vec![0; STEPS * MODEL.words];
            // All in the last step, of 100 that count.
            let last = &mut found[(STEPS - 1) * MODEL.words..];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count = (none * as_f64(probability_count(MODEL.sizes))).round() as u32;
            last[ABOVE_1] = count / 2;
            last[NAN] = count - count / 2;
            found
        };
        let run = Run {
            found: machines.iter().map(found).collect(),
            errors: machines.iter().map(|(error, _)| vec![*error; 10]).collect(),
            weights: Vec::new(),
        };
        Trained { model: &MODEL, function: unit, rate: 0.1, run }
    }

    #[test]
    fn a_machine_works_by_its_error_and_by_its_probabilities() {
        let works = |error, none| works(&trained(Function::Relu, &[(error, none)]), 0.25)[0];
        assert!(works(0.124, 1.0));
        assert!(
            !works(0.126, 0.0)
                && !works(0.1, 1.1)
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
        let sigmoid = trained(Function::Sigmoid, &[(0.0625, 0.0), (f32::NAN, 100.0), (0.125, 0.0)]);
        let relu = trained(Function::Relu, &[(f32::NAN, 100.0); 3]);
        let likelihood = over_seeds_of_merit(&[-5.0, f64::NAN, -6.0]).expect("seeds");
        let told = conclusion(&sigmoid, &relu, 0.25, likelihood, 30, 2000);
        for part in [
            "1 of 3 machines of sigmoid work, with a reconstruction error of 0.125 [0.0625, inf]",
            "log-likelihood of -6 [-inf, -5]",
            "of ReLU 0 of 3 do: 100 [100, 100] %",
            "(3 of 3 machines left f32)",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let likelihood = &figures_of_likelihood(likelihood, 30)[0];
        assert_eq!(
            (likelihood.value, likelihood.low, likelihood.high),
            (Some(-6.0), None, Some(-5.0))
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        let gpu = gpu();
        let bits = |seed: u64| {
            let models = (Function::Sigmoid, CHECKED);
            let steps = shallow::STEPS_AT_ONCE + 30;
            let training = Training::new(&MODEL, models, &[seed], &[0.1], steps);
            let text = MODEL.wgsl(Function::Sigmoid, CHECKED);
            let run = training.run(&gpu, &text, ShaderChecks::Trusted).expect("it runs");
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
