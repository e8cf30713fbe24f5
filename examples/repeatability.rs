//! One figure, three times: sigmoid : relu, forward in f32 in the memory regime, each time on a device opened afresh.
//!
//! `cargo run --release --example repeatability -- [RUNS]`

use std::time::Duration;

use actbench::activation::Direction;
use actbench::error::Result;
use actbench::gpu::{Choice, Gpu, ShaderChecks, Shape};
use actbench::inputs::Distribution;
use actbench::measure::{self, Plan};
use actbench::stats;
use actbench::storage::Storage;
use actbench::suite::{self, Group};
use actbench::witness::Witness;

fn main() -> Result<()> {
    let runs: u32 = std::env::args().nth(1).map_or(3, |text| text.parse().expect("a number of runs"));
    let mut medians = Vec::new();
    for run in 1..=runs {
        let gpu = Gpu::open(&Choice::from_environment(Choice::Default))?;
        if run == 1 {
            println!("{}", gpu.facts.summary());
        }
        let elements = if gpu.facts.is_software { 1 << 24 } else { 1 << 26 };
        let plan = Plan { panel: Duration::from_secs(15), ..Plan::STANDARD };
        let plan = if gpu.facts.is_software { plan.on_software() } else { plan };
        let witness = Witness::new(&gpu, 1)?;
        let mut group = Group::new(&gpu, Storage::F32, elements, 1)?;
        let workloads = suite::default_kernels(Direction::Forward, Storage::F32)
            .into_iter()
            .map(|kernel| {
                let checked =
                    group.checked_workload(kernel, Shape::default(), ShaderChecks::Trusted, Distribution::Normal)?;
                Ok((kernel.activation.name, checked.0))
            })
            .collect::<Result<Vec<_>>>()?;
        let members: Vec<_> = workloads.iter().map(|(_, workload)| workload).collect();
        let samples = measure::measure(&gpu, &members, Some(&witness.workload), &plan, None)?;
        let of = |name: &str| {
            let at = workloads.iter().position(|(activation, _)| *activation == name).expect("a default kernel");
            &samples.members[at].ns
        };
        let rounds = of("sigmoid").iter().zip(of("relu"));
        let ratios: Vec<f64> = rounds.filter_map(|(sigmoid, relu)| Some((*sigmoid)? / (*relu)?)).collect();
        let ratio = stats::median_interval(&ratios).expect("samples");
        println!(
            "run {run}: sigmoid : relu, forward f32, {elements} elements: {:.3} [{:.3}, {:.3}] in {} rounds",
            ratio.median, ratio.low, ratio.high, samples.fixed.rounds
        );
        medians.push(ratio.median);
    }
    medians.sort_by(f64::total_cmp);
    if let (Some(lowest), Some(highest)) = (medians.first(), medians.last()) {
        println!("the highest median is {:.1} % above the lowest", 100.0 * (highest / lowest - 1.0));
    }
    Ok(())
}
