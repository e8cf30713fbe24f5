//! How long compute passes take on the device.
//!
//! What is timed is one pass with a timestamp at its begin and at its end: its dispatches, and the
//! barriers between them. Where the adapter has no timestamps, a pass is timed by the wall clock
//! from its submission to its completion; [`super::Clock::name`] says so wherever times are shown.

use std::sync::PoisonError;
use std::time::Instant;

use super::device::Gpu;
use super::pipeline::Recorded;
use super::timer::{PASSES, Queries};
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
        // It guards no data that a panic could have left half done.
        let _taken = self.timer.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let per_submission = per_submission.clamp(1, PASSES as usize);
        // Whole submissions, as many as there are queries for.
        for batch in passes.chunks(PASSES as usize / per_submission * per_submission) {
            match &self.timer.queries {
                Some(queries) => self.time_on_device(queries, batch, per_submission, times)?,
                None => self.time_by_wall(batch, times)?,
            }
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

    /// The smallest step that the clock was seen to make, in ns; none if that is not known.
    pub fn quantum_ns(&self) -> Option<f64> {
        self.timer.quantum_ns()
    }

    fn time_on_device<W: Recorded>(
        &self,
        queries: &Queries,
        passes: &[(&W, u32)],
        per_submission: usize,
        times: &mut Vec<Time>,
    ) -> Result<()> {
        let submitted = Instant::now();
        let mut count = 0;
        for passes in passes.chunks(per_submission) {
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
        // Resolving and copying go in encoders of their own: Metal resolves to zeros what shares
        // one with its pass (wgpu#6406).
        let mut resolve = self.encoder();
        resolve.resolve_query_set(&queries.set, 0..count, &queries.resolved, 0);
        self.queue.submit([resolve.finish()]);
        let resolved = queries.resolved.slice(..u64::from(count) * u64::from(wgpu::QUERY_SIZE));
        let view = self.view(&self.copy_and_map(resolved, &queries.staging))?;
        #[expect(clippy::cast_precision_loss, reason = "2^53 ns are months")]
        let wall_ns = submitted.elapsed().as_nanos() as f64;
        for pair in view.chunks_exact(16) {
            let [begin, end] = [&pair[..8], &pair[8..]]
                .map(|ticks| u64::from_le_bytes(ticks.try_into().expect("eight bytes")));
            self.timer.saw(end.abs_diff(begin));
            times.push(interval_ns(begin, end, queries.period_ns, wall_ns));
        }
        drop(view);
        queries.staging.unmap();
        Ok(())
    }

    fn time_by_wall<W: Recorded>(&self, passes: &[(&W, u32)], times: &mut Vec<Time>) -> Result<()> {
        for (work, dispatches) in passes {
            let commands = self.pass_of(*work, *dispatches);
            let submitted = Instant::now();
            self.queue.submit([commands]);
            self.wait()?;
            #[expect(clippy::cast_precision_loss, reason = "2^53 ns are months")]
            times.push(Ok(submitted.elapsed().as_nanos() as f64));
        }
        Ok(())
    }
}
