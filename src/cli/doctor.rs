//! `actbench doctor`

use actbench::doctor::{AdapterSummary, Facts, Severity, diagnose};
use actbench::error::{Exit, Result};
use actbench::gpu::adapters;
use clap::Args;

use super::print;

#[derive(Args)]
pub struct Arguments {}

pub fn run(Arguments {}: &Arguments) -> Result<Exit> {
    let found = adapters()
        .into_iter()
        .map(|facts| AdapterSummary { software: facts.is_software, name: facts.summary() });
    let findings = diagnose(&Facts::gather(found.collect()));
    print(&findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let no_adapter = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if no_adapter { Exit::NoAdapter } else { Exit::Fine })
}
