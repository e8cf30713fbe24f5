//! The run from an adapter to a report, on a few small rows: what is in the report when all goes
//! well, and what stays in it when the user, the time allowed, the disk or the device ends the run.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{Choice, Gpu};
use actbench::measure::Plan;
use actbench::report::{Destination, Profile, Reason, Report, RunStatus, Status, json_schema};
use actbench::suite::{self, Planned, Settings, Watch};
use regex::Regex;

/// Steps before the first group: probe, accuracy, shapes, dispatch overhead, memory-bound sizes.
const PREPARING: usize = 5;

/// Four groups of three rows, with as little measuring as there can be.
fn settings() -> Settings {
    let plan = Plan {
        warm_up: Duration::ZERO,
        sample: Duration::from_micros(200),
        group: Duration::from_millis(10),
        min_rounds: 6,
        max_rounds: 12,
        ..Plan::QUICK
    };
    let filter = Regex::new("n=4096/").expect("a pattern");
    Settings { plan, filter: Some(filter), most_prepared: 1 << 17, ..Settings::of(Profile::Quick) }
}

/// Settings with the groups of f32 alone.
fn with_two_groups() -> Settings {
    Settings { filter: Some(Regex::new("f32/n=4096/").expect("a pattern")), ..settings() }
}

/// What loses the device that was opened last.
type Loser = Rc<RefCell<Option<Box<dyn Fn()>>>>;

/// Who watches, and interferes.
#[derive(Default)]
struct Watcher {
    /// (what, done, of) of each step.
    steps: Vec<(String, usize, usize)>,
    /// Rows with samples in each report that was kept, and whether it was the last.
    kept: Vec<(usize, bool)>,
    /// Before which step the user ends the run.
    interrupts: Option<usize>,
    /// After how many reports the disk is full.
    room_for: Option<usize>,
    /// Before which step the device is lost.
    loses: Option<(usize, Loser)>,
}

impl Watch for Watcher {
    fn step(&mut self, what: &str, done: usize, of: usize) -> bool {
        self.steps.push((what.to_owned(), done, of));
        if let Some((step, loser)) = &self.loses
            && *step == done
        {
            (loser.borrow().as_ref().expect("a device was opened"))();
        }
        self.interrupts != Some(done)
    }

    fn keep(&mut self, report: &Report, is_last: bool) -> Result<()> {
        is_whole(report);
        if self.room_for.is_some_and(|room| self.kept.len() >= room) {
            return Err(Error::Machine("no space left".to_owned()));
        }
        self.kept.push((measured(report), is_last));
        Ok(())
    }
}

fn open() -> Result<Gpu> {
    // The message of a machine without an adapter.
    common::gpu();
    Gpu::open(&Choice::from_environment(Choice::PreferSoftware))
}

fn run(settings: &Settings, watcher: &mut Watcher) -> (Report, Option<Error>) {
    let (report, error) = suite::run(&mut open, settings, None, watcher).expect("a device");
    is_whole(&report);
    assert_eq!(
        watcher.kept.iter().filter(|(_, is_last)| *is_last).count(),
        usize::from(watcher.room_for.is_none())
    );
    (report, error)
}

/// What is so of every report, however the run ended.
fn is_whole(report: &Report) {
    let json = serde_json::to_value(report).expect("string keys");
    let validator = jsonschema::validator_for(&json_schema()).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    for row in &report.measurements {
        let samples = row.samples_ns.len();
        assert_eq!(row.probe_ns.len(), samples, "{}", row.id);
        let per_device = row.rounds_per_repeat as usize;
        assert!(
            samples == 0 || per_device > 0 && samples.is_multiple_of(per_device),
            "{}: {samples}",
            row.id
        );
        match row.status {
            Status::Ok => assert!(row.derived().is_some() && row.reason.is_none(), "{}", row.id),
            // Not a reason yet of what the run has not come to.
            Status::Skipped => assert!(row.derived().is_none()),
            _ => assert!(row.derived().is_none() && row.reason.is_some(), "{}", row.id),
        }
    }
    let spent = report.run.spent;
    let sum = spent.open_s
        + spent.prepare_s
        + spent.compile_s
        + spent.inputs_s
        + spent.validate_s
        + spent.warm_up_s
        + spent.measure_s;
    assert!(sum <= report.run.duration_s, "{spent:?} in {} s", report.run.duration_s);
}

/// Rows that have samples.
fn measured(report: &Report) -> usize {
    report.measurements.iter().filter(|row| !row.samples_ns.is_empty()).count()
}

/// In how many repeats each row was measured, in a report in which each was in some.
fn repeats_by_row(report: &Report) -> Vec<usize> {
    report
        .measurements
        .iter()
        .map(|row| row.samples_ns.len() / row.rounds_per_repeat as usize)
        .collect()
}

/// That so many rows have samples, and the others say that they were not reached for this reason.
#[track_caller]
fn ends_after(report: &Report, rows: usize, reason: &Reason) {
    for (index, row) in report.measurements.iter().enumerate() {
        assert_eq!(!row.samples_ns.is_empty(), index < rows, "{}", row.id);
        if index >= rows {
            let not_reached = Reason::NotReached { ended: Box::new(reason.clone()) };
            assert_eq!((row.status, row.reason.as_ref()), (Status::Skipped, Some(&not_reached)));
        }
    }
    assert_eq!(report.run.reason.as_ref(), Some(reason));
}

#[test]
fn a_report_has_every_row_that_was_promised_and_repeats() {
    let mut watcher = Watcher::default();
    let (report, error) = run(&settings(), &mut watcher);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((report.run.status, &report.run.reason), (RunStatus::Complete, &None));
    let is_software = report.adapter.is_software;
    let groups = Planned::new(&settings(), is_software).groups;
    let promised: Vec<String> = groups
        .iter()
        .flat_map(|group| group.members.iter().map(|member| member.id(group.elements)))
        .collect();
    let ids: Vec<&str> = report.measurements.iter().map(|row| &*row.id).collect();
    assert_eq!(ids, promised);
    assert_eq!(ids.len(), 12);
    for row in &report.measurements {
        assert!(matches!(row.status, Status::Ok | Status::Invalid), "{}: {:?}", row.id, row.reason);
        assert_eq!(row.samples_ns.len(), row.rounds_per_repeat as usize, "{}", row.id);
        assert!(
            row.validation.is_some_and(|found| found.elements > 4000 && found.violations == 0),
            "{}",
            row.id
        );
        assert!(row.shape.is_some() && row.dispatches_per_sample > 0, "{}", row.id);
    }
    assert!(
        report.dispatch_overhead.is_some()
            && report.memory_scan.is_some()
            && !report.shapes.is_empty()
    );
    // Every step is counted, and a report kept after every group.
    let of = PREPARING + groups.len();
    let counts: Vec<(usize, usize)> =
        watcher.steps.iter().map(|(_, done, of)| (*done, *of)).collect();
    assert_eq!(counts, (0..of).map(|done| (done, of)).collect::<Vec<_>>());
    assert_eq!(watcher.kept, [(3, false), (6, false), (9, false), (12, false), (12, true)]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    Destination::prepare(&path)
        .and_then(|destination| destination.write(&report))
        .expect("written");
    let read = Report::read(&path).expect("a report");
    // Derived figures are computed on reading.
    let as_json = |report: &Report| serde_json::to_value(report).expect("string keys");
    assert_eq!(as_json(&read), as_json(&report));

    // In two repeats, of the same seed: the same inputs and results, as many rounds in each.
    let mut watcher = Watcher::default();
    let (again, error) = run(&Settings { repeats: 2, ..settings() }, &mut watcher);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        (again.run.status, again.run.repeats, report.run.repeats),
        (RunStatus::Complete, 2, 1)
    );
    for (again, row) in again.measurements.iter().zip(&report.measurements) {
        assert_eq!(again.samples_ns.len(), 2 * again.rounds_per_repeat as usize, "{}", row.id);
        assert_eq!(again.validation, row.validation, "{}", row.id);
        assert_eq!(again.wgsl_sha256, row.wgsl_sha256, "{}", row.id);
    }
    let last = watcher.steps.last().expect("steps");
    assert_eq!((last.1 + 1, last.2), (of + 1 + groups.len(), of + 1 + groups.len()));
}

#[test]
fn an_interrupt_at_any_step_leaves_what_was_done() {
    for step in 0..PREPARING + 2 {
        let mut watcher = Watcher { interrupts: Some(step), ..Watcher::default() };
        let (report, error) = run(&with_two_groups(), &mut watcher);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(report.run.status, RunStatus::Interrupted);
        let rows = 3 * step.saturating_sub(PREPARING);
        ends_after(&report, rows, &Reason::Interrupted);
        assert_eq!(report.run.repeats, u32::from(rows > 0));
        assert_eq!(watcher.steps.len(), step + 1, "nothing is begun after it");
        assert_eq!(watcher.kept.last(), Some(&(rows, true)));
    }
    // In the second repeat: each row has the samples of the first, and some those of the second.
    let step = PREPARING + 2 + 2;
    let mut watcher = Watcher { interrupts: Some(step), ..Watcher::default() };
    let (report, _) = run(&Settings { repeats: 2, ..with_two_groups() }, &mut watcher);
    assert_eq!((report.run.status, report.run.repeats), (RunStatus::Interrupted, 2));
    assert_eq!(repeats_by_row(&report), [2, 2, 2, 1, 1, 1]);
    assert!(report.measurements.iter().all(|row| row.status != Status::Skipped));
}

#[test]
fn time_that_is_over_begins_nothing() {
    let mut watcher = Watcher::default();
    let (report, error) =
        run(&Settings { max_time: Some(Duration::ZERO), ..settings() }, &mut watcher);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(report.run.status, RunStatus::Interrupted);
    ends_after(&report, 0, &Reason::OutOfTime);
    assert_eq!(watcher.steps.len(), 0);
    assert_eq!(watcher.kept, [(0, true)]);
}

#[test]
fn a_filter_that_matches_nothing_is_wrong_use() {
    let nothing = Settings { filter: Some(Regex::new("nosuch").expect("a pattern")), ..settings() };
    let mut watcher = Watcher::default();
    let error = suite::run(&mut open, &nothing, None, &mut watcher).expect_err("no rows");
    assert!(matches!(error, Error::Usage(_)), "{error:?}");
    assert!(watcher.steps.is_empty() && watcher.kept.is_empty());
}

#[test]
fn a_disk_that_is_full_ends_the_run_and_loses_no_sample() {
    for room in [0, 1] {
        let mut watcher = Watcher { room_for: Some(room), ..Watcher::default() };
        let (report, error) = run(&with_two_groups(), &mut watcher);
        assert!(
            matches!(&error, Some(Error::Machine(reason)) if reason == "no space left"),
            "{error:?}"
        );
        assert_eq!(report.run.status, RunStatus::Failed);
        let full = Reason::Machine { message: "no space left".to_owned() };
        ends_after(&report, 3 * (room + 1), &full);
        assert_eq!(watcher.kept.len(), room);
    }
}

/// A run whose device is lost before a step.
fn loses(step: usize, settings: &Settings) -> Report {
    let loser = Loser::default();
    let mut watcher = Watcher { loses: Some((step, Rc::clone(&loser))), ..Watcher::default() };
    let mut open = || {
        let gpu = open()?;
        *loser.borrow_mut() = Some(Box::new(gpu.loser()));
        Ok(gpu)
    };
    let (report, error) = suite::run(&mut open, settings, None, &mut watcher).expect("a device");
    is_whole(&report);
    let error = error.expect("it was lost");
    assert_eq!(error.exit(), Exit::Machine);
    assert!(error.to_string().contains("lost"), "{error}");
    assert_eq!(report.run.status, RunStatus::Failed);
    assert_eq!(report.run.reason, Some(Reason::from(&error)));
    assert_eq!(watcher.kept.last(), Some(&(measured(&report), true)));
    report
}

#[test]
fn a_device_lost_while_preparing_leaves_a_report_without_samples() {
    for step in [0, 1, 3] {
        let report = loses(step, &settings());
        ends_after(&report, 0, report.run.reason.as_ref().expect("a reason"));
    }
}

#[test]
fn a_device_lost_in_the_middle_leaves_what_was_measured() {
    let report = loses(PREPARING + 1, &settings());
    let lost = report.run.reason.clone().expect("a reason");
    let not_reached = Reason::NotReached { ended: Box::new(lost.clone()) };
    for (index, row) in report.measurements.iter().enumerate() {
        let found = (row.status, row.reason.as_ref(), row.samples_ns.is_empty());
        match index / 3 {
            0 => assert!(!found.2 && row.status != Status::Failed, "{}", row.id),
            1 => assert_eq!(found, (Status::Failed, Some(&lost), true), "{}", row.id),
            _ => assert_eq!(found, (Status::Skipped, Some(&not_reached), true), "{}", row.id),
        }
    }
}

#[test]
fn a_second_device_that_fails_leaves_what_the_first_measured() {
    let two = Settings { repeats: 2, ..with_two_groups() };
    // Lost before its second group, which is the last.
    let report = loses(PREPARING + 2 + 2, &two);
    assert_eq!(repeats_by_row(&report), [2, 2, 2, 1, 1, 1]);
    assert!(
        report.measurements.iter().all(|row| matches!(row.status, Status::Ok | Status::Invalid))
    );

    let mut opened = 0;
    let mut open_once = || {
        opened += 1;
        if opened == 1 { open() } else { Err(Error::Machine("no second device".to_owned())) }
    };
    let mut watcher = Watcher::default();
    let (report, error) = suite::run(&mut open_once, &two, None, &mut watcher).expect("a device");
    is_whole(&report);
    assert_eq!(error.expect("an error").to_string(), "no second device");
    assert_eq!((report.run.status, report.run.repeats), (RunStatus::Failed, 1));
    assert_eq!(repeats_by_row(&report), [1; 6]);
}

#[test]
fn without_a_device_there_is_no_report() {
    let mut watcher = Watcher::default();
    let error = suite::run(&mut || Err(Error::NoAdapter), &settings(), None, &mut watcher)
        .expect_err("no device");
    assert_eq!(error.exit(), Exit::NoAdapter);
    assert!(watcher.kept.is_empty());
}

/// Rows of chains and ridges on small tensors, in so many rounds that a busy moment does not hide a
/// step's time.
fn of_chains(rows: &str) -> Settings {
    Settings {
        plan: Plan { min_rounds: 24, max_rounds: 24, ..settings().plan },
        repeats: 2,
        filter: Some(Regex::new(rows).expect("a pattern")),
        most_prepared: 1 << 18,
        ..Settings::of(Profile::Standard)
    }
}

const RIDGES: &str = "^ridge/sigmoid:relu/.*ward/f32$";
const CHAINS: &str = "^arithmetic/f32/(relu/plain|sigmoid/two_sided)$";

#[test]
fn chains_have_the_samples_of_every_repeat() {
    let (report, error) = run(&of_chains(CHAINS), &mut Watcher::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!((report.run.status, report.run.repeats), (RunStatus::Complete, 2));
    assert_eq!(report.arithmetic.len(), 3);
    for row in &report.arithmetic {
        assert_eq!((row.status, &row.reason), (Status::Ok, &None), "{}", row.id);
        let samples = 2 * row.rounds_per_repeat as usize;
        for chain in [&row.own, &row.two_fmas, &row.fma] {
            for series in [&chain.once_ns, &chain.fourfold_ns, &chain.probe_ns] {
                assert_eq!(series.len(), samples, "{}", row.id);
            }
        }
        assert_eq!((row.own.twice_ns.len(), row.two_fmas.twice_ns.len()), (samples, 0));
        assert!(row.chains % 4 == 0 && row.wgsl_sha256.is_some() && row.elements > 0);
    }
}

#[test]
fn a_ridge_has_seven_members_and_the_samples_of_every_repeat() {
    // Hardware alone has ridges: the adapter of tests poses as such.
    let mut open = || {
        let mut gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware))?;
        gpu.facts.is_software = false;
        Ok(gpu)
    };
    let mut ridges = of_chains(RIDGES);
    // Its probe tells how busy the cores are, and judges nothing.
    ridges.plan.probe_tolerance = None;
    let (report, error) = suite::run(&mut open, &ridges, None, &mut ()).expect("a device");
    assert!(error.is_none(), "{error:?}");
    // CI computes its figures again from the samples.
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("ridges.json");
    std::fs::write(path, serde_json::to_string(&report).expect("string keys")).expect("a folder");
    assert_eq!(report.ridges.len(), 2);
    for ridge in &report.ridges {
        assert!(matches!(ridge.status, Status::Ok | Status::Invalid), "{:?}", ridge.reason);
        let names: Vec<&str> = ridge.members.iter().map(|member| member.name.as_str()).collect();
        let is_backward = ridge.direction == "backward";
        assert_eq!(names[0], if is_backward { "add/plain" } else { "copy/plain" });
        assert!(names[1].starts_with("sigmoid/") && names[2].starts_with("relu/"), "{names:?}");
        let steps: Vec<u32> = ridge.members.iter().map(|member| member.steps).collect();
        assert_eq!((&steps[..3], steps[4], steps[6]), (&[0; 3][..], 4 * steps[3], 4 * steps[5]));
        assert!(steps[3] > 0 && steps[5] > 0, "{steps:?}");
        for member in &ridge.members {
            assert_eq!(member.samples_ns.len(), 2 * ridge.rounds_per_repeat as usize);
        }
        assert!(ridge.elements.is_power_of_two() && ridge.bytes > 0 && ridge.shape.is_some());
    }
}

#[test]
fn there_is_no_ridge_where_the_same_cores_load_and_compute() {
    let settings = Settings { repeats: 1, ..of_chains(RIDGES) };
    let (report, error) = run(&settings, &mut Watcher::default());
    assert!(error.is_none(), "{error:?}");
    for ridge in &report.ridges {
        let is_without = ridge.reason == Some(Reason::SharedCores);
        assert_eq!(is_without, report.adapter.is_software, "{:?}", ridge.reason);
        assert!(!is_without || ridge.status == Status::Unsupported && ridge.members.is_empty());
    }
}

#[test]
fn chains_and_ridges_that_were_not_reached_say_so() {
    let mut watcher = Watcher { interrupts: Some(0), ..Watcher::default() };
    let rows = [CHAINS, RIDGES].join("|");
    let (report, error) = run(&of_chains(&rows), &mut watcher);
    assert!(error.is_none(), "{error:?}");
    let not_reached = Reason::NotReached { ended: Box::new(Reason::Interrupted) };
    let chains = report.arithmetic.iter().map(|row| (row.status, &row.reason));
    let ridges = report.ridges.iter().map(|row| (row.status, &row.reason));
    for row in chains.chain(ridges) {
        assert_eq!(row, (Status::Skipped, &Some(not_reached.clone())));
    }
    assert!(report.arithmetic.len() == 3 && report.ridges.len() == 2);
}
