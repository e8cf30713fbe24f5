//! Where the sources of a package come from. build.rs and tests/provenance.rs both include this file; it needs the standard library alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the program, relative to the package's folder.
pub const SOURCES: [&str; 7] =
    ["src", "shaders", "benches", "build", "build.rs", "Cargo.toml", "Cargo.lock"];

/// The commit that sources come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its hash in hexadecimal.
    pub commit: String,
    /// Whether what goes into the program differs from it.
    pub dirty: bool,
}

impl Revision {
    /// The commit of a package's folder: what `cargo package` wrote down, else what git says if the folder is the top of a work tree that has its manifest.
    /// None if neither, or without git.
    #[must_use]
    pub fn of(package: &Path) -> Option<Self> {
        if let Ok(text) = fs::read_to_string(package.join(".cargo_vcs_info.json")) {
            return Self::of_package(&text);
        }
        // Unpacked inside somebody else's repository, the folder is below its top or not tracked by it.
        if !git(package, &["rev-parse", "--show-prefix"])?.is_empty() {
            return None;
        }
        git(package, &["ls-files", "--error-unmatch", "Cargo.toml"])?;
        let commit = git(package, &["rev-parse", "--verify", "HEAD"])?;
        let status =
            git(package, &[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat())?;
        Some(Self { commit, dirty: !status.is_empty() })
    }

    /// From the file that `cargo package` adds: {"git": {"sha1": "...", "dirty": true}, ...}, dirty being left out where it is false.
    fn of_package(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        let (_, hash) = text.split_once("\"sha1\":\"")?;
        let (commit, _) = hash.split_once('"')?;
        Some(Self { commit: commit.to_owned(), dirty: text.contains("\"dirty\":true") })
    }
}

/// The files that change when the commit of a folder does or when an edit makes it dirty. All of them exist: cargo would build again every time for one
/// that does not.
#[must_use]
pub fn watched(package: &Path) -> Vec<PathBuf> {
    let in_git = |name: &str| {
        git(package, &["rev-parse", "--git-path", name]).map(|path| package.join(path))
    };
    let sources = SOURCES.iter().map(|name| package.join(name));
    // A work tree's own log grows with every commit, checkout and reset. Without logs, look where references are.
    let log = in_git("logs/HEAD").filter(|log| log.exists());
    let references = ["HEAD", "refs", "packed-refs", "reftable"].into_iter().filter_map(in_git);
    let git: Vec<PathBuf> = log.map_or_else(|| references.collect(), |log| vec![log]);
    sources
        .chain([package.join(".cargo_vcs_info.json")])
        .chain(git)
        .filter(|path| path.exists())
        .collect()
}

/// The version of a dependency in the text of a Cargo.lock.
#[must_use]
pub fn locked_version<'a>(lock: &'a str, dependency: &str) -> Option<&'a str> {
    let name = format!("name = \"{dependency}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // `status` would lock and rewrite the index otherwise, under whoever else uses it.
    command.arg("--no-optional-locks").arg("-C").arg(folder).args(arguments);
    // A hook that builds has these set, for the repository of the hook.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"] {
        command.env_remove(variable);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
