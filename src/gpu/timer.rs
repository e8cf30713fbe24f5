//! The device's clock: timestamp queries and the buffers that bring them back.

/// Passes that are in flight at most.
pub(super) const PASSES: u32 = 128;

/// Two timestamps for each pass in flight; made once, used for every sample.
pub(super) struct Queries {
    pub(super) set: wgpu::QuerySet,
    pub(super) resolved: wgpu::Buffer,
    pub(super) staging: wgpu::Buffer,
    pub(super) period_ns: f64,
}

impl Queries {
    /// None if the device has no timestamps.
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Option<Self> {
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
        device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Self {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            }),
            resolved: buffer("resolved", Usages::QUERY_RESOLVE | Usages::COPY_SRC),
            staging: buffer("timestamps", Usages::MAP_READ | Usages::COPY_DST),
            period_ns: f64::from(queue.get_timestamp_period()),
        })
    }
}
