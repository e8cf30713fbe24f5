//! Reports in their formats: what is in them, that programs can read them, and that no text of
//! a report is more than text.

mod fixture;
mod page;
mod verb;

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use actbench::error::Error;
use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::chain::Chain;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::Kernel;
use actbench::kernels::ops::Op;
use actbench::render::chart::{Axis, Chart, Line, Look, Point, Scale};
use actbench::render::grid::Grid;
use actbench::render::section::SECTIONS;
use actbench::render::splice::{self, Other};
use actbench::render::{self, FORMATS, Format};
use actbench::report::{
    Accuracy, AccuracyBin, Arithmetic, BoundBy, ChainSamples, Destination, Dropped, Measurement,
    Pair, Reason, Report, Ridge, RidgeMember, RunStatus, Status,
};
use actbench::validate;
use serde_json::{Value, json};
use verb::{actbench, ends};

const ROUNDS: usize = 8;

/// What would run, link, break out or mislead if it were more than text.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> `x` [a](b) | \
                       {{7*7}} &amp; javascript:alert(3) \u{202e}txet\u{2066}\u{1b}[31m\u{0} =1+1";

fn kernel(direction: Direction, activation: &str, variant: &str) -> Kernel {
    let activation = Activation::named(activation).expect("in the table");
    let is_wanted = |known: &&actbench::kernels::activation::Variant| {
        known.name == variant && known.pass.direction() == direction
    };
    let variant = activation.variants.iter().find(is_wanted).expect("in the table");
    Kernel { activation, variant, dtype: Dtype::F32 }
}

fn rounds(ns: f64) -> Vec<Option<f64>> {
    // Multiples, so that ratios within a round are exact.
    (0..ROUNDS).map(|round| Some(ns * if round % 2 == 0 { 1.0 } else { 1.25 })).collect()
}

fn measured(
    direction: Direction,
    activation: &str,
    variant: &str,
    elements: u64,
    ns: f64,
) -> Measurement {
    let mut row = Measurement::new(&kernel(direction, activation, variant), elements);
    row.status = Status::Ok;
    row.bound_by = Some(if elements > 1 << 20 { BoundBy::Memory } else { BoundBy::Launch });
    row.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    row.dispatches_per_sample = 3;
    row.samples_ns = rounds(ns);
    row
}

fn rate(op: &str, step_ns: f64) -> Arithmetic {
    let mut rate =
        Arithmetic::new(&Chain::new(Op::named(op).expect("in the table"), Dtype::F32, 1), 0);
    let run = |step: f64, times: f64| vec![Some(50.0 + step * 16.0 * times); ROUNDS];
    let runs = |step| ChainSamples {
        steps: 16,
        once_ns: run(step, 1.0),
        twice_ns: run(step, 2.0),
        fourfold_ns: run(step, 4.0),
        probe_ns: Vec::new(),
    };
    rate.status = Status::Ok;
    rate.elements = 1000;
    rate.chains = 2;
    rate.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    // The op and its fmas take turns.
    let two = ChainSamples { twice_ns: Vec::new(), ..runs(step_ns + 10.0) };
    rate.take(&[runs(step_ns), two], &runs(10.0), Dropped::default());
    rate
}

/// A report with something of everything: sizes, statuses, chains, a ridge, errors by x.
fn report() -> Report {
    let mut report = fixture::report();
    report.run.status = RunStatus::Complete;
    for (elements, ns) in [(1 << 12, 1e3), (1 << 24, 4e6)] {
        report.measurements.extend([
            measured(Direction::Forward, "copy", "plain", elements, ns),
            measured(Direction::Forward, "relu", "plain", elements, ns),
            measured(Direction::Forward, "sigmoid", "two_sided", elements, 1.5 * ns),
        ]);
        report.measurements.extend([
            measured(Direction::Backward, "add", "plain", elements, 2.0 * ns),
            measured(Direction::Backward, "relu", "from_y", elements, 2.0 * ns),
            measured(Direction::Backward, "sigmoid", "from_y", elements, 2.0 * ns),
        ]);
    }
    let statuses = [Status::Invalid, Status::Unsupported, Status::Skipped, Status::Failed];
    for (status, variant) in statuses.into_iter().zip(["naive", "exp2", "tanh", "poly"]) {
        let mut row = measured(Direction::Forward, "sigmoid", variant, 1 << 24, 5e6);
        row.status = status;
        let message = format!("the reason of {variant}, with a \"quote\" and a | bar");
        row.reason = Some(Reason::Wrong { message });
        report.measurements.insert(9, row);
    }
    report.measurements[0].notes = vec![Reason::TooFewSamples];
    report.arithmetic =
        vec![rate("fma", 10.0), rate("relu/plain", 20.0), rate("sigmoid/two_sided", 120.0)];
    let mut ridge = Ridge::new(&Pair::default(), "forward", "f32");
    ridge.status = Status::Ok;
    ridge.elements = 1 << 24;
    ridge.rounds_per_repeat = u32::try_from(ROUNDS).expect("a few");
    let member = |(name, steps, ns): (&str, u32, f64)| RidgeMember {
        name: name.to_owned(),
        steps,
        words: 1,
        wgsl_sha256: String::new(),
        samples_ns: rounds(ns),
    };
    ridge.members = [
        ("copy/plain", 0, 4e6),
        ("sigmoid/two_sided", 0, 6e6),
        ("relu/plain", 0, 4.1e6),
        ("sigmoid/two_sided", 8, 1.6e7),
        ("sigmoid/two_sided", 32, 6.4e7),
        ("relu/plain", 32, 1.6e7),
        ("relu/plain", 128, 6.4e7),
    ]
    .map(member)
    .to_vec();
    report.ridges.push(ridge);
    for variant in ["two_sided", "exp2", "naive"] {
        let kernel = kernel(Direction::Forward, "sigmoid", variant);
        let mut accuracy = Accuracy::new(&kernel, &validate::Accuracy::default());
        let bin = |from: f64| AccuracyBin {
            from,
            to: from + 4.0,
            max_ulp: Some((from + 8.0) / 4.0),
            mean_ulp: Some(0.25),
        };
        accuracy.by_x = [-8.0, -4.0, 0.0, 4.0].map(bin).to_vec();
        report.accuracy.push(accuracy);
    }
    for (direction, activation, variant) in [
        (Direction::Forward, "relu", "plain"),
        (Direction::Backward, "relu", "from_y"),
        (Direction::Backward, "sigmoid", "from_y"),
    ] {
        let kernel = kernel(direction, activation, variant);
        report.accuracy.push(Accuracy::new(&kernel, &validate::Accuracy::default()));
    }
    report.derive();
    report
}

fn render(report: &Report, format: &str) -> String {
    (Format::named(format).expect("a format").render)(report)
}

/// Asserts that nothing in a tree runs or is fetched, and returns its text and attributes.
#[track_caller]
fn inert_text(xml: &str) -> String {
    let tree = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{error}"));
    let known = "html head meta title style body header main footer section h1 h2 p bdi time \
                 strong ul li div figure figcaption details summary table thead tbody tr th td dl \
                 dt dd svg g path line polyline polygon circle rect text";
    let known: Vec<&str> = known.split_whitespace().collect();
    let mut all = String::new();
    for node in tree.descendants() {
        if node.is_element() {
            let name = node.tag_name().name();
            assert!(known.contains(&name), "an element {name}");
        }
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(
                !name.starts_with("on")
                    && !["href", "src", "style", "action", "srcdoc"].contains(&name),
                "an attribute {name}"
            );
            assert!(!attribute.value().contains("url("), "{}", attribute.value());
            all += attribute.value();
            all.push('\n');
        }
        if node.is_text()
            && node.parent_element().is_some_and(|parent| parent.tag_name().name() != "style")
        {
            all += node.text().unwrap_or_default();
            all.push('\n');
        }
    }
    let style = tree
        .descendants()
        .find(|node| node.tag_name().name() == "style")
        .and_then(|node| node.text());
    let style = style.unwrap_or_default();
    assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
    all
}

/// The report with every text in it hostile that can be, each in its own way.
fn hostile_report() -> (Report, usize) {
    fn places(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(path.to_owned()),
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| places(item, &format!("{path}/{index}"), found));
            }
            Value::Object(fields) => {
                fields
                    .iter()
                    .for_each(|(key, field)| places(field, &format!("{path}/{key}"), found));
            }
            _ => {}
        }
    }
    let mut json = serde_json::to_value(report()).expect("string keys");
    let mut found = Vec::new();
    places(&json, "", &mut found);
    let mut replaced = 0;
    for (index, path) in found.iter().enumerate() {
        let text = json.pointer_mut(path).expect("a place");
        let before = std::mem::replace(text, json!(format!("{HOSTILE} {index}")));
        if serde_json::from_value::<Report>(json.clone()).is_ok() {
            replaced += 1;
        } else {
            *json.pointer_mut(path).expect("a place") = before;
        }
    }
    json["run"]["labels"] = json!({ HOSTILE: HOSTILE });
    let mut report: Report = serde_json::from_value(json).expect("a report");
    report.derive();
    (report, replaced)
}

/// A report whose structure stands, with hostile names and sentences.
fn partly_hostile_report() -> Report {
    let mut report = report();
    HOSTILE.clone_into(&mut report.adapter.name);
    HOSTILE.clone_into(&mut report.adapter.driver);
    let hostile = || Reason::Wrong { message: HOSTILE.to_owned() };
    report.run.labels = [(HOSTILE.to_owned(), HOSTILE.to_owned())].into();
    report.run.notes = vec![hostile()];
    report.run.argv = vec![HOSTILE.to_owned()];
    report.system.host = Some(HOSTILE.to_owned());
    for row in &mut report.measurements {
        row.reason = row.reason.is_some().then(hostile);
        row.notes = vec![hostile()];
    }
    for rate in &mut report.arithmetic {
        rate.notes = vec![hostile()];
    }
    report.derive();
    report
}

#[test]
fn every_format_ends_with_a_line_break_and_says_the_same_twice() {
    for format in FORMATS {
        let text = (format.render)(&report());
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name);
        assert_eq!(text, (format.render)(&report()), "{}", format.name);
        assert!(!text.contains("NaN") && !text.contains(": inf"), "{}", format.name);
    }
}

#[test]
fn a_page_is_well_formed_and_has_each_section_once() {
    let page = render(&report(), "html");
    let xml = page::xml_of(&page);
    let text = inert_text(&xml);
    let tree = roxmltree::Document::parse(&xml).expect("parsed before");
    let ids: Vec<&str> = tree.descendants().filter_map(|node| node.attribute("id")).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
    for section in SECTIONS {
        assert!(ids.contains(&section.name), "{} is not in {ids:?}", section.name);
    }
    assert!(page.find("id=\"summary\"") < page.find("id=\"ratios\""), "the answer comes first");
    let drawings = tree.descendants().filter(|node| node.tag_name().name() == "svg").count();
    let pictures: usize = SECTIONS.iter().map(|section| (section.pictures)(&report()).len()).sum();
    assert!(drawings == pictures && pictures >= 6, "{drawings} drawings of {pictures} pictures");
    for part in [
        "sigmoid/two_sided, 2^24 elements: 19.9 [17.9, 22.4] GB/s",
        "sigmoid/two_sided: 11 to 12 FMAs",
        "forward, 2^24 elements: 1.50 [1.50, 1.50]",
        "ridge point: 2",
        "the reason of naive, with a \"quote\" and a | bar",
        "adapter.driver_info",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn a_page_of_a_report_without_rows_says_that_there_is_no_summary() {
    let mut empty = fixture::report();
    empty.shapes.clear();
    let page = render(&empty, "html");
    let text = inert_text(&page::xml_of(&page));
    assert!(text.contains("No summary") && !page.contains("<svg"), "{page}");
    assert!(text.contains("Incomplete. ") && text.contains("interrupted"));
}

#[test]
fn a_software_adapter_is_called_one_in_what_people_read() {
    let mut report = report();
    report.adapter.is_software = true;
    report.derive();
    for format in ["text", "md", "html"] {
        let text = render(&report, format).to_lowercase();
        assert!(text.contains("software"), "{format}");
    }
    assert!(render(&report, "csv").lines().nth(1).is_some_and(|row| row.contains(",true,")));
    let json: Value = serde_json::from_str(&render(&report, "gbench")).expect("JSON");
    assert_eq!(json["context"]["software_adapter"], "true");
}

#[test]
fn no_text_of_a_report_is_more_than_text_on_a_page() {
    let (everywhere, replaced) = hostile_report();
    assert!(replaced > 60, "only {replaced} texts were replaced");
    for report in [everywhere, partly_hostile_report()] {
        let page = render(&report, "html");
        let text = inert_text(&page::xml_of(&page));
        assert!(
            text.contains("<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"),
            "it is shown as it is"
        );
        for active in ['\u{202e}', '\u{2066}', '\u{1b}', '\u{0}'] {
            assert!(!page.contains(active), "{active:?}");
        }
        for section in SECTIONS {
            for picture in (section.pictures)(&report) {
                let file = picture.chart.file();
                inert_text(&file);
                assert!(!file.contains("<script"), "{file}");
            }
        }
    }
}

#[test]
fn no_text_of_a_report_is_more_than_text_elsewhere() {
    for report in [hostile_report().0, partly_hostile_report()] {
        let text = render(&report, "text");
        assert!(
            text.chars().all(|character| character == '\n' || !character.is_control()),
            "{text:?}"
        );
        let markdown = render(&report, "md");
        let unescaped =
            markdown.match_indices('<').filter(|(at, _)| !markdown[..*at].ends_with('\\'));
        for (at, _) in unescaped {
            let known = ["<details>", "<summary>", "</summary>", "</details>"];
            assert!(
                known.iter().any(|tag| markdown[at..].starts_with(tag)),
                "{}",
                &markdown[at..at + 30]
            );
        }
        let csv = render(&report, "csv");
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        for row in reader.records() {
            for cell in &row.expect("as many cells as there are columns") {
                let is_number = cell.parse::<f64>().is_ok();
                assert!(
                    is_number || !cell.starts_with(['=', '+', '-', '@']),
                    "{cell:?} is a formula"
                );
            }
        }
        let gbench = render(&report, "gbench");
        assert!(
            !gbench.contains("\\u001b") && !gbench.contains('\u{202e}'),
            "compare.py prints names to a terminal"
        );
        let json: Value = serde_json::from_str(&gbench).expect("JSON");
        assert!(json["benchmarks"].is_array());
    }
}

#[test]
fn text_is_what_run_prints() {
    let text = render(&report(), "text");
    assert!(text.starts_with(&render::table::text(&report())), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn markdown_begins_with_the_summary_and_folds_what_is_long() {
    let markdown = render(&report(), "md");
    let mut lines = markdown.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.next(), Some("### Big GPU (rev. 2) (vulkan, driver 1.2)"));
    assert!(
        lines.next().is_some_and(|line| line.starts_with("**Streaming 2^24 f32: ")),
        "{markdown}"
    );
    assert_eq!(markdown.matches("<details>").count(), markdown.matches("</details>").count());
    let row = markdown.lines().find(|line| line.starts_with("| sigmoid/two_sided | "));
    for part in ["0.402", "19.9", "67 [67, 67]", "1.50 [1.50, 1.50]"] {
        assert!(markdown.contains(part), "{part}: {row:?}");
    }
    // A row of a table has as many cells as its header.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut header = None;
    for line in markdown.lines() {
        if line.starts_with('|') {
            assert_eq!(cells(line), *header.get_or_insert(cells(line)), "{line}");
        } else {
            header = None;
        }
    }
}

#[test]
fn csv_has_a_row_for_each_measurement_and_rate_with_units_in_its_header() {
    let report = report();
    let csv = render(&report, "csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let column = |name: &str| {
        header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let costs = report.accuracy.len();
    assert_eq!(rows.len(), report.measurements.len() + report.arithmetic.len() + costs);
    let of = |id: &str| {
        rows.iter().find(|row| &row[column("id")] == id).unwrap_or_else(|| panic!("no {id}"))
    };
    let number = |row: &csv::StringRecord, name: &str| {
        row[column(name)].parse::<f64>().unwrap_or_else(|_| panic!("{name}: {row:?}"))
    };

    let sigmoid = of("forward/f32/n=16777216/sigmoid/two_sided");
    assert_eq!(number(sigmoid, "median_ns"), 6.75e6);
    assert_eq!(number(sigmoid, "bytes_per_second"), 8.0 * 16777216.0 / 6.75e6 * 1e9);
    assert!((number(sigmoid, "share_of_copy") - 1.0 / 1.5).abs() < 1e-12);
    assert_eq!(number(sigmoid, "sigmoid_over_relu"), 1.5);
    assert_eq!(&sigmoid[column("step_ps")], "");
    let step = of("arithmetic/f32/sigmoid/two_sided");
    assert_eq!((number(step, "step_fmas"), number(step, "step_ps")), (12.0, 120.0));
    assert_eq!((number(step, "op_fmas_least"), number(step, "op_ps_most")), (11.0, 120.0));
    assert_eq!(&step[column("bytes")], "");
    let cost = of("cost/forward/f32/sigmoid/two_sided");
    assert_eq!((number(cost, "op_ps_least"), number(cost, "time_over_copy")), (110.0, 1.5));
    let invalid = of("forward/f32/n=16777216/sigmoid/naive");
    assert_eq!((&invalid[column("status")], &invalid[column("median_ns")]), ("invalid", ""));
    assert_eq!(&invalid[column("reason")], "the reason of naive, with a \"quote\" and a | bar");
}

#[test]
fn json_is_the_report_with_its_figures_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let mut stale = serde_json::to_value(report()).expect("string keys");
    stale["measurements"][0]["derived"]["median_ns"] = json!(1.0);
    stale["ratios"][0]["estimate"]["median"] = json!(1.0);
    fs::write(&path, stale.to_string()).expect("written");
    let read = Report::read(&path).expect("a report");
    let text = render(&read, "json");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["measurements"][0]["derived"]["median_ns"], json!(1125.0));
    assert_ne!(json["ratios"][0]["estimate"]["median"], json!(1.0));
    fs::write(&path, text).expect("written");
    assert_eq!(Report::read(&path).expect("a report"), read);
}

#[test]
fn google_benchmarks_json_has_an_entry_for_each_sample() {
    let report = report();
    let json: Value = serde_json::from_str(&render(&report, "gbench")).expect("JSON");
    let context = &json["context"];
    assert_eq!((&context["json_schema_version"], &context["caches"]), (&json!(1), &json!([])));
    assert_eq!(context["adapter"], "Big GPU (rev. 2)");
    let left_out = context["rows_without_figures"].as_str().expect("text");
    for part in [
        "sigmoid/naive: invalid",
        "sigmoid/exp2: unsupported",
        "sigmoid/tanh: skipped",
        "sigmoid/poly: failed",
    ] {
        assert!(left_out.contains(part), "{left_out}");
    }
    let entries = json["benchmarks"].as_array().expect("entries");
    assert_eq!(entries.len(), ROUNDS * (12 + 3));
    for entry in entries {
        for key in ["name", "run_name", "run_type", "time_unit"] {
            assert!(entry[key].is_string(), "{key} in {entry}");
        }
        for key in [
            "family_index",
            "per_family_instance_index",
            "repetitions",
            "repetition_index",
            "threads",
            "iterations",
        ] {
            assert!(entry[key].is_u64(), "{key} in {entry}");
        }
        for key in ["real_time", "cpu_time", "items_per_second"] {
            assert!(entry[key].as_f64().is_some_and(|value| value > 0.0), "{key} in {entry}");
        }
    }
    let first = &entries[0];
    assert_eq!(
        (&first["name"], &first["real_time"]),
        (&json!("forward/f32/n=4096/copy/plain"), &json!(1000.0))
    );
    assert_eq!(first["bytes_per_second"], json!(8.0 * 4096.0 / 1000.0 * 1e9));
    let step = entries
        .iter()
        .find(|entry| entry["name"] == "arithmetic/f32/sigmoid/two_sided")
        .expect("its step");
    // A step of 1000 elements.
    assert_eq!(step["real_time"], json!(120.0));
}

#[test]
fn a_picture_by_itself_is_named_by_its_section_or_its_key() {
    let report = report();
    for name in [
        "ratios",
        "bandwidth",
        "bandwidth/backward/f32",
        "arithmetic",
        "chain",
        "ridge/sigmoid:relu/forward/f32",
        "cost",
    ] {
        let svg = render::plot(&report, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = inert_text(&svg);
        assert!(svg.contains("xmlns=\"http://www.w3.org/2000/svg\"") && !text.is_empty(), "{name}");
    }
    assert!(
        render::plot(&report, "bandwidth/backward/f32")
            .expect("a picture")
            .contains("Bandwidth by size, backward f32")
    );
    match render::plot(&report, "nosuch") {
        Err(Error::Usage(text)) => {
            assert!(text.contains("ratios/f32, bandwidth/forward/f32"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_picture_holds_whatever_numbers_a_report_may_have() {
    let values = [0.0, -1.0, 1e-300, 1.0, 1e300, f64::MAX, f64::MIN];
    for scale in [Scale::Linear, Scale::Log2, Scale::Log10] {
        for count in 0..=values.len() {
            let point = |value: &f64| Point {
                x: *value,
                y: *value,
                interval: Some([*value, *value]),
                tip: String::new(),
            };
            let line = Line {
                label: "l".repeat(10_000),
                series: 99,
                look: Look::Roof,
                points: values[..count].iter().map(point).collect(),
            };
            for y in [None, Some(Axis::new(&"y".repeat(10_000), scale))] {
                let title = "t".repeat(10_000);
                let chart = Chart::new(title, Axis::new("x", scale), y, vec![line.clone(); 2]);
                let svg = chart.file();
                inert_text(&svg);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{scale:?}, {count} values");
            }
        }
    }
}

/// A folder with a report and a README that has it in a table.
fn with_readme(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("reports")).expect("a folder");
    let destination =
        Destination::prepare(&folder.path().join("reports/big.json")).expect("a destination");
    destination.write(&report()).expect("written");
    let readme = folder.path().join("README.md");
    fs::write(&readme, text).expect("written");
    (folder, readme)
}

fn splice(file: &Path, text: &str) -> actbench::error::Result<String> {
    let other: Other<'_> = ("other", &|_| Ok(Some(Grid::of(["of"], [["another".to_owned()]]))));
    splice::splice(file, text, other)
}

#[test]
fn a_table_between_markers_is_renewed_and_stays_as_it_is() {
    let fenced = "text\n```md\n<!-- actbench:begin arithmetic other.json -->\n```\n";
    let end = "<!-- actbench:end -->\n";
    let before = format!(
        "# Title\n\n<!-- actbench:begin arithmetic reports/big.json sigmoid -->\nold\n{end}{fenced}\
         <!-- actbench:begin other x.json -->\n{end}\
         <!-- actbench:begin text reports/big.json n=16777216/(copy|sigmoid/two) -->\n\
         <!-- actbench:end arithmetic -->\nlast"
    );
    let (_folder, readme) = with_readme(&before);
    let once = splice(&readme, &before).expect("spliced");
    assert!(
        once.starts_with("# Title\n\n<!-- actbench:begin arithmetic reports/big.json"),
        "{once}"
    );
    for part in [
        fenced,
        "| sigmoid/two_sided | 2 | 110 to 120 | 8.3 to 9.1 | 11 to 12 | 1 |",
        "| another |",
    ] {
        assert!(once.contains(part), "{part} is not in {once}");
    }
    assert!(!once.contains("old") && !once.contains("| fma |"), "{once}");
    assert!(
        once.contains("```console\nBig GPU")
            && once.contains("  sigmoid/two_sided")
            && !once.contains("relu/plain  "),
        "{once}"
    );
    assert!(once.ends_with("<!-- actbench:end arithmetic -->\nlast"), "{once}");
    assert_eq!(splice(&readme, &once).expect("spliced"), once);
    let (_folder, readme) = with_readme("no marker\r\n");
    assert_eq!(splice(&readme, "no marker\r\n").expect("spliced"), "no marker\r\n");
}

#[test]
fn a_marker_that_is_not_understood_is_refused_with_its_line() {
    let end = "<!-- actbench:end -->";
    let cases = [
        (
            "<!-- actbench:begin arithmetic reports/big.json -->\n".to_owned(),
            "line 1: the table has no end",
        ),
        (format!("\n{end}\n"), "line 2: a table ends here that begins nowhere"),
        (
            format!(
                "<!-- actbench:begin arithmetic reports/big.json -->\n\
                 <!-- actbench:begin arithmetic reports/big.json -->\n{end}"
            ),
            "line 1: the table has no end",
        ),
        (
            format!("<!-- actbench:begin weather reports/big.json -->\n{end}"),
            "there is no table \"weather\"; there are: summary,",
        ),
        (format!("<!-- actbench:begin arithmetic -->\n{end}"), "a marker reads"),
        (
            format!("<!-- actbench:begin arithmetic reports/big.json a b -->\n{end}"),
            "a marker reads",
        ),
        (format!("<!-- actbench:begin arithmetic reports/big.json\n{end}"), "has no end (-->)"),
        (
            format!("<!-- actbench:begin arithmetic reports/none.json -->\n{end}"),
            "none.json can't be read",
        ),
        (
            format!("<!-- actbench:begin arithmetic reports/big.json ( -->\n{end}"),
            "\"(\" is no regular expression",
        ),
        (
            format!("<!-- actbench:begin arithmetic reports/big.json weather -->\n{end}"),
            "has nothing of \"arithmetic\"",
        ),
        (
            format!("<!-- actbench:begin summary reports/big.json sigmoid -->\n{end}"),
            "has no rows to choose from",
        ),
    ];
    for (text, complaint) in cases {
        let (_folder, readme) = with_readme(&text);
        match splice(&readme, &text) {
            Err(Error::Usage(sentence)) => {
                assert!(
                    sentence.contains(complaint) && sentence.contains("README.md line "),
                    "{sentence}"
                );
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_verb_writes_every_format_to_stdout_or_a_file() {
    let (folder, _) = with_readme("");
    let file = folder.path().join("reports/big.json");
    let file = file.to_str().expect("UTF-8");
    for format in FORMATS {
        let (stdout, stderr) = ends(actbench(["report", file, "--format", format.name]), 0);
        assert_eq!(
            (stdout.as_str(), stderr.as_str()),
            ((format.render)(&report()).as_str(), ""),
            "{}",
            format.name
        );
        let output = folder.path().join("output");
        let (nothing, _) = ends(
            actbench([
                "report",
                file,
                "--format",
                format.name,
                "--output",
                output.to_str().expect("UTF-8"),
            ]),
            0,
        );
        assert_eq!((nothing.as_str(), fs::read_to_string(&output).expect("written")), ("", stdout));
    }
    let (svg, _) = ends(actbench(["report", file, "--plot", "bandwidth"]), 0);
    assert!(svg.starts_with("<svg"), "{svg}");
}

#[test]
#[cfg(unix)]
fn a_report_is_not_written_over_itself() {
    let (folder, _) = with_readme("");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let file = path("reports/big.json");
    let before = fs::read(&file).expect("a report");
    std::os::unix::fs::symlink(&file, path("link.json")).expect("a link");
    let others = [file.clone(), path("reports/../reports/big.json"), path("link.json")];
    for (input, output) in others.iter().flat_map(|other| [(&file, other), (other, &file)]) {
        let (stdout, stderr) =
            ends(actbench(["report", input, "--format", "html", "--output", output]), 2);
        assert!(stderr.contains("big.json is read") || stderr.contains("link.json is read"));
        assert!(stderr.contains("choose another file for --output"), "{stderr}");
        assert_eq!(stdout, "");
        assert!(fs::read(&file).expect("a report") == before, "{input} {output}");
    }
}

#[test]
fn the_verb_renews_a_readme_and_leaves_a_current_one() {
    let (folder, readme) =
        with_readme("<!-- actbench:begin summary reports/big.json -->\n<!-- actbench:end -->\n");
    let name = readme.to_str().expect("UTF-8");
    let (stdout, stderr) = ends(actbench(["report", "--splice", name]), 0);
    assert_eq!((stdout.as_str(), stderr.trim_end()), ("", format!("{name} renewed").as_str()));
    assert!(fs::read_to_string(&readme).expect("written").contains("**Streaming"));
    let (_, stderr) = ends(actbench(["report", "--splice", name]), 0);
    assert_eq!(stderr.trim_end(), format!("{name} is current"));
    drop(folder);
}

#[test]
fn bad_use_and_bad_files_exit_2_with_a_sentence_that_names_the_file() {
    let (folder, readme) = with_readme("<!-- actbench:begin arithmetic none.json -->\n");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("other.json"), "{\"schema\": \"other\", \"schema_version\": \"1.0\"}")
        .expect("written");
    let readme = readme.to_str().expect("UTF-8");
    let big = path("reports/big.json");
    let cases: [(&[&str], &str); 9] = [
        (&["report"], "required"),
        (&["report", &path("none.json")], "none.json can't be read"),
        (&["report", &path("reports")], "reports"),
        (&["report", &path("other.json")], "other.json is of the schema \"other\""),
        (&["report", &big, "--format", "pdf"], "invalid value 'pdf'"),
        (
            &["report", &big, "--plot", "weather"],
            "big.json: it has no picture \"weather\"; there are: ratios/f32",
        ),
        (
            &["report", &big, "--output", &path("nowhere/out.html")],
            "out.html is in a folder that does not exist",
        ),
        (&["report", "--splice", readme], "README.md line 1: "),
        (&["report", "--splice", &path("none.md")], "none.md can't be read"),
    ];
    for (arguments, complaint) in cases {
        let (stdout, stderr) = ends(actbench(arguments.iter().copied()), 2);
        assert!(stderr.contains(complaint), "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
    }
}

/// More than a pipe holds, of which one byte is read.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let (folder, _) = with_readme("");
    let file = folder.path().join("reports/big.json");
    let mut child = actbench(["report", file.to_str().expect("UTF-8"), "--format", "html"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("actbench starts");
    let mut first = [0];
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut first).expect("a byte");
    drop(stdout);
    let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
    assert_eq!((status.code(), stderr), (Some(0), Vec::new()));
}

#[test]
fn its_help_fits_a_screen_and_has_an_example() {
    let (help, _) = ends(actbench(["report", "--help"]), 0);
    assert!(
        help.lines().count() <= 40 && help.contains("Examples: actbench report some.json"),
        "{help}"
    );
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
}
