//! The timing primitive: how long compute passes took on the device.
//!
//! What is timed is one pass with a timestamp at its begin and at its end: its dispatches, and the barriers between them. What is not:
//! encoding, submission, the barriers before the pass, resolving the timestamps. Where the adapter has no timestamps, a pass is timed
//! by the wall clock from its submission to its completion, which includes all of these; [`Clock::name`] says so wherever times are shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

use serde::Serialize;

use super::{Gpu, Sequence, Workload};
use crate::error::{Error, Result};
use crate::measure::Stopwatch;

/// Passes that are in unroll at most.
const PASSES: u32 = 128;

/// Room that the wall clock must leave the device's clock: the two are different oscillators.
const CLOCK_DRIFT: f64 = 1.01;

/// What samples are taken with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Timestamps on the device, with the length of a tick.
    GpuTimestamps {
        /// ns.
        period_ns: f64,
    },
    /// The host's clock around submission and completion.
    Wall,
}

impl Clock {
    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GpuTimestamps { .. } => "gpu timestamps",
            Self::Wall => "wall clock (the adapter has no timestamps)",
        }
    }
}

/// Why a pair of timestamps is no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// End equals begin.
    #[error("the clock stood still")]
    Zero,
    /// End is before begin.
    #[error("the clock ran backwards or wrapped")]
    Backwards,
    /// More than the time that passed on the host from submission to completion.
    #[error("the clock showed more than the wall clock")]
    LongerThanWall,
}

/// The time between two timestamps in ns, if there can have been such a time.
pub fn interval_ns(
    begin: u64,
    end: u64,
    period_ns: f64,
    wall_ns: f64,
) -> std::result::Result<f64, Reject> {
    if end == begin {
        return Err(Reject::Zero);
    }
    let ticks = end.checked_sub(begin).ok_or(Reject::Backwards)?;
    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are months")]
    let ns = ticks as f64 * period_ns;
    if ns > wall_ns * CLOCK_DRIFT { Err(Reject::LongerThanWall) } else { Ok(ns) }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Queries and the buffers that bring them back; made once, used for every sample.
pub(super) struct Timer {
    clock: Clock,
    queries: Option<Queries>,
    /// The greatest common divisor of all differences between timestamps so far, in ticks; 0 before the first. Clocks advance in steps of many
    /// ticks on some devices.
    step: AtomicU64,
    /// Held while passes are timed: threads that share a device would write to each other's queries, and time each other's work.
    taken: Mutex<()>,
}

struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Timer {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Self {
                clock: Clock::Wall,
                queries: None,
                step: AtomicU64::new(0),
                taken: Mutex::new(()),
            };
        }
        let count = PASSES * 2;
        let buffer = |label, usage| {
            let size = u64::from(count) * u64::from(wgpu::QUERY_SIZE);
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let queries = Queries {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            }),
            resolved: buffer(
                "resolved",
                wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            ),
            staging: buffer(
                "timestamps",
                wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            ),
        };
        let period_ns = f64::from(queue.get_timestamp_period());
        Self {
            clock: Clock::GpuTimestamps { period_ns },
            queries: Some(queries),
            step: AtomicU64::new(0),
            taken: Mutex::new(()),
        }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }
}

/// What a pass consists of.
trait Recorded {
    /// Records it so many times.
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, times: u32);
}

impl Recorded for Workload {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, times: u32) {
        self.encode(pass, times);
    }
}

impl Recorded for Sequence {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, times: u32) {
        self.encode(pass, times);
    }
}

impl Stopwatch for Gpu {
    type Work = Workload;

    fn time(
        &self,
        passes: &[(&Workload, u32)],
        per_submission: usize,
        times: &mut Vec<std::result::Result<f64, Reject>>,
    ) -> Result<()> {
        self.time_passes(passes, per_submission, times)
    }

    fn quantum_ns(&self) -> Option<f64> {
        let Clock::GpuTimestamps { period_ns } = self.clock.clock else { return None };
        let step = self.clock.step.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are months")]
        (step > 0).then_some(step as f64 * period_ns)
    }

    fn name(&self) -> &str {
        &self.facts.name
    }

    fn path(work: &Workload) -> &str {
        &work.path
    }
}

/// The device as the stopwatch of sequences: the same queries, the same clock.
pub struct Sequences<'gpu>(pub &'gpu Gpu);

impl Stopwatch for Sequences<'_> {
    type Work = Sequence;

    fn time(
        &self,
        passes: &[(&Sequence, u32)],
        per_submission: usize,
        times: &mut Vec<std::result::Result<f64, Reject>>,
    ) -> Result<()> {
        self.0.time_passes(passes, per_submission, times)
    }

    fn quantum_ns(&self) -> Option<f64> {
        self.0.quantum_ns()
    }

    fn name(&self) -> &str {
        &self.0.facts.name
    }

    fn path(work: &Sequence) -> &str {
        &work.path
    }
}

impl Gpu {
    /// Times passes, each a workload and how often it is dispatched: one time in ns per pass, or why there is none. One thread at a time:
    /// others wait.
    pub fn time(
        &self,
        passes: &[(&Workload, u32)],
    ) -> Result<Vec<std::result::Result<f64, Reject>>> {
        let mut times = Vec::with_capacity(passes.len());
        Stopwatch::time(self, passes, 1, &mut times)?;
        Ok(times)
    }

    fn time_passes<W: Recorded>(
        &self,
        passes: &[(&W, u32)],
        per_submission: usize,
        times: &mut Vec<std::result::Result<f64, Reject>>,
    ) -> Result<()> {
        // It guards no data that a panic could have left half done.
        let _taken = self.clock.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let per_submission = per_submission.clamp(1, PASSES as usize);
        // Whole submissions, as many as there are queries for.
        for batch in passes.chunks(PASSES as usize / per_submission * per_submission) {
            match (&self.clock.queries, self.clock.clock) {
                (Some(queries), Clock::GpuTimestamps { period_ns }) => {
                    self.time_by_timestamps(queries, period_ns, batch, per_submission, times)?;
                }
                _ => self.time_by_wall(batch, times)?,
            }
        }
        Ok(())
    }

    fn time_by_timestamps<W: Recorded>(
        &self,
        queries: &Queries,
        period_ns: f64,
        passes: &[(&W, u32)],
        per_submission: usize,
        times: &mut Vec<std::result::Result<f64, Reject>>,
    ) -> Result<()> {
        let submitted = Instant::now();
        let mut count = 0;
        for passes in passes.chunks(per_submission) {
            let mut encoder =
                self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
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
        let bytes = u64::from(count) * u64::from(wgpu::QUERY_SIZE);
        // Resolving and copying go in encoders of their own: Metal resolves to zeros what shares one with its pass (wgpu#6406).
        let mut resolve =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        resolve.resolve_query_set(&queries.set, 0..count, &queries.resolved, 0);
        self.queue.submit([resolve.finish()]);
        let mut copy =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        copy.copy_buffer_to_buffer(&queries.resolved, 0, &queries.staging, 0, bytes);
        self.queue.submit([copy.finish()]);
        let (sender, mapped) = mpsc::channel();
        queries.staging.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is gone only if waiting failed, and then nobody asks.
            let _ = sender.send(result);
        });
        self.wait()?;
        #[expect(clippy::cast_precision_loss, reason = "2^53 ns are months")]
        let wall_ns = submitted.elapsed().as_nanos() as f64;
        let failed = |error: &dyn std::fmt::Display| {
            Error::Machine(format!("reading timestamps failed: {error}"))
        };
        mapped.recv().map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        {
            let view =
                queries.staging.get_mapped_range(0..bytes).map_err(|error| failed(&error))?;
            let ticks =
                |at: usize| u64::from_le_bytes(view[at..at + 8].try_into().expect("eight bytes"));
            let pairs = (0..passes.len()).map(|pass| (ticks(pass * 16), ticks(pass * 16 + 8)));
            let mut step = self.clock.step.load(Ordering::Relaxed);
            times.extend(pairs.map(|(begin, end)| {
                step = greatest_common_divisor(step, end.abs_diff(begin));
                interval_ns(begin, end, period_ns, wall_ns)
            }));
            self.clock.step.store(step, Ordering::Relaxed);
        }
        queries.staging.unmap();
        Ok(())
    }

    fn time_by_wall<W: Recorded>(
        &self,
        passes: &[(&W, u32)],
        times: &mut Vec<std::result::Result<f64, Reject>>,
    ) -> Result<()> {
        for (work, dispatches) in passes {
            let mut encoder =
                self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            work.record(&mut pass, *dispatches);
            drop(pass);
            let commands = encoder.finish();
            let submitted = Instant::now();
            self.queue.submit([commands]);
            self.wait()?;
            #[expect(clippy::cast_precision_loss, reason = "2^53 ns are months")]
            times.push(Ok(submitted.elapsed().as_nanos() as f64));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_gives_no_sample() {
        assert_eq!(interval_ns(1000, 1500, 2.0, 5000.0), Ok(1000.0));
        assert_eq!(interval_ns(1000, 1000, 2.0, 5000.0), Err(Reject::Zero));
        assert_eq!(interval_ns(1000, 999, 2.0, 5000.0), Err(Reject::Backwards));
        // A counter of 36 bits that wrapped in between.
        assert_eq!(interval_ns((1 << 36) - 5, 20, 1.0, 5000.0), Err(Reject::Backwards));
        assert_eq!(interval_ns(0, 10_000, 1.0, 5000.0), Err(Reject::LongerThanWall));
        // A period that is no whole number is not rounded.
        assert_eq!(interval_ns(0, 100, 52.083_332, 6000.0), Ok(5208.3332));
    }
}
