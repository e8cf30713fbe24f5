//! `actbench list`

use actbench::error::{Exit, Result};
use actbench::kernels::kernel::Kernel;
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
    bytes_per_element: f64,
    needs_shader_f16: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let rows: Vec<Row> = (arguments.filter.kernels()?.iter())
        .map(|kernel| Row {
            id: kernel.path(),
            bytes_per_element: bytes_per_element(kernel),
            needs_shader_f16: kernel.needs_shader_f16(),
        })
        .collect();
    fine(match arguments.format {
        Format::Json => print_json(&rows),
        Format::Text => {
            let line = |row: &Row| {
                let feature = if row.needs_shader_f16 { ", needs shader-f16" } else { "" };
                format!("{:<40} {:>6} bytes/element{feature}", row.id, row.bytes_per_element)
            };
            print(&rows.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
    })
}

/// Over 32 elements, which a mask has in a u32.
fn bytes_per_element(kernel: &Kernel) -> f64 {
    let bytes = u32::try_from(kernel.bytes(32)).expect("a few hundred");
    f64::from(bytes) / 32.0
}
