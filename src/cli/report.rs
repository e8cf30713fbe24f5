//! `actbench report`

use std::fs;
use std::path::{Path, PathBuf};

use actbench::error::{Error, Exit, Result};
use actbench::render::{self, FORMATS, Format, splice};
use actbench::report::{Destination, Report};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::say;

#[derive(Args)]
pub struct Arguments {
    /// A report, as `actbench run` writes it; `-` is stdin.
    #[arg(required_unless_present = "splice", value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// text, as `run` prints it; md for a pull request; csv; json; html, a page with plots; gbench for google/benchmark's compare.py.
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)), hide_possible_values = true)]
    format: String,
    /// One picture as SVG instead: ratios, bandwidth, rates, chain, ridge, variants, claims, or one of several, such as bandwidth/backward/f32 or claims/gradients.
    #[arg(long, value_name = "PICTURE", conflicts_with = "format")]
    plot: Option<String>,
    /// Where it goes; `-` is stdout.
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
    /// Renew the tables in this Markdown file between <!-- actbench:begin TABLE REPORT [ROWS] --> and <!-- actbench:end -->.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "format", "plot", "output"])]
    splice: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    if let Some(file) = &arguments.splice {
        return renew(file);
    }
    let file = arguments.file.as_deref().expect("asked for");
    // Before a large report is read.
    let destination = Destination::prepare(&arguments.output)?;
    let report = Report::read(file)?;
    let text = match &arguments.plot {
        Some(name) => render::plot(&report, name)
            .map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?,
        None => (Format::named(&arguments.format).expect("one of the table").render)(&report),
    };
    destination.write_text(&text)?;
    Ok(Exit::Fine)
}

/// Renews the tables of a Markdown file; one that is current is left as it is.
fn renew(file: &Path) -> Result<Exit> {
    let text = fs::read_to_string(file)
        .map_err(|error| Error::Usage(format!("{} can't be read: {error}", file.display())))?;
    let spliced = splice::splice(file, &text)?;
    if spliced == text {
        say(&format!("{} is current", file.display()));
        return Ok(Exit::Fine);
    }
    Destination::prepare(file)?.write_text(&spliced)?;
    say(&format!("{} renewed", file.display()));
    Ok(Exit::Fine)
}
