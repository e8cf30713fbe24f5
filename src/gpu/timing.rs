//! How long compute passes take on the device.
//!
//! What is timed is one pass with a timestamp at its begin and at its end: its dispatches, and the
//! barriers between them. Where the adapter has no timestamps, a pass is timed by the wall clock
//! from its submission to its completion; every report and table says so.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use super::device::Gpu;
use super::pipeline::Recorded;
use super::timer::PASSES;
use crate::error::Result;
use crate::measure::{Stopwatch, Time, interval_ns};

impl<W: Recorded> Stopwatch<W> for Gpu {
    /// One thread at a time: others wait.
    fn time(
        &self,
        passes: &[(&W, u32)],
        per_submission: usize,
        times: &mut Vec<Time>,
    ) -> Result<()> {
        let mut step = self.clock_step();
        let Some(queries) = &self.queries else { return self.time_by_wall(passes, times) };
        let per_submission = per_submission.clamp(1, PASSES as usize);
        // Whole submissions, as many as there are queries for.
        for batch in passes.chunks(PASSES as usize / per_submission * per_submission) {
            let submitted = Instant::now();
            let mut count = 0;
            for passes in batch.chunks(per_submission) {
                let mut encoder = self.encoder();
                for (work, dispatches) in passes {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: Some("timed"),
                        timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                            query_set: &queries.set,
                            beginning_of_pass_write_index: Some(count),
                            end_of_pass_write_index: Some(count + 1),
                        }),
                    });
                    work.record(&mut pass, *dispatches);
                    drop(pass);
                    count += 2;
                }
                self.queue.submit([encoder.finish()]);
            }
            // Resolving and copying go in encoders of their own: Metal resolves to zeros what
            // shares one with its pass (wgpu#6406).
            let mut resolve = self.encoder();
            resolve.resolve_query_set(&queries.set, 0..count, &queries.resolved, 0);
            self.queue.submit([resolve.finish()]);
            let resolved = queries.resolved.slice(..u64::from(count) * u64::from(wgpu::QUERY_SIZE));
            let view = self.view(&self.copy_and_map(resolved, &queries.staging))?;
            let wall_ns = submitted.elapsed().as_nanos() as f64;
            for pair in view.chunks_exact(16) {
                let [begin, end] = [&pair[..8], &pair[8..]]
                    .map(|ticks| u64::from_le_bytes(ticks.try_into().expect("eight bytes")));
                *step = greatest_common_divisor(*step, end.abs_diff(begin));
                times.push(interval_ns(begin, end, queries.period_ns, wall_ns));
            }
            drop(view);
            queries.staging.unmap();
        }
        Ok(())
    }

    fn path(work: &W) -> &str {
        work.path()
    }
}

impl Gpu {
    /// Times passes, each a workload and how often it is dispatched, in submissions of their own.
    pub fn time<W: Recorded>(&self, passes: &[(&W, u32)]) -> Result<Vec<Time>> {
        let mut times = Vec::with_capacity(passes.len());
        Stopwatch::time(self, passes, 1, &mut times)?;
        Ok(times)
    }

    /// The length of a tick of the device's clock, in ns; none if the adapter has no timestamps.
    pub fn period_ns(&self) -> Option<f64> {
        self.queries.as_ref().map(|queries| queries.period_ns)
    }

    /// The smallest step that the clock was seen to make, in ns; none if that is not known.
    pub fn quantum_ns(&self) -> Option<f64> {
        let ticks = Some(*self.clock_step()).filter(|step| *step > 0)?;
        Some(ticks as f64 * self.period_ns()?)
    }

    fn clock_step(&self) -> MutexGuard<'_, u64> {
        // A panic leaves no number half done.
        self.clock_step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time_by_wall<W: Recorded>(&self, passes: &[(&W, u32)], times: &mut Vec<Time>) -> Result<()> {
        for (work, dispatches) in passes {
            let commands = self.pass_of(*work, *dispatches);
            let submitted = Instant::now();
            self.queue.submit([commands]);
            self.wait()?;
            times.push(Ok(submitted.elapsed().as_nanos() as f64));
        }
        Ok(())
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
