//! A shallow autoencoder: where there is no depth for gradients to vanish in, sigmoid is said to
//! work reasonably. The same net with either as its hidden layer is trained by plain SGD on bars
//! and stripes.

use super::net::normal;
use super::shallow::{
    self, Function, Sizes, TUNING_SEEDS, Training, arrived_at, bars_and_stripes, best_rate,
    error_of_mean, figure_of_errors, figure_of_steps,
};
use super::{Context, Experiment, Findings, as_f64, check, over_seeds, told_over_seeds, told_rate};
use crate::claims::report::{Figure, Outcome};
use crate::error::Result;
use crate::gpu::{Gpu, ShaderChecks};
use crate::kernels::dtype::Dtype;
use crate::kernels::activations::sigmoid;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "autoencoder",
    statement: "in a shallow autoencoder, whose gradients pass one layer, sigmoid still works reasonably",
    run,
};

/// Pixels a side.
const SIDE: u32 = 8;

const SIZES: Sizes = Sizes { visible: 64, hidden: 32, batch: 16 };

/// Learning rates that are tried on seeds of their own.
const RATES: [f32; 10] = [0.015_625, 0.031_25, 0.062_5, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// What is reasonable: an error below so much of that of the mean picture.
const REASONABLE: f64 = 0.5;

/// Weights and biases of a net.
fn weight_count(sizes: Sizes) -> usize {
    2 * sizes.visible * sizes.hidden + sizes.hidden + sizes.visible
}

/// The standard deviation of weights into a layer of a function: Glorot and Bengio's for sigmoid,
/// He's for ReLU.
fn deviation(function: Function, sizes: Sizes) -> f64 {
    let [visible, hidden] = [sizes.visible, sizes.hidden].map(as_f64);
    match function {
        Function::Sigmoid => (2.0 / (visible + hidden)).sqrt(),
        Function::Relu => (2.0 / visible).sqrt(),
    }
}

fn wgsl(hidden: Function, sizes: Sizes) -> String {
    let shader = include_str!("../../shaders/claims/autoencoder.wgsl");
    [Dtype::F32.wgsl(), &hidden.wgsl("hidden"), &sizes.wgsl(), shader].join("\n")
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let pictures = bars_and_stripes(SIDE);
    let baseline = error_of_mean(&pictures);
    let steps = context.either(300, 3000);
    let (seeds, tuning) = shallow::seeds(context);
    let mut trained = Vec::new();
    for hidden in Function::BOTH {
        (context.progress)(&format!(
            "a hidden layer of {}: learning rates, then {steps} steps of {} seeds",
            hidden.name(),
            seeds.len()
        ));
        check(context.gpu, hidden, &wgsl(hidden, CHECKED), ShaderChecks::Trusted)?;
        let courses = |seeds: &[u64], rates: &[f32]| -> Result<Vec<Vec<f32>>> {
            let training = training(hidden, SIZES, &pictures, seeds, rates, steps);
            let text = wgsl(hidden, SIZES);
            let (errors, _) = train(&training, context.gpu, &text, ShaderChecks::Trusted)?;
            Ok(errors.chunks_exact(steps).map(<[f32]>::to_vec).collect())
        };
        let rate = best_rate(&courses(&tuning, &RATES)?, &RATES);
        trained.push(Trained { hidden, rate, courses: courses(&seeds, &[rate])? });
    }
    let [sigmoid, relu] = [&trained[0], &trained[1]];
    let mut figures = vec![Figure::new("mean picture: mean squared error", "", baseline)];
    figures.extend(trained.iter().flat_map(|trained| trained.figures(REASONABLE * baseline)));
    let ratio = over_seeds(&sigmoid.over(relu)).expect("seeds");
    figures.push(Figure::estimated("error of sigmoid : error of ReLU", "x", ratio));
    Ok(Findings {
        outcome: Outcome::of(sigmoid.arrived().map(|error| is_reasonable(error, baseline))),
        conclusion: conclusion(sigmoid, relu, baseline, steps),
        seeds,
        figures,
        plots: vec![shallow::plot(
            "Reconstruction error of shallow autoencoders over steps",
            &trained.iter().map(Trained::line).collect::<Vec<_>>(),
            30,
        )],
        notes: vec![format!(
            "{} bars and stripes of {SIDE} by {SIDE} pixels, {} hidden units, batches of {}, plain SGD; the learning rate of each is the best of {} on {TUNING_SEEDS} \
             other seeds. Reasonable is an error below {REASONABLE} of that of the mean picture.",
            pictures.len(),
            SIZES.hidden,
            SIZES.batch,
            RATES.len()
        )],
    })
}

fn is_reasonable(error: f64, baseline: f64) -> bool {
    error < REASONABLE * baseline
}

fn conclusion(sigmoid: &Trained, relu: &Trained, baseline: f64, steps: usize) -> String {
    let arrived = sigmoid.arrived().filter(|error| is_reasonable(*error, baseline)).count();
    let error = |trained: &Trained| told_over_seeds(&trained.arrived().collect::<Vec<_>>());
    format!(
        "after {steps} steps the error is {} with sigmoid ({}) and {} with ReLU ({}), that of the mean picture {baseline:.3}; {arrived} of {} sigmoid nets end \
         below {REASONABLE} of it",
        error(sigmoid),
        told_rate(sigmoid.rate, &RATES),
        error(relu),
        told_rate(relu.rate, &RATES),
        sigmoid.courses.len()
    )
}

/// What became of the nets of a hidden layer.
struct Trained {
    hidden: Function,
    rate: f32,
    /// By seed, the error by step.
    courses: Vec<Vec<f32>>,
}

impl Trained {
    fn arrived(&self) -> impl Iterator<Item = f64> {
        self.courses.iter().map(|course| arrived_at(course))
    }

    fn line(&self) -> (String, &[Vec<f32>]) {
        (format!("hidden layer of {}", self.hidden.name()), &self.courses)
    }

    /// By seed, this error over the other's. That of a net that diverged is infinite, and where
    /// both did, neither is better.
    fn over(&self, other: &Self) -> Vec<f64> {
        let error = |arrived: f64| if arrived.is_nan() { f64::INFINITY } else { arrived };
        let ratio = |(own, other): (f64, f64)| if own == other { 1.0 } else { own / other };
        self.arrived().map(error).zip(other.arrived().map(error)).map(ratio).collect()
    }

    fn figures(&self, reasonable: f64) -> [Figure; 2] {
        let of = |what: &str| format!("{}: {what}", self.hidden.name());
        let rate = told_rate(self.rate, &RATES);
        [
            figure_of_errors(of("mean squared error"), &self.courses, &rate),
            figure_of_steps(of("steps to a reasonable error"), &self.courses, reasonable),
        ]
    }
}

/// Nets to be trained.
fn training(
    hidden: Function,
    sizes: Sizes,
    pictures: &[Vec<f32>],
    seeds: &[u64],
    rates: &[f32],
    steps: usize,
) -> Training {
    Training::new((hidden, sizes), pictures, seeds, rates, steps, |random| {
        let matrix = sizes.visible * sizes.hidden;
        let mut of_net = normal(random, matrix, deviation(hidden, sizes));
        of_net.extend(normal(random, matrix, deviation(Function::Sigmoid, sizes)));
        of_net.resize(weight_count(sizes), 0.0);
        of_net
    })
}

/// Trains all nets on the device: errors by net and step, and the weights at the end.
fn train(
    training: &Training,
    gpu: &Gpu,
    wgsl: &str,
    checks: ShaderChecks,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let path = format!("autoencoder/{}", training.function.name());
    let program = gpu.program(&path, wgsl, &[], checks)?;
    let (errors, weights) = training.run(gpu, &program, 1, &[])?;
    Ok((gpu.load(&errors)?, weights))
}

/// The same in f64.
fn train_in_f64(training: &Training) -> (Vec<f64>, Vec<f64>) {
    let Sizes { visible, hidden, batch } = training.sizes;
    let function = training.function;
    let matrix = visible * hidden;
    let (mut errors, mut all_weights) = (Vec::new(), Vec::new());
    for net in 0..training.models() {
        let (rate, mut w) = training.start(net);
        for step in 0..training.steps {
            let mut gradient = vec![0.0; w.len()];
            let mut squares = 0.0;
            for example in 0..batch {
                let x = training.example(net, step, example);
                let into =
                    |unit: usize| (0..visible).map(|v| x[v] * w[v * hidden + unit]).sum::<f64>();
                let h: Vec<f64> = (0..hidden)
                    .map(|unit| function.forward(w[2 * matrix + unit] + into(unit)))
                    .collect();
                let out = |v: usize| {
                    (0..hidden).map(|unit| h[unit] * w[matrix + v * hidden + unit]).sum::<f64>()
                };
                let dy: Vec<f64> = (0..visible)
                    .map(|v| sigmoid::sigmoid(w[2 * matrix + hidden + v] + out(v)) - x[v])
                    .collect();
                squares += dy.iter().map(|difference| difference * difference).sum::<f64>();
                for unit in 0..hidden {
                    let back =
                        (0..visible).map(|v| dy[v] * w[matrix + v * hidden + unit]).sum::<f64>();
                    let dh = function.backward(h[unit], back);
                    gradient[2 * matrix + unit] += dh;
                    for v in 0..visible {
                        gradient[v * hidden + unit] += x[v] * dh;
                        gradient[matrix + v * hidden + unit] += dy[v] * h[unit];
                    }
                }
                (0..visible).for_each(|v| gradient[2 * matrix + hidden + v] += dy[v]);
            }
            errors.push(squares / as_f64(batch * visible));
            w.iter_mut()
                .zip(&gradient)
                .for_each(|(w, gradient)| *w -= rate / as_f64(batch) * gradient);
        }
        all_weights.extend(w);
    }
    (errors, all_weights)
}

/// More work than a workgroup has lanes, and no multiple of them.
const CHECKED: Sizes = Sizes { visible: 16, hidden: 12, batch: 17 };

/// Compares a few steps of a few small nets with f64.
fn check(gpu: &Gpu, hidden: Function, wgsl: &str, checks: ShaderChecks) -> Result<()> {
    let training = training(hidden, CHECKED, &bars_and_stripes(4), &[1, 2], &[0.125, 0.5], 5);
    let (errors, weights) = train(&training, gpu, wgsl, checks)?;
    let (expected_errors, expected_weights) = train_in_f64(&training);
    let what = |of: &str| format!("{of} of autoencoders with a hidden layer of {}", hidden.name());
    // Sums of a few dozen terms of size 1 in each of five steps.
    check::within(&what("errors"), &errors, &expected_errors, |_| 2e-5)?;
    check::within(&what("weights"), &weights, &expected_weights, |_| 2e-5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::error::Error;
    use crate::gpu::Choice;
    use crate::report::Status;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn gradients_are_slopes_of_the_loss() {
        // One step with a small rate moves each weight by the slope of the mean cross-entropy in
        // it.
        let loss = |training: &Training, w: &[f64]| {
            let Sizes { visible, hidden, batch } = training.sizes;
            let matrix = visible * hidden;
            let mut loss = 0.0;
            for example in 0..batch {
                let picked = training.picks[example] as usize;
                let x: Vec<f64> = training.patterns[picked * visible..][..visible]
                    .iter()
                    .map(|x| f64::from(*x))
                    .collect();
                let h: Vec<f64> = (0..hidden)
                    .map(|unit| {
                        let sum = (0..visible).map(|v| x[v] * w[v * hidden + unit]).sum::<f64>();
                        training.function.forward(w[2 * matrix + unit] + sum)
                    })
                    .collect();
                for v in 0..visible {
                    let sum = (0..hidden)
                        .map(|unit| h[unit] * w[matrix + v * hidden + unit])
                        .sum::<f64>();
                    let y = sigmoid::sigmoid(w[2 * matrix + hidden + v] + sum);
                    loss -= if x[v] == 1.0 { y.ln() } else { (1.0 - y).ln() };
                }
            }
            loss / as_f64(batch)
        };
        for hidden in Function::BOTH {
            let rate = 0.5;
            let mut training = training(hidden, CHECKED, &bars_and_stripes(4), &[3], &[rate], 1);
            // Biases that keep ReLU's input from being 0, where it has no slope.
            let biases = 2 * CHECKED.visible * CHECKED.hidden;
            training.weights[biases..].fill(0.1);
            let before: Vec<f64> =
                training.weights.iter().map(|weight| f64::from(*weight)).collect();
            let (_, after) = train_in_f64(&training);
            for index in (0..before.len()).step_by(7) {
                let moved = |by: f64| {
                    let mut w = before.clone();
                    w[index] += by;
                    loss(&training, &w)
                };
                let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let own = (before[index] - after[index]) / f64::from(rate);
                assert!((own - slope).abs() < 1e-7, "{hidden:?} {index}: {own} {slope}");
            }
        }
    }

    #[test]
    fn training_on_the_adapter_is_that_in_f64() {
        let gpu = gpu();
        for hidden in Function::BOTH {
            check(&gpu, hidden, &wgsl(hidden, CHECKED), ShaderChecks::Trusted).expect("right");
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (hidden, find, replace) in [
            (
                Function::Sigmoid,
                "return sigmoid_two_sided(x)",
                "return sigmoid_two_sided(x * 1.01)",
            ),
            (Function::Relu, "{ return relu_from_y(saved, dy); }", "{ return dy; }"),
            (Function::Sigmoid, "sigmoid_two_sided(a) - x[i]", "x[i] - sigmoid_two_sided(a)"),
            (Function::Sigmoid, "weights[net + i] -= rate", "weights[net + i] += rate"),
            (Function::Relu, "weights[net + MATRIX + i] -= rate * out_of_hidden;", ""),
            (Function::Sigmoid, "weights[net + 2u * MATRIX + i] -= rate * sum;", ""),
            (Function::Sigmoid, "weights[net + 2u * MATRIX + HIDDEN_WORDS + i] -= rate * sum;", ""),
            (Function::Relu, "v < VISIBLE; v++", "v + 1u < VISIBLE; v++"),
            (Function::Sigmoid, "net / params.nets_per_seed", "net"),
            (Function::Sigmoid, "params.first_step + step", "params.first_step"),
            (Function::Relu, "rates[net]", "rates[0]"),
            (Function::Sigmoid, "i < LANES; i++", "i + 1u < LANES; i++"),
            (Function::Sigmoid, "first + 2u * HIDDEN_WORDS]", "first + HIDDEN_WORDS]"),
        ] {
            let own = wgsl(hidden, CHECKED);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let error = check(&gpu, hidden, &planted, ShaderChecks::Checked).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn a_net_that_diverged_is_a_result() {
        let trained = |hidden, errors: &[f32]| Trained {
            hidden,
            rate: 8.0,
            courses: errors.iter().map(|error| vec![*error; 10]).collect(),
        };
        let sigmoid = trained(Function::Sigmoid, &[0.5, f32::NAN, 0.25, f32::INFINITY]);
        let relu = trained(Function::Relu, &[f32::NAN, 0.5, 0.5, f32::NAN]);
        assert_eq!(sigmoid.over(&relu), [0.0, f64::INFINITY, 0.5, 1.0]);
        let figures = relu.figures(0.125);
        assert_eq!(figures[0].value, None);
        let note = figures[0].note.as_deref();
        assert_eq!(
            note,
            Some("it is infinite; rate 8, at the end of those tried; 2 of 4 not finite")
        );
        assert_eq!(figures[1].note.as_deref(), Some("0 of 4 arrive"));
        let told = conclusion(&sigmoid, &relu, 0.25, 300);
        assert!(told.contains("inf [0.500, inf] with ReLU"), "{told}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_in_one_dispatch_or_in_several() {
        let gpu = gpu();
        let bits = |steps: usize| {
            let training =
                training(Function::Relu, CHECKED, &bars_and_stripes(4), &[3, 4], &[0.25], steps);
            let text = wgsl(Function::Relu, CHECKED);
            let (errors, _) =
                train(&training, &gpu, &text, ShaderChecks::Trusted).expect("it runs");
            errors.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let steps = shallow::STEPS_AT_ONCE + 30;
        let twice = bits(steps);
        assert_eq!(twice, bits(steps));
        // Trained for less, it is the same up to there: the order of examples is that of the seed
        // alone.
        let less = bits(50);
        assert_eq!(twice[..50], less[..50]);
    }

    #[test]
    fn a_shallow_net_of_sigmoid_learns() {
        let gpu = gpu();
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        assert_eq!((claim.seeds.len(), claim.figures[0].value), (8, Some(0.25)));
        let (again, _) = CLAIM.examine(&context);
        assert_eq!(
            (&again.figures, &again.plots),
            (&claim.figures, &claim.plots),
            "the same seed gives the same result"
        );
        assert_ne!(CLAIM.examine(&Context { seed: 2, ..context }).0.figures, claim.figures);
    }
}
