//! Convergence: the same net trained with sigmoid and with ReLU on two spirals, by depth: steps and
//! seconds to a loss, each with the weights and the learning rate that suit it best; and how often
//! each is right on points that it was not trained on.

use std::f64::consts::{LN_2, TAU};

use rand::RngExt;

use super::net::{self, Design, Init, Net, Texts, Training};
use super::{
    Context, Experiment, Findings, Group, as_f64, count, in_f64, over_seeds, over_seeds_of_merit,
    random_of, to_f32, told_rate,
};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Gpu, Sequence};
use crate::kernels::activation::Activation;
use crate::measure::stats::{self, Estimate};
use crate::render::numbers::number;

pub(super) const CLAIM: Experiment = Experiment {
    name: "convergence",
    statement: "deep nets converge faster with ReLU than with sigmoid",
    run,
};

/// Seeds of weights and data.
const SEEDS: usize = 5;

/// Seeds that these are chosen on. With fewer, what is about to diverge is taken for the fastest.
const TUNING_SEEDS: usize = 3;

/// Learning rates that each activation and depth may choose from: the best for one is not the best
/// for the other.
const RATES: [f32; 7] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Faster is what chance would give in at most so many of all cases.
const SIGNIFICANCE: f64 = 0.05;

/// The loss to arrive at: half of that of guessing, ln 2.
const TARGET: f64 = LN_2 / 2.0;

/// Turns of a spiral.
const TURNS: f64 = 1.0;

/// What tells the seed of held-out points from that of a net's own.
const HELD_OUT: u64 = 1 << 40;

/// Points of a curve, at most.
const POINTS: usize = 100;

/// How much is trained.
#[derive(Clone, Copy)]
struct Size {
    width: u32,
    samples: u32,
    steps: u32,
}

/// How weights are drawn, and a learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Setting {
    init: Init,
    rate: f32,
}

/// A setting of a net and depth: what came of each seed.
#[derive(Clone, Debug)]
struct Trial {
    setting: Setting,
    /// By seed, the loss before each step.
    losses: Vec<Vec<f64>>,
    /// By seed, the share of points that the net gets right after the last step: of those that it
    /// was trained on, and of held-out ones.
    right: [Vec<f64>; 2],
}

/// What came of an activation at a depth, with the setting that was best on other seeds.
struct Trained {
    activation: &'static str,
    depth: usize,
    /// Whether any of those arrived.
    is_tuned: bool,
    trial: Trial,
    /// Of one net.
    ns_per_step: Estimate,
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let activations = net::validated(context.gpu)?;
    let size = context.either(
        Size { width: 32, samples: 128, steps: 200 },
        Size { width: 128, samples: 256, steps: 1000 },
    );
    let Size { width, steps, .. } = size;
    let depths = context.either(&[2, 8][..], &[2, 4, 8, 16]);
    let (seeds, tuning) = context.seeds_and_tuning(SEEDS, TUNING_SEEDS);
    let mut trained = Vec::new();
    for depth in depths {
        let times = times(context, activations, *depth, size)?;
        for (activation, ns_per_step) in activations.into_iter().zip(times) {
            let name = activation.name;
            let progress = |what: &str| {
                let told =
                    format!("{depth} layers of {width} units, {name}: {what}, {steps} steps");
                (context.progress)(&told);
            };
            let settings = Setting::all(activation);
            progress(&format!("{} settings", settings.len()));
            let best = best(train(context.gpu, activation, *depth, size, &tuning, &settings)?);
            progress(&format!("{SEEDS} seeds, {}", best.setting.told()));
            let trials = train(context.gpu, activation, *depth, size, &seeds, &[best.setting])?;
            trained.extend(trials.into_iter().map(|trial| Trained {
                activation: name,
                depth: *depth,
                is_tuned: !best.arrivals().is_empty(),
                trial,
                ns_per_step,
            }));
        }
    }
    Ok(findings(seeds, &trained, size))
}

/// Two spirals for each seed, one the other turned by half: points and labels, of mean 0 and of
/// size 1.
fn spirals(samples: u32, seeds: &[u64]) -> (Vec<f32>, Vec<f32>) {
    let (mut points, mut labels) = (Vec::new(), Vec::new());
    for seed in seeds {
        let mut random = random_of(seed.wrapping_add(1 << 33));
        for sample in 0..samples {
            let arm = sample % 2;
            let along: f64 = random.random_range(0.1..1.0);
            let angle = TAU * (TURNS * along + f64::from(arm) / 2.0);
            points.extend([angle.cos(), angle.sin()].map(|place| to_f32(1.6 * along * place)));
            labels.push(f32::from(arm == 1));
        }
    }
    (points, labels)
}

/// A net of so many hidden layers and one logit, so many at once.
fn design(activation: &'static Activation, depth: usize, size: Size, nets: usize) -> Design {
    let mut widths = vec![size.width; depth + 2];
    (widths[0], widths[depth + 1]) = (2, 1);
    Design { nets: count(nets), batch: size.samples, widths, activation }
}

impl Setting {
    /// Those that an activation may choose from: with the weights that are meant for it, and with
    /// Xavier's.
    fn all(activation: &Activation) -> Vec<Self> {
        let own = if activation.name == "relu" { Init::He } else { Init::XavierTimes4 };
        [own, Init::Xavier].map(|init| RATES.map(|rate| Self { init, rate })).concat()
    }

    fn told(self) -> String {
        format!("{}, {}", told_rate(self.rate, &RATES), self.init.name())
    }
}

/// Trains every seed with every setting, all at once: a trial of each setting.
fn train(
    gpu: &Gpu,
    activation: &'static Activation,
    depth: usize,
    size: Size,
    seeds: &[u64],
    settings: &[Setting],
) -> Result<Vec<Trial>> {
    let of_nets = seeds.repeat(settings.len());
    let (points, labels) = spirals(size.samples, &of_nets);
    let inits: Vec<Init> = settings.iter().map(|setting| setting.init).collect();
    let rates = settings.iter().flat_map(|setting| vec![setting.rate; seeds.len()]);
    let net =
        Net::new(gpu, design(activation, depth, size, of_nets.len()), &Texts::of(activation))?;
    net.set_weights(&net.design.draw(&inits, seeds))?;
    gpu.store(&net.y[0], &points)?;
    let training = Training::new(gpu, size.steps, &labels, &rates.collect::<Vec<_>>())?;
    gpu.run_sequence(&net.training_step(&training)?, size.steps)?;
    let losses = training.losses(gpu)?;
    let held_out: Vec<u64> = of_nets.iter().map(|seed| seed.wrapping_add(HELD_OUT)).collect();
    let right =
        [shares_right(gpu, &net, &of_nets, size)?, shares_right(gpu, &net, &held_out, size)?];
    let trial = |(index, setting): (usize, &Setting)| {
        let nets = index * seeds.len()..(index + 1) * seeds.len();
        Trial {
            setting: *setting,
            losses: losses[nets.clone()].iter().map(|losses| in_f64(losses)).collect(),
            right: right.each_ref().map(|right| right[nets.clone()].to_vec()),
        }
    };
    Ok(settings.iter().enumerate().map(trial).collect())
}

/// By net, the share right of the points that a seed gives it.
fn shares_right(gpu: &Gpu, net: &Net<'_>, seeds: &[u64], size: Size) -> Result<Vec<f64>> {
    let (points, labels) = spirals(size.samples, seeds);
    gpu.store(&net.y[0], &points)?;
    gpu.run_sequence(&Sequence::new("points", net.forward()?), 1)?;
    let logits: Vec<f32> = gpu.load(net.y.last().expect("logits"))?;
    let [labels, logits] =
        [&labels, &logits].map(|values| values.chunks_exact(size.samples as usize));
    Ok(labels.zip(logits).map(|(labels, logits)| share_right(labels, logits)).collect())
}

/// A logit above 0 says 1. One that is no number says nothing, which is wrong.
fn share_right(labels: &[f32], logits: &[f32]) -> f64 {
    let is_right =
        |(label, logit): &(&f32, &f32)| !logit.is_nan() && (**logit > 0.0) == (**label == 1.0);
    let right = labels.iter().zip(logits).filter(is_right).count();
    as_f64(right) / as_f64(labels.len())
}

/// The time of a training step of one net with each activation, in the same rounds.
fn times(
    context: &Context<'_>,
    activations: [&'static Activation; 2],
    depth: usize,
    size: Size,
) -> Result<[Estimate; 2]> {
    let (points, labels) = spirals(size.samples, &[context.seed]);
    let sequence = |activation| -> Result<Sequence> {
        let design = design(activation, depth, size, 1);
        let net = Net::new(context.gpu, design, &Texts::of(activation))?;
        net.set_weights(&net.design.draw(&[Init::Xavier], &[context.seed]))?;
        context.gpu.store(&net.y[0], &points)?;
        // A rate of 0, so that the step that is timed stays the same.
        net.training_step(&Training::new(context.gpu, 1, &labels, &[0.0])?)
    };
    let [one, other] = activations.map(sequence);
    let group = Group::timed(context, &[&one?, &other?])?;
    Ok([group.ns(0), group.ns(1)])
}

impl Trial {
    /// By seed, the step from which on the loss stays at or below the target: infinite if it never
    /// does.
    fn steps_to_target(&self) -> Vec<f64> {
        let arrival = |losses: &Vec<f64>| {
            let below = losses.iter().rev().take_while(|loss| **loss <= TARGET).count();
            if below > 0 { as_f64(losses.len() - below) } else { f64::INFINITY }
        };
        self.losses.iter().map(arrival).collect()
    }

    /// Those steps of the seeds that arrive.
    fn arrivals(&self) -> Vec<f64> {
        self.steps_to_target().into_iter().filter(|step| step.is_finite()).collect()
    }

    /// Seeds of which some loss was no number.
    fn diverged(&self) -> usize {
        self.losses.iter().filter(|losses| losses.iter().any(|loss| !loss.is_finite())).count()
    }

    /// The losses before a step.
    fn loss(&self, step: usize) -> Estimate {
        over_seeds(self.losses.iter().map(|losses| losses[step])).expect("seeds")
    }

    /// The last losses.
    fn last(&self) -> Estimate {
        self.loss(self.losses[0].len() - 1)
    }
}

/// The trial in which most seeds arrive, then the one whose slowest arrives first, then the one
/// with the lowest last loss.
fn best(trials: Vec<Trial>) -> Trial {
    let key = |trial: &Trial| {
        let arrived = trial.arrivals();
        let steps = over_seeds(&arrived).map_or(f64::INFINITY, |steps| steps.high);
        [as_f64(arrived.len()), -steps, -trial.last().median]
    };
    let better = |a: &Trial, b: &Trial| key(a).partial_cmp(&key(b)).expect("numbers");
    trials.into_iter().max_by(better).expect("a setting at least")
}

/// Whether chance would hardly give that one is less than the other.
fn is_less(one: &[f64], other: &[f64]) -> bool {
    stats::p_of_ranks(one, other) <= SIGNIFICANCE
}

impl Trained {
    fn steps(&self) -> Option<Estimate> {
        over_seeds(self.trial.arrivals())
    }

    fn seconds(&self) -> Option<Estimate> {
        self.steps().map(|steps| steps.times(self.ns_per_step.median / 1e9))
    }

    /// Whether it converges faster than another: in fewer steps than chance would give, a seed that
    /// never arrives being the slowest.
    fn is_faster_than(&self, other: &Self) -> bool {
        is_less(&self.trial.steps_to_target(), &other.trial.steps_to_target())
    }

    /// Percent of points that are right: of those that it was trained on, and of held-out ones.
    fn accuracy(&self) -> [Estimate; 2] {
        let percent = |right| over_seeds_of_merit(right).expect("seeds").times(100.0);
        self.trial.right.each_ref().map(|right| percent(right))
    }

    fn told(&self) -> String {
        let (name, setting) = (self.activation, self.trial.setting.told());
        let (Some(Estimate { median, low, high }), Some(seconds)) = (self.steps(), self.seconds())
        else {
            let loss = number(self.trial.last().median);
            return format!("{name} in none of {SEEDS} seeds (loss {loss}, {setting})");
        };
        let (arrived, seconds) = (self.trial.arrivals().len(), number(seconds.median));
        format!(
            "{name} in {median:.0} [{low:.0}, {high:.0}] steps, {seconds} s ({arrived} of {SEEDS} seeds, {setting})"
        )
    }
}

fn findings(seeds: Vec<u64>, trained: &[Trained], size: Size) -> Findings {
    let pairs = || trained.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    let told = |(sigmoid, relu): (&Trained, &Trained)| {
        let right = held_out_told(sigmoid, relu);
        format!("{} layers: {}, {}; {right}", relu.depth, relu.told(), sigmoid.told())
    };
    Findings {
        outcome: Outcome::of(pairs().map(|(sigmoid, relu)| relu.is_faster_than(sigmoid))),
        conclusion: format!(
            "to a loss of {TARGET:.2} within {} steps; {}",
            size.steps,
            pairs().map(told).collect::<Vec<_>>().join("; ")
        ),
        seeds,
        figures: trained.iter().flat_map(|trained| figures(trained, size)).collect(),
        plots: pairs().map(|(sigmoid, relu)| plot(sigmoid, relu, size)).collect(),
        notes: vec![
            format!(
                "two spirals of {TURNS} turn, {} samples at once, layers of {} units, plain gradient descent; each has the weights (Xavier's, or those meant for \
                 it: He's for ReLU, 4 times Xavier's for sigmoid) and the learning rate (of {RATES:?}) with which most of {TUNING_SEEDS} other seeds arrive, then \
                 those whose slowest is the fastest, then those of the lowest loss",
                size.samples, size.width
            ),
            "a seed arrives with the step from which on its loss stays there; intervals are the range of the seeds that do; a seed whose loss is \
             no number does not"
                .to_owned(),
        ],
    }
}

/// Which is right more often on held-out points, if the seeds tell.
fn held_out_told(sigmoid: &Trained, relu: &Trained) -> String {
    let [of_relu, of_sigmoid] = [relu, sigmoid].map(|trained| -> Vec<f64> {
        trained.trial.right[1].iter().map(|right| 1.0 - right).collect()
    });
    let which = match (is_less(&of_relu, &of_sigmoid), is_less(&of_sigmoid, &of_relu)) {
        (true, _) => "relu is better",
        (_, true) => "sigmoid is better",
        _ => "no difference beyond the seeds' spread",
    };
    let [relu, sigmoid] = [relu, sigmoid].map(|trained| number(trained.accuracy()[1].median));
    format!("held-out points right: relu {relu} %, sigmoid {sigmoid} %, {which}")
}

fn figures(trained: &Trained, size: Size) -> Vec<Figure> {
    let of = |what: &str| format!("{}, {} layers: {what}", trained.activation, trained.depth);
    let (arrived, diverged) = (trained.trial.arrivals().len(), trained.trial.diverged());
    let mut note = trained.trial.setting.told();
    if !trained.is_tuned {
        note += "; no other seed arrived with any setting";
    }
    if diverged > 0 {
        note += &format!("; {diverged} diverged");
    }
    let if_any = |figure: Figure| match arrived {
        0 => figure.noted(format!("no seed arrives within {} steps", size.steps)),
        _ => figure,
    };
    let us = trained.ns_per_step.times(1e-3);
    let [on_own, on_others] = trained.accuracy();
    vec![
        Figure::new(of("seeds that arrive"), &format!("of {SEEDS}"), as_f64(arrived)).noted(note),
        if_any(Figure::estimated(of("steps"), "", trained.steps())),
        if_any(Figure::estimated(of("seconds"), "s", trained.seconds())),
        Figure::estimated(of("a step of one net"), "us", us),
        Figure::estimated(of("loss after the last step"), "", trained.trial.last()),
        Figure::estimated(of("points of the training right"), "%", on_own),
        Figure::estimated(of("held-out points right"), "%", on_others),
    ]
}

fn plot(sigmoid: &Trained, relu: &Trained, size: Size) -> Plot {
    let steps = size.steps as usize;
    let series = |trained: &Trained| Series {
        label: format!("{}, {}", trained.activation, trained.trial.setting.told()),
        points: (0..steps)
            .step_by(steps.div_ceil(POINTS))
            .map(|step| Point::estimated(as_f64(step), trained.trial.loss(step)))
            .collect(),
    };
    Plot {
        title: format!(
            "Loss by step, {} layers of {} units, {SEEDS} seeds",
            relu.depth, size.width
        ),
        x: Axis::linear("step"),
        y: Axis::log10("loss"),
        series: vec![series(sigmoid), series(relu)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;

    /// Seeds that arrive at these steps, of 100; 0 is one that never does, and 101 one that
    /// diverges.
    fn trial(rate: f32, arrivals: &[usize]) -> Trial {
        let losses = |at: &usize| match *at {
            0 => vec![0.7; 100],
            101 => vec![0.7, f64::NAN].into_iter().chain(vec![f64::NAN; 98]).collect(),
            at => (0..100).map(|step| if step < at { 0.7 } else { 0.1 }).collect(),
        };
        Trial {
            setting: Setting { init: Init::He, rate },
            losses: arrivals.iter().map(losses).collect(),
            right: [vec![0.75; arrivals.len()], vec![0.5; arrivals.len()]],
        }
    }

    fn trained(activation: &'static str, arrivals: &[usize]) -> Trained {
        let ns_per_step = Estimate { median: 1e6, low: 9e5, high: 2e6 };
        Trained { activation, depth: 8, is_tuned: true, trial: trial(0.3, arrivals), ns_per_step }
    }

    #[test]
    fn the_best_setting_is_the_one_with_which_most_arrive_then_that_of_the_fastest_slowest() {
        let chosen = |trials: &[(f32, &[usize])]| {
            best(trials.iter().map(|(rate, arrivals)| trial(*rate, arrivals)).collect())
                .setting
                .rate
        };
        assert_eq!(chosen(&[(0.1, &[90, 90, 90]), (1.0, &[5, 5, 0])]), 0.1);
        assert_eq!(chosen(&[(0.1, &[90, 90, 90]), (1.0, &[50, 5, 80])]), 1.0);
        assert_eq!(chosen(&[(0.1, &[90, 90, 90]), (1.0, &[5, 5, 99])]), 0.1);
        // None arrives, and one diverges: the one whose losses are numbers.
        assert_eq!(chosen(&[(0.1, &[0, 0, 0]), (1.0, &[101, 101, 0])]), 0.1);
        // Of two seeds one or both diverge: half way to infinity is infinity.
        assert_eq!(chosen(&[(0.1, &[0, 0]), (1.0, &[101, 0]), (3.0, &[101, 101])]), 0.1);
        assert_eq!(chosen(&[(3.0, &[101, 101]), (0.1, &[0, 0]), (1.0, &[0, 101])]), 0.1);
    }

    #[test]
    fn a_loss_that_only_passes_the_target_has_not_arrived() {
        let mut once = trial(0.1, &[50]);
        assert_eq!(once.arrivals(), [50.0]);
        once.losses[0][80] = 0.5;
        assert_eq!(once.arrivals(), [81.0]);
        once.losses[0][99] = f64::NAN;
        assert!(once.arrivals().is_empty());
    }

    #[test]
    fn faster_is_what_chance_would_hardly_give() {
        let is_faster = |relu: &[usize], sigmoid: &[usize]| {
            trained("relu", relu).is_faster_than(&trained("sigmoid", sigmoid))
        };
        assert!(is_faster(&[10, 20, 30, 40, 50], &[60, 70, 80, 90, 99]));
        assert!(is_faster(&[10, 20, 30, 40, 65], &[60, 70, 80, 90, 99]));
        assert!(!is_faster(&[10, 20, 30, 65, 75], &[60, 70, 80, 90, 35]));
        assert!(!is_faster(&[60, 70, 80, 90, 99], &[10, 20, 30, 40, 50]));
        // One seed more that arrives is nothing, all against none is: what never arrives is the
        // slowest.
        assert!(!is_faster(&[90, 90, 90, 90, 90], &[5, 5, 5, 5, 0]));
        assert!(!is_faster(&[50, 50, 50, 50, 50], &[50, 50, 50, 50, 0]));
        assert!(is_faster(&[50, 50, 50, 50, 50], &[0, 101, 0, 0, 101]));
        assert!(!is_faster(&[0, 0, 0, 0, 0], &[0, 0, 0, 0, 0]));
    }

    #[test]
    fn seeds_that_never_arrive_or_diverge_are_told() {
        let size = Size { width: 32, samples: 128, steps: 100 };
        let found = findings(
            vec![1, 2, 3],
            &[trained("sigmoid", &[0, 101, 0]), trained("relu", &[10, 0, 30])],
            size,
        );
        // Three against three, one of which never arrives: chance gives it too often.
        assert_eq!(found.outcome, Outcome::DoesNotHold);
        assert!(
            found
                .conclusion
                .contains("relu in 20 [10, 30] steps, 0.0200 s (2 of 5 seeds, rate 0.3, He)"),
            "{}",
            found.conclusion
        );
        assert!(
            found.conclusion.contains("sigmoid in none of 5 seeds (loss 0.700, rate 0.3, He)"),
            "{}",
            found.conclusion
        );
        let named =
            |name: &str| found.figures.iter().find(|figure| figure.name == name).expect("there");
        let count = named("sigmoid, 8 layers: seeds that arrive");
        assert_eq!(
            (count.value, count.note.as_deref()),
            (Some(0.0), Some("rate 0.3, He; 1 diverged"))
        );
        assert_eq!(named("sigmoid, 8 layers: steps").value, None);
        // The range of the last losses is open where one is no number.
        let last = named("sigmoid, 8 layers: loss after the last step");
        assert_eq!((last.value, last.high), (Some(0.7), None));
        assert_eq!(last.note.as_deref(), Some("the highest is infinite"));
        let curve = &found.plots[0].series[0].points;
        assert_eq!(
            (curve[0].high, curve[1].y, curve[1].low, curve[1].high),
            (Some(0.7), Some(0.7), Some(0.7), None)
        );
        // Where most diverge, there is no point.
        let found = findings(
            vec![1],
            &[trained("sigmoid", &[101, 101, 0]), trained("relu", &[10, 0, 30])],
            size,
        );
        assert!(
            found.conclusion.contains("sigmoid in none of 5 seeds (loss inf, rate 0.3, He)"),
            "{}",
            found.conclusion
        );
        assert!(found.plots[0].series[0].points[1].y.is_none());
    }

    #[test]
    fn a_best_rate_at_the_end_of_those_tried_is_told_in_the_conclusion() {
        let mut sigmoid = trained("sigmoid", &[5, 5, 5]);
        sigmoid.trial.setting.rate = RATES[RATES.len() - 1];
        assert!(
            sigmoid.told().ends_with("rate 30, at the end of those tried, He)"),
            "{}",
            sigmoid.told()
        );
        sigmoid.is_tuned = false;
        let figures = figures(&sigmoid, Size { width: 32, samples: 128, steps: 100 });
        let note = figures[0].note.as_deref().unwrap_or_default();
        assert!(note.ends_with("no other seed arrived with any setting"), "{note}");
    }

    #[test]
    fn spirals_are_two_apart() {
        let (points, labels) = spirals(1000, &[5]);
        assert_eq!(labels.iter().filter(|label| **label == 1.0).count(), 500);
        assert_eq!(spirals(1000, &[5]), spirals(1000, &[5]));
        // No point of one is near one of the other.
        let point = |index: usize| [points[2 * index], points[2 * index + 1]].map(f64::from);
        for one in (0..1000).filter(|index| labels[*index] == 0.0).map(point) {
            for other in (0..1000).filter(|index| labels[*index] == 1.0).map(point) {
                assert!((one[0] - other[0]).hypot(one[1] - other[1]) > 0.1);
            }
        }
    }

    #[test]
    fn held_out_points_tell_which_is_better_if_the_seeds_do() {
        let trained = |activation, held_out: [f64; SEEDS]| Trained {
            activation,
            depth: 2,
            is_tuned: true,
            trial: Trial {
                right: [vec![1.0; SEEDS], held_out.to_vec()],
                ..trial(1.0, &[10; SEEDS])
            },
            ns_per_step: Estimate { median: 1.0, low: 1.0, high: 1.0 },
        };
        let high = [0.99, 0.98, 0.97, 0.96, 0.95];
        let low = [0.80, 0.81, 0.82, 0.83, 0.84];
        let mixed = [0.99, 0.80, 0.97, 0.82, 0.95];
        let told =
            |sigmoid, relu| held_out_told(&trained("sigmoid", sigmoid), &trained("relu", relu));
        assert!(told(low, high).ends_with("relu is better"));
        assert!(told(high, low).ends_with("sigmoid is better"));
        assert!(told(high, mixed).ends_with("beyond the seeds' spread"));
        assert_eq!(share_right(&[1.0, 0.0, 1.0, 0.0], &[2.0, -1.0, f32::NAN, 0.5]), 0.5);
    }

    #[test]
    fn training_repeats_by_seed() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let relu = Activation::named("relu").expect("in the table");
        let size = Size { width: 16, samples: 32, steps: 20 };
        let settings = Setting::all(relu);
        let losses = |seeds: &[u64]| {
            let trials = train(&gpu, relu, 3, size, seeds, &settings).expect("the device works");
            trials.into_iter().map(|trial| trial.losses).collect::<Vec<_>>()
        };
        let first = losses(&[1, 2]);
        assert_eq!(losses(&[1, 2]), first);
        assert_eq!((first.len(), first[0].len(), first[0][0].len()), (2 * RATES.len(), 2, 20));
        // A net does not depend on those beside it.
        assert_eq!(losses(&[2, 1])[3][0], first[3][1]);
        assert_ne!(first[0][0], first[0][1]);
        // He's weights, then Xavier's; and rate by rate.
        assert_ne!(first[0][0][0], first[RATES.len()][0][0]);
        assert!(first[0][0][0] == first[1][0][0] && first[0][0][19] != first[1][0][19]);
    }
}
