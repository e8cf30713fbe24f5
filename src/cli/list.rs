//! `actbench list`

use actbench::error::{Exit, Result};
use actbench::kernels::kernel::Kernel;
use clap::Args;
use serde::Serialize;

use super::{Filter, Format};

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
    let row = |kernel: &Kernel| Row {
        id: kernel.path(),
        // Over 32 elements, which a mask has in a u32.
        bytes_per_element: kernel.bytes(32) as f64 / 32.0,
        needs_shader_f16: kernel.needs_shader_f16(),
    };
    let rows: Vec<Row> = arguments.filter.kernels()?.iter().map(row).collect();
    arguments.format.print(&rows[..], text)
}

fn text(rows: &[Row]) -> String {
    let line = |Row { id, bytes_per_element, needs_shader_f16 }: &Row| {
        let feature = if *needs_shader_f16 { ", needs shader-f16" } else { "" };
        format!("{id:<40} {bytes_per_element:>6} bytes/element{feature}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
