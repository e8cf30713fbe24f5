//! `actbench compare`

use std::path::PathBuf;

use actbench::compare::{Comparison, Named, Settings, Verdict};
use actbench::error::{Error, Exit, Result};
use actbench::render::{self, comparison as text};
use actbench::report::Report;
use clap::{Args, ValueEnum};

use super::{print, print_json, say};

#[derive(Args)]
pub struct Arguments {
    /// The report that the others are compared with; `-` is stdin.
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// What is compared with it.
    #[arg(value_name = "NEW", required = true)]
    new: Vec<PathBuf>,
    /// text; md for a pull request; csv, a line for each row and report; json, of the schema that
    /// `actbench schema --compare` prints; html, a page with all reports in the same plots.
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    format: Format,
    /// Fail if a row was measured by one report alone.
    #[arg(long)]
    require_all: bool,
    #[command(flatten)]
    how: How,
}

/// How reports are compared.
#[derive(Args)]
pub struct How {
    /// The smallest change that is FASTER or SLOWER: 2% or 0.02.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "2%")]
    threshold: f64,
    /// Where each report has one repeat: the assumed spread between the medians of repeats, as a
    /// standard deviation.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "4%")]
    assume_spread: f64,
    /// Compare software adapters with hardware, too.
    #[arg(long)]
    software_against_hardware: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Md,
    Csv,
    Json,
    Html,
}

fn share(text: &str) -> Result<f64, String> {
    let (number, unit) =
        text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse::<f64>().map_err(|_| "a share reads like 2% or 0.02")? / unit;
    // From what a clock resolves to ten times as much.
    let is_meant = (1e-4..=10.0).contains(&share);
    is_meant.then_some(share).ok_or_else(|| "a share is from 0.01% to 1000%".to_owned())
}

impl How {
    pub fn settings(&self) -> Settings {
        Settings {
            threshold: self.threshold,
            assumed_spread: self.assume_spread,
            software_against_hardware: self.software_against_hardware,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let paths: Vec<PathBuf> =
        std::iter::once(&arguments.base).chain(&arguments.new).cloned().collect();
    let reports = Report::read_all(&paths)?;
    let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let named: Vec<Named> =
        files.iter().zip(&reports).map(|(file, report)| Named { file, report }).collect();
    let (base, others) = named.split_first().expect("clap requires two");
    let comparison = Comparison::new(base, others, &arguments.how.settings())?;
    match arguments.format {
        Format::Text => print(&text::text(&comparison))?,
        Format::Md => print(&text::markdown(&comparison))?,
        Format::Csv => print(&text::csv(&comparison))?,
        Format::Json => print_json(&comparison)?,
        Format::Html => print(&render::compared(&comparison, &named))?,
    };
    if arguments.require_all && !comparison.has_all() {
        say("a row was measured by one report alone, and --require-all was given");
        return Ok(Exit::Failed);
    }
    exit(&comparison)
}

/// The exit status after a comparison.
pub fn exit(comparison: &Comparison) -> Result<Exit> {
    if comparison.judged == 0 {
        let why = "no row of these reports can be judged; the reasons are listed above";
        return Err(Error::Usage(why.to_owned()));
    }
    Ok(if comparison.count(Verdict::Slower) > 0 { Exit::Failed } else { Exit::Fine })
}
