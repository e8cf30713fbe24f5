//! Writes down which program this is, for reports: see src/provenance.rs.

#[path = "build/provenance.rs"]
mod provenance;

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let variable = |name: &str| env::var(name).expect("cargo sets it");
    let revision = provenance::Revision::of(&package);
    let rustc = Command::new(variable("RUSTC"))
        .arg("--version")
        .output()
        .expect("rustc was there a moment ago");
    let lock = fs::read_to_string(package.join("Cargo.lock")).unwrap_or_default();
    let found = [
        (
            "GIT_REVISION",
            revision.as_ref().map_or_else(String::new, |revision| revision.commit.clone()),
        ),
        (
            "GIT_DIRTY",
            revision.as_ref().map_or_else(String::new, |revision| revision.dirty.to_string()),
        ),
        ("TARGET", variable("TARGET")),
        ("OPT_LEVEL", variable("OPT_LEVEL")),
        ("RUSTC", String::from_utf8_lossy(&rustc.stdout).trim().to_owned()),
        ("WGPU_VERSION", provenance::locked_version(&lock, "wgpu").unwrap_or_default().to_owned()),
    ];
    for (name, value) in found {
        println!("cargo:rustc-env=ACTBENCH_{name}={value}");
    }
    for path in provenance::watched(&package) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}
