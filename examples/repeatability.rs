//! One figure, three times: sigmoid : relu, forward, f32, memory-bound, as a standard run measures
//! it.
//!
//! `cargo run --release --example repeatability -- [RUNS]`

use actbench::error::Result;
use actbench::gpu::{Choice, Gpu, Shape};
use actbench::report::{Profile, Quantity};
use actbench::suite::{self, Settings};
use regex::Regex;

fn main() -> Result<()> {
    let runs: u32 =
        std::env::args().nth(1).map_or(3, |text| text.parse().expect("a number of runs"));
    let choice = Choice::from_environment(Choice::Default);
    let facts = choice.facts()?;
    println!("{}", facts.summary());
    let elements = if facts.is_software { 1 << 24 } else { 1 << 26 };
    let rows = Regex::new(&format!("^forward/f32/n={elements}/(relu/plain|sigmoid/two_sided)$"))
        .expect("a pattern");
    let settings = Settings { filter: Some(rows), ..Settings::of(Profile::Standard) };
    let mut medians = Vec::new();
    for run in 1..=runs {
        let (report, error) = suite::run(&mut || Gpu::open(&choice), &settings, None, &mut ())?;
        error.map_or(Ok(()), Err)?;
        let mut streams = report.ratios.iter().filter(|ratio| ratio.quantity == Quantity::Stream);
        let ratio = streams.find_map(|ratio| ratio.estimate).expect("both were measured");
        let row = &report.measurements[0];
        let Shape { workgroup_size, words_per_invocation } = row.shape.expect("it was dispatched");
        println!(
            "run {run}: sigmoid : relu {:.3} [{:.3}, {:.3}], {} rounds in each of {} repeats, \
             shape {workgroup_size} x {words_per_invocation}",
            ratio.median, ratio.low, ratio.high, row.rounds_per_repeat, report.run.repeats
        );
        medians.push(ratio.median);
    }
    let [low, high] =
        [f64::min, f64::max].map(|end| medians.iter().copied().reduce(end).expect("a run"));
    println!("the highest is {:.1} % above the lowest", 100.0 * (high / low - 1.0));
    Ok(())
}
