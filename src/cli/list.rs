//! `actbench list`

use actbench::error::{Exit, Result};
use clap::Args;
use serde::Serialize;

use super::{Filter, Format, fine, print, print_json};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Row {
    id: String,
    bytes_per_element: u64,
    needs_shader_f16: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let rows: Vec<Row> = (arguments.filter.kernels()?.iter())
        .map(|kernel| Row {
            id: kernel.path(),
            bytes_per_element: kernel.bytes(1),
            needs_shader_f16: kernel.needs_shader_f16(),
        })
        .collect();
    fine(match arguments.format {
        Format::Json => print_json(&rows),
        Format::Text => {
            let line = |row: &Row| {
                let feature = if row.needs_shader_f16 { ", needs shader-f16" } else { "" };
                format!("{:<44} {:>2} bytes/element{feature}", row.id, row.bytes_per_element)
            };
            print(&rows.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
    })
}
