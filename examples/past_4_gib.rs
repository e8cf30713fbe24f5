//! One kernel over tensors of 2^32 + 20 bytes, past what 32 bits count, checked on every element.
//!
//!     cargo run --release --example past_4_gib                              # relu, forward, f32
//!     cargo run --release --example past_4_gib backward/f16/sigmoid/from_y  # any kernel of `actbench list`
//!
//! The tensors take 8.6 GB on the device (12.9 GB for a backward pass), which on a software adapter
//! is the host's memory. Beside them the host needs a few pieces of 16 MiB. `ACTBENCH_ADAPTER`
//! chooses the adapter. Exit statuses are those of `actbench`.

use std::process::ExitCode;
use std::time::Instant;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{Choice, Gpu};
use actbench::kernels::inputs::{DEFAULT_SEED, Inputs};
use actbench::kernels::kernel::{self, Kernel};
use actbench::validate::Trial;

const TENSOR_BYTES: u64 = (1 << 32) + 20;

fn main() -> ExitCode {
    let exit = run().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.exit()
    });
    exit.into()
}

fn run() -> Result<Exit> {
    let mut arguments = std::env::args().skip(1);
    let kernel =
        kernel_at(&arguments.next().unwrap_or_else(|| "forward/f32/relu/plain".to_owned()))?;
    if let Some(argument) = arguments.next() {
        return Err(Error::Usage(format!("one kernel, and nothing after it: {argument}")));
    }
    let gpu = Gpu::open(&Choice::from_environment(Choice::Default))?;
    gpu.supports(&kernel)?;
    let elements = TENSOR_BYTES / kernel.dtype.element_bytes();
    let layout = gpu.layout(elements, kernel.dtype.element_bytes());

    println!("adapter     {}", gpu.facts.summary());
    println!("kernel      {}", kernel.path());
    println!("elements    {elements}");
    println!("bytes       {TENSOR_BYTES} in each full tensor, {} in all", kernel.bytes(elements));
    println!("buffers     {} for each tensor", layout.buffers().count());
    // All at once, before memory is promised to the first of them.
    gpu.ensure_room(kernel.bytes(elements))?;

    let start = Instant::now();
    let found = Trial::new(&gpu, kernel, Inputs::normal(DEFAULT_SEED), elements).run(&gpu)?;
    println!("compared    {} elements", found.inputs);
    println!("violations  {}", found.violations);
    println!(
        "time        {:.1} s: inputs, upload, dispatch, read back, reference, comparison",
        start.elapsed().as_secs_f64()
    );
    if let Some(complaint) = found.complaint(&kernel, DEFAULT_SEED) {
        return Err(Error::Mismatch(complaint));
    }
    if found.inputs != elements {
        return Err(Error::Mismatch(format!(
            "{} elements were compared of {elements}",
            found.inputs
        )));
    }
    Ok(Exit::Fine)
}

fn kernel_at(path: &str) -> Result<Kernel> {
    let unknown = || Error::Usage(format!("no kernel {path}; `actbench list` prints all"));
    kernel::all().find(|kernel| kernel.path() == path).ok_or_else(unknown)
}
