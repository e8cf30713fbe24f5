//! What the experiments with small models share: which function takes a place, the data, the order
//! of examples, the choice of a learning rate, and a training that one workgroup a model does from
//! its first step to its last.

use rand::RngExt;

use super::{
    Context, Random, as_f64, check, count, in_f64, named, net, over_seeds, random_of,
    told_over_seeds, told_rate,
};
use crate::claims::report::{Axis, Figure, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Gpu, Sequence, ShaderChecks};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::activations::{relu, sigmoid};
use crate::kernels::dtype::Dtype;

/// Seeds that rates are tried on, behind those that count.
pub const TUNING_SEEDS: usize = 2;

/// Steps of a dispatch: drivers end what runs for seconds.
pub const STEPS_AT_ONCE: usize = 100;

/// Which of the two takes a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Sigmoid,
    Relu,
}

impl Function {
    pub const BOTH: [Self; 2] = [Self::Sigmoid, Self::Relu];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Relu => "ReLU",
        }
    }

    fn activation(self) -> &'static Activation {
        named(&self.name().to_lowercase())
    }

    pub fn forward(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid::sigmoid(x),
            Self::Relu => relu::relu(x),
        }
    }

    /// From what it gave.
    pub fn backward(self, y: f64, dy: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid::from_y(y, dy),
            Self::Relu => relu::relu_backward(y, dy),
        }
    }

    /// The functions of both in WGSL, and this one's default variants under a name of the caller's:
    /// `NAME(x)` and `NAME_backward(y, dy)`.
    pub fn wgsl(self, name: &str) -> String {
        let [sigmoid, relu] = Self::BOTH.map(|function| function.activation().wgsl);
        let forward = net::call(self.activation(), Direction::Forward, name);
        let backward =
            net::call(self.activation(), Direction::Backward, &format!("{name}_backward"));
        [sigmoid, relu, &forward, &backward].join("\n")
    }
}

/// Of a model of visible and hidden units and of its batches; all but the batch in fours.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub visible: usize,
    pub hidden: usize,
    pub batch: usize,
}

/// What is checked: more work than a workgroup has lanes, and no multiple of them.
pub const CHECKED: Sizes = Sizes { visible: 16, hidden: 12, batch: 17 };

impl Sizes {
    /// As a shader has them.
    fn wgsl(self) -> String {
        let Self { visible, hidden, batch } = self;
        format!(
            "const VISIBLE: u32 = {visible}u;\nconst HIDDEN: u32 = {hidden}u;\nconst BATCH: u32 = {batch}u;\n"
        )
    }

    /// What models see: bars and stripes, a visible unit a pixel.
    pub fn pictures(self) -> Vec<Vec<f32>> {
        bars_and_stripes(count(self.visible.isqrt()))
    }
}

/// A kind of small models, in which either function may take a place.
pub struct Model {
    /// Of its programs.
    pub name: &'static str,
    /// The place that the function takes.
    pub place: &'static str,
    pub sizes: Sizes,
    /// Learning rates that are tried on seeds of their own.
    pub rates: &'static [f32],
    /// Words of what a step finds, of which the first is the error.
    pub words: usize,
    /// Whether steps draw random numbers: the shader then has a key for each seed.
    pub has_keys: bool,
    pub shader: &'static [&'static str],
    /// What the shader calls the function.
    pub calls: &'static str,
    /// Draws weights and biases to begin with.
    pub draw: fn(&mut Random, Function, Sizes) -> Vec<f32>,
    /// Compares a text for [`CHECKED`] with f64.
    pub check: fn(&Gpu, Function, &str, ShaderChecks) -> Result<()>,
}

/// Models that were trained with a function, at the rate that suits it best.
pub struct Trained {
    pub model: &'static Model,
    pub function: Function,
    pub rate: f32,
    pub run: Run,
}

/// What a training gave, by model.
pub struct Run {
    /// What each step found.
    pub found: Vec<Vec<u32>>,
    /// The error by step.
    pub errors: Vec<Vec<f32>>,
    /// The weights at the end.
    pub weights: Vec<Vec<f32>>,
}

impl Model {
    /// Its text with a function.
    pub fn wgsl(&self, function: Function, sizes: Sizes) -> String {
        let shader = self.shader.concat();
        [Dtype::F32.wgsl(), &function.wgsl(self.calls), &sizes.wgsl(), &shader].join("\n")
    }

    /// Trains models: with every rate on other seeds, then on those that count with the rate of the
    /// least loss. That of a run is by model.
    pub fn trained(
        &'static self,
        context: &Context<'_>,
        function: Function,
        steps: usize,
        loss: impl Fn(&Run) -> Vec<f64>,
    ) -> Result<Trained> {
        let (seeds, tuning) = seeds(context);
        (context.progress)(&format!(
            "{} of {}: learning rates, then {steps} steps of {} seeds",
            self.place,
            function.name(),
            seeds.len()
        ));
        let checks = ShaderChecks::Trusted;
        (self.check)(context.gpu, function, &self.wgsl(function, CHECKED), checks)?;
        let run = |seeds: &[u64], rates: &[f32]| {
            let training = Training::new(self, (function, self.sizes), seeds, rates, steps);
            training.run(context.gpu, &self.wgsl(function, self.sizes), checks)
        };
        let rate = best_rate(&loss(&run(&tuning, self.rates)?), self.rates);
        Ok(Trained { model: self, function, rate, run: run(&seeds, &[rate])? })
    }
}

impl Run {
    /// The errors that the models arrived at.
    pub fn arrived(&self) -> Vec<f64> {
        self.errors.iter().map(|course| arrived_at(course)).collect()
    }

    /// How many of them are no numbers.
    pub fn failed(&self) -> usize {
        self.arrived().iter().filter(|error| !error.is_finite()).count()
    }
}

impl Trained {
    /// The errors that it arrived at, and its rate.
    pub fn told(&self) -> [String; 2] {
        [told_over_seeds(&self.run.arrived()), told_rate(self.rate, self.model.rates)]
    }

    /// Figures of its errors and of the steps until they are below a level.
    pub fn figures(&self, [error, steps]: [&str; 2], level: f64) -> [Figure; 2] {
        let of = |what: &str| format!("{}: {what}", self.function.name());
        let arrived = self.run.arrived();
        let (failed, [_, rate]) = (self.run.failed(), self.told());
        let note = format!("{rate}; {failed} of {} not finite", arrived.len());
        [
            Figure::estimated(of(error), "", over_seeds(&arrived).expect("seeds")).noted(note),
            figure_of_steps(of(steps), &self.run.errors, level),
        ]
    }
}

/// The seeds that count, fewer or more by extent, and those that rates are tried on.
pub fn seeds(context: &Context<'_>) -> (Vec<u64>, Vec<u64>) {
    context.seeds_and_tuning(context.either(8, 32), TUNING_SEEDS)
}

/// Models to be trained: of each seed one of each rate.
pub struct Training {
    model: &'static Model,
    pub function: Function,
    pub sizes: Sizes,
    steps: usize,
    rates: Vec<f32>,
    pub seeds: Vec<u64>,
    /// By model.
    pub weights: Vec<Vec<f32>>,
    pictures: Vec<Vec<f32>>,
    picks: Vec<u32>,
}

impl Training {
    /// Of models whose weights are drawn, those of one seed alike.
    pub fn new(
        model: &'static Model,
        (function, sizes): (Function, Sizes),
        seeds: &[u64],
        rates: &[f32],
        steps: usize,
    ) -> Self {
        let pictures = sizes.pictures();
        let of_seed =
            |seed: &u64| vec![(model.draw)(&mut random_of(*seed), function, sizes); rates.len()];
        let picks = |seed: &u64| picks(*seed, steps * sizes.batch, pictures.len());
        Self {
            model,
            function,
            sizes,
            steps,
            rates: rates.to_vec(),
            seeds: seeds.to_vec(),
            weights: seeds.iter().flat_map(of_seed).collect(),
            picks: seeds.iter().flat_map(picks).collect(),
            pictures,
        }
    }

    /// What it is called in messages.
    pub fn path(&self) -> String {
        format!("{}/{}", self.model.name, self.function.name())
    }

    /// The seed of a model, by its place.
    pub fn seed(&self, model: usize) -> usize {
        model / self.rates.len()
    }

    /// An example of a batch in f64.
    pub fn example(&self, [model, step, example]: [usize; 3]) -> Vec<f64> {
        let place = (self.seed(model) * self.steps + step) * self.sizes.batch + example;
        in_f64(&self.pictures[self.picks[place] as usize])
    }

    /// Takes all models through all steps on the device, a workgroup a model.
    pub fn run(&self, gpu: &Gpu, wgsl: &str, checks: ShaderChecks) -> Result<Run> {
        let program = gpu.program(&self.path(), wgsl, &[], checks)?;
        let words = self.model.words;
        let weights = gpu.buffer_of("weights", &self.weights.concat())?;
        let found = gpu.buffer("found", self.weights.len() * self.steps * words)?;
        let rates = gpu.buffer_of("rates", &self.rates.repeat(self.seeds.len()))?;
        let keys: Vec<u32> = self.seeds.iter().flat_map(|seed| key(*seed)).collect();
        let keys = gpu.buffer_of("keys", &keys)?;
        let patterns = gpu.buffer_of("patterns", &self.pictures.concat())?;
        let picks = gpu.buffer_of("picks", &self.picks)?;
        let mut buffers = vec![&weights, &found, &rates];
        buffers.extend(self.model.has_keys.then_some(&keys));
        buffers.extend([&patterns, &picks]);
        for first in (0..self.steps).step_by(STEPS_AT_ONCE) {
            let now = STEPS_AT_ONCE.min(self.steps - first);
            let params = [first, now, self.steps, self.rates.len()].map(count);
            let step = gpu.step(&program, &buffers, &params, [count(self.weights.len()), 1, 1])?;
            gpu.run_sequence(&Sequence::new(program.path.clone(), vec![step]), 1)?;
        }
        let found: Vec<u32> = gpu.load(&found)?;
        let found: Vec<_> = found.chunks_exact(self.steps * words).map(<[u32]>::to_vec).collect();
        let errors = |of_model: &Vec<u32>| {
            of_model.iter().step_by(words).map(|bits| f32::from_bits(*bits)).collect()
        };
        let weights: Vec<f32> = gpu.load(&weights)?;
        let of_models = weights.chunks_exact(self.weights[0].len());
        Ok(Run {
            errors: found.iter().map(errors).collect(),
            found,
            weights: of_models.map(<[f32]>::to_vec).collect(),
        })
    }

    /// The same in f64: errors by model and step, and the weights at the end. `learn` gets a model,
    /// step and example by their places, that example and the weights; it adds to the gradient and
    /// returns the sum of squared errors.
    pub fn in_f64(
        &self,
        mut learn: impl FnMut([usize; 3], &[f64], &[f64], &mut [f64]) -> f64,
    ) -> [Vec<f64>; 2] {
        let Sizes { visible, batch, .. } = self.sizes;
        let [mut errors, mut weights] = [Vec::new(), Vec::new()];
        for (model, w) in self.weights.iter().enumerate() {
            let mut w = in_f64(w);
            let rate = f64::from(self.rates[model % self.rates.len()]) / as_f64(batch);
            for step in 0..self.steps {
                let mut gradient = vec![0.0; w.len()];
                let mut squares = 0.0;
                for example in 0..batch {
                    let place = [model, step, example];
                    squares += learn(place, &self.example(place), &w, &mut gradient);
                }
                errors.push(squares / as_f64(batch * visible));
                w.iter_mut().zip(gradient).for_each(|(w, gradient)| *w -= rate * gradient);
            }
            weights.extend(w);
        }
        [errors, weights]
    }

    /// Whether the errors and weights of a run are within a bound of those in f64.
    pub fn compare(&self, run: &Run, [errors, weights]: &[Vec<f64>; 2], bound: f64) -> Result<()> {
        let what = |of: &str| format!("{}: {of}", self.path());
        check::within(&what("errors"), &run.errors.concat(), errors, |_| bound)?;
        check::within(&what("weights"), &run.weights.concat(), weights, |_| bound)
    }
}

/// The key of a seed's random numbers.
pub fn key(seed: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = [seed as u32, (seed >> 32) as u32];
    halves
}

/// The errors of trainings over steps, in so many parts.
pub fn plot(title: &str, trained: [&Trained; 2], parts: usize) -> Plot {
    let line = |trained: &Trained| Series {
        label: format!("{} of {}", trained.model.place, trained.function.name()),
        points: by_part(&trained.run.errors, parts),
    };
    Plot {
        title: title.to_owned(),
        x: Axis::linear("step"),
        y: Axis::linear("mean squared error"),
        series: trained.map(line).to_vec(),
    }
}

/// Bars and stripes (MacKay 2003, section 43.3): pictures of so many pixels a side whose rows, or
/// whose columns, are each on or off. A pixel is on in half of them, and tells little by itself.
fn bars_and_stripes(side: u32) -> Vec<Vec<f32>> {
    let picture = |lines: u32, is_row: bool| {
        let pixels = (0..side)
            .flat_map(|row| (0..side).map(move |column| if is_row { row } else { column }));
        pixels.map(|line| if lines >> line & 1 == 1 { 1.0 } else { 0.0 }).collect()
    };
    let all = 1 << side;
    let rows = (0..all).map(|lines| picture(lines, true));
    // All off and all on are among the rows already.
    rows.chain((1..all - 1).map(|lines| picture(lines, false))).collect()
}

/// The mean squared error of the mean picture: what is reached without a hidden unit.
pub fn error_of_mean(pictures: &[Vec<f32>]) -> f64 {
    let [count, pixels] = [pictures.len(), pictures[0].len()].map(as_f64);
    let variance = |pixel: usize| {
        let mean = pictures.iter().map(|picture| f64::from(picture[pixel])).sum::<f64>() / count;
        mean * (1.0 - mean)
    };
    (0..pictures[0].len()).map(variance).sum::<f64>() / pixels
}

/// Which of so many pictures each example of each step is.
fn picks(seed: u64, examples: usize, pictures: usize) -> Vec<u32> {
    // Not the stream that weights come from.
    let mut random = random_of(seed ^ 0x7069_636b);
    let most = u32::try_from(pictures).expect("hundreds");
    (0..examples).map(|_| random.random_range(0..most)).collect()
}

fn mean(errors: &[f32]) -> f64 {
    errors.iter().map(|error| f64::from(*error)).sum::<f64>() / as_f64(errors.len())
}

/// The error that a training arrived at: the mean over its last tenth. NaN or infinite if that is.
pub fn arrived_at(course: &[f32]) -> f64 {
    mean(&course[course.len() - (course.len() / 10).max(1)..])
}

/// Steps until the mean error of the last ten is below a level; none if it never is.
fn steps_to(course: &[f32], level: f64) -> Option<f64> {
    const WINDOW: usize = 10;
    let first = course.windows(WINDOW).position(|errors| mean(errors) < level)?;
    Some(as_f64(first + WINDOW))
}

/// A figure of [`steps_to`] over courses.
fn figure_of_steps(name: String, courses: &[Vec<f32>], level: f64) -> Figure {
    let steps: Vec<f64> = courses.iter().filter_map(|course| steps_to(course, level)).collect();
    let arrived = format!("{} of {} arrive", steps.len(), courses.len());
    Figure::estimated(name, "", over_seeds(&steps)).noted(arrived)
}

/// The rate whose trainings had the least loss, by the mean over the tuning seeds; a training that
/// failed disqualifies its rate, unless all have failed: then it is the smallest rate. Losses are by
/// seed and rate.
fn best_rate(losses: &[f64], rates: &[f32]) -> f32 {
    let loss = |rate: &usize| losses.iter().skip(*rate).step_by(rates.len()).sum::<f64>();
    let finite = (0..rates.len()).filter(|rate| loss(rate).is_finite());
    finite.min_by(|a, b| loss(a).total_cmp(&loss(b))).map_or(rates[0], |rate| rates[rate])
}

/// A course in so many parts: the step in the middle of each, and the mean error there over the
/// seeds' means, with their range.
fn by_part(courses: &[Vec<f32>], parts: usize) -> Vec<Point> {
    let steps = courses.iter().map(Vec::len).min().unwrap_or(0);
    let length = (steps / parts).max(1);
    let point = |first: usize| {
        let means = courses.iter().map(|course| mean(&course[first..first + length]));
        Point::estimated(as_f64(first + length.div_ceil(2)), over_seeds(means))
    };
    (0..steps / length).map(|part| point(part * length)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::measure::stats::Estimate;

    #[test]
    fn bars_and_stripes_are_as_many_as_they_should_be_and_all_different() {
        for side in [2, 3, 4, 8] {
            let pictures = bars_and_stripes(side);
            assert_eq!(pictures.len(), 2 * (1 << side) - 2);
            let distinct: HashSet<Vec<u32>> = pictures
                .iter()
                .map(|picture| picture.iter().map(|pixel| pixel.to_bits()).collect())
                .collect();
            assert_eq!(distinct.len(), pictures.len());
            let side = side as usize;
            for picture in &pictures {
                let rows = (0..side).all(|row| {
                    (0..side).all(|column| picture[row * side + column] == picture[row * side])
                });
                let columns = (0..side).all(|row| {
                    (0..side).all(|column| picture[row * side + column] == picture[column])
                });
                assert!(rows || columns, "{picture:?}");
            }
            assert!((error_of_mean(&pictures) - 0.25).abs() < 1e-12);
        }
        assert_eq!(error_of_mean(&[vec![1.0, 0.0], vec![1.0, 1.0]]), 0.125);
    }

    #[test]
    fn a_rate_that_fails_is_not_the_best() {
        // Two seeds, three rates.
        let losses = [0.2, 0.1, f64::NAN, 0.2, 0.3, 0.0];
        assert_eq!(best_rate(&losses, &[1.0, 2.0, 3.0]), 1.0);
        assert_eq!(best_rate(&losses[..2], &[1.0, 2.0]), 2.0);
        assert_eq!(best_rate(&[f64::NAN; 2], &[1.0, 2.0]), 1.0);
    }

    #[test]
    fn courses_are_summed_up_by_part() {
        let courses = [vec![4.0, 2.0, 1.0, 1.0], vec![2.0, 2.0, f32::NAN, 1.0]];
        let parts = by_part(&courses, 2);
        let first = Estimate { median: 2.5, low: 2.0, high: 3.0 };
        let second = Estimate { median: f64::INFINITY, low: 1.0, high: f64::INFINITY };
        let expected = [(1.0, first), (3.0, second)];
        assert_eq!(parts, expected.map(|(step, error)| Point::estimated(step, Some(error))));
        assert_eq!(arrived_at(&[5.0, 1.0]), 1.0);
        assert!(arrived_at(&[1.0, f32::NAN]).is_nan());
    }

    #[test]
    fn steps_are_counted_to_the_first_window_below() {
        let course: Vec<f32> = (0..30u8).map(|step| if step < 12 { 1.0 } else { 0.0 }).collect();
        // Of the ten up to the seventeenth step, five are 0.
        assert_eq!(steps_to(&course, 0.51), Some(17.0));
        assert_eq!(steps_to(&course, -1.0), None);
        assert_eq!(steps_to(&[f32::NAN; 20], 1.0), None);
        let never = figure_of_steps("steps".to_owned(), &[vec![1.0; 20]], 0.5);
        assert_eq!((never.value, never.note.as_deref()), (None, Some("0 of 1 arrive")));
    }

    #[test]
    fn picks_are_the_seeds_own_and_reach_every_picture() {
        let of = |seed| picks(seed, 4000, 30);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(of(1).into_iter().collect::<HashSet<_>>().len(), 30);
    }
}
