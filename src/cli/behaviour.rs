//! `actbench behaviour`

use actbench::error::{Exit, Result};
use actbench::render;
use actbench::validate::behaviour::card;
use clap::Args;

use super::{Adapter, Format, fine, print, print_json};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: Adapter,
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let card = card(&arguments.adapter.open()?)?;
    fine(match arguments.format {
        Format::Json => print_json(&card),
        Format::Text => print(&render::behaviour::text(&card)),
    })
}
