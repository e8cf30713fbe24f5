//! Reports as files: the schema that describes them, what is read and what is refused, and that a
//! file is replaced whole or not at all.

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use actbench::error::{Error, Exit};
use actbench::gpu::Shape;
use actbench::kernels::kernel::{self, Kernel};
use actbench::render::table;
use actbench::report::provenance::Tool;
use actbench::report::system::System;
use actbench::report::{
    BoundBy, Destination, Dropped, Measurement, Reason, Report, RunStatus, Status, Validation,
    expand, json_schema,
};
use serde_json::{Value, json};

const SCHEMA_FILE: &str = "schema/report-2.schema.json";

/// Set, the published schema is renewed instead of compared.
const RENEW: &str = "ACTBENCH_RENEW_SCHEMA";

/// A report that has everything a report can have.
fn report() -> Report {
    let statuses =
        [Status::Ok, Status::Invalid, Status::Unsupported, Status::Skipped, Status::Failed];
    let measurements: Vec<Measurement> =
        kernel::all().zip(statuses).map(|(kernel, status)| measurement(&kernel, status)).collect();
    assert_eq!(measurements.len(), statuses.len());
    let mut report = Report { measurements, ..fixture::report() };
    report.derive();
    report
}

fn measurement(kernel: &Kernel, status: Status) -> Measurement {
    let mut measurement = Measurement::new(kernel, 1000);
    measurement.status = status;
    measurement.reason = (status != Status::Ok).then_some(Reason::Interrupted);
    if matches!(status, Status::Ok | Status::Invalid) {
        measurement.bound_by = Some(BoundBy::Launch);
        measurement.shape = Some(Shape { workgroup_size: 64, words_per_invocation: 2 });
        measurement.wgsl_sha256 = Some("00".repeat(32));
        measurement.notes = vec![Reason::OutOfTime];
        measurement.validation = Some(Validation {
            elements: 1000,
            violations: 0,
            max_ulp: Some(0.5),
            max_share_of_bound: None,
        });
        measurement.dispatches_per_sample = 4;
        measurement.rounds_per_repeat = 8;
        // A third is what a careless writer of floats does not bring back.
        measurement.samples_ns =
            (0..16).map(|round| (round != 3).then_some(100.0 + f64::from(round) / 3.0)).collect();
        measurement.probe_ns = vec![Some(10.0); 16];
        measurement.dropped =
            Dropped { clock: 1, clock_reason: Some("the clock stood still".to_owned()), probe: 0 };
    }
    measurement
}

/// A change to a report's JSON.
type Damage = fn(&mut Value);

/// `report()` as JSON, changed.
fn json_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = serde_json::to_value(report()).expect("string keys");
    change(&mut json);
    json
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// What reading a file of these bytes says, which is one sentence that names the file.
#[track_caller]
fn refusal(bytes: &[u8]) -> String {
    let folder = folder();
    let path = folder.path().join("some.json");
    fs::write(&path, bytes).expect("written");
    refusal_of(&path)
}

#[track_caller]
fn refusal_of(path: &Path) -> String {
    match Report::read(path) {
        Err(Error::Usage(text)) => {
            let name = path.display().to_string();
            assert!(text.starts_with(&name) && !text.contains('\n'), "{text}");
            text[name.len() + 1..].to_owned()
        }
        other => panic!("{other:?}"),
    }
}

fn written(report: &Report) -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    let path = folder.path().join("report.json");
    Destination::prepare(&path).and_then(|destination| destination.write(report)).expect("written");
    (folder, path)
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect()
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_FILE);
    let current = serde_json::to_string_pretty(&json_schema()).expect("string keys") + "\n";
    if std::env::var_os(RENEW).is_some() {
        fs::write(&path, &current).expect("written");
    }
    let published = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        published == current,
        "{SCHEMA_FILE} is not that of src/report. Renew it: {RENEW}=1 cargo test --release --test report published"
    );
    assert_eq!(json_schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&json_schema()));
}

/// Every object's every key says what it is: the schema is its own documentation.
#[test]
fn every_key_of_the_schema_is_described() {
    fn undescribed(schema: &Value, place: &str, found: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                found.push(format!("{place}.{key}"));
            }
        }
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            undescribed(definition, name, found);
        }
    }
    let mut found = Vec::new();
    undescribed(&json_schema(), "Report", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn reports_of_every_status_are_valid_and_come_back_as_they_were() {
    let validator = jsonschema::validator_for(&json_schema()).expect("a schema");
    for status in [RunStatus::Complete, RunStatus::Interrupted, RunStatus::Failed] {
        let mut report = report();
        report.run.status = status;
        let (_folder, path) = written(&report);
        let json: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
        let errors: Vec<String> =
            validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        let mut read = Report::read(&path).expect("a report");
        assert_eq!(read.measurements[0].derived(), report.measurements[0].derived());
        // What is computed on reading is not there before writing.
        read = serde_json::from_value(serde_json::to_value(&read).expect("string keys"))
            .expect("a report");
        report = serde_json::from_value(serde_json::to_value(&report).expect("string keys"))
            .expect("a report");
        assert_eq!(read, report);
    }
}

#[test]
fn what_is_no_report_is_not_valid() {
    let damage: [(&str, Damage); 13] = [
        ("no run", |json| drop(json.as_object_mut().expect("an object").remove("run"))),
        ("no samples", |json| {
            drop(json["measurements"][0].as_object_mut().expect("an object").remove("samples_ns"));
        }),
        ("another schema", |json| json["schema"] = json!("other.report")),
        ("an older major version", |json| json["schema_version"] = json!("1.0")),
        ("a newer major version", |json| json["schema_version"] = json!("3.0")),
        ("an unknown status", |json| json["measurements"][0]["status"] = json!("great")),
        ("a status of another kind", |json| json["run"]["status"] = json!("ok")),
        ("text for a time", |json| json["measurements"][0]["samples_ns"][0] = json!("fast")),
        ("no elements", |json| json["measurements"][0]["elements"] = json!(0)),
        ("a negative size", |json| json["measurements"][0]["bytes"] = json!(-1)),
        ("a fraction of a round", |json| json["measurements"][0]["rounds_per_repeat"] = json!(1.5)),
        ("text for labels", |json| json["run"]["labels"] = json!("rack=b")),
        ("half an estimate", |json| {
            json["dispatch_overhead"]["dispatch_ns"] = json!({"median": 1.0});
        }),
    ];
    let validator = jsonschema::validator_for(&json_schema()).expect("a schema");
    assert!(validator.is_valid(&json_with(|_| ())));
    for (what, damage) in damage {
        let json = json_with(damage);
        assert!(!validator.is_valid(&json), "{what} is valid");
        // What the schema refuses, reading refuses.
        refusal(json.to_string().as_bytes());
    }
}

#[test]
fn a_minor_version_with_unknown_keys_is_read() {
    let json = json_with(|json| {
        json["schema_version"] = json!("2.7");
        json["weather"] = json!({"sky": ["blue"]});
        json["measurements"][0]["mood"] = json!("good");
    });
    let (_folder, path) = written(&report());
    fs::write(&path, json.to_string()).expect("written");
    assert_eq!(Report::read(&path).expect("a report").schema_version, "2.7");
}

#[test]
fn derived_figures_are_those_of_the_samples_whatever_the_file_says() {
    let json = json_with(|json| json["measurements"][0]["derived"]["median_ns"] = json!(1e9));
    let (_folder, path) = written(&report());
    fs::write(&path, json.to_string()).expect("written");
    let read = serde_json::to_value(Report::read(&path).expect("a report")).expect("string keys");
    // 16 samples of 100 + round / 3 without that of round 3: the eighth of 15 is that of round 8.
    let derived = &read["measurements"][0]["derived"];
    assert_eq!(derived["median_ns"], json!(100.0 + 8.0 / 3.0));
    assert_eq!(derived["ns_per_element"], json!((100.0 + 8.0 / 3.0) / 1000.0));
    assert_eq!(derived["bytes_per_second"], json!(8000.0 / (100.0 + 8.0 / 3.0) * 1e9));
}

#[test]
fn nothing_follows_from_a_row_that_is_not_ok() {
    let report = report();
    let json = serde_json::to_value(&report).expect("string keys");
    for (row, json) in
        report.measurements.iter().zip(json["measurements"].as_array().expect("rows"))
    {
        let is_ok = row.status == Status::Ok;
        assert_eq!(row.time_ns().is_some(), is_ok, "{:?}", row.status);
        assert_eq!(json["derived"].is_object(), is_ok, "{json}");
        assert_eq!(json["derived"].is_null(), !is_ok, "{json}");
    }
    // The samples of an invalid row stay, for whoever wants to see what was wrong with them.
    assert_eq!(report.measurements[1].status, Status::Invalid);
    assert_eq!(json["measurements"][1]["samples_ns"][0], json!(100.0));
    let table = table::measurements(&report.measurements[1..2], &report.run.pairs).expect("a row");
    assert_eq!(table.rows().collect::<Vec<_>>(), [&["relu/plain", "invalid", "", "", ""]]);
}

#[test]
fn files_that_can_t_be_meant_are_refused_by_name() {
    let whole = json_with(|_| ()).to_string();
    let nan = whole.replacen(r#""duration_s":12.5"#, r#""duration_s":NaN"#, 1);
    let infinite = whole.replacen(r#""duration_s":12.5"#, r#""duration_s":1e999"#, 1);
    assert!(nan != whole && infinite != whole);
    let nested = "[".repeat(200_000);
    let closed = format!("{nested}{}", "]".repeat(200_000));
    let nested_extra =
        whole.replacen(r#""chosen":true"#, &format!(r#""chosen":true,"extra":{closed}"#), 1);
    let nested_labels =
        whole.replacen(r#""labels":{"rack":"b"}"#, &format!(r#""labels":{closed}"#), 1);
    assert!(nested_labels != whole && nested_extra != whole);
    let cases: [(&str, &str); 18] = [
        ("", "is empty"),
        (" \n", "is empty"),
        (&whole[..whole.find("\"shapes\"").expect("a key")], "is cut off: EOF while parsing"),
        (&whole[..whole.len() - 1], "is cut off: EOF while parsing"),
        ("\u{7f}ELF", "is not JSON"),
        ("{}", "no report of actbench: missing field `schema`"),
        ("[1, 2]", "no report of actbench"),
        (r#"{"context": {"date": "2026"}, "benchmarks": []}"#, "no report of actbench"),
        (
            r#"{"schema": "other", "schema_version": "2.0"}"#,
            "is of the schema \"other\", not actbench.report",
        ),
        (
            r#"{"schema": "actbench.report", "schema_version": "1.0"}"#,
            "is of schema version \"1.0\"",
        ),
        (r#"{"schema": "actbench.report", "schema_version": "new"}"#, "schema version \"new\""),
        (
            r#"{"schema": "actbench.report", "schema_version": "2.0"}"#,
            "is a broken report: missing field `tool`",
        ),
        (&nan, "is not JSON: expected value"),
        (&infinite, "number out of range"),
        (&closed, "no report of actbench"),
        (&nested_extra, "recursion limit exceeded"),
        (&nested_labels, "is a broken report: invalid type: sequence"),
        (&nested, "no report of actbench"),
    ];
    for (text, complaint) in cases {
        let refusal = refusal(text.as_bytes());
        assert!(refusal.contains(complaint), "{refusal}");
        assert!(refusal.len() < 300, "{refusal}");
    }
    refusal(b"\xff\xfe{\0}\0");
}

#[test]
fn numbers_that_would_mean_nothing_are_refused() {
    let cases: [(Damage, &str); 6] = [
        (
            |json| json["measurements"][1]["id"] = json["measurements"][0]["id"].clone(),
            "is in it twice",
        ),
        (|json| json["measurements"][0]["elements"] = json!(0), "has no elements"),
        (|json| json["measurements"][0]["samples_ns"][0] = json!(0.0), "is not above 0"),
        (|json| json["measurements"][0]["samples_ns"][0] = json!(-5.0), "is not above 0"),
        (|json| json["measurements"][0]["probe_ns"] = json!([1.0]), "16 samples, but 1 probes"),
        (|json| json["run"]["started_at"] = json!("yesterday"), "is a broken report"),
    ];
    for (damage, complaint) in cases {
        let refusal = refusal(json_with(damage).to_string().as_bytes());
        assert!(refusal.contains(complaint), "{refusal}");
    }
}

#[test]
fn what_is_no_file_or_too_large_is_refused() {
    let folder = folder();
    assert!(refusal_of(&folder.path().join("nosuch.json")).starts_with("can't be read: "));
    assert!(refusal_of(folder.path()).starts_with("can't be read: "));
    let path = folder.path().join("large.json");
    fs::File::create(&path).and_then(|file| file.set_len((256 << 20) + 1)).expect("a sparse file");
    assert_eq!(refusal_of(&path), "has more than 268435456 bytes, which no report has");
}

#[test]
fn a_written_report_is_one_line_alone_in_its_folder() {
    let (folder, path) = written(&report());
    let text = fs::read_to_string(path).expect("text");
    assert_eq!(text.find('\n'), Some(text.len() - 1));
    assert_eq!(names(folder.path()), ["report.json"]);
}

#[test]
fn preparing_finds_what_can_t_be_written_and_changes_nothing() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("report.json"), "before").expect("written");
    assert!(matches!(Destination::prepare(&path("report.json")), Ok(Destination::File(_))));
    assert_eq!(fs::read_to_string(path("report.json")).expect("text"), "before");
    assert!(matches!(Destination::prepare(&path("new.json")), Ok(Destination::File(_))));
    assert_eq!(Destination::prepare(Path::new("-")).expect("stdout"), Destination::Stdout);
    fs::write(path("kept.json"), "").expect("written");
    let mut permissions = fs::metadata(path("kept.json")).expect("a file").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path("kept.json"), permissions).expect("changed");
    let mut cases = vec![
        (folder.path().to_owned(), "is a folder: name a file in it"),
        (path("reports/"), "is a folder that does not exist"),
        (path("nosuch/report.json"), "is in a folder that does not exist"),
        (path("report.json/report.json"), "can't be written"),
        (path("kept.json"), "is read-only"),
        (path(&"long".repeat(100)), "can't be written"),
    ];
    if cfg!(target_os = "linux") {
        // Where not even root makes files.
        cases.push((PathBuf::from("/sys/report.json"), "can't be written"));
    }
    for (path, complaint) in cases {
        match Destination::prepare(&path) {
            Err(Error::Usage(text)) => {
                assert!(
                    text.starts_with(&path.display().to_string()) && text.contains(complaint),
                    "{text}"
                );
            }
            other => panic!("{}: {other:?}", path.display()),
        }
    }
    let mut names = names(folder.path());
    names.sort();
    assert_eq!(names, ["kept.json", "report.json"]);
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o777
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions_and_its_links() {
        let (folder, path) = written(&report());
        let ordinary = folder.path().join("ordinary");
        fs::write(&ordinary, "").expect("written");
        assert_eq!(mode(&path), mode(&ordinary), "a new report is a file like any other");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        let link = folder.path().join("latest.json");
        symlink(&path, &link).expect("a link");
        let mut other = report();
        other.run.seed = 7;
        Destination::prepare(&link)
            .and_then(|destination| destination.write(&other))
            .expect("written");
        assert_eq!(mode(&path), 0o640);
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(Report::read(&path).expect("a report").run.seed, 7);
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let null = Path::new("/dev/null");
        Destination::prepare(null)
            .and_then(|destination| destination.write(&report()))
            .expect("written");
        assert!(fs::metadata(null).expect("there").file_type().is_char_device());
        if cfg!(target_os = "linux") {
            let full =
                Destination::prepare(Path::new("/dev/full")).expect("a device").write(&report());
            let error = full.expect_err("it is full");
            assert_eq!(error.exit(), Exit::Machine);
            assert!(
                error.to_string().starts_with("/dev/full can't be written: No space left"),
                "{error}"
            );
        }
    }

    /// Where the next test's child writes.
    const CHILD: &str = "ACTBENCH_TEST_OF_A_FULL_DISK";

    /// A limit on the size of files ends a write in its middle as a full disk does, and needs no
    /// root.
    #[test]
    fn a_disk_that_fills_up_leaves_the_file_as_it_was() {
        let folder = folder();
        let path = folder.path().join("report.json");
        fs::write(&path, "before").expect("written");
        let output = Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 2; exec \"$0\" --exact --ignored --nocapture on_unix::writes_in_a_child",
            ])
            .arg(std::env::current_exe().expect("this test"))
            .env(CHILD, &path)
            .output()
            .expect("sh");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
        assert_eq!(fs::read_to_string(&path).expect("text"), "before");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    #[ignore = "the child of a_disk_that_fills_up_leaves_the_file_as_it_was"]
    fn writes_in_a_child() {
        let path = PathBuf::from(std::env::var_os(CHILD).expect("set by the parent"));
        let error = Destination::prepare(&path)
            .expect("writable")
            .write(&report())
            .expect_err("there is no room");
        assert_eq!(error.exit(), Exit::Machine);
        assert!(
            error.to_string().starts_with(&format!("{} can't be written: ", path.display())),
            "{error}"
        );
    }
}

#[test]
fn templates_name_files() {
    let time = "2026-11-24T03:15:00.7Z".parse().expect("a time");
    let expand = |template: &str| {
        expand(template, "NVIDIA H100 80GB (PCIe)/2", Some("Node-7.example"), time)
    };
    assert_eq!(
        expand("out/{host}-{adapter}-{time}.json").expect("a template"),
        "out/node-7-example-nvidia-h100-80gb-pcie-2-20261124T031500Z.json"
    );
    assert_eq!(expand("plain.json").expect("a template"), "plain.json");
    for wrong in ["{gpu}.json", "{adapter.json", "adapter}.json", "{}", "{{adapter}}", "{Time}"] {
        let error = expand(wrong).expect_err(wrong);
        assert!(matches!(&error, Error::Usage(text) if text.contains(wrong)), "{error}");
    }
    let nameless = actbench::report::expand("{adapter}{host}", "™", None, time);
    assert_eq!(nameless.expect("a template"), "unknownunknown");
    let long = actbench::report::expand("{adapter}", &"x".repeat(300), None, time);
    assert!(long.expect("a template").len() <= 64);
}

#[test]
fn an_anonymized_report_names_no_machine_and_no_folder() {
    let mut report = report();
    report.run.argv = [
        "/home/alice/bin/actbench",
        "run",
        "--output=/home/alice/out.json",
        "--output",
        r"C:\Users\alice\out.json",
        "--filter=forward/f32",
        "--seed=7",
        "label=a=b",
    ]
    .map(str::to_owned)
    .to_vec();
    report.anonymize();
    let text = serde_json::to_string(&report).expect("string keys");
    for identifying in ["alice", "node-7", "3b:00"] {
        assert!(!text.contains(identifying), "{identifying} in {text}");
    }
    let argv = [
        "actbench",
        "run",
        "--output=out.json",
        "--output",
        "out.json",
        "--filter=f32",
        "--seed=7",
        "label=a=b",
    ];
    assert_eq!(report.run.argv, argv);
    assert_eq!(report.run.labels["rack"], "b");
}

#[test]
fn this_machine_and_this_program_are_known() {
    let system = System::of_this_machine();
    assert!(system.host.is_some_and(|host| !host.is_empty()));
    assert!(system.os.name.is_some() && system.os.kernel.is_some(), "{:?}", system.os);
    assert_eq!(system.arch, std::env::consts::ARCH);
    let logical = system.cpu.logical_cores.expect("cores");
    assert!(
        system.cpu.physical_cores.is_none_or(|physical| physical <= logical),
        "{:?}",
        system.cpu
    );
    assert!(system.memory_bytes.is_some_and(|bytes| bytes > 1 << 28));
    let tool = Tool::this();
    assert!(tool.rustc.starts_with("rustc 1."), "{}", tool.rustc);
    assert_eq!(tool.optimized, !cfg!(debug_assertions));
    assert!(tool.target.contains(std::env::consts::ARCH), "{}", tool.target);
    assert!(tool.wgpu_version.is_some_and(|version| version.starts_with("30.")));
    assert_eq!(tool.git_revision.is_some(), tool.git_dirty.is_some());
}
