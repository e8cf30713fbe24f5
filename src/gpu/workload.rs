//! A kernel or a chain with a shape, bound to tensors: what is dispatched.

use std::borrow::Cow;

use super::device::Gpu;
use super::pipeline::{Dispatch, Recorded};
use super::shape::{ShaderChecks, Shape};
use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::kernels::chain::Chain;
use crate::kernels::kernel::{Kernel, Role};

/// A kernel or a chain, ready to be dispatched over its tensors.
pub struct Workload {
    /// What is dispatched.
    pub shader: Shader,
    /// Elements of each tensor.
    pub elements: u64,
    pipeline: wgpu::ComputePipeline,
    /// One per buffer of the tensors.
    dispatches: Vec<Dispatch>,
}

/// What is compiled, and what has to be known of it to bind tensors.
#[derive(Clone)]
pub struct Shader {
    /// What it computes, as the path of its kernel or chain.
    pub path: String,
    /// How.
    pub shape: Shape,
    /// Its tensors in the order of bindings.
    roles: &'static [Role],
    words_per_unit: u64,
    /// What stands in the uniform behind the number of words.
    arguments: [u32; 5],
}

impl Recorded for Workload {
    fn path(&self) -> &str {
        &self.shader.path
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

impl Shader {
    fn of_chain(chain: &Chain, steps: u32, shape: Shape) -> Self {
        Self {
            path: chain.id(steps),
            shape: Shape { words_per_invocation: chain.words, ..shape },
            roles: chain.tensors(),
            words_per_unit: 1,
            arguments: [
                steps / chain.unroll,
                steps % chain.unroll,
                chain.factor.to_bits(),
                chain.again.unwrap_or_default().to_bits(),
                0,
            ],
        }
    }
}

impl Gpu {
    /// Compiles the kernel and binds it: `tensors` in the order of [`Kernel::tensors`], in the
    /// layouts that [`super::Layout::of`] gives. A text that stands in for the kernel's own WGSL,
    /// as tests plant faults, is always checked. It has to use all tensors and the parameters.
    ///
    /// # Panics
    /// If the tensors are not those that the kernel asks for.
    pub fn workload(
        &self,
        kernel: &Kernel,
        wgsl: Option<&str>,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        self.supports(kernel)?;
        let (wgsl, checks) = match wgsl {
            Some(wgsl) => (Cow::from(wgsl), ShaderChecks::Checked),
            None => (kernel.wgsl().into(), checks),
        };
        let shader = Shader {
            path: kernel.path(),
            shape,
            roles: kernel.tensors(),
            words_per_unit: kernel.words_per_unit(),
            arguments: [0; 5],
        };
        self.compile_and_bind(shader, &wgsl, checks, tensors)
    }

    /// What was compiled, bound to other tensors.
    ///
    /// # Panics
    /// As [`Gpu::workload`].
    pub fn workload_on(&self, compiled: &Workload, tensors: &[&Tensor]) -> Result<Workload> {
        self.bind(compiled.shader.clone(), compiled.pipeline.clone(), tensors)
    }

    /// Compiles a chain's own WGSL, or a text that stands in for it, and binds it to take no step:
    /// `tensors` in the order of [`Chain::tensors`].
    ///
    /// # Panics
    /// If the tensors have different layouts.
    pub fn chain_workload(
        &self,
        chain: &Chain,
        wgsl: &str,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        self.compile_and_bind(Shader::of_chain(chain, 0, shape), wgsl, checks, tensors)
    }

    /// A chain that was compiled, bound to take so many steps.
    pub fn chain_workload_on(
        &self,
        compiled: &Workload,
        chain: &Chain,
        steps: u32,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let shader = Shader::of_chain(chain, steps, compiled.shader.shape);
        self.bind(shader, compiled.pipeline.clone(), tensors)
    }

    fn compile_and_bind(
        &self,
        shader: Shader,
        wgsl: &str,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let (size, most) = (shader.shape.workgroup_size, self.facts.max_workgroup_size);
        if size > most {
            return Err(Error::Unsupported(format!("workgroups of {size} exceed {most}")));
        }
        let constants = shader.shape.constants(shader.words_per_unit);
        let pipeline = self.compile(&shader.path, wgsl, &constants, checks)?;
        self.bind(shader, pipeline, tensors)
    }

    fn bind(
        &self,
        shader: Shader,
        pipeline: wgpu::ComputePipeline,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let Shader { path, shape, roles, words_per_unit, arguments } = &shader;
        assert_eq!(roles.len(), tensors.len(), "{path} takes {roles:?}");
        let layout = tensors[0].layout;
        let mut fit = roles.iter().zip(tensors);
        let fit = fit.all(|(role, tensor)| tensor.layout == layout.of(*role, *words_per_unit));
        assert!(fit, "tensors of different layouts");
        let mut dispatches = Vec::new();
        for (index, words) in layout.buffers().enumerate() {
            let most = self.facts.max_workgroups_per_dimension;
            let workgroups = shape.grid(words, *words_per_unit, most).ok_or_else(|| {
                let message = format!("{words} words are more than a dispatch of {shape:?} covers");
                Error::Unsupported(message)
            })?;
            let words = u32::try_from(words).expect("a layout divides them");
            let params = self.parameters(&[&[words], &arguments[..]].concat())?;
            let tensors = tensors.iter().map(|tensor| &tensor.buffers[index]);
            let buffers = (0..).zip(std::iter::once(&params).chain(tensors));
            dispatches.push(self.dispatch(path, &pipeline, buffers, workgroups)?);
        }
        Ok(Workload { shader, elements: layout.elements, pipeline, dispatches })
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
