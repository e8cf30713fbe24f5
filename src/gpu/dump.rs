//! Writes what is compiled: a kernel's WGSL, and the SPIR-V that wgpu's Vulkan backend makes of it.
//! Tools that show a driver's machine code take that.
//!
//! Metal and DX12 get another translation of the same WGSL.

use std::fs;
use std::path::{Path, PathBuf};

use naga::ShaderStage;
use naga::back::spv::{
    Capability, Options, PipelineOptions, WriterFlags, ZeroInitializeWorkgroupMemoryMode,
};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use sha2::{Digest, Sha256};

use super::shape::ShaderChecks;
use crate::error::{Error, Result};

/// The SHA-256 of a shader's text in hexadecimal. It covers neither the shape nor run-time checks:
/// a report has those beside it.
pub fn wgsl_sha256(wgsl: &str) -> String {
    Sha256::digest(wgsl).iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

/// A folder that receives shaders.
#[derive(Debug)]
pub struct Dump {
    dir: PathBuf,
}

impl Dump {
    /// Makes the folder. Files of the same names are replaced later on, others stay.
    pub fn into(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let refused =
            |error| Error::Usage(format!("shaders can't be written to {}: {error}", dir.display()));
        fs::create_dir_all(&dir).map_err(refused)?;
        let trial = dir.join(".actbench-dump");
        fs::write(&trial, []).and_then(|()| fs::remove_file(&trial)).map_err(refused)?;
        Ok(Self { dir })
    }

    /// Writes a shader's text and its SPIR-V in little-endian words. Returns [`wgsl_sha256`] of the
    /// text. `constants` are the values of overrides.
    ///
    /// Files are named after the kernel's path and the constants, `-checked` for run-time checks:
    /// `forward-f32-copy-plain.wgsl`, `forward-f32-copy-plain-256x1.spv`.
    pub fn write(
        &self,
        path: &str,
        wgsl: &str,
        constants: &[(&str, f64)],
        checks: ShaderChecks,
    ) -> Result<String> {
        let values: Vec<String> = constants.iter().map(|(_, value)| value.to_string()).collect();
        let (name, shape) = (file_name(path), file_name(&values.join("x")));
        let suffix = if checks == ShaderChecks::Checked { "-checked" } else { "" };
        let words = spirv(path, wgsl, constants, checks)?;
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        self.put(&format!("{name}-{shape}{suffix}.spv"), &bytes)?;
        self.put(&format!("{name}.wgsl"), wgsl.as_bytes())?;
        Ok(wgsl_sha256(wgsl))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let file: &Path = &self.dir.join(name);
        fs::write(file, bytes).map_err(|error| {
            Error::Machine(format!("{} can't be written: {error}", file.display()))
        })
    }
}

/// A name that every file system takes.
fn file_name(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c), "-")
}

/// The SPIR-V that wgpu's Vulkan backend hands to the driver for a compute shader's `main`: by the
/// same compiler with the same options (wgpu-hal 30, `vulkan/adapter.rs` and `vulkan/device.rs`).
///
/// wgpu's own differs
/// - before Vulkan 1.3: an older version of SPIR-V;
/// - without robustBufferAccess2, of a checked shader: the index of every access to a buffer is
///   clamped as well;
/// - with storageInputOutput16: one more capability in shaders that compute in f16;
/// - with `WGPU_DEBUG=1`: names and the source text in the module.
pub fn spirv(
    path: &str,
    wgsl: &str,
    constants: &[(&str, f64)],
    checks: ShaderChecks,
) -> Result<Vec<u32>> {
    let refused = |message: String| Error::Compile { kernel: path.to_owned(), message };
    let module =
        naga::front::wgsl::parse_str(wgsl).map_err(|error| refused(error.emit_to_string(wgsl)))?;
    // All that a kernel may need. Whether an adapter has it leaves no trace in the SPIR-V.
    let capabilities = Capabilities::SHADER_FLOAT16 | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|error| refused(error.emit_to_string(wgsl)))?;

    let constants = constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let entry = (ShaderStage::Compute, "main");
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, Some(entry), &constants)
            .map_err(|error| refused(error.to_string()))?;
    let pipeline = PipelineOptions { shader_stage: entry.0, entry_point: entry.1.to_owned() };
    naga::back::spv::write_vec(&module, &info, &options(checks), Some(&pipeline))
        .map_err(|error| refused(error.to_string()))
}

/// What wgpu-hal sets for such a shader. The other options concern images, ray tracing and meshes.
/// Bindings keep their numbers: wgpu numbers those of a group from 0 without gaps, as shaders here
/// do.
fn options(checks: ShaderChecks) -> Options<'static> {
    let checked = checks == ShaderChecks::Checked;
    let index = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    Options {
        lang_version: (1, 6),
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(
            [Capability::Shader, Capability::Matrix, Capability::Float16].into_iter().collect(),
        ),
        bounds_check_policies: BoundsCheckPolicies { index, ..BoundsCheckPolicies::default() },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::Native,
        force_loop_bounding: checked,
        use_storage_input_output_16: false,
        emit_int_div_checks: checked,
        ..Options::default()
    }
}
