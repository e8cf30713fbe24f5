//! How a shader is compiled and spread over the device.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a kernel's words are spread over invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// 16-byte words that an invocation owns.
    pub words_per_invocation: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { workgroup_size: 256, words_per_invocation: 1 }
    }
}

/// Whether wgpu adds its run-time checks to a shader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShaderChecks {
    /// No checks: what is timed. The loops and indices of these shaders are bounded by
    /// construction.
    #[default]
    Trusted,
    /// Bounds of every access and of every loop are checked, as a web page's shader would be.
    Checked,
}

impl Shape {
    /// The override constants of a kernel whose units have `words_per_unit` words. An invocation
    /// gets the units that hold its words.
    pub fn constants(self, words_per_unit: u64) -> [(&'static str, f64); 2] {
        [
            ("workgroup_size", f64::from(self.workgroup_size)),
            ("units_per_invocation", f64::from(self.units(words_per_unit))),
        ]
    }

    fn units(self, words_per_unit: u64) -> u32 {
        self.words_per_invocation.div_ceil(u32::try_from(words_per_unit).expect("a handful"))
    }

    /// The workgroups that cover so many words. The rows have equal length: one dimension holds
    /// 65,535 on most adapters, and a full row followed by a short one would leave up to half of
    /// the grid idle. None if two dimensions of at most `most` do not cover them.
    pub(super) fn grid(self, words: u64, words_per_unit: u64, most: u32) -> Option<[u32; 3]> {
        let per_workgroup = u64::from(self.workgroup_size) * u64::from(self.units(words_per_unit));
        let workgroups = words.div_ceil(words_per_unit).div_ceil(per_workgroup);
        let rows = workgroups.div_ceil(u64::from(most)).max(1);
        let columns = u32::try_from(workgroups.div_ceil(rows)).ok()?;
        Some([columns, u32::try_from(rows).ok().filter(|rows| *rows <= most)?, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_covers_every_word_with_little_idle() {
        let shape = Shape { workgroup_size: 1, words_per_invocation: 1 };
        assert_eq!(shape.grid(1, 1, 65_535), Some([1, 1, 1]));
        assert_eq!(shape.grid(65_535, 1, 65_535), Some([65_535, 1, 1]));
        assert_eq!(shape.grid(65_536, 1, 65_535), Some([32_768, 2, 1]));
        for words in [65_537, 1 << 20, (1 << 27) - 64] {
            for (workgroup_size, words_per_invocation) in [(1, 1), (64, 1), (256, 4), (1024, 16)] {
                let shape = Shape { workgroup_size, words_per_invocation };
                let [x, y, _] = shape.grid(words, 1, 65_535).expect("fits");
                let groups = u64::from(x) * u64::from(y);
                let per_group = u64::from(workgroup_size * words_per_invocation);
                assert!(groups * per_group >= words, "{words} {shape:?}");
                assert!(
                    groups - words.div_ceil(per_group) < u64::from(y),
                    "{words} {shape:?}: idle workgroups"
                );
                assert!(x <= 65_535 && y <= 65_535);
                // The shader counts invocations in u32.
                assert!(u32::try_from(groups * per_group).is_ok(), "{words} {shape:?}");
            }
        }
        assert_eq!(shape.grid(1 << 33, 1, 65_535), None);
    }
}
