//! `actbench doctor`: why there is no GPU, or no adapter at all, and what to install.
//!
//! It reads files and variables. The one thing it asks of a driver is which adapters there are.

mod machine;
#[cfg(test)]
mod tests;

use actbench::error::{Exit, Result};
use actbench::gpu::adapters;

use super::print;
use machine::{DRIVER_LISTS, Driver, Machine, RenderNode};

const NVIDIA_GLX: &str = "libGLX_nvidia.so.0";
/// What that loads, and a bare container lacks (nvidia-container-toolkit issue 16).
const NVIDIA_LOADS: [&str; 3] = ["libX11.so.6", "libXext.so.6", "libEGL.so.1"];

pub fn run() -> Result<Exit> {
    let machine = Machine::here();
    // Before a driver is asked, which may end the program.
    print(&describe(&machine))?;
    let adapters = adapters();
    for adapter in &adapters {
        print(&format!("adapter: {}", adapter.summary()))?;
    }
    if adapters.iter().all(|adapter| adapter.is_software) {
        print(&advice(&machine, adapters.len()))?;
    }
    Ok(if adapters.is_empty() { Exit::NoAdapter } else { Exit::Fine })
}

/// What is there, a line each.
fn describe(machine: &Machine) -> String {
    let inside = if machine.is_container() { ", in a container" } else { "" };
    let name = machine.os_release("PRETTY_NAME");
    let mut text = format!("machine: {} {name}{inside}", machine.os);
    for RenderNode { path, vendor, .. } in machine.render_nodes() {
        text += &format!("\nGPU device: {path} {vendor}");
    }
    for Driver { manifest, library, .. } in machine.drivers() {
        text += &format!("\nVulkan driver: {} -> {library}", manifest.display());
    }
    text
}

/// What is not as it should be, and what to do. Likeliest first.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.0 += &format!("\n- {what}\n  do: {remedy}");
    }
}

/// For a machine without a GPU adapter.
fn advice(machine: &Machine, software_adapters: usize) -> String {
    let headline = match software_adapters {
        0 => "No adapter: wgpu found neither a GPU nor a software adapter.",
        _ => "Software adapter only: timings are this CPU's, not a GPU's.",
    };
    let mut no_gpu = "";
    let mut findings = Findings::default();
    hiding_variables(machine, &mut findings);
    match machine.os {
        "macos" => findings.add("Metal offers no GPU.", "run on the Mac itself, logged in"),
        "windows" => findings.add("Direct3D 12 offers no GPU.", "install its maker's driver"),
        _ => {
            if !machine.has_gpu() {
                no_gpu = " No GPU found on this machine.";
            }
            on_linux(machine, software_adapters, &mut findings);
        }
    }
    [headline, no_gpu, &findings.0].concat()
}

fn hiding_variables(machine: &Machine, findings: &mut Findings) {
    let others = ["VK_LOADER_DRIVERS_SELECT", "VK_LOADER_DRIVERS_DISABLE", "WGPU_BACKEND"];
    for name in DRIVER_LISTS.into_iter().chain(others) {
        let Some(value) = machine.variable(name) else { continue };
        let is_missing = |path: &&str| path.starts_with('/') && !machine.exists(path);
        let what = match value.split(':').find(is_missing) {
            Some(path) => format!("{name} names {path}, which does not exist."),
            None => format!("{name}={value} hides other drivers."),
        };
        findings.add(what, format!("unset {name}"));
    }
}

fn on_linux(machine: &Machine, software_adapters: usize, findings: &mut Findings) {
    let drivers = machine.drivers();
    nvidia(machine, &drivers, findings);
    render_nodes(machine, findings);
    if machine.exists("/dev/dxg") {
        findings.add("In WSL the GPU belongs to Windows.", "build and run actbench in Windows");
    } else if machine.is_container() && !machine.has_gpu() {
        let remedy = "docker run --gpus all (NVIDIA) or --device /dev/dri, if the host has a GPU";
        findings.add("This container was given no GPU.", remedy);
    }
    for Driver { manifest, library, .. } in drivers.iter().filter(|driver| !driver.is_there) {
        let path = manifest.display();
        let what = format!("{path} names the library \"{library}\", which is not there.");
        findings.add(what, format!("reinstall the package that {path} belongs to, or remove it"));
    }
    let is_software = |driver: &Driver| driver.is_there && driver.library.contains("lvp");
    let is_bare = software_adapters == 0 && machine.driver_list().is_none();
    if is_bare && !machine.has_library("libvulkan.so.1") {
        findings.add("There is no Vulkan loader, libvulkan.so.1.", install(machine, MESA));
    } else if is_bare && !drivers.iter().any(is_software) {
        findings.add("There is no software adapter for tests.", install(machine, MESA));
    } else if findings.0.is_empty() && (software_adapters == 0 || machine.has_gpu()) {
        let what = "Vulkan's loader, a driver and its library are there: the driver refuses.";
        findings.add(what, "reboot after a driver's update; see VK_LOADER_DEBUG=all vulkaninfo");
    }
    if machine.variable("XDG_RUNTIME_DIR").is_none() {
        let what = "XDG_RUNTIME_DIR is not set. Mesa calls that an error, but it does no harm.";
        findings.add(what, "export XDG_RUNTIME_DIR=$(mktemp -d)");
    }
}

/// What keeps Vulkan from using NVIDIA's kernel driver.
fn nvidia(machine: &Machine, drivers: &[Driver], findings: &mut Findings) {
    let Some(version) = machine.nvidia_version() else { return };
    let driver = format!("NVIDIA's kernel driver {version}");
    let in_container = "in a container, docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all";
    if !machine.has_nvidia_device() {
        let what = format!("{driver} is loaded, but /dev has no GPU of it.");
        findings.add(what, format!("{in_container}; else, as root, nvidia-modprobe -c 0 -u"));
        return;
    }
    if !machine.has_library(NVIDIA_GLX) {
        let what = format!("{driver} is loaded, but its library {NVIDIA_GLX} is not there.");
        let major = version.split('.').next().unwrap_or_default();
        let install = install(machine, NVIDIA_DRIVER).replace("VERSION", major);
        findings.add(what, format!("{in_container}; on the host, {install}"));
        return;
    }
    let is_nvidia = |driver: &Driver| driver.is_there && driver.library.contains("nvidia");
    if machine.driver_list().is_none() && !drivers.iter().any(is_nvidia) {
        let what = format!("{driver} has no manifest, nvidia_icd.json, that names {NVIDIA_GLX}.");
        let icd = format!(r#"{{"library_path":"{NVIDIA_GLX}","api_version":"1.3.0"}}"#);
        let json = format!(r#"{{"file_format_version":"1.0.0","ICD":{icd}}}"#);
        let folder = "/etc/vulkan/icd.d";
        let remedy = format!("mkdir -p {folder} && echo '{json}' > {folder}/nvidia_icd.json");
        findings.add(what, format!("as root: {remedy}"));
    }
    let missing = NVIDIA_LOADS.into_iter().filter(|name| !machine.has_library(name));
    let missing = missing.collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        let what = format!("{driver} loads libraries that are not there: {missing}.");
        findings.add(what, install(machine, NVIDIA_LOADED));
    }
}

fn render_nodes(machine: &Machine, findings: &mut Findings) {
    for RenderNode { path, vendor, is_denied } in machine.render_nodes() {
        if is_denied {
            let host = "sudo usermod -aG render,video \"$USER\" and log in again";
            let container = format!("--device /dev/dri --group-add \"$(stat -c %g {path})\"");
            let what = format!("This user may not open the GPU at {path}.");
            findings.add(what, format!("{host}; in a container, docker run {container}"));
        } else if vendor != "0x10de" || machine.nvidia_version().is_none() {
            let what = format!("The Vulkan driver of the GPU at {path} is missing or refuses.");
            findings.add(what, install(machine, MESA));
        }
    }
}

/// As apt-get, dnf, pacman and apk call them.
const MESA: [&str; 4] = [
    "mesa-vulkan-drivers",
    "mesa-vulkan-drivers",
    "vulkan-swrast vulkan-radeon vulkan-intel vulkan-nouveau",
    "mesa-vulkan-swrast mesa-vulkan-ati mesa-vulkan-intel",
];
/// Beside the kernel driver. Alpine has none.
const NVIDIA_DRIVER: [&str; 4] =
    ["nvidia-vulkan-icd", "xorg-x11-drv-nvidia-libs", "nvidia-utils", ""];
/// [`NVIDIA_LOADS`].
const NVIDIA_LOADED: [&str; 4] = [
    "libx11-6 libxext6 libegl1",
    "libX11 libXext libglvnd-egl",
    "libx11 libxext libglvnd",
    "libx11 libxext libglvnd",
];

/// The line to run. A fresh container has no package lists, hence apt's update and apk's option.
fn install(machine: &Machine, [apt, dnf, pacman, apk]: [&str; 4]) -> String {
    let ids = format!("{} {}", machine.os_release("ID"), machine.os_release("ID_LIKE"));
    let is = |name| ids.split(' ').any(|id| id == name);
    if is("ubuntu") || is("debian") {
        let ubuntu = apt.replace("nvidia-vulkan-icd", "libnvidia-gl-VERSION");
        let apt = if is("ubuntu") { &ubuntu } else { apt };
        format!("as root: apt-get update && apt-get install -y libvulkan1 {apt}")
    } else if is("fedora") || is("rhel") {
        format!("as root: dnf install -y vulkan-loader {dnf}")
    } else if is("arch") {
        format!("as root: pacman -S --needed vulkan-icd-loader {pacman}")
    } else if is("alpine") {
        format!("as root: apk add --update-cache vulkan-loader {apk}")
    } else {
        format!("install what Debian calls libvulkan1 {apt}")
    }
}
