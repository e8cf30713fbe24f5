//! `actbench run`

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::dump::Dump;
use actbench::gpu::{AdapterFacts, Choice, Gpu, ShaderChecks, adapters};
use actbench::kernels::inputs::DEFAULT_SEED;
use actbench::render::table;
use actbench::report::system::System;
use actbench::report::{Destination, Profile, Report, expand};
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

fn duration(text: &str) -> std::result::Result<Duration, String> {
    let parsed = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "a time reads like 90s, 5m or 1h".to_owned())?;
    if parsed.is_zero() || parsed.is_negative() {
        return Err("nothing can be measured in no time".to_owned());
    }
    Ok(parsed.unsigned_abs())
}

fn label(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(key, _)| !key.is_empty());
    parts
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "a label reads key=value".to_owned())
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
    catch_interrupts()?;

    let mut exit = Exit::Fine;
    for ((choice, facts), (path, destination)) in choices.iter().zip(&outputs) {
        say(&facts.summary());
        let mut watcher = Watcher::new(destination, arguments.anonymize);
        let settings = baseline
            .as_ref()
            .map_or_else(|| settings.clone(), |baseline| baseline.shaped(facts, &settings));
        let outcome = suite::run(&mut || Gpu::open(choice), &settings, dump.as_ref(), &mut watcher);
        drop(watcher);
        let (mut report, error) = outcome?;
        if arguments.anonymize {
            report.anonymize();
        }
        if path != Path::new("-") {
            if let Some(grid) = table::shapes(&report.shapes).filter(|_| arguments.shapes) {
                print(&(grid.text() + "\n\n"))?;
            }
            print(&table::text(&report))?;
            say(&format!("report: {}", path.display()));
        }
        if let Some(error) = error {
            say(&format!("error: {error}"));
            // The gravest, as it were: a machine that fails rather than a kernel that is wrong.
            exit = if exit == Exit::Fine { error.exit() } else { exit };
        }
        if is_interrupted() {
            return Ok(Exit::Interrupted);
        }
        if let Some(baseline) = &baseline {
            let compared = baseline.compare(path, &report)?;
            exit = if exit == Exit::Fine { compared } else { exit };
        }
    }
    Ok(exit)
}

impl Arguments {
    /// The adapters to measure, each with the choice that opens it.
    fn choices(&self) -> Result<Vec<(Choice, AdapterFacts)>> {
        let all = adapters();
        if all.is_empty() {
            return Err(Error::NoAdapter);
        }
        if self.adapter == "all" {
            return Ok(all
                .into_iter()
                .enumerate()
                .map(|(index, facts)| (Choice::Index(index), facts))
                .collect());
        }
        let choice = Choice::from(self.adapter.as_str());
        let facts = choice.facts()?;
        Ok(vec![(choice, facts)])
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::of(self.profile);
        settings.seed = self.seed;
        settings.filter.clone_from(&self.filter);
        settings.max_time = self.max_time;
        settings.repeats = self.repeats.unwrap_or(settings.repeats);
        if self.shader_checks {
            settings.checks = ShaderChecks::Checked;
        }
        settings.labels = self.label.iter().cloned().collect::<BTreeMap<_, _>>();
        settings
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
        let mut taken = HashSet::new();
        (choices.iter().enumerate())
            .map(|(index, (_, facts))| {
                let mut path = expand(&self.output, &facts.name, host.as_deref(), now)?;
                if !taken.insert(path.clone()) {
                    // Two of a kind.
                    path = expand(
                        &self.output,
                        &format!("{} {index}", facts.name),
                        host.as_deref(),
                        now,
                    )?;
                }
                let path = PathBuf::from(path);
                let destination = Destination::prepare(&path)?;
                Ok((path, destination))
            })
            .collect()
    }

    fn print_ids(&self, is_software: bool) -> Result<Exit> {
        let ids = Planned::new(self.profile, is_software, self.filter.as_ref()).ids();
        if ids.is_empty() {
            return Err(Error::Usage("the filter matches no row of this profile".to_owned()));
        }
        print(&ids.join("\n"))?;
        Ok(Exit::Fine)
    }
}

/// Shows progress and keeps the report.
struct Watcher<'a> {
    progress: Progress,
    destination: &'a Destination,
    anonymize: bool,
}

impl<'a> Watcher<'a> {
    fn new(destination: &'a Destination, anonymize: bool) -> Self {
        Self { progress: Progress::new(0, Duration::ZERO), destination, anonymize }
    }
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
        if self.anonymize {
            let mut report = report.clone();
            report.anonymize();
            return self.destination.write(&report);
        }
        self.destination.write(report)
    }
}
