//! Comparing and ranking reports: verdicts on reports made by hand, where what differs is known,
//! and the verbs on files.

mod fixture;
mod page;
mod verb;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use actbench::compare::rank::{By, Ranking};
use actbench::compare::{
    self, Comparison, Named, Quantity, Row, Settings, Unclear, Verdict, Which,
};
use actbench::error::Error;
use actbench::gpu::Shape;
use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::chain::Chain;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::Kernel;
use actbench::kernels::ops::Op;
use actbench::render::{self, comparison as words, ranking};
use actbench::report::{
    self, Arithmetic, BoundBy, ChainSamples, Destination, Dropped, Measurement, Report, RunStatus,
    Status,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use verb::ends;

const SCHEMA_FILE: &str = "schema/compare-2.schema.json";

/// Set, the published schema is renewed instead of compared.
const RENEW: &str = "ACTBENCH_RENEW_SCHEMA";

const ROUNDS: usize = 20;

/// What a report is made from.
#[derive(Clone, Copy)]
struct Made {
    seed: u64,
    repeats: usize,
    /// How many times as long sigmoid takes.
    sigmoid: f64,
    /// How many times as long everything takes, the probe with it.
    clock: f64,
}

const PLAIN: Made = Made { seed: 1, repeats: 3, sigmoid: 1.0, clock: 1.0 };

/// Two directions of two sizes with copy, ReLU and sigmoid; chains of fma, ReLU and sigmoid.
/// Repeats differ by 0.1 %, rounds by 0.4 %.
fn made(made: Made) -> Report {
    let mut report = fixture::report();
    report.run.status = RunStatus::Complete;
    report.run.reason = None;
    // Of changed sources nobody knows whether they are the same.
    report.tool.git_dirty = Some(false);
    report.run.repeats = u32::try_from(made.repeats).expect("a few");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(made.seed);
    let mut samples = |ns: f64| {
        let mut normal = || random.sample::<f64, _>(rand_distr::StandardNormal);
        let mut samples = Vec::new();
        for _ in 0..made.repeats {
            let repeat = ns * made.clock * (1.0 + 0.001 * normal());
            samples.extend((0..ROUNDS).map(|_| Some(repeat * (1.0 + 0.004 * normal()))));
        }
        samples
    };
    for elements in [1 << 20, 1 << 24] {
        for direction in Direction::ALL {
            for (activation, factor) in
                [(direction.copy(), 1.0), ("relu", 1.01), ("sigmoid", 1.2 * made.sigmoid)]
            {
                let activation = Activation::named(activation).expect("in the table");
                let kernel =
                    Kernel::default_variant(activation, direction, Dtype::F32).expect("a variant");
                let mut row = Measurement::new(&kernel, elements);
                row.status = Status::Ok;
                row.bound_by = Some(BoundBy::Memory);
                row.shape = Some(Shape::default());
                row.wgsl_sha256 = Some("ab".repeat(32));
                row.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
                row.samples_ns = samples(1e5 * factor);
                row.probe_ns = vec![Some(2.5e5 * made.clock); row.samples_ns.len()];
                report.measurements.push(row);
            }
        }
    }
    for (op, ps) in
        [("fma", 10.0), ("relu/plain", 20.0), ("sigmoid/two_sided", 120.0 * made.sigmoid)]
    {
        let mut rate =
            Arithmetic::new(&Chain::new(Op::named(op).expect("in the table"), Dtype::F32, 1), 0);
        rate.status = Status::Ok;
        rate.elements = 1000;
        rate.chains = 4;
        rate.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
        let mut runs = |ps: f64| ChainSamples {
            steps: 64,
            once_ns: samples(ps * 64.0),
            twice_ns: samples(ps * 128.0),
            fourfold_ns: samples(ps * 256.0),
            probe_ns: vec![Some(2.5e5 * made.clock); ROUNDS * made.repeats],
        };
        let own = runs(ps);
        let fma = runs(10.0);
        // A second fma hides behind the op.
        let two = ChainSamples { twice_ns: Vec::new(), ..own.clone() };
        rate.take(&[own, two], &fma, Dropped::default());
        report.arithmetic.push(rate);
    }
    report.derive();
    report
}

fn against(base: &Report, new: &Report, settings: &Settings) -> Comparison {
    let [base, new] =
        [Named { file: "base.json", report: base }, Named { file: "new.json", report: new }];
    Comparison::new(&base, &[new], settings).expect("they share rows")
}

fn compared(base: &Report, new: &Report) -> Comparison {
    against(base, new, &Settings::default())
}

/// The rows of a quantity.
fn rows(comparison: &Comparison, quantity: Quantity) -> impl Iterator<Item = &Row> {
    comparison.others[0].rows.iter().filter(move |row| row.quantity == quantity)
}

#[test]
fn what_takes_longer_is_slower_and_exchanged_faster() {
    let (before, after) = (made(PLAIN), made(Made { seed: 2, sigmoid: 1.1, ..PLAIN }));
    for (base, new, verdict) in
        [(&before, &after, Verdict::Slower), (&after, &before, Verdict::Faster)]
    {
        let comparison = compared(base, new);
        for quantity in
            [Quantity::OverCopy, Quantity::StepFmas, Quantity::StepRatio, Quantity::NsPerElement]
        {
            let mut sigmoids = 0;
            for row in rows(&comparison, quantity) {
                // The ratio is that of sigmoid.
                let is_changed = row.id.contains("sigmoid") || row.id.starts_with("ratio/");
                sigmoids += u32::from(is_changed);
                assert_eq!(row.verdict == verdict, is_changed, "{row:?}");
                assert!(
                    is_changed || matches!(row.verdict, Verdict::Same | Verdict::Ambiguous),
                    "{row:?}"
                );
            }
            assert!(sigmoids > 0, "{quantity:?}");
        }
    }
}

#[test]
fn what_is_the_same_is_called_so() {
    let comparison = compared(&made(PLAIN), &made(Made { seed: 2, ..PLAIN }));
    assert_eq!(comparison.count(Verdict::Faster) + comparison.count(Verdict::Slower), 0);
    assert!(rows(&comparison, Quantity::OverCopy).all(|row| row.verdict == Verdict::Same));
    let itself = compared(&made(PLAIN), &made(PLAIN));
    assert!(itself.others[0].rows.iter().all(|row| row.ratio == Some(1.0)));
    assert!(itself.others[0].differences.is_empty(), "{:?}", itself.others[0].differences);
}

#[test]
fn a_clock_that_changed_moves_times_and_nothing_that_is_judged() {
    let (base, new) = (made(PLAIN), made(Made { seed: 2, clock: 1.3, ..PLAIN }));
    let comparison = compared(&base, &new);
    assert_eq!(comparison.count(Verdict::Slower), 0);
    assert!(rows(&comparison, Quantity::OverCopy).all(|row| row.verdict == Verdict::Same));
    let absolute = [Quantity::NsPerElement, Quantity::FmaStepPs];
    for row in absolute.into_iter().flat_map(|quantity| rows(&comparison, quantity)) {
        assert_eq!(
            (row.verdict, row.reason.as_ref()),
            (Verdict::Incomparable, Some(&Unclear::ClockDiffers)),
            "{row:?}"
        );
        // Shown nevertheless.
        assert!(
            row.ratio.is_some_and(|ratio| (1.25..1.35).contains(&ratio)) && row.p.is_none(),
            "{row:?}"
        );
    }
    // A probe that did not slow down says that it is not the clock.
    let mut slower = new;
    slower.measurements.iter_mut().for_each(|row| row.probe_ns.fill(Some(2.5e5 * 1.01)));
    slower.arithmetic.iter_mut().for_each(|rate| rate.own.probe_ns.fill(Some(2.5e5 * 1.01)));
    let comparison = compared(&base, &slower);
    assert!(absolute.iter().all(|quantity| rows(&comparison, *quantity).count() > 0
        && rows(&comparison, *quantity).all(|row| row.verdict == Verdict::Slower)));
    // Without one it is not known.
    slower.measurements.iter_mut().for_each(|row| row.probe_ns.clear());
    slower.arithmetic.iter_mut().for_each(|rate| rate.own.probe_ns.clear());
    let comparison = compared(&base, &slower);
    for quantity in absolute {
        assert!(rows(&comparison, quantity).all(|row| row.reason == Some(Unclear::NoProbe)));
    }
}

#[test]
fn software_is_held_against_hardware_only_if_asked() {
    let (base, mut new) = (made(PLAIN), made(Made { seed: 2, ..PLAIN }));
    new.adapter.is_software = true;
    let comparison = compared(&base, &new);
    assert_eq!(comparison.judged, 0);
    assert!(
        comparison.others[0]
            .rows
            .iter()
            .all(|row| row.reason == Some(Unclear::SoftwareAgainstHardware))
    );
    let asked =
        against(&base, &new, &Settings { software_against_hardware: true, ..Settings::default() });
    assert!(asked.judged > 0);
}

#[test]
fn other_adapters_are_judged_by_what_has_no_clock_in_it() {
    let (base, mut new) = (made(PLAIN), made(Made { seed: 2, ..PLAIN }));
    new.adapter.name = "Another GPU".to_owned();
    new.measurements
        .iter_mut()
        .for_each(|row| row.shape = Some(Shape { workgroup_size: 64, words_per_invocation: 4 }));
    let comparison = compared(&base, &new);
    assert!(rows(&comparison, Quantity::OverCopy).all(|row| row.verdict == Verdict::Same));
    assert!(
        rows(&comparison, Quantity::NsPerElement)
            .all(|row| row.reason == Some(Unclear::OtherAdapter))
    );
    // On one adapter, the shape is not a property of it.
    new.adapter.name.clone_from(&base.adapter.name);
    let comparison = compared(&base, &new);
    assert!(
        rows(&comparison, Quantity::OverCopy).all(|row| row.reason == Some(Unclear::OtherShape))
    );
    assert!(rows(&comparison, Quantity::OverCopy).all(|row| row.changed == ["shape"]));
}

#[test]
fn rows_of_one_report_are_listed() {
    let (base, mut new) = (made(PLAIN), made(Made { seed: 2, ..PLAIN }));
    let gone = new.measurements.remove(1).id;
    let failed = new.measurements[1].id.clone();
    new.measurements[1].status = Status::Failed;
    let wrong = report::Reason::Wrong { message: "3 wrong results".to_owned() };
    new.measurements[1].reason = Some(wrong.clone());
    new.measurements[4].id += "/checked";
    let added = new.measurements[4].id.clone();
    new.derive();
    let comparison = compared(&base, &new);
    let other = &comparison.others[0];
    assert!(
        other.only_base.contains(&gone) && other.only_base.contains(&failed),
        "{:?}",
        other.only_base
    );
    assert_eq!(other.only_new, [added]);
    assert!(!comparison.has_all());
    let row = other.rows.iter().find(|row| row.id == failed).expect("a row of both");
    assert_eq!(row.verdict, Verdict::Incomparable);
    let (side, status, because) = (Which::New, Status::Failed, Some(wrong));
    assert_eq!(row.reason, Some(Unclear::NotMeasured { side, status, because }));
    let csv = words::csv(&comparison);
    assert!(csv.contains("incomparable,not_measured"), "{csv}");
    assert!(compared(&base, &base).has_all());
}

#[test]
fn reports_that_share_nothing_are_refused_with_both_names() {
    let (base, mut new) = (made(PLAIN), made(PLAIN));
    new.measurements.iter_mut().for_each(|row| row.id += "/checked");
    new.arithmetic.clear();
    new.derive();
    let [base, new] =
        [Named { file: "base.json", report: &base }, Named { file: "new.json", report: &new }];
    match Comparison::new(&base, &[new], &Settings::default()) {
        Err(Error::Usage(text)) => {
            assert!(text.starts_with("base.json and new.json share no row"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_differs_is_told_the_adapter_first() {
    let (mut base, mut new) = (made(PLAIN), made(PLAIN));
    new.adapter.driver_info = "1.3".to_owned();
    new.run.seed = 7;
    base.run.filter = None;
    new.tool.git_revision = Some("f".repeat(40));
    new.measurements.iter_mut().filter(|row| row.activation == "sigmoid").for_each(|row| {
        row.wgsl_sha256 = Some("cd".repeat(32));
    });
    let comparison = compared(&base, &new);
    let other = &comparison.others[0];
    let told: Vec<(&str, Option<&str>)> = other
        .differences
        .iter()
        .map(|difference| (difference.what.as_str(), difference.of.as_deref()))
        .collect();
    let expected = [
        ("adapter.driver_info", None),
        ("tool.git_revision", None),
        ("run.seed", None),
        ("run.filter", None),
        ("shader", Some("backward/f32/sigmoid/from_y")),
        ("shader", Some("forward/f32/sigmoid/two_sided")),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (&other.differences[0].base, &other.differences[0].new),
        (&"1.2".into(), &"1.3".into())
    );
    assert_eq!(other.differences[3].base, Value::Null);
    assert!(
        other
            .rows
            .iter()
            .filter(|row| row.id.contains("/sigmoid/") && !row.id.starts_with("arithmetic/"))
            .all(|row| row.changed == ["shader"])
    );
    let text = words::text(&comparison);
    let place =
        |part: &str| text.find(part).unwrap_or_else(|| panic!("{part:?} is missing in:\n{text}"));
    assert!(place("1.2 -> 1.3") < place("time over copy"), "{text}");
    assert!(text.contains("filter: none -> forward"), "{text}");
}

#[test]
fn one_repeat_each_is_ambiguous_unless_the_effect_is_large() {
    let one = Made { repeats: 1, ..PLAIN };
    let base = made(one);
    let comparison = compared(&base, &made(Made { seed: 2, sigmoid: 1.05, ..one }));
    for row in rows(&comparison, Quantity::OverCopy) {
        assert_eq!(row.verdict, Verdict::Ambiguous, "{row:?}");
        assert!(row.reason.is_some() && row.repeats_needed.is_none_or(|n| n > 1), "{row:?}");
    }
    let text = words::text(&comparison);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("4 %") && words.contains("assumed"), "{text}");
    let comparison = compared(&base, &made(Made { seed: 2, sigmoid: 1.5, ..one }));
    let sigmoids = rows(&comparison, Quantity::OverCopy).filter(|row| row.id.contains("sigmoid"));
    assert!(sigmoids.map(|row| row.verdict).all(|verdict| verdict == Verdict::Slower));
}

#[test]
fn several_reports_share_one_correction() {
    let base = made(PLAIN);
    let others: Vec<Report> = (2..5).map(|seed| made(Made { seed, ..PLAIN })).collect();
    let alone = compared(&base, &others[0]);
    let files = ["a.json", "b.json", "c.json"];
    let named: Vec<Named> =
        files.iter().zip(&others).map(|(file, report)| Named { file, report }).collect();
    let base = Named { file: "base.json", report: &base };
    let together = Comparison::new(&base, &named, &Settings::default()).expect("rows");
    assert_eq!(together.judged, 3 * alone.judged);
    let compared: Vec<&str> = together.others.iter().map(|other| other.new.file.as_str()).collect();
    assert_eq!(compared, files);
    for (one, of_three) in alone.others[0].rows.iter().zip(&together.others[0].rows) {
        assert_eq!(one.p, of_three.p);
        assert!(one.p_holm <= of_three.p_holm, "{one:?} {of_three:?}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_types_and_describes_a_comparison() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_FILE);
    let current = compare::json_schema();
    if std::env::var_os(RENEW).is_some() {
        let text = serde_json::to_string_pretty(&current).expect("string keys");
        fs::write(&path, text + "\n").expect("written");
    }
    let published = fs::read_to_string(&path).expect("text");
    let published: Value = serde_json::from_str(&published).expect("JSON");
    assert!(
        published == current,
        "{SCHEMA_FILE} is not that of src/compare. Renew it: {RENEW}=1 cargo test --release \
         --test compare published"
    );
    let validator = jsonschema::validator_for(&current).expect("a schema");
    let mut new = made(Made { seed: 2, sigmoid: 1.1, ..PLAIN });
    new.measurements.pop();
    let json = serde_json::to_value(compared(&made(PLAIN), &new)).expect("string keys");
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(json["others"][0]["rows"][1]["verdict"], "slower");
}

#[test]
fn texts_fit_in_100_columns() {
    let mut new = made(Made { seed: 2, sigmoid: 1.1, ..PLAIN });
    new.adapter.driver_info = "as long as no driver's version should be ".repeat(9);
    new.measurements.truncate(3);
    let text = words::text(&compared(&made(PLAIN), &new));
    let table =
        text.lines().filter(|line| line.contains("ward/f32/n=") || line.starts_with("arithmetic/"));
    assert!(table.count() > 10, "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line),
        "{text}"
    );
}

/// What would be markup, a link, a cell of its own, a formula or a command to a terminal if it were
/// more than text.
const HOSTILE: &str = "=1+1|`x`<script>alert(1)</script>[a](javascript:b)@all **b** _c_ \
                       https://x.org\u{1b}[2J\u{202e}\n# d";

/// Reports that differ, with hostile texts wherever they have texts, and the names of their files.
fn hostile_comparison() -> (Comparison, [String; 2]) {
    let (mut base, mut new) = (made(PLAIN), made(Made { seed: 2, sigmoid: 1.1, ..PLAIN }));
    HOSTILE.clone_into(&mut new.adapter.name);
    HOSTILE.clone_into(&mut new.adapter.driver_info);
    for report in [&mut base, &mut new] {
        HOSTILE.clone_into(&mut report.measurements[1].id);
        report.arithmetic[1].id = format!("{HOSTILE}/rate");
    }
    new.run.labels = [(HOSTILE.to_owned(), HOSTILE.to_owned())].into();
    new.measurements[2].status = Status::Failed;
    new.measurements[2].reason = Some(report::Reason::Wrong { message: HOSTILE.to_owned() });
    new.measurements[4].id = format!("{HOSTILE}/new");
    base.derive();
    new.derive();
    let files = [format!("{HOSTILE}-base.json"), format!("{HOSTILE}-new.json")];
    let [base, new] =
        [Named { file: &files[0], report: &base }, Named { file: &files[1], report: &new }];
    let comparison = Comparison::new(&base, &[new], &Settings::default()).expect("they share rows");
    (comparison, files)
}

#[test]
fn no_text_or_file_name_is_more_than_text_in_markdown() {
    let (comparison, _) = hostile_comparison();
    let markdown = words::markdown(&comparison);
    assert!(
        markdown.lines().all(|line| !line.contains("# d") || line.contains(r"\# d")),
        "{markdown}"
    );
    assert!(!markdown.contains(['\u{1b}', '\u{202e}']) && !markdown.contains("@all"), "{markdown}");
    assert!(!markdown.contains("://"), "{markdown}");
    for (at, character) in markdown.match_indices(['<', '`', '[', '*', '|', '_']) {
        let before = &markdown[..at];
        let is_escaped =
            before.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1;
        let line = before.rsplit('\n').next().unwrap_or_default();
        let after = &markdown[at..];
        let is_ours = match character {
            // An interval.
            "[" => after[1..].starts_with(|next: char| next.is_ascii_digit()),
            "*" => after.starts_with("**") || before.ends_with('*'),
            "|" => line.is_empty() || line.starts_with('|'),
            "_" => {
                before.ends_with(char::is_alphanumeric)
                    && after[1..].starts_with(char::is_alphanumeric)
            }
            _ => false,
        };
        assert!(
            is_escaped || is_ours,
            "{character} in {line}{}",
            after.lines().next().unwrap_or_default()
        );
    }
    // A row of a table has as many cells as its header.
    let mut cells = None;
    for line in markdown.lines() {
        if line.starts_with('|') {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(bars, *cells.get_or_insert(bars), "{line}");
        } else {
            cells = None;
        }
    }
    assert_eq!(markdown.lines().filter(|line| line.starts_with('#')).count(), 1, "{markdown}");
    assert!(
        markdown.contains("2 only in base, 1 only in new") && markdown.contains("SLOWER"),
        "{markdown}"
    );
}

#[test]
fn no_text_or_file_name_is_a_formula_in_csv_or_a_command_to_a_terminal() {
    let (comparison, files) = hostile_comparison();
    let csv = words::csv(&comparison);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> =
        reader.records().map(|record| record.expect("a record")).collect();
    assert_eq!(records.len(), comparison.others[0].rows.len());
    for record in &records {
        for cell in record {
            let is_number = cell.parse::<f64>().is_ok();
            assert!(is_number || !cell.starts_with(['=', '+', '-', '@']), "{cell:?} is a formula");
            assert!(!cell.contains(['\u{1b}', '\u{202e}']), "{cell:?}");
        }
        assert!(
            files
                .iter()
                .zip(record)
                .all(|(file, cell)| cell.starts_with("'=1+1") && cell.len() > file.len() / 2)
        );
    }
    assert!(
        records.iter().any(|record| &record[13] == "slower")
            && records.iter().any(|record| &record[13] == "same")
    );
    let text = words::text(&comparison);
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("# d")), "no text begins a line: {text}");
}

#[test]
fn the_page_has_every_report_in_each_picture_and_runs_nothing() {
    let hostile = "<script>alert(1)</script>";
    let (base, same) = (made(PLAIN), made(Made { seed: 3, ..PLAIN }));
    let mut slower = made(Made { seed: 2, sigmoid: 1.1, ..PLAIN });
    slower.adapter.name = hostile.to_owned();
    slower.measurements.pop();
    slower.derive();
    let files = ["base.json", "same.json", "slower.json"];
    let named: Vec<Named> = files
        .iter()
        .zip([&base, &same, &slower])
        .map(|(file, report)| Named { file, report })
        .collect();
    let comparison =
        Comparison::new(&named[0], &named[1..], &Settings::default()).expect("they share rows");
    let page = render::compared(&comparison, &named);
    let xml = page::xml_of(&page);
    let tree = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}"));
    assert!(!page.contains(hostile) && page.contains("alert(1)"), "the name is text");
    assert!(
        tree.descendants()
            .all(|node| !matches!(node.tag_name().name(), "script" | "link" | "img" | "iframe"))
    );
    let pictures: Vec<String> = tree
        .descendants()
        .filter(|node| node.tag_name().name() == "figure")
        .map(|figure| figure.descendants().filter_map(|node| node.text()).collect::<String>())
        .collect();
    assert!(pictures.len() >= 4, "{}", pictures.len());
    let alike = |what: &str| pictures.iter().filter(|text| text.contains(what)).collect::<Vec<_>>();
    let [steps, bandwidth] =
        [alike("Time of an operation in FMAs"), alike("Bandwidth by size, forward f32")];
    assert!(!steps.is_empty() && !bandwidth.is_empty(), "{pictures:?}");
    for picture in steps.iter().chain(&bandwidth) {
        for name in files {
            assert!(picture.contains(name), "{name} is not in {picture}");
        }
    }
    let text: String = tree.descendants().filter_map(|node| node.text()).collect();
    for part in ["SLOWER", "arithmetic/f32/sigmoid/two_sided", "Only in base", "1.1"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// A report of its own speed: everything takes so many times as long.
fn as_slow_as(factor: f64, name: &str) -> Report {
    let mut report = made(Made { clock: factor, ..PLAIN });
    name.clone_into(&mut report.adapter.name);
    report
}

#[test]
fn ranks_are_by_geometric_mean_over_what_all_have_and_software_is_apart() {
    let (fast, mut slow, mut software) =
        (as_slow_as(1.0, "fast"), as_slow_as(2.0, "slow"), as_slow_as(4.0, "software"));
    software.adapter.is_software = true;
    // What one lacks counts for none.
    let lacking = slow.measurements.iter().position(|row| row.activation == "copy").expect("a row");
    slow.measurements.remove(lacking);
    let reports = [("slow.json", &slow), ("software.json", &software), ("fast.json", &fast)];
    let ranking = Ranking::new(By::Memory, &reports).expect("rows");
    let files: Vec<&str> =
        ranking.hardware.places.iter().map(|place| place.file.as_str()).collect();
    assert_eq!(files, ["fast.json", "slow.json"]);
    assert_eq!((ranking.hardware.rows.len(), ranking.hardware.left_out), (3, 1));
    let [first, second] = &ranking.hardware.places[..] else { panic!("{ranking:?}") };
    assert!(
        (first.mean / second.mean - 2.0).abs() < 0.02 && (second.of_best - 0.5).abs() < 0.01,
        "{ranking:?}"
    );
    assert_eq!(ranking.software.places.len(), 1);
    assert_eq!(ranking.software.rows.len(), 4);
    let text = ranking::text(&ranking);
    assert!(
        text.contains("software adapters, which run on the CPU")
            && text.contains("over 3 rows that all have"),
        "{text}"
    );
    // Of a ratio the least is best, and the clock is in none.
    let ratio = Ranking::new(
        By::Ratio,
        &[("a.json", &made(Made { sigmoid: 1.5, ..PLAIN })), ("b.json", &fast)],
    )
    .expect("rows");
    assert_eq!(ratio.hardware.places[0].file, "b.json");
    let sigmoid = Ranking::new(By::Numerator, &reports[..1]).expect("rows");
    assert!((sigmoid.hardware.places[0].mean / (1e12 / 240.0) - 1.0).abs() < 0.02, "{sigmoid:?}");
}

#[test]
fn a_report_without_a_row_of_the_figure_is_named() {
    let mut empty = made(PLAIN);
    empty.arithmetic.clear();
    empty.derive();
    for by in [By::Numerator, By::Ratio] {
        let error = Ranking::new(by, &[("full.json", &made(PLAIN)), ("empty.json", &empty)])
            .expect_err("no row");
        assert!(error.to_string().starts_with("empty.json has no row to rank by"), "{error}");
    }
}

/// Files of reports in a folder of their own.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(reports: &[(&str, &Report)]) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        for (name, report) in reports {
            let written = Destination::prepare(&files.path(name))
                .and_then(|destination| destination.write(report));
            written.expect("written");
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `actbench` in that folder.
    fn actbench(&self, arguments: &str) -> Command {
        let mut command = verb::actbench(arguments.split_whitespace());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        // Mesa complains if there is none.
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }

    /// What it prints to stdout and to stderr, ending with a status.
    #[track_caller]
    fn ends(&self, arguments: &str, status: i32) -> (String, String) {
        ends(self.actbench(arguments), status)
    }
}

#[test]
fn compare_ends_with_1_for_regressions_alone() {
    let slower = made(Made { seed: 2, sigmoid: 1.1, ..PLAIN });
    let mut partial = made(Made { seed: 3, ..PLAIN });
    partial.arithmetic.clear();
    let mut software = made(PLAIN);
    software.adapter.is_software = true;
    let reports = [
        ("base.json", &made(PLAIN)),
        ("slow.json", &slower),
        ("part.json", &partial),
        ("cpu.json", &software),
    ];
    let files = Files::new(&reports);
    let (text, _) = files.ends("compare base.json slow.json", 1);
    assert!(
        text.contains("SLOWER")
            && text.contains("base base.json")
            && text.contains("new slow.json"),
        "{text}"
    );
    files.ends("compare slow.json base.json", 0);
    files.ends("compare base.json base.json --format md", 0);
    files.ends("compare base.json base.json slow.json --format csv", 1);
    // Smaller than what is asked for.
    files.ends("compare base.json slow.json --threshold 20%", 0);
    let (text, _) = files.ends("compare base.json part.json", 0);
    assert!(
        text.contains("Only in base: 3 rows")
            && text.contains("arithmetic/f32: relu/plain sigmoid/two_sided fma"),
        "{text}"
    );
    let (_, complaint) = files.ends("compare base.json part.json --require-all", 1);
    assert!(complaint.contains("--require-all"), "{complaint}");
    files.ends("compare base.json slow.json --require-all", 1);
    let (text, complaint) = files.ends("compare base.json cpu.json", 2);
    assert!(
        text.contains("software-against-hardware")
            && complaint.contains("no row of these reports can be judged"),
        "{text}"
    );
    files.ends("compare base.json cpu.json --software-against-hardware", 0);
    for wrong in [
        "compare base.json",
        "compare base.json slow.json --threshold 0",
        "compare base.json slow.json --threshold fast",
    ] {
        files.ends(wrong, 2);
    }
}

#[test]
fn compare_prints_an_object_of_its_schema() {
    let files =
        Files::new(&[("base.json", &made(PLAIN)), ("new.json", &made(Made { seed: 2, ..PLAIN }))]);
    let (json, _) = files.ends("compare base.json new.json --format json", 0);
    let (schema, _) = files.ends("schema --compare", 0);
    let [json, schema] =
        [json, schema].map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    assert!(jsonschema::is_valid(&schema, &json));
    assert_eq!(json["schema"], compare::SCHEMA);
    let (schema, _) = files.ends("schema", 0);
    let schema = serde_json::from_str::<Value>(&schema).expect("JSON");
    let report = serde_json::from_slice::<Value>(&fs::read(files.path("base.json")).expect("read"))
        .expect("JSON");
    assert!(jsonschema::is_valid(&schema, &report));
}

#[test]
fn a_report_may_come_through_stdin() {
    let files = Files::new(&[("base.json", &made(PLAIN))]);
    let mut command = files.actbench("compare base.json -");
    command.stdin(fs::File::open(files.path("base.json")).expect("a file"));
    let (text, _) = ends(command, 0);
    assert!(text.contains("new -:"), "{text}");
    let (_, complaint) = files.ends("compare base.json -", 2);
    assert!(complaint.contains("error: - is empty"), "{complaint}");
}

#[test]
fn files_that_are_no_reports_are_named_in_one_sentence() {
    let files = Files::new(&[("good.json", &made(PLAIN))]);
    let whole = fs::read_to_string(files.path("good.json")).expect("text");
    let newer = whole.replacen("\"schema_version\":\"2.0\"", "\"schema_version\":\"3.0\"", 1);
    let nan = whole.replacen("\"duration_s\":12.5", "\"duration_s\":NaN", 1);
    let twice = whole.replacen("n=16777216", "n=1048576", 1);
    let nested = whole.replacen(
        "\"chosen\":true",
        &format!("\"chosen\":true,\"x\":{}", "[".repeat(100_000) + &"]".repeat(100_000)),
        1,
    );
    let other_suite = whole.replace("f32", "f16");
    let cases: [(&str, &str, &str); 9] = [
        ("empty.json", "", "is empty"),
        ("cut.json", &whole[..whole.len() / 2], "is cut off"),
        ("other.json", r#"{"context": {}, "benchmarks": []}"#, "no report of actbench"),
        ("newer.json", &newer, "schema version \"3.0\""),
        ("nan.json", &nan, "is not JSON"),
        ("twice.json", &twice, "is in it twice"),
        ("deep.json", &nested, "recursion limit exceeded"),
        ("binary.json", "\u{7f}ELF\0\0", "is not JSON"),
        ("suite.json", &other_suite, "share no row"),
    ];
    fs::create_dir(files.path("folder")).expect("made");
    fs::File::create(files.path("large.json"))
        .and_then(|file| file.set_len((256 << 20) + 1))
        .expect("a sparse file");
    for (name, text, _) in cases {
        fs::write(files.path(name), text).expect("written");
    }
    let others = [
        ("folder", "", "can't be read"),
        ("nosuch.json", "", "can't be read"),
        ("large.json", "", "has more than"),
    ];
    for (name, _, complaint) in cases.into_iter().chain(others) {
        let mut verbs =
            vec![format!("compare good.json {name}"), format!("compare {name} good.json")];
        if name != "suite.json" {
            verbs.extend([format!("rank good.json {name}"), format!("run --baseline {name}")]);
        }
        for arguments in verbs {
            let (stdout, stderr) = files.ends(&arguments, 2);
            let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("error: ")).collect();
            assert!(
                lines.len() == 1 && lines[0].contains(name) && lines[0].contains(complaint),
                "{arguments}: {stderr}"
            );
            assert_eq!(stdout, "", "{arguments}");
        }
    }
}

#[test]
fn output_that_nobody_reads_ends_quietly() {
    let files = Files::new(&[("base.json", &made(PLAIN))]);
    for arguments in [
        "compare base.json base.json",
        "compare base.json base.json --format json",
        "rank base.json",
        "schema",
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output =
            files.actbench(arguments).stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn();
        let Output { status, stderr, .. } =
            output.and_then(std::process::Child::wait_with_output).expect("actbench starts");
        assert_eq!(
            (status.code(), String::from_utf8_lossy(&stderr).as_ref()),
            (Some(0), ""),
            "{arguments}"
        );
    }
}

#[test]
fn a_run_is_compared_with_its_baseline_in_the_same_shapes() {
    let files = Files::new(&[]);
    let run = "run --filter ^forward/f32/n=4096/ --seed 3";
    files.ends(&format!("{run} --output base.json"), 0);
    let command = &mut files.actbench(&format!("{run} --output new.json --baseline base.json"));
    let Output { status, stdout, stderr } = command.output().expect("actbench starts");
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert!(
        stdout.contains("base base.json") && stdout.contains("time over copy"),
        "{stdout}{stderr}"
    );
    // How busy the machine was is not known here; the status must say what the table says.
    let is_slower = !stdout.contains(" 0 SLOWER");
    assert_eq!(status.code(), Some(i32::from(is_slower)), "{stdout}{stderr}");
    let [base, new] =
        ["base.json", "new.json"].map(|name| Report::read(&files.path(name)).expect("a report"));
    assert_eq!(base.measurements[0].shape, new.measurements[0].shape);
    assert!(new.shapes.is_empty() && !base.shapes.is_empty());
    let (_, stderr) = files.ends("run --filter backward/f32/n=4096/ --baseline base.json", 2);
    assert!(stderr.contains("base.json measured no row of those"), "{stderr}");
    let (_, stderr) = files.ends(&format!("{run} --output base.json --baseline base.json"), 2);
    assert!(stderr.contains("base.json is read: choose another file"), "{stderr}");
}
