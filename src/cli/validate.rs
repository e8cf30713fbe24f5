//! `actbench validate`

use actbench::error::{Error, Exit, Result};
use actbench::inputs::{DEFAULT_SEED, Inputs};
use actbench::kernel::Kernel;
use actbench::validate::{Accuracy, Trial};
use clap::Args;

use super::{Adapter, Filter, print};

/// Example: actbench validate --adapter software --filter sigmoid
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: Adapter,
    #[command(flatten)]
    filter: Filter,
    /// Elements of each tensor.
    #[arg(long, default_value_t = 1 << 20)]
    elements: u64,
    /// Seed of the inputs.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let kernels = arguments.filter.kernels()?;
    let gpu = arguments.adapter.open()?;
    let mut exit = Exit::Fine;
    for kernel in kernels {
        match Trial::new(&gpu, kernel, Inputs::patterns(arguments.seed), arguments.elements).run(&gpu) {
            Ok(found) => {
                print(&line(&kernel, &found))?;
                if let Some(complaint) = found.complaint(&kernel, arguments.seed) {
                    eprintln!("{complaint}");
                    exit = Exit::Failed;
                }
            }
            Err(Error::Unsupported(reason)) => print(&format!("{:<40} unsupported: {reason}", kernel.path()))?,
            Err(error @ Error::Compile { .. }) => {
                print(&format!("{:<40} failed: {error}", kernel.path()))?;
                exit = Exit::Failed;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(exit)
}

fn line(kernel: &Kernel, found: &Accuracy) -> String {
    let verdict = if found.is_right() { "right" } else { "WRONG" };
    format!("{:<40} {verdict}  {} inputs, max {:.2} ULP", kernel.path(), found.inputs, found.max_ulp.value)
}
