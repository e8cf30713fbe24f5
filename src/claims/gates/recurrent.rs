//! Recurrent nets of a cell over many steps: whether the state stays bounded, and when it leaves
//! f32.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::{Cell, SCALES, STEPS, WIDTH, wgsl};
use crate::claims::report::Figure;
use crate::claims::shallow::Function;
use crate::claims::{as_f64, check, count, over_seeds, to_f32};
use crate::error::Result;
use crate::gpu::{Gpu, Sequence, ShaderChecks};
use crate::measure::stats::Estimate;

/// What became of the nets of a cell, a gate and a scale.
pub(super) struct Fate {
    pub(super) cell: Cell,
    pub(super) gate: Function,
    pub(super) scale: f64,
    pub(super) nets: usize,
    /// The largest state, by seed, up to where it left f32.
    pub(super) largest: Estimate,
    /// By seed of those that left, after how many steps.
    pub(super) left: Vec<f64>,
    /// By step, the largest state, its median over seeds and its range; none once the median net
    /// has left.
    pub(super) course: Vec<Estimate>,
}

impl Fate {
    /// That of every scale.
    pub(super) fn of(gpu: &Gpu, cell: Cell, gate: Function, seeds: &[u64]) -> Result<Vec<Self>> {
        check_recurrence(
            gpu,
            cell,
            gate,
            &recurrence(cell, gate, CHECKED_WIDTH),
            ShaderChecks::Trusted,
        )?;
        let nets = Nets::new(seeds, &SCALES, WIDTH, STEPS);
        let states =
            nets.advance(gpu, cell, gate, &recurrence(cell, gate, WIDTH), ShaderChecks::Trusted)?;
        let of_scale = |(index, scale): (usize, &f64)| {
            let courses: Vec<Vec<f64>> = (0..seeds.len())
                .map(|seed| nets.course(&states, seed * SCALES.len() + index))
                .collect();
            Self::from_courses(cell, gate, *scale, &courses)
        };
        Ok(SCALES.iter().enumerate().map(of_scale).collect())
    }

    /// From the largest state by step of each net; infinite or NaN once it has left f32.
    pub(super) fn from_courses(
        cell: Cell,
        gate: Function,
        scale: f64,
        courses: &[Vec<f64>],
    ) -> Self {
        let steps = courses.iter().map(Vec::len).max().unwrap_or(0);
        let finite = |course: &Vec<f64>| {
            course.iter().copied().take_while(|size| size.is_finite()).fold(0.0, f64::max)
        };
        let left = |course: &Vec<f64>| {
            course.iter().position(|size| !size.is_finite()).map(|step| as_f64(step + 1))
        };
        // What has left does not come back.
        let size_at = |course: &Vec<f64>, step: usize| {
            if course[..=step].iter().all(|size| size.is_finite()) {
                course[step]
            } else {
                f64::INFINITY
            }
        };
        let of_step = |step: usize| over_seeds(courses.iter().map(|course| size_at(course, step)));
        let nothing = Estimate { median: f64::NAN, low: f64::NAN, high: f64::NAN };
        Self {
            cell,
            gate,
            scale,
            nets: courses.len(),
            largest: over_seeds(courses.iter().map(finite)).unwrap_or(nothing),
            left: courses.iter().filter_map(left).collect(),
            course: (0..steps).filter_map(of_step).collect(),
        }
    }

    /// After how many steps the nets that left did so.
    pub(super) fn left_at(&self) -> Option<Estimate> {
        over_seeds(&self.left)
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let Self { cell, gate, scale, nets, largest, left, .. } = self;
        let name = |what: &str| format!("{}, {}, scale {scale}: {what}", cell.name(), gate.name());
        let leave = match left.len() {
            0 => format!("none of {nets} leaves f32"),
            left => format!("{left} of {nets} leave f32"),
        };
        let largest = Figure::estimated(name("largest state"), "", *largest).noted(leave.clone());
        let at = |at| Figure::estimated(name("steps until it leaves f32"), "", at).noted(leave);
        [largest].into_iter().chain(self.left_at().map(at)).collect()
    }
}

/// Recurrent nets: of each seed one of each scale, driven by the same numbers.
pub(super) struct Nets {
    pub(super) count: usize,
    pub(super) per_drive: usize,
    pub(super) width: usize,
    pub(super) steps: usize,
    /// By net, the unit before, the unit, the pre-activation.
    pub(super) weights: Vec<f32>,
    /// By seed, step, unit, the pre-activation.
    pub(super) drives: Vec<f32>,
}

impl Nets {
    pub(super) fn new(seeds: &[u64], scales: &[f64], width: usize, steps: usize) -> Self {
        let (mut weights, mut drives) = (Vec::new(), Vec::new());
        let root = as_f64(width).sqrt();
        for seed in seeds {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(*seed);
            let mut normal = |count: usize| -> Vec<f64> {
                (0..count).map(|_| random.sample(StandardNormal)).collect()
            };
            let of_seed = normal(width * width * 4);
            for scale in scales {
                weights.extend(of_seed.iter().map(|weight| to_f32(weight * scale / root)));
            }
            // The forget gate's bias of 1 stands in its drive; GRU's second gate resets, and has
            // none.
            drives.extend(normal(steps * width * 4).into_iter().map(to_f32));
        }
        Self {
            count: seeds.len() * scales.len(),
            per_drive: scales.len(),
            width,
            steps,
            weights,
            drives,
        }
    }

    /// c and h by net, step and unit, computed on the device.
    pub(super) fn advance(
        &self,
        gpu: &Gpu,
        cell: Cell,
        gate: Function,
        wgsl: &str,
        checks: ShaderChecks,
    ) -> Result<Vec<f32>> {
        let drives = self.drives_of(cell);
        let (weights, drives) =
            (gpu.buffer_of("weights", &self.weights)?, gpu.buffer_of("drives", &drives)?);
        let states = gpu.buffer("states", self.count * self.steps * self.width * 2)?;
        let path = format!("{}/{}/recurrence", cell.name(), gate.name());
        let program = gpu.program(&path, wgsl, &[], checks)?;
        let params = [count(self.steps), count(self.per_drive)];
        let step =
            gpu.step(&program, &[&states, &weights, &drives], &params, [count(self.count), 1, 1])?;
        gpu.run_sequence(&Sequence::new(path, vec![step]), 1)?;
        gpu.load(&states)
    }

    /// The drives with the cell's biases.
    pub(super) fn drives_of(&self, cell: Cell) -> Vec<f32> {
        let bias = |index: usize| if cell == Cell::Lstm && index % 4 == 1 { 1.0 } else { 0.0 };
        self.drives.iter().enumerate().map(|(index, drive)| drive + bias(index)).collect()
    }

    /// The same in f64.
    pub(super) fn advance_in_f64(&self, cell: Cell, gate: Function) -> Vec<f64> {
        let Self { width, steps, .. } = *self;
        let drives = self.drives_of(cell);
        let mut states = Vec::new();
        for net in 0..self.count {
            let weights = &self.weights[net * width * width * 4..];
            let drives = &drives[net / self.per_drive * steps * width * 4..];
            let (mut c, mut h) = (vec![0.0; width], vec![0.0; width]);
            for step in 0..steps {
                let of_state = |unit: usize, which: usize| -> f64 {
                    (0..width)
                        .map(|other| {
                            f64::from(weights[(other * width + unit) * 4 + which]) * h[other]
                        })
                        .sum()
                };
                let units = (0..width).map(|unit| {
                    let drive = |which: usize| f64::from(drives[(step * width + unit) * 4 + which]);
                    let sum = |which: usize| drive(which) + of_state(unit, which);
                    match cell {
                        Cell::Lstm => {
                            let (kept, h) =
                                cell.forward(gate, [sum(0), sum(1), sum(2), sum(3)], c[unit]);
                            (kept[4], h)
                        }
                        Cell::Gru => {
                            let (_, h) = cell.forward(
                                gate,
                                [sum(0), sum(1), drive(2), of_state(unit, 2)],
                                h[unit],
                            );
                            (h, h)
                        }
                    }
                });
                let next: Vec<(f64, f64)> = units.collect();
                states.extend(next.iter().flat_map(|(c, h)| [*c, *h]));
                (c, h) = next.into_iter().unzip();
            }
        }
        states
    }

    /// The largest c or h of a net by step; NaN where there is one.
    pub(super) fn course(&self, states: &[f32], net: usize) -> Vec<f64> {
        let of_step = self.width * 2;
        let of_net = &states[net * self.steps * of_step..][..self.steps * of_step];
        let largest = |step: &[f32]| {
            let sizes = step.iter().map(|state| f64::from(state.abs()));
            // f64::max would pass NaN over.
            sizes.fold(
                0.0,
                |largest, size| if size.is_nan() || size > largest { size } else { largest },
            )
        };
        of_net.chunks_exact(of_step).map(largest).collect()
    }
}

/// The text of recurrent nets of so many units.
pub(super) fn recurrence(cell: Cell, gate: Function, width: usize) -> String {
    let glue = format!("const WIDTH: u32 = {width}u;\n");
    let recurrence = include_str!("../../../shaders/claims/recurrence.wgsl");
    [&wgsl(gate), &glue, recurrence, cell.drivers()[2]].join("\n")
}

/// No multiple of 8 and more invocations that run in step.
pub(super) const CHECKED_WIDTH: usize = 68;

/// Compares a few steps of a few small nets with f64: more would compare how errors grow, which is
/// the nets' own doing.
pub(super) fn check_recurrence(
    gpu: &Gpu,
    cell: Cell,
    gate: Function,
    wgsl: &str,
    checks: ShaderChecks,
) -> Result<()> {
    let nets = Nets::new(&[1, 2, 3], &[0.5, 1.0], CHECKED_WIDTH, 6);
    let states = nets.advance(gpu, cell, gate, wgsl, checks)?;
    let expected = nets.advance_in_f64(cell, gate);
    let what = format!("recurrent {} with gates of {}", cell.name(), gate.name());
    check::within(&what, &states, &expected, |index| 1e-4 * (1.0 + expected[index].abs()))
}
