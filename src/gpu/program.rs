//! Any WGSL of this crate over buffers of 32-bit words: what experiments are made of that are no kernel of the table.
//!
//! A [`Program`] is compiled WGSL, a [`Step`] a program bound to buffers, a [`Sequence`] steps one after the other in one pass. The binding 0 of a
//! program has its parameters, if it has any; its buffers are bound from 1 on. Text and steps are trusted: they are written in this
//! crate, and index no further than their parameters allow, which are the sizes of the buffers that they are bound to, in whole words of 16 bytes.
//!
//! Parameters are read-only storage in the texts of experiments, and no uniform as in those of kernels: lavapipe (Mesa 22.3) compiles a program whose
//! loops end with a uniform anew for its value, and where one sequence alternates such programs, each time that one is bound. A training step of
//! eight layers took nine times as long.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytemuck::{AnyBitPattern, NoUninit};

use super::workload::host_size;
use super::{Gpu, ShaderChecks};
use crate::error::{Error, Result};

/// Buffers and parameters are whole words of 16 bytes: what a vector load and a uniform's alignment ask for.
const ALIGNMENT: u64 = 16;

/// Submissions are kept about as short, since drivers end what runs for seconds.
const SUBMISSION: Duration = Duration::from_millis(100);

/// Bytes that go up at a time.
const PIECE_BYTES: usize = 16 << 20;

/// WGSL that was compiled, its override constants set.
pub struct Program {
    /// What it is called in messages.
    pub path: String,
    pipeline: wgpu::ComputePipeline,
}

/// What was compiled on a device, by all that it was compiled from: text, constants, whether it is checked. An experiment asks for the same
/// programs for each of its nets.
pub(super) type Programs =
    Mutex<HashMap<(String, Vec<(String, u64)>, ShaderChecks), wgpu::ComputePipeline>>;

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
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// Steps that are recorded one after the other into one pass. A step sees what those before it wrote.
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

    /// Records it so many times.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, times: u32) {
        for _ in 0..times {
            for step in &self.steps {
                pass.set_pipeline(&step.pipeline);
                pass.set_bind_group(0, &step.bind_group, &[]);
                let [x, y, z] = step.workgroups;
                pass.dispatch_workgroups(x, y, z);
            }
        }
    }
}

impl Gpu {
    /// Compiles the entry point `main` of a text, or takes what was compiled of it before.
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
        if let Some(pipeline) = known {
            return Ok(Program { path: path.to_owned(), pipeline });
        }
        let compiled = self.scoped(|| {
            let module = self.shader_module(path, wgsl, checks);
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(path),
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Workgroup memory is written before it is read.
                    zero_initialize_workgroup_memory: checks == ShaderChecks::Checked,
                },
                cache: None,
            })
        });
        let pipeline = compiled.map_err(|error| Error::Compile {
            kernel: path.to_owned(),
            message: error.to_string(),
        })?;
        self.programs.lock().expect("no panic while held").insert(key, pipeline.clone());
        Ok(Program { path: path.to_owned(), pipeline })
    }

    /// A buffer of so many words, all zero. It ends with whole words of 16 bytes, of which those beyond `words` stay zero: a shader may read them.
    pub fn buffer(&self, label: &str, words: usize) -> Result<Buffer> {
        let size = (words as u64 * 4).next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        if size > self.max_buffer_bytes() {
            let most = self.max_buffer_bytes();
            return Err(Error::Unsupported(format!(
                "{label} takes {size} bytes, and a buffer holds {most}"
            )));
        }
        self.ensure_room(size)?;
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let buffer = self.scoped(|| self.device.create_buffer(&descriptor)).map_err(|error| {
            Error::Unsupported(format!(
                "{} has no room for {label}, {size} bytes: {error}",
                self.facts.name
            ))
        })?;
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
        for (index, piece) in bytemuck::cast_slice::<T, u8>(words).chunks(PIECE_BYTES).enumerate() {
            self.queue.write_buffer(&buffer.buffer, (index * PIECE_BYTES) as u64, piece);
            // Frees the staging memory of this piece before the next asks for some.
            self.queue.submit([]);
        }
        self.wait()
    }

    /// Reads all words of a buffer, after what was submitted before.
    pub fn load<T: AnyBitPattern>(&self, buffer: &Buffer) -> Result<Vec<T>> {
        assert_eq!(size_of::<T>(), 4, "words");
        let bytes = buffer.buffer.size();
        let staging = self.staging(bytes)?;
        let mut words = Vec::new();
        self.read_bytes(&buffer.buffer, 0, bytes, &staging, |bytes| {
            words.extend(
                bytes.chunks_exact(4).take(buffer.words).map(bytemuck::pod_read_unaligned::<T>),
            );
            Ok(())
        })?;
        Ok(words)
    }

    /// A program bound to its buffers in the order of their bindings, with the words of its parameters, if it has any.
    pub fn step(
        &self,
        program: &Program,
        buffers: &[&Buffer],
        params: &[u32],
        workgroups: [u32; 3],
    ) -> Result<Step> {
        let most = self.facts.max_workgroups_per_dimension;
        if workgroups.iter().any(|count| *count > most) {
            let path = &program.path;
            return Err(Error::Unsupported(format!(
                "{path} takes {workgroups:?} workgroups, of which {most} are allowed"
            )));
        }
        let params = (!params.is_empty()).then(|| {
            let mut words = params.to_vec();
            words.resize(params.len().next_multiple_of(host_size(ALIGNMENT / 4)), 0);
            self.parameters(&words)
        });
        let params = params.iter().map(|params| (0, params));
        let entries: Vec<_> = params
            .chain((1..).zip(buffers.iter().map(|buffer| &buffer.buffer)))
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bind_group = self
            .scoped(|| {
                self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(&program.path),
                    layout: &program.pipeline.get_bind_group_layout(0),
                    entries: &entries,
                })
            })
            .map_err(|error| Error::Machine(format!("{} can't be bound: {error}", program.path)))?;
        Ok(Step { pipeline: program.pipeline.clone(), bind_group, workgroups })
    }

    /// Runs a sequence so many times, one after the other, and waits for it.
    pub fn run_sequence(&self, sequence: &Sequence, times: u32) -> Result<()> {
        let mut left = times;
        let mut at_once = 1;
        while left > 0 {
            let now = at_once.min(left);
            let began = Instant::now();
            let mut encoder =
                self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            sequence.encode(&mut pass, now);
            drop(pass);
            self.queue.submit([encoder.finish()]);
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
