//! `actbench info`

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{AdapterFacts, adapters};
use clap::Args;

use super::Format;

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
    arguments.format.print(&adapters[..], text)
}

fn text(adapters: &[AdapterFacts]) -> String {
    let adapter = |(index, facts)| format!("{index}: {}", described(facts));
    let mut text: String = adapters.iter().enumerate().map(adapter).collect();
    if adapters.iter().all(|facts| facts.is_software) {
        text.push_str(
            "\nNo GPU. A software adapter checks kernels; its times are those of the CPU. \
             `actbench doctor` says why there is none.",
        );
    }
    text
}

fn described(facts: &AdapterFacts) -> String {
    let AdapterFacts { device_type, vendor_id, device_id, .. } = facts;
    let [least, most] = facts.subgroup_sizes;
    let [buffer, binding] = [facts.max_buffer_bytes, facts.max_binding_bytes]
        .map(|count| format!("{count} bytes ({:.3} GB)", count as f64 / 1e9));
    format!(
        "\
{}
   type             {device_type}, vendor {vendor_id:#06x}, device {device_id:#06x}
   pci bus          {}
   timestamps       {}
   shader f16       {}
   largest buffer   {buffer}
   largest binding  {binding} (larger tensors take several buffers)
   workgroup        up to {} invocations
   workgroups       up to {} a dimension
   subgroup         {least} to {most} lanes
",
        facts.summary(),
        facts.pci_bus_id.as_deref().unwrap_or("unknown"),
        if facts.timestamps { "yes" } else { "no, timed by the wall clock" },
        if facts.shader_f16 { "yes" } else { "no" },
        facts.max_workgroup_size,
        facts.max_workgroups_per_dimension,
    )
}
