//! A kernel against itself, hundreds of times: how often the 95 % interval of a ratio that is 1
//! contains 1, and how wide it is.
//!
//! `cargo run --release --example a_a -- [EXPERIMENTS]`: 400 without a number. During the second
//! half another process keeps a core busy.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actbench::error::Result;
use actbench::gpu::{Choice, Gpu, ShaderChecks, Shape};
use actbench::kernels::activation::Direction;
use actbench::kernels::dtype::Dtype;
use actbench::measure::stats;
use actbench::measure::{self, Plan};
use actbench::report::Pair;
use actbench::suite::probe::Probe;
use actbench::suite::{self, SharedTensors};

/// Elements of the tensors: a dispatch of well under a millisecond on every adapter, so that a
/// sample has several.
const ELEMENTS: u64 = 1 << 18;

/// What this program is told to be when it is the other process.
const SPIN: &str = "--spin";

fn main() -> Result<()> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some(SPIN) {
        loop {
            std::hint::spin_loop();
        }
    }
    let experiments: usize =
        argument.map_or(400, |text| text.parse().expect("a number of experiments"));
    let gpu = Gpu::open(&Choice::from_environment(Choice::Default))?;
    println!("{}", gpu.facts.summary());
    let probe = Probe::new(&gpu, 1, None)?;
    let sigmoid = suite::default_kernels(&[Pair::default()], Direction::Forward, Dtype::F32)[2];
    let mut group = SharedTensors::new(&gpu, Dtype::F32, ELEMENTS, 1)?;
    let mut workload = || group.workload(sigmoid, Shape::default(), ShaderChecks::Trusted);
    let [once, again] = [workload()?, workload()?];
    let plan = Plan { group: Duration::from_secs(2), ..Plan::STANDARD };
    let plan = if gpu.facts.is_software { plan.on_software() } else { plan };
    let (mut contain, mut half_widths) = (0, Vec::new());
    for (what, is_busy) in [("quiet", false), ("with a busy core", true)] {
        let other = is_busy.then(Other::spin);
        let (mut contain_here, mut half_widths_here, mut rounds) = (0, Vec::new(), 0);
        for _ in 0..experiments / 2 {
            let samples =
                measure::measure(&gpu, &[&once, &again], Some(&probe.workload), &plan, None)?;
            let [a, b] = [&samples.members[0].ns, &samples.members[1].ns];
            let ratios: Vec<f64> =
                a.iter().zip(b).filter_map(|(a, b)| Some((*a)? / (*b)?)).collect();
            let ratio = stats::median_interval(&ratios).expect("samples");
            contain_here += usize::from(ratio.low <= 1.0 && 1.0 <= ratio.high);
            half_widths_here.push(ratio.relative_half_width());
            rounds += samples.fixed.rounds as usize;
        }
        drop(other);
        println!(
            "{what}: {contain_here} of {} intervals contain 1, median half-width {:.2} %, \
             {} rounds on average",
            half_widths_here.len(),
            100.0 * median(&mut half_widths_here),
            rounds / half_widths_here.len().max(1)
        );
        contain += contain_here;
        half_widths.extend(half_widths_here);
    }
    println!(
        "all: {contain} of {} intervals contain 1, median half-width {:.2} %",
        half_widths.len(),
        100.0 * median(&mut half_widths)
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    stats::quantile(values, 0.5).expect("experiments")
}

/// Another process that keeps a core busy while it lives.
struct Other(Child);

impl Other {
    fn spin() -> Self {
        let program = std::env::current_exe().expect("this program");
        Self(Command::new(program).arg(SPIN).stdin(Stdio::null()).spawn().expect("a process"))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
