//! `actbench rank`

use std::path::PathBuf;

use actbench::compare::rank::{By, Ranking};
use actbench::error::{Exit, Result};
use actbench::render::ranking::text;
use actbench::report::Report;
use clap::Args;

use super::Format;

#[derive(Args)]
pub struct Arguments {
    /// Reports, one an adapter; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// memory: GB/s of copy and add where memory bounds them. numerator: steps a second in registers
    /// of the first pair's numerator. ratio: a step of the pair's numerator over one of its
    /// denominator.
    #[arg(long, value_enum, default_value = "numerator", hide_possible_values = true)]
    by: By,
    /// text or json.
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let reports = Report::read_all(&arguments.files)?;
    let files: Vec<String> =
        arguments.files.iter().map(|path| path.display().to_string()).collect();
    let named: Vec<(&str, &Report)> = files.iter().map(String::as_str).zip(&reports).collect();
    arguments.format.print(&Ranking::new(arguments.by, &named)?, text)
}
