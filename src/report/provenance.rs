//! Which program this is: what build.rs found out when it was built.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The program that wrote a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// actbench.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The git commit that it was built from, in hexadecimal; null if its sources came without git.
    pub git_revision: Option<String>,
    /// Whether what goes into the program differed from that commit.
    pub git_dirty: Option<bool>,
    /// What it was compiled for, as a target triple.
    pub target: String,
    /// Whether the compiler optimized it.
    pub optimized: bool,
    /// The compiler, as it names itself.
    pub rustc: String,
    /// The version of wgpu in Cargo.lock. (`cargo install` looks there only if given `--locked`.)
    pub wgpu_version: Option<String>,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_revision: known(env!("ACTBENCH_GIT_REVISION")),
            git_dirty: env!("ACTBENCH_GIT_DIRTY").parse().ok(),
            target: env!("ACTBENCH_TARGET").to_owned(),
            optimized: env!("ACTBENCH_OPT_LEVEL") != "0",
            rustc: env!("ACTBENCH_RUSTC").to_owned(),
            wgpu_version: known(env!("ACTBENCH_WGPU_VERSION")),
        }
    }
}
