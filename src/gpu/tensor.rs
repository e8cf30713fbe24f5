//! Tensors on the device. One logical tensor lies in as many buffers as its size and the adapter's
//! limits ask for.

use super::device::{Gpu, Mapping};
use super::memory::{PIECE_BYTES, WORD_BYTES, host_size};
use crate::error::Result;
use crate::kernels::kernel::Role;

/// Words behind each buffer's data that no kernel may write. They are bound with it: a kernel that
/// runs past its end shows.
pub const GUARD_WORDS: u64 = 64;

/// Words of f32 whose mask fills a word.
const MASKED_WORDS: u64 = 32;

/// What the guards of a tensor repeat: made from its label, so that a guard copied from another
/// tensor shows, and negative both as f32 and as f16, so that a max with 0 changes it.
fn guard(label: &str) -> [u8; 4] {
    // FNV-1a.
    let hash = label
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash | 0x8000_8000).to_le_bytes()
}

/// How a tensor's words are divided into buffers. Tensors of one workload share a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Elements.
    pub elements: u64,
    /// Bytes of an element.
    pub element_bytes: u64,
    /// Words of every buffer but the last.
    pub words_per_buffer: u64,
}

impl Layout {
    /// Lays out `elements` elements in buffers of at most `max_buffer_bytes`, guard included.
    ///
    /// # Panics
    /// If a buffer can't hold the guard and one word.
    pub fn new(elements: u64, element_bytes: u64, max_buffer_bytes: u64) -> Self {
        // Shaders count words and invocations in u32.
        let most = (max_buffer_bytes / WORD_BYTES - GUARD_WORDS).min(1 << 28);
        // Whole words of mask belong to a buffer's words, so that a mask is divided at the same
        // elements.
        let words_per_buffer = if most < MASKED_WORDS { most } else { most - most % MASKED_WORDS };
        assert!(
            words_per_buffer > 0,
            "a buffer of {max_buffer_bytes} bytes holds no word beside its guard"
        );
        Self { elements, element_bytes, words_per_buffer }
    }

    /// The layout of what stands in `role` beside a tensor of this layout: itself, or that of its
    /// mask as u32s, where the kernel's units have so many words.
    pub fn of(&self, role: Role, words_per_unit: u64) -> Self {
        if !role.is_mask() {
            return *self;
        }
        let words_per_buffer = self.words_per_buffer / (4 * words_per_unit);
        assert!(
            words_per_buffer > 0,
            "buffers of {} words hold no whole word of mask",
            self.words_per_buffer
        );
        Self { elements: self.elements.div_ceil(32), element_bytes: 4, words_per_buffer }
    }

    /// All words; the last one is padded. A tensor of 2^64 bytes or more has as many as bytes can
    /// be counted, which fits nowhere.
    pub fn words(&self) -> u64 {
        self.elements.saturating_mul(self.element_bytes).div_ceil(WORD_BYTES)
    }

    /// Bytes of all words.
    pub fn bytes(&self) -> u64 {
        self.words().saturating_mul(WORD_BYTES)
    }

    /// The words of each buffer.
    pub fn buffers(&self) -> impl Iterator<Item = u64> {
        let (words, most) = (self.words(), self.words_per_buffer);
        (0..words.div_ceil(most)).map(move |index| most.min(words - index * most))
    }
}

/// A tensor in device memory.
pub struct Tensor {
    /// How it is divided.
    pub layout: Layout,
    pub(super) buffers: Vec<wgpu::Buffer>,
    guard: [u8; 4],
}

impl Gpu {
    /// The layout of a tensor on this device.
    pub fn layout(&self, elements: u64, element_bytes: u64) -> Layout {
        Layout::new(elements, element_bytes, self.max_buffer_bytes())
    }

    /// Allocates a tensor and writes its guards, made from the label: tensors of one workload have
    /// different ones. Its elements are zero until [`Gpu::upload`].
    pub fn tensor(&self, label: &str, layout: Layout) -> Result<Tensor> {
        self.tensor_mapped(wgpu::BufferUsages::empty(), label, layout)
    }

    /// A tensor that [`Gpu::read_back`] reads where it lies if the device can map it: for results
    /// of streams.
    pub fn result_tensor(&self, label: &str, layout: Layout) -> Result<Tensor> {
        self.tensor_mapped(wgpu::BufferUsages::MAP_READ, label, layout)
    }

    /// A tensor that [`Gpu::write`] writes where it lies if the device can map it: for inputs of
    /// streams.
    pub fn input_tensor(&self, label: &str, layout: Layout) -> Result<Tensor> {
        self.tensor_mapped(wgpu::BufferUsages::MAP_WRITE, label, layout)
    }

    fn tensor_mapped(
        &self,
        usage: wgpu::BufferUsages,
        label: &str,
        layout: Layout,
    ) -> Result<Tensor> {
        self.ensure_room(layout.bytes())?;
        let guard = guard(label);
        let guards = guard.repeat(host_size(GUARD_WORDS * WORD_BYTES) / guard.len());
        let mut buffers = Vec::new();
        for words in layout.buffers() {
            let buffer = self.storage(label, (words + GUARD_WORDS) * WORD_BYTES, usage)?;
            self.queue.write_buffer(&buffer, words * WORD_BYTES, &guards);
            buffers.push(buffer);
        }
        self.wait()?;
        Ok(Tensor { layout, buffers, guard })
    }

    /// Writes a tensor piece by piece: `fill` gets the first element of a piece and its bytes to
    /// write. Padding is zero.
    pub fn upload(&self, tensor: &Tensor, mut fill: impl FnMut(u64, &mut [u8])) -> Result<()> {
        let mut host = Vec::new();
        for piece in tensor.pieces() {
            host.clear();
            host.resize(host_size(piece.slice.size()), 0);
            fill(piece.first_element, &mut host[..piece.data_bytes]);
            self.write_piece(piece.slice, &host)?;
        }
        Ok(())
    }

    /// Reads a tensor back piece by piece, without its padding: `take` gets the first element of a
    /// piece and its bytes.
    pub fn read(&self, tensor: &Tensor, take: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        self.read_pieces(tensor.pieces(), take)
    }

    /// [`Self::read`] of the first piece and the last alone, for a look at what a large tensor
    /// holds.
    pub fn read_ends(
        &self,
        tensor: &Tensor,
        take: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let first = tensor.pieces().take(1);
        self.read_pieces(first.chain(tensor.pieces().skip(1).last()), take)
    }

    fn read_pieces<'a>(
        &self,
        pieces: impl Iterator<Item = Piece<'a>>,
        mut take: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut pieces = pieces.peekable();
        let Some(largest) = pieces.peek() else { return Ok(()) };
        let staging = self.staging(largest.slice.size())?;
        pieces.try_for_each(|Piece { slice, first_element, data_bytes }| {
            self.read_piece(slice, &staging, |bytes| take(first_element, &bytes[..data_bytes]))?
        })
    }

    /// Whether the guards behind every buffer of the tensor are as they were written.
    pub fn guards_are_intact(&self, tensor: &Tensor) -> Result<bool> {
        let staging = self.staging(GUARD_WORDS * WORD_BYTES)?;
        let mut intact = true;
        for (buffer, words) in tensor.buffers.iter().zip(tensor.layout.buffers()) {
            let guards = buffer.slice(words * WORD_BYTES..);
            intact &= self.read_piece(guards, &staging, |guards| {
                guards.chunks_exact(4).all(|word| word == tensor.guard)
            })?;
        }
        Ok(intact)
    }

    /// Writes the whole of a tensor of one piece, padding included: for streams of small tensors.
    /// What is submitted later sees it. Waits only if the tensor can be mapped, until what was
    /// submitted before no longer uses it.
    pub fn write(&self, tensor: &Tensor, bytes: &[u8]) -> Result<()> {
        assert!(tensor.buffers.len() <= 1, "a tensor of one buffer");
        assert_eq!(bytes.len() as u64, tensor.layout.words() * WORD_BYTES, "whole words");
        let Some(buffer) = tensor.buffers.first() else { return Ok(()) };
        if !buffer.usage().contains(wgpu::BufferUsages::MAP_WRITE) {
            self.queue.write_buffer(buffer, 0, bytes);
            return Ok(());
        }
        // Mostly it is no longer used; waiting would be for all that was submitted, by others too.
        let size = bytes.len() as u64;
        self.mapped(&Mapping::new(buffer, wgpu::MapMode::Write, size, None))?;
        let view = buffer.get_mapped_range_mut(..size);
        view.map_err(|error| self.unmapped(&error))?.copy_from_slice(bytes);
        buffer.unmap();
        Ok(())
    }

    /// What it takes to read a tensor of one piece back: memory of its own, but for a tensor that
    /// the device can map.
    pub fn read_back(&self, tensor: &Tensor) -> Result<ReadBack> {
        let can_map =
            |buffer: &&wgpu::Buffer| buffer.usage().contains(wgpu::BufferUsages::MAP_READ);
        let staging = match tensor.buffers.first().filter(can_map) {
            Some(buffer) => buffer.clone(),
            None => self.staging(tensor.layout.bytes().max(WORD_BYTES))?,
        };
        Ok(ReadBack { staging, pending: None })
    }

    /// Starts to read a tensor of one piece back, behind what was submitted before, without
    /// waiting. `read_back` was made for it; until the read has ended, nothing may be done with the
    /// tensor.
    pub fn begin_read(&self, read_back: &mut ReadBack, tensor: &Tensor) {
        assert!(read_back.pending.is_none(), "the read before this one has not ended");
        let Some(buffer) = tensor.buffers.first() else { return };
        let words = buffer.slice(..tensor.layout.bytes());
        read_back.pending = Some(self.copy_and_map(words, &read_back.staging));
    }

    /// Waits for reads that were begun and hands over their bytes, padding included, all at once.
    pub fn end_reads<R>(
        &self,
        read_backs: &mut [ReadBack],
        take: impl FnOnce(&[&[u8]]) -> R,
    ) -> Result<R> {
        let mut views = Vec::with_capacity(read_backs.len());
        for read_back in &mut *read_backs {
            let pending = read_back.pending.take().expect("a read was begun");
            views.push(self.view(&pending)?);
        }
        let taken = take(&views.iter().map(|view| &**view).collect::<Vec<_>>());
        drop(views);
        for read_back in read_backs {
            read_back.staging.unmap();
        }
        Ok(taken)
    }
}

/// Where a tensor of one piece is read back into: its own buffer, where that can be mapped.
pub struct ReadBack {
    staging: wgpu::Buffer,
    pending: Option<Mapping>,
}

/// A run of bytes within one buffer, bounded so that staging memory is.
struct Piece<'a> {
    slice: wgpu::BufferSlice<'a>,
    /// Of the tensor.
    first_element: u64,
    /// Without padding.
    data_bytes: usize,
}

impl Tensor {
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let Layout { elements, element_bytes, words_per_buffer } = self.layout;
        let buffers = (0u64..).zip(&self.buffers).zip(self.layout.buffers());
        buffers.flat_map(move |((index, buffer), words)| {
            let bytes = words * WORD_BYTES;
            (0..bytes.div_ceil(PIECE_BYTES)).map(move |piece| {
                let begin = piece * PIECE_BYTES;
                let end = bytes.min(begin + PIECE_BYTES);
                let first_byte = index * words_per_buffer * WORD_BYTES + begin;
                let data_bytes = (elements * element_bytes).saturating_sub(first_byte);
                Piece {
                    slice: buffer.slice(begin..end),
                    first_element: first_byte / element_bytes,
                    data_bytes: host_size(data_bytes.min(end - begin)),
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_divided_into_buffers_that_fit() {
        let guard = GUARD_WORDS * WORD_BYTES;
        let buffers =
            |elements, bytes| Layout::new(elements, 4, bytes + guard).buffers().collect::<Vec<_>>();
        assert_eq!(buffers(0, 64), [0u64; 0]);
        assert_eq!(buffers(1, 64), [1]);
        assert_eq!(buffers(16, 64), [4]);
        assert_eq!(buffers(17, 64), [4, 1]);
        assert_eq!(buffers(40, 64), [4, 4, 2]);
        // Past 2^32 bytes, in buffers of just under 2 GiB as on NVIDIA.
        let large = Layout::new((1 << 30) + 5, 4, (1 << 31) - 4);
        assert_eq!(large.buffers().sum::<u64>(), (1 << 28) + 2);
        assert!(large.buffers().all(|words| (words + GUARD_WORDS) * WORD_BYTES < 1 << 31));
    }

    #[test]
    fn a_size_that_no_counter_holds_does_not_wrap_to_a_small_one() {
        for elements in [1 << 62, (1 << 62) + 1, u64::MAX] {
            assert_eq!(Layout::new(elements, 4, 1 << 20).bytes(), u64::MAX);
        }
    }
}
