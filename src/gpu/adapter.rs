//! Which adapter: those there are, how one is chosen, and what is known of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the user names an adapter: by its number in `actbench info`, a part of its name, or
/// `software`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first hardware adapter; a software adapter only if there is no other.
    #[default]
    Default,
    /// The first software adapter, else the only adapter there is: what tests take.
    PreferSoftware,
    /// A software adapter.
    Software,
    /// By number.
    Index(usize),
    /// By a part of its name or driver, in any case.
    Name(String),
}

impl From<&str> for Choice {
    fn from(text: &str) -> Self {
        match text {
            "" => Self::Default,
            "software" => Self::Software,
            _ => text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index),
        }
    }
}

impl Choice {
    /// What the environment variable `ACTBENCH_ADAPTER` says, else `otherwise`.
    pub fn from_environment(otherwise: Self) -> Self {
        let text = std::env::var("ACTBENCH_ADAPTER").unwrap_or_default();
        if text.is_empty() { otherwise } else { text.as_str().into() }
    }

    /// What is known of the adapter that it chooses, without opening it.
    pub fn facts(&self) -> Result<AdapterFacts> {
        Ok(choose(self)?.1)
    }
}

/// What is known of an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterFacts {
    /// As the driver names it.
    pub name: String,
    /// Whether it computes on the CPU: lavapipe, SwiftShader, WARP.
    pub is_software: bool,
    /// discrete, integrated, virtual, cpu or other.
    pub device_type: String,
    /// vulkan, metal or dx12.
    pub backend: String,
    /// Driver name.
    pub driver: String,
    /// Driver version and the like.
    pub driver_info: String,
    /// PCI vendor id, or Khronos' for software.
    pub vendor_id: u32,
    /// Device id.
    pub device_id: u32,
    /// Where it sits, if the backend says.
    pub pci_bus_id: Option<String>,
    /// Smallest and largest number of lanes of a subgroup.
    pub subgroup_sizes: [u32; 2],
    /// Whether passes can be timed on the device itself.
    pub timestamps: bool,
    /// Whether shaders can compute in f16.
    pub shader_f16: bool,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Largest part of a buffer that a shader can see at once, in bytes.
    pub max_binding_bytes: u64,
    /// Largest number of invocations of a workgroup.
    pub max_workgroup_size: u32,
    /// Largest number of workgroups in a dimension of a dispatch.
    pub max_workgroups_per_dimension: u32,
}

impl AdapterFacts {
    /// Whether both are one kind of adapter, whatever its driver.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.name, self.vendor_id, self.device_id)
            == (&other.name, other.vendor_id, other.device_id)
    }

    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let features = adapter.features();
        Self {
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            device_type: rank_and_name(info.device_type).1.to_owned(),
            backend: info.backend.to_string(),
            pci_bus_id: Some(info.device_pci_bus_id).filter(|id| !id.is_empty()),
            name: info.name,
            driver: info.driver,
            driver_info: info.driver_info,
            vendor_id: info.vendor,
            device_id: info.device,
            subgroup_sizes: [info.subgroup_min_size, info.subgroup_max_size],
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            shader_f16: features.contains(wgpu::Features::SHADER_F16),
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_workgroup_size: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        }
    }

    /// One line: name, backend, driver, and the label that a software adapter bears everywhere.
    pub fn summary(&self) -> String {
        let driver = [self.driver.as_str(), self.driver_info.as_str()].join(" ");
        let software = if self.is_software { ", SOFTWARE: runs on the CPU" } else { "" };
        format!("{} ({}, {}{software})", self.name, self.backend, driver.trim())
    }
}

/// The adapters there are, hardware first, each kind in the order in which its driver lists it.
pub fn adapters() -> Vec<AdapterFacts> {
    enumerate().iter().map(AdapterFacts::of).collect()
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends &= wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Debug builds would ask for the validation layers, which print to stderr where they are not
    // installed.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let backends = descriptor.backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.sort_by_key(|adapter| rank_and_name(adapter.get_info().device_type));
    adapters
}

fn rank_and_name(device_type: wgpu::DeviceType) -> (u32, &'static str) {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => (0, "discrete"),
        wgpu::DeviceType::IntegratedGpu => (1, "integrated"),
        wgpu::DeviceType::VirtualGpu => (2, "virtual"),
        wgpu::DeviceType::Other => (3, "other"),
        wgpu::DeviceType::Cpu => (4, "cpu"),
    }
}

pub(super) fn choose(choice: &Choice) -> Result<(wgpu::Adapter, AdapterFacts)> {
    let mut adapters = enumerate();
    if adapters.is_empty() {
        return Err(Error::NoAdapter);
    }
    let mut facts: Vec<_> = adapters.iter().map(AdapterFacts::of).collect();
    match position(choice, &facts) {
        Some(index) => Ok((adapters.swap_remove(index), facts.swap_remove(index))),
        None => Err(Error::UnknownAdapter {
            wanted: match choice {
                Choice::Index(index) => index.to_string(),
                Choice::Name(name) => name.clone(),
                _ => "software".to_owned(),
            },
            available: (facts.iter().enumerate())
                .map(|(index, facts)| format!("{index}: {}", facts.summary()))
                .collect(),
        }),
    }
}

/// The place of the chosen one among the facts of at least one adapter.
fn position(choice: &Choice, facts: &[AdapterFacts]) -> Option<usize> {
    match choice {
        Choice::Default => Some(0),
        Choice::PreferSoftware if facts.len() == 1 => Some(0),
        Choice::Software | Choice::PreferSoftware => {
            facts.iter().position(|facts| facts.is_software)
        }
        Choice::Index(index) => Some(*index).filter(|index| *index < facts.len()),
        Choice::Name(name) => {
            let name = name.to_lowercase();
            let matches = |text: &str| text.to_lowercase().contains(&name);
            facts.iter().position(|facts| matches(&facts.name) || matches(&facts.driver))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, is_software: bool) -> AdapterFacts {
        AdapterFacts {
            name: name.to_owned(),
            is_software,
            device_type: "other".to_owned(),
            backend: "vulkan".to_owned(),
            driver: "driver of it".to_owned(),
            driver_info: String::new(),
            vendor_id: 0,
            device_id: 0,
            pci_bus_id: None,
            subgroup_sizes: [8, 8],
            timestamps: true,
            shader_f16: false,
            max_buffer_bytes: 0,
            max_binding_bytes: 0,
            max_workgroup_size: 0,
            max_workgroups_per_dimension: 0,
        }
    }

    #[test]
    fn a_software_adapter_is_taken_when_asked_for_or_alone() {
        let both = [facts("Big GPU", false), facts("llvmpipe", true)];
        assert_eq!(position(&Choice::Default, &both), Some(0));
        assert_eq!(position(&Choice::Software, &both), Some(1));
        assert_eq!(position(&Choice::PreferSoftware, &both), Some(1));
        assert_eq!(position(&Choice::Default, &both[1..]), Some(0));
        assert_eq!(position(&Choice::Software, &both[..1]), None);
        assert_eq!(position(&Choice::PreferSoftware, &both[..1]), Some(0));
        let two_gpus = [facts("Big GPU", false), facts("Small GPU", false)];
        assert_eq!(position(&Choice::PreferSoftware, &two_gpus), None);
    }

    #[test]
    fn names_match_in_part_and_in_any_case() {
        let both = [facts("Big GPU", false), facts("llvmpipe (LLVM 15)", true)];
        assert_eq!(position(&"LLVMPIPE".into(), &both), Some(1));
        assert_eq!(position(&"1".into(), &both), Some(1));
        assert_eq!(position(&"2".into(), &both), None);
        assert_eq!(position(&"nosuch".into(), &both), None);
        assert_eq!(position(&"driver OF".into(), &both), Some(0));
    }
}
