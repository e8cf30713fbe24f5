//! WGSL made ready to run: compiled, bound to buffers, recorded into a pass.

use super::device::Gpu;
use super::shape::ShaderChecks;
use crate::error::{Error, Result};

/// What a pass can consist of.
pub trait Recorded {
    /// What it is called in messages.
    fn path(&self) -> &str;

    /// Records it so many times.
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, times: u32);
}

/// Buffers bound to a pipeline, and how many workgroups get them.
#[derive(Clone)]
pub(super) struct Dispatch {
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Dispatch {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

impl Gpu {
    /// Compiles the entry point `main` of a text. Bindings are those that it uses; what it only
    /// reads is bound read-only, so that no barrier is put between dispatches on its account.
    pub(super) fn compile(
        &self,
        path: &str,
        wgsl: &str,
        constants: &[(&str, f64)],
        checks: ShaderChecks,
    ) -> Result<wgpu::ComputePipeline> {
        let compiled = self.scoped(|| {
            let module = self.shader_module(path, wgsl, checks);
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(path),
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Shaders here write workgroup memory before they read it.
                    zero_initialize_workgroup_memory: checks == ShaderChecks::Checked,
                },
                cache: None,
            })
        });
        compiled
            .map_err(|error| Error::Compile { kernel: path.to_owned(), message: error.to_string() })
    }

    #[expect(
        unsafe_code,
        reason = "the one place where shaders are created without wgpu's run-time checks"
    )]
    fn shader_module(&self, label: &str, wgsl: &str, checks: ShaderChecks) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        };
        match checks {
            ShaderChecks::Checked => self.device.create_shader_module(descriptor),
            // SAFETY: the shaders in this crate index tensors only below `params.words`, which is
            // what was bound, and their loops end after a number of steps that is a constant, an
            // override or a parameter. Those of `claims/` index below their parameters, which
            // `claims` takes from the buffers it binds, in whole words of 16 bytes as these are.
            // Text from elsewhere is compiled with checks.
            ShaderChecks::Trusted => unsafe {
                self.device.create_shader_module_trusted(
                    descriptor,
                    wgpu::ShaderRuntimeChecks::unchecked(),
                )
            },
        }
    }

    /// Binds buffers, each by its number in the text.
    pub(super) fn dispatch<'a>(
        &self,
        path: &str,
        pipeline: &wgpu::ComputePipeline,
        buffers: impl Iterator<Item = (u32, &'a wgpu::Buffer)>,
        workgroups: [u32; 3],
    ) -> Result<Dispatch> {
        let entries: Vec<_> = buffers
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bound = self.scoped(|| {
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(path),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        });
        match bound {
            Ok(bind_group) => Ok(Dispatch { bind_group, workgroups }),
            Err(error) => {
                // Nothing made on a lost device can be bound: then that is what to say.
                self.wait()?;
                Err(Error::Machine(format!("{path} can't be bound: {error}")))
            }
        }
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// A pass of its own, repeated `times` times within it.
    pub(super) fn pass_of(&self, work: &impl Recorded, times: u32) -> wgpu::CommandBuffer {
        let mut encoder = self.encoder();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        work.record(&mut pass, times);
        drop(pass);
        encoder.finish()
    }
}
