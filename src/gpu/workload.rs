//! A kernel with a shape, bound to tensors: what is dispatched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Gpu, Tensor};
use crate::error::{Error, Result};
use crate::kernels::chain::{Chain, Start};
use crate::kernels::kernel::{Kernel, Role};

/// How a kernel's words are spread over invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// 16-byte words that an invocation owns.
    pub words_per_invocation: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { workgroup_size: 256, words_per_invocation: 1 }
    }
}

/// Whether wgpu adds its run-time checks to a shader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShaderChecks {
    /// No checks: what is timed. The loops and indices of these shaders are bounded by construction.
    #[default]
    Trusted,
    /// Bounds of every access and of every loop are checked, as a web page's shader would be.
    Checked,
}

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

struct Dispatch {
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

impl Gpu {
    /// Compiles the kernel and binds it: `tensors` in the order of [`Kernel::tensors`], in the layouts that [`super::Layout::of`] gives.
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
        self.bind(kernel, &kernel.wgsl(), shape, checks, tensors)
    }

    /// [`Gpu::workload`] of a WGSL text that stands in for the kernel's own, always checked: how tests plant faults.
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
        self.bind(kernel, wgsl, shape, ShaderChecks::Checked, tensors)
    }

    fn bind(
        &self,
        kernel: Kernel,
        wgsl: &str,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        self.supports(&kernel)?;
        assert_fit(&kernel, tensors);
        self.bind_program(&Source::of_kernel(&kernel, wgsl), shape, checks, tensors)
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
        self.bind_tensors(
            compiled.pipeline.clone(),
            &Source::of_kernel(&kernel, ""),
            compiled.shape,
            tensors,
        )
    }

    /// Compiles a chain's own WGSL, or a text that stands in for it, and binds it to runner `steps` steps: `tensors` are y, x and, where the
    /// runner begins there, the saved tensor.
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
        assert!(
            tensors.iter().all(|tensor| tensor.layout == layout),
            "tensors of different layouts"
        );
        let program = Source::of_chain(chain, wgsl, steps);
        let shape = Shape { words_per_invocation: chain.words, ..shape };
        self.bind_program(&program, shape, checks, tensors)
    }

    /// A chain that was compiled, bound to runner another number of steps.
    pub fn chain_workload_on(
        &self,
        compiled: &Workload,
        chain: &Chain,
        steps: u32,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let program = Source::of_chain(chain, "", steps);
        self.bind_tensors(compiled.pipeline.clone(), &program, compiled.shape, tensors)
    }

    fn bind_program(
        &self,
        program: &Source<'_>,
        shape: Shape,
        checks: ShaderChecks,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        if shape.workgroup_size > self.facts.max_workgroup_size {
            let most = self.facts.max_workgroup_size;
            return Err(Error::Unsupported(format!(
                "workgroups of {} exceed {most}",
                shape.workgroup_size
            )));
        }
        let pipeline = self.pipeline(program, shape, checks)?;
        self.bind_tensors(pipeline, program, shape, tensors)
    }

    fn bind_tensors(
        &self,
        pipeline: wgpu::ComputePipeline,
        program: &Source<'_>,
        shape: Shape,
        tensors: &[&Tensor],
    ) -> Result<Workload> {
        let layout = tensors[0].layout;
        let bind_group_layout = pipeline.get_bind_group_layout(0);
        let mut dispatches = Vec::new();
        for (index, words) in layout.buffers().enumerate() {
            let params = self.params(words, program.arguments)?;
            let entries =
                std::iter::once(&params).chain(tensors.iter().map(|tensor| &tensor.buffers[index]));
            let entries: Vec<_> = (0u32..)
                .zip(entries)
                .map(|(binding, buffer)| wgpu::BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("tensors"),
                layout: &bind_group_layout,
                entries: &entries,
            });
            let units = words.div_ceil(program.words_per_unit);
            let in_units = shape.for_units_of(program.words_per_unit);
            let workgroups = grid(units, in_units, self.facts.max_workgroups_per_dimension)
                .ok_or_else(|| {
                    Error::Unsupported(format!(
                        "{units} units are more than one dispatch of {in_units:?} covers"
                    ))
                })?;
            dispatches.push(Dispatch { bind_group, workgroups });
        }
        Ok(Workload {
            path: program.path.clone(),
            elements: layout.elements,
            shape,
            pipeline,
            dispatches,
        })
    }

    /// Dispatches a workload once and waits for it.
    pub fn run(&self, workload: &Workload) -> Result<()> {
        self.start(workload);
        self.wait()
    }

    /// Dispatches a workload once, without waiting.
    pub fn start(&self, workload: &Workload) {
        let mut encoder =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        workload.encode(&mut pass, 1);
        drop(pass);
        self.queue.submit([encoder.finish()]);
    }

    fn bind_group_layout(&self, written: &[bool]) -> wgpu::BindGroupLayout {
        // Inputs are read-only, so that no barrier is put between dispatches on their account.
        let dtype =
            written.iter().map(|written| wgpu::BufferBindingType::Storage { read_only: !written });
        let entries: Vec<_> = (0u32..)
            .zip(std::iter::once(wgpu::BufferBindingType::Uniform).chain(dtype))
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

    fn pipeline(
        &self,
        program: &Source<'_>,
        shape: Shape,
        checks: ShaderChecks,
    ) -> Result<wgpu::ComputePipeline> {
        let path = &program.path;
        let bind_group_layout = self.bind_group_layout(&program.written);
        let compiled = self.scoped(|| {
            let module = self.shader_module(path, program.wgsl, checks);
            let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(path),
                bind_group_layouts: &[Some(&bind_group_layout)],
                immediate_size: 0,
            });
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(path),
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &shape.constants(program.words_per_unit),
                    ..wgpu::PipelineCompilationOptions::default()
                },
                cache: None,
            })
        });
        compiled
            .map_err(|error| Error::Compile { kernel: path.clone(), message: error.to_string() })
    }

    #[expect(
        unsafe_code,
        reason = "the one place where shaders are created without wgpu's run-time checks"
    )]
    pub(super) fn shader_module(
        &self,
        label: &str,
        wgsl: &str,
        checks: ShaderChecks,
    ) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        };
        match checks {
            ShaderChecks::Checked => self.device.create_shader_module(descriptor),
            // SAFETY: the shaders in this crate index tensors only below `params.words`, which is what was bound, and their
            // loops end after a number of steps that is a constant, an override or a parameter. Those of `claims/` index below
            // their parameters, which `claims` takes from the buffers it binds, in whole words of 16 bytes as these are. Text from elsewhere is compiled with checks.
            ShaderChecks::Trusted => unsafe {
                self.device.create_shader_module_trusted(
                    descriptor,
                    wgpu::ShaderRuntimeChecks::unchecked(),
                )
            },
        }
    }

    /// The uniform of one dispatch.
    fn params(&self, words: u64, [unrolled, rest, factor]: [u32; 3]) -> Result<wgpu::Buffer> {
        let words = u32::try_from(words)
            .map_err(|_| Error::Unsupported(format!("{words} words in one buffer")))?;
        Ok(self.parameters(&[words, unrolled, rest, factor]))
    }

    /// These words, which are whole words of 16 bytes, as a uniform or as read-only storage.
    pub(super) fn parameters(&self, words: &[u32]) -> wgpu::Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::UNIFORM
                | wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }
}

impl Shape {
    /// The shape in units of so many words, as many words as they hold or the next larger number.
    fn for_units_of(self, words_per_unit: u64) -> Self {
        let words_per_unit = u32::try_from(words_per_unit).expect("a handful");
        Self { words_per_invocation: self.words_per_invocation.div_ceil(words_per_unit), ..self }
    }

    /// What it makes of the override constants of a driver whose units have so many words.
    pub fn constants(self, words_per_unit: u64) -> [(&'static str, f64); 2] {
        let units = self.for_units_of(words_per_unit).words_per_invocation;
        [
            ("workgroup_size", f64::from(self.workgroup_size)),
            ("units_per_invocation", f64::from(units)),
        ]
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

/// Workgroups for `words` words (or units): rows of equal length, since one dimension holds no more than 65,535 on most adapters and a
/// full row followed by a short one would leave up to half of the grid idle. None if the grid can't cover them.
fn grid(words: u64, shape: Shape, most: u32) -> Option<[u32; 2]> {
    let per_workgroup = u64::from(shape.workgroup_size) * u64::from(shape.words_per_invocation);
    let workgroups = words.div_ceil(per_workgroup);
    let rows = workgroups.div_ceil(u64::from(most)).max(1);
    let columns = workgroups.div_ceil(rows);
    Some([u32::try_from(columns).ok()?, u32::try_from(rows).ok().filter(|rows| *rows <= most)?])
}

impl Workload {
    /// Records `times` dispatches over all of its buffers.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, times: u32) {
        pass.set_pipeline(&self.pipeline);
        for _ in 0..times {
            for dispatch in &self.dispatches {
                pass.set_bind_group(0, &dispatch.bind_group, &[]);
                let [x, y] = dispatch.workgroups;
                pass.dispatch_workgroups(x, y, 1);
            }
        }
    }
}

/// A size on the device as a size on the host.
///
/// # Panics
/// On a host whose memory can't be addressed by 64 bits, for sizes that it can't hold.
pub(super) fn host_size(bytes: u64) -> usize {
    usize::try_from(bytes).expect("sizes of pieces fit the host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_covers_every_word_with_little_idle() {
        let shape = Shape { workgroup_size: 1, words_per_invocation: 1 };
        assert_eq!(grid(1, shape, 65_535), Some([1, 1]));
        assert_eq!(grid(65_535, shape, 65_535), Some([65_535, 1]));
        assert_eq!(grid(65_536, shape, 65_535), Some([32_768, 2]));
        for words in [65_537, 1 << 20, (1 << 27) - 64] {
            for (workgroup_size, words_per_invocation) in [(1, 1), (64, 1), (256, 4), (1024, 16)] {
                let shape = Shape { workgroup_size, words_per_invocation };
                let [x, y] = grid(words, shape, 65_535).expect("fits");
                let groups = u64::from(x) * u64::from(y);
                let per_group = u64::from(workgroup_size * words_per_invocation);
                assert!(groups * per_group >= words, "{words} {shape:?}");
                assert!(
                    groups - words.div_ceil(per_group) < u64::from(y),
                    "{words} {shape:?}: idle workgroups"
                );
                assert!(x <= 65_535 && y <= 65_535);
                // The shader counts invocations in u32.
                assert!(u32::try_from(groups * per_group).is_ok(), "{words} {shape:?}");
            }
        }
        assert_eq!(grid(1 << 33, shape, 65_535), None);
    }
}
