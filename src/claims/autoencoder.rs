//! A shallow autoencoder: where there is no depth for gradients to vanish in, sigmoid is said to
//! work reasonably. The same net with either as its hidden layer is trained by plain SGD on bars
//! and stripes.

use super::net::normal;
use super::shallow::{
    self, CHECKED, Function, Model, Run, Sizes, TUNING_SEEDS, Trained, Training, error_of_mean,
};
use super::{Context, Experiment, Findings, Random, as_f64, infinite_if_nan, over_seeds};
use crate::claims::report::{Figure, Outcome};
use crate::error::Result;
use crate::gpu::{Gpu, ShaderChecks};
use crate::kernels::activations::sigmoid;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "autoencoder",
    statement: "in a shallow autoencoder, whose gradients pass one layer, sigmoid still works reasonably",
    run,
};

/// Pixels a side.
const SIDE: usize = 8;

static MODEL: Model = Model {
    name: "autoencoder",
    place: "hidden layer",
    sizes: Sizes { visible: SIDE * SIDE, hidden: 32, batch: 16 },
    rates: &[0.015_625, 0.031_25, 0.062_5, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
    words: 1,
    has_keys: false,
    shader: &[include_str!("../../shaders/claims/autoencoder.wgsl")],
    calls: "hidden",
    draw,
    check,
};

/// What is reasonable: an error below so much of that of the mean picture.
const REASONABLE: f64 = 0.5;

/// Glorot and Bengio's weights into a layer of sigmoid, He's into one of ReLU; biases of 0.
fn draw(random: &mut Random, function: Function, sizes: Sizes) -> Vec<f32> {
    let [visible, hidden] = [sizes.visible, sizes.hidden].map(as_f64);
    let xavier = (2.0 / (visible + hidden)).sqrt();
    let into_hidden = match function {
        Function::Sigmoid => xavier,
        Function::Relu => (2.0 / visible).sqrt(),
    };
    let matrix = sizes.visible * sizes.hidden;
    let mut weights = normal(random, matrix, into_hidden);
    weights.extend(normal(random, matrix, xavier));
    weights.extend(vec![0.0; sizes.hidden + sizes.visible]);
    weights
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let pictures = MODEL.sizes.pictures();
    let baseline = error_of_mean(&pictures);
    let reasonable = REASONABLE * baseline;
    let steps = context.either(300, 3000);
    let trained = |function| MODEL.trained(context, function, steps, Run::arrived);
    let [sigmoid, relu] = [trained(Function::Sigmoid)?, trained(Function::Relu)?];
    let mut figures = vec![Figure::new("mean picture: mean squared error", "", baseline)];
    for trained in [&sigmoid, &relu] {
        let names = ["mean squared error", "steps to a reasonable error"];
        figures.extend(trained.figures(names, reasonable));
    }
    let ratio = over_seeds(ratios(&sigmoid, &relu)).expect("seeds");
    figures.push(Figure::estimated("error of sigmoid : error of ReLU", "x", ratio));
    Ok(Findings {
        outcome: Outcome::of(sigmoid.run.arrived().iter().map(|error| *error < reasonable)),
        conclusion: conclusion(&sigmoid, &relu, baseline, steps),
        seeds: shallow::seeds(context).0,
        figures,
        plots: vec![shallow::plot(
            "Reconstruction error of shallow autoencoders over steps",
            [&sigmoid, &relu],
            30,
        )],
        notes: vec![format!(
            "{} bars and stripes of {SIDE} by {SIDE} pixels, {} hidden units, batches of {}, plain SGD; the learning rate of each is the best of {} on {TUNING_SEEDS} \
             other seeds. Reasonable is an error below {REASONABLE} of that of the mean picture.",
            pictures.len(),
            MODEL.sizes.hidden,
            MODEL.sizes.batch,
            MODEL.rates.len()
        )],
    })
}

fn conclusion(sigmoid: &Trained, relu: &Trained, baseline: f64, steps: usize) -> String {
    let ([error, rate], [relu_error, relu_rate]) = (sigmoid.told(), relu.told());
    let errors = sigmoid.run.arrived();
    let arrived = errors.iter().filter(|error| **error < REASONABLE * baseline).count();
    format!(
        "after {steps} steps the error is {error} with sigmoid ({rate}) and {relu_error} with ReLU ({relu_rate}), that of the mean picture {baseline:.3}; \
         {arrived} of {} sigmoid nets end below {REASONABLE} of it",
        errors.len()
    )
}

/// By seed, the error of one over that of the other. That of a net that diverged is infinite, and
/// where both did, neither is better.
fn ratios(one: &Trained, other: &Trained) -> Vec<f64> {
    let errors = |trained: &Trained| trained.run.arrived().into_iter().map(infinite_if_nan);
    let ratio = |(one, other): (f64, f64)| if one == other { 1.0 } else { one / other };
    errors(one).zip(errors(other)).map(ratio).collect()
}

/// The same in f64.
fn train_in_f64(training: &Training) -> [Vec<f64>; 2] {
    let Sizes { visible, hidden, .. } = training.sizes;
    let function = training.function;
    let matrix = visible * hidden;
    training.in_f64(|_, x, w, gradient| {
        let into = |unit: usize| (0..visible).map(|v| x[v] * w[v * hidden + unit]).sum::<f64>();
        let h: Vec<f64> =
            (0..hidden).map(|unit| function.forward(w[2 * matrix + unit] + into(unit))).collect();
        let out =
            |v: usize| (0..hidden).map(|unit| h[unit] * w[matrix + v * hidden + unit]).sum::<f64>();
        let dy: Vec<f64> = (0..visible)
            .map(|v| sigmoid::sigmoid(w[2 * matrix + hidden + v] + out(v)) - x[v])
            .collect();
        for unit in 0..hidden {
            let back = (0..visible).map(|v| dy[v] * w[matrix + v * hidden + unit]).sum::<f64>();
            let dh = function.backward(h[unit], back);
            gradient[2 * matrix + unit] += dh;
            for v in 0..visible {
                gradient[v * hidden + unit] += x[v] * dh;
                gradient[matrix + v * hidden + unit] += dy[v] * h[unit];
            }
        }
        (0..visible).for_each(|v| gradient[2 * matrix + hidden + v] += dy[v]);
        dy.iter().map(|difference| difference * difference).sum()
    })
}

/// Compares a few steps of a few small nets with f64.
fn check(gpu: &Gpu, hidden: Function, wgsl: &str, checks: ShaderChecks) -> Result<()> {
    let training = Training::new(&MODEL, (hidden, CHECKED), &[1, 2], &[0.125, 0.5], 5);
    let run = training.run(gpu, wgsl, checks)?;
    // Sums of a few dozen terms of size 1 in each of five steps.
    training.compare(&run, &train_in_f64(&training), 2e-5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Extent, in_f64};
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
                let x = training.example([0, 0, example]);
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
            let mut training = Training::new(&MODEL, (hidden, CHECKED), &[3], &[rate], 1);
            // Biases that keep ReLU's input from being 0, where it has no slope.
            let biases = 2 * CHECKED.visible * CHECKED.hidden;
            training.weights[0][biases..].fill(0.1);
            let before = in_f64(&training.weights[0]);
            let [_, after] = train_in_f64(&training);
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
            check(&gpu, hidden, &MODEL.wgsl(hidden, CHECKED), ShaderChecks::Trusted)
                .expect("right");
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
            let own = MODEL.wgsl(hidden, CHECKED);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let error = check(&gpu, hidden, &planted, ShaderChecks::Checked).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn a_net_that_diverged_is_a_result() {
        let trained = |function, errors: &[f32]| Trained {
            model: &MODEL,
            function,
            rate: 8.0,
            run: Run {
                found: Vec::new(),
                errors: errors.iter().map(|error| vec![*error; 10]).collect(),
                weights: Vec::new(),
            },
        };
        let sigmoid = trained(Function::Sigmoid, &[0.5, f32::NAN, 0.25, f32::INFINITY]);
        let relu = trained(Function::Relu, &[f32::NAN, 0.5, 0.5, f32::NAN]);
        assert_eq!(ratios(&sigmoid, &relu), [0.0, f64::INFINITY, 0.5, 1.0]);
        let figures = relu.figures(["error", "steps"], 0.125);
        assert_eq!((&*figures[0].name, figures[0].value), ("ReLU: error", None));
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
            let models = (Function::Relu, CHECKED);
            let training = Training::new(&MODEL, models, &[3, 4], &[0.25], steps);
            let text = MODEL.wgsl(Function::Relu, CHECKED);
            let run = training.run(&gpu, &text, ShaderChecks::Trusted).expect("it runs");
            run.errors.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
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
