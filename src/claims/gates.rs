//! Gates of recurrent nets: they are said to want sigmoid. Measured: what sigmoid costs there against ReLU, forward and backward, and over a thousand steps
//! whether the state stays bounded, and when it leaves f32.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::text::number;
use super::{Context, Experiment, Findings, Panel, check, count, over_seeds, to_f32};
use crate::activation::Activation;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Sequence, ShaderChecks};
use crate::reference;
use crate::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::stats::Estimate;
use crate::storage::Storage;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "gates",
    statement: "gates of LSTM and GRU want sigmoid: ReLU is unbounded above, which breaks what gates do",
    run,
};

/// Invocations of a workgroup, four units each.
const WORKGROUP: usize = 256;

/// Units of the recurrent nets.
const WIDTH: usize = 64;

/// Steps of the recurrent nets.
const STEPS: usize = 1000;

/// The recurrent weights are normal with this over the root of the width for a standard deviation: the radius that their eigenvalues fill.
const SCALES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// What gates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Sigmoid,
    Relu,
}

impl Gate {
    const BOTH: [Self; 2] = [Self::Sigmoid, Self::Relu];

    fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Relu => "ReLU",
        }
    }

    fn forward(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => reference::sigmoid(x),
            Self::Relu => reference::relu(x),
        }
    }

    fn backward(self, y: f64, dy: f64) -> f64 {
        match self {
            Self::Sigmoid => reference::sigmoid_from_y(y, dy),
            Self::Relu => reference::relu_backward(y, dy),
        }
    }

    /// The cells with these gates.
    fn wgsl(self) -> String {
        let (name, function, backward) = match self {
            Self::Sigmoid => ("sigmoid", "sigmoid_two_sided", "sigmoid_from_y"),
            Self::Relu => ("relu", "relu_plain", "relu_from_y"),
        };
        let glue = format!(
            "fn gate(x: T) -> T {{ return {function}(x); }}\nfn gate_backward(y: T, dy: T) -> T {{ return {backward}(y, dy); }}\n"
        );
        let activation = Activation::named(name).expect("in the table").wgsl;
        [Storage::F32.wgsl(), activation, &glue, include_str!("../../shaders/claims/cells.wgsl")].join("\n")
    }
}

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Lstm,
    Gru,
}

impl Cell {
    const BOTH: [Self; 2] = [Self::Lstm, Self::Gru];

    fn name(self) -> &'static str {
        match self {
            Self::Lstm => "LSTM",
            Self::Gru => "GRU",
        }
    }

    /// Planes that a forward pass keeps.
    fn kept(self) -> usize {
        match self {
            Self::Lstm => 5,
            Self::Gru => 3,
        }
    }

    fn drivers(self) -> [&'static str; 3] {
        match self {
            Self::Lstm => [
                include_str!("../../shaders/claims/lstm_forward.wgsl"),
                include_str!("../../shaders/claims/lstm_backward.wgsl"),
                include_str!("../../shaders/claims/recurrence_lstm.wgsl"),
            ],
            Self::Gru => [
                include_str!("../../shaders/claims/gru_forward.wgsl"),
                include_str!("../../shaders/claims/gru_backward.wgsl"),
                include_str!("../../shaders/claims/recurrence_gru.wgsl"),
            ],
        }
    }

    /// What a unit keeps, and its h, from its pre-activations and the state before: c of LSTM, h of GRU.
    #[expect(clippy::many_single_char_names, reason = "the papers' names")]
    fn forward(self, gate: Gate, a: [f64; 4], before: f64) -> (Vec<f64>, f64) {
        match self {
            Self::Lstm => {
                let [i, f, o] = [a[0], a[1], a[2]].map(|a| gate.forward(a));
                let g = a[3].tanh();
                let c = f * before + i * g;
                (vec![i, f, o, g, c], o * c.tanh())
            }
            Self::Gru => {
                let [z, r] = [a[0], a[1]].map(|a| gate.forward(a));
                let n = (a[2] + r * a[3]).tanh();
                (vec![z, r, n], (1.0 - z) * n + z * before)
            }
        }
    }

    /// The gradients in the pre-activations and in the state before, from those in h and (LSTM) in c.
    #[expect(clippy::many_single_char_names, reason = "the papers' names")]
    fn backward(self, gate: Gate, kept: &[f64], a: [f64; 4], before: f64, [dh, dc]: [f64; 2]) -> ([f64; 4], f64) {
        match self {
            Self::Lstm => {
                let [i, f, o, g, c] = [kept[0], kept[1], kept[2], kept[3], kept[4]];
                let d = dc + dh * o * (1.0 - c.tanh().powi(2));
                let of_gates = [(i, d * g), (f, d * before), (o, dh * c.tanh())].map(|(y, dy)| gate.backward(y, dy));
                ([of_gates[0], of_gates[1], of_gates[2], d * i * (1.0 - g * g)], d * f)
            }
            Self::Gru => {
                let [z, r, n] = [kept[0], kept[1], kept[2]];
                let d = dh * (1.0 - z) * (1.0 - n * n);
                let of_gates = [gate.backward(z, dh * (before - n)), gate.backward(r, d * a[3])];
                ([of_gates[0], of_gates[1], d, d * r], dh * z)
            }
        }
    }

    /// Bytes that a unit's forward and backward pass move: each tensor once.
    fn bytes(self) -> [f64; 2] {
        let planes = match self {
            // Pre-activations, c before; kept, h. Kept, c before, dh, dc; gradients of pre-activations and of c before.
            Self::Lstm => [4 + 1 + 5 + 1, 5 + 3 + 4 + 1],
            // Pre-activations, h before; kept, h. Kept, one pre-activation, h before, dh; gradients of pre-activations and of h before.
            Self::Gru => [4 + 1 + 3 + 1, 3 + 3 + 4 + 1],
        };
        planes.map(|planes: u32| 4.0 * f64::from(planes))
    }
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let (mut figures, mut plots) = (Vec::new(), Vec::new());
    let mut costs = Vec::new();
    for cell in Cell::BOTH {
        (context.progress)(&format!("{} cells, forward and backward", cell.name()));
        let cost = Cost::measured(context, cell)?;
        figures.extend(cost.figures());
        costs.push(cost);
    }
    let seeds = context.seeds(context.either(8, 32));
    let mut fates = Vec::new();
    for cell in Cell::BOTH {
        for gate in Gate::BOTH {
            (context.progress)(&format!("{} with gates of {} over {STEPS} steps", cell.name(), gate.name()));
            let of_scales = Fate::of(context.gpu, cell, gate, &seeds)?;
            figures.extend(of_scales.iter().flat_map(Fate::figures));
            fates.extend(of_scales);
        }
        plots.push(plot(cell, &fates));
    }
    // Sigmoid keeps every net in f32, and ReLU none, by cell and scale.
    let cases = |cell: Cell, scale: f64| {
        let of =
            |gate| fates.iter().find(|fate| (fate.cell, fate.gate, fate.scale) == (cell, gate, scale)).expect("each");
        of(Gate::Sigmoid).left.is_empty() && of(Gate::Relu).left.len() == seeds.len()
    };
    let cases: Vec<bool> = Cell::BOTH.into_iter().flat_map(|cell| SCALES.map(|scale| cases(cell, scale))).collect();
    Ok(Findings {
        outcome: Outcome::of(cases.iter().copied()),
        conclusion: conclusion(&costs, &fates, seeds.len()),
        seeds,
        figures,
        plots,
        notes: vec![
            format!(
                "The nets have {WIDTH} units; what drives their pre-activations is standard normal, the recurrent weights are normal with a standard deviation of \
                 scale / sqrt({WIDTH}), and the forget gate's bias is 1. Candidate and output keep tanh in both."
            ),
            "The state leaves f32 at the first step after which it is infinite or no number.".to_owned(),
        ],
    })
}

fn conclusion(costs: &[Cost], fates: &[Fate], seeds: usize) -> String {
    let bounded = fates.iter().filter(|fate| fate.gate == Gate::Sigmoid);
    let largest = bounded.clone().map(|fate| fate.largest.high).fold(0.0, f64::max);
    let left: usize = bounded.map(|fate| fate.left.len()).sum();
    let sigmoid = if left == 0 {
        format!("with sigmoid gates no state exceeds {}", number(largest))
    } else {
        format!("with sigmoid gates {left} nets leave f32")
    };
    let relu = |cell: Cell| {
        let of_cell = || fates.iter().filter(|fate| (fate.cell, fate.gate) == (cell, Gate::Relu));
        let name = cell.name();
        let all_left = of_cell().filter(|fate| fate.left.len() == seeds);
        let Some((fate, at)) = all_left.filter_map(|fate| Some((fate, fate.left_at()?))).next() else {
            return format!("at no scale every {name}");
        };
        let Estimate { median, low, high } = at;
        let below = of_cell().take_while(|other| other.scale < fate.scale).map(|fate| fate.largest.high);
        let below = match below.fold(0.0, f64::max) {
            0.0 => String::new(),
            below => format!(", below it states reach {}", number(below)),
        };
        format!(
            "from scale {} on every {name} (there after {median:.0} [{low:.0}, {high:.0}] steps{below})",
            fate.scale
        )
    };
    let cost = |cost: &Cost| {
        let [forward, backward] = &cost.passes;
        format!("{} {:.2} forward, {:.2} backward", cost.cell.name(), forward.ratio.median, backward.ratio.median)
    };
    format!(
        "recurrent weights are large: ReLU gates take out of f32 {}, and {}; {sigmoid} in {STEPS} steps of {seeds} seeds. Time of sigmoid : ReLU gates: {}",
        relu(Cell::Lstm),
        relu(Cell::Gru),
        costs.iter().map(cost).collect::<Vec<_>>().join(", ")
    )
}

/// A pointwise cell on the device, for a gate.
struct Pointwise {
    forward: Sequence,
    backward: Sequence,
}

/// The tensors of pointwise cells, and their inputs as they are on the host.
struct Tensors {
    units: usize,
    a: Vec<f32>,
    before: Vec<f32>,
    dh: Vec<f32>,
    dc: Vec<f32>,
    buffers: Buffers,
}

struct Buffers {
    a: Buffer,
    of_state: Buffer,
    before: Buffer,
    dh: Buffer,
    dc: Buffer,
    kept: Buffer,
    h: Buffer,
    da: Buffer,
    before_gradient: Buffer,
}

impl Tensors {
    /// Standard normal inputs for so many units, a multiple of four.
    fn new(gpu: &Gpu, cell: Cell, units: usize, seed: u64) -> Result<Self> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = |count: usize| -> Vec<f32> { (0..count).map(|_| random.sample(StandardNormal)).collect() };
        let (a, before, dh, dc) = (normal(4 * units), normal(units), normal(units), normal(units));
        let buffers = Buffers {
            a: gpu.buffer_of("pre-activations", &a)?,
            // Of GRU, the fourth plane of these by itself.
            of_state: gpu.buffer_of("pre-activations from the state", &a[3 * units..])?,
            before: gpu.buffer_of("state before", &before)?,
            dh: gpu.buffer_of("dh", &dh)?,
            dc: gpu.buffer_of("dc", &dc)?,
            kept: gpu.buffer("kept", cell.kept() * units)?,
            h: gpu.buffer("h", units)?,
            da: gpu.buffer("gradients of pre-activations", 4 * units)?,
            before_gradient: gpu.buffer("gradient of the state before", units)?,
        };
        Ok(Self { units, a, before, dh, dc, buffers })
    }

    /// The two passes with the text of their cells, which may be planted in tests.
    fn pointwise(&self, gpu: &Gpu, cell: Cell, gate: Gate, cells: &str, checks: ShaderChecks) -> Result<Pointwise> {
        let Buffers { a, of_state, before, dh, dc, kept, h, da, before_gradient } = &self.buffers;
        let glue = format!("const WORKGROUP_SIZE: u32 = {WORKGROUP}u;\n");
        let words = self.units / 4;
        let pass = |index: usize, buffers: &[&Buffer]| {
            let path = format!("{}/{}/{}", cell.name(), gate.name(), ["forward", "backward"][index]);
            let wgsl = [&glue, cells, cell.drivers()[index]].join("\n");
            let program = gpu.program(&path, &wgsl, &[], checks)?;
            let step = gpu.step(&program, buffers, &[count(words)], [count(words.div_ceil(WORKGROUP)), 1, 1])?;
            Ok(Sequence::new(path, vec![step]))
        };
        let backward: [&Buffer; 6] = match cell {
            Cell::Lstm => [da, before_gradient, kept, before, dh, dc],
            Cell::Gru => [da, before_gradient, kept, of_state, before, dh],
        };
        Ok(Pointwise { forward: pass(0, &[kept, h, a, before])?, backward: pass(1, &backward)? })
    }

    /// Runs forward and backward and compares the first units and the last with f64, each tensor within so much of what its terms may be.
    fn check(&self, gpu: &Gpu, cell: Cell, gate: Gate, pointwise: &Pointwise) -> Result<()> {
        gpu.run_sequence(&pointwise.forward, 1)?;
        gpu.run_sequence(&pointwise.backward, 1)?;
        let load = |buffer: &Buffer| gpu.load::<f32>(buffer);
        let (kept, h) = (load(&self.buffers.kept)?, load(&self.buffers.h)?);
        let (da, before_gradient) = (load(&self.buffers.da)?, load(&self.buffers.before_gradient)?);
        let n = self.units;
        let (first, last) = (0..n.min(CHECKED), n.saturating_sub(CHECKED).max(CHECKED.min(n))..n);
        let (mut actual, mut expected, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
        for unit in first.chain(last) {
            let plane = |tensor: &[f32], plane: usize| f64::from(tensor[plane * n + unit]);
            let a = [0, 1, 2, 3].map(|index| plane(&self.a, index));
            let (before, dh, dc) = (plane(&self.before, 0), plane(&self.dh, 0), plane(&self.dc, 0));
            let (own_kept, own_h) = cell.forward(gate, a, before);
            let (own_da, own_before) = cell.backward(gate, &own_kept, a, before, [dh, dc]);
            // A value is a sum of a few products of these, each factor of which is off by some ULP: exp's 3 + 2|x|, quotients, roundings.
            let sizes = a.iter().chain([&before]).map(|value| 1.0 + value.abs());
            let forward = 16.0 * f64::from(f32::EPSILON) * sizes.product::<f64>();
            let backward = forward * (1.0 + dh.abs() + dc.abs());
            for (index, value) in own_kept.iter().enumerate() {
                actual.push(kept[index * n + unit]);
                expected.push(*value);
                bounds.push(forward);
            }
            actual.extend([h[unit], da[unit], da[n + unit], da[2 * n + unit], da[3 * n + unit], before_gradient[unit]]);
            expected.extend([own_h].into_iter().chain(own_da).chain([own_before]));
            bounds.extend([forward].into_iter().chain([backward; 5]));
        }
        let what = format!("{} cells with gates of {}", cell.name(), gate.name());
        check::within(&what, &actual, &expected, |index| bounds[index])
    }
}

/// Units that are compared before they are timed, at either end.
const CHECKED: usize = 4096;

/// What the passes of a cell take, by gate.
struct Cost {
    cell: Cell,
    units: usize,
    passes: [Pass; 2],
}

struct Pass {
    /// By gate, in ns.
    ns: [Estimate; 2],
    /// Sigmoid over ReLU.
    ratio: Estimate,
}

impl Cost {
    fn measured(context: &Context<'_>, cell: Cell) -> Result<Self> {
        let gpu = context.gpu;
        let units: usize = if gpu.facts.is_software { 1 << 18 } else { 1 << 22 };
        let tensors = Tensors::new(gpu, cell, units, context.seed)?;
        let mut pointwise = Vec::new();
        for gate in Gate::BOTH {
            let passes = tensors.pointwise(gpu, cell, gate, &gate.wgsl(), ShaderChecks::Trusted)?;
            tensors.check(gpu, cell, gate, &passes)?;
            pointwise.push(passes);
        }
        // What is kept stems from ReLU now, for both: it takes no less time to read.
        let panel = |pass: fn(&Pointwise) -> &Sequence| {
            let panel = Panel::timed(context, &[pass(&pointwise[0]), pass(&pointwise[1])])?;
            Ok::<_, crate::error::Error>(Pass { ns: [panel.ns(0), panel.ns(1)], ratio: panel.over(0, 1) })
        };
        Ok(Self { cell, units, passes: [panel(|cell| &cell.forward)?, panel(|cell| &cell.backward)?] })
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for ((pass, name), bytes) in self.passes.iter().zip(["forward", "backward"]).zip(self.cell.bytes()) {
            let cell = self.cell.name();
            for (gate, ns) in Gate::BOTH.into_iter().zip(pass.ns) {
                #[expect(clippy::cast_precision_loss, reason = "2^22 at most")]
                let bytes_in_all = bytes * self.units as f64;
                let Estimate { median, low, high } = ns;
                let rate =
                    Estimate { median: bytes_in_all / median, low: bytes_in_all / high, high: bytes_in_all / low };
                figures.push(
                    Figure::estimated(format!("{cell} {name}, {}: throughput", gate.name()), "GB/s", rate)
                        .noted(format!("{bytes} bytes a unit")),
                );
            }
            figures.push(Figure::estimated(format!("{cell} {name}: time of sigmoid : ReLU"), "x", pass.ratio));
        }
        figures
    }
}

/// What became of the nets of a cell, a gate and a scale.
struct Fate {
    cell: Cell,
    gate: Gate,
    scale: f64,
    nets: usize,
    /// The largest state, by seed, up to where it left f32.
    largest: Estimate,
    /// By seed of those that left, after how many steps.
    left: Vec<f64>,
    /// By step, the largest state, its median over seeds and its range; none once the median net has left.
    course: Vec<Estimate>,
}

impl Fate {
    /// That of every scale.
    fn of(gpu: &Gpu, cell: Cell, gate: Gate, seeds: &[u64]) -> Result<Vec<Self>> {
        check_recurrence(gpu, cell, gate, &recurrence(cell, gate, CHECKED_WIDTH), ShaderChecks::Trusted)?;
        let nets = Nets::new(seeds, &SCALES, WIDTH, STEPS);
        let states = nets.advance(gpu, cell, gate, &recurrence(cell, gate, WIDTH), ShaderChecks::Trusted)?;
        let of_scale = |(index, scale): (usize, &f64)| {
            let courses: Vec<Vec<f64>> =
                (0..seeds.len()).map(|seed| nets.course(&states, seed * SCALES.len() + index)).collect();
            Self::from_courses(cell, gate, *scale, &courses)
        };
        Ok(SCALES.iter().enumerate().map(of_scale).collect())
    }

    /// From the largest state by step of each net; infinite or NaN once it has left f32.
    fn from_courses(cell: Cell, gate: Gate, scale: f64, courses: &[Vec<f64>]) -> Self {
        let steps = courses.iter().map(Vec::len).max().unwrap_or(0);
        let finite = |course: &Vec<f64>| course.iter().copied().take_while(|size| size.is_finite()).fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a thousand steps")]
        let left = |course: &Vec<f64>| course.iter().position(|size| !size.is_finite()).map(|step| (step + 1) as f64);
        // Larger than all, since a median can't be taken of infinities.
        let size_at = |course: &Vec<f64>, step: usize| {
            if course[..=step].iter().all(|size| size.is_finite()) { course[step] } else { f64::MAX }
        };
        let of_step = |step: usize| {
            let sizes: Vec<f64> = courses.iter().map(|course| size_at(course, step)).collect();
            let shown = |size: f64| if size == f64::MAX { f64::INFINITY } else { size };
            let Estimate { median, low, high } = over_seeds(&sizes)?;
            Some(Estimate { median: shown(median), low: shown(low), high: shown(high) })
        };
        let nothing = Estimate { median: f64::NAN, low: f64::NAN, high: f64::NAN };
        Self {
            cell,
            gate,
            scale,
            nets: courses.len(),
            largest: over_seeds(&courses.iter().map(finite).collect::<Vec<_>>()).unwrap_or(nothing),
            left: courses.iter().filter_map(left).collect(),
            course: (0..steps).filter_map(of_step).collect(),
        }
    }

    /// After how many steps the nets that left did so.
    fn left_at(&self) -> Option<Estimate> {
        over_seeds(&self.left)
    }

    fn figures(&self) -> Vec<Figure> {
        let Self { cell, gate, scale, nets, largest, left, .. } = self;
        let name = |what: &str| format!("{}, {}, scale {scale}: {what}", cell.name(), gate.name());
        let leave = match left.len() {
            0 => format!("none of {nets} leaves f32"),
            left => format!("{left} of {nets} leave f32"),
        };
        let largest = Figure::estimated(name("largest state"), "", *largest).noted(leave);
        let at = self.left_at().map(|at| Figure::estimated(name("steps until it leaves f32"), "", at));
        [largest].into_iter().chain(at).collect()
    }
}

/// Recurrent nets: of each seed one of each scale, driven by the same numbers.
struct Nets {
    count: usize,
    per_drive: usize,
    width: usize,
    steps: usize,
    /// By net, the unit before, the unit, the pre-activation.
    weights: Vec<f32>,
    /// By seed, step, unit, the pre-activation.
    drives: Vec<f32>,
}

impl Nets {
    fn new(seeds: &[u64], scales: &[f64], width: usize, steps: usize) -> Self {
        let (mut weights, mut drives) = (Vec::new(), Vec::new());
        #[expect(clippy::cast_precision_loss, reason = "a few units")]
        let root = (width as f64).sqrt();
        for seed in seeds {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(*seed);
            let mut normal = |count: usize| -> Vec<f64> { (0..count).map(|_| random.sample(StandardNormal)).collect() };
            let of_seed = normal(width * width * 4);
            for scale in scales {
                weights.extend(of_seed.iter().map(|weight| to_f32(weight * scale / root)));
            }
            // The forget gate's bias of 1 stands in its drive; GRU's second gate resets, and has none.
            drives.extend(normal(steps * width * 4).into_iter().map(to_f32));
        }
        Self { count: seeds.len() * scales.len(), per_drive: scales.len(), width, steps, weights, drives }
    }

    /// c and h by net, step and unit, computed on the device.
    fn advance(&self, gpu: &Gpu, cell: Cell, gate: Gate, wgsl: &str, checks: ShaderChecks) -> Result<Vec<f32>> {
        let drives = self.drives_of(cell);
        let (weights, drives) = (gpu.buffer_of("weights", &self.weights)?, gpu.buffer_of("drives", &drives)?);
        let states = gpu.buffer("states", self.count * self.steps * self.width * 2)?;
        let path = format!("{}/{}/recurrence", cell.name(), gate.name());
        let program = gpu.program(&path, wgsl, &[], checks)?;
        let params = [count(self.steps), count(self.per_drive)];
        let step = gpu.step(&program, &[&states, &weights, &drives], &params, [count(self.count), 1, 1])?;
        gpu.run_sequence(&Sequence::new(path, vec![step]), 1)?;
        gpu.load(&states)
    }

    /// The drives with the cell's biases.
    fn drives_of(&self, cell: Cell) -> Vec<f32> {
        let bias = |index: usize| if cell == Cell::Lstm && index % 4 == 1 { 1.0 } else { 0.0 };
        self.drives.iter().enumerate().map(|(index, drive)| drive + bias(index)).collect()
    }

    /// The same in f64.
    fn advance_in_f64(&self, cell: Cell, gate: Gate) -> Vec<f64> {
        let Self { width, steps, .. } = *self;
        let drives = self.drives_of(cell);
        let mut states = Vec::new();
        for net in 0..self.count {
            let weights = &self.weights[net * width * width * 4..];
            let drives = &drives[net / self.per_drive * steps * width * 4..];
            let (mut c, mut h) = (vec![0.0; width], vec![0.0; width]);
            for step in 0..steps {
                let of_state = |unit: usize, which: usize| -> f64 {
                    (0..width).map(|other| f64::from(weights[(other * width + unit) * 4 + which]) * h[other]).sum()
                };
                let units = (0..width).map(|unit| {
                    let drive = |which: usize| f64::from(drives[(step * width + unit) * 4 + which]);
                    let sum = |which: usize| drive(which) + of_state(unit, which);
                    match cell {
                        Cell::Lstm => {
                            let (kept, h) = cell.forward(gate, [sum(0), sum(1), sum(2), sum(3)], c[unit]);
                            (kept[4], h)
                        }
                        Cell::Gru => {
                            let (_, h) = cell.forward(gate, [sum(0), sum(1), drive(2), of_state(unit, 2)], h[unit]);
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
    fn course(&self, states: &[f32], net: usize) -> Vec<f64> {
        let of_step = self.width * 2;
        let of_net = &states[net * self.steps * of_step..][..self.steps * of_step];
        let largest = |step: &[f32]| {
            let sizes = step.iter().map(|state| f64::from(state.abs()));
            // f64::max would pass NaN over.
            sizes.fold(0.0, |largest, size| if size.is_nan() || size > largest { size } else { largest })
        };
        of_net.chunks_exact(of_step).map(largest).collect()
    }
}

/// The text of recurrent nets of so many units.
fn recurrence(cell: Cell, gate: Gate, width: usize) -> String {
    let glue = format!("const WIDTH: u32 = {width}u;\n");
    let recurrence = include_str!("../../shaders/claims/recurrence.wgsl");
    [&gate.wgsl(), &glue, recurrence, cell.drivers()[2]].join("\n")
}

const CHECKED_WIDTH: usize = 12;

/// Compares a few steps of a few small nets with f64: more would compare how errors grow, which is the nets' own doing.
fn check_recurrence(gpu: &Gpu, cell: Cell, gate: Gate, wgsl: &str, checks: ShaderChecks) -> Result<()> {
    let nets = Nets::new(&[1, 2, 3], &[0.5, 1.0], CHECKED_WIDTH, 6);
    let states = nets.advance(gpu, cell, gate, wgsl, checks)?;
    let expected = nets.advance_in_f64(cell, gate);
    let what = format!("recurrent {} with gates of {}", cell.name(), gate.name());
    check::within(&what, &states, &expected, |index| 1e-4 * (1.0 + expected[index].abs()))
}

fn plot(cell: Cell, fates: &[Fate]) -> Plot {
    // One point in ten.
    let line = |fate: &Fate| Series {
        label: format!("{} gates, scale {}", fate.gate.name(), fate.scale),
        points: (fate.course.iter().enumerate().step_by(10))
            .map(|(step, size)| {
                #[expect(clippy::cast_precision_loss, reason = "a thousand steps")]
                let step = (step + 1) as f64;
                Point::estimated(step, Some(*size))
            })
            .collect(),
    };
    Plot {
        title: format!(
            "Largest state of {} over steps: where there is no point, the median net has left f32",
            cell.name()
        ),
        x: Axis::linear("step"),
        y: Axis::log10("largest |c| or |h|"),
        series: fates.iter().filter(|fate| fate.cell == cell).map(line).collect(),
    }
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
    fn cells_give_what_is_known() {
        // All pre-activations 0: gates of 1/2, a candidate of 0.
        let (kept, h) = Cell::Lstm.forward(Gate::Sigmoid, [0.0; 4], 2.0);
        assert_eq!((kept, h), (vec![0.5, 0.5, 0.5, 0.0, 1.0], 0.5 * 1.0_f64.tanh()));
        let (kept, h) = Cell::Gru.forward(Gate::Sigmoid, [0.0; 4], 2.0);
        assert_eq!((kept, h), (vec![0.5, 0.5, 0.0], 1.0));
        // Closed gates of ReLU forget everything, and open ones multiply.
        assert_eq!(Cell::Lstm.forward(Gate::Relu, [-1.0, -1.0, -1.0, 3.0], 2.0).1, 0.0);
        let (kept, _) = Cell::Lstm.forward(Gate::Relu, [0.0, 3.0, 1.0, 0.0], 2.0);
        assert_eq!(kept[4], 6.0);
        assert_eq!(Cell::Gru.forward(Gate::Relu, [3.0, 0.0, 0.0, 0.0], 2.0).1, 6.0);
    }

    #[test]
    fn gradients_are_slopes() {
        // loss = dh h + dc c, by central differences in every input.
        let (dh, dc) = (0.7, -0.4);
        for cell in Cell::BOTH {
            for gate in Gate::BOTH {
                for (a, before) in
                    [([0.3, 1.1, 0.8, -0.6], 0.9), ([-0.4, 0.6, 1.5, 0.2], -1.3), ([2.0, -1.0, 0.5, 1.0], 0.4)]
                {
                    let loss = |a: [f64; 4], before: f64| {
                        let (kept, h) = cell.forward(gate, a, before);
                        dh * h + if cell == Cell::Lstm { dc * kept[4] } else { 0.0 }
                    };
                    let (kept, _) = cell.forward(gate, a, before);
                    let (da, of_before) = cell.backward(gate, &kept, a, before, [dh, dc]);
                    let step = 1e-6;
                    for index in 0..4 {
                        let moved = |by: f64| {
                            let mut a = a;
                            a[index] += by;
                            loss(a, before)
                        };
                        let slope = (moved(step) - moved(-step)) / (2.0 * step);
                        assert!((da[index] - slope).abs() < 1e-8, "{cell:?} {gate:?} {index}: {} {slope}", da[index]);
                    }
                    let slope = (loss(a, before + step) - loss(a, before - step)) / (2.0 * step);
                    assert!((of_before - slope).abs() < 1e-8, "{cell:?} {gate:?}: {of_before} {slope}");
                }
            }
        }
    }

    #[test]
    fn cells_on_the_adapter_are_those_in_f64() {
        let gpu = gpu();
        for cell in Cell::BOTH {
            for gate in Gate::BOTH {
                // Less than a workgroup's units, and some more than two.
                for units in [4, 2 * 4 * WORKGROUP + 20] {
                    let tensors = Tensors::new(&gpu, cell, units, 11).expect("room");
                    let passes =
                        tensors.pointwise(&gpu, cell, gate, &gate.wgsl(), ShaderChecks::Trusted).expect("it compiles");
                    tensors.check(&gpu, cell, gate, &passes).expect("right");
                }
                check_recurrence(&gpu, cell, gate, &recurrence(cell, gate, CHECKED_WIDTH), ShaderChecks::Trusted)
                    .expect("right");
            }
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (cell, gate, find, replace) in [
            (Cell::Lstm, Gate::Sigmoid, "f * c + i * g", "f * c + g"),
            (Cell::Lstm, Gate::Relu, "o * squash(next)", "o * next"),
            (Cell::Lstm, Gate::Sigmoid, "select(-y, y, x >= T(0.0))", "y"),
            (Cell::Lstm, Gate::Sigmoid, "T(1.0) - of_c * of_c", "T(1.0) - of_c"),
            (Cell::Lstm, Gate::Relu, "dh * of_c)", "dh * kept.c)"),
            (Cell::Lstm, Gate::Sigmoid, "d * kept.forget", "d * kept.input"),
            (Cell::Lstm, Gate::Relu, "relu_from_y(y, dy)", "dy"),
            (Cell::Lstm, Gate::Sigmoid, "T(-2.0) * abs(x)", "T(-2.001) * abs(x)"),
            (Cell::Gru, Gate::Sigmoid, "(T(1.0) - z) * n + z * h", "z * n + (T(1.0) - z) * h"),
            (Cell::Gru, Gate::Relu, "of_input + r * of_state", "of_input + of_state"),
            (Cell::Gru, Gate::Sigmoid, "before - kept.candidate", "kept.candidate - before"),
            (Cell::Gru, Gate::Relu, "d * kept.reset", "d"),
            (Cell::Gru, Gate::Sigmoid, "dh * kept.update,", "dh,"),
        ] {
            let own = gate.wgsl();
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let tensors = Tensors::new(&gpu, cell, 256, 11).expect("room");
            let passes = tensors.pointwise(&gpu, cell, gate, &planted, ShaderChecks::Checked).expect("it compiles");
            let error = tensors.check(&gpu, cell, gate, &passes).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
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
            let own = recurrence(cell, Gate::Sigmoid, CHECKED_WIDTH);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let error = check_recurrence(&gpu, cell, Gate::Sigmoid, &planted, ShaderChecks::Checked).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn bytes_are_those_of_the_tensors() {
        let gpu = gpu();
        for cell in Cell::BOTH {
            let units = 64;
            let buffers = Tensors::new(&gpu, cell, units, 1).expect("room").buffers;
            let bytes = |buffers: &[&Buffer]| {
                #[expect(clippy::cast_precision_loss, reason = "a few kilobytes")]
                let bytes = buffers.iter().map(|buffer| 4 * buffer.words).sum::<usize>() as f64;
                bytes / 64.0
            };
            let Buffers { a, of_state, before, dh, dc, kept, h, da, before_gradient } = &buffers;
            let backward = match cell {
                Cell::Lstm => bytes(&[kept, before, dh, dc, da, before_gradient]),
                Cell::Gru => bytes(&[kept, of_state, before, dh, da, before_gradient]),
            };
            assert_eq!(cell.bytes(), [bytes(&[a, before, kept, h]), backward], "{cell:?}");
        }
    }

    #[test]
    fn what_leaves_f32_is_counted_and_not_dropped() {
        let courses = [
            vec![1.0, 2.0, f64::INFINITY, f64::NAN],
            vec![1.0, 3.0, 9.0, 27.0],
            vec![1.0, f64::NAN, 1.0, f64::INFINITY],
        ];
        let fate = Fate::from_courses(Cell::Gru, Gate::Relu, 1.0, &courses);
        assert_eq!(fate.left, [3.0, 2.0]);
        assert_eq!(fate.largest, Estimate { median: 2.0, low: 1.0, high: 27.0 });
        assert_eq!(fate.left_at(), Some(Estimate { median: 2.5, low: 2.0, high: 3.0 }));
        let medians: Vec<f64> = fate.course.iter().map(|size| size.median).collect();
        assert_eq!(medians, [1.0, 3.0, f64::INFINITY, f64::INFINITY]);
    }

    #[test]
    fn the_same_seed_gives_the_same_states() {
        let gpu = gpu();
        let states = || {
            let nets = Nets::new(&[5], &[2.0], WIDTH, 50);
            let wgsl = recurrence(Cell::Lstm, Gate::Relu, WIDTH);
            let states = nets.advance(&gpu, Cell::Lstm, Gate::Relu, &wgsl, ShaderChecks::Trusted);
            states.expect("it runs").into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(states(), states());
    }

    #[test]
    fn sigmoid_keeps_the_state_in_bounds_and_relu_does_not() {
        let gpu = gpu();
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        let figure = |name: &str| {
            claim
                .figures
                .iter()
                .find(|figure| figure.name == name)
                .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
        };
        for scale in SCALES {
            // A convex combination of numbers within 1.
            let gru = figure(&format!("GRU, sigmoid, scale {scale}: largest state"));
            assert!(gru.high.is_some_and(|high| high <= 1.0), "{gru:?}");
            // c grows by 1 a step at most.
            let lstm = figure(&format!("LSTM, sigmoid, scale {scale}: largest state"));
            assert!(lstm.high.is_some_and(|high| high <= 1000.0), "{lstm:?}");
            for state in [gru, lstm] {
                assert_eq!(state.note.as_deref(), Some("none of 8 leaves f32"));
            }
        }
        assert!(figure("GRU, ReLU, scale 4: steps until it leaves f32").value.is_some_and(|steps| steps < 1000.0));
    }
}
