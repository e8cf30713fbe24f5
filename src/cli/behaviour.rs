//! `actbench behaviour`

use actbench::error::{Exit, Result};
use actbench::render::behaviour::text;
use actbench::validate::behaviour::card;
use clap::Args;

use super::{Adapter, Format};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: Adapter,
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    arguments.format.print(&card(&arguments.adapter.open()?)?, text)
}
