//! The answer on reports made by hand: ratios, ridges and the summary, where what follows is known.

mod fixture;

use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::chain::Chain;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::Kernel;
use actbench::kernels::ops::Op;
use actbench::render::{summary, table};
use actbench::report::{
    Accuracy, Arithmetic, BOTH, BoundBy, ChainSamples, Dropped, Measurement, Quantity, Report,
    Ridge, RidgeTime, Status,
};
use actbench::validate;

const ELEMENTS: u64 = 1_000_000;
const ROUNDS: usize = 8;

/// The kernel of a path without its dtype, in f32.
fn kernel(direction: Direction, activation: &str, variant: &str) -> Kernel {
    let activation = Activation::named(activation).expect("in the table");
    let is_wanted = |known: &&actbench::kernels::activation::Variant| {
        known.name == variant && known.pass.direction() == direction
    };
    let variant = activation.variants.iter().find(is_wanted).expect("in the table");
    Kernel { activation, variant, dtype: Dtype::F32 }
}

/// A memory-bound row whose every sample is `us` microseconds, and its kernel's accuracy without an
/// error.
fn add(report: &mut Report, direction: Direction, activation: &str, variant: &str, us: f64) {
    let kernel = kernel(direction, activation, variant);
    let mut row = Measurement::new(&kernel, ELEMENTS);
    row.status = Status::Ok;
    row.bound_by = Some(BoundBy::Memory);
    row.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    row.samples_ns = vec![Some(us * 1e3); ROUNDS];
    report.measurements.push(row);
    let accuracy = Accuracy::new(&kernel, &validate::Accuracy::default());
    if report.accuracy.iter().all(|known| known.kernel != accuracy.kernel) {
        report.accuracy.push(accuracy);
    }
}

/// An op whose step takes so many ps an element, and an fma step of 10 ps.
fn add_step(report: &mut Report, op: &str, group: usize, ps: f64) {
    let mut rate =
        Arithmetic::new(&Chain::new(Op::named(op).expect("in the table"), Dtype::F32, 1), group);
    rate.status = Status::Ok;
    rate.elements = 1000;
    rate.chains = 4;
    rate.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    // 1000 elements: a step of a dispatch takes as many ns as a step of an element ps. 50 ns of
    // launching cancel.
    let runner = |ps: f64, steps: f64| vec![Some(50.0 + ps * steps); ROUNDS];
    let runs = |ps| ChainSamples {
        steps: 64,
        once_ns: runner(ps, 64.0),
        twice_ns: runner(ps, 128.0),
        fourfold_ns: runner(ps, 256.0),
        probe_ns: Vec::new(),
    };
    rate.take(&runs(ps), &runs(10.0), Dropped::default());
    report.arithmetic.push(rate);
}

/// copy 1000 us, ReLU 1100, sigmoid 1500 (faster: naive, which is not for every x), backward all
/// 2000; steps of 20 and 120 ps.
fn report() -> Report {
    let mut report = fixture::report();
    for (activation, variant, us) in [
        ("copy", "plain", 1000.0),
        ("relu", "plain", 1100.0),
        ("relu", "with_mask", 1200.0),
        ("sigmoid", "two_sided", 1600.0),
        ("sigmoid", "naive", 1300.0),
        ("sigmoid", "exp2", 1500.0),
    ] {
        add(&mut report, Direction::Forward, activation, variant, us);
    }
    for (activation, variant, us) in [
        ("add", "plain", 2000.0),
        ("relu", "from_y", 2000.0),
        ("relu", "from_mask", 1700.0),
        ("sigmoid", "from_y", 2100.0),
        ("sigmoid", "from_x", 2600.0),
    ] {
        add(&mut report, Direction::Backward, activation, variant, us);
    }
    add_step(&mut report, "fma", 0, 10.0);
    add_step(&mut report, "relu/plain", 0, 20.0);
    add_step(&mut report, "sigmoid/two_sided", 0, 120.0);
    add_step(&mut report, "sigmoid/exp2", 1, 110.0);
    report.derive();
    report
}

fn ratio(report: &Report, quantity: Quantity, direction: &str) -> Option<f64> {
    let found = report
        .ratios
        .iter()
        .find(|ratio| ratio.quantity == quantity && ratio.direction == direction)?;
    assert!(found.low <= found.value && found.value <= found.high);
    Some(found.value)
}

#[track_caller]
fn is_about(found: Option<f64>, expected: f64) {
    let found = found.expect("a figure");
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn ratios_are_those_of_the_fastest_sound_variants() {
    let report = report();
    // exp2 : plain; naive is faster and not for every x, with_mask moves other bytes.
    is_about(ratio(&report, Quantity::Stream, "forward"), 1500.0 / 1100.0);
    is_about(ratio(&report, Quantity::Stream, "backward"), 2100.0 / 2000.0);
    // ReLU's fastest pair is that of the mask: 1200 + 1700 < 1100 + 2000.
    is_about(ratio(&report, Quantity::Stream, BOTH), (1500.0 + 2100.0) / (1200.0 + 1700.0));
    is_about(ratio(&report, Quantity::Step, "forward"), 6.0);
    is_about(ratio(&report, Quantity::StepNet, "forward"), 11.0);
    // The default variants: (1600 - 1100) us over 10^6 elements are 500 ps, where the chain has
    // 100.
    is_about(ratio(&report, Quantity::ExtraTime, "forward"), 0.5);
    is_about(ratio(&report, Quantity::ExtraArithmetic, "forward"), 0.1);
    is_about(ratio(&report, Quantity::RidgePoint, "forward"), 1000.0 / 120.0);
    assert_eq!(ratio(&report, Quantity::Step, "backward"), None);
}

#[test]
fn a_variant_that_was_wrong_or_not_compared_is_not_chosen() {
    let mut report = report();
    let exp2 =
        report.accuracy.iter_mut().find(|row| row.kernel.ends_with("sigmoid/exp2")).expect("a row");
    exp2.violations = 1;
    report.derive();
    is_about(ratio(&report, Quantity::Stream, "forward"), 1600.0 / 1100.0);
    report.accuracy.clear();
    report.derive();
    assert_eq!(ratio(&report, Quantity::Stream, "forward"), None);
    assert!(report.fastest.is_empty());
}

#[test]
fn no_figure_follows_from_an_invalid_row() {
    let mut report = report();
    for row in &mut report.measurements {
        if row.activation == "relu" {
            row.status = Status::Invalid;
        }
    }
    report.derive();
    for direction in ["forward", "backward", BOTH] {
        assert_eq!(ratio(&report, Quantity::Stream, direction), None, "{direction}");
    }
    assert_eq!(ratio(&report, Quantity::ExtraTime, "forward"), None);
    assert!(!text(&report).contains("Streaming"), "{}", text(&report));
    for row in &mut report.arithmetic {
        row.status = Status::Invalid;
    }
    report.derive();
    assert!(report.ratios.is_empty() && summary::lines(&report).is_empty(), "{:?}", report.ratios);
}

/// The summary in one text.
fn text(report: &Report) -> String {
    summary::lines(report).join("\n")
}

#[test]
fn the_summary_has_the_pair_and_hedges() {
    let mut report = report();
    report.adapter.is_software = false;
    let steady = text(&report);
    for part in [
        "sigmoid/relu 1.36 [1.36, 1.36] forward, 1.05 [1.05, 1.05] backward.",
        "Registers, f32 forward: sigmoid/relu 6.0 to 11 (11 to 12 against 1.0 to 2.0 FMAs).",
        "Ridge point: 8.3 sigmoids per element; extra arithmetic 0.10 ns an element, extra time 0.50",
        "All timed kernels correct.",
    ] {
        assert!(steady.contains(part), "{part} is not in\n{steady}");
    }
    assert!(!steady.contains("roughly") && !steady.contains("SOFTWARE"), "{steady}");
    report.adapter.is_software = true;
    let software = text(&report);
    assert!(software.contains("SOFTWARE") && !software.contains("Ridge"), "{software}");
    for row in report.measurements.iter_mut().filter(|row| row.activation == "sigmoid") {
        row.samples_ns =
            (0..ROUNDS).map(|round| Some(if round % 2 == 0 { 1.0e6 } else { 1.4e6 })).collect();
    }
    report.accuracy[0].violations = 1;
    report.derive();
    let wide = text(&report);
    assert!(wide.contains("roughly") && wide.contains("1 kernels WRONG"), "{wide}");
}

#[test]
fn the_fastest_variant_is_named_with_those_that_cannot_be_told_from_it() {
    let mut report = report();
    add_step(&mut report, "sigmoid/naive", 2, 90.0);
    add_step(&mut report, "sigmoid/poly", 3, 110.0);
    let poly = kernel(Direction::Forward, "sigmoid", "poly");
    report.accuracy.push(Accuracy::new(&poly, &validate::Accuracy::default()));
    report.derive();
    let forward = report
        .fastest
        .iter()
        .find(|fastest| fastest.direction == "forward")
        .expect("variants side by side");
    assert_eq!(forward.variant, "exp2");
    assert_eq!(forward.tied, ["poly"]);
    assert_eq!(forward.slower, ["two_sided"]);
    // Backward there is no chain here: by streaming.
    let backward = report
        .fastest
        .iter()
        .find(|fastest| fastest.direction == "backward")
        .expect("two variants");
    assert_eq!((backward.variant.as_str(), backward.slower.len()), ("from_y", 1));
}

/// A ridge at 10^6 elements, whose memory time is 1000 us and whose k steps of 120 ps take `time`
/// us of the two.
fn ridge(time: impl Fn(f64, f64) -> f64) -> Ridge {
    let mut row = Ridge::new("forward", "f32", "arithmetic/f32/sigmoid/two_sided".to_owned());
    row.status = Status::Ok;
    row.copy = Some("forward/f32/n=1000000/copy/plain".to_owned());
    row.elements = ELEMENTS;
    row.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    let point = |steps: u32| RidgeTime {
        steps,
        samples_ns: vec![Some(1e3 * time(1000.0, 120.0 * f64::from(steps))); ROUNDS],
    };
    row.points = [0, 1, 2, 4, 8, 16, 32].map(point).to_vec();
    row
}

#[test]
fn a_ridge_says_how_far_memory_and_arithmetic_overlap() {
    let mut report = report();
    let of = |report: &Report, row: &Ridge| row.derived(&report.measurements, &report.arithmetic);
    let overlapping = of(&report, &ridge(f64::max)).expect("figures");
    is_about(Some(overlapping.ridge_point.median), 1000.0 / 120.0);
    is_about(Some(overlapping.stream_over_copy.median), 1.0);
    is_about(Some(overlapping.step_over_chain.median), 1.0);
    is_about(Some(overlapping.ridge_over_larger.median), 1.0);
    assert_eq!(overlapping.ridge_steps, 8);
    let adding = of(&report, &ridge(|memory, arithmetic| memory + arithmetic)).expect("figures");
    is_about(Some(adding.ridge_over_larger.median), 1.96);
    // The ridge point is about memory, and not about how well this kernel streams.
    let slow =
        of(&report, &ridge(|memory, arithmetic| (1.5 * memory).max(arithmetic))).expect("figures");
    is_about(Some(slow.ridge_point.median), 1000.0 / 120.0);
    is_about(Some(slow.stream_over_copy.median), 1.5);
    // What falls with k has none.
    assert!(of(&report, &ridge(|memory, arithmetic| 2.0 * memory - arithmetic / 10.0)).is_none());
    let mut other = ridge(f64::max);
    other.chain = "arithmetic/f32/exp2".to_owned();
    assert!(of(&report, &other).is_none());
    report.measurements[0].status = Status::Invalid;
    assert!(of(&report, &ridge(f64::max)).is_none());
}

#[test]
fn figures_of_a_stream_and_a_chain_are_told_if_their_clocks_were_one() {
    let mut report = report();
    report.adapter.is_software = false;
    for row in &mut report.measurements {
        row.probe_ns = vec![Some(1.1e5); ROUNDS];
    }
    for rate in &mut report.arithmetic {
        rate.own.probe_ns = vec![Some(1e5); ROUNDS];
    }
    report.derive();
    let extra =
        report.ratios.iter().find(|ratio| ratio.quantity == Quantity::ExtraTime).expect("a figure");
    is_about(extra.clocks, 1.1);
    assert!(!text(&report).contains("Ridge") && text(&report).contains("Streaming"));
    report.arithmetic.iter_mut().for_each(|row| row.own.probe_ns = vec![Some(1.1e5); ROUNDS]);
    report.derive();
    assert!(text(&report).contains("Ridge"));
}

#[test]
fn ratios_are_taken_within_rounds_of_each_repeat() {
    let mut report = report();
    let rounds = u32::try_from(ROUNDS).expect("a few");
    // Every round is slower than the one before, for all members alike; the second repeat is twice
    // as slow.
    let drift =
        |round: u32| (1.0 + f64::from(round) / 10.0) * if round < rounds { 1.0 } else { 2.0 };
    let drifting = |samples: &mut Vec<Option<f64>>| {
        let first = samples[0].expect("a sample");
        *samples = (0..2 * rounds).map(|round| Some(first * drift(round))).collect();
    };
    report.measurements.iter_mut().for_each(|row| drifting(&mut row.samples_ns));
    for runs in report.arithmetic.iter_mut().flat_map(|rate| [&mut rate.own, &mut rate.fma]) {
        [&mut runs.once_ns, &mut runs.twice_ns, &mut runs.fourfold_ns]
            .into_iter()
            .for_each(drifting);
    }
    report.derive();
    let stream = report
        .ratios
        .iter()
        .find(|ratio| ratio.quantity == Quantity::Stream && ratio.direction == "forward");
    let stream = stream.expect("a figure").estimate();
    is_about(Some(stream.median), 1500.0 / 1100.0);
    assert!(stream.high - stream.low < 1e-9, "{stream:?}");
    is_about(ratio(&report, Quantity::Step, "forward"), 6.0);
    // What is joined across groups has the width of both.
    let under = report
        .ratios
        .iter()
        .find(|ratio| ratio.quantity == Quantity::RidgePoint)
        .expect("a figure");
    assert!(under.low < 1000.0 / 120.0 / 1.5 && under.high > 1000.0 / 120.0 * 1.5, "{under:?}");
}

#[test]
fn everything_is_printed_in_a_hundred_columns() {
    let mut report = report();
    report.ridges.push(ridge(f64::max));
    report.derive();
    let text = table::text(&report);
    for part in [
        "1.36 [1.36, 1.36]",
        "ridge point",
        "8.33",
        "fastest sigmoid that is right everywhere, forward f32: exp2",
        "0.125",
        "Streaming",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
}
