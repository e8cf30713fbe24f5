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
use crate::gpu::{Gpu, Program, ShaderChecks};
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

    /// Bytes that a unit's forward and backward pass move: each tensor once.
    fn bytes(self) -> [f64; 2] {
        // Four pre-activations, the state before; what is kept, h. What is kept, three of c or h
        // before, dh, dc (LSTM) and a pre-activation (GRU); gradients of five.
        [4 + 1 + self.kept() + 1, self.kept() + 3 + 5].map(|planes| 4.0 * as_f64(planes))
    }
}

/// A cell whose gates are of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gated {
    cell: Cell,
    gate: Function,
}

impl Gated {
    fn name(self) -> String {
        format!("{} with gates of {}", self.cell.name(), self.gate.name())
    }

    /// What a unit keeps, and its h, from its pre-activations and the state before: c of LSTM, h of
    /// GRU.
    #[expect(clippy::many_single_char_names, reason = "the papers' names")]
    fn forward(self, a: [f64; 4], before: f64) -> (Vec<f64>, f64) {
        match self.cell {
            Cell::Lstm => {
                let [i, f, o] = [a[0], a[1], a[2]].map(|a| self.gate.forward(a));
                let g = a[3].tanh();
                let c = f * before + i * g;
                (vec![i, f, o, g, c], o * c.tanh())
            }
            Cell::Gru => {
                let [z, r] = [a[0], a[1]].map(|a| self.gate.forward(a));
                let n = (a[2] + r * a[3]).tanh();
                (vec![z, r, n], (1.0 - z) * n + z * before)
            }
        }
    }

    /// The gradients in the pre-activations and, last, in the state before, from those in h and
    /// (LSTM) in c.
    #[expect(clippy::many_single_char_names, reason = "the papers' names")]
    fn backward(self, kept: &[f64], a: [f64; 4], before: f64, [dh, dc]: [f64; 2]) -> [f64; 5] {
        let gate = |y, dy| self.gate.backward(y, dy);
        match (self.cell, kept) {
            (Cell::Lstm, &[i, f, o, g, c]) => {
                let d = dc + dh * o * (1.0 - c.tanh().powi(2));
                let [di, df] = [gate(i, d * g), gate(f, d * before)];
                [di, df, gate(o, dh * c.tanh()), d * i * (1.0 - g * g), d * f]
            }
            (Cell::Gru, &[z, r, n]) => {
                let d = dh * (1.0 - z) * (1.0 - n * n);
                [gate(z, dh * (before - n)), gate(r, d * a[3]), d, d * r, dh * z]
            }
            _ => unreachable!("a unit keeps as much as its forward pass gives"),
        }
    }

    /// The cell's functions, and what calls them.
    fn wgsl(self, glue: &str, driver: &str) -> String {
        let cells = include_str!("../../shaders/claims/cells.wgsl");
        [Dtype::F32.wgsl(), &self.gate.wgsl("gate"), cells, glue, driver].join("\n")
    }

    fn program(self, gpu: &Gpu, what: &str, wgsl: &str) -> Result<Program> {
        gpu.program(&format!("{}, {what}", self.name()), wgsl, &[], ShaderChecks::Trusted)
    }
}

/// What became of the nets of a cell.
struct Fates {
    cell: Cell,
    /// By scale, with gates of sigmoid and of ReLU.
    of_gates: [Vec<Fate>; 2],
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let (mut figures, mut costs, mut fates) = (Vec::new(), Vec::new(), Vec::new());
    for cell in Cell::BOTH {
        (context.progress)(&format!("{} cells, forward and backward", cell.name()));
        let cost = Cost::measured(context, cell)?;
        figures.extend(cost.figures());
        costs.push(cost);
    }
    let seeds = context.seeds(context.either(8, 32));
    for cell in Cell::BOTH {
        let of_gate = |gate| {
            let gated = Gated { cell, gate };
            (context.progress)(&format!("{} over {STEPS} steps", gated.name()));
            Fate::of_scales(context.gpu, gated, &seeds)
        };
        let of_gates = [of_gate(Function::Sigmoid)?, of_gate(Function::Relu)?];
        figures.extend(of_gates.iter().flatten().flat_map(Fate::figures));
        fates.push(Fates { cell, of_gates });
    }
    let outcome = outcome(&fates);
    Ok(Findings {
        outcome,
        conclusion: conclusion(&costs, &fates, outcome),
        seeds,
        figures,
        plots: fates.iter().map(Fates::plot).collect(),
        notes: vec![
            format!(
                "The nets have {WIDTH} units. Their drives are standard normal, their recurrent weights normal with a standard deviation of scale / sqrt({WIDTH}). \
                 The forget gate's bias is 1. Candidate and output keep tanh in both."
            ),
            "The state leaves f32 at the first step after which it is infinite or no number."
                .to_owned(),
        ],
    })
}

impl Fates {
    /// By scale, whether every net stays in f32 with sigmoid, and none with ReLU.
    fn cases(&self) -> impl DoubleEndedIterator<Item = bool> {
        let [sigmoid, relu] = &self.of_gates;
        let holds = |(sigmoid, relu): (&Fate, &Fate)| {
            sigmoid.left.is_empty() && relu.left.len() == relu.nets
        };
        sigmoid.iter().zip(relu).map(holds)
    }

    /// The first of the scales from which on the claim holds at every one; none if at the largest
    /// it does not.
    fn first_scale(&self) -> Option<usize> {
        let count = self.cases().rev().take_while(|holds| *holds).count();
        (count > 0).then(|| SCALES.len() - count)
    }

    /// Where the claim holds, when the nets leave there, and how many do elsewhere.
    fn told(&self) -> String {
        let relu = &self.of_gates[1];
        let first = self.first_scale();
        let (rest, own) = relu.split_at(first.unwrap_or(relu.len()));
        let place = match first {
            None => "at no scale and those above it".to_owned(),
            Some(0) => "at every scale".to_owned(),
            Some(first) => format!("from scale {} on", SCALES[first]),
        };
        let mut details = Vec::new();
        if let Some(fate) = own.first()
            && let Some(Estimate { median, low, high }) = fate.left_at()
        {
            details
                .push(format!("at {} after {median:.0} [{low:.0}, {high:.0}] steps", fate.scale));
        }
        if !rest.is_empty() {
            let below = if first.is_some() { "below, " } else { "" };
            let count =
                |fate: &Fate| format!("{} of {} at {}", fate.left.len(), fate.nets, fate.scale);
            let counts: Vec<String> = rest.iter().map(count).collect();
            let largest = number(largest(rest));
            details.push(format!("{below}{} leave and states reach {largest}", counts.join(", ")));
        }
        format!("{} {place} ({})", self.cell.name(), details.join("; "))
    }

    fn plot(&self) -> Plot {
        // One point in ten.
        let line = |fate: &Fate| Series {
            label: format!("{} gates, scale {}", fate.gated.gate.name(), fate.scale),
            points: (fate.course.iter().enumerate().step_by(10))
                .map(|(step, size)| Point::estimated(as_f64(step + 1), Some(*size)))
                .collect(),
        };
        Plot {
            title: format!(
                "Largest state of {} over steps: where there is no point, the median net has left f32",
                self.cell.name()
            ),
            x: Axis::linear("step"),
            y: Axis::log10("largest |c| or |h|"),
            series: self.of_gates.iter().flatten().map(line).collect(),
        }
    }
}

/// The largest state of all nets.
fn largest<'a>(fates: impl IntoIterator<Item = &'a Fate>) -> f64 {
    fates.into_iter().map(|fate| fate.largest.high).fold(0.0, f64::max)
}

fn conclusion(costs: &[Cost], fates: &[Fates], outcome: Outcome) -> String {
    let bounded = || fates.iter().flat_map(|of_cell| &of_cell.of_gates[0]);
    let sigmoid = match bounded().map(|fate| fate.left.len()).sum::<usize>() {
        0 => format!("with sigmoid gates no state exceeds {}", number(largest(bounded()))),
        left => format!("with sigmoid gates {left} nets leave f32"),
    };
    let has_condition = outcome == Outcome::HoldsOnlyWhen;
    let condition = if has_condition { "recurrent weights are large: " } else { "" };
    let cost = |cost: &Cost| {
        let [forward, backward] = cost.passes.each_ref().map(|pass| ratio(pass.over(0, 1)));
        format!("{} {forward} forward, {backward} backward", cost.cell.name())
    };
    format!(
        "{condition}every net leaves f32 with ReLU gates and none with sigmoid's for {}; {sigmoid} in {STEPS} steps. Time of sigmoid : ReLU gates: {}",
        fates.iter().map(Fates::told).collect::<Vec<_>>().join(", and for "),
        costs.iter().map(cost).collect::<Vec<_>>().join(", ")
    )
}

/// All cells and scales; some of them only if they are all scales from one on.
fn outcome(fates: &[Fates]) -> Outcome {
    match Outcome::of(fates.iter().flat_map(Fates::cases)) {
        Outcome::HoldsOnlyWhen if fates.iter().all(|fates| fates.first_scale().is_none()) => {
            Outcome::DoesNotHold
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::Choice;
    use crate::report::Status;

    #[test]
    fn cells_give_what_is_known() {
        let of = |cell, gate, a| Gated { cell, gate }.forward(a, 2.0);
        // All pre-activations 0: gates of 1/2, a candidate of 0.
        let (kept, h) = of(Cell::Lstm, Function::Sigmoid, [0.0; 4]);
        assert_eq!((kept, h), (vec![0.5, 0.5, 0.5, 0.0, 1.0], 0.5 * 1.0_f64.tanh()));
        let (kept, h) = of(Cell::Gru, Function::Sigmoid, [0.0; 4]);
        assert_eq!((kept, h), (vec![0.5, 0.5, 0.0], 1.0));
        // Closed gates of ReLU forget everything, and open ones multiply.
        assert_eq!(of(Cell::Lstm, Function::Relu, [-1.0, -1.0, -1.0, 3.0]).1, 0.0);
        let (kept, _) = of(Cell::Lstm, Function::Relu, [0.0, 3.0, 1.0, 0.0]);
        assert_eq!(kept[4], 6.0);
        assert_eq!(of(Cell::Gru, Function::Relu, [3.0, 0.0, 0.0, 0.0]).1, 6.0);
    }

    #[test]
    fn gradients_are_slopes() {
        // loss = dh h + dc c, by central differences in every input.
        let (dh, dc) = (0.7, -0.4);
        for cell in Cell::BOTH {
            for gate in Function::BOTH {
                let gated = Gated { cell, gate };
                for (a, before) in [
                    ([0.3, 1.1, 0.8, -0.6], 0.9),
                    ([-0.4, 0.6, 1.5, 0.2], -1.3),
                    ([2.0, -1.0, 0.5, 1.0], 0.4),
                ] {
                    let loss = |a: [f64; 4], before: f64| {
                        let (kept, h) = gated.forward(a, before);
                        dh * h + if cell == Cell::Lstm { dc * kept[4] } else { 0.0 }
                    };
                    let (kept, _) = gated.forward(a, before);
                    let [da @ .., of_before] = gated.backward(&kept, a, before, [dh, dc]);
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
                            "{gated:?} {index}: {} {slope}",
                            da[index]
                        );
                    }
                    let slope = (loss(a, before + step) - loss(a, before - step)) / (2.0 * step);
                    assert!((of_before - slope).abs() < 1e-8, "{gated:?}: {of_before} {slope}");
                }
            }
        }
    }

    /// Fates of three nets a scale: how many leave with ReLU gates, by scale, of LSTM and of GRU.
    fn fates(left: [[usize; 5]; 2], left_with_sigmoid: usize) -> Vec<Fates> {
        let fate = |gated, scale, left: usize| {
            let course = |net| if net < left { vec![2.0] } else { vec![2.0, 3.0] };
            let courses: Vec<Vec<f64>> = (0..3).map(course).collect();
            Fate::from_courses(gated, scale, 2, &courses.iter().collect::<Vec<_>>())
        };
        let of_cell = |(cell, left): (Cell, [usize; 5])| {
            let of_gate = |gate, left: [usize; 5]| {
                let of_scales = SCALES.into_iter().zip(left);
                of_scales.map(|(scale, left)| fate(Gated { cell, gate }, scale, left)).collect()
            };
            let sigmoid = of_gate(Function::Sigmoid, [left_with_sigmoid; 5]);
            Fates { cell, of_gates: [sigmoid, of_gate(Function::Relu, left)] }
        };
        Cell::BOTH.into_iter().zip(left).map(of_cell).collect()
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
    fn sigmoid_keeps_the_state_in_bounds_and_relu_does_not() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
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
