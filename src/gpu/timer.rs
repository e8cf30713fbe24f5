//! The device's clock: timestamp queries and the buffers that bring them back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Passes that are in flight at most.
pub(super) const PASSES: u32 = 128;

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

/// What a device's passes are timed with; made once, used for every sample.
pub(super) struct Timer {
    pub(super) clock: Clock,
    /// Where the adapter has timestamps.
    pub(super) queries: Option<Queries>,
    /// The greatest common divisor of all differences between timestamps so far, in ticks; 0 before
    /// the first. Clocks advance in steps of many ticks on some devices.
    step: AtomicU64,
    /// Held while passes are timed: threads that share a device would write to each other's
    /// queries, and time each other's work.
    pub(super) taken: Mutex<()>,
}

/// Two timestamps for each pass in flight.
pub(super) struct Queries {
    pub(super) set: wgpu::QuerySet,
    pub(super) resolved: wgpu::Buffer,
    pub(super) staging: wgpu::Buffer,
    pub(super) period_ns: f64,
}

impl Timer {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let has_timestamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let queries = has_timestamps.then(|| Queries::new(device, queue));
        let clock = queries
            .as_ref()
            .map_or(Clock::Wall, |queries| Clock::GpuTimestamps { period_ns: queries.period_ns });
        Self { clock, queries, step: AtomicU64::new(0), taken: Mutex::default() }
    }

    /// Takes note of a difference between two timestamps, in ticks.
    pub(super) fn saw(&self, ticks: u64) {
        let step = self.step.load(Ordering::Relaxed);
        self.step.store(greatest_common_divisor(step, ticks), Ordering::Relaxed);
    }

    /// The smallest step that the clock was seen to make, in ns; none if that is not known.
    pub(super) fn quantum_ns(&self) -> Option<f64> {
        let ticks = Some(self.step.load(Ordering::Relaxed)).filter(|step| *step > 0)?;
        Some(ticks as f64 * self.queries.as_ref()?.period_ns)
    }
}

impl Queries {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        use wgpu::BufferUsages as Usages;
        let count = PASSES * 2;
        let buffer = |label, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: u64::from(count) * u64::from(wgpu::QUERY_SIZE),
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            }),
            resolved: buffer("resolved", Usages::QUERY_RESOLVE | Usages::COPY_SRC),
            staging: buffer("timestamps", Usages::MAP_READ | Usages::COPY_DST),
            period_ns: f64::from(queue.get_timestamp_period()),
        }
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
