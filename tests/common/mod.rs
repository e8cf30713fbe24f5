//! The adapter that tests run on: `ACTBENCH_ADAPTER`, else a software adapter, else the only one
//! there is.

use std::sync::OnceLock;

use actbench::gpu::{Choice, Gpu};

/// The device, opened once for all tests of a file. Without an adapter the test fails and says what
/// to install.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let choice = Choice::from_environment(Choice::PreferSoftware);
        let gpu = Gpu::open(&choice).unwrap_or_else(|error| {
            panic!(
                "these tests need an adapter: {error}\nOn a machine without a GPU, install Mesa's software adapter \
                 (Debian: apt-get install libvulkan1 mesa-vulkan-drivers), or run scripts/test, which does."
            )
        });
        eprintln!("tests run on {}", gpu.facts.summary());
        gpu
    })
}
