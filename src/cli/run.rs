//! `actbench run`

use std::path::{Path, PathBuf};
use std::time::Duration;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::dump::Dump;
use actbench::gpu::{AdapterFacts, Choice, Gpu, ShaderChecks, adapters};
use actbench::kernels::inputs::DEFAULT_SEED;
use actbench::render::table;
use actbench::report::system::System;
use actbench::report::{Destination, Pair, Profile, Report, expand};
use actbench::suite::{self, Planned, Settings, Watch};
use clap::Args;
use regex::Regex;

use super::progress::{Progress, catch_interrupts, is_interrupted};
use super::{baseline, print, say};

/// The report's name where none is given.
const OUTPUT: &str = "actbench-{adapter}-{time}.json";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Arguments {
    /// Adapter: its number in `actbench info`, a part of its name, `software`, or `all`. Default:
    /// the first that is not software.
    #[arg(
        long,
        env = "ACTBENCH_ADAPTER",
        value_name = "N|NAME|software|all",
        default_value = "",
        hide_default_value = true
    )]
    adapter: String,
    /// quick: default variants, once. standard: all variants and dtypes, three repeats.
    #[arg(long, env = "ACTBENCH_PROFILE", default_value = "quick")]
    profile: Profile,
    /// Two activations to compare, the first over the second; may be given several times. Default:
    /// sigmoid:relu.
    #[arg(long, value_name = "NUMERATOR:DENOMINATOR")]
    pair: Vec<Pair>,
    /// Only rows whose id matches this regular expression, and their copies; `--list` prints the
    /// ids.
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// Begin nothing new after so long: 90s, 5m, 1h. The report says what was not reached.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_time: Option<Duration>,
    /// Something to remember of this run, kept in the report; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Repeats: how often the device is opened anew and everything measured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// Seed of all inputs.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Leave the host's name, the bus and folders out of the report.
    #[arg(long)]
    anonymize: bool,
    /// Where the report goes; `-` is stdout, and {adapter}, {host} and {time} are filled in.
    #[arg(long, value_name = "FILE|-", default_value = OUTPUT)]
    output: String,
    /// Write the WGSL and the SPIR-V of every row into this folder.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Measure streaming kernels with wgpu's run-time checks of bounds and loops.
    #[arg(long)]
    shader_checks: bool,
    /// Print every shape that was tried (workgroup size, words per invocation).
    #[arg(long)]
    shapes: bool,
    /// Print the ids of the profile and measure nothing.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    baseline: baseline::Arguments,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "a time reads like 90s, 5m or 1h")?;
    let is_some = parsed.is_positive();
    is_some.then(|| parsed.unsigned_abs()).ok_or("nothing can be measured in no time".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = parts.ok_or("a label reads key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let baseline = arguments.baseline.read()?;
    let choices = arguments.choices()?;
    if arguments.list {
        return arguments.print_ids(choices.iter().all(|(_, facts)| facts.is_software));
    }
    let settings = arguments.settings();
    if let Some(baseline) = &baseline {
        choices.iter().try_for_each(|(_, facts)| baseline.check(facts, &settings))?;
    }
    let dump = arguments.dump.as_ref().map(Dump::into).transpose()?;
    let outputs = arguments.outputs(&choices)?;
    if let Some(baseline) = &baseline {
        let file = Path::new(&baseline.file);
        outputs.iter().try_for_each(|(_, destination)| destination.spare(file))?;
    }
    catch_interrupts()?;

    let mut exit = Exit::Fine;
    for ((choice, facts), (path, destination)) in choices.iter().zip(&outputs) {
        say(&facts.summary());
        let mut settings = settings.clone();
        if let Some(baseline) = &baseline {
            settings = settings.in_shapes_of(&baseline.report, facts);
        }
        let progress = Progress::new(0, Duration::ZERO);
        let mut watcher = Watcher { progress, destination, anonymize: arguments.anonymize };
        let outcome = suite::run(&mut || Gpu::open(choice), &settings, dump.as_ref(), &mut watcher);
        drop(watcher);
        let (mut report, error) = outcome?;
        if arguments.anonymize {
            report.anonymize();
        }
        if *destination != Destination::Stdout {
            if let Some(grid) = table::shapes(&report.shapes).filter(|_| arguments.shapes) {
                print(&grid.text())?;
            }
            print(&table::text(&report))?;
            say(&format!("report: {}", path.display()));
        }
        if let Some(error) = error {
            say(&format!("error: {error}"));
            exit = exit.or(error.exit());
        }
        if is_interrupted() {
            return Ok(Exit::Interrupted);
        }
        if let Some(baseline) = &baseline {
            exit = exit.or(baseline.compare(path, &report)?);
        }
    }
    Ok(exit)
}

impl Arguments {
    /// The adapters to measure, each with the choice that opens it.
    fn choices(&self) -> Result<Vec<(Choice, AdapterFacts)>> {
        if self.adapter != "all" {
            let choice = Choice::from(self.adapter.as_str());
            let facts = choice.facts()?;
            return Ok(vec![(choice, facts)]);
        }
        let all = adapters().into_iter().enumerate();
        let all: Vec<_> = all.map(|(index, facts)| (Choice::Index(index), facts)).collect();
        if all.is_empty() { Err(Error::NoAdapter) } else { Ok(all) }
    }

    fn settings(&self) -> Settings {
        let settings = Settings::of(self.profile);
        Settings {
            seed: self.seed,
            pairs: if self.pair.is_empty() { settings.pairs } else { self.pair.clone() },
            filter: self.filter.clone(),
            max_time: self.max_time,
            repeats: self.repeats.unwrap_or(settings.repeats),
            checks: if self.shader_checks { ShaderChecks::Checked } else { settings.checks },
            labels: self.label.iter().cloned().collect(),
            ..settings
        }
    }

    /// Where each adapter's report goes, found to be possible.
    fn outputs(&self, choices: &[(Choice, AdapterFacts)]) -> Result<Vec<(PathBuf, Destination)>> {
        if choices.len() > 1 && !self.output.contains("{adapter}") {
            return Err(Error::Usage(format!(
                "{} adapters would write to one --output; put {{adapter}} into its name",
                choices.len()
            )));
        }
        let host = System::of_this_machine().host.filter(|_| !self.anonymize);
        let now = jiff::Timestamp::now();
        let path =
            |adapter: &str| expand(&self.output, adapter, host.as_deref(), now).map(PathBuf::from);
        let mut outputs: Vec<(PathBuf, Destination)> = Vec::new();
        for (index, (_, AdapterFacts { name, .. })) in choices.iter().enumerate() {
            let mut own = path(name)?;
            if outputs.iter().any(|(taken, _)| *taken == own) {
                // Two of a kind.
                own = path(&format!("{name} {index}"))?;
            }
            let destination = Destination::prepare(&own)?;
            outputs.push((own, destination));
        }
        Ok(outputs)
    }

    fn print_ids(&self, is_software: bool) -> Result<Exit> {
        let ids = Planned::new(&self.settings(), is_software).ids();
        if ids.is_empty() {
            return Err(Error::Usage("the filter matches no row of this profile".to_owned()));
        }
        print(&ids.join("\n"))
    }
}

/// Shows progress and keeps the report.
struct Watcher<'a> {
    progress: Progress,
    destination: &'a Destination,
    anonymize: bool,
}

impl Watch for Watcher<'_> {
    fn step(&mut self, what: &str, done: usize, of: usize) -> bool {
        self.progress.show(done as u64, of as u64, what);
        !is_interrupted()
    }

    fn keep(&mut self, report: &Report, is_last: bool) -> Result<()> {
        // What is no file would get one report after the other.
        if !is_last && !matches!(self.destination, Destination::File(_)) {
            return Ok(());
        }
        let mut report = report.clone();
        if self.anonymize {
            report.anonymize();
        }
        self.destination.write(&report)
    }
}
