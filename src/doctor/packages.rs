//! The exact line to run, for each package manager.

use super::facts::{Facts, Vendor};

/// A package manager for which the exact command is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// Debian, Ubuntu
    Apt,
    /// Fedora, RHEL
    Dnf,
    /// Arch
    Pacman,
    /// Alpine
    Apk,
}

/// What has to be installed.
#[derive(Clone, Copy)]
pub(super) enum Need {
    /// The loader and Mesa's software adapter.
    Software,
    /// The loader and Mesa's driver for a maker's GPUs.
    Hardware(Vendor),
    /// What NVIDIA's Vulkan driver loads, and the loader.
    NvidiaLibraries,
    /// vulkaninfo.
    Tools,
}

impl PackageManager {
    /// In the order in which scripts/adapter looks for them.
    pub(super) const ALL: [Self; 4] = [Self::Apt, Self::Dnf, Self::Pacman, Self::Apk];

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Apk => "apk",
        }
    }

    fn packages(self, need: Need) -> &'static str {
        match (self, need) {
            (Self::Apt, Need::Software | Need::Hardware(_)) => "libvulkan1 mesa-vulkan-drivers",
            (Self::Apt, Need::NvidiaLibraries) => "libvulkan1 libx11-6 libxext6 libegl1",
            (Self::Dnf, Need::Software | Need::Hardware(_)) => "vulkan-loader mesa-vulkan-drivers",
            (Self::Dnf, Need::NvidiaLibraries) => "vulkan-loader libX11 libXext libglvnd-egl",
            (Self::Pacman, Need::Software) => "vulkan-icd-loader vulkan-swrast",
            (Self::Pacman, Need::Hardware(Vendor::Amd)) => "vulkan-icd-loader vulkan-radeon",
            (Self::Pacman, Need::Hardware(Vendor::Intel)) => "vulkan-icd-loader vulkan-intel",
            (Self::Pacman, Need::Hardware(_)) => "vulkan-icd-loader vulkan-nouveau",
            (Self::Pacman, Need::NvidiaLibraries) => "vulkan-icd-loader libx11 libxext libglvnd",
            (Self::Apk, Need::Software) => "vulkan-loader mesa-vulkan-swrast",
            (Self::Apk, Need::Hardware(Vendor::Amd)) => "vulkan-loader mesa-vulkan-ati",
            (Self::Apk, Need::Hardware(Vendor::Intel)) => "vulkan-loader mesa-vulkan-intel",
            (Self::Apk, Need::Hardware(_)) => "vulkan-loader mesa-vulkan-nouveau",
            (Self::Apk, Need::NvidiaLibraries) => "vulkan-loader libx11 libxext libglvnd",
            (_, Need::Tools) => "vulkan-tools",
        }
    }

    /// The line to run. A fresh container has no package lists yet, hence apt's update and apk's option.
    pub(super) fn command(self, packages: &str, facts: &Facts) -> String {
        let sudo = sudo(facts);
        match self {
            Self::Apt => format!("{sudo}apt-get update && {sudo}apt-get install -y {packages}"),
            Self::Dnf => format!("{sudo}dnf install -y {packages}"),
            Self::Pacman => format!("{sudo}pacman -S --needed {packages}"),
            Self::Apk => format!("{sudo}apk add --update-cache {packages}"),
        }
    }
}

pub(super) fn sudo(facts: &Facts) -> &'static str {
    if facts.superuser { "" } else { "sudo " }
}

pub(super) fn install(facts: &Facts, need: Need) -> String {
    if let Some(manager) = facts.package_manager {
        return manager.command(manager.packages(need), facts);
    }
    let by_manager = PackageManager::ALL
        .map(|manager| format!("{} ({})", manager.packages(need), manager.program()));
    format!("install, as your system names them: {}", by_manager.join(", "))
}
