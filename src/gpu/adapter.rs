//! Which adapter: those there are, how one is chosen, and what is known of it.

use std::convert::Infallible;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the user names an adapter: by its number in `actbench info`, a part of its name, or `software`.
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

impl FromStr for Choice {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text {
            "" => Self::Default,
            "software" => Self::Software,
            _ => text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index),
        })
    }
}

impl Choice {
    /// What the environment variable `ACTBENCH_ADAPTER` says, else `otherwise`.
    pub fn from_environment(otherwise: Self) -> Self {
        let Ok(text) = std::env::var("ACTBENCH_ADAPTER") else { return otherwise };
        if text.is_empty() { otherwise } else { text.parse().unwrap_or(otherwise) }
    }

    /// What is known of the adapter that it chooses, without opening it.
    pub fn facts(&self) -> Result<AdapterFacts> {
        Ok(AdapterFacts::of(&pollster::block_on(choose(self))?))
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
        let kind = |facts: &Self| (facts.name.clone(), facts.vendor_id, facts.device_id);
        kind(self) == kind(other)
    }

    pub(super) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let features = adapter.features();
        let device_type = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "cpu",
            wgpu::DeviceType::Other => "other",
        };
        Self {
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            device_type: device_type.to_owned(),
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
    pollster::block_on(enumerate()).iter().map(AdapterFacts::of).collect()
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends &= wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Debug builds would ask for the validation layers, which print to stderr where they are not
    // installed.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let backends = descriptor.backends;
    let mut adapters = wgpu::Instance::new(descriptor).enumerate_adapters(backends).await;
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

pub(super) async fn choose(choice: &Choice) -> Result<wgpu::Adapter> {
    let mut adapters = enumerate().await;
    if adapters.is_empty() {
        return Err(Error::NoAdapter);
    }
    let facts: Vec<_> = adapters.iter().map(AdapterFacts::of).collect();
    match position(choice, &facts) {
        Some(index) => Ok(adapters.swap_remove(index)),
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

fn position(choice: &Choice, facts: &[AdapterFacts]) -> Option<usize> {
    match choice {
        Choice::Default => Some(0).filter(|_| !facts.is_empty()),
        Choice::Software => facts.iter().position(|facts| facts.is_software),
        Choice::PreferSoftware => {
            let only = Some(0).filter(|_| facts.len() == 1);
            facts.iter().position(|facts| facts.is_software).or(only)
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
        assert_eq!(position(&"LLVMPIPE".parse().expect("infallible"), &both), Some(1));
        assert_eq!(position(&"1".parse().expect("infallible"), &both), Some(1));
        assert_eq!(position(&"2".parse().expect("infallible"), &both), None);
        assert_eq!(position(&"nosuch".parse().expect("infallible"), &both), None);
        assert_eq!(position(&"driver OF".parse().expect("infallible"), &both), Some(0));
    }
}
