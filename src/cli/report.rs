//! `actbench report`

use std::fs;
use std::path::{Path, PathBuf};

use actbench::claims;
use actbench::claims::report::Claims;
use actbench::error::{Error, Exit, Result};
use actbench::render::{self, FORMATS, Format, splice};
use actbench::report::{Destination, Report, read};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::say;

#[derive(Args)]
pub struct Arguments {
    /// A report, as `actbench run` or `actbench claims` writes it; `-` is stdin.
    #[arg(required_unless_present = "splice", value_name = "FILE|-")]
    file: Option<PathBuf>,
    #[arg(long, default_value = "text", value_parser = formats(), hide_possible_values = true)]
    #[arg(help = about_formats())]
    format: String,
    /// One picture as SVG instead: ratios, bandwidth, arithmetic, chain, ridge, cost, or one of
    /// several, such as bandwidth/backward/f32; of claims, its claim.
    #[arg(long, value_name = "PICTURE", conflicts_with = "format")]
    plot: Option<String>,
    /// Where it goes; `-` is stdout.
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
    /// Renew the tables in this Markdown file between <!-- actbench:begin TABLE REPORT [ROWS] -->
    /// and <!-- actbench:end -->.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "format", "plot", "output"])]
    splice: Option<PathBuf>,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(FORMATS.iter().map(|format| format.name))
}

fn about_formats() -> String {
    let about = FORMATS.iter().map(|Format { name, about, .. }| format!("{name}: {about}"));
    about.collect::<Vec<_>>().join("; ")
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    if let Some(file) = &arguments.splice {
        return renew(file);
    }
    let file = arguments.file.as_deref().expect("asked for");
    // Before a large report is read.
    let destination = Destination::prepare(&arguments.output)?;
    destination.spare(file)?;
    let json = read::bytes(file)?;
    let broken = |why: String| Error::Usage(read::complaint(file, &why));
    let (format, plot) = (arguments.format.as_str(), arguments.plot.as_deref());
    let text = if read::schema_of(&json).as_deref() == Some(claims::report::SCHEMA) {
        let claims = Claims::from_json(&json).map_err(broken)?;
        match plot {
            Some(name) => claims::render::plot(&claims, name),
            None => claims::render::document(&claims, format),
        }
    } else {
        let report = Report::from_json(&json).map_err(broken)?;
        match plot {
            Some(name) => render::plot(&report, name),
            None => Ok((Format::named(format).expect("one of the table").render)(&report)),
        }
    };
    let text = text.map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?;
    destination.write_text(&text)?;
    Ok(Exit::Fine)
}

/// Renews the tables of a Markdown file; one that is current is left as it is.
fn renew(file: &Path) -> Result<Exit> {
    let text = fs::read_to_string(file)
        .map_err(|error| Error::Usage(format!("{} can't be read: {error}", file.display())))?;
    let claims = |path: &Path| Ok(claims::render::grid(&Claims::read(path)?.claims));
    let spliced = splice::splice(file, &text, ("claims", &claims))?;
    if spliced == text {
        say(&format!("{} is current", file.display()));
        return Ok(Exit::Fine);
    }
    Destination::prepare(file)?.write_text(&spliced)?;
    say(&format!("{} renewed", file.display()));
    Ok(Exit::Fine)
}
