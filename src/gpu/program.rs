//! Any WGSL of this crate over buffers of 32-bit words: what experiments are made of that are no
//! kernel of the table.
//!
//! A [`Program`] is compiled WGSL, a [`Step`] a program bound to buffers, a [`Sequence`] steps one
//! after the other in one pass. Binding 0 of a program has its parameters, if it has any; its
//! buffers are bound from 1 on. Text and steps are trusted: they are written in this crate and
//! index no further than their parameters allow. These are the sizes of the bound buffers, in whole
//! words of 16 bytes.
//!
//! Parameters are read-only storage here, and no uniform as with kernels: lavapipe (Mesa 22.3)
//! compiles a program whose loops end with a uniform anew for its value. Where a sequence
//! alternates such programs, it does so at each binding; a training step of eight layers took nine
//! times as long.

use std::time::{Duration, Instant};

use bytemuck::{AnyBitPattern, NoUninit};

use super::device::Gpu;
use super::memory::{PIECE_BYTES, WORD_BYTES, host_size};
use super::pipeline::{Dispatch, Recorded};
use super::shape::ShaderChecks;
use crate::error::{Error, Result};

/// Submissions are kept about as short, since drivers end what runs for seconds.
const SUBMISSION: Duration = Duration::from_millis(100);

/// WGSL that was compiled, its override constants set.
pub struct Program {
    /// What it is called in messages.
    pub path: String,
    pipeline: wgpu::ComputePipeline,
}

/// Device memory of 32-bit words, f32 or u32.
pub struct Buffer {
    /// Words.
    pub words: usize,
    buffer: wgpu::Buffer,
}

/// A program bound to buffers, with the number of workgroups to dispatch.
#[derive(Clone)]
pub struct Step {
    pipeline: wgpu::ComputePipeline,
    dispatch: Dispatch,
}

/// Steps that are recorded one after the other into one pass. A step sees what those before it
/// wrote.
#[derive(Clone)]
pub struct Sequence {
    /// What it is called in messages.
    pub path: String,
    steps: Vec<Step>,
}

impl Sequence {
    /// Steps in their order.
    pub fn new(path: impl Into<String>, steps: Vec<Step>) -> Self {
        Self { path: path.into(), steps }
    }
}

impl Recorded for Sequence {
    fn path(&self) -> &str {
        &self.path
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>, times: u32) {
        for _ in 0..times {
            for step in &self.steps {
                pass.set_pipeline(&step.pipeline);
                step.dispatch.record(pass);
            }
        }
    }
}

impl Gpu {
    /// Compiles the entry point `main` of a text, or takes what was compiled of it before: an
    /// experiment asks for the same programs for each of its nets.
    pub(crate) fn program(
        &self,
        path: &str,
        wgsl: &str,
        constants: &[(&str, f64)],
        checks: ShaderChecks,
    ) -> Result<Program> {
        let constants_by_bits =
            constants.iter().map(|(name, value)| ((*name).to_owned(), value.to_bits())).collect();
        let key = (wgsl.to_owned(), constants_by_bits, checks);
        let known = self.programs.lock().expect("no panic while held").get(&key).cloned();
        let pipeline = if let Some(pipeline) = known {
            pipeline
        } else {
            let pipeline = self.compile(path, wgsl, constants, checks)?;
            self.programs.lock().expect("no panic while held").insert(key, pipeline.clone());
            pipeline
        };
        Ok(Program { path: path.to_owned(), pipeline })
    }

    /// A buffer of so many words, all zero. It ends with whole words of 16 bytes, of which those
    /// beyond `words` stay zero: a shader may read them.
    pub fn buffer(&self, label: &str, words: usize) -> Result<Buffer> {
        let size = (words as u64 * 4).next_multiple_of(WORD_BYTES).max(WORD_BYTES);
        let most = self.max_buffer_bytes();
        if size > most {
            return Err(Error::Unsupported(format!(
                "{label} takes {size} bytes, and a buffer holds {most}"
            )));
        }
        self.ensure_room(size)?;
        let buffer = self.storage(label, size, wgpu::BufferUsages::empty())?;
        Ok(Buffer { words, buffer })
    }

    /// A buffer of these words.
    pub fn buffer_of<T: NoUninit>(&self, label: &str, words: &[T]) -> Result<Buffer> {
        let buffer = self.buffer(label, words.len())?;
        self.store(&buffer, words)?;
        Ok(buffer)
    }

    /// Writes all words of a buffer. What is submitted later sees them.
    ///
    /// # Panics
    /// If these are not as many words as the buffer has.
    pub fn store<T: NoUninit>(&self, buffer: &Buffer, words: &[T]) -> Result<()> {
        assert_eq!((words.len(), size_of::<T>()), (buffer.words, 4), "all words of the buffer");
        let bytes = bytemuck::cast_slice::<T, u8>(words);
        for (index, piece) in (0u64..).zip(bytes.chunks(host_size(PIECE_BYTES))) {
            self.write_piece(buffer.buffer.slice(index * PIECE_BYTES..), piece)?;
        }
        Ok(())
    }

    /// Reads all words of a buffer, after what was submitted before.
    pub fn load<T: AnyBitPattern>(&self, buffer: &Buffer) -> Result<Vec<T>> {
        assert_eq!(size_of::<T>(), 4, "words");
        let staging = self.staging(buffer.buffer.size())?;
        self.read_piece(buffer.buffer.slice(..), &staging, |bytes| {
            let words = bytes.chunks_exact(4).take(buffer.words);
            words.map(bytemuck::pod_read_unaligned).collect()
        })
    }

    /// A program bound to its buffers in the order of their bindings, with the words of its
    /// parameters, if it has any.
    pub fn step(
        &self,
        program: &Program,
        buffers: &[&Buffer],
        params: &[u32],
        workgroups: [u32; 3],
    ) -> Result<Step> {
        let Program { path, pipeline } = program;
        let most = self.facts.max_workgroups_per_dimension;
        if workgroups.iter().any(|count| *count > most) {
            return Err(Error::Unsupported(format!(
                "{path} takes {workgroups:?} workgroups, of which {most} are allowed"
            )));
        }
        let params = if params.is_empty() { None } else { Some(self.parameters(params)?) };
        let bound = (1..).zip(buffers.iter().map(|buffer| &buffer.buffer));
        let bound = params.iter().map(|params| (0, params)).chain(bound);
        let dispatch = self.dispatch(path, pipeline, bound, workgroups)?;
        Ok(Step { pipeline: pipeline.clone(), dispatch })
    }

    /// Runs a sequence so many times, one after the other, and waits for it.
    pub fn run_sequence(&self, sequence: &Sequence, times: u32) -> Result<()> {
        let mut left = times;
        let mut at_once = 1;
        while left > 0 {
            let now = at_once.min(left);
            let began = Instant::now();
            self.queue.submit([self.pass_of(sequence, now)]);
            self.wait()?;
            left -= now;
            if began.elapsed() < SUBMISSION / 2 {
                at_once = at_once.saturating_mul(2);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;

    #[test]
    fn a_program_is_compiled_once_for_each_text_and_its_constants() {
        const TEXT: &str = "
            override number: u32 = 0u;
            @group(0) @binding(1) var<storage, read_write> y: array<u32>;
            @compute @workgroup_size(1)
            fn main() { y[0] = number; }
        ";
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let y = gpu.buffer("y", 1).expect("room");
        let gives = |text: &str, number: f64, checks| {
            let program =
                gpu.program("a number", text, &[("number", number)], checks).expect("it compiles");
            let step = gpu.step(&program, &[&y], &[], [1, 1, 1]).expect("it is bound");
            gpu.run_sequence(&Sequence::new("a number", vec![step]), 1).expect("the device works");
            (
                gpu.load::<u32>(&y).expect("the device works")[0],
                gpu.programs.lock().expect("no panic while held").len(),
            )
        };
        let other = TEXT.replace("= number", "= 10u * number");
        assert_eq!(gives(TEXT, 1.0, ShaderChecks::Trusted), (1, 1));
        assert_eq!(gives(TEXT, 2.0, ShaderChecks::Trusted), (2, 2));
        assert_eq!(gives(&other, 2.0, ShaderChecks::Trusted), (20, 3));
        assert_eq!(gives(TEXT, 1.0, ShaderChecks::Checked), (1, 4));
        assert_eq!(gives(TEXT, 1.0, ShaderChecks::Trusted), (1, 4));
    }
}
