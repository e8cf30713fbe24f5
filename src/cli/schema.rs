//! `actbench schema`

use actbench::error::{Exit, Result};
use actbench::{claims, compare, report};
use clap::Args;

use super::print_json;

#[derive(Args)]
pub struct Arguments {
    /// That of `actbench compare --format json` instead of that of a report.
    #[arg(long)]
    compare: bool,
    /// That of a file of claims.
    #[arg(long, conflicts_with = "compare")]
    claims: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    print_json(&match arguments {
        Arguments { compare: true, .. } => compare::json_schema(),
        Arguments { claims: true, .. } => claims::report::json_schema(),
        _ => report::json_schema(),
    })
}
