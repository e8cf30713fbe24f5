//! `actbench schema`

use actbench::error::{Exit, Result};
use actbench::{claims, compare, report};
use clap::Args;

use super::{fine, print_json};

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
    fine(print_json(&if arguments.compare {
        compare::json_schema()
    } else if arguments.claims {
        claims::report::json_schema()
    } else {
        report::json_schema()
    }))
}
