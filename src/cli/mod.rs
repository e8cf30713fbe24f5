//! Arguments, and the exit statuses that they end in. Data goes to stdout, everything else to
//! stderr.

mod baseline;
mod behaviour;
mod claims;
mod compare;
mod doctor;
mod exhaustive;
mod info;
mod list;
mod progress;
mod rank;
mod report;
mod run;
mod schema;
mod validate;

use std::io::{self, Write};
use std::process::ExitCode;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{Choice, Gpu};
use actbench::kernels::kernel::{self, Kernel};
use actbench::report::Destination;
use clap::{Args, Parser, Subcommand, ValueEnum};
use regex::Regex;
use serde::Serialize;

/// What an activation function costs on a GPU: sigmoid against ReLU, forward and backward.
///
/// `run` measures, and `report` shows what it wrote; `validate` says whether it is right, `info`
/// and `doctor` what there is and what is missing.
#[derive(Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_STATUSES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_STATUSES: &str = "\
Exit status: 0 fine, 1 a validation failed or something is slower, 2 wrong use or a broken file,
3 no suitable adapter, 4 the machine failed (device lost, out of memory, disk full), 130 interrupted.

Example: actbench validate --adapter software --filter sigmoid";

#[derive(Subcommand)]
enum Verb {
    /// The adapters there are, and what each can hold and time.
    #[command(after_help = "Example: actbench info --format json")]
    Info(info::Arguments),
    /// Why there is no adapter, or only a software one, and what to install.
    #[command(after_help = "Example: actbench doctor")]
    Doctor,
    /// The kernels, with the bytes that each moves for an element.
    #[command(after_help = "Example: actbench list --filter sigmoid")]
    List(list::Arguments),
    /// Compare every kernel with the f64 reference over edge values, bit patterns and normal
    /// inputs.
    #[command(after_help = "\
Examples: actbench validate --adapter software --filter sigmoid
          actbench validate --exhaustive --filter forward/f32/sigmoid --progress sweep.json")]
    Validate(validate::Arguments),
    /// Measure: every kernel checked on the data it is timed on, a table, and a report to keep.
    #[command(after_help = "\
Examples: actbench run
          actbench run --profile standard --label gpu=0 --output 'reports/{adapter}.json'
          actbench run --filter 'forward/f32/.*sigmoid' --max-time 20s --dump shaders-as-compiled
          actbench run --profile standard --baseline before.json --output after.json")]
    Run(run::Arguments),
    /// Show a report: as text, Markdown, CSV, JSON, a page with plots; renew the tables of a
    /// README.
    #[command(after_help = "\
Examples: actbench report some.json
          actbench report some.json --format html --output some.html
          actbench report some.json --format md >> \"$GITHUB_STEP_SUMMARY\"
          actbench report some.json --plot bandwidth --output bandwidth.svg
          actbench report --splice README.md")]
    Report(report::Arguments),
    /// What differs between reports, row by row, and whether it is more than chance. Exit status 1
    /// if something is slower.
    #[command(after_help = "\
Examples: actbench compare before.json after.json
          actbench compare base.json a.json b.json --threshold 5% --format md
          actbench compare base.json new.json --require-all --format json > comparison.json")]
    Compare(compare::Arguments),
    /// Adapters in order of one figure: its geometric mean over the rows that all reports have.
    #[command(after_help = "\
Examples: actbench rank reports/*.json
          actbench rank reports/*.json --by memory --format json")]
    Rank(rank::Arguments),
    /// The JSON Schema of a report.
    #[command(after_help = "\
Examples: actbench schema > report.schema.json
          actbench schema --compare")]
    Schema(schema::Arguments),
    /// What the adapter does where WGSL leaves it free: NaN, subnormals, rounding, the error of
    /// exp.
    #[command(after_help = "Example: actbench behaviour --adapter software --format json")]
    Behaviour(behaviour::Arguments),
    /// Test what is said of ReLU and sigmoid in nets: gradients through depth, sparsity,
    /// convergence, and the like.
    #[command(after_help = "\
Examples: actbench claims --list
          actbench claims gradients sparsity
          actbench claims --profile full --format json --output claims.json")]
    Claims(claims::Arguments),
}

/// Which adapter to use.
#[derive(Args)]
struct Adapter {
    /// Adapter: its number in `actbench info`, a part of its name, or `software`. Default: the
    /// first that is not software.
    #[arg(
        long,
        env = "ACTBENCH_ADAPTER",
        value_name = "N|NAME|software",
        default_value = "",
        hide_default_value = true
    )]
    adapter: Choice,
}

impl Adapter {
    fn open(&self) -> Result<Gpu> {
        let gpu = Gpu::open(&self.adapter)?;
        say(&gpu.facts.summary());
        Ok(gpu)
    }
}

/// Which kernels to take.
#[derive(Args)]
struct Filter {
    /// Only kernels whose id, as `actbench list` prints it, matches this regular expression.
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    filter: Regex,
}

impl Filter {
    fn kernels(&self) -> Result<Vec<Kernel>> {
        let kernels = kernel::all().filter(|kernel| self.filter.is_match(&kernel.path()));
        let kernels: Vec<Kernel> = kernels.collect();
        if kernels.is_empty() {
            let why = "no kernel matches the filter; `actbench list` prints all";
            return Err(Error::Usage(why.to_owned()));
        }
        Ok(kernels)
    }
}

/// How to print.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON value.
    Json,
}

impl Format {
    /// Prints what a verb found.
    fn print<T: Serialize + ?Sized>(self, found: &T, text: fn(&T) -> String) -> Result<Exit> {
        match self {
            Self::Text => print(&text(found)),
            Self::Json => print_json(found),
        }
    }
}

/// Runs the verb that the arguments name.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Info(arguments) => info::run(&arguments),
        Verb::Doctor => doctor::run(),
        Verb::List(arguments) => list::run(&arguments),
        Verb::Validate(arguments) => validate::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Compare(arguments) => compare::run(&arguments),
        Verb::Rank(arguments) => rank::run(&arguments),
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Behaviour(arguments) => behaviour::run(&arguments),
        Verb::Claims(arguments) => claims::run(&arguments),
    };
    let exit = outcome.unwrap_or_else(|error| {
        say(&format!("error: {error}"));
        error.exit()
    });
    exit.into()
}

/// Prints to stderr, which eprintln would panic over if nobody reads it.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints to stdout, with which many a verb ends.
fn print(text: &str) -> Result<Exit> {
    Destination::Stdout.write_text(&format!("{}\n", text.trim_end()))?;
    Ok(Exit::Fine)
}

fn print_json<T: Serialize + ?Sized>(value: &T) -> Result<Exit> {
    print(&serde_json::to_string_pretty(value).expect("string keys"))
}
