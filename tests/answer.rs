//! The answer on reports made by hand: ratios, ridges and the summary, where what follows is known.

mod fixture;

use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::chain::Chain;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::Kernel;
use actbench::kernels::ops::Op;
use actbench::render::{summary, table};
use actbench::report::{
    Accuracy, Arithmetic, BOTH, BoundBy, ChainSamples, Dropped, Measurement, Pair, Quantity,
    Reason, Report, Ridge, RidgeMember, Status,
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

/// How long a step takes in ps, by what its op and its fmas take: a kind of device.
type Device = fn(op: f64, fmas: f64) -> f64;

/// The op and the fmas take turns.
const TURNS: Device = |op, fmas| op + fmas;

/// They run side by side.
const PIPES: Device = f64::max;

/// They share half of the way.
const SHARED: Device = |op, fmas| op + fmas / 2.0;

/// An op of so many ps an element beside fmas of 10 ps, on a kind of device.
fn add_step(report: &mut Report, device: Device, op: &str, group: usize, ps: f64) {
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
    let two = |ps| ChainSamples { twice_ns: Vec::new(), ..runs(ps) };
    let own = if op == "fma" { [10.0, 20.0] } else { [10.0, 20.0].map(|fmas| device(ps, fmas)) };
    rate.take(&[runs(own[0]), two(own[1])], &runs(10.0), Dropped::default());
    report.arithmetic.push(rate);
}

/// copy 1000 us, ReLU 1100, sigmoid 1500 (faster: naive, which is not for every x), backward all
/// 2000; ops of 10 and 110 ps beside fmas of 10,
/// which take turns.
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
    add_step(&mut report, TURNS, "fma", 0, 0.0);
    add_step(&mut report, TURNS, "relu/plain", 0, 10.0);
    add_step(&mut report, TURNS, "sigmoid/two_sided", 0, 110.0);
    add_step(&mut report, TURNS, "sigmoid/exp2", 1, 100.0);
    report.derive();
    report
}

fn ratio(report: &Report, quantity: Quantity, direction: &str) -> Option<f64> {
    let found = report
        .ratios
        .iter()
        .find(|ratio| ratio.quantity == quantity && ratio.direction == direction)?;
    assert_eq!(found.estimate.is_none(), found.reason.is_some(), "{}", found.id);
    let estimate = found.estimate?;
    assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
    Some(estimate.median)
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
    is_about(ratio(&report, Quantity::OpLeast, "forward"), 5.5);
    is_about(ratio(&report, Quantity::OpMost, "forward"), 12.0);
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
    assert!(!text(&report).contains("Streaming"), "{}", text(&report));
    for row in &mut report.arithmetic {
        row.status = Status::Invalid;
    }
    report.derive();
    // A figure that is asked for and not there says why.
    assert!(!report.ratios.is_empty() && summary::lines(&report).is_empty());
    for ratio in &report.ratios {
        assert!(ratio.estimate.is_none() && ratio.reason.is_some(), "{}", ratio.id);
    }
}

/// The summary in one text.
fn text(report: &Report) -> String {
    summary::lines(report).join("\n")
}

#[test]
fn the_summary_has_the_pair_and_hedges() {
    let mut report = report();
    report.adapter.is_software = false;
    report.ridges.push(ridge(f64::max));
    let steady = text(&report);
    for part in [
        "sigmoid/relu 1.36 [1.36, 1.36] forward, 1.05 [1.05, 1.05] backward.",
        "Registers, f32 forward: sigmoid/relu 5.5 to 12 (11 to 12 against 1.0 to 2.0 FMAs).",
        "Ridge point: 8.3 sigmoids per element; extra arithmetic 0.10 ns an element, extra time 0.50",
        "All timed kernels correct.",
    ] {
        assert!(steady.contains(part), "{part} is not in\n{steady}");
    }
    assert!(!steady.contains("roughly") && !steady.contains("SOFTWARE"), "{steady}");
    report.adapter.is_software = true;
    let software = text(&report);
    assert!(software.contains("SOFTWARE"), "{software}");
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
    add_step(&mut report, TURNS, "sigmoid/naive", 2, 80.0);
    add_step(&mut report, TURNS, "sigmoid/poly", 3, 100.0);
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

#[test]
fn a_second_fma_tells_what_the_first_one_takes() {
    let of = |device, op: f64| {
        let mut report = fixture::report();
        add_step(&mut report, device, "fma", 0, 0.0);
        add_step(&mut report, device, "relu/plain", 0, 30.0);
        add_step(&mut report, device, "sigmoid/two_sided", 0, op);
        report.derive();
        let fma = report.arithmetic[0].derived().expect("figures");
        assert_eq!((fma.op_ps.least.median, fma.op_fmas.most.median), (10.0, 1.0));
        let ends = [Quantity::OpLeast, Quantity::OpMost];
        let [least, most] = ends.map(|end| ratio(&report, end, "forward").expect("a ratio"));
        let truth = op / 30.0;
        assert!(least <= truth + 1e-9 && truth <= most + 1e-9, "{least} to {most}, not {truth}");
        let found = report.arithmetic[2].derived().expect("figures");
        [found.op_ps.least.median, found.op_ps.most.median]
    };
    // Side by side, the op itself is found; in turns, it is the lower end.
    assert_eq!(of(PIPES, 120.0), [120.0, 120.0]);
    assert_eq!(of(TURNS, 120.0), [120.0, 130.0]);
    assert_eq!(of(SHARED, 120.0), [120.0, 125.0]);
    // Where an op is as short as the fmas beside it, the second adds one and the first took none.
    for op in [5.0, 10.0, 15.0, 20.0] {
        for device in [PIPES, TURNS, SHARED] {
            let [least, most] = of(device, op);
            assert!(least <= op && op <= most, "{op}: {least} to {most}");
        }
    }
}

#[test]
fn a_second_fma_that_is_merged_says_nothing() {
    let mut report = fixture::report();
    add_step(&mut report, PIPES, "sigmoid/two_sided", 0, 120.0);
    let op = |report: &Report| report.arithmetic[0].derived().expect("figures").op_ps;
    assert_eq!(op(&report).least.median, 120.0);
    report.arithmetic[0].notes.push(Reason::FmasMerged);
    assert_eq!((op(&report).least.median, op(&report).most.median), (110.0, 120.0));
}

#[test]
fn a_ratio_over_what_may_cost_nothing_is_null_and_says_so() {
    let mut report = fixture::report();
    add_step(&mut report, TURNS, "fma", 0, 0.0);
    add_step(&mut report, TURNS, "relu/plain", 0, 0.0);
    add_step(&mut report, TURNS, "sigmoid/two_sided", 0, 120.0);
    report.derive();
    assert_eq!(ratio(&report, Quantity::OpMost, "forward"), None);
    let of = "arithmetic/f32/relu/plain".to_owned();
    let null = report.ratios.iter().find(|ratio| ratio.quantity == Quantity::OpMost);
    assert_eq!(null.expect("a row").reason, Some(Reason::NoCostOf { of }));
    is_about(ratio(&report, Quantity::Step, "forward"), 13.0);
}

/// A ridge at 10^6 elements: copy 1000 us, sigmoid 1600, ReLU 1100, and chains of steps of 120 and
/// 20 ps that take `time` us of memory and arithmetic.
fn ridge(time: impl Fn(f64, f64) -> f64) -> Ridge {
    let mut row = Ridge::new(&Pair::default(), "forward", "f32");
    row.status = Status::Ok;
    row.elements = ELEMENTS;
    row.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    let member = |name: &str, steps: u32, us: f64| RidgeMember {
        name: name.to_owned(),
        steps,
        words: 1,
        wgsl_sha256: String::new(),
        samples_ns: vec![Some(1e3 * us); ROUNDS],
    };
    let chain =
        |name: &str, steps: u32, ps: f64| member(name, steps, time(1000.0, ps * f64::from(steps)));
    row.members = vec![
        member("copy/plain", 0, 1000.0),
        member("sigmoid/two_sided", 0, 1600.0),
        member("relu/plain", 0, 1100.0),
        chain("sigmoid/two_sided", 32, 120.0),
        chain("sigmoid/two_sided", 128, 120.0),
        chain("relu/plain", 256, 20.0),
        chain("relu/plain", 1024, 20.0),
    ];
    row
}

#[test]
fn a_ridge_is_where_arithmetic_takes_as_long_as_copy() {
    for overlap in [f64::max, |memory: f64, arithmetic: f64| memory + arithmetic] {
        let found = ridge(overlap).derived().expect("figures");
        is_about(Some(found.ridge_point.median), 1000.0 / 120.0);
        is_about(Some(found.extra_arithmetic_ns.median), 0.1);
        // (1600 - 1100) us over 10^6 elements.
        is_about(Some(found.extra_time_ns.median), 0.5);
    }
    // What does not grow with k has none.
    assert!(ridge(|memory, _| memory).derived().is_none());
    let mut invalid = ridge(f64::max);
    invalid.status = Status::Invalid;
    assert!(invalid.derived().is_none());
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
    for runs in report
        .arithmetic
        .iter_mut()
        .flat_map(|rate| [&mut rate.own, &mut rate.two_fmas, &mut rate.fma])
    {
        [&mut runs.once_ns, &mut runs.twice_ns, &mut runs.fourfold_ns]
            .into_iter()
            .filter(|samples| !samples.is_empty())
            .for_each(drifting);
    }
    report.derive();
    let stream = report
        .ratios
        .iter()
        .find(|ratio| ratio.quantity == Quantity::Stream && ratio.direction == "forward");
    let stream = stream.expect("a figure").estimate.expect("a figure");
    is_about(Some(stream.median), 1500.0 / 1100.0);
    assert!(stream.high - stream.low < 1e-9, "{stream:?}");
    is_about(ratio(&report, Quantity::Step, "forward"), 6.0);
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
        "fastest sigmoid as right as the default, forward f32: exp2",
        "0.125",
        "Streaming",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
}
