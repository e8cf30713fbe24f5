//! `actbench rank`

use std::path::PathBuf;

use actbench::compare::rank::{By, Ranking};
use actbench::error::{Exit, Result};
use actbench::render::ranking;
use actbench::report::Report;
use clap::{Args, ValueEnum};

use super::{fine, print, print_json};

#[derive(Args)]
pub struct Arguments {
    /// Reports, one an adapter; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// memory: GB/s of copy and add where memory bounds them. sigmoid: sigmoids a second in
    /// registers. ratio: sigmoid : relu in registers.
    #[arg(long, value_enum, default_value = "sigmoid", hide_possible_values = true)]
    by: Figure,
    /// text or json.
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    format: super::Format,
}

/// What is ranked.
#[derive(Clone, Copy, ValueEnum)]
enum Figure {
    Memory,
    Sigmoid,
    Ratio,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let by = match arguments.by {
        Figure::Memory => By::Memory,
        Figure::Sigmoid => By::Sigmoid,
        Figure::Ratio => By::Ratio,
    };
    let reports = Report::read_all(&arguments.files)?;
    let files: Vec<String> =
        arguments.files.iter().map(|path| path.display().to_string()).collect();
    let named: Vec<(&str, &Report)> = files.iter().map(String::as_str).zip(&reports).collect();
    let ranking = Ranking::new(by, &named)?;
    fine(match arguments.format {
        super::Format::Json => print_json(&ranking),
        super::Format::Text => print(&ranking::text(&ranking)),
    })
}
