//! `actbench claims` as a person meets it, its file and its schema.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use actbench::claims::report::{Claims, json_schema};
use actbench::claims::{CLAIMS, Experiment};
use serde_json::Value;

/// `actbench claims` on the adapter of the tests, with arguments that are split at spaces.
fn claims(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actbench"));
    command.arg("claims").args(arguments.split_whitespace());
    if std::env::var_os("ACTBENCH_ADAPTER").is_none() {
        command
            .env("ACTBENCH_ADAPTER", if common::gpu().facts.is_software { "software" } else { "" });
    }
    command.output().expect("actbench starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_list_has_every_claim_and_opens_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_actbench"))
        .args(["claims", "--list", "--adapter", "no such adapter"])
        .output()
        .expect("actbench starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let names: Vec<&str> =
        lines.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, CLAIMS.iter().map(|claim| claim.name).collect::<Vec<_>>());
}

#[test]
fn an_unknown_claim_is_wrong_use_and_the_known_ones_are_named() {
    let output = claims("gradients nosuch");
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("\"nosuch\"") && CLAIMS.iter().all(|claim| stderr.contains(claim.name)),
        "{stderr}"
    );
    assert!(output.stdout.is_empty());
}

/// A claim's JSON without its times.
fn told(report: &Value) -> Value {
    let mut claims = report["claims"].clone();
    for claim in claims.as_array_mut().expect("claims") {
        claim.as_object_mut().expect("a claim").remove("duration_s");
    }
    claims
}

#[test]
fn a_claim_is_a_report_that_repeats_and_says_what_it_does_on_stderr() {
    let once = claims("gradients --seed 7 --format json");
    assert_eq!(once.status.code(), Some(0), "{}", text(&once.stderr));
    assert!(text(&once.stderr).contains("1/1 gradients"), "{}", text(&once.stderr));
    let json: Value = serde_json::from_slice(&once.stdout).expect("JSON");
    let validator = jsonschema::validator_for(&json_schema()).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(json["run"]["status"], "complete");
    assert_eq!(json["run"]["seed"], 7);
    let claim = &json["claims"][0];
    assert_eq!((&claim["name"], &claim["status"]), (&"gradients".into(), &"ok".into()));
    assert!(claim["outcome"].is_string() && claim["conclusion"].is_string(), "{claim}");
    assert_eq!(claim["seeds"], serde_json::json!([7, 8, 9, 10, 11]));
    assert!(claim["figures"].as_array().is_some_and(|figures| figures.len() > 4));
    assert!(claim["plots"][0]["series"].as_array().is_some_and(|series| series.len() == 5));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claims.json");
    let again = claims(&format!("gradients --seed 7 --format json --output {}", path.display()));
    assert!(again.status.success() && again.stdout.is_empty(), "{}", text(&again.stderr));
    assert_eq!(Claims::read(&path).expect("claims").claims.len(), 1);
    let read: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("written")).expect("JSON");
    assert_eq!(told(&read), told(&json));
}

#[test]
fn a_bad_path_fails_before_anything_is_tried() {
    let output = claims("range --output no/such/folder/claims.json");
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("in a folder that does not exist") && !stderr.contains("range:"),
        "{stderr}"
    );
}

#[test]
fn what_is_named_twice_is_tried_once_and_names_nobody_where_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anonymous.json");
    let arguments =
        format!("gradients gradients --format json --anonymize --output {}", path.display());
    let output = claims(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = Claims::read(&path).expect("claims");
    assert_eq!(report.claims.len(), 1);
    assert_eq!((report.system.host, report.adapter.pci_bus_id), (None, None));
    assert_eq!(report.run.argv.last().map(String::as_str), Some("anonymous.json"));

    let output = claims("gradients --format md --output -");
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().nth(1), Some("| --- | --- | --- |"), "{lines}");
    assert!(
        lines
            .lines()
            .nth(2)
            .is_some_and(|line| line.starts_with("| gradients: through many layers")),
        "{lines}"
    );
}

/// `actbench report` of a file of claims in a format.
fn reported(path: &Path, format: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actbench"));
    command.arg("report").arg(path).args(["--format", format]).output().expect("actbench starts")
}

#[test]
fn a_file_of_claims_is_shown_in_every_format_with_what_was_not_tested() {
    let path = Path::new("reports/claims/lavapipe.json");
    let claims = Claims::read(path).expect("claims");
    for format in ["text", "md", "html"] {
        let output = reported(path, format);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown = text(&output.stdout);
        for claim in &claims.claims {
            assert!(shown.contains(&claim.name), "{format}: {} is missing", claim.name);
        }
        for part in ["not tested", "dependencies between neurons", "AlexNet"] {
            assert!(shown.contains(part), "{format}: {part} is missing");
        }
    }
    let json = reported(path, "json");
    assert_eq!(Claims::from_json(&json.stdout), Ok(claims));
    let csv = reported(path, "csv");
    assert_eq!(csv.status.code(), Some(2));
    assert!(text(&csv.stderr).contains("claims have no format csv"), "{}", text(&csv.stderr));
}

#[test]
fn what_is_no_file_of_claims_is_refused() {
    let whole = std::fs::read_to_string("reports/claims/lavapipe.json").expect("kept");
    let mut json: Value = serde_json::from_str(&whole).expect("JSON");
    json["schema_version"] = "1.0".into();
    let error = Claims::from_json(json.to_string().as_bytes()).expect_err("too old");
    assert!(error.contains("1.0"), "{error}");
    json["schema_version"] = "2.0".into();
    let first = json["claims"][0].clone();
    json["claims"].as_array_mut().expect("claims").push(first);
    let error = Claims::from_json(json.to_string().as_bytes()).expect_err("one twice");
    assert!(error.contains("broken"), "{error}");
}

/// Where the schema is published. `ACTBENCH_RENEW_SCHEMA` in the environment renews it.
const SCHEMA_FILE: &str = "schema/claims-2.schema.json";

#[test]
fn the_published_schema_is_that_of_the_types() {
    let own = serde_json::to_string_pretty(&json_schema()).expect("string keys") + "\n";
    if std::env::var_os("ACTBENCH_RENEW_SCHEMA").is_some() {
        std::fs::write(SCHEMA_FILE, &own).expect("it is written");
    }
    let published = std::fs::read_to_string(SCHEMA_FILE).expect("it is published");
    assert_eq!(published, own, "set ACTBENCH_RENEW_SCHEMA to renew it");
}

#[test]
fn claims_are_found_by_name() {
    assert!(
        CLAIMS.iter().all(
            |claim| Experiment::named(claim.name).is_some_and(|found| found.name == claim.name)
        )
    );
    assert!(Experiment::named("nosuch").is_none());
}
