//! Memory of the device: buffers, and bytes on their way to them and back.

use super::device::{Gpu, Mapping};
use crate::error::{Error, Result};

/// A word, the unit in which every kernel loads and stores: 16 bytes, as vector loads and the
/// alignment of uniforms ask for.
pub const WORD_BYTES: u64 = 16;

/// Bytes that go up or come back at a time, so that staging memory stays bounded.
pub(super) const PIECE_BYTES: u64 = 16 << 20;

/// A size on the device as a size on the host.
///
/// # Panics
/// On a host whose memory can't be addressed by 64 bits, for sizes that it can't hold.
pub(super) fn host_size(bytes: u64) -> usize {
    usize::try_from(bytes).expect("sizes of pieces fit the host")
}

impl Gpu {
    /// A buffer of zeros.
    fn allocate(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        self.scoped(|| self.device.create_buffer(&descriptor)).map_err(|error| {
            let name = &self.facts.name;
            Error::Unsupported(format!("{name} has no room for {label}, {size} bytes: {error}"))
        })
    }

    /// A buffer of zeros that shaders read and write. `mapped` is added where the device can map
    /// what shaders see.
    pub(super) fn storage(
        &self,
        label: &str,
        size: u64,
        mapped: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        use wgpu::BufferUsages as Usages;
        let can_map = self.device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let mapped = if can_map { mapped } else { Usages::empty() };
        self.allocate(label, size, mapped | Usages::STORAGE | Usages::COPY_SRC | Usages::COPY_DST)
    }

    /// These numbers, filled up to whole words, as a uniform or as read-only storage.
    pub(super) fn parameters(&self, numbers: &[u32]) -> Result<wgpu::Buffer> {
        use wgpu::BufferUsages as Usages;
        let mut bytes = bytemuck::cast_slice(numbers).to_vec();
        // Those of a kernel that its caller leaves out are 0.
        bytes.resize(bytes.len().next_multiple_of(2 * host_size(WORD_BYTES)), 0);
        let usage = Usages::UNIFORM | Usages::STORAGE | Usages::COPY_DST;
        let buffer = self.allocate("params", bytes.len() as u64, usage)?;
        self.queue.write_buffer(&buffer, 0, &bytes);
        Ok(buffer)
    }

    /// Memory that results are copied to and read from.
    pub(super) fn staging(&self, size: u64) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        self.allocate("results read back", size, usage)
            .map_err(|error| Error::Machine(error.to_string()))
    }

    /// Whether a software adapter's memory, which is the host's, has so many bytes to give. Its
    /// driver would promise them in any case, and the system would end the process that uses them.
    /// Of other adapters the allocation itself tells.
    ///
    /// What was promised and not yet written still counts as free: ask for all tensors at once
    /// before making the first of several large ones.
    pub fn ensure_room(&self, bytes: u64) -> Result<()> {
        if !self.facts.is_software || bytes < 1 << 26 {
            return Ok(());
        }
        // Where the system does not say what it has, the allocation has to tell here too.
        let Ok(mut system) = sysinfo::System::new() else { return Ok(()) };
        system.refresh_memory();
        let available = system.available_memory();
        if bytes <= available / 10 * 8 {
            return Ok(());
        }
        let name = &self.facts.name;
        Err(Error::Unsupported(format!(
            "{name} shares the host's memory, of which {available} bytes are free: too few for \
             {bytes} more"
        )))
    }

    /// Writes a piece and waits for it, which frees its staging memory before the next asks for
    /// some.
    pub(super) fn write_piece(&self, piece: wgpu::BufferSlice<'_>, bytes: &[u8]) -> Result<()> {
        self.queue.write_buffer(piece.buffer(), piece.offset(), bytes);
        self.queue.submit([]);
        self.wait()
    }

    /// Copies bytes through `staging` and hands them over.
    pub(super) fn read_piece<R>(
        &self,
        piece: wgpu::BufferSlice<'_>,
        staging: &wgpu::Buffer,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        let taken = take(&self.view(&self.copy_and_map(piece, staging))?);
        staging.unmap();
        Ok(taken)
    }

    /// Copies bytes into memory that is mapped, unless it is the buffer itself.
    pub(super) fn copy_and_map(
        &self,
        piece: wgpu::BufferSlice<'_>,
        staging: &wgpu::Buffer,
    ) -> Mapping {
        let bytes = piece.size();
        let copy = (piece.buffer() != staging).then(|| {
            let mut encoder = self.encoder();
            encoder.copy_buffer_to_buffer(piece.buffer(), piece.offset(), staging, 0, bytes);
            encoder.finish()
        });
        let submission = self.queue.submit(copy);
        Mapping::new(staging, wgpu::MapMode::Read, bytes, Some(submission))
    }
}
