//! Looking: what a machine has of Vulkan's loader, its drivers and a GPU.
//!
//! What is looked at follows the Vulkan loader's own search ("Driver Discovery" in its LoaderDriverInterface.md) and
//! NVIDIA's container toolkit (its README on `NVIDIA_DRIVER_CAPABILITIES`).

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::packages::PackageManager;

/// The environment variables that decide which adapters a program sees.
const VARIABLES: [&str; 10] = [
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_ADD_DRIVER_FILES",
    "VK_LOADER_DRIVERS_SELECT",
    "VK_LOADER_DRIVERS_DISABLE",
    "LD_LIBRARY_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "WGPU_BACKEND",
    "WGPU_ADAPTER_NAME",
];

pub(super) const LOADER: &str = "libvulkan.so.1";
pub(super) const NVIDIA_GLX: &str = "libGLX_nvidia.so.0";
pub(super) const NVIDIA_EGL: &str = "libEGL_nvidia.so.0";
/// What NVIDIA's Vulkan driver loads and a bare container lacks (nvidia-container-toolkit issues 16 and 1952).
pub(super) const NVIDIA_NEEDS: [&str; 3] = ["libX11.so.6", "libXext.so.6", "libEGL.so.1"];

/// An adapter that wgpu reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The name that the driver gives.
    pub name: String,
    /// Whether it computes on the CPU.
    pub software: bool,
}

/// Everything that was looked at. Paths are absolute, as the loader would name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// As in [`std::env::consts::OS`].
    pub os: String,
    /// `ID` of os-release: debian, ubuntu, fedora, ...
    pub distribution: Option<String>,
    /// Whether the effective user is root, who needs no sudo.
    pub superuser: bool,
    /// The first one found on PATH.
    pub package_manager: Option<PackageManager>,
    /// What tells that this is a container.
    pub container: Option<String>,
    /// Whether this is Linux inside Windows (`/dev/dxg`).
    pub wsl: bool,
    /// The adapters that the caller found.
    pub adapters: Vec<AdapterSummary>,
    /// Where the Vulkan loader lies.
    pub loader: Option<PathBuf>,
    /// The driver manifests (ICD files) that the loader reads.
    pub manifests: Vec<Manifest>,
    /// The variable that replaces the loader's search path, if one is set.
    pub replaced_search: Option<DriverFiles>,
    /// The variable that adds to the loader's search path, if it is set and not itself replaced.
    pub added_search: Option<DriverFiles>,
    /// NVIDIA's driver, kernel side and user side.
    pub nvidia: Nvidia,
    /// The GPUs that the kernel offers for rendering.
    pub render_nodes: Vec<RenderNode>,
    /// The variables of interest that are set.
    pub environment: BTreeMap<String, String>,
}

/// A Vulkan driver manifest: a JSON file that names a driver's library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The file.
    pub path: PathBuf,
    /// Its `library_path`; `None` where the file cannot be read or has none.
    pub library: Option<String>,
    /// Where that library lies; `None` where it was not found.
    pub found: Option<PathBuf>,
}

/// An environment variable that lists manifests or folders of manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverFiles {
    /// Its name.
    pub variable: String,
    /// The entries that do not exist.
    pub missing: Vec<PathBuf>,
}

/// What there is of NVIDIA's driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nvidia {
    /// The kernel module's version, empty where it could not be read; `None` without the module.
    pub kernel_module: Option<String>,
    /// Whether there is `/dev/nvidiactl`.
    pub control: bool,
    /// The GPUs, `/dev/nvidia<N>`. A container may be given the fourth of four, so 0 need not be among them.
    pub gpus: Vec<PathBuf>,
    /// Where the GLX library lies, which also holds the Vulkan driver.
    pub glx: Option<PathBuf>,
    /// Where the EGL library lies, which holds the same driver without X.
    pub egl: Option<PathBuf>,
    /// The version in the libraries' file names.
    pub library_version: Option<String>,
    /// Libraries that the driver loads and that are not there.
    pub missing_libraries: Vec<String>,
}

/// A render node, `/dev/dri/renderD<N>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderNode {
    /// The device file.
    pub path: PathBuf,
    /// Its GPU's maker, by PCI vendor id.
    pub vendor: Vendor,
    /// Whether this user may open it.
    pub access: Access,
}

/// The makers whose Vulkan drivers this module can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// 0x1002
    Amd,
    /// 0x8086
    Intel,
    /// 0x10de
    Nvidia,
    /// Any other, virtual ones included.
    Other,
}

/// What came of opening a device file for reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It opened.
    Granted,
    /// Permission was denied.
    Denied,
    /// It failed otherwise: there is no device behind the file.
    Broken,
}

impl Facts {
    /// Looks at this machine. `adapters` are those that wgpu enumerated, since this module does not ask a GPU anything.
    #[must_use]
    pub fn gather(adapters: Vec<AdapterSummary>) -> Self {
        Machine::here().look(adapters)
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    pub(super) fn has_hardware(&self) -> bool {
        self.adapters.iter().any(|adapter| !adapter.software)
    }

    /// Whether the kernel offers a GPU whose maker's Vulkan drivers this module knows.
    pub(super) fn has_signs_of_a_gpu(&self) -> bool {
        let known =
            |node: &RenderNode| node.vendor != Vendor::Other && node.access != Access::Broken;
        self.nvidia.kernel_module.is_some() || self.render_nodes.iter().any(known)
    }
}

/// Where to look: the seam through which tests offer a folder as the root and variables of their own.
pub(super) struct Machine {
    pub(super) os: String,
    pub(super) root: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) open: fn(&Path) -> io::Result<()>,
}

impl Machine {
    fn here() -> Self {
        let environment = env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect();
        Self {
            os: env::consts::OS.to_owned(),
            root: PathBuf::from("/"),
            environment,
            open: open_device,
        }
    }

    pub(super) fn look(&self, adapters: Vec<AdapterSummary>) -> Facts {
        let environment = VARIABLES
            .iter()
            .filter_map(|&name| Some((name.to_owned(), self.variable(name)?.to_owned())))
            .collect();
        let facts = Facts { os: self.os.clone(), adapters, environment, ..Facts::default() };
        if has_own_driver_model(&facts.os) {
            return facts;
        }
        let libraries = self.library_folders();
        // The newer name wins. Where it replaces the search, the loader ignores what another variable adds.
        let replaced = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
            .into_iter()
            .find_map(|name| self.driver_files(name));
        let added =
            if replaced.is_none() { self.driver_files("VK_ADD_DRIVER_FILES") } else { None };
        let listed = replaced.iter().chain(&added).flat_map(|(_, manifests)| manifests.clone());
        let folders = if replaced.is_none() { self.manifest_folders() } else { Vec::new() };
        let searched = folders.iter().flat_map(|folder| self.manifests_in(folder));
        let manifests =
            listed.chain(searched).map(|path| self.manifest(path, &libraries)).collect();
        Facts {
            distribution: self.distribution(),
            superuser: self.is_superuser(),
            package_manager: self.package_manager(),
            container: self.container(),
            wsl: self.exists("/dev/dxg"),
            loader: self.find_library(LOADER, &libraries),
            manifests,
            replaced_search: replaced.map(|(files, _)| files),
            added_search: added.map(|(files, _)| files),
            nvidia: self.nvidia(&libraries),
            render_nodes: self.render_nodes(),
            ..facts
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// A set variable that is not empty, or else `default`: XDG and the loader treat empty as unset.
    fn variable_or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.variable(name).filter(|value| !value.is_empty()).unwrap_or(default)
    }

    pub(super) fn real(&self, path: &Path) -> PathBuf {
        path.strip_prefix("/").map_or_else(|_| path.to_owned(), |relative| self.root.join(relative))
    }

    fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.real(path.as_ref()).exists()
    }

    fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read(self.real(path.as_ref()))
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The entries of a folder by absolute path, sorted; none where it cannot be read.
    fn entries(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        let folder = folder.as_ref();
        let mut entries: Vec<PathBuf> = fs::read_dir(self.real(folder))
            .map(|entries| entries.flatten().map(|entry| folder.join(entry.file_name())).collect())
            .unwrap_or_default();
        entries.sort();
        entries
    }

    fn distribution(&self) -> Option<String> {
        let text = self.read("/etc/os-release").or_else(|| self.read("/usr/lib/os-release"))?;
        let id = text.lines().find_map(|line| line.strip_prefix("ID="))?;
        Some(id.trim_matches(['"', '\'', ' ']).to_owned())
    }

    fn is_superuser(&self) -> bool {
        // "Uid: real effective saved filesystem"
        let effective = self.read("/proc/self/status").and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
            line.split_whitespace().nth(1).map(str::to_owned)
        });
        effective.as_deref() == Some("0")
    }

    fn package_manager(&self) -> Option<PackageManager> {
        let path = self
            .variable_or("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        PackageManager::ALL.into_iter().find(|manager| {
            path.split(':').any(|folder| self.exists(Path::new(folder).join(manager.program())))
        })
    }

    fn container(&self) -> Option<String> {
        if let Some(file) =
            ["/.dockerenv", "/run/.containerenv"].into_iter().find(|file| self.exists(file))
        {
            return Some(file.to_owned());
        }
        let variable = ["container", "KUBERNETES_SERVICE_HOST"]
            .into_iter()
            .find(|name| self.variable(name).is_some());
        if let Some(name) = variable {
            return Some(format!("the variable {name}"));
        }
        let cgroup = self.read("/proc/1/cgroup")?;
        let marks = ["docker", "kubepods", "containerd", "libpod", "lxc"];
        marks
            .into_iter()
            .find(|mark| cgroup.contains(mark))
            .map(|mark| format!("\"{mark}\" in /proc/1/cgroup"))
    }

    /// Where dlopen looks, near enough: `LD_LIBRARY_PATH`, ld.so.conf and the folders that distributions build in.
    fn library_folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> =
            split_paths(self.variable("LD_LIBRARY_PATH").unwrap_or_default());
        let configured = self.entries("/etc/ld.so.conf.d");
        for file in configured.iter().map(PathBuf::as_path).chain([Path::new("/etc/ld.so.conf")]) {
            let text = self.read(file).unwrap_or_default();
            folders.extend(
                text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from),
            );
        }
        let architecture = env::consts::ARCH;
        folders.push(format!("/lib/{architecture}-linux-gnu").into());
        folders.push(format!("/usr/lib/{architecture}-linux-gnu").into());
        folders.extend(
            ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"].map(PathBuf::from),
        );
        folders
    }

    fn find_library(&self, name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
        folders.iter().map(|folder| folder.join(name)).find(|path| self.exists(path))
    }

    /// The manifests that a variable lists, folders expanded. A variable that is set but empty still counts: to the
    /// loader it is a list of nothing.
    fn driver_files(&self, variable: &str) -> Option<(DriverFiles, Vec<PathBuf>)> {
        let entries = split_paths(self.variable(variable)?);
        let (existing, missing) =
            entries.into_iter().partition::<Vec<_>, _>(|path| self.exists(path));
        let files =
            existing
                .into_iter()
                .flat_map(|path| {
                    if self.real(&path).is_dir() { self.manifests_in(&path) } else { vec![path] }
                })
                .collect();
        Some((DriverFiles { variable: variable.to_owned(), missing }, files))
    }

    fn manifests_in(&self, folder: &Path) -> Vec<PathBuf> {
        let mut entries = self.entries(folder);
        entries.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        entries
    }

    /// The loader's search path, in its order.
    pub(super) fn manifest_folders(&self) -> Vec<PathBuf> {
        let home = self.variable("HOME").map(PathBuf::from);
        let of_home = |variable: &str, default: &str| {
            let set = self.variable(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
            set.or_else(|| Some(home.as_ref()?.join(default)))
        };
        let mut folders: Vec<PathBuf> = of_home("XDG_CONFIG_HOME", ".config").into_iter().collect();
        folders.extend(split_paths(self.variable_or("XDG_CONFIG_DIRS", "/etc/xdg")));
        folders.push(PathBuf::from("/etc"));
        folders.extend(of_home("XDG_DATA_HOME", ".local/share"));
        folders
            .extend(split_paths(self.variable_or("XDG_DATA_DIRS", "/usr/local/share:/usr/share")));
        let mut unique = Vec::new();
        for folder in folders.into_iter().map(|folder| folder.join("vulkan/icd.d")) {
            if !unique.contains(&folder) {
                unique.push(folder);
            }
        }
        unique
    }

    fn manifest(&self, path: PathBuf, libraries: &[PathBuf]) -> Manifest {
        let library = self.read(&path).and_then(|json| json_string(&json, "library_path"));
        let found = library.as_ref().and_then(|library| {
            if library.contains('/') {
                // Relative to the manifest; join() keeps an absolute path as it is.
                let file = path.parent().unwrap_or(Path::new("/")).join(library);
                self.exists(&file).then_some(file)
            } else {
                self.find_library(library, libraries)
            }
        });
        Manifest { path, library, found }
    }

    fn nvidia(&self, libraries: &[PathBuf]) -> Nvidia {
        let version_file = self.read("/proc/driver/nvidia/version");
        let kernel_module =
            version_file.as_deref().map(|text| driver_version(text).unwrap_or_default());
        let is_gpu = |path: &PathBuf| {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let number = name.strip_prefix("nvidia").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        };
        let glx = self.find_library(NVIDIA_GLX, libraries);
        let egl = self.find_library(NVIDIA_EGL, libraries);
        // libGLX_nvidia.so.0 is a link to libGLX_nvidia.so.<driver version>.
        let library_version = glx.as_ref().or(egl.as_ref()).and_then(|library| {
            let target = fs::read_link(self.real(library)).ok()?;
            let name = target.file_name()?.to_string_lossy().into_owned();
            name.split_once(".so.").map(|(_, version)| version.to_owned())
        });
        let missing =
            NVIDIA_NEEDS.into_iter().filter(|name| self.find_library(name, libraries).is_none());
        Nvidia {
            kernel_module,
            control: self.exists("/dev/nvidiactl"),
            gpus: self.entries("/dev").into_iter().filter(is_gpu).collect(),
            glx,
            egl,
            library_version,
            missing_libraries: missing.map(str::to_owned).collect(),
        }
    }

    fn render_nodes(&self) -> Vec<RenderNode> {
        let nodes = self.entries("/dev/dri").into_iter().filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let vendor = name.starts_with("renderD").then(|| {
                self.read(format!("/sys/class/drm/{name}/device/vendor")).unwrap_or_default()
            })?;
            let access = match (self.open)(&self.real(&path)) {
                Ok(()) => Access::Granted,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Access::Denied,
                Err(_) => Access::Broken,
            };
            Some(RenderNode { path, vendor: Vendor::of(&vendor), access })
        });
        nodes.collect()
    }
}

/// Opening is the one test that also honours access lists and a container's device rules.
pub(super) fn open_device(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path).map(drop)
}

fn split_paths(list: &str) -> Vec<PathBuf> {
    list.split(':').filter(|entry| !entry.is_empty()).map(PathBuf::from).collect()
}

/// Systems where the driver comes with the system or its maker's installer, and nothing below applies.
pub(super) fn has_own_driver_model(os: &str) -> bool {
    matches!(os, "windows" | "macos" | "ios")
}

/// The first string under `key`, wherever it stands: a manifest has one `library_path`, so a parser would add nothing.
pub(super) fn json_string(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            // In a path only \" \\ and \/ occur.
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

/// The kernel module's version: 535.129.03 in `NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct ...`.
pub(super) fn driver_version(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        word.contains('.')
            && word
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    text.split_whitespace().find(is_version).map(str::to_owned)
}

impl Vendor {
    fn of(pci_id: &str) -> Self {
        match pci_id.trim() {
            "0x1002" => Self::Amd,
            "0x8086" => Self::Intel,
            "0x10de" => Self::Nvidia,
            _ => Self::Other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Amd => "AMD",
            Self::Intel => "Intel",
            Self::Nvidia => "NVIDIA",
            Self::Other => "unknown",
        }
    }

    /// What the libraries of its Vulkan drivers have in their names. Other makers' drivers are not judged.
    pub(super) fn driver_marks(self) -> &'static [&'static str] {
        match self {
            Self::Amd => &["radeon", "amdvlk"],
            Self::Intel => &["intel"],
            Self::Nvidia => &["nvidia", "nouveau"],
            Self::Other => &[""],
        }
    }
}

/// What was looked at, a line each, for a reader who doubts the findings.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(|| "not found".to_owned(), |path| path.display().to_string())
        };
        write!(f, "system: {}", self.os)?;
        if let Some(distribution) = &self.distribution {
            write!(f, " ({distribution})")?;
        }
        if let Some(evidence) = &self.container {
            write!(f, ", in a container ({evidence})")?;
        }
        for AdapterSummary { name, software } in &self.adapters {
            write!(f, "\nadapter: {name}, {}", if *software { "software" } else { "hardware" })?;
        }
        if !has_own_driver_model(&self.os) {
            write!(f, "\nVulkan loader: {}", path(&self.loader))?;
            if self.manifests.is_empty() {
                write!(f, "\nVulkan drivers: none")?;
            }
            for Manifest { path: file, library, found } in &self.manifests {
                let library = library.as_deref().unwrap_or("names no library");
                let missing = if found.is_none() { ", not found" } else { "" };
                write!(f, "\nVulkan driver: {} -> {library}{missing}", file.display())?;
            }
            if let Some(version) = &self.nvidia.kernel_module {
                let gpus = self.nvidia.gpus.len();
                write!(f, "\nNVIDIA kernel driver: {version}, {gpus} GPUs in /dev")?;
                write!(
                    f,
                    "\nNVIDIA libraries: GLX {}, EGL {}",
                    path(&self.nvidia.glx),
                    path(&self.nvidia.egl)
                )?;
            }
            for RenderNode { path, vendor, access } in &self.render_nodes {
                let access = match access {
                    Access::Granted => "may be opened",
                    Access::Denied => "may not be opened by this user",
                    Access::Broken => "does not open",
                };
                write!(f, "\nrender node: {} ({}), {access}", path.display(), vendor.name())?;
            }
        }
        self.environment
            .iter()
            .try_for_each(|(name, value)| write!(f, "\nenvironment: {name}={value}"))
    }
}
