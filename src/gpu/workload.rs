//! A kernel or a chain with a shape, bound to tensors: what is dispatched.

use super::device::Gpu;
use super::pipeline::{Dispatch, Recorded};
use super::shape::{ShaderChecks, Shape};
use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::kernels::chain::{Chain, Start};
use crate::kernels::kernel::{Kernel, Role};

/// A kernel or a chain, ready to be dispatched over its tensors.
pub struct Workload {
    /// What it computes, as the path of its kernel or chain.
    pub path: String,
    /// Elements of each tensor.
    pub elements: u64,
    /// How.
    pub shape: Shape,
    pipeline: wgpu::ComputePipeline,
    /// One per buffer of the tensors.
    dispatches: Vec<Dispatch>,
}

impl Recorded for Workload {
    fn path(&self) -> &str {
        &self.path
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>, times: u32) {
        pass.set_pipeline(&self.pipeline);
        for _ in 0..times {
            for dispatch in &self.dispatches {
                dispatch.record(pass);
            }
        }
    }
}

/// What is compiled: WGSL, and what has to be known of it to bind tensors.
struct Source<'a> {
    path: String,
    wgsl: &'a str,
    /// By tensor in the order of bindings, whether it is written.
    written: Vec<bool>,
    words_per_unit: u64,
    /// What stands in the uniform behind the number of words.
    arguments: [u32; 3],
}

impl<'a> Source<'a> {
    fn of_kernel(kernel: &Kernel, wgsl: &'a str) -> Self {
        Self {
            path: kernel.path(),
            wgsl,
            written: kernel.tensors().iter().map(|role| role.is_written()).collect(),
            words_per_unit: kernel.words_per_unit(),
            arguments: [0; 3],
        }
    }

    fn of_chain(chain: &Chain, wgsl: &'a str, steps: u32) -> Self {
        Self {
            path: chain.id(steps),
            wgsl,
            written: match chain.start {
                Start::X => vec![true, false],
                Start::Saved => vec![true, false, false],
            },
            words_per_unit: 1,
            arguments: [steps / chain.unroll, steps % chain.unroll, chain.factor.to_bits()],
        }
    }
}

impl Gpu {
    /// Compiles the kernel and binds it: `tensors` in the order of [`Kernel::tensors`], in the
    /// layouts that [`super::Layout::of`] gives.
    ///
    /// # Panics
    /// If the tensors are not those that the kernel asks for.
    pub fn workload(
        &self,
        kernel: Kernel,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        self.workload_from(kernel, &kernel.wgsl(), shape, checks, tensors)
    }

    /// [`Gpu::workload`] of a WGSL text that stands in for the kernel's own, always checked: how
    /// tests plant faults.
    ///
    /// # Panics
    /// As [`Gpu::workload`].
    pub fn workload_of(
        &self,
        kernel: Kernel,
        wgsl: &str,
        shape: Shape,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        self.workload_from(kernel, wgsl, shape, ShaderChecks::Checked, tensors)
    }

    fn workload_from(
        &self,
        kernel: Kernel,
        wgsl: &str,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        self.supports(&kernel)?;
        assert_fit(&kernel, tensors);
        self.compile_and_bind(Source::of_kernel(&kernel, wgsl), shape, checks, tensors)
    }

    /// A kernel that was compiled, bound to other tensors.
    ///
    /// # Panics
    /// As [`Gpu::workload`].
    pub fn workload_on(
        &self,
        compiled: &Workload,
        kernel: Kernel,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        assert_eq!(compiled.path, kernel.path(), "what was compiled is another kernel");
        assert_fit(&kernel, tensors);
        let source = Source::of_kernel(&kernel, "");
        self.bind(compiled.pipeline.clone(), source, compiled.shape, tensors)
    }

    /// Compiles a chain's own WGSL, or a text that stands in for it, and binds it to run `steps`
    /// steps: `tensors` are y, x and, where the chain begins there, the saved tensor.
    ///
    /// # Panics
    /// If the tensors have different layouts.
    pub fn chain_workload(
        &self,
        chain: &Chain,
        wgsl: &str,
        steps: u32,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let layout = tensors[0].layout;
        let fit = tensors.iter().all(|tensor| tensor.layout == layout);
        assert!(fit, "tensors of different layouts");
        let shape = Shape { words_per_invocation: chain.words, ..shape };
        self.compile_and_bind(Source::of_chain(chain, wgsl, steps), shape, checks, tensors)
    }

    /// A chain that was compiled, bound to run another number of steps.
    pub fn chain_workload_on(
        &self,
        compiled: &Workload,
        chain: &Chain,
        steps: u32,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let source = Source::of_chain(chain, "", steps);
        self.bind(compiled.pipeline.clone(), source, compiled.shape, tensors)
    }

    fn compile_and_bind(
        &self,
        source: Source<'_>,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let (size, most) = (shape.workgroup_size, self.facts.max_workgroup_size);
        if size > most {
            return Err(Error::Unsupported(format!("workgroups of {size} exceed {most}")));
        }
        let layout = self.layout_of(&source.written);
        let constants = shape.constants(source.words_per_unit);
        let pipeline =
            self.compile(&source.path, source.wgsl, Some(&layout), &constants, checks)?;
        self.bind(pipeline, source, shape, tensors)
    }

    /// The parameters, then the tensors.
    fn layout_of(&self, written: &[bool]) -> wgpu::BindGroupLayout {
        // Inputs are read-only, so that no barrier is put between dispatches on their account.
        let tensors =
            written.iter().map(|written| wgpu::BufferBindingType::Storage { read_only: !written });
        let entries: Vec<_> = (0u32..)
            .zip(std::iter::once(wgpu::BufferBindingType::Uniform).chain(tensors))
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("tensors"),
            entries: &entries,
        })
    }

    fn bind(
        &self,
        pipeline: wgpu::ComputePipeline,
        source: Source<'_>,
        shape: Shape,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let Source { path, words_per_unit, arguments: [unrolled, rest, factor], .. } = source;
        let layout = tensors[0].layout;
        let most = self.facts.max_workgroups_per_dimension;
        let too_many = |words| {
            Error::Unsupported(format!(
                "{words} words are more than a dispatch of {shape:?} covers"
            ))
        };
        let mut dispatches = Vec::new();
        for (index, words) in layout.buffers().enumerate() {
            let workgroups =
                shape.grid(words, words_per_unit, most).ok_or_else(|| too_many(words))?;
            let words = u32::try_from(words).map_err(|_| too_many(words))?;
            let params = self.parameters(&[words, unrolled, rest, factor])?;
            let tensors = tensors.iter().map(|tensor| &tensor.buffers[index]);
            let buffers = (0..).zip(std::iter::once(&params).chain(tensors));
            dispatches.push(self.dispatch(&path, &pipeline, buffers, workgroups)?);
        }
        Ok(Workload { path, elements: layout.elements, shape, pipeline, dispatches })
    }

    /// Dispatches a workload once and waits for it.
    pub fn run(&self, workload: &Workload) -> Result<()> {
        self.start(workload);
        self.wait()
    }

    /// Dispatches a workload once, without waiting.
    pub fn start(&self, workload: &Workload) {
        self.queue.submit([self.pass_of(workload, 1)]);
    }
}

/// That the tensors are those that the kernel asks for.
fn assert_fit(kernel: &Kernel, tensors: &[&Tensor]) {
    let roles = kernel.tensors();
    assert_eq!(roles.len(), tensors.len(), "{} takes {roles:?}", kernel.path());
    let layout = tensors[0].layout;
    let fits = |(role, tensor): (&Role, &&Tensor)| tensor.layout == layout.of(kernel, *role);
    assert!(roles.iter().zip(tensors).all(fits), "tensors of different layouts");
}
