//! `actbench info`

use std::fmt::Write as _;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{AdapterFacts, adapters};
use clap::Args;

use super::{Format, fine, print, print_json};

#[derive(Args)]
pub struct Arguments {
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let adapters = adapters();
    if adapters.is_empty() {
        return Err(Error::NoAdapter);
    }
    fine(match arguments.format {
        Format::Json => print_json(&adapters),
        Format::Text => print(&text(&adapters)),
    })
}

fn text(adapters: &[AdapterFacts]) -> String {
    let mut text = String::new();
    for (index, facts) in adapters.iter().enumerate() {
        let yes = |has: bool, no: &str| if has { "yes" } else { no }.to_owned();
        let _ = writeln!(text, "{index}: {}", facts.summary());
        let [smallest, largest] = facts.subgroup_sizes;
        let rows = [
            (
                "type",
                format!(
                    "{}, vendor {:#06x}, device {:#06x}",
                    facts.device_type, facts.vendor_id, facts.device_id
                ),
            ),
            ("pci bus", facts.pci_bus_id.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("timestamps", yes(facts.timestamps, "no, timed by the wall clock")),
            ("shader f16", yes(facts.shader_f16, "no")),
            ("largest buffer", bytes(facts.max_buffer_bytes)),
            (
                "largest binding",
                format!("{} (larger tensors take several buffers)", bytes(facts.max_binding_bytes)),
            ),
            ("workgroup", format!("up to {} invocations", facts.max_workgroup_size)),
            ("workgroups", format!("up to {} a dimension", facts.max_workgroups_per_dimension)),
            ("subgroup", format!("{smallest} to {largest} lanes")),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "   {name:<16} {value}");
        }
    }
    if adapters.iter().all(|facts| facts.is_software) {
        text.push_str(
            "\nNo GPU. A software adapter checks kernels; its times are those of the CPU. \
             `actbench doctor` says why there is none.\n",
        );
    }
    text
}

fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
    let gigabytes = count as f64 / 1e9;
    format!("{count} bytes ({gigabytes:.3} GB)")
}
