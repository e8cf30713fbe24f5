//! Made-up machines: a temporary folder as the root, and variables of their own.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::machine::Machine;
use super::{advice, describe};

struct MadeUp {
    _root: TempDir,
    machine: Machine,
}

impl MadeUp {
    /// Debian without a driver of any kind.
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let machine = Machine {
            os: "linux",
            root: root.path().to_owned(),
            variables: BTreeMap::new(),
            open: |path| fs::File::open(path).map(drop),
        };
        let made_up = Self { _root: root, machine };
        made_up
            .set("HOME", "/home/ada")
            .set("XDG_RUNTIME_DIR", "/run/user/1000")
            .file("/etc/os-release", "PRETTY_NAME=\"Debian 12\"\nID=debian\n")
    }

    fn file(self, path: &str, text: &str) -> Self {
        let real = self.machine.real(Path::new(path));
        fs::create_dir_all(real.parent().expect("a folder")).expect("made");
        fs::write(real, text).expect("written");
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.machine.real(Path::new(path))).expect("removed");
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.machine.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn driver(self, manifest: &str, library: &str) -> Self {
        self.file(manifest, &format!("{{\"ICD\": {{\"library_path\": \"{library}\"}}}}"))
    }

    fn lavapipe(self) -> Self {
        self.file("/usr/lib/libvulkan.so.1", "")
            .file("/usr/lib/libvulkan_lvp.so", "")
            .driver(LVP, "libvulkan_lvp.so")
    }

    /// The kernel driver, its device files and its libraries, but no manifest.
    fn nvidia(self) -> Self {
        self.nvidia_on_the_host()
            .file("/dev/nvidiactl", "")
            .file("/dev/nvidia3", "")
            .file("/usr/lib/libGLX_nvidia.so.0", "")
            .file("/usr/lib/libX11.so.6", "")
            .file("/usr/lib/libXext.so.6", "")
            .file("/usr/lib/libEGL.so.1", "")
    }

    /// What a container sees of it without being given anything.
    fn nvidia_on_the_host(self) -> Self {
        let line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19\n";
        self.file("/proc/driver/nvidia/version", line)
    }

    fn render_node(self, vendor: &str) -> Self {
        self.file("/dev/dri/renderD129", "")
            .file("/sys/class/drm/renderD129/device/vendor", &format!("{vendor}\n"))
    }

    /// All of these in the advice, and this many findings.
    #[track_caller]
    fn assert_says(&self, software_adapters: usize, findings: usize, parts: &[&str]) {
        let text = advice(&self.machine, software_adapters);
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert_eq!(text.matches("\n  do: ").count(), findings, "{text}");
    }
}

const LVP: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
const NVIDIA_ICD: &str = "/usr/share/vulkan/icd.d/nvidia_icd.json";

#[test]
fn software_only() {
    let parts = ["Software adapter only", "this CPU's", "No GPU found on this machine."];
    MadeUp::new().lavapipe().assert_says(1, 0, &parts);
}

#[test]
fn the_machine_and_its_drivers() {
    let machine = MadeUp::new().lavapipe().render_node("0x1002").file("/.dockerenv", "");
    let text = describe(&machine.machine);
    let lines = [
        "machine: linux Debian 12, in a container",
        "GPU device: /dev/dri/renderD129 0x1002",
        &format!("Vulkan driver: {LVP} -> libvulkan_lvp.so"),
    ];
    assert_eq!(text, lines.join("\n"));
}

#[test]
fn what_to_install_by_distribution() {
    let commands = [
        ("ID=debian", "apt-get update && apt-get install -y libvulkan1 mesa-vulkan-drivers"),
        ("ID=ubuntu\nID_LIKE=debian", "apt-get install -y libvulkan1 mesa-vulkan-drivers"),
        (
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"",
            "dnf install -y vulkan-loader mesa-vulkan",
        ),
        ("ID=arch", "pacman -S --needed vulkan-icd-loader vulkan-swrast"),
        ("ID=alpine", "apk add --update-cache vulkan-loader mesa-vulkan-swrast"),
        ("ID=other", "what Debian calls libvulkan1 mesa-vulkan-drivers"),
    ];
    for (ids, command) in commands {
        let bare = MadeUp::new().file("/etc/os-release", ids);
        bare.assert_says(0, 1, &["No adapter", "no Vulkan loader, libvulkan.so.1", command]);
        let loader = bare.file("/usr/lib/libvulkan.so.1", "");
        loader.assert_says(0, 1, &["no software adapter", command]);
    }
}

#[test]
fn macos_and_windows() {
    let mut machine = MadeUp::new();
    machine.machine.os = "macos";
    machine.assert_says(0, 1, &["Metal"]);
    machine.machine.os = "windows";
    machine.assert_says(1, 1, &["Direct3D 12"]);
}

#[test]
fn a_manifest_whose_library_is_not_there() {
    let machine = MadeUp::new().lavapipe().without("/usr/lib/libvulkan_lvp.so");
    machine.assert_says(0, 2, &[LVP, "\"libvulkan_lvp.so\", which is not there", "reinstall"]);
    for text in ["", "{\"ICD\": {}}", "{\"ICD\": {\"library_path\": 3}}", "{\"ICD"] {
        let machine = MadeUp::new().lavapipe().file("/etc/vulkan/icd.d/x.json", text);
        machine.assert_says(1, 1, &["/etc/vulkan/icd.d/x.json names the library \"\""]);
    }
}

#[test]
fn libraries_and_manifests_are_found_where_the_loader_looks() {
    let machine = MadeUp::new()
        .set("LD_LIBRARY_PATH", "/nowhere::/opt/lib")
        .set("XDG_DATA_DIRS", "/run/driver/share")
        .file("/opt/lib/liba.so", "")
        .file("/etc/vulkan/icd.d/libb.so", "")
        .driver("/home/ada/.config/vulkan/icd.d/1.json", "liba.so")
        .driver("/etc/vulkan/icd.d/2.json", "./libb.so")
        .driver("/home/ada/.local/share/vulkan/icd.d/3.json", "/opt/lib/liba.so")
        .driver("/run/driver/share/vulkan/icd.d/4.json", "libd.so")
        .driver("/usr/share/vulkan/icd.d/5.json", "in no folder of XDG_DATA_DIRS")
        .file("/etc/vulkan/icd.d/readme.txt", "no manifest");
    let found: Vec<bool> = machine.machine.drivers().iter().map(|driver| driver.is_there).collect();
    assert_eq!(found, [true, true, true, false]);
}

#[test]
fn variables_that_hide_drivers() {
    let missing = MadeUp::new().lavapipe().set("VK_DRIVER_FILES", "/gone.json");
    let what = "VK_DRIVER_FILES names /gone.json, which does not exist.";
    missing.assert_says(0, 1, &[what, "do: unset VK_DRIVER_FILES"]);
    assert!(missing.machine.drivers().is_empty(), "the variable replaces the search");
    // The newer name wins, and an empty list is a list.
    let empty = MadeUp::new().lavapipe().set("VK_ICD_FILENAMES", LVP).set("VK_DRIVER_FILES", "");
    assert!(empty.machine.drivers().is_empty());
    let folder = MadeUp::new().lavapipe().set("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d");
    assert_eq!(folder.machine.drivers().len(), 1);
    for name in ["VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_DISABLE", "WGPU_BACKEND"] {
        let machine = MadeUp::new().lavapipe().set(name, LVP);
        let parts = [&format!("{name}={LVP} hides"), &format!("unset {name}")];
        machine.assert_says(1, 1, &parts.map(String::as_str));
    }
    // A manifest that is not looked for is not missed.
    MadeUp::new().lavapipe().nvidia().set("VK_DRIVER_FILES", LVP).assert_says(1, 1, &["unset"]);
}

#[test]
fn containers_without_devices() {
    let container = || MadeUp::new().lavapipe().file("/run/.containerenv", "");
    container().assert_says(1, 1, &["This container was given no GPU.", "--gpus all"]);
    let parts = ["535.129.03", "/dev has no GPU", "--gpus all", "nvidia-modprobe"];
    container().nvidia_on_the_host().assert_says(1, 1, &parts);
}

#[test]
fn nvidia_without_its_library_its_manifest_or_what_it_loads() {
    let library = "/usr/lib/libGLX_nvidia.so.0";
    let without = MadeUp::new().lavapipe().nvidia().without(library);
    let capabilities = "NVIDIA_DRIVER_CAPABILITIES=all";
    without.assert_says(1, 1, &[capabilities, "apt-get install -y libvulkan1 nvidia-vulkan-icd"]);
    let ubuntu = without.file("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n");
    ubuntu.assert_says(1, 1, &["libnvidia-gl-535"]);

    let no_manifest = MadeUp::new().lavapipe().nvidia();
    let manifest = ["nvidia_icd.json", "\"library_path\":\"libGLX_nvidia.so.0\""];
    no_manifest.assert_says(1, 1, &manifest);
    // The render node of the same GPU is not a second cause.
    no_manifest.render_node("0x10de").assert_says(1, 1, &manifest);

    let complete = || MadeUp::new().lavapipe().nvidia().driver(NVIDIA_ICD, "libGLX_nvidia.so.0");
    complete().assert_says(1, 1, &["the driver refuses"]);
    let no_x = complete().without("/usr/lib/libX11.so.6");
    no_x.assert_says(1, 1, &["not there: libX11.so.6.", "libx11-6 libxext6"]);
}

#[test]
fn gpus_without_permission_or_driver() {
    let mut machine = MadeUp::new().lavapipe().render_node("0x8086");
    let driver = "The Vulkan driver of the GPU at /dev/dri/renderD129";
    machine.assert_says(1, 1, &[driver, "mesa-vulkan-drivers"]);
    // Root may open anything, so the refusal is made up.
    machine.machine.open = |path| {
        if path.ends_with("renderD129") {
            Err(io::ErrorKind::PermissionDenied.into())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    };
    machine.assert_says(1, 1, &["may not open", "usermod -aG render,video", "--device /dev/dri"]);
    machine.machine.open = |_| Err(io::ErrorKind::NotFound.into());
    machine.assert_says(1, 0, &["No GPU found"]);
}

#[test]
fn wsl_a_driver_that_refuses_and_mesas_error() {
    MadeUp::new().lavapipe().file("/dev/dxg", "").assert_says(1, 1, &["WSL"]);
    MadeUp::new().lavapipe().assert_says(0, 1, &["the driver refuses", "vulkaninfo"]);
    let mut machine = MadeUp::new().lavapipe();
    machine.machine.variables.remove("XDG_RUNTIME_DIR");
    machine.assert_says(1, 1, &["XDG_RUNTIME_DIR is not set"]);
}

#[test]
fn this_machine_can_be_looked_at() {
    assert!(describe(&Machine::here()).starts_with("machine: "));
}
