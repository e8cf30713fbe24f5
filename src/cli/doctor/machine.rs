//! What a machine has of Vulkan: loader, drivers and GPUs, as its files and variables show them.
//!
//! The search for drivers is that of the Vulkan loader ("Driver Discovery" in its
//! LoaderDriverInterface.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The variables that replace the loader's search for drivers. The first one set wins. An empty
/// value counts: to the loader it is a list of nothing.
pub const DRIVER_LISTS: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// Where to look. Tests give a folder as the root, and variables of their own.
pub struct Machine {
    pub os: &'static str,
    pub root: PathBuf,
    pub variables: BTreeMap<String, String>,
    /// Opening is the one test that also honours access lists and a container's device rules.
    pub open: fn(&Path) -> io::Result<()>,
}

/// A manifest of the Vulkan loader: a JSON file that names a driver's library.
pub struct Driver {
    pub manifest: PathBuf,
    /// Empty where the manifest can't be read or names none.
    pub library: String,
    pub is_there: bool,
}

/// A GPU that the kernel offers for rendering: `/dev/dri/renderD<N>`.
pub struct RenderNode {
    pub path: String,
    /// The maker: 0x1002 AMD, 0x8086 Intel, 0x10de NVIDIA. Empty without PCI.
    pub vendor: String,
    pub is_denied: bool,
}

impl Machine {
    pub fn here() -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            os: env::consts::OS,
            root: PathBuf::from("/"),
            variables: env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            open: |path| fs::OpenOptions::new().read(true).write(true).open(path).map(drop),
        }
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub fn real(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.real(path.as_ref()).exists()
    }

    fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.real(path.as_ref())).unwrap_or_default()
    }

    /// What os-release says under a key: ID, `ID_LIKE`, `PRETTY_NAME`.
    pub fn os_release(&self, key: &str) -> String {
        let text = self.read("/etc/os-release");
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    }

    pub fn is_container(&self) -> bool {
        let is_set = |name| self.variable(name).is_some();
        let has_mark = self.exists("/.dockerenv") || self.exists("/run/.containerenv");
        has_mark || is_set("container") || is_set("KUBERNETES_SERVICE_HOST")
    }

    /// Whether dlopen finds a library, but for what ld.so.conf adds.
    pub fn has_library(&self, name: &str) -> bool {
        let first = self.variable("LD_LIBRARY_PATH").unwrap_or_default();
        let multiarch = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
        let folders = format!("{first}:{multiarch}:/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib");
        split(&folders).any(|folder| self.exists(folder.join(name)))
    }

    pub fn driver_list(&self) -> Option<&str> {
        DRIVER_LISTS.into_iter().find_map(|name| self.variable(name))
    }

    /// The drivers that the loader finds.
    pub fn drivers(&self) -> Vec<Driver> {
        let home = self.variable("HOME").unwrap_or_default();
        let shared = self.variable("XDG_DATA_DIRS").filter(|list| !list.is_empty());
        let shared = shared.unwrap_or("/usr/local/share:/usr/share");
        let folders = format!("{home}/.config:/etc/xdg:/etc:{home}/.local/share:{shared}");
        let places: Vec<PathBuf> = match self.driver_list() {
            Some(list) => split(list).collect(),
            None => split(&folders).map(|folder| folder.join("vulkan/icd.d")).collect(),
        };
        places
            .into_iter()
            .flat_map(|place| self.files(place))
            .filter(|path| path.extension().is_some_and(|end| end == "json") && self.exists(path))
            .map(|manifest| self.driver(manifest))
            .collect()
    }

    /// Those in a folder, or the one that is no folder.
    fn files(&self, place: PathBuf) -> Vec<PathBuf> {
        match fs::read_dir(self.real(&place)) {
            Ok(entries) => entries.flatten().map(|entry| place.join(entry.file_name())).collect(),
            Err(_) => vec![place],
        }
    }

    fn driver(&self, manifest: PathBuf) -> Driver {
        let json = serde_json::from_str(&self.read(&manifest)).unwrap_or(serde_json::Value::Null);
        let library = json["ICD"]["library_path"].as_str().unwrap_or_default().to_owned();
        // A path is relative to the manifest, or absolute and then stays as it is.
        let is_beside = self.exists(manifest.with_file_name(&library));
        let is_there = !library.is_empty() && (is_beside || self.has_library(&library));
        Driver { manifest, library, is_there }
    }

    /// The version of NVIDIA's kernel driver, from a line such as
    /// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 ...`.
    pub fn nvidia_version(&self) -> Option<String> {
        let text = self.read("/proc/driver/nvidia/version");
        let is_version = |word: &&str| {
            word.contains('.') && word.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit())
        };
        text.split_whitespace().find(is_version).map(str::to_owned)
    }

    /// A container may be given the fourth of four alone.
    pub fn has_nvidia_device(&self) -> bool {
        self.exists("/dev/nvidiactl")
            && (0..32).any(|number| self.exists(format!("/dev/nvidia{number}")))
    }

    /// Those with a device behind the file.
    pub fn render_nodes(&self) -> Vec<RenderNode> {
        let node = |number: u32| {
            let path = format!("/dev/dri/renderD{number}");
            let vendor = self.read(format!("/sys/class/drm/renderD{number}/device/vendor"));
            let opened = (self.open)(&self.real(path.as_ref())).map_err(|error| error.kind());
            let is_denied = opened == Err(io::ErrorKind::PermissionDenied);
            let vendor = vendor.trim().to_owned();
            (opened.is_ok() || is_denied).then_some(RenderNode { path, vendor, is_denied })
        };
        (128..192).filter_map(node).collect()
    }

    /// Whether the kernel offers a GPU.
    pub fn has_gpu(&self) -> bool {
        self.nvidia_version().is_some() || !self.render_nodes().is_empty()
    }
}

fn split(list: &str) -> impl Iterator<Item = PathBuf> {
    list.split(':').filter(|entry| !entry.is_empty()).map(PathBuf::from)
}
