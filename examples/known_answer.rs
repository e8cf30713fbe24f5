//! A question with a known answer: where memory bounds both, twice the elements take twice the
//! time.
//!
//! `cargo run --release --example known_answer -- [POWER]`: copy over 2^POWER elements against
//! 2^(POWER + 1), timed together. Without a number, 2^26 on hardware and 2^24 on a software
//! adapter.

use std::time::Duration;

use actbench::error::Result;
use actbench::gpu::{Choice, Gpu, ShaderChecks, Shape};
use actbench::kernels::activation::Direction;
use actbench::kernels::dtype::Dtype;
use actbench::measure::stats;
use actbench::measure::{self, Plan};
use actbench::suite::probe::Probe;
use actbench::suite::{self, SharedTensors};

fn main() -> Result<()> {
    let gpu = Gpu::open(&Choice::from_environment(Choice::Default))?;
    println!("{}", gpu.facts.summary());
    let default = if gpu.facts.is_software { 24 } else { 26 };
    let power: u32 =
        std::env::args().nth(1).map_or(default, |text| text.parse().expect("a power of two"));
    let probe = Probe::new(&gpu, 1, None)?;
    let plan = Plan { group: Duration::from_secs(20), half_width: 0.002, ..Plan::STANDARD };
    let plan = if gpu.facts.is_software { plan.on_software() } else { plan };
    for direction in Direction::ALL {
        let kernel = suite::default_kernels(&[], direction, Dtype::F32)[0];
        let mut groups = [
            SharedTensors::new(&gpu, Dtype::F32, 1 << power, 1)?,
            SharedTensors::new(&gpu, Dtype::F32, 2 << power, 1)?,
        ];
        let [half, whole] = groups
            .each_mut()
            .map(|group| group.workload(kernel, Shape::default(), ShaderChecks::Trusted));
        let samples =
            measure::measure(&gpu, &[&half?, &whole?], Some(&probe.workload), &plan, None)?;
        let rounds = samples.members[1].ns.iter().zip(&samples.members[0].ns);
        let ratios: Vec<f64> =
            rounds.filter_map(|(whole, half)| Some((*whole)? / (*half)?)).collect();
        let ratio = stats::median_interval(&ratios).expect("samples");
        println!(
            "{}: 2^{} elements take {:.3} [{:.3}, {:.3}] times as long as 2^{power}, in {} rounds",
            kernel.path(),
            power + 1,
            ratio.median,
            ratio.low,
            ratio.high,
            samples.fixed.rounds
        );
    }
    Ok(())
}
