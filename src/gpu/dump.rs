//! What is compiled, in files: the WGSL of a kernel and the SPIR-V that wgpu's Vulkan backend makes of it, for tools that show the machine
//! code of a driver, and for readers who want to know what was measured.
//!
//! Metal and DX12 get another translation of the same WGSL, so there the SPIR-V shows the same program, not what the driver got.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use naga::ShaderStage;
use naga::back::spv::{
    BindingInfo, Capability, Options, PipelineOptions, WriterFlags,
    ZeroInitializeWorkgroupMemoryMode,
};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use sha2::{Digest, Sha256};

use super::shape::ShaderChecks;
use crate::error::{Error, Result};

/// The entry point of every shader.
const ENTRY_POINT: &str = "main";

/// The SHA-256 of a shader's text, in hexadecimal: 64 digits.
///
/// It stands for the program as it is written: every function, binding and default of an `override`, and comments too. It does not cover
/// the shape (values given to overrides), run-time checks, or what naga and the driver make of the text; a report has those beside it.
pub fn wgsl_sha256(wgsl: &str) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(wgsl) {
        write!(digits, "{byte:02x}").expect("a string takes everything");
    }
    digits
}

/// A translation of a text: by run-time checks, and by what of them is left to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// Without wgpu's run-time checks.
    Trusted,
    /// With them, where the driver has robustBufferAccess2: loops are bounded. wgpu leaves it to the driver that accesses stay within buffers, and
    /// has it do so for trusted shaders too.
    Checked,
    /// With them, on other drivers: the index of every access to a buffer is clamped as well.
    Clamped,
}

impl Translation {
    /// Those that wgpu may make; it does not tell which drivers have robustBufferAccess2.
    pub fn of(checks: ShaderChecks) -> &'static [Self] {
        match checks {
            ShaderChecks::Trusted => &[Self::Trusted],
            ShaderChecks::Checked => &[Self::Checked, Self::Clamped],
        }
    }

    /// What tells files of different variants apart.
    fn suffix(self) -> &'static str {
        match self {
            Self::Trusted => "",
            Self::Checked => "-checked",
            Self::Clamped => "-clamped",
        }
    }
}

/// A folder that receives shaders.
#[derive(Debug)]
pub struct Dump {
    dir: PathBuf,
}

impl Dump {
    /// Makes the folder, and those above it, where it is not there yet. Files of the same names are replaced later on, others stay.
    pub fn into(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let refused =
            |error| Error::Usage(format!("shaders can't be written to {}: {error}", dir.display()));
        fs::create_dir_all(&dir).map_err(refused)?;
        let trial = dir.join(".actbench-dump");
        fs::write(&trial, []).and_then(|()| fs::remove_file(&trial)).map_err(refused)?;
        Ok(Self { dir })
    }

    /// Writes a shader's text, and its SPIR-V as little-endian words, and returns [`wgsl_sha256`] of the text. `path` is the kernel's, such as
    /// `forward/f32/sigmoid/two_sided`; `constants` are the values of overrides.
    ///
    /// The files are named after the path and, the SPIR-V, after the values of the constants and its [`Translation`]:
    /// `forward-f32-sigmoid-two_sided.wgsl`, `forward-f32-sigmoid-two_sided-256x1.spv`, and where the shader is checked, both
    /// `forward-f32-sigmoid-two_sided-256x1-checked.spv` and `forward-f32-sigmoid-two_sided-256x1-clamped.spv`, of which the driver gets one.
    pub fn write(
        &self,
        path: &str,
        wgsl: &str,
        constants: &[(&str, f64)],
        checks: ShaderChecks,
    ) -> Result<String> {
        let values: Vec<String> = constants.iter().map(|(_, value)| value.to_string()).collect();
        let (name, shape) = (file_name(path), file_name(&values.join("x")));
        for variant in Translation::of(checks) {
            let words = spirv(path, wgsl, constants, *variant)?;
            let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
            self.put(&format!("{name}-{shape}{}.spv", variant.suffix()), &bytes)?;
        }
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
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_.".contains(c) { c } else { '-' })
        .collect()
}

/// The SPIR-V that wgpu's Vulkan backend hands to the driver for a compute shader whose entry point is `main`: the same compiler with the
/// same options (wgpu-hal 30, `vulkan/adapter.rs` and `vulkan/device.rs`). `constants` are the values of overrides.
///
/// What wgpu takes from the driver and does not tell is a matter of the [`Translation`], or taken to be as on desktop drivers of today. It differs
/// - before Vulkan 1.3: an older version of SPIR-V;
/// - with storageInputOutput16: a declared capability more in shaders that compute in f16;
/// - with `WGPU_DEBUG=1`: names and the source text in the module.
pub fn spirv(
    path: &str,
    wgsl: &str,
    constants: &[(&str, f64)],
    variant: Translation,
) -> Result<Vec<u32>> {
    let refused = |message: String| Error::Compile { kernel: path.to_owned(), message };
    let module =
        naga::front::wgsl::parse_str(wgsl).map_err(|error| refused(error.emit_to_string(wgsl)))?;
    // All that a kernel may need. Whether an adapter has it is the device's matter and leaves no trace in the SPIR-V.
    let capabilities = Capabilities::SHADER_FLOAT16 | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|error| refused(error.emit_to_string(wgsl)))?;

    let constants = constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let entry = (ShaderStage::Compute, ENTRY_POINT);
    let (specialised, specialised_info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, Some(entry), &constants)
            .map_err(|error| refused(error.to_string()))?;
    let pipeline = PipelineOptions { shader_stage: entry.0, entry_point: entry.1.to_owned() };
    naga::back::spv::write_vec(
        &specialised,
        &specialised_info,
        &options(&module, variant),
        Some(&pipeline),
    )
    .map_err(|error| refused(error.to_string()))
}

/// What wgpu-hal sets for such a shader. The rest of the options concerns images, ray tracing and meshes.
fn options(module: &naga::Module, variant: Translation) -> Options<'static> {
    let (unchecked, restricted) = (BoundsCheckPolicy::Unchecked, BoundsCheckPolicy::Restrict);
    let (checked, clamped) = (variant != Translation::Trusted, variant == Translation::Clamped);
    let bounds_check_policies = BoundsCheckPolicies {
        index: if checked { restricted } else { unchecked },
        buffer: if clamped { restricted } else { unchecked },
        image_load: unchecked,
        binding_array: unchecked,
    };
    // wgpu numbers the bindings of a group from 0 without ratios, as shaders here do.
    let same = |binding: naga::ResourceBinding| {
        let info = BindingInfo {
            descriptor_set: binding.group,
            binding: binding.binding,
            binding_array_size: None,
        };
        (binding, info)
    };
    let bindings = module.global_variables.iter().filter_map(|(_, variable)| variable.binding);
    Options {
        lang_version: (1, 6),
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: false,
        binding_map: bindings.map(same).collect::<BTreeMap<_, _>>(),
        capabilities: Some(
            [Capability::Shader, Capability::Matrix, Capability::Float16].into_iter().collect(),
        ),
        bounds_check_policies,
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::Native,
        force_loop_bounding: checked,
        use_storage_input_output_16: false,
        emit_int_div_checks: checked,
        ..Options::default()
    }
}
