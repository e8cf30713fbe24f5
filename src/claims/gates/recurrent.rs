//! Recurrent nets of a cell over many steps: whether the state stays bounded, and when it leaves
//! f32.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::{Cell, Gated, SCALES, STEPS, WIDTH};
use crate::claims::report::Figure;
use crate::claims::{as_f64, check, count, net, over_seeds, to_f32};
use crate::error::Result;
use crate::gpu::{Gpu, Program, Sequence};
use crate::measure::stats::Estimate;

/// What became of the nets of a cell and a scale.
pub struct Fate {
    pub gated: Gated,
    pub scale: f64,
    pub nets: usize,
    /// The largest state, by seed, up to where it left f32.
    pub largest: Estimate,
    /// By seed of those that left, after how many steps.
    pub left: Vec<f64>,
    /// By step, the largest state, its median over seeds and its range; infinite where a net has
    /// left.
    pub course: Vec<Estimate>,
}

impl Fate {
    /// Those of every scale.
    pub fn of_scales(gpu: &Gpu, gated: Gated, seeds: &[u64]) -> Result<Vec<Self>> {
        let program = |width| gated.program(gpu, &format!("{width} units"), &wgsl(gated, width));
        check_recurrence(gpu, gated, &program(CHECKED_WIDTH)?)?;
        let nets = Nets::new(gated, seeds, &SCALES, WIDTH, STEPS);
        let courses = nets.courses(&nets.advance(gpu, &program(WIDTH)?)?);
        let of_scale = |(index, scale): (usize, &f64)| {
            let own: Vec<_> = courses.iter().skip(index).step_by(SCALES.len()).collect();
            Self::from_courses(gated, *scale, STEPS, &own)
        };
        Ok(SCALES.iter().enumerate().map(of_scale).collect())
    }

    /// From the largest state by step of each net, as far as it stays in f32.
    pub fn from_courses(gated: Gated, scale: f64, steps: usize, courses: &[&Vec<f64>]) -> Self {
        let over_nets = |value: &dyn Fn(&[f64]) -> f64| {
            over_seeds(courses.iter().map(|course| value(course))).expect("seeds")
        };
        // What has left does not come back.
        let size_at = |course: &[f64], step: usize| *course.get(step).unwrap_or(&f64::INFINITY);
        let lengths = courses.iter().map(|course| course.len());
        Self {
            gated,
            scale,
            nets: courses.len(),
            largest: over_nets(&|course| course.iter().copied().fold(0.0, f64::max)),
            left: lengths.filter(|kept| *kept < steps).map(|kept| as_f64(kept + 1)).collect(),
            course: (0..steps).map(|step| over_nets(&|course| size_at(course, step))).collect(),
        }
    }

    /// After how many steps the nets that left did so.
    pub fn left_at(&self) -> Option<Estimate> {
        over_seeds(&self.left)
    }

    pub fn figures(&self) -> Vec<Figure> {
        let Self { gated: Gated { cell, gate }, scale, nets, largest, left, .. } = self;
        let figure = |what: &str, estimate| {
            let name = format!("{}, {}, scale {scale}: {what}", cell.name(), gate.name());
            Figure::estimated(name, "", estimate).noted(match left.len() {
                0 => format!("none of {nets} leaves f32"),
                left => format!("{left} of {nets} leave f32"),
            })
        };
        let at = self.left_at().map(|at| figure("steps until it leaves f32", at));
        [figure("largest state", *largest)].into_iter().chain(at).collect()
    }
}

/// Recurrent nets: of each seed one of each scale, driven by the same numbers.
struct Nets {
    gated: Gated,
    count: usize,
    per_drive: usize,
    width: usize,
    steps: usize,
    /// By net, the unit before, the unit, the pre-activation.
    weights: Vec<f32>,
    /// By seed, step, unit, the pre-activation, its bias added.
    drives: Vec<f32>,
}

impl Nets {
    fn new(gated: Gated, seeds: &[u64], scales: &[f64], width: usize, steps: usize) -> Self {
        let (mut weights, mut drives) = (Vec::new(), Vec::new());
        let root = as_f64(width).sqrt();
        // Only the forget gate has one; GRU's second gate resets.
        let biases = [0.0, if gated.cell == Cell::Lstm { 1.0 } else { 0.0 }, 0.0, 0.0];
        for seed in seeds {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(*seed);
            let of_seed: Vec<f64> =
                (0..width * width * 4).map(|_| random.sample(StandardNormal)).collect();
            for scale in scales {
                weights.extend(of_seed.iter().map(|weight| to_f32(weight * scale / root)));
            }
            let of_seed = net::normal(&mut random, steps * width * 4, 1.0);
            let drive = of_seed.into_iter().zip(biases.into_iter().cycle());
            drives.extend(drive.map(|(drive, bias)| drive + bias));
        }
        let (count, per_drive) = (seeds.len() * scales.len(), scales.len());
        Self { gated, count, per_drive, width, steps, weights, drives }
    }

    /// c and h by net, step and unit, computed on the device.
    fn advance(&self, gpu: &Gpu, program: &Program) -> Result<Vec<f32>> {
        let weights = gpu.buffer_of("weights", &self.weights)?;
        let drives = gpu.buffer_of("drives", &self.drives)?;
        let states = gpu.buffer("states", self.count * self.steps * self.width * 2)?;
        let params = [count(self.steps), count(self.per_drive)];
        let workgroups = [count(self.count), 1, 1];
        let step = gpu.step(program, &[&states, &weights, &drives], &params, workgroups)?;
        gpu.run_sequence(&Sequence::new(&program.path, vec![step]), 1)?;
        gpu.load(&states)
    }

    /// The same in f64.
    fn advance_in_f64(&self) -> Vec<f64> {
        let Self { gated, width, steps, .. } = *self;
        let mut states = Vec::new();
        for net in 0..self.count {
            let weights = &self.weights[net * width * width * 4..];
            let drives = &self.drives[net / self.per_drive * steps * width * 4..];
            let (mut c, mut h) = (vec![0.0; width], vec![0.0; width]);
            for step in 0..steps {
                let advanced = |unit: usize| {
                    let drive = [0, 1, 2, 3]
                        .map(|which| f64::from(drives[(step * width + unit) * 4 + which]));
                    let weight = |other: usize, which: usize| {
                        f64::from(weights[(other * width + unit) * 4 + which])
                    };
                    let of_state = [0, 1, 2, 3].map(|which| {
                        (0..width).map(|other| weight(other, which) * h[other]).sum::<f64>()
                    });
                    let sum = |which: usize| drive[which] + of_state[which];
                    match gated.cell {
                        Cell::Lstm => {
                            let (kept, h) = gated.forward([0, 1, 2, 3].map(sum), c[unit]);
                            (kept[4], h)
                        }
                        Cell::Gru => {
                            let a = [sum(0), sum(1), drive[2], of_state[2]];
                            let (_, h) = gated.forward(a, h[unit]);
                            (h, h)
                        }
                    }
                };
                let next: Vec<(f64, f64)> = (0..width).map(advanced).collect();
                states.extend(next.iter().flat_map(|(c, h)| [*c, *h]));
                (c, h) = next.into_iter().unzip();
            }
        }
        states
    }

    /// By net, the largest c or h of each step, up to where one is infinite or no number.
    fn courses(&self, states: &[f32]) -> Vec<Vec<f64>> {
        let largest = |step: &[f32]| {
            step.iter().try_fold(0.0, |largest: f64, state| {
                state.is_finite().then(|| largest.max(f64::from(state.abs())))
            })
        };
        let of_step = self.width * 2;
        let course = |of_net: &[f32]| of_net.chunks_exact(of_step).map_while(largest).collect();
        states.chunks_exact(self.steps * of_step).map(course).collect()
    }
}

/// The text of recurrent nets of so many units.
fn wgsl(gated: Gated, width: usize) -> String {
    let recurrence = include_str!("../../../shaders/claims/recurrence.wgsl");
    let glue = format!("const WIDTH: u32 = {width}u;\n{recurrence}");
    gated.wgsl(&glue, gated.cell.drivers()[2])
}

/// No multiple of 8 and more invocations that run in step.
const CHECKED_WIDTH: usize = 68;

/// Compares a few steps of a few small nets with f64: more would compare how errors grow, which is
/// the nets' own doing.
fn check_recurrence(gpu: &Gpu, gated: Gated, program: &Program) -> Result<()> {
    let nets = Nets::new(gated, &[1, 2, 3], &[0.5, 1.0], CHECKED_WIDTH, 6);
    let states = nets.advance(gpu, program)?;
    let expected = nets.advance_in_f64();
    let bound = |index: usize| 1e-4 * (1.0 + expected[index].abs());
    check::within(&program.path, &states, &expected, bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::shallow::Function;
    use crate::error::Error;
    use crate::gpu::{Choice, ShaderChecks};

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn nets_on_the_adapter_are_those_in_f64() {
        let gpu = gpu();
        for cell in Cell::BOTH {
            for gate in Function::BOTH {
                let gated = Gated { cell, gate };
                let program = gated.program(&gpu, "checked", &wgsl(gated, CHECKED_WIDTH));
                check_recurrence(&gpu, gated, &program.expect("it compiles")).expect("right");
            }
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (cell, find, replace) in [
            (Cell::Lstm, "other * WIDTH] * h[other]", "other * WIDTH] * h[unit]"),
            (Cell::Lstm, "h[unit] = state.h", "h[unit] = state.c"),
            (Cell::Lstm, "other < WIDTH", "other + 1u < WIDTH"),
            (Cell::Lstm, "params.nets_per_drive *", "1u *"),
            (Cell::Lstm, "drives[first_drive + step * WIDTH]", "drives[first_drive]"),
            (Cell::Lstm, "T(a.y), T(a.z)", "T(a.z), T(a.y)"),
            (Cell::Gru, "T(drive.z), T(of_state.z)", "T(a.z), T(of_state.z)"),
            (Cell::Gru, "net * WIDTH * WIDTH + unit", "unit"),
        ] {
            let gated = Gated { cell, gate: Function::Sigmoid };
            let own = wgsl(gated, CHECKED_WIDTH);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let program = gpu.program("planted", &planted, &[], ShaderChecks::Checked);
            let error = check_recurrence(&gpu, gated, &program.expect("it compiles")).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn what_leaves_f32_is_counted_and_not_dropped() {
        let gated = Gated { cell: Cell::Gru, gate: Function::Relu };
        let nets = Nets::new(gated, &[1, 2, 3], &[1.0], 1, 4);
        let courses = nets.courses(
            &[
                // c and h.
                [0.0, 1.0, -2.0, 1.0, f32::NEG_INFINITY, 0.0, 0.0, f32::NAN],
                [1.0, 0.5, 3.0, 0.0, 0.0, -9.0, 27.0, 2.0],
                [1.0, 0.0, f32::NAN, 1.0, 1.0, 1.0, f32::INFINITY, 1.0],
            ]
            .concat(),
        );
        let fate = Fate::from_courses(gated, 1.0, 4, &courses.iter().collect::<Vec<_>>());
        assert_eq!(fate.left, [3.0, 2.0]);
        assert_eq!(fate.largest, Estimate { median: 2.0, low: 1.0, high: 27.0 });
        assert_eq!(fate.left_at(), Some(Estimate { median: 2.5, low: 2.0, high: 3.0 }));
        let medians: Vec<f64> = fate.course.iter().map(|size| size.median).collect();
        assert_eq!(medians, [1.0, 3.0, f64::INFINITY, f64::INFINITY]);
    }

    #[test]
    fn the_same_seed_gives_the_same_states() {
        let gpu = gpu();
        let gated = Gated { cell: Cell::Lstm, gate: Function::Relu };
        let program = gated.program(&gpu, "again", &wgsl(gated, WIDTH)).expect("it compiles");
        let states = || {
            let nets = Nets::new(gated, &[5], &[2.0], WIDTH, 50);
            let states = nets.advance(&gpu, &program);
            states.expect("it runs").into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(states(), states());
    }
}
