//! Which kernels are timed together, at which sizes, by profile.

use regex::Regex;

use crate::gpu::ShaderChecks;
use crate::kernels::activation::{ACTIVATIONS, Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::Distribution;
use crate::kernels::kernel::{self, Kernel};
use crate::report::Profile;

use super::ridge::PlannedRidge;

/// Elements of the tensors, fixed so that machines compare.
const SIZES: [u64; 4] = [1 << 12, 1 << 16, 1 << 20, 1 << 24];

/// On a hardware adapter, whose caches may hold 2^24 elements, as well. On a CPU it would measure the same memory for much longer.
const ON_HARDWARE: u64 = 1 << 26;

/// Beyond the quick profile, on a hardware adapter; for the default variants, as the others have shown by then how they compare.
const LARGE: [u64; 2] = [1 << 28, 1 << 30];

/// From this size on the full profile varies inputs and shader checks: below, launching hides both.
const VARIED_FROM: u64 = 1 << 20;

/// A kernel in a group.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// What is timed.
    pub kernel: Kernel,
    /// With or without run-time checks.
    pub checks: ShaderChecks,
    /// On which inputs.
    pub distribution: Distribution,
}

/// What is timed together: one direction, dtype and size, the copy first.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which pass.
    pub direction: Direction,
    /// How elements are stored.
    pub dtype: Dtype,
    /// Elements of each tensor.
    pub elements: u64,
    /// The copy, then what is compared with it.
    pub members: Vec<Member>,
}

impl Member {
    fn plain(kernel: Kernel) -> Self {
        Self { kernel, checks: ShaderChecks::Trusted, distribution: Distribution::Normal }
    }

    /// The kernel's id with a suffix for what is not the default.
    pub fn id(&self, elements: u64) -> String {
        let checked = if self.checks == ShaderChecks::Checked { "/checked" } else { "" };
        let inputs = match self.distribution {
            Distribution::Normal => String::new(),
            other => format!("/inputs={}", other.name()),
        };
        self.kernel.id(elements) + checked + &inputs
    }
}

impl Group {
    /// What it is called in progress: the part of the ids that its members share.
    pub fn name(&self) -> String {
        kernel::group_id(self.direction, self.dtype, self.elements)
    }
}

/// The default variant of every activation that has this direction, the copy first.
pub fn default_kernels(direction: Direction, dtype: Dtype) -> Vec<Kernel> {
    let copy = direction.copy();
    let mut activations: Vec<&'static Activation> = ACTIVATIONS.iter().collect();
    activations.sort_by_key(|activation| activation.name != copy);
    activations
        .into_iter()
        .filter_map(|activation| Kernel::default_variant(activation, direction, dtype))
        .collect()
}

/// Every variant, the default variants first and the copy before all.
fn all_kernels(direction: Direction, dtype: Dtype) -> Vec<Kernel> {
    let mut kernels = default_kernels(direction, dtype);
    let others: Vec<Kernel> = kernel::all()
        .filter(|kernel| kernel.direction() == direction && kernel.dtype == dtype)
        .filter(|kernel| kernels.iter().all(|default| default.path() != kernel.path()))
        .collect();
    kernels.extend(others);
    kernels
}

/// The groups of a profile, in the order in which they are measured. A filter keeps the members whose id it matches, the copies of
/// the groups that they are in, and those that ridges are measured against.
pub fn groups(
    profile: Profile,
    is_software: bool,
    filter: Option<&Regex>,
    planned_ridges: &[PlannedRidge],
) -> Vec<Group> {
    let mut sizes = SIZES.to_vec();
    if !is_software {
        sizes.push(ON_HARDWARE);
        if profile != Profile::Quick {
            sizes.extend(LARGE);
        }
    }
    let dtypes: &[Dtype] = match profile {
        Profile::Quick => &[Dtype::F32, Dtype::F16],
        Profile::Standard | Profile::Full => &Dtype::ALL,
    };
    let mut groups = Vec::new();
    for &dtype in dtypes {
        for &elements in &sizes {
            for direction in Direction::ALL {
                let has_all = profile != Profile::Quick && !LARGE.contains(&elements);
                let kernels = if has_all {
                    all_kernels(direction, dtype)
                } else {
                    default_kernels(direction, dtype)
                };
                let mut members: Vec<Member> = kernels.into_iter().map(Member::plain).collect();
                if profile == Profile::Full && elements >= VARIED_FROM && has_all {
                    members
                        .extend(default_kernels(direction, dtype).into_iter().flat_map(variations));
                }
                if let Some(filter) = filter {
                    let is_beside = |planned: &PlannedRidge| planned.is_beside(direction, dtype);
                    let is_wanted = |member: &Member| filter.is_match(&member.id(elements));
                    if !members.iter().any(is_wanted) && !planned_ridges.iter().any(is_beside) {
                        continue;
                    }
                    let mut index = 0;
                    members.retain(|member| {
                        index += 1;
                        index == 1 || filter.is_match(&member.id(elements))
                    });
                }
                groups.push(Group { direction, dtype, elements, members });
            }
        }
    }
    groups
}

/// A kernel on other inputs and with run-time checks.
fn variations(kernel: Kernel) -> [Member; 3] {
    let plain = Member::plain(kernel);
    [
        Member { checks: ShaderChecks::Checked, ..plain },
        Member { distribution: Distribution::Constant, ..plain },
        Member { distribution: Distribution::Zeros, ..plain },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ids(groups: &[Group]) -> Vec<String> {
        groups
            .iter()
            .flat_map(|group| group.members.iter().map(|member| member.id(group.elements)))
            .collect()
    }

    #[test]
    fn ids_are_unique_and_yardsticks_stand_first() {
        for profile in [Profile::Quick, Profile::Standard, Profile::Full] {
            for is_software in [true, false] {
                let groups = groups(profile, is_software, None, &[]);
                let ids = ids(&groups);
                assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{profile:?}");
                for group in &groups {
                    assert_eq!(group.members[0].kernel.activation.name, group.direction.copy());
                }
            }
        }
    }

    #[test]
    fn every_profile_holds_the_one_before() {
        let [quick, standard, full] =
            [Profile::Quick, Profile::Standard, Profile::Full].map(|profile| {
                ids(&groups(profile, false, None, &[])).into_iter().collect::<HashSet<_>>()
            });
        assert!(quick.is_subset(&standard) && standard.is_subset(&full));
        assert!(standard.len() > 2 * quick.len() && full.len() > standard.len());
        assert!(full.contains("forward/f32/n=1048576/relu/plain/checked"));
        assert!(full.contains("backward/f16/n=16777216/sigmoid/from_y/inputs=constant"));
    }

    #[test]
    fn a_filter_keeps_what_it_matches_and_its_yardstick() {
        let filter = Regex::new("n=65536/sigmoid").expect("a pattern");
        let kept = ids(&groups(Profile::Quick, true, Some(&filter), &[]));
        assert_eq!(
            kept[..2],
            ["forward/f32/n=65536/copy/plain", "forward/f32/n=65536/sigmoid/two_sided"]
        );
        assert_eq!(kept.len(), 8);
        let none = Regex::new("nosuch").expect("a pattern");
        assert!(groups(Profile::Full, true, Some(&none), &[]).is_empty());
    }
}
