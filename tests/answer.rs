//! The answer on reports made by hand: gaps, crossovers and the verdict, where what follows is known.

mod fixture;

use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::chain::Ladder;
use actbench::kernels::dtype::Storage;
use actbench::kernels::kernel::Kernel;
use actbench::kernels::ops::Op;
use actbench::render::table;
use actbench::report::{
    Accuracy, BOTH, Climbs, Crossover, CrossoverPoint, Dropped, Measurement, Quantity, Rate,
    Regime, Report, Status,
};
use actbench::validate;

const ELEMENTS: u64 = 1_000_000;
const ROUNDS: usize = 8;

/// The kernel of a path without its storage, in f32.
fn kernel(direction: Direction, activation: &str, form: &str) -> Kernel {
    let activation = Activation::named(activation).expect("in the table");
    let is_wanted = |known: &&actbench::kernels::activation::Form| {
        known.name == form && known.pass.direction() == direction
    };
    let form = activation.forms.iter().find(is_wanted).expect("in the table");
    Kernel { activation, form, storage: Storage::F32 }
}

/// A row of the memory regime whose every sample is `us` microseconds, and its kernel's accuracy without an error.
fn add(report: &mut Report, direction: Direction, activation: &str, form: &str, us: f64) {
    let kernel = kernel(direction, activation, form);
    let mut row = Measurement::new(&kernel, ELEMENTS);
    row.status = Status::Ok;
    row.regime = Some(Regime::Memory);
    row.rounds_per_device = u32::try_from(ROUNDS).expect("a few");
    row.samples_ns = vec![Some(us * 1e3); ROUNDS];
    report.measurements.push(row);
    let accuracy = Accuracy::new(&kernel, &validate::Accuracy::default());
    if report.accuracy.iter().all(|known| known.kernel != accuracy.kernel) {
        report.accuracy.push(accuracy);
    }
}

/// An op whose rung takes so many ps an element, and an fma rung of 10 ps.
fn add_rung(report: &mut Report, op: &str, panel: usize, ps: f64) {
    let mut rate =
        Rate::new(&Ladder::new(Op::named(op).expect("in the table"), Storage::F32, 1), panel);
    rate.status = Status::Ok;
    rate.elements = 1000;
    rate.chains = 4;
    rate.rounds_per_device = u32::try_from(ROUNDS).expect("a few");
    // 1000 elements: a rung of a dispatch takes as many ns as a rung of an element ps. 50 ns of launching cancel.
    let climb = |ps: f64, rungs: f64| vec![Some(50.0 + ps * rungs); ROUNDS];
    let climbs = |ps| Climbs {
        rungs: 64,
        once_ns: climb(ps, 64.0),
        twice_ns: climb(ps, 128.0),
        fourfold_ns: climb(ps, 256.0),
        witness_ns: Vec::new(),
    };
    rate.take(&climbs(ps), &climbs(10.0), Dropped::default());
    report.rates.push(rate);
}

/// copy 1000 us, ReLU 1100, sigmoid 1500 (faster: naive, which is not for every x), backward all 2000; rungs of 20 and 120 ps.
fn report() -> Report {
    let mut report = fixture::report();
    for (activation, form, us) in [
        ("copy", "plain", 1000.0),
        ("relu", "plain", 1100.0),
        ("relu", "with_mask", 1200.0),
        ("sigmoid", "two_sided", 1600.0),
        ("sigmoid", "naive", 1300.0),
        ("sigmoid", "exp2", 1500.0),
    ] {
        add(&mut report, Direction::Forward, activation, form, us);
    }
    for (activation, form, us) in [
        ("add", "plain", 2000.0),
        ("relu", "from_y", 2000.0),
        ("relu", "from_mask", 1700.0),
        ("sigmoid", "from_y", 2100.0),
        ("sigmoid", "from_x", 2600.0),
    ] {
        add(&mut report, Direction::Backward, activation, form, us);
    }
    add_rung(&mut report, "fma", 0, 10.0);
    add_rung(&mut report, "relu/plain", 0, 20.0);
    add_rung(&mut report, "sigmoid/two_sided", 0, 120.0);
    add_rung(&mut report, "sigmoid/exp2", 1, 110.0);
    report.derive();
    report
}

fn gap(report: &Report, quantity: Quantity, direction: &str) -> Option<f64> {
    let found =
        report.gaps.iter().find(|gap| gap.quantity == quantity && gap.direction == direction)?;
    assert!(found.low <= found.value && found.value <= found.high);
    Some(found.value)
}

#[track_caller]
fn is_about(found: Option<f64>, expected: f64) {
    let found = found.expect("a figure");
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn gaps_are_those_of_the_fastest_sound_forms() {
    let report = report();
    // exp2 : plain; naive is faster and not for every x, with_mask moves other bytes.
    is_about(gap(&report, Quantity::Stream, "forward"), 1500.0 / 1100.0);
    is_about(gap(&report, Quantity::Stream, "backward"), 2100.0 / 2000.0);
    // ReLU's fastest pair is that of the mask: 1200 + 1700 < 1100 + 2000.
    is_about(gap(&report, Quantity::Stream, BOTH), (1500.0 + 2100.0) / (1200.0 + 1700.0));
    is_about(gap(&report, Quantity::Rung, "forward"), 6.0);
    is_about(gap(&report, Quantity::RungNet, "forward"), 11.0);
    // The default forms: (1600 - 1100) us over 10^6 elements are 500 ps, where the ladder has 100.
    is_about(gap(&report, Quantity::Hidden, "forward"), 1.0 - 5.0);
    is_about(gap(&report, Quantity::UnderMemory, "forward"), 1000.0 / 120.0);
    assert_eq!(gap(&report, Quantity::Rung, "backward"), None);
}

#[test]
fn a_form_that_was_wrong_or_not_compared_is_not_chosen() {
    let mut report = report();
    let exp2 =
        report.accuracy.iter_mut().find(|row| row.kernel.ends_with("sigmoid/exp2")).expect("a row");
    exp2.violations = 1;
    report.derive();
    is_about(gap(&report, Quantity::Stream, "forward"), 1600.0 / 1100.0);
    report.accuracy.clear();
    report.derive();
    assert_eq!(gap(&report, Quantity::Stream, "forward"), None);
    assert!(report.verdict.expect("of the rungs").fastest.is_empty());
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
        assert_eq!(gap(&report, Quantity::Stream, direction), None, "{direction}");
    }
    assert_eq!(gap(&report, Quantity::Hidden, "forward"), None);
    let verdict = report.verdict.clone().expect("of the rungs");
    assert!(!verdict.sentence.contains("Streaming"), "{}", verdict.sentence);
    for row in &mut report.rates {
        row.status = Status::Invalid;
    }
    report.derive();
    assert!(report.gaps.is_empty() && report.verdict.is_none(), "{:?}", report.gaps);
}

#[test]
fn the_verdict_says_what_is_hidden_and_hedges() {
    let mut report = report();
    let sentence = |report: &Report| report.verdict.clone().expect("a verdict").sentence;
    let shown = sentence(&report);
    assert!(shown.contains("memory hides nothing of the difference"), "{shown}");
    assert!(shown.contains("6.00 [6.00, 6.00] times as long as ReLU"), "{shown}");
    assert!(!shown.contains("roughly"), "{shown}");
    for row in &mut report.measurements {
        if row.activation == "sigmoid" {
            row.samples_ns = vec![Some(1.1e6); ROUNDS];
        }
    }
    report.derive();
    let hidden = sentence(&report);
    assert!(hidden.contains("exp is not free"), "{hidden}");
    for row in report.measurements.iter_mut().filter(|row| row.activation == "sigmoid") {
        row.samples_ns =
            (0..ROUNDS).map(|round| Some(if round % 2 == 0 { 1.0e6 } else { 1.4e6 })).collect();
    }
    report.derive();
    let wide = sentence(&report);
    assert!(wide.contains("roughly"), "{wide}");
}

#[test]
fn the_fastest_form_is_named_with_those_that_cannot_be_told_from_it() {
    let mut report = report();
    add_rung(&mut report, "sigmoid/naive", 2, 90.0);
    add_rung(&mut report, "sigmoid/poly", 3, 110.0);
    let poly = kernel(Direction::Forward, "sigmoid", "poly");
    report.accuracy.push(Accuracy::new(&poly, &validate::Accuracy::default()));
    report.derive();
    let verdict = report.verdict.clone().expect("a verdict");
    let forward = verdict
        .fastest
        .iter()
        .find(|fastest| fastest.direction == "forward")
        .expect("forms side by side");
    assert_eq!(forward.form, "exp2");
    assert_eq!(forward.as_fast, ["poly"]);
    assert_eq!(forward.slower, ["two_sided"]);
    // Backward there is no ladder here: by streaming.
    let backward =
        verdict.fastest.iter().find(|fastest| fastest.direction == "backward").expect("two forms");
    assert_eq!((backward.form.as_str(), backward.slower.len()), ("from_y", 1));
}

/// A crossover at 10^6 elements, whose memory time is 1000 us and whose k rungs of 120 ps take `time` us of the two.
fn crossover(time: impl Fn(f64, f64) -> f64) -> Crossover {
    let mut row = Crossover::new("forward", "f32", "ladder/f32/sigmoid/two_sided".to_owned());
    row.status = Status::Ok;
    row.yardstick = Some("forward/f32/n=1000000/copy/plain".to_owned());
    row.elements = ELEMENTS;
    row.rounds_per_device = u32::try_from(ROUNDS).expect("a few");
    let point = |rungs: u32| CrossoverPoint {
        rungs,
        samples_ns: vec![Some(1e3 * time(1000.0, 120.0 * f64::from(rungs))); ROUNDS],
    };
    row.points = [0, 1, 2, 4, 8, 16, 32].map(point).to_vec();
    row
}

#[test]
fn a_crossover_bends_where_memory_and_arithmetic_overlap() {
    let mut report = report();
    let of = |report: &Report, row: &Crossover| row.derived(&report.measurements, &report.rates);
    let overlapping = of(&report, &crossover(f64::max)).expect("figures");
    is_about(Some(overlapping.rungs_under_memory.median), 1000.0 / 120.0);
    is_about(Some(overlapping.stream_over_yardstick.median), 1.0);
    is_about(Some(overlapping.bend_rungs.median), 1000.0 / 120.0);
    is_about(Some(overlapping.rung_over_ladder.median), 1.0);
    is_about(Some(overlapping.knee_penalty.median), 0.0);
    assert_eq!(overlapping.knee_rungs, 8);
    let adding =
        of(&report, &crossover(|memory, arithmetic| memory + arithmetic)).expect("figures");
    is_about(Some(adding.bend_rungs.median), 0.0);
    is_about(Some(adding.knee_penalty.median), 960.0 / 1000.0);
    // k* is about memory, and not about how well this kernel streams.
    let slow = of(&report, &crossover(|memory, arithmetic| (1.5 * memory).max(arithmetic)))
        .expect("figures");
    is_about(Some(slow.rungs_under_memory.median), 1000.0 / 120.0);
    is_about(Some(slow.stream_over_yardstick.median), 1.5);
    is_about(Some(slow.bend_rungs.median), 1500.0 / 120.0);
    // What falls with k has no bend.
    assert!(
        of(&report, &crossover(|memory, arithmetic| 2.0 * memory - arithmetic / 10.0)).is_none()
    );
    let mut other = crossover(f64::max);
    other.ladder = "ladder/f32/exp2".to_owned();
    assert!(of(&report, &other).is_none());
    report.measurements[0].status = Status::Invalid;
    assert!(of(&report, &crossover(f64::max)).is_none());
}

#[test]
fn figures_of_a_stream_and_a_ladder_say_whether_their_clocks_were_one() {
    let mut report = report();
    report.adapter.is_software = false;
    for row in &mut report.measurements {
        row.witness_ns = vec![Some(1.1e5); ROUNDS];
    }
    for rate in &mut report.rates {
        rate.own.witness_ns = vec![Some(1e5); ROUNDS];
    }
    report.derive();
    let hidden = report.gaps.iter().find(|gap| gap.quantity == Quantity::Hidden).expect("a figure");
    is_about(hidden.clocks, 1.1);
    let sentence = |report: &Report| report.verdict.clone().expect("a verdict").sentence;
    assert!(!sentence(&report).contains("memory hides") && sentence(&report).contains("Streaming"));
    report.adapter.is_software = true;
    report.derive();
    assert!(sentence(&report).contains("memory hides"));
}

#[test]
fn ratios_are_taken_within_rounds_of_each_device() {
    let mut report = report();
    let rounds = u32::try_from(ROUNDS).expect("a few");
    // Every round is slower than the one before, for all members alike; the second device is twice as slow.
    let drift =
        |round: u32| (1.0 + f64::from(round) / 10.0) * if round < rounds { 1.0 } else { 2.0 };
    let drifting = |samples: &mut Vec<Option<f64>>| {
        let first = samples[0].expect("a sample");
        *samples = (0..2 * rounds).map(|round| Some(first * drift(round))).collect();
    };
    report.measurements.iter_mut().for_each(|row| drifting(&mut row.samples_ns));
    for climbs in report.rates.iter_mut().flat_map(|rate| [&mut rate.own, &mut rate.fma]) {
        [&mut climbs.once_ns, &mut climbs.twice_ns, &mut climbs.fourfold_ns]
            .into_iter()
            .for_each(drifting);
    }
    report.derive();
    let stream = report
        .gaps
        .iter()
        .find(|gap| gap.quantity == Quantity::Stream && gap.direction == "forward");
    let stream = stream.expect("a figure").estimate();
    is_about(Some(stream.median), 1500.0 / 1100.0);
    assert!(stream.high - stream.low < 1e-9, "{stream:?}");
    is_about(gap(&report, Quantity::Rung, "forward"), 6.0);
    // What is joined across panels has the width of both.
    let under =
        report.gaps.iter().find(|gap| gap.quantity == Quantity::UnderMemory).expect("a figure");
    assert!(under.low < 1000.0 / 120.0 / 1.5 && under.high > 1000.0 / 120.0 * 1.5, "{under:?}");
}

#[test]
fn everything_is_printed_in_a_hundred_columns() {
    let mut report = report();
    report.crossovers.push(crossover(f64::max));
    report.derive();
    let text = table::summary(&report);
    for part in [
        "1.36 [1.36, 1.36]",
        "k*",
        "8.33",
        "fastest sigmoid forward f32, in registers: exp2",
        "0.125",
        "Streaming",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
}
