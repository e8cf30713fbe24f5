//! Gates of recurrent nets: they are said to want sigmoid. Measured: what sigmoid costs there
//! against ReLU, forward and backward, and over a thousand steps whether the state stays bounded,
//! and when it leaves f32.

mod pointwise;
mod recurrent;

use self::pointwise::Cost;
use self::recurrent::Fate;
use super::shallow::Function;
use super::{Context, Experiment, Findings, as_f64};
use crate::claims::report::{Axis, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::render::numbers::{number, ratio};

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "gates",
    statement: "gates of LSTM and GRU want sigmoid: ReLU is unbounded above, which breaks what gates do",
    run,
};

/// Units of the recurrent nets.
const WIDTH: usize = 64;

/// Steps of the recurrent nets.
const STEPS: usize = 1000;

/// The recurrent weights are normal with this over the root of the width for a standard deviation:
/// the radius that their eigenvalues fill.
const SCALES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// The cells with gates of a function.
fn wgsl(gate: Function) -> String {
    [Dtype::F32.wgsl(), &gate.wgsl("gate"), include_str!("../../shaders/claims/cells.wgsl")]
        .join("\n")
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

    /// What a unit keeps, and its h, from its pre-activations and the state before: c of LSTM, h of
    /// GRU.
    #[expect(clippy::many_single_char_names, reason = "the papers' names")]
    fn forward(self, gate: Function, a: [f64; 4], before: f64) -> (Vec<f64>, f64) {
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

    /// The gradients in the pre-activations and in the state before, from those in h and (LSTM) in
    /// c.
    #[expect(clippy::many_single_char_names, reason = "the papers' names")]
    fn backward(
        self,
        gate: Function,
        kept: &[f64],
        a: [f64; 4],
        before: f64,
        [dh, dc]: [f64; 2],
    ) -> ([f64; 4], f64) {
        match self {
            Self::Lstm => {
                let [i, f, o, g, c] = [kept[0], kept[1], kept[2], kept[3], kept[4]];
                let d = dc + dh * o * (1.0 - c.tanh().powi(2));
                let of_gates = [(i, d * g), (f, d * before), (o, dh * c.tanh())]
                    .map(|(y, dy)| gate.backward(y, dy));
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
            // Pre-activations, c before; kept, h. Kept, c before, dh, dc; gradients of
            // pre-activations and of c before.
            Self::Lstm => [4 + 1 + 5 + 1, 5 + 3 + 4 + 1],
            // Pre-activations, h before; kept, h. Kept, one pre-activation, h before, dh; gradients
            // of pre-activations and of h before.
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
        for gate in Function::BOTH {
            (context.progress)(&format!(
                "{} with gates of {} over {STEPS} steps",
                cell.name(),
                gate.name()
            ));
            let of_scales = Fate::of(context.gpu, cell, gate, &seeds)?;
            figures.extend(of_scales.iter().flat_map(Fate::figures));
            fates.extend(of_scales);
        }
        plots.push(plot(cell, &fates));
    }
    let outcome = outcome(&fates);
    Ok(Findings {
        outcome,
        conclusion: conclusion(&costs, &fates, outcome),
        seeds,
        figures,
        plots,
        notes: vec![
            format!(
                "The nets have {WIDTH} units; what drives their pre-activations is standard normal, the recurrent weights are normal with a standard deviation of \
                 scale / sqrt({WIDTH}), and the forget gate's bias is 1. Candidate and output keep tanh in both."
            ),
            "The state leaves f32 at the first step after which it is infinite or no number."
                .to_owned(),
        ],
    })
}

/// By scale, whether every net of a cell stays in f32 with sigmoid, and none with ReLU.
fn cases(fates: &[Fate], cell: Cell) -> Vec<bool> {
    let of = |gate: Function, scale: f64| {
        fates
            .iter()
            .find(|fate| (fate.cell, fate.gate, fate.scale) == (cell, gate, scale))
            .expect("each")
    };
    let holds = |scale: &f64| {
        let [sigmoid, relu] = Function::BOTH.map(|gate| of(gate, *scale));
        sigmoid.left.is_empty() && relu.left.len() == relu.nets
    };
    SCALES.iter().map(holds).collect()
}

/// The first of the scales of a cell from which on the claim holds at every one; none if at the
/// largest it does not.
fn from_scale(fates: &[Fate], cell: Cell) -> Option<usize> {
    let holds = cases(fates, cell);
    let count = holds.iter().rev().take_while(|holds| **holds).count();
    (count > 0).then(|| SCALES.len() - count)
}

/// Where the claim holds for a cell, when the nets leave there, and how many do elsewhere.
fn told(fates: &[Fate], cell: Cell) -> String {
    let relu: Vec<&Fate> =
        fates.iter().filter(|fate| (fate.cell, fate.gate) == (cell, Function::Relu)).collect();
    let first = from_scale(fates, cell);
    let (rest, own) = relu.split_at(first.unwrap_or(relu.len()));
    let place = match first {
        None => "at no scale and those above it".to_owned(),
        Some(0) => "at every scale".to_owned(),
        Some(first) => format!("from scale {} on", SCALES[first]),
    };
    let at = own.first().and_then(|fate| fate.left_at()).map(|Estimate { median, low, high }| {
        format!("at {} after {median:.0} [{low:.0}, {high:.0}] steps", own[0].scale)
    });
    let counts =
        rest.iter().map(|fate| format!("{} of {} at {}", fate.left.len(), fate.nets, fate.scale));
    let counts: Vec<String> = counts.collect();
    let elsewhere = (!counts.is_empty()).then(|| {
        let largest = rest.iter().map(|fate| fate.largest.high).fold(0.0, f64::max);
        format!(
            "{}{} leave and states reach {}",
            if first.is_some() { "below, " } else { "" },
            counts.join(", "),
            number(largest)
        )
    });
    let details: Vec<String> = at.into_iter().chain(elsewhere).collect();
    format!("{} {place} ({})", cell.name(), details.join("; "))
}

fn conclusion(costs: &[Cost], fates: &[Fate], outcome: Outcome) -> String {
    let bounded = fates.iter().filter(|fate| fate.gate == Function::Sigmoid);
    let largest = bounded.clone().map(|fate| fate.largest.high).fold(0.0, f64::max);
    let left: usize = bounded.map(|fate| fate.left.len()).sum();
    let sigmoid = if left == 0 {
        format!("with sigmoid gates no state exceeds {}", number(largest))
    } else {
        format!("with sigmoid gates {left} nets leave f32")
    };
    let has_condition = outcome == Outcome::HoldsOnlyWhen;
    let condition = if has_condition { "recurrent weights are large: " } else { "" };
    let cost = |cost: &Cost| {
        let [forward, backward] = &cost.passes;
        format!(
            "{} {} forward, {} backward",
            cost.cell.name(),
            ratio(forward.ratio),
            ratio(backward.ratio)
        )
    };
    format!(
        "{condition}every net leaves f32 with ReLU gates and none with sigmoid's for {}, and for {}; {sigmoid} in {STEPS} steps. Time of sigmoid : ReLU gates: {}",
        told(fates, Cell::Lstm),
        told(fates, Cell::Gru),
        costs.iter().map(cost).collect::<Vec<_>>().join(", ")
    )
}

/// All cells and scales; some of them only if they are all scales from one on.
fn outcome(fates: &[Fate]) -> Outcome {
    match Outcome::of(Cell::BOTH.into_iter().flat_map(|cell| cases(fates, cell))) {
        Outcome::HoldsOnlyWhen
            if Cell::BOTH.iter().all(|cell| from_scale(fates, *cell).is_none()) =>
        {
            Outcome::DoesNotHold
        }
        outcome => outcome,
    }
}

fn plot(cell: Cell, fates: &[Fate]) -> Plot {
    // One point in ten.
    let line = |fate: &Fate| Series {
        label: format!("{} gates, scale {}", fate.gate.name(), fate.scale),
        points: (fate.course.iter().enumerate().step_by(10))
            .map(|(step, size)| Point::estimated(as_f64(step + 1), Some(*size)))
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
    use super::pointwise::{Buffers, Tensors, WORKGROUP};
    use super::recurrent::{CHECKED_WIDTH, Nets, check_recurrence, recurrence};
    use super::*;
    use crate::claims::Extent;
    use crate::error::Error;
    use crate::gpu::{Buffer, Choice, Gpu, ShaderChecks};
    use crate::report::Status;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn cells_give_what_is_known() {
        // All pre-activations 0: gates of 1/2, a candidate of 0.
        let (kept, h) = Cell::Lstm.forward(Function::Sigmoid, [0.0; 4], 2.0);
        assert_eq!((kept, h), (vec![0.5, 0.5, 0.5, 0.0, 1.0], 0.5 * 1.0_f64.tanh()));
        let (kept, h) = Cell::Gru.forward(Function::Sigmoid, [0.0; 4], 2.0);
        assert_eq!((kept, h), (vec![0.5, 0.5, 0.0], 1.0));
        // Closed gates of ReLU forget everything, and open ones multiply.
        assert_eq!(Cell::Lstm.forward(Function::Relu, [-1.0, -1.0, -1.0, 3.0], 2.0).1, 0.0);
        let (kept, _) = Cell::Lstm.forward(Function::Relu, [0.0, 3.0, 1.0, 0.0], 2.0);
        assert_eq!(kept[4], 6.0);
        assert_eq!(Cell::Gru.forward(Function::Relu, [3.0, 0.0, 0.0, 0.0], 2.0).1, 6.0);
    }

    #[test]
    fn gradients_are_slopes() {
        // loss = dh h + dc c, by central differences in every input.
        let (dh, dc) = (0.7, -0.4);
        for cell in Cell::BOTH {
            for gate in Function::BOTH {
                for (a, before) in [
                    ([0.3, 1.1, 0.8, -0.6], 0.9),
                    ([-0.4, 0.6, 1.5, 0.2], -1.3),
                    ([2.0, -1.0, 0.5, 1.0], 0.4),
                ] {
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
                        assert!(
                            (da[index] - slope).abs() < 1e-8,
                            "{cell:?} {gate:?} {index}: {} {slope}",
                            da[index]
                        );
                    }
                    let slope = (loss(a, before + step) - loss(a, before - step)) / (2.0 * step);
                    assert!(
                        (of_before - slope).abs() < 1e-8,
                        "{cell:?} {gate:?}: {of_before} {slope}"
                    );
                }
            }
        }
    }

    #[test]
    fn cells_on_the_adapter_are_those_in_f64() {
        let gpu = gpu();
        for cell in Cell::BOTH {
            for gate in Function::BOTH {
                // Less than a workgroup's units, and some more than two.
                for units in [4, 2 * 4 * WORKGROUP + 20] {
                    let tensors = Tensors::new(&gpu, cell, units, 11).expect("room");
                    let passes = tensors
                        .pointwise(&gpu, cell, gate, &wgsl(gate), ShaderChecks::Trusted)
                        .expect("it compiles");
                    tensors.check(&gpu, cell, gate, &passes).expect("right");
                }
                check_recurrence(
                    &gpu,
                    cell,
                    gate,
                    &recurrence(cell, gate, CHECKED_WIDTH),
                    ShaderChecks::Trusted,
                )
                .expect("right");
            }
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (cell, gate, find, replace) in [
            (Cell::Lstm, Function::Sigmoid, "f * c + i * g", "f * c + g"),
            (Cell::Lstm, Function::Relu, "o * squash(next)", "o * next"),
            (Cell::Lstm, Function::Sigmoid, "select(-y, y, x >= T(0.0))", "y"),
            (Cell::Lstm, Function::Sigmoid, "T(1.0) - of_c * of_c", "T(1.0) - of_c"),
            (Cell::Lstm, Function::Relu, "dh * of_c)", "dh * kept.c)"),
            (Cell::Lstm, Function::Sigmoid, "d * kept.forget", "d * kept.input"),
            (Cell::Lstm, Function::Relu, "{ return relu_from_y(saved, dy); }", "{ return dy; }"),
            (Cell::Lstm, Function::Sigmoid, "T(-2.0) * abs(x)", "T(-2.001) * abs(x)"),
            (Cell::Gru, Function::Sigmoid, "(T(1.0) - z) * n + z * h", "z * n + (T(1.0) - z) * h"),
            (Cell::Gru, Function::Relu, "of_input + r * of_state", "of_input + of_state"),
            (Cell::Gru, Function::Sigmoid, "before - kept.candidate", "kept.candidate - before"),
            (Cell::Gru, Function::Relu, "d * kept.reset", "d"),
            (Cell::Gru, Function::Sigmoid, "dh * kept.update,", "dh,"),
        ] {
            let own = wgsl(gate);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let tensors = Tensors::new(&gpu, cell, 256, 11).expect("room");
            let passes = tensors
                .pointwise(&gpu, cell, gate, &planted, ShaderChecks::Checked)
                .expect("it compiles");
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
            let own = recurrence(cell, Function::Sigmoid, CHECKED_WIDTH);
            let planted = own.replacen(find, replace, 1);
            assert_ne!(own, planted, "{find}");
            let error =
                check_recurrence(&gpu, cell, Function::Sigmoid, &planted, ShaderChecks::Checked)
                    .err();
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
        let fate = Fate::from_courses(Cell::Gru, Function::Relu, 1.0, &courses);
        assert_eq!(fate.left, [3.0, 2.0]);
        assert_eq!(fate.largest, Estimate { median: 2.0, low: 1.0, high: 27.0 });
        assert_eq!(fate.left_at(), Some(Estimate { median: 2.5, low: 2.0, high: 3.0 }));
        let medians: Vec<f64> = fate.course.iter().map(|size| size.median).collect();
        assert_eq!(medians, [1.0, 3.0, f64::INFINITY, f64::INFINITY]);
    }

    /// Fates of three nets a scale: how many leave with ReLU gates, by scale, of LSTM and of GRU.
    fn fates(left: [[usize; 5]; 2], left_with_sigmoid: usize) -> Vec<Fate> {
        let fate = |cell, gate, scale, left: usize| {
            let course = |net| if net < left { vec![2.0, f64::INFINITY] } else { vec![2.0, 3.0] };
            Fate::from_courses(cell, gate, scale, &(0..3).map(course).collect::<Vec<_>>())
        };
        let of_cell = |(cell, left): (Cell, [usize; 5])| {
            let of_scale = |(scale, left)| {
                [
                    fate(cell, Function::Sigmoid, scale, left_with_sigmoid),
                    fate(cell, Function::Relu, scale, left),
                ]
            };
            SCALES.into_iter().zip(left).flat_map(of_scale).collect::<Vec<_>>()
        };
        Cell::BOTH.into_iter().zip(left).flat_map(of_cell).collect()
    }

    #[test]
    fn a_condition_is_a_scale_from_which_on_it_holds() {
        let found = |left, of_sigmoid| {
            let fates = fates(left, of_sigmoid);
            (outcome(&fates), conclusion(&[], &fates, outcome(&fates)))
        };
        let (outcome, told) = found([[0, 1, 2, 3, 3], [3; 5]], 0);
        assert_eq!(outcome, Outcome::HoldsOnlyWhen);
        assert!(told.starts_with("recurrent weights are large: every net leaves"), "{told}");
        let part = "LSTM from scale 2 on (at 2 after 2 [2, 2] steps; below, 0 of 3 at 0.25, 1 of 3 at 0.5, 2 of 3 at 1 leave and states reach 3)";
        assert!(
            told.contains(part)
                && told.contains("GRU at every scale (at 0.25 after 2 [2, 2] steps)"),
            "{told}"
        );
        // That a net leaves at a scale is no condition if at a larger one it stays.
        let (outcome, told) = found([[0, 3, 3, 3, 2], [0, 0, 0, 0, 3]], 0);
        assert_eq!(outcome, Outcome::HoldsOnlyWhen);
        assert!(
            told.contains("LSTM at no scale and those above it (0 of 3 at 0.25, 3 of 3 at 0.5"),
            "{told}"
        );
        let (outcome, told) = found([[0, 3, 3, 3, 2]; 2], 0);
        assert!(outcome == Outcome::DoesNotHold && told.starts_with("every net"), "{told}");
        let (outcome, told) = found([[3; 5]; 2], 0);
        assert!(outcome == Outcome::Holds && told.starts_with("every net"), "{told}");
        let (outcome, told) = found([[3; 5]; 2], 1);
        assert!(
            outcome == Outcome::DoesNotHold && told.contains("sigmoid gates 10 nets leave f32"),
            "{told}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_states() {
        let gpu = gpu();
        let states = || {
            let nets = Nets::new(&[5], &[2.0], WIDTH, 50);
            let wgsl = recurrence(Cell::Lstm, Function::Relu, WIDTH);
            let states =
                nets.advance(&gpu, Cell::Lstm, Function::Relu, &wgsl, ShaderChecks::Trusted);
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
        assert!(
            figure("GRU, ReLU, scale 4: steps until it leaves f32")
                .value
                .is_some_and(|steps| steps < 1000.0)
        );
    }
}
