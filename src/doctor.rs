//! Why there is no adapter, or only a software one, and what to install.
//!
//! [`Facts::gather`] looks at files and environment variables; [`diagnose`] judges what it saw. Neither opens a GPU, so
//! both work where everything else fails. Facts lie in `doctor/facts.rs`, the commands of the package managers in
//! `doctor/packages.rs`.

use std::fmt;

mod facts;
mod packages;
#[cfg(test)]
#[cfg(unix)] // The planted machines have Unix paths.
mod tests;

pub use facts::{Access, AdapterSummary, DriverFiles, Facts, Manifest, Nvidia, RenderNode, Vendor};
pub use packages::PackageManager;

use facts::{LOADER, NVIDIA_EGL, NVIDIA_GLX, has_own_driver_model};
use packages::{Need, install, sudo};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// All is well.
    Fine,
    /// There is an adapter, but not the hardware that there might be.
    Warning,
    /// There is no adapter.
    Error,
}

/// One thing found, in a sentence, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What to do: a command where there is one.
    pub remedy: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// "warning: what", and the remedy on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.what)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n  do: {remedy}"))
    }
}

/// What was found, the headline first and its causes after it, likeliest first.
#[must_use]
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![headline(facts)];
    findings.extend(missing_driver_files(facts));
    if facts.has_hardware() {
        return findings;
    }
    findings.extend(if has_own_driver_model(&facts.os) {
        vec![own_driver_model(facts)]
    } else {
        [
            replaced_search(facts),
            nvidia(facts),
            render_nodes(facts),
            wsl(facts),
            no_loader(facts),
            no_manifests(facts),
            broken_manifests(facts),
            no_software_driver(facts),
        ]
        .concat()
    });
    findings.extend(filters(facts));
    if findings.len() == 1 && (facts.adapters.is_empty() || facts.has_signs_of_a_gpu()) {
        findings.push(unexplained(facts));
    }
    findings
}

fn headline(facts: &Facts) -> Finding {
    let names = |software: bool| {
        let chosen = facts.adapters.iter().filter(|adapter| adapter.software == software);
        chosen.map(|adapter| adapter.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if facts.has_hardware() {
        Finding {
            severity: Severity::Fine,
            what: format!("Hardware adapter: {}.", names(false)),
            remedy: None,
        }
    } else if facts.adapters.is_empty() {
        let what = "No adapter: wgpu found neither a GPU nor a software adapter.".to_owned();
        Finding { severity: Severity::Error, what, remedy: None }
    } else {
        let mut what = format!("Software adapter only: {}. ", names(true));
        what.push_str("Results are right, but the timings are this CPU's, not a GPU's.");
        if !has_own_driver_model(&facts.os) && !facts.has_signs_of_a_gpu() && !facts.wsl {
            what.push_str(" The kernel shows no GPU either.");
        }
        Finding { severity: Severity::Warning, what, remedy: None }
    }
}

/// A cause is as bad as its effect.
fn cause(facts: &Facts, what: String, remedy: Option<String>) -> Finding {
    let severity = if facts.adapters.is_empty() { Severity::Error } else { Severity::Warning };
    Finding { severity, what, remedy }
}

fn missing_driver_files(facts: &Facts) -> Vec<Finding> {
    let lists = facts.replaced_search.iter().chain(&facts.added_search);
    let missing = lists.flat_map(|list| list.missing.iter().map(|path| (&list.variable, path)));
    missing
        .map(|(variable, path)| {
            let what = format!("{variable} names {}, which does not exist.", path.display());
            let remedy = format!("unset {variable}, or let it name a file that exists");
            cause(facts, what, Some(remedy))
        })
        .collect()
}

fn replaced_search(facts: &Facts) -> Vec<Finding> {
    let Some(list) = &facts.replaced_search else { return Vec::new() };
    let DriverFiles { variable, missing } = list;
    let files = facts
        .manifests
        .iter()
        .map(|manifest| manifest.path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let sees =
        if files.is_empty() { "no driver at all".to_owned() } else { format!("only {files}") };
    let what = format!(
        "{variable} is set, so the Vulkan loader sees {sees}: it replaces the search, it does not add to it."
    );
    // Said once: a missing entry already carries this remedy.
    let remedy = missing.is_empty().then(|| format!("unset {variable}"));
    vec![cause(facts, what, remedy)]
}

fn filters(facts: &Facts) -> Vec<Finding> {
    let names = [
        "VK_LOADER_DRIVERS_SELECT",
        "VK_LOADER_DRIVERS_DISABLE",
        "WGPU_BACKEND",
        "WGPU_ADAPTER_NAME",
    ];
    let set = names.into_iter().filter_map(|name| Some((name, facts.variable(name)?)));
    set.map(|(name, value)| {
        let what = format!("{name}={value} limits which drivers or adapters are offered.");
        cause(facts, what, Some(format!("unset {name}")))
    })
    .collect()
}

/// NVIDIA's kernel module is there: whatever keeps Vulkan from using it.
fn nvidia(facts: &Facts) -> Vec<Finding> {
    let Nvidia { kernel_module, control, gpus, glx, egl, library_version, missing_libraries } =
        &facts.nvidia;
    if kernel_module.is_none() && gpus.is_empty() {
        return Vec::new();
    }
    let version = kernel_module.as_deref().unwrap_or_default();
    let driver = format!("NVIDIA's kernel driver {version}").trim_end().to_owned();
    if !control || gpus.is_empty() {
        return vec![nvidia_without_devices(facts, &driver)];
    }
    if glx.is_none() && egl.is_none() {
        return vec![nvidia_without_libraries(facts, &driver, version)];
    }
    let mut findings = Vec::new();
    if let Some(library) =
        library_version.as_ref().filter(|library| !version.is_empty() && *library != version)
    {
        let what = format!(
            "{driver} is loaded, but its libraries are of version {library}: the two must be equal."
        );
        let remedy = match facts.container {
            Some(_) => {
                "remove the NVIDIA libraries that were installed in the container, and let the runtime mount the host's"
            }
            None => "reboot, so that the kernel loads the driver that was installed last",
        };
        findings.push(cause(facts, what, Some(remedy.to_owned())));
    }
    let own = |manifest: &&Manifest| {
        manifest.library.as_ref().is_some_and(|library| library.contains("nvidia"))
    };
    let manifest = facts.manifests.iter().find(own);
    let usable = facts.manifests.iter().filter(own).any(|manifest| manifest.found.is_some());
    match manifest {
        _ if usable => {}
        // Where a variable replaces the search, that is the cause, and a new manifest would not be seen.
        _ if facts.replaced_search.is_some() => {}
        None => {
            let what = format!(
                "{driver} and its libraries are there, but no nvidia_icd.json tells the Vulkan loader of them."
            );
            findings.push(cause(facts, what, Some(write_manifest(facts))));
        }
        Some(manifest) => {
            let library = manifest.library.as_deref().unwrap_or_default();
            let other = if glx.is_none() { NVIDIA_EGL } else { NVIDIA_GLX };
            let path = manifest.path.display();
            let what = format!(
                "{path} names {library}, which is not there; {other}, the same driver, is."
            );
            findings.push(cause(facts, what, Some(write_manifest(facts))));
        }
    }
    if !missing_libraries.is_empty() {
        let names = missing_libraries.join(", ");
        let what = format!(
            "{driver} is there, but libraries that its Vulkan part loads are not: {names}."
        );
        findings.push(cause(facts, what, Some(install(facts, Need::NvidiaLibraries))));
    }
    findings
}

fn nvidia_without_devices(facts: &Facts, driver: &str) -> Finding {
    let (what, remedy) = if facts.container.is_some() {
        let visible = facts.variable("NVIDIA_VISIBLE_DEVICES");
        let visible =
            visible.map_or_else(String::new, |value| format!(" (NVIDIA_VISIBLE_DEVICES={value})"));
        (
            format!("{driver} runs on the host, but this container was given no GPU{visible}."),
            "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all (podman: --device nvidia.com/gpu=all)".to_owned(),
        )
    } else {
        (
            format!("{driver} is loaded, but /dev has no GPU of it."),
            format!("{}nvidia-modprobe -c 0 -u, or run nvidia-smi once as root", sudo(facts)),
        )
    };
    cause(facts, what, Some(remedy))
}

fn nvidia_without_libraries(facts: &Facts, driver: &str, version: &str) -> Finding {
    let major = version.split('.').next().filter(|major| !major.is_empty()).unwrap_or("<version>");
    let package = match (facts.package_manager, facts.distribution.as_deref()) {
        (Some(PackageManager::Apt), Some("debian")) => Some("nvidia-vulkan-icd".to_owned()),
        (Some(PackageManager::Apt), _) => Some(format!("libnvidia-gl-{major}")),
        (Some(PackageManager::Dnf), _) => Some("xorg-x11-drv-nvidia-libs".to_owned()),
        (Some(PackageManager::Pacman), _) => Some("nvidia-utils".to_owned()),
        // NVIDIA builds for glibc alone.
        (Some(PackageManager::Apk) | None, _) => None,
    };
    let by_hand = "install the OpenGL and Vulkan libraries of NVIDIA's driver, of the kernel driver's version";
    let on_host = facts.package_manager.zip(package);
    let on_host = on_host
        .map_or_else(|| by_hand.to_owned(), |(manager, package)| manager.command(&package, facts));
    if facts.container.is_none() {
        let what = format!(
            "{driver} is loaded, but its graphics libraries ({NVIDIA_GLX}) are not installed."
        );
        return cause(facts, what, Some(on_host));
    }
    let capabilities = facts.variable("NVIDIA_DRIVER_CAPABILITIES");
    // "display" implies "graphics". Unset means "compute,utility".
    let graphics = ["graphics", "display", "all"];
    if capabilities
        .is_some_and(|value| value.split(',').any(|word| graphics.contains(&word.trim())))
    {
        let what = format!(
            "{driver} runs on the host and this container asks for graphics, but the host has no {NVIDIA_GLX} to give."
        );
        return cause(
            facts,
            what,
            Some(format!("on the host, {by_hand} (Ubuntu: libnvidia-gl-{major})")),
        );
    }
    let set = capabilities.map_or_else(|| "is not set".to_owned(), |value| format!("is {value}"));
    let what = format!(
        "This NVIDIA container was started without the graphics capability (NVIDIA_DRIVER_CAPABILITIES {set}), so the \
         Vulkan part of the driver is not in it."
    );
    let remedy = format!(
        "start the container with -e NVIDIA_DRIVER_CAPABILITIES=all, or compute,utility,graphics; then, inside it: {}",
        install(facts, Need::NvidiaLibraries)
    );
    cause(facts, what, Some(remedy))
}

/// The EGL library where the GLX one is missing, or where X is, which GLX alone needs.
fn write_manifest(facts: &Facts) -> String {
    let no_x = facts.nvidia.missing_libraries.iter().any(|library| library.starts_with("libX"));
    let glx = facts.nvidia.glx.is_some() && !(no_x && facts.nvidia.egl.is_some());
    let library = if glx { NVIDIA_GLX } else { NVIDIA_EGL };
    let sudo = sudo(facts);
    let json = format!(
        r#"{{"file_format_version":"1.0.0","ICD":{{"library_path":"{library}","api_version":"1.3.0"}}}}"#
    );
    format!(
        "{sudo}mkdir -p /etc/vulkan/icd.d && echo '{json}' | {sudo}tee /etc/vulkan/icd.d/nvidia_icd.json"
    )
}

fn render_nodes(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for RenderNode { path, vendor, access } in &facts.render_nodes {
        let path = path.display();
        let maker = vendor.name();
        if *access == Access::Denied {
            let what =
                format!("There is a GPU at {path} ({maker}), but this user may not open it.");
            let remedy = match facts.container {
                Some(_) => {
                    format!("docker run --device /dev/dri --group-add \"$(stat -c %g {path})\"")
                }
                None => "sudo usermod -aG render,video \"$USER\", then log in again".to_owned(),
            };
            findings.push(cause(facts, what, Some(remedy)));
            continue;
        }
        // NVIDIA's own driver was judged above, and says more.
        let judged = *vendor == Vendor::Nvidia && facts.nvidia.kernel_module.is_some();
        let driven = facts.manifests.iter().any(|manifest| {
            let library = manifest.library.as_deref().unwrap_or_default();
            vendor.driver_marks().iter().any(|mark| library.contains(mark))
                && manifest.found.is_some()
        });
        if *vendor == Vendor::Other
            || *access == Access::Broken
            || judged
            || driven
            || facts.replaced_search.is_some()
        {
            continue;
        }
        let what = format!("There is a GPU at {path} ({maker}), but no Vulkan driver for it.");
        findings.push(cause(facts, what, Some(install(facts, Need::Hardware(*vendor)))));
    }
    findings
}

fn wsl(facts: &Facts) -> Vec<Finding> {
    if !facts.wsl {
        return Vec::new();
    }
    let what = "This is Linux inside Windows (WSL), where the GPU belongs to Windows.".to_owned();
    vec![cause(
        facts,
        what,
        Some("to measure the GPU, build and run actbench in Windows itself".to_owned()),
    )]
}

fn no_loader(facts: &Facts) -> Vec<Finding> {
    if facts.loader.is_some() || !facts.adapters.is_empty() {
        return Vec::new();
    }
    let what = format!("There is no Vulkan loader: {LOADER} is in none of the library folders.");
    vec![cause(facts, what, Some(install(facts, Need::Software)))]
}

fn no_manifests(facts: &Facts) -> Vec<Finding> {
    if !facts.manifests.is_empty() || facts.replaced_search.is_some() || !facts.adapters.is_empty()
    {
        return Vec::new();
    }
    let what =
        "No Vulkan driver is installed: there is no manifest in any vulkan/icd.d folder that the loader searches."
            .to_owned();
    vec![cause(facts, what, Some(install(facts, Need::Software)))]
}

fn broken_manifests(facts: &Facts) -> Vec<Finding> {
    let broken = facts.manifests.iter().filter(|manifest| manifest.found.is_none());
    broken
        // The NVIDIA checks say more about theirs.
        .filter(|manifest| {
            let library = manifest.library.as_deref().unwrap_or_default();
            !library.contains("nvidia") || facts.nvidia.kernel_module.is_none()
        })
        .map(|manifest| {
            let path = manifest.path.display();
            let (what, remedy) = if let Some(library) = &manifest.library {
                (
                    format!("The driver manifest {path} names the library {library}, which is not there."),
                    format!("reinstall the package that {path} belongs to, or remove that file"),
                )
            } else {
                (
                    format!("The driver manifest {path} cannot be read or names no library."),
                    "correct the file or remove it".to_owned(),
                )
            };
            cause(facts, what, Some(remedy))
        })
        .collect()
}

/// Drivers for hardware that is not there are normal; without a software driver beside them nothing is left.
fn no_software_driver(facts: &Facts) -> Vec<Finding> {
    let software = |manifest: &Manifest| {
        let library = manifest.library.as_deref().unwrap_or_default();
        manifest.found.is_some() && (library.contains("lvp") || library.contains("swiftshader"))
    };
    // Where there is no manifest or no loader, that was said, with the same remedy.
    let said = facts.manifests.is_empty() || facts.loader.is_none();
    if said
        || !facts.adapters.is_empty()
        || facts.manifests.iter().any(software)
        || facts.replaced_search.is_some()
    {
        return Vec::new();
    }
    let what = "No software adapter is installed, which would do for tests where there is no GPU."
        .to_owned();
    vec![cause(facts, what, Some(install(facts, Need::Software)))]
}

fn own_driver_model(facts: &Facts) -> Finding {
    let (what, remedy) = if facts.os == "windows" {
        (
            "Windows offers its GPUs through Direct3D 12 and Vulkan, and none answered.",
            "install the current driver of the GPU's maker; a virtual machine has to be given a GPU",
        )
    } else {
        (
            "macOS offers its GPU through Metal, and none answered.",
            "run on the Mac itself, in a logged-in session: many virtual machines offer no Metal device",
        )
    };
    cause(facts, what.to_owned(), Some(remedy.to_owned()))
}

fn unexplained(facts: &Facts) -> Finding {
    let what =
        "The Vulkan loader, a driver and its library are all there, so the driver itself refuses."
            .to_owned();
    let install = install(facts, Need::Tools);
    let remedy = format!(
        "{install}; then see what it says: VK_LOADER_DEBUG=error,warn,driver vulkaninfo --summary"
    );
    cause(facts, what, Some(remedy))
}
