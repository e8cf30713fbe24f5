//! The machine around the adapter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysinfo::CpuRefreshKind;

/// What a report says of the machine. Null is what the system does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct System {
    /// The host's name; null in an anonymized report.
    pub host: Option<String>,
    /// The operating system.
    pub os: Os,
    /// The processor's architecture, as Rust names it: x86_64, aarch64.
    pub arch: String,
    /// The processor.
    pub cpu: Cpu,
    /// The main memory.
    pub memory_bytes: Option<u64>,
}

/// The operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Os {
    /// Its name, or the distribution's.
    pub name: Option<String>,
    /// Its version, or the distribution's.
    pub version: Option<String>,
    /// The kernel's version.
    pub kernel: Option<String>,
}

/// The processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cpu {
    /// As it names itself.
    pub brand: Option<String>,
    /// Cores.
    pub physical_cores: Option<u32>,
    /// Hardware threads.
    pub logical_cores: Option<u32>,
}

impl System {
    /// Looks at this machine.
    pub fn of_this_machine() -> Self {
        let mut system = sysinfo::System::new().ok();
        if let Some(system) = &mut system {
            system.refresh_memory();
            system.refresh_cpu_list(CpuRefreshKind::nothing());
        }
        let cpus = system.as_ref().map(sysinfo::System::cpus).unwrap_or_default();
        let brand = cpus.first().map(|cpu| cpu.brand().trim().to_owned());
        let count = |cores: usize| u32::try_from(cores).ok().filter(|cores| *cores > 0);
        Self {
            host: sysinfo::System::host_name().ok(),
            os: Os {
                name: sysinfo::System::name().ok(),
                version: sysinfo::System::os_version().ok(),
                kernel: sysinfo::System::kernel_version().ok(),
            },
            arch: std::env::consts::ARCH.to_owned(),
            cpu: Cpu {
                brand: brand.filter(|brand| !brand.is_empty()),
                physical_cores: sysinfo::System::physical_core_count().ok().and_then(count),
                logical_cores: count(cpus.len()),
            },
            memory_bytes: system.map(|system| system.total_memory()).filter(|bytes| *bytes > 0),
        }
    }
}
