//! What the experiments with small models share: which function takes a place, the data, the order
//! of examples, the choice of a learning rate, and a training that one workgroup a model does from
//! its first step to its last.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{Context, as_f64, count, net, over_seeds};
use crate::claims::report::{Axis, Figure, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::activations::{relu, sigmoid};
use crate::measure::stats::Estimate;

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
        let name = match self {
            Self::Sigmoid => "sigmoid",
            Self::Relu => "relu",
        };
        Activation::named(name).expect("in the table")
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

impl Sizes {
    /// As a shader has them.
    pub fn wgsl(self) -> String {
        let Self { visible, hidden, batch } = self;
        format!(
            "const VISIBLE: u32 = {visible}u;\nconst HIDDEN: u32 = {hidden}u;\nconst BATCH: u32 = {batch}u;\n"
        )
    }
}

/// The seeds that count, fewer or more by extent, and those that rates are tried on.
pub fn seeds(context: &Context<'_>) -> (Vec<u64>, Vec<u64>) {
    context.seeds_and_tuning(context.either(8, 32), TUNING_SEEDS)
}

/// Models to be trained: of each seed one of each rate.
pub struct Training {
    pub function: Function,
    pub sizes: Sizes,
    pub steps: usize,
    pub rates: Vec<f32>,
    pub seeds: Vec<u64>,
    /// By model.
    pub weights: Vec<f32>,
    pub patterns: Vec<f32>,
    pub picks: Vec<u32>,
}

impl Training {
    /// Of models whose weights are drawn, those of one seed alike.
    pub fn new(
        (function, sizes): (Function, Sizes),
        pictures: &[Vec<f32>],
        seeds: &[u64],
        rates: &[f32],
        steps: usize,
        draw: impl Fn(&mut Xoshiro256PlusPlus) -> Vec<f32>,
    ) -> Self {
        let of_seed = |seed: &u64| draw(&mut Xoshiro256PlusPlus::seed_from_u64(*seed));
        let picks = |seed: &u64| picks(*seed, steps * sizes.batch, pictures.len());
        Self {
            function,
            sizes,
            steps,
            rates: rates.to_vec(),
            seeds: seeds.to_vec(),
            weights: seeds.iter().flat_map(|seed| of_seed(seed).repeat(rates.len())).collect(),
            patterns: pictures.concat(),
            picks: seeds.iter().flat_map(picks).collect(),
        }
    }

    /// How many.
    pub fn models(&self) -> usize {
        self.seeds.len() * self.rates.len()
    }

    /// The seed of a model, by its place.
    pub fn seed(&self, model: usize) -> usize {
        model / self.rates.len()
    }

    /// The rate of a model, and its weights to begin with, in f64.
    pub fn start(&self, model: usize) -> (f64, Vec<f64>) {
        let weights = self.weights.chunks_exact(self.weights.len() / self.models()).nth(model);
        let rate = f64::from(self.rates[model % self.rates.len()]);
        (rate, weights.expect("a model").iter().copied().map(f64::from).collect())
    }

    /// An example of a batch in f64.
    pub fn example(&self, model: usize, step: usize, example: usize) -> Vec<f64> {
        let place = (self.seed(model) * self.steps + step) * self.sizes.batch + example;
        let picked = self.picks[place] as usize;
        let pattern = &self.patterns[picked * self.sizes.visible..][..self.sizes.visible];
        pattern.iter().copied().map(f64::from).collect()
    }

    /// Takes all models through all steps on the device, a workgroup a model. What each step finds,
    /// in so many words, and the weights at the end. `more` is bound behind the rates.
    pub fn run(
        &self,
        gpu: &Gpu,
        program: &Program,
        words: usize,
        more: &[&Buffer],
    ) -> Result<(Buffer, Vec<f32>)> {
        let weights = gpu.buffer_of("weights", &self.weights)?;
        let found = gpu.buffer("found", self.models() * self.steps * words)?;
        let rates = gpu.buffer_of("rates", &self.rates.repeat(self.seeds.len()))?;
        let patterns = gpu.buffer_of("patterns", &self.patterns)?;
        let picks = gpu.buffer_of("picks", &self.picks)?;
        let mut buffers = vec![&weights, &found, &rates];
        buffers.extend(more);
        buffers.extend([&patterns, &picks]);
        for first in (0..self.steps).step_by(STEPS_AT_ONCE) {
            let now = STEPS_AT_ONCE.min(self.steps - first);
            let params = [first, now, self.steps, self.rates.len()].map(count);
            let step = gpu.step(program, &buffers, &params, [count(self.models()), 1, 1])?;
            gpu.run_sequence(&Sequence::new(program.path.clone(), vec![step]), 1)?;
        }
        let weights = gpu.load(&weights)?;
        Ok((found, weights))
    }
}

/// The errors of trainings over steps, in so many parts.
pub fn plot(title: &str, trained: &[(String, &[Vec<f32>])], parts: usize) -> Plot {
    let line = |(label, courses): &(String, &[Vec<f32>])| Series {
        label: label.clone(),
        points: by_part(courses, parts)
            .into_iter()
            .map(|(step, error)| Point::estimated(step, error))
            .collect(),
    };
    Plot {
        title: title.to_owned(),
        x: Axis::linear("step"),
        y: Axis::linear("mean squared error"),
        series: trained.iter().map(line).collect(),
    }
}

/// Bars and stripes (MacKay 2003, section 43.3): pictures of so many pixels a side whose rows, or
/// whose columns, are each on or off. A pixel is on in half of them, and tells little by itself.
pub fn bars_and_stripes(side: u32) -> Vec<Vec<f32>> {
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
pub fn picks(seed: u64, examples: usize, pictures: usize) -> Vec<u32> {
    // Not the stream that weights come from.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x7069_636b);
    let most = u32::try_from(pictures).expect("hundreds");
    (0..examples).map(|_| random.random_range(0..most)).collect()
}

fn mean(errors: &[f32]) -> f64 {
    errors.iter().map(|error| f64::from(*error)).sum::<f64>() / as_f64(errors.len())
}

/// The error that a training arrived at: the mean over its last tenth. NaN or infinite if that is.
pub fn arrived_at(course: &[f32]) -> f64 {
    let tail = &course[course.len() - (course.len() / 10).max(1)..];
    mean(tail)
}

/// Steps until the mean error of the last ten is below a level; none if it never is.
pub fn steps_to(course: &[f32], level: f64) -> Option<f64> {
    const WINDOW: usize = 10;
    course
        .windows(WINDOW)
        .position(|errors| mean(errors) < level)
        .map(|first| as_f64(first + WINDOW))
}

/// A figure of [`steps_to`] over courses.
pub fn figure_of_steps(name: String, courses: &[Vec<f32>], level: f64) -> Figure {
    let steps: Vec<f64> = courses.iter().filter_map(|course| steps_to(course, level)).collect();
    let arrived = format!("{} of {} arrive", steps.len(), courses.len());
    match over_seeds(&steps) {
        Some(of_those) => Figure::estimated(name, "", of_those).noted(arrived),
        None => Figure::none(name, "", arrived),
    }
}

/// A figure of the errors that courses arrived at.
pub fn figure_of_errors(name: String, courses: &[Vec<f32>], rate: &str) -> Figure {
    let arrived: Vec<f64> = courses.iter().map(|course| arrived_at(course)).collect();
    let failed = arrived.iter().filter(|error| !error.is_finite()).count();
    Figure::estimated(name, "", over_seeds(&arrived).expect("seeds"))
        .noted(format!("{rate}; {failed} of {} not finite", arrived.len()))
}

/// The rate whose trainings arrived at the smallest error, by the mean over the tuning seeds; a
/// training that failed disqualifies its rate, unless all have failed: then it is the smallest
/// rate. Courses are by seed and rate.
pub fn best_rate(courses: &[Vec<f32>], rates: &[f32]) -> f32 {
    let error = |rate: usize| {
        courses.iter().skip(rate).step_by(rates.len()).map(|course| arrived_at(course)).sum::<f64>()
    };
    let finite = (0..rates.len()).filter(|rate| error(*rate).is_finite());
    finite.min_by(|a, b| error(*a).total_cmp(&error(*b))).map_or(rates[0], |rate| rates[rate])
}

/// A course in so many parts: the step in the middle of each, and the mean error there over the
/// seeds' means, with their range.
pub fn by_part(courses: &[Vec<f32>], parts: usize) -> Vec<(f64, Option<Estimate>)> {
    let steps = courses.iter().map(Vec::len).min().unwrap_or(0);
    let length = (steps / parts).max(1);
    (0..steps / length)
        .map(|part| {
            let first = part * length;
            let means = courses.iter().map(|course| mean(&course[first..first + length]));
            (as_f64(first + length.div_ceil(2)), over_seeds(&means.collect::<Vec<_>>()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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
        let nan = vec![f32::NAN; 10];
        let course = |error: f32| vec![error; 10];
        // Two seeds, three rates.
        let courses =
            [course(0.2), course(0.1), nan.clone(), course(0.2), course(0.3), course(0.0)];
        assert_eq!(best_rate(&courses, &[1.0, 2.0, 3.0]), 1.0);
        assert_eq!(best_rate(&courses[..2], &[1.0, 2.0]), 2.0);
        assert_eq!(best_rate(&[nan.clone(), nan], &[1.0, 2.0]), 1.0);
    }

    #[test]
    fn courses_are_summed_up_by_part() {
        let courses = [vec![4.0, 2.0, 1.0, 1.0], vec![2.0, 2.0, f32::NAN, 1.0]];
        let parts = by_part(&courses, 2);
        assert_eq!((parts[0].0, parts[1].0), (1.0, 3.0));
        assert_eq!(parts[0].1, Some(Estimate { median: 2.5, low: 2.0, high: 3.0 }));
        assert_eq!(
            parts[1].1,
            Some(Estimate { median: f64::INFINITY, low: 1.0, high: f64::INFINITY })
        );
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
