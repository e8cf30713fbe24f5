//! `actbench claims`

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use actbench::claims::report::Claims;
use actbench::claims::{CLAIMS, Context, Experiment, Extent, render};
use actbench::error::{Error, Exit, Result};
use actbench::kernels::inputs::DEFAULT_SEED;
use actbench::render::reasons::sentence;
use actbench::report::{Destination, Profile, Reason, Run, RunStatus, Status, anonymize};
use actbench::suite::{Settings, run_of};
use clap::{Args, ValueEnum};

use super::progress::{catch_interrupts, is_interrupted};
use super::{Adapter, print, say};

#[derive(Args)]
pub struct Arguments {
    /// Only these claims; `--list` prints the names.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Print the names with what is claimed, and try nothing.
    #[arg(long)]
    list: bool,
    /// quick: small nets, less than two minutes on two cores for all claims. full: for a GPU.
    #[arg(long, value_enum, default_value = "quick")]
    profile: Trial,
    /// text, md, json or html.
    #[arg(long, default_value = "text", value_parser = ["text", "md", "json", "html"])]
    format: String,
    #[command(flatten)]
    adapter: Adapter,
    /// Seed of all that is random.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Leave the host's name, the bus and folders out of a report in JSON.
    #[arg(long)]
    anonymize: bool,
    /// Where it goes; `-` is stdout.
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Trial {
    Quick,
    Full,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let experiments = arguments.experiments()?;
    if arguments.list {
        return print(&list(&experiments));
    }
    // Before a minute of work.
    let destination = Destination::prepare(&arguments.output)?;
    catch_interrupts()?;

    let (report, ended) = arguments.examine(&experiments)?;
    destination.write_text(&render::document(&report, &arguments.format)?)?;
    if let Some(error) = ended {
        return Err(error);
    }
    if is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    let is_wrong = report.claims.iter().any(|claim| claim.status == Status::Failed);
    Ok(if is_wrong { Exit::Failed } else { Exit::Fine })
}

impl Arguments {
    fn experiments(&self) -> Result<Vec<&'static Experiment>> {
        if self.names.is_empty() {
            return Ok(CLAIMS.iter().collect());
        }
        let named = |name: &String| {
            Experiment::named(name).ok_or_else(|| {
                let names: Vec<&str> = CLAIMS.iter().map(|claim| claim.name).collect();
                let names = names.join(", ");
                Error::Usage(format!("there is no claim \"{name}\"; there are: {names}"))
            })
        };
        // One that is named twice is tried once.
        let mut seen = HashSet::new();
        self.names.iter().filter(|name| seen.insert(*name)).map(named).collect()
    }

    /// A report that has claims alone, and what ended it early.
    fn examine(&self, experiments: &[&Experiment]) -> Result<(Claims, Option<Error>)> {
        let began = Instant::now();
        let gpu = self.adapter.open()?;
        let (profile, extent) = match self.profile {
            Trial::Quick => (Profile::Quick, Extent::Quick),
            Trial::Full => (Profile::Standard, Extent::Full),
        };
        let settings = Settings { seed: self.seed, ..Settings::of(profile) };
        let claims = experiments.iter().map(|experiment| experiment.pending()).collect();
        let mut report = Claims::new(&gpu, run_of(&settings), claims);
        let context = Context {
            gpu: &gpu,
            extent,
            seed: self.seed,
            progress: &|what| say(&format!("    {what}")),
        };
        let (mut status, mut reason, mut ended) = (RunStatus::Complete, None, None);
        for (index, experiment) in experiments.iter().enumerate() {
            if is_interrupted() {
                (status, reason) = (RunStatus::Interrupted, Some(Reason::Interrupted));
                break;
            }
            let Experiment { name, statement, .. } = experiment;
            say(&format!("{}/{} {name}: {statement}", index + 1, experiments.len()));
            (report.claims[index], ended) = experiment.examine(&context);
            if let Some(error) = &ended {
                (status, reason) = (RunStatus::Failed, Some(Reason::from(error)));
                break;
            }
        }
        let why = reason.as_ref().map(sentence).unwrap_or_default();
        for claim in report.claims.iter_mut().filter(|claim| claim.is_pending()) {
            claim.reason = Some(format!("not reached: {why}"));
        }
        let duration_s = began.elapsed().as_secs_f64();
        report.run = Run { status, reason, repeats: 1, duration_s, ..report.run };
        if self.anonymize {
            anonymize(&mut report.run, &mut report.system, &mut report.adapter);
        }
        Ok((report, ended))
    }
}

fn list(experiments: &[&Experiment]) -> String {
    let width = experiments.iter().map(|experiment| experiment.name.len()).max().unwrap_or(0);
    let line =
        |Experiment { name, statement, .. }: &&Experiment| format!("{name:width$}  {statement}\n");
    experiments.iter().map(line).collect()
}
