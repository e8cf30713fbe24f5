//! Planted situations, each of which must be diagnosed: a temporary folder as the root, an environment of its own.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::facts::{Machine, NVIDIA_NEEDS, driver_version, json_string, open_device};
use super::*;

/// A made-up machine: a temporary folder as the root, variables of its own.
struct Planted {
    machine: Machine,
    adapters: Vec<AdapterSummary>,
}

impl Planted {
    /// Debian, root user, no driver of any kind.
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("actbench-doctor-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        let machine = Machine {
            os: "linux".to_owned(),
            root,
            environment: BTreeMap::from([
                ("PATH".to_owned(), "/usr/bin".to_owned()),
                ("HOME".to_owned(), "/home/ada".to_owned()),
            ]),
            open: open_device,
        };
        Self { machine, adapters: Vec::new() }
            .file("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\n")
            .file("/proc/self/status", "Name:\tx\nUid:\t0\t0\t0\t0\n")
            .file("/usr/bin/apt-get", "")
    }

    fn file(self, path: &str, text: &str) -> Self {
        let real = self.machine.real(Path::new(path));
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        fs::write(real, text).unwrap();
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.machine.real(Path::new(path))).unwrap();
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.machine.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn os(mut self, os: &str) -> Self {
        os.clone_into(&mut self.machine.os);
        self
    }

    fn adapter(mut self, name: &str, software: bool) -> Self {
        self.adapters.push(AdapterSummary { name: name.to_owned(), software });
        self
    }

    fn loader(self) -> Self {
        self.file("/usr/lib/libvulkan.so.1", "")
    }

    fn driver(self, manifest: &str, library: &str) -> Self {
        let json = format!(
            "{{\n \"ICD\": {{\"library_path\" : \"{library}\"}}, \"file_format_version\": \"1.0.0\" }}"
        );
        self.file(manifest, &json)
    }

    fn lavapipe(self) -> Self {
        self.loader()
            .file("/usr/lib/libvulkan_lvp.so", "")
            .driver("/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "/usr/lib/libvulkan_lvp.so")
    }

    /// The host's kernel module, which a container sees too.
    fn nvidia_module(self) -> Self {
        self.file(
            "/proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19\nGCC version: 12.3.0\n",
        )
    }

    fn nvidia_devices(self) -> Self {
        self.nvidia_module().file("/dev/nvidiactl", "").file("/dev/nvidia3", "")
    }

    fn nvidia_libraries(self) -> Self {
        let planted =
            self.file("/usr/lib/libEGL_nvidia.so.0", "").file("/usr/lib/libGLX_nvidia.so.0", "");
        NVIDIA_NEEDS
            .iter()
            .fold(planted, |planted, name| planted.file(&format!("/usr/lib/{name}"), ""))
    }

    fn facts(&self) -> Facts {
        self.machine.look(self.adapters.clone())
    }

    fn findings(&self) -> Vec<Finding> {
        diagnose(&self.facts())
    }

    /// The one finding beside the verdict.
    fn cause(&self) -> Finding {
        let mut findings = self.findings();
        assert_eq!(findings.len(), 2, "{findings:#?}");
        findings.remove(1)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.machine.root);
    }
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[track_caller]
fn assert_finding(finding: &Finding, severity: Severity, what: &[&str], remedy: &[&str]) {
    assert_eq!(finding.severity, severity, "{finding:?}");
    assert_says(&finding.what, what);
    assert_says(finding.remedy.as_deref().unwrap_or_default(), remedy);
}

#[test]
fn hardware_is_fine_and_nothing_more_is_said() {
    let planted = Planted::new()
        .adapter("llvmpipe", true)
        .adapter("Radeon RX 7900", false)
        .set("WGPU_BACKEND", "vulkan");
    let findings = planted.findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_finding(&findings[0], Severity::Fine, &["Radeon RX 7900"], &[]);
    assert!(!findings[0].what.contains("llvmpipe"));
}

#[test]
fn software_only_says_whose_timings_they_are() {
    let planted = Planted::new().lavapipe().adapter("llvmpipe (LLVM 15)", true);
    let findings = planted.findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let what = ["llvmpipe (LLVM 15)", "timings are this CPU's", "shows no GPU"];
    assert_finding(&findings[0], Severity::Warning, &what, &[]);
}

#[test]
fn a_bare_machine_lacks_loader_and_driver() {
    let findings = Planted::new().findings();
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert_finding(&findings[0], Severity::Error, &["No adapter"], &[]);
    let command = "apt-get update && apt-get install -y libvulkan1 mesa-vulkan-drivers";
    assert_finding(&findings[1], Severity::Error, &["libvulkan.so.1"], &[command]);
    assert_finding(&findings[2], Severity::Error, &["icd.d"], &[command]);
}

#[test]
fn a_loader_without_drivers() {
    let cause = Planted::new().loader().cause();
    assert_finding(
        &cause,
        Severity::Error,
        &["No Vulkan driver is installed"],
        &["apt-get install -y libvulkan1 mesa-vulkan-drivers"],
    );
}

#[test]
fn each_package_manager_has_its_command() {
    let commands = [
        ("apt-get", "apt-get install -y libvulkan1 mesa-vulkan-drivers"),
        ("dnf", "dnf install -y vulkan-loader mesa-vulkan-drivers"),
        ("pacman", "pacman -S --needed vulkan-icd-loader vulkan-swrast"),
        ("apk", "apk add --update-cache vulkan-loader mesa-vulkan-swrast"),
    ];
    for (program, command) in commands {
        let planted = Planted::new()
            .loader()
            .without("/usr/bin/apt-get")
            .file(&format!("/usr/bin/{program}"), "");
        let remedy = planted.cause().remedy.unwrap();
        assert_says(&remedy, &[command]);
        assert!(!remedy.contains("sudo"), "root needs no sudo: {remedy}");
    }
    let unknown = Planted::new().loader().without("/usr/bin/apt-get").cause();
    assert_says(&unknown.remedy.unwrap(), &["libvulkan1", "vulkan-loader", "vulkan-swrast"]);
}

#[test]
fn others_than_root_are_told_sudo() {
    let planted =
        Planted::new().loader().file("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\n");
    assert_says(
        &planted.cause().remedy.unwrap(),
        &["sudo apt-get update && sudo apt-get install -y"],
    );
}

#[test]
fn a_manifest_that_names_a_missing_library() {
    let planted = Planted::new().lavapipe().without("/usr/lib/libvulkan_lvp.so");
    let findings = planted.findings();
    let what = ["lvp_icd.x86_64.json", "/usr/lib/libvulkan_lvp.so", "not there"];
    assert_finding(&findings[1], Severity::Error, &what, &["reinstall"]);
    assert_finding(
        &findings[2],
        Severity::Error,
        &["No software adapter"],
        &["mesa-vulkan-drivers"],
    );
}

#[test]
fn a_manifest_without_a_library_or_with_broken_json() {
    for text in [
        "",
        "{\"ICD\": {}}",
        "{\"ICD\": {\"library_path\": 3}}",
        "{\"library_path\": \"unterminated",
    ] {
        let planted = Planted::new()
            .lavapipe()
            .adapter("llvmpipe", true)
            .file("/etc/vulkan/icd.d/x.json", text);
        assert_finding(
            &planted.cause(),
            Severity::Warning,
            &["/etc/vulkan/icd.d/x.json", "names no library"],
            &["remove"],
        );
    }
}

#[test]
fn libraries_by_name_relative_and_absolute_path() {
    let planted = Planted::new()
        .set("LD_LIBRARY_PATH", "/nowhere::/opt/lib")
        .file("/etc/ld.so.conf.d/driver.conf", "# a comment\n/opt/driver\n")
        .file("/opt/lib/liba.so", "")
        .file("/opt/driver/libb.so", "")
        .file("/etc/vulkan/icd.d/libc.so", "")
        .driver("/etc/vulkan/icd.d/1.json", "liba.so")
        .driver("/etc/vulkan/icd.d/2.json", "libb.so")
        .driver("/etc/vulkan/icd.d/3.json", "./libc.so")
        .driver("/etc/vulkan/icd.d/4.json", "/opt/lib/liba.so")
        .driver("/etc/vulkan/icd.d/5.json", "libd.so")
        .file("/etc/vulkan/icd.d/readme.txt", "no manifest");
    let found: Vec<bool> =
        planted.facts().manifests.iter().map(|manifest| manifest.found.is_some()).collect();
    assert_eq!(found, [true, true, true, true, false]);
}

#[test]
fn the_search_path_follows_xdg_in_the_loaders_order() {
    let folders = |planted: &Planted| {
        let paths = planted.machine.manifest_folders();
        paths
            .iter()
            .map(|path| path.to_str().unwrap().trim_end_matches("/vulkan/icd.d").to_owned())
            .collect::<Vec<_>>()
    };
    let expected = [
        "/home/ada/.config",
        "/etc/xdg",
        "/etc",
        "/home/ada/.local/share",
        "/usr/local/share",
        "/usr/share",
    ];
    assert_eq!(folders(&Planted::new()), expected);
    let planted = Planted::new()
        .set("XDG_CONFIG_HOME", "/c")
        .set("XDG_CONFIG_DIRS", "/etc:/d")
        .set("XDG_DATA_HOME", "")
        .set("XDG_DATA_DIRS", "/s");
    assert_eq!(folders(&planted), ["/c", "/etc", "/d", "/home/ada/.local/share", "/s"]);
}

#[test]
fn driver_files_that_do_not_exist() {
    let planted = Planted::new().lavapipe().set("VK_DRIVER_FILES", "/gone.json");
    assert_eq!(planted.facts().manifests, [], "the variable replaces the search");
    let findings = planted.findings();
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert_finding(
        &findings[1],
        Severity::Error,
        &["VK_DRIVER_FILES", "/gone.json", "does not exist"],
        &["unset VK_DRIVER_FILES"],
    );
    assert_finding(&findings[2], Severity::Error, &["no driver at all", "replaces"], &[]);
}

#[test]
fn driver_files_that_hide_the_rest() {
    let lvp = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
    let planted = Planted::new().lavapipe().adapter("llvmpipe", true).set("VK_ICD_FILENAMES", lvp);
    assert_finding(
        &planted.cause(),
        Severity::Warning,
        &["VK_ICD_FILENAMES", "only", lvp],
        &["unset VK_ICD_FILENAMES"],
    );
    // The newer name wins, an empty list is a list, and a folder stands for its manifests.
    let empty = Planted::new().lavapipe().set("VK_ICD_FILENAMES", lvp).set("VK_DRIVER_FILES", "");
    assert_finding(
        &empty.cause(),
        Severity::Error,
        &["VK_DRIVER_FILES", "no driver at all"],
        &["unset VK_DRIVER_FILES"],
    );
    let folder = Planted::new().lavapipe().set("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d");
    let paths: Vec<_> =
        folder.facts().manifests.into_iter().map(|manifest| manifest.path).collect();
    assert_eq!(paths, [Path::new(lvp)]);
    // An NVIDIA manifest that is not looked for is not missed.
    let nvidia =
        Planted::new().lavapipe().nvidia_devices().nvidia_libraries().set("VK_DRIVER_FILES", lvp);
    assert_finding(
        &nvidia.cause(),
        Severity::Error,
        &["VK_DRIVER_FILES"],
        &["unset VK_DRIVER_FILES"],
    );
}

#[test]
fn added_driver_files_keep_the_search() {
    let planted = Planted::new()
        .lavapipe()
        .adapter("llvmpipe", true)
        .set("VK_ADD_DRIVER_FILES", "/gone.json");
    assert_eq!(planted.facts().manifests.len(), 1);
    assert_finding(
        &planted.cause(),
        Severity::Warning,
        &["VK_ADD_DRIVER_FILES names /gone.json"],
        &["unset"],
    );
}

#[test]
fn a_missing_driver_file_is_told_even_beside_hardware() {
    let planted = Planted::new().adapter("A GPU", false).set("VK_ADD_DRIVER_FILES", "/gone.json");
    assert_finding(&planted.cause(), Severity::Warning, &["/gone.json"], &["unset"]);
}

#[test]
fn variables_that_hide_adapters() {
    for name in [
        "VK_LOADER_DRIVERS_SELECT",
        "VK_LOADER_DRIVERS_DISABLE",
        "WGPU_BACKEND",
        "WGPU_ADAPTER_NAME",
    ] {
        let planted = Planted::new().lavapipe().set(name, "something");
        let unset = format!("unset {name}");
        assert_finding(&planted.cause(), Severity::Error, &[name, "something"], &[&unset]);
    }
}

#[test]
fn a_container_that_was_given_no_gpu() {
    let planted = Planted::new().lavapipe().adapter("llvmpipe", true).nvidia_module();
    let on_a_host = planted.cause();
    assert_finding(&on_a_host, Severity::Warning, &["535.129.03", "/dev"], &["nvidia-modprobe"]);
    let no_control = planted.file("/dev/nvidia0", "");
    assert_finding(&no_control.cause(), Severity::Warning, &["/dev"], &["nvidia-modprobe"]);
    let planted = no_control.without("/dev/nvidia0");
    let planted = planted.file("/.dockerenv", "").set("NVIDIA_VISIBLE_DEVICES", "void");
    assert_finding(
        &planted.cause(),
        Severity::Warning,
        &["535.129.03", "given no GPU", "NVIDIA_VISIBLE_DEVICES=void"],
        &["--gpus all"],
    );
}

#[test]
fn a_container_without_the_graphics_capability() {
    let container = || {
        Planted::new().lavapipe().adapter("llvmpipe", true).nvidia_devices().file("/.dockerenv", "")
    };
    let remedy =
        ["NVIDIA_DRIVER_CAPABILITIES=all", "compute,utility,graphics", "libx11-6 libxext6"];
    let unset = container();
    assert_finding(
        &unset.cause(),
        Severity::Warning,
        &["graphics capability", "is not set"],
        &remedy,
    );
    let set = container().set("NVIDIA_DRIVER_CAPABILITIES", "compute,utility");
    assert_finding(
        &set.cause(),
        Severity::Warning,
        &["graphics capability", "is compute,utility"],
        &remedy,
    );
    for enough in ["all", "compute,graphics", "utility, display"] {
        let asked = container().set("NVIDIA_DRIVER_CAPABILITIES", enough);
        assert_finding(
            &asked.cause(),
            Severity::Warning,
            &["the host has no libGLX_nvidia.so.0"],
            &["on the host"],
        );
    }
}

#[test]
fn nvidia_without_its_graphics_libraries() {
    let debian = Planted::new().loader().nvidia_devices();
    assert_finding(
        &debian.findings()[1],
        Severity::Error,
        &["535.129.03", "libGLX_nvidia.so.0"],
        &["apt-get install -y nvidia-vulkan-icd"],
    );
    let ubuntu =
        Planted::new().loader().nvidia_devices().file("/etc/os-release", "ID=\"ubuntu\"\n");
    assert_finding(
        &ubuntu.findings()[1],
        Severity::Error,
        &[],
        &["apt-get install -y libnvidia-gl-535"],
    );
}

#[test]
fn nvidia_without_a_manifest() {
    let planted =
        Planted::new().lavapipe().adapter("llvmpipe", true).nvidia_devices().nvidia_libraries();
    let remedy = [
        "mkdir -p /etc/vulkan/icd.d",
        "\"libGLX_nvidia.so.0\"",
        "tee /etc/vulkan/icd.d/nvidia_icd.json",
    ];
    assert_finding(&planted.cause(), Severity::Warning, &["nvidia_icd.json"], &remedy);
    // The render node of the same GPU is not a second cause.
    let planted = planted
        .file("/dev/dri/renderD128", "")
        .file("/sys/class/drm/renderD128/device/vendor", "0x10de\n");
    assert_finding(&planted.cause(), Severity::Warning, &["nvidia_icd.json"], &remedy);
    // Without X, the library that does without it.
    let headless = planted.without("/usr/lib/libX11.so.6").findings();
    assert_finding(
        &headless[1],
        Severity::Warning,
        &["nvidia_icd.json"],
        &["\"libEGL_nvidia.so.0\""],
    );
    assert_finding(&headless[2], Severity::Warning, &["libX11.so.6"], &["libx11-6"]);
}

#[test]
fn the_headless_nvidia_driver_where_the_other_is_missing() {
    let planted = Planted::new()
        .lavapipe()
        .adapter("llvmpipe", true)
        .nvidia_devices()
        .nvidia_libraries()
        .without("/usr/lib/libGLX_nvidia.so.0")
        .driver("/usr/share/vulkan/icd.d/nvidia_icd.json", NVIDIA_GLX);
    let what = ["nvidia_icd.json names libGLX_nvidia.so.0", "libEGL_nvidia.so.0"];
    assert_finding(&planted.cause(), Severity::Warning, &what, &["\"libEGL_nvidia.so.0\""]);
}

#[test]
fn nvidia_without_x_libraries() {
    let planted = Planted::new()
        .lavapipe()
        .adapter("llvmpipe", true)
        .nvidia_devices()
        .nvidia_libraries()
        .without("/usr/lib/libXext.so.6")
        .driver("/usr/share/vulkan/icd.d/nvidia_icd.json", NVIDIA_GLX);
    assert_finding(
        &planted.cause(),
        Severity::Warning,
        &["libXext.so.6"],
        &["apt-get install -y libvulkan1 libx11-6 libxext6"],
    );
}

#[cfg(unix)]
#[test]
fn nvidia_libraries_of_another_version() {
    let planted = Planted::new()
        .lavapipe()
        .adapter("llvmpipe", true)
        .nvidia_devices()
        .nvidia_libraries()
        .without("/usr/lib/libGLX_nvidia.so.0")
        .file("/usr/lib/libGLX_nvidia.so.550.54.14", "")
        .driver("/usr/share/vulkan/icd.d/nvidia_icd.json", NVIDIA_GLX);
    let link = planted.machine.real(Path::new("/usr/lib/libGLX_nvidia.so.0"));
    std::os::unix::fs::symlink("libGLX_nvidia.so.550.54.14", link).unwrap();
    assert_finding(&planted.cause(), Severity::Warning, &["535.129.03", "550.54.14"], &["reboot"]);
}

#[test]
fn a_render_node_that_this_user_may_not_open() {
    let mut planted = Planted::new()
        .lavapipe()
        .adapter("llvmpipe", true)
        .file("/dev/dri/card0", "")
        .file("/dev/dri/renderD128", "")
        .file("/sys/class/drm/renderD128/device/vendor", "0x1002\n");
    // Root may open anything, so the refusal is made up.
    planted.machine.open = |_| Err(io::ErrorKind::PermissionDenied.into());
    let what = ["/dev/dri/renderD128", "AMD", "may not open"];
    assert_finding(&planted.cause(), Severity::Warning, &what, &["usermod -aG render,video"]);
    let planted = planted.file("/run/.containerenv", "");
    assert_finding(
        &planted.cause(),
        Severity::Warning,
        &what,
        &["--device /dev/dri", "--group-add"],
    );
}

#[test]
fn a_gpu_without_a_driver() {
    let planted = |vendor: &str| {
        Planted::new()
            .lavapipe()
            .adapter("llvmpipe", true)
            .file("/dev/dri/renderD129", "")
            .file("/sys/class/drm/renderD129/device/vendor", vendor)
    };
    let intel = planted("0x8086\n");
    assert_finding(
        &intel.cause(),
        Severity::Warning,
        &["/dev/dri/renderD129", "Intel", "no Vulkan driver"],
        &["mesa-vulkan-drivers"],
    );
    let driven = intel
        .file("/usr/lib/libvulkan_intel.so", "")
        .driver("/etc/vulkan/icd.d/intel.json", "libvulkan_intel.so");
    assert_finding(
        &driven.cause(),
        Severity::Warning,
        &["the driver itself refuses"],
        &["vulkaninfo"],
    );
    assert_eq!(planted("0x1af4\n").findings().len(), 1, "a virtual GPU is not judged");
    let mut broken = planted("0x8086\n");
    broken.machine.open = |_| Err(io::ErrorKind::NotFound.into());
    assert_eq!(broken.findings().len(), 1, "a device file without a device is no GPU");
}

#[test]
fn drivers_for_absent_hardware_are_not_enough() {
    let planted = Planted::new()
        .loader()
        .file("/usr/lib/libvulkan_radeon.so", "")
        .driver("/usr/share/vulkan/icd.d/radeon_icd.json", "libvulkan_radeon.so");
    assert_finding(
        &planted.cause(),
        Severity::Error,
        &["No software adapter"],
        &["mesa-vulkan-drivers"],
    );
}

#[test]
fn everything_there_and_still_none() {
    let cause = Planted::new().lavapipe().cause();
    assert_finding(
        &cause,
        Severity::Error,
        &["the driver itself refuses"],
        &["vulkan-tools", "vulkaninfo --summary"],
    );
}

#[test]
fn containers_are_known_by_file_variable_or_cgroup() {
    let evidence = |planted: Planted| planted.facts().container.clone();
    assert_eq!(evidence(Planted::new()), None);
    assert_eq!(evidence(Planted::new().file("/.dockerenv", "")).as_deref(), Some("/.dockerenv"));
    assert_says(&evidence(Planted::new().set("container", "podman")).unwrap(), &["container"]);
    assert_says(
        &evidence(Planted::new().file("/proc/1/cgroup", "0::/kubepods/besteffort/pod1\n")).unwrap(),
        &["kubepods"],
    );
    assert_eq!(evidence(Planted::new().file("/proc/1/cgroup", "0::/init.scope\n")), None);
}

#[test]
fn wsl_macos_and_windows_get_hints() {
    let wsl = Planted::new().lavapipe().adapter("llvmpipe", true).file("/dev/dxg", "");
    assert_finding(&wsl.cause(), Severity::Warning, &["WSL"], &["in Windows itself"]);
    let mac = Planted::new().os("macos");
    assert_finding(&mac.cause(), Severity::Error, &["Metal"], &["virtual machines"]);
    let windows = Planted::new().os("windows").adapter("Microsoft Basic Render Driver", true);
    assert_finding(
        &windows.cause(),
        Severity::Warning,
        &["Direct3D 12"],
        &["driver of the GPU's maker"],
    );
}

#[test]
fn version_of_the_kernel_module() {
    let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build  (dvs-builder)";
    assert_eq!(driver_version(open).as_deref(), Some("570.86.10"));
    assert_eq!(driver_version("no version... here"), None);
}

#[test]
fn strings_in_json() {
    assert_eq!(
        json_string(r#"{"a":1, "library_path"  :  "x\/y\\z\"" }"#, "library_path").as_deref(),
        Some("x/y\\z\"")
    );
    assert_eq!(json_string("{}", "library_path"), None);
}

#[test]
fn findings_and_facts_print_as_lines() {
    let finding = Finding {
        severity: Severity::Error,
        what: "Broken.".to_owned(),
        remedy: Some("mend it".to_owned()),
    };
    assert_eq!(finding.to_string(), "error: Broken.\n  do: mend it");
    let planted = Planted::new()
        .lavapipe()
        .adapter("llvmpipe", true)
        .nvidia_devices()
        .set("WGPU_BACKEND", "vulkan");
    let text = planted.file("/dev/dri/renderD128", "").facts().to_string();
    let parts = [
        "linux (debian)",
        "llvmpipe, software",
        "/usr/lib/libvulkan.so.1",
        "lvp_icd",
        "535.129.03",
        "renderD128",
        "WGPU_BACKEND=vulkan",
    ];
    assert_says(&text, &parts);
}

#[test]
fn this_machine_can_be_looked_at() {
    let facts = Facts::gather(Vec::new());
    assert_eq!(facts.os, env::consts::OS);
    assert!(diagnose(&facts).len() > 1, "no adapter always has a cause or a next step");
}
