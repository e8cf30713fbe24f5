//! A kernel against itself, hundreds of times: how often the 95 % interval of a ratio that is 1 contains 1, and how wide it is.
//!
//! `cargo run --release --example a_a -- [EXPERIMENTS]`; the second half of the experiments runs while another process keeps a core busy.

use std::process::{Child, Command, Stdio};

use actbench::activation::Direction;
use actbench::error::Result;
use actbench::gpu::{Choice, Gpu, Shape};
use actbench::measure::{self, Plan};
use actbench::stats;
use actbench::storage::Storage;
use actbench::suite::{self, Group};
use actbench::witness::Witness;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--spin") {
        // The other process: it ends with the one that started it.
        loop {
            std::hint::spin_loop();
        }
    }
    let experiments: usize = std::env::args().nth(1).map_or(400, |text| text.parse().expect("a number of experiments"));
    let gpu = Gpu::open(&Choice::from_environment(Choice::Default))?;
    println!("{}", gpu.facts.summary());
    let witness = Witness::new(&gpu, 1)?;
    println!("witness of {} rungs", witness.rungs);
    let kernel = suite::default_kernels(Direction::Forward, Storage::F32)[2];
    let mut group = Group::new(&gpu, Storage::F32, 1 << 20, 1)?;
    let once = group.workload(kernel, Shape::default())?;
    let again = group.workload(kernel, Shape::default())?;
    let mut plan = Plan::QUICK;
    plan.panel =
        std::time::Duration::from_millis(std::env::var("PANEL").ok().and_then(|t| t.parse().ok()).unwrap_or(1500));
    plan.max_rounds = 2000;
    if gpu.facts.is_software {
        plan.witness_tolerance = None;
    }
    for (what, busy) in [("quiet", false), ("with a busy core", true)] {
        let other = busy.then(spin);
        let (mut contain, mut widths, mut rounds) = (0, Vec::new(), 0);
        let mut spreads = Vec::new();
        for _ in 0..experiments / 2 {
            let samples = measure::measure(&gpu, &[&once, &again], Some(&witness.workload), &plan, None)?;
            let [a, b] = [&samples.members[0].ns, &samples.members[1].ns];
            rounds += a.len();
            let ratios: Vec<f64> = a.iter().zip(b).filter_map(|(a, b)| Some((*a)? / (*b)?)).collect();
            let ratio = stats::median_interval(&ratios).expect("samples");
            contain += usize::from(ratio.low <= 1.0 && 1.0 <= ratio.high);
            widths.push(ratio.relative_half_width());
            let mut w: Vec<f64> = samples.members[0].witness_ns.iter().flatten().copied().collect();
            w.sort_by(f64::total_cmp);
            let [low, median, high] = [0.25, 0.5, 0.75].map(|q| stats::quantile(&w, q).expect("a witness"));
            spreads.push((high - low) / median);
        }
        drop(other);
        widths.sort_by(f64::total_cmp);
        spreads.sort_by(f64::total_cmp);
        println!(
            "{what}: {contain} of {} intervals contain 1, median half-width {:.2} %, {} rounds on average, witness iqr {:.1} %",
            experiments / 2,
            100.0 * stats::quantile(&widths, 0.5).expect("experiments"),
            rounds / (experiments / 2).max(1),
            100.0 * stats::quantile(&spreads, 0.5).expect("experiments"),
        );
    }
    Ok(())
}

struct Busy(Child);

fn spin() -> Busy {
    let program = std::env::current_exe().expect("this program");
    Busy(Command::new(program).arg("--spin").stdin(Stdio::null()).spawn().expect("a process"))
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
