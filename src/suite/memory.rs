//! Where launching ends to matter and memory begins to: dispatch overhead, and the size from which
//! on memory bounds the copy.

use std::time::Instant;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng};

use super::bench::{Bench, RANKING_ROUNDS};
use super::plan::default_kernels;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::repeat;
use crate::kernels::kernel::Kernel;
use crate::measure::stats;
use crate::report::{DispatchOverhead, MemoryPoint, MemoryScan};

/// Elements of the dispatch whose time is overhead: one word.
const ONE_WORD: u64 = 4;

/// Dispatches that are waited for one by one.
const WAITED_FOR: usize = 50;

/// Sizes that are scanned, as powers of two.
const SMALLEST: u32 = 16;
const LARGEST_ON_HARDWARE: u32 = 28;
const LARGEST_ON_CPU: u32 = 25;

/// A doubling that changes the throughput by less than this changes nothing.
const SETTLED: f64 = 0.02;

/// Doublings that have to change nothing.
const DOUBLINGS: usize = 2;

fn copy() -> Kernel {
    default_kernels(&[], Direction::Forward, Dtype::F32)[0]
}

/// copy over so many random elements, in tensors of its own.
fn workload(gpu: &Gpu, elements: u64, shape: Shape, block: &[u8]) -> Result<Workload> {
    gpu.ensure_room(elements.saturating_mul(2 * Dtype::F32.element_bytes()))?;
    let layout = gpu.layout(elements, Dtype::F32.element_bytes());
    let [y, x] = [gpu.tensor("y", layout)?, gpu.tensor("x", layout)?];
    // Repeated at distances that no memory compression sees; drawing all of them would take longer
    // than the scan.
    gpu.upload(&x, |first, bytes| repeat(block, first * Dtype::F32.element_bytes(), bytes))?;
    // Every page is written before it is read or timed.
    gpu.upload(&y, |_, bytes| bytes.fill(0xff))?;
    gpu.workload(&copy(), None, shape, ShaderChecks::Trusted, &[&y, &x])
}

fn random_block(seed: u64, bytes: usize) -> Vec<u8> {
    let mut block = vec![0; bytes];
    Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut block);
    block
}

/// The time of a dispatch of one word: behind another one in a pass, and alone from submission to
/// completion.
pub fn overhead(bench: &Bench<'_>) -> Result<Option<DispatchOverhead>> {
    let block = random_block(bench.settings.seed, 64);
    let workload = workload(bench.gpu, ONE_WORD, Shape::default(), &block)?;
    let samples = bench.rank(&[&workload], bench.plan.min_rounds)?;
    let mut waits_ns = Vec::with_capacity(WAITED_FOR);
    for _ in 0..WAITED_FOR {
        let began = Instant::now();
        bench.gpu.run(&workload)?;
        waits_ns.push(began.elapsed().as_secs_f64() * 1e9);
    }
    let dispatch_ns = stats::of_rounds(samples[0].ns.iter().copied(), 0);
    let estimates = dispatch_ns.zip(stats::median_interval(&waits_ns));
    Ok(estimates.map(|(dispatch_ns, submit_to_complete_ns)| DispatchOverhead {
        dispatch_ns,
        submit_to_complete_ns,
    }))
}

/// The throughput of copy by size, of at most so many elements, and from how many bytes on it
/// stands still.
pub fn scan(bench: &Bench<'_>, shape: Shape, most: u64) -> Result<Option<MemoryScan>> {
    let is_software = bench.gpu.facts.is_software;
    let largest = if is_software { LARGEST_ON_CPU } else { LARGEST_ON_HARDWARE };
    let block = random_block(bench.settings.seed, 1 << 22);
    let mut scan = Vec::new();
    let sizes = (SMALLEST..=largest).map(|power| 1 << power);
    for elements in sizes.take_while(|elements| *elements <= most) {
        let workload = match workload(bench.gpu, elements, shape, &block) {
            Ok(made) => made,
            Err(Error::Unsupported(_)) => break,
            Err(error) => return Err(error),
        };
        let samples = bench.rank(&[&workload], RANKING_ROUNDS)?;
        let Some(ns) = samples[0].undisturbed_ns() else { continue };
        let bytes = copy().bytes(elements);
        scan.push(MemoryPoint { elements, bytes, bytes_per_second: bytes as f64 / ns * 1e9 });
    }
    Ok(settle(scan))
}

/// The smallest size from which on no doubling changes the throughput, judged from the largest
/// down, since caches have plateaus too.
fn settle(scan: Vec<MemoryPoint>) -> Option<MemoryScan> {
    let unchanged = |pair: &[MemoryPoint]| {
        (pair[1].bytes_per_second / pair[0].bytes_per_second - 1.0).abs() < SETTLED
    };
    let still = scan.windows(2).rev().take_while(|pair| unchanged(pair)).count();
    let settled = still >= DOUBLINGS;
    let from = scan.len().checked_sub(1 + if settled { still } else { 0 })?;
    Some(MemoryScan { from_bytes: scan[from].bytes, settled, scan })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rates: &[f64]) -> MemoryScan {
        let point = |(power, rate): (usize, &f64)| MemoryPoint {
            elements: 1 << power,
            bytes: 8 << power,
            bytes_per_second: *rate,
        };
        settle(rates.iter().enumerate().map(point).collect()).expect("points")
    }

    #[test]
    fn memory_begins_behind_the_last_bend() {
        // Launch, a plateau of the cache, a fall, memory.
        let found = of(&[10.0, 20.0, 30.0, 30.1, 30.0, 30.1, 22.0, 18.0, 17.9, 18.0, 18.1]);
        assert!(found.settled);
        assert_eq!(found.from_bytes, 8 << 7);
    }

    #[test]
    fn a_throughput_that_still_moves_leaves_the_largest_size() {
        for rates in [&[10.0, 20.0, 30.0, 40.0][..], &[30.0, 20.0, 18.0, 17.9], &[5.0]] {
            let found = of(rates);
            assert!(!found.settled);
            assert_eq!(found.from_bytes, 8 << (rates.len() - 1));
        }
        assert!(settle(Vec::new()).is_none());
    }
}
