//! How often comparing gives a false alarm: pairs of separate runs of one build, in which nothing
//! differs but the run.
//!
//! `cargo run --release --example false_alarms -- FOLDER [MORE]` measures MORE more pairs into the
//! folder, each run a process of its own. It then compares all pairs that are there: with all
//! repeats of each run, and with the first alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use actbench::compare::{Comparison, Named, Settings, Verdict};
use actbench::error::{Error, Result};
use actbench::gpu::{Choice, Gpu};
use actbench::report::{Destination, Profile, Report};
use actbench::suite;
use regex::Regex;

/// What is measured: two sizes, both directions and dtypes.
const FILTER: &str = "n=(65536|1048576)/";

/// The repeats of each run.
const REPEATS: u32 = 3;

/// The most pairs that a folder holds.
const MOST: u32 = 1000;

/// Begins the arguments of the process that measures one run.
const ONE: &str = "--one";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [ONE, file] => measure(Path::new(file), None),
        [ONE, file, base] => measure(Path::new(file), Some(Path::new(base))),
        [folder] => summarize(Path::new(folder)),
        [folder, more] => {
            let more =
                more.parse().map_err(|_| Error::Usage(format!("{more} is no number of pairs")))?;
            measure_pairs(Path::new(folder), more)?;
            summarize(Path::new(folder))
        }
        _ => Err(Error::Usage("name a folder, and how many pairs to measure".to_owned())),
    }
}

fn pair(folder: &Path, number: u32) -> [PathBuf; 2] {
    ["base", "new"].map(|name| folder.join(format!("{number:03}-{name}.json")))
}

fn measure_pairs(folder: &Path, more: u32) -> Result<()> {
    let failed = |error: std::io::Error| Error::Machine(error.to_string());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let missing = (1..=MOST).filter(|number| !pair(folder, *number)[1].exists());
    for number in missing.take(more as usize) {
        let [base, new] = pair(folder, number);
        for arguments in [vec![&base], vec![&new, &base]] {
            let status =
                Command::new(&program).arg(ONE).args(arguments).status().map_err(failed)?;
            if !status.success() {
                return Err(Error::Machine(format!("a run of pair {number} failed")));
            }
        }
    }
    Ok(())
}

/// One run; with a base, in its shapes, as `run --baseline` does.
fn measure(file: &Path, base: Option<&Path>) -> Result<()> {
    let mut settings = suite::Settings::of(Profile::Quick);
    settings.repeats = REPEATS;
    settings.filter = Some(Regex::new(FILTER).expect("a pattern"));
    let choice = Choice::from_environment(Choice::Default);
    if let Some(base) = base {
        settings = settings.in_shapes_of(&Report::read(base)?, &choice.facts()?);
    }
    let (report, error) = suite::run(&mut || Gpu::open(&choice), &settings, None, &mut ())?;
    error.map_or(Ok(()), Err)?;
    Destination::prepare(file)?.write(&report)
}

fn summarize(folder: &Path) -> Result<()> {
    let pairs: Vec<[PathBuf; 2]> =
        (1..=MOST).map(|number| pair(folder, number)).take_while(|[_, new]| new.exists()).collect();
    let mut reports = Vec::new();
    for files in &pairs {
        reports.push(Report::read_all(files)?);
    }
    if let Some(report) = reports.first() {
        println!("{}", report[0].adapter.summary());
    }
    for repeats in [REPEATS, 1] {
        let mut counts = [0; Verdict::ALL.len()];
        let mut crying = 0;
        for (files, reports) in pairs.iter().zip(&reports) {
            let reports: Vec<Report> =
                reports.iter().map(|report| first_repeats(report, repeats)).collect();
            let files = files.each_ref().map(|file| file.display().to_string());
            let [base, new] = [0, 1].map(|at| Named { file: &files[at], report: &reports[at] });
            let comparison = Comparison::new(&base, &[new], &Settings::default())?;
            for (count, verdict) in counts.iter_mut().zip(Verdict::ALL) {
                *count += comparison.count(verdict);
            }
            let rows = comparison.others.iter().flat_map(|other| &other.rows);
            let wrong: Vec<_> = rows
                .filter(|row| matches!(row.verdict, Verdict::Faster | Verdict::Slower))
                .collect();
            crying += u32::from(!wrong.is_empty());
            for row in wrong {
                let ratio = row.ratio.unwrap_or_default();
                println!(
                    "  {repeats} repeats, {}: {} {:?} {ratio:.3}",
                    files[1], row.id, row.quantity
                );
            }
        }
        let counts: Vec<String> = counts
            .iter()
            .zip(Verdict::ALL)
            .map(|(count, verdict)| format!("{count} {}", verdict.name()))
            .collect();
        println!(
            "{} pairs of runs, repeats of each: {repeats}. Pairs with a false FASTER or SLOWER: \
             {crying}. Rows: {}",
            pairs.len(),
            counts.join(", ")
        );
    }
    Ok(())
}

/// A report as it would be of its first repeats alone.
fn first_repeats(report: &Report, repeats: u32) -> Report {
    let mut report = report.clone();
    report.run.repeats = repeats;
    for row in &mut report.measurements {
        let rounds = (row.rounds_per_repeat * repeats) as usize;
        row.samples_ns.truncate(rounds);
        row.probe_ns.truncate(rounds);
    }
    report
}
