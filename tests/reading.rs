//! Reports that were damaged, by hand or by chance: reading one ends in one sentence or in a report
//! from which every number that follows is one.
//!
//! `PROPTEST_CASES=500000 cargo test --release --test reading damage` makes a million of them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use actbench::claims::{self, report::Claims};
use actbench::compare::rank::{By, Ranking};
use actbench::compare::{Comparison, Named, Settings};
use actbench::render::{self, FORMATS, comparison as words, ranking, summary};
use actbench::report::Report;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// A real report, of lavapipe in two repeats, with what takes longer to measure: a ridge and errors
/// by x.
static WHOLE: LazyLock<Value> = LazyLock::new(|| {
    let mut json: Value = serde_json::from_slice(include_bytes!("data/report.json")).expect("JSON");
    let samples =
        |us: f64| (0..20).map(|round| json!(1e3 * us + f64::from(round % 7))).collect::<Vec<_>>();
    let member = |name: &str, steps: u32, us: f64| json!({"name": name, "steps": steps, "words": 1, "wgsl_sha256": "", "samples_ns": samples(us)});
    json["clock"]["probe_steps"] = json!(512);
    json["ridges"] = json!([{
        "id": "ridge/sigmoid:relu/forward/f32", "numerator": "sigmoid", "denominator": "relu",
        "direction": "forward", "dtype": "f32", "status": "ok", "elements": 1 << 20, "bytes": 1 << 23,
        "dispatches_per_sample": 2, "rounds_per_repeat": 10,
        "members": [
            member("copy/plain", 0, 400.0), member("sigmoid/two_sided", 0, 500.0), member("relu/plain", 0, 410.0),
            member("sigmoid/two_sided", 4, 1500.0), member("sigmoid/two_sided", 16, 6000.0),
            member("relu/plain", 32, 1500.0), member("relu/plain", 128, 6000.0)
        ]
    }]);
    for accuracy in json["accuracy"].as_array_mut().expect("kernels") {
        let bin = |from: f64| json!({"from": from, "to": from + 4.0, "max_ulp": 2.0 - from / 8.0, "mean_ulp": 0.25});
        accuracy["by_x"] = json!([bin(-8.0), bin(-4.0), bin(0.0), bin(4.0)]);
    }
    json
});

/// A file of one claim with everything that a claim can have.
static CLAIMS: LazyLock<Value> = LazyLock::new(|| {
    let json = |key: &str| WHOLE[key].clone();
    let axis = |label: &str, scale: &str| json!({"label": label, "scale": scale});
    let series = |label: &str, factor: f64| {
        let point = |x: f64| json!({"x": x, "y": factor * x, "low": factor * x * 0.9, "high": factor * x * 1.1});
        json!({"label": label, "points": [point(1.0), point(2.0), {"x": 4.0, "y": null, "low": null, "high": null}]})
    };
    let series = [series("sigmoid", 0.25), series("relu", 1.0)];
    let claims = json!([{
        "name": "gradients", "statement": "gradients vanish", "status": "ok", "outcome": "holds_only_when",
        "conclusion": "by a factor of 0.25 a layer", "seeds": [1, 2], "duration_s": 1.5, "notes": ["a note"],
        "figures": [{"name": "factor", "unit": "a layer", "value": 0.25, "low": 0.2, "high": 0.3, "note": "a note"}],
        "plots": [
            {"title": "norm", "x": axis("layers", "log2"), "y": axis("norm", "log10"), "series": series},
            {"title": "loss", "x": axis("layers", "linear"), "y": axis("loss", "linear"), "series": series}
        ]
    }]);
    json!({
        "schema": claims::report::SCHEMA, "schema_version": "2.0", "tool": json("tool"),
        "run": json("run"), "system": json("system"), "adapter": json("adapter"), "claims": claims
    })
});

static BASE: LazyLock<Report> =
    LazyLock::new(|| Report::from_json(WHOLE.to_string().as_bytes()).expect("a report"));

/// A number of cases that continuous integration has time for, unless `PROPTEST_CASES` says
/// another.
fn config() -> Config {
    let cases =
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500);
    Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() }
}

/// Pages take most of the time: where very many inputs are made, one in so many gets one.
static PAGES_OF_ONE_IN: LazyLock<u64> =
    LazyLock::new(|| if config().cases > 10_000 { 10 } else { 1 });

/// Something that happens to a JSON value in a report.
#[derive(Clone, Debug)]
struct Damage {
    /// Which value, counted through the tree and round.
    place: usize,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Remove,
    Replace(Value),
    /// Takes the place of another value, counted likewise.
    Copy(usize),
    /// An array's elements again, so many times; an object in an array of its own.
    Repeat(usize),
    /// An array's first elements alone.
    Truncate(usize),
    /// A number, so many times as large.
    Scale(f64),
}

fn damage() -> impl Strategy<Value = Damage> {
    (any::<usize>(), change()).prop_map(|(place, change)| Damage { place, change })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Remove),
        4 => value().prop_map(Change::Replace),
        2 => any::<usize>().prop_map(Change::Copy),
        2 => (0..20usize).prop_map(Change::Repeat),
        2 => (0..30usize).prop_map(Change::Truncate),
        // Most values are samples: what is still a time is read, and much follows from it.
        8 => prop::sample::select(vec![-1.0, 0.0, 1e-300, 1e-12, 1e-3, 0.5, 1.0 + 1e-9, 2.0, 1e3, 1e12]).prop_map(Change::Scale),
    ]
}

/// Values that nobody expects, and some that everybody does.
fn value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-0.0),
        json!(1),
        json!(-1),
        json!(1e308),
        json!(-1e308),
        json!(5e-324),
        json!(1e-6),
        json!(1e18),
        json!((1u64 << 53) + 1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(u32::MAX),
        json!(0.1),
        json!(""),
        json!("ok"),
        json!("memory"),
        json!("copy"),
        json!("2026-11-24T03:15:00Z"),
        json!("\u{1b}[31m|`<script>\n\u{202e}"),
        json!("x".repeat(3000)),
        json!([]),
        json!({}),
        json!([null, null, null, null, null, null, null]),
        json!([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        json!([1e18, 1e-6, 1e18, 1e-6, 1e18, 1e-6, 1e18]),
        json!([[[[[[[[[[]]]]]]]]]]),
    ])
}

fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The value at a place, its parents coming first.
fn at<'a>(json: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(json);
    }
    *place -= 1;
    match json {
        Value::Array(elements) => elements.iter_mut().find_map(|element| at(element, place)),
        Value::Object(members) => members.values_mut().find_map(|member| at(member, place)),
        _ => None,
    }
}

fn apply(json: &mut Value, Damage { place, change }: &Damage) {
    let values = count(json);
    let copied = match change {
        Change::Copy(from) => at(json, &mut (from % values)).cloned(),
        _ => None,
    };
    let Some(value) = at(json, &mut (place % values)) else { return };
    match change {
        // Where the place is an object or an array, its last member goes.
        Change::Remove => match value {
            Value::Array(elements) => drop(elements.pop()),
            Value::Object(members) => {
                let last = members.keys().next_back().cloned();
                last.map(|key| members.remove(&key));
            }
            other => *other = Value::Null,
        },
        Change::Replace(new) => *value = new.clone(),
        Change::Copy(_) => *value = copied.expect("a place in the tree"),
        Change::Repeat(times) => match value {
            Value::Array(elements) => {
                let all = elements.len() * times;
                *elements = elements.iter().cycle().take(all).cloned().collect();
            }
            other => *other = Value::Array(vec![other.clone(); *times]),
        },
        Change::Truncate(length) => {
            if let Value::Array(elements) = value {
                elements.truncate(*length);
            }
        }
        Change::Scale(factor) => {
            if let Some(number) = value.as_f64() {
                *value = json!(number * factor);
            }
        }
    }
}

/// Reads, and does with what was read whatever can be done with a report: every export, comparing
/// in both directions, ranking.
fn survives(json: &[u8]) {
    let report = match Report::from_json(json) {
        Ok(report) => report,
        Err(complaint) => {
            assert!(!complaint.is_empty());
            return;
        }
    };
    // A name or a sentence may say NaN, and is shown as it is.
    let is_said = names_no_number(&String::from_utf8_lossy(json));
    let all_is_number = |text: &str| assert!(is_said || !names_no_number(text), "{text}");
    let has_pages = json.iter().copied().map(u64::from).sum::<u64>() % *PAGES_OF_ONE_IN == 0;
    for format in FORMATS.iter().filter(|format| has_pages || format.name != "html") {
        let text = (format.render)(&report);
        all_is_number(&text);
        // The report itself keeps what it says.
        assert!(
            format.name == "json" || !text.contains(['\u{1b}', '\u{202e}']),
            "{}: {text}",
            format.name
        );
    }
    let written = serde_json::to_vec(&report).expect("string keys");
    if let Err(complaint) = Report::from_json(&written) {
        panic!("what was read can't be read once written: {complaint}");
    }
    let names = ["base.json", "new.json"];
    for [base, new] in [[&*BASE, &report], [&report, &*BASE], [&report, &report]] {
        let [base, new] =
            [Named { file: names[0], report: base }, Named { file: names[1], report: new }];
        match Comparison::new(&base, &[new], &Settings::default()) {
            Ok(comparison) => {
                let csv = words::csv(&comparison);
                let page = has_pages.then(|| render::compared(&comparison, &[base, new]));
                for text in [words::text(&comparison), words::markdown(&comparison), csv]
                    .into_iter()
                    .chain(page)
                {
                    all_is_number(&text);
                    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
                }
                for row in comparison.others.iter().flat_map(|other| &other.rows) {
                    let numbers =
                        [row.base, row.new, row.ratio, row.low, row.high, row.p, row.p_holm];
                    assert!(numbers.into_iter().flatten().all(f64::is_finite), "{row:?}");
                }
            }
            Err(error) => assert!(error.to_string().contains("new.json"), "{error}"),
        }
    }
    for by in [By::Memory, By::Numerator, By::Ratio] {
        match Ranking::new(by, &[(names[0], &*BASE), (names[1], &report)]) {
            Ok(ranking) => all_is_number(&ranking::text(&ranking)),
            Err(error) => assert!(error.to_string().contains(".json"), "{error}"),
        }
    }
}

/// The same of a file of claims.
fn claims_survive(json: &Value) {
    let json = json.to_string();
    let Ok(read) = Claims::from_json(json.as_bytes()) else { return };
    for format in ["text", "md", "html"] {
        let text = claims::render::document(&read, format).expect("a format");
        assert!(names_no_number(&json) || !names_no_number(&text), "{format}: {text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{format}: {text}");
    }
}

/// Whether a word of a text is a number that is none.
fn names_no_number(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| ["NaN", "inf"].contains(&word))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn damage_to_values_is_survived(damages in prop::collection::vec(damage(), 1..4)) {
        let mut json = WHOLE.clone();
        for damage in &damages {
            apply(&mut json, damage);
        }
        survives(json.to_string().as_bytes());
    }

    #[test]
    fn damage_to_claims_is_survived(damages in prop::collection::vec(damage(), 1..4)) {
        let mut json = CLAIMS.clone();
        for damage in &damages {
            apply(&mut json, damage);
        }
        claims_survive(&json);
    }

    #[test]
    fn damage_to_bytes_is_survived(
        places in prop::collection::vec((any::<usize>(), any::<u8>(), 0..4u8), 1..6),
        ends in prop::option::of(any::<usize>()),
    ) {
        const TOKENS: [&str; 8] = ["NaN", "1e999", "-0", "\"", "{", "]", "null", "\\u0000"];
        static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| WHOLE.to_string().into_bytes());
        let mut json = BYTES.clone();
        for (place, byte, kind) in places {
            let place = place % json.len().max(1);
            match kind {
                0 => json[place] = byte,
                // Of digits, other digits: most of what is changed so can still be read.
                1 => {
                    let digits = json[place..].iter_mut().find(|byte| byte.is_ascii_digit());
                    if let Some(digit) = digits {
                        *digit = b'0' + byte % 10;
                    }
                }
                2 => drop(json.drain(place..(place + usize::from(byte)).min(json.len()))),
                _ => {
                    let token = TOKENS[usize::from(byte) % TOKENS.len()];
                    json.splice(place..place, token.bytes());
                }
            }
            if json.is_empty() {
                break;
            }
        }
        if let Some(end) = ends {
            json.truncate(end % (json.len() + 1));
        }
        survives(&json);
    }
}

/// Damage that is always refused would show nothing of what follows.
#[test]
fn much_of_what_is_damaged_is_read() {
    let mut runner = TestRunner::deterministic();
    let damages = prop::collection::vec(damage(), 1..4);
    let read = (0..400).filter(|_| {
        let mut json = WHOLE.clone();
        let damages = damages.new_tree(&mut runner).expect("a value").current();
        for damage in &damages {
            apply(&mut json, damage);
        }
        Report::from_json(json.to_string().as_bytes()).is_ok_and(|report| report != *BASE)
    });
    let read = read.count();
    assert!(read >= 80, "{read} of 400");
}

#[test]
fn what_the_tests_damage_is_a_report_in_which_everything_follows() {
    let report = &*BASE;
    assert!(report.measurements.iter().all(|row| row.derived().is_some()));
    assert!(report.arithmetic.iter().all(|row| row.derived().is_some()));
    assert!(report.ridges[0].derived().is_some(), "{:?}", report.arithmetic[2].id);
    assert!(!report.ratios.is_empty() && !summary::lines(report).is_empty());
    survives(WHOLE.to_string().as_bytes());
    assert!(Claims::from_json(CLAIMS.to_string().as_bytes()).is_ok());
    claims_survive(&CLAIMS);
}

/// What reading takes is a multiple of what is read, whatever that is.
#[test]
fn reading_takes_memory_in_proportion() {
    let many = |element: &str| {
        format!("[{}{element}]", format!("{element},").repeat((1 << 20) / element.len()))
    };
    let whole = WHOLE.to_string();
    let with = |key: &str, array: String| {
        let mut json = WHOLE.clone();
        match json.pointer_mut(key) {
            Some(value) => *value = json!("PLACE"),
            // A key that nobody knows.
            None => json[&key[1..]] = json!("PLACE"),
        }
        json.to_string().replacen("\"PLACE\"", &array, 1)
    };
    for json in [
        whole,
        with("/measurements/0/samples_ns", many("1")),
        with("/measurements/0/probe_ns", many("null")),
        with("/run/notes", many("\"\"")),
        with("/run/argv", many("\"\"")),
        with("/measurements", many("{}")),
        with("/weather", many("[]")),
        many("[]"),
        "[".repeat(1 << 20),
        "{\"a\":".repeat(1 << 18),
    ] {
        let allocated = allocation_counter::measure(|| drop(Report::from_json(json.as_bytes())));
        let most = 64 * json.len() as u64 + (1 << 20);
        assert!(allocated.bytes_max <= most, "{} bytes for {}", allocated.bytes_max, json.len());
    }
}

/// What reading a file says.
fn refusal(path: &Path) -> String {
    Report::read(path).map(|_| ()).expect_err("no report").to_string()
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    let cases: [(&str, Value, &str); 13] = [
        ("/measurements/0/samples_ns/0", json!(1e308), "is 1e308 ns, which no dispatch takes"),
        ("/measurements/0/samples_ns/0", json!(5e-324), "is 5e-324 ns, which no dispatch takes"),
        ("/measurements/0/probe_ns/0", json!(1e300), "which no dispatch takes"),
        ("/arithmetic/0/own/once_ns/0", json!(1e19), "which no dispatch takes"),
        ("/arithmetic/0/own/steps", json!(0), "has times, but no steps or no elements"),
        (
            "/arithmetic/0/own/twice_ns",
            json!([1.0]),
            "has more samples of some steps than of others",
        ),
        (
            "/ridges/0/members/0/samples_ns",
            json!([1.0]),
            "has more samples of some members than of others",
        ),
        ("/dispatch_overhead/dispatch_ns/median", json!(0.0), "which can't be meant"),
        ("/dispatch_overhead/dispatch_ns/low", json!(1e15), "does not hold its median"),
        ("/run/duration_s", json!(-1.0), "a duration in seconds is -1e0"),
        ("/clock/period_ns", json!(1e300), "a step of the clock in ns is 1e300"),
        ("/clock/probe_steps", json!(0), "its probe of the clock has no step"),
        ("/arithmetic/1/id", WHOLE["arithmetic"][0]["id"].clone(), "is in it twice"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("some.json");
    for (place, value, complaint) in cases {
        let mut json = WHOLE.clone();
        *json.pointer_mut(place).unwrap_or_else(|| panic!("{place} is in a report")) = value;
        std::fs::write(&path, json.to_string()).expect("written");
        let refusal = refusal(&path);
        assert!(
            refusal.contains(complaint) && refusal.starts_with(&path.display().to_string()),
            "{refusal}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_report() {
    let marked = [b"\xef\xbb\xbf", WHOLE.to_string().as_bytes()].concat();
    assert_eq!(Report::from_json(&marked).as_ref(), Ok(&*BASE));
}

#[test]
fn claims_have_names_of_their_own() {
    let read = |name: &str| {
        let mut json = CLAIMS.clone();
        let other = json["claims"][0].clone();
        json["claims"].as_array_mut().expect("claims").push(other);
        json["claims"][1]["name"] = json!(name);
        Claims::from_json(json.to_string().as_bytes()).map(|read| read.claims.len())
    };
    assert_eq!(read("output"), Ok(2));
    let twice = read("gradients").expect_err("twice");
    assert!(twice.contains("gradients is in it twice"), "{twice}");
}

#[test]
fn a_complaint_is_one_short_line_whatever_it_quotes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("some.json");
    for status in ["line\nline\u{1b}[2J".to_owned(), "x".repeat(1 << 16)] {
        let mut json = WHOLE.clone();
        json["measurements"][0]["status"] = json!(status);
        std::fs::write(&path, json.to_string()).expect("written");
        let refusal = refusal(&path);
        assert!(refusal.contains("unknown variant"), "{refusal}");
        assert!(
            refusal.len() < path.display().to_string().len() + 300
                && !refusal.contains(['\n', '\u{1b}']),
            "{refusal}"
        );
    }
}

/// Beyond 2^53 not every integer is a double: what other readers make of one is theirs, here it
/// stays.
#[test]
fn large_integers_come_back_as_they_were() {
    let mut json = WHOLE.clone();
    json["run"]["seed"] = json!(u64::MAX);
    json["measurements"][0]["bytes"] = json!((1u64 << 53) + 1);
    let read = Report::from_json(json.to_string().as_bytes()).expect("a report");
    assert_eq!((read.run.seed, read.measurements[0].bytes), (u64::MAX, (1 << 53) + 1));
}
