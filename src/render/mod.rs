//! A report in the formats that people and other programs read.
//!
//! [`FORMATS`] is the table of them: a new one is a file and a row. [`section`] has the parts of a
//! report and how to read them, [`chart`] draws, [`splice`] keeps the tables of a README true.

pub mod behaviour;
pub mod chart;
mod compared;
pub mod comparison;
mod cost;
mod csv;
mod figures;
mod gbench;
pub mod grid;
pub(crate) mod html;
mod markdown;
pub mod numbers;
pub mod ranking;
pub mod reasons;
pub mod section;
pub mod splice;
pub mod summary;
pub mod table;
pub(crate) mod text;

pub use compared::render as compared;

use self::text::plain;
use crate::error::{Error, Result};
use crate::report::Report;

/// A format of a report.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Makes it; ends with a line break.
    pub render: fn(&Report) -> String,
}

/// All formats.
pub static FORMATS: &[Format] = &[
    Format { name: "text", about: "what `actbench run` prints, in 100 columns", render: text },
    Format { name: "md", about: "Markdown for a pull request", render: markdown::render },
    Format {
        name: "csv",
        about: "a row for each measurement and op, units in the header",
        render: csv::render,
    },
    Format { name: "json", about: "the report, its derived figures computed again", render: json },
    Format { name: "html", about: "a page with plots, for screen and paper", render: html::render },
    Format {
        name: "gbench",
        about: "JSON for google/benchmark's tools/compare.py",
        render: gbench::render,
    },
];

impl Format {
    /// The format of that name.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|format| format.name == name).copied()
    }
}

fn text(report: &Report) -> String {
    plain(&table::text(report)).into_owned() + "\n"
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("string keys") + "\n"
}

/// A picture as an SVG file: `bandwidth`, or one of several as `bandwidth/backward/f32`.
pub fn plot(report: &Report, name: &str) -> Result<String> {
    let mut names = Vec::new();
    for section in section::SECTIONS {
        for picture in (section.pictures)(report) {
            let full = format!("{}/{}", section.name, picture.key);
            if name == section.name || name == full {
                return Ok(picture.chart.file());
            }
            names.push(full);
        }
    }
    Err(no_picture(name, &names))
}

/// That there is no picture of that name, but these.
pub fn no_picture(name: &str, names: &[String]) -> Error {
    let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Error::Usage(format!("it has no picture \"{}\"; there are: {}", plain(name), plain(&there_are)))
}
