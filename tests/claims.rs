//! `actbench claims` as a person meets it, and claims in the report of a full run.

mod common;

use std::process::{Command, Output};

use actbench::claims::{CLAIMS, Experiment};
use actbench::error::{Error, Result};
use actbench::gpu::{Choice, Gpu};
use actbench::report::{Profile, Report, RunStatus, Status, json_schema};
use actbench::suite::{self, Settings, Watch};
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
    assert_eq!(
        (&claim["name"], &claim["status"], &claim["outcome"]),
        (&"gradients".into(), &"ok".into(), &"holds".into())
    );
    assert_eq!(claim["seeds"], serde_json::json!([7, 8, 9, 10, 11]));
    assert!(claim["figures"].as_array().is_some_and(|figures| figures.len() > 4));
    assert!(claim["plots"][0]["series"].as_array().is_some_and(|series| series.len() == 5));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claims.json");
    let again = claims(&format!("gradients --seed 7 --format json --output {}", path.display()));
    assert!(again.status.success() && again.stdout.is_empty(), "{}", text(&again.stderr));
    assert_eq!(Report::read(&path).expect("a report").claims.len(), 1);
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
    let report = Report::read(&path).expect("a report");
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

/// Who ends a run before its first step.
struct Ender {
    of: usize,
    kept: Option<Report>,
}

impl Watch for Ender {
    fn step(&mut self, _: &str, _: usize, of: usize) -> bool {
        self.of = of;
        false
    }

    fn keep(&mut self, report: &Report, _: bool) -> Result<()> {
        self.kept = Some(report.clone());
        Ok(())
    }
}

fn ended_at_once(settings: &Settings) -> (Report, usize) {
    common::gpu();
    let mut open = || Gpu::open(&Choice::from_environment(Choice::PreferSoftware));
    let mut ender = Ender { of: 0, kept: None };
    let (report, error): (Report, Option<Error>) =
        suite::run(&mut open, settings, None, &mut ender).expect("a device");
    assert!(error.is_none() && report.run.status == RunStatus::Interrupted);
    assert_eq!(ender.kept.as_ref(), Some(&report));
    (report, ender.of)
}

#[test]
fn a_full_run_plans_every_claim_and_says_which_it_did_not_floor() {
    let full = Settings::of(Profile::Full);
    let (report, steps) = ended_at_once(&full);
    let pending: Vec<&str> = report.claims.iter().map(|claim| &*claim.name).collect();
    assert_eq!(pending, CLAIMS.iter().map(|claim| claim.name).collect::<Vec<_>>());
    for claim in &report.claims {
        assert_eq!(
            (claim.status, claim.reason.as_deref()),
            (Status::Skipped, Some("not reached: interrupted"))
        );
    }
    // A filter is over kernels, and leaves claims out.
    let filtered = Settings { filter: Some(regex::Regex::new("").expect("a pattern")), ..full };
    let (report, fewer) = ended_at_once(&filtered);
    assert_eq!((report.claims.len(), fewer + CLAIMS.len()), (0, steps));
    assert_eq!(ended_at_once(&Settings::of(Profile::Standard)).0.claims.len(), 0);
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
