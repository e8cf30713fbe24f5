//! Tells the program which sources and compiler it comes from: see src/report/provenance.rs.
//!
//! No kept crate does this right. vergen-gitcl misses commits in linked work trees and on packed
//! branches, calls an edited README dirty, and takes the commit of whatever repository a package
//! lies in; built and shadow-rs do not watch git at all. Each brings ten to twenty crates.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// What goes into the program.
const SOURCES: &str = "src shaders benches build.rs Cargo.toml Cargo.lock";

fn main() {
    let cargo = |name: &str| env::var(name).expect("cargo sets it");
    let rustc = Command::new(cargo("RUSTC")).arg("--version").output().expect("rustc starts");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let mut wgpu = lock.lines().skip_while(|line| *line != "name = \"wgpu\"");
    let wgpu = wgpu.nth(1).and_then(|line| line.split('"').nth(1));
    let [commit, dirty] = revision().unwrap_or_default();
    let found = [
        ("GIT_REVISION", commit),
        ("GIT_DIRTY", dirty),
        ("TARGET", cargo("TARGET")),
        ("OPT_LEVEL", cargo("OPT_LEVEL")),
        ("RUSTC", String::from_utf8_lossy(&rustc.stdout).trim().to_owned()),
        ("WGPU_VERSION", wgpu.unwrap_or_default().to_owned()),
    ];
    for (name, value) in found {
        println!("cargo:rustc-env=ACTBENCH_{name}={value}");
    }
    // A work tree's own log grows with every commit, checkout and reset. Where there is none, its
    // references change.
    let in_git = |names: &str| git(&format!("rev-parse {names}")).unwrap_or_default();
    let mut watched = in_git("--git-path logs/HEAD");
    if !Path::new(&watched).exists() {
        watched = in_git("--git-path HEAD --git-path refs --git-path packed-refs");
    }
    let watched = watched.lines().chain(SOURCES.split(' ')).chain([".cargo_vcs_info.json"]);
    // Cargo would build every time for a file that does not exist.
    for path in watched.filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// The commit, and whether what goes into the program differs from it. None without git.
fn revision() -> Option<[String; 2]> {
    // What `cargo package` wrote down.
    if let Ok(text) = fs::read_to_string(".cargo_vcs_info.json") {
        let commit = text.split('"').skip_while(|word| *word != "sha1").nth(2)?;
        return Some([commit.to_owned(), text.contains("\"dirty\": true").to_string()]);
    }
    // Unpacked inside somebody else's repository, the folder is below its top or not tracked by it.
    if git("ls-files --full-name Cargo.toml")? != "Cargo.toml" {
        return None;
    }
    let changes = git(&format!("status --porcelain -- {SOURCES}"))?;
    Some([git("rev-parse --verify HEAD")?, (!changes.is_empty()).to_string()])
}

fn git(arguments: &str) -> Option<String> {
    // `status` would rewrite the index. A hook that builds has the variables set for its own ends.
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .args(arguments.split(' '))
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE")
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
