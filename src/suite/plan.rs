//! Which rows a run has: groups of kernels by size, groups of ops, and ridges, by profile.

use std::collections::HashSet;

use regex::Regex;

use crate::kernels::activation::{Activation, Direction};
use crate::kernels::chain::{Chain, Start};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::{self, Kernel};
use crate::kernels::ops::{self, OPS, Op};
use crate::report::{Arithmetic, Measurement, Pair, Profile, Ridge};
use crate::suite::Settings;

/// Elements of the tensors, fixed so that machines compare.
const SIZES: [u64; 4] = [1 << 12, 1 << 16, 1 << 20, 1 << 24];

/// On hardware, whose caches may hold 2^24 elements, as well.
const ON_HARDWARE: u64 = 1 << 26;

/// Beyond the quick profile, on hardware, for the default variants.
const LARGE: [u64; 2] = [1 << 28, 1 << 30];

/// What a run is going to measure.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Kernels that are timed together.
    pub groups: Vec<Group>,
    /// Ops that are timed together.
    pub chains: Vec<OpGroup>,
    /// Ridges, each by itself.
    pub ridges: Vec<PlannedRidge>,
}

/// Kernels that are timed together: one direction, dtype and size.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which pass.
    pub direction: Direction,
    /// How elements are stored.
    pub dtype: Dtype,
    /// Elements of each tensor.
    pub elements: u64,
    /// Copy or add, then what is compared with it.
    pub members: Vec<Kernel>,
}

/// Ops that are timed together, with fma before them.
#[derive(Clone, Debug)]
pub struct OpGroup {
    /// What all compute in.
    pub dtype: Dtype,
    /// Without fma itself.
    pub ops: Vec<&'static Op>,
}

/// A ridge before it is measured.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRidge {
    /// Which pass.
    pub direction: Direction,
    /// How elements are stored.
    pub dtype: Dtype,
    /// What is computed between load and store.
    op: &'static Op,
}

impl Planned {
    /// The rows of a profile that the filter matches, with what they are measured against.
    pub fn new(settings: &Settings, is_software: bool) -> Self {
        let all = Regex::new("").expect("a pattern");
        let filter = settings.filter.as_ref().unwrap_or(&all);
        let ridges = ridges(settings, filter);
        Self {
            groups: groups(settings, is_software, filter, &ridges),
            chains: op_groups(settings, filter, &ridges),
            ridges,
        }
    }

    /// The ids of all rows.
    pub fn ids(&self) -> Vec<String> {
        let kernels = self
            .groups
            .iter()
            .flat_map(|group| group.members.iter().map(move |kernel| kernel.id(group.elements)));
        let ops = arithmetic_rows(&self.chains).into_iter().map(|row| row.id);
        kernels.chain(ops).chain(self.ridges.iter().map(|ridge| ridge.row().id)).collect()
    }
}

impl Group {
    /// What it is called in progress: the part of the ids that its members share.
    pub fn name(&self) -> String {
        kernel::group_id(self.direction, self.dtype, self.elements)
    }

    /// Its rows, none of them reached.
    pub fn rows(&self) -> impl Iterator<Item = Measurement> {
        self.members.iter().map(|kernel| Measurement::new(kernel, self.elements))
    }
}

/// Whether an activation is measured: copy and add, and those of pairs. The others are validated.
fn is_measured(activation: &Activation, pairs: &[Pair]) -> bool {
    let of_pairs = pairs.iter().flat_map(Pair::names);
    ["copy", "add"].into_iter().chain(of_pairs).any(|name| name == activation.name)
}

/// The default variants of a direction: copy or add first, then the activations of pairs in the
/// order of their list.
pub fn default_kernels(pairs: &[Pair], direction: Direction, dtype: Dtype) -> Vec<Kernel> {
    let measured = Activation::all().filter(|activation| is_measured(activation, pairs));
    let mut kernels: Vec<Kernel> = measured
        .filter_map(|activation| Kernel::default_variant(activation, direction, dtype))
        .collect();
    kernels.sort_by_key(|kernel| kernel.activation.name != direction.copy());
    kernels
}

/// Every variant, the default ones first.
fn all_kernels(pairs: &[Pair], direction: Direction, dtype: Dtype) -> Vec<Kernel> {
    let defaults = default_kernels(pairs, direction, dtype);
    let of_group = |kernel: &Kernel| (kernel.direction(), kernel.dtype) == (direction, dtype);
    let others = kernel::all()
        .filter(of_group)
        .filter(|kernel| is_measured(kernel.activation, pairs))
        .filter(|kernel| defaults.iter().all(|default| default.path() != kernel.path()));
    defaults.iter().copied().chain(others).collect()
}

/// In the order in which they are measured. A filter keeps the kernels whose id it matches, copy or
/// add beside them, and those that ridges are measured against.
fn groups(
    settings: &Settings,
    is_software: bool,
    filter: &Regex,
    ridges: &[PlannedRidge],
) -> Vec<Group> {
    let Settings { profile, pairs, .. } = settings;
    let is_quick = *profile == Profile::Quick;
    let mut sizes = SIZES.to_vec();
    if !is_software {
        sizes.push(ON_HARDWARE);
        sizes.extend(LARGE.iter().filter(|_| !is_quick));
    }
    // A quick run takes those that every adapter has.
    let is_everywhere = |dtype: &Dtype| dtype.computed_in() == Dtype::F32;
    let dtypes = Dtype::ALL.into_iter().filter(|dtype| !is_quick || is_everywhere(dtype));
    let mut groups = Vec::new();
    for dtype in dtypes {
        for &elements in &sizes {
            for direction in Direction::ALL {
                let mut members = if is_quick || LARGE.contains(&elements) {
                    default_kernels(pairs, direction, dtype)
                } else {
                    all_kernels(pairs, direction, dtype)
                };
                let is_wanted = |kernel: &Kernel| filter.is_match(&kernel.id(elements));
                let is_beside =
                    |ridge: &PlannedRidge| (ridge.direction, ridge.dtype) == (direction, dtype);
                if members.iter().any(is_wanted) || ridges.iter().any(is_beside) {
                    let copy = members.remove(0);
                    members.retain(is_wanted);
                    members.insert(0, copy);
                    groups.push(Group { direction, dtype, elements, members });
                }
            }
        }
    }
    groups
}

/// The pairs forward with exp2, the pairs backward, then every other op by itself. A filter keeps
/// the ops whose id it matches, and those that ridges need.
fn op_groups(settings: &Settings, filter: &Regex, ridges: &[PlannedRidge]) -> Vec<OpGroup> {
    let mut groups = all_op_groups(settings);
    for OpGroup { dtype, ops } in &mut groups {
        ops.retain(|op| {
            filter.is_match(&Chain::new(op, *dtype, 1).path())
                || ridges.iter().any(|ridge| ridge.needs(op, *dtype))
        });
    }
    groups.retain(|group| !group.ops.is_empty());
    groups
}

fn all_op_groups(settings: &Settings) -> Vec<OpGroup> {
    let Settings { profile, pairs, .. } = settings;
    // Denominators first, then what numerators are made of, then these.
    let of = |direction, name: fn(&Pair) -> &str| {
        pairs.iter().filter_map(move |pair| Op::of_default(name(pair), direction))
    };
    let of_pairs = |direction, beside: Option<&'static Op>| {
        let mut ops: Vec<&'static Op> = of(direction, |pair| &pair.denominator)
            .chain(beside)
            .chain(of(direction, |pair| &pair.numerator))
            .collect();
        let mut seen = HashSet::new();
        ops.retain(|op| seen.insert(&op.name));
        ops
    };
    let dtypes = Dtype::ALL.into_iter().filter(|dtype| dtype.computed_in() == *dtype);
    let groups = dtypes.clone().flat_map(|dtype| {
        let forward = of_pairs(Direction::Forward, Op::named("exp2"));
        let backward = of_pairs(Direction::Backward, None);
        [forward, backward].map(|ops| OpGroup {
            dtype,
            ops: ops.into_iter().filter(|op| op.dtypes.contains(&dtype)).collect(),
        })
    });
    if *profile == Profile::Quick {
        return groups.take(1).collect();
    }
    let mut groups: Vec<OpGroup> = groups.collect();
    let is_wanted = |op: &&Op| {
        let is_measured = op.variant().is_none_or(|(activation, _)| is_measured(activation, pairs));
        is_measured && op.name != ops::fma().name
    };
    for dtype in dtypes {
        for op in OPS.iter().filter(is_wanted).filter(|op| op.dtypes.contains(&dtype)) {
            let has = |group: &OpGroup| {
                group.dtype == dtype && group.ops.iter().any(|own| own.name == op.name)
            };
            if !groups.iter().any(has) {
                groups.push(OpGroup { dtype, ops: vec![op] });
            }
        }
    }
    groups
}

impl OpGroup {
    /// What it is called in progress.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.ops.iter().map(|op| op.name.as_str()).collect();
        format!("arithmetic/{}: {}", self.dtype.name(), names.join(", "))
    }

    /// The kernels whose variants its ops are.
    pub fn kernels(&self) -> impl Iterator<Item = Kernel> {
        let variants = self.ops.iter().filter_map(|op| op.variant());
        variants.map(|(activation, variant)| Kernel { activation, variant, dtype: self.dtype })
    }
}

/// The rows of all groups, none of them reached. That of fma stands in the first of its dtype.
pub fn arithmetic_rows(groups: &[OpGroup]) -> Vec<Arithmetic> {
    let mut rows: Vec<Arithmetic> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let has_fma = rows.iter().any(|row| row.dtype == group.dtype.name());
        let fma = (!has_fma).then_some(ops::fma());
        let row = |op: &'static Op| Arithmetic::new(&Chain::new(op, group.dtype, 1), index);
        rows.extend(fma.into_iter().chain(group.ops.iter().copied()).map(row));
    }
    rows
}

/// Of the first pair's numerator.
fn ridges(settings: &Settings, filter: &Regex) -> Vec<PlannedRidge> {
    let (Profile::Standard, Some(Pair { numerator, .. })) =
        (settings.profile, settings.pairs.first())
    else {
        return Vec::new();
    };
    let ridge = move |direction, dtype| {
        let op = Op::of_default(numerator, direction)?;
        Some(PlannedRidge { direction, dtype, op })
    };
    let of_dtype =
        |dtype| Direction::ALL.into_iter().filter_map(move |direction| ridge(direction, dtype));
    let all = Dtype::ALL.into_iter().flat_map(of_dtype);
    all.filter(|ridge| filter.is_match(&ridge.row().id)).collect()
}

impl PlannedRidge {
    /// Whether it needs the time of a step of an op.
    fn needs(self, op: &Op, dtype: Dtype) -> bool {
        self.op.name == op.name && self.dtype.computed_in() == dtype
    }

    /// Its row, not reached yet.
    pub fn row(self) -> Ridge {
        let chain = Chain::new(self.op, self.dtype.computed_in(), 1).path();
        Ridge::new(self.direction.name(), self.dtype.name(), chain)
    }

    /// What is streamed, with so many words a lane.
    pub fn chain(self, words: u32) -> Chain {
        let start = match self.direction {
            Direction::Forward => Start::X,
            Direction::Backward => Start::Saved,
        };
        // Not unrolled: a long shader costs some drivers more than a large tensor does.
        Chain { start, unroll: 1, ..Chain::new(self.op, self.dtype, words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(profile: Profile, is_software: bool, filter: Option<&str>) -> Vec<String> {
        let filter = filter.map(|filter| Regex::new(filter).expect("a pattern"));
        Planned::new(&Settings { filter, ..Settings::of(profile) }, is_software).ids()
    }

    #[test]
    fn a_pair_is_measured_with_copy_and_add_and_in_one_group_of_chains() {
        let pairs = ["silu:relu", "gelu:silu"].map(|pair| pair.parse().expect("a pair")).to_vec();
        let plan = Planned::new(&Settings { pairs, ..Settings::of(Profile::Quick) }, true);
        let members: Vec<String> = plan.groups[0].members.iter().map(Kernel::member_id).collect();
        assert_eq!(members, ["copy/plain", "relu/plain", "silu/two_sided", "gelu/erfc"]);
        let ops: Vec<&str> = plan.chains[0].ops.iter().map(|op| op.name.as_str()).collect();
        assert_eq!(ops, ["relu/plain", "silu/two_sided", "exp2", "gelu/erfc"]);
    }

    #[test]
    fn ids_are_unique_and_copy_or_add_stands_first() {
        for profile in [Profile::Quick, Profile::Standard] {
            for is_software in [true, false] {
                let ids = ids(profile, is_software, None);
                assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{profile:?}");
                for group in Planned::new(&Settings::of(profile), is_software).groups {
                    assert_eq!(group.members[0].activation.name, group.direction.copy());
                }
            }
        }
    }

    #[test]
    fn the_standard_profile_holds_the_quick_one() {
        let [quick, standard] = [Profile::Quick, Profile::Standard]
            .map(|profile| ids(profile, false, None).into_iter().collect::<HashSet<_>>());
        assert!(quick.is_subset(&standard) && standard.len() > 2 * quick.len());
        let is_ridge = |id: &&String| id.starts_with("ridge/");
        assert_eq!(quick.iter().filter(is_ridge).count(), 0);
        assert_eq!(standard.iter().filter(is_ridge).count(), 6);
    }

    #[test]
    fn a_filter_keeps_what_it_matches_and_what_that_is_measured_against() {
        let kept = ids(Profile::Quick, true, Some("n=65536/sigmoid"));
        assert_eq!(
            kept[..2],
            ["forward/f32/n=65536/copy/plain", "forward/f32/n=65536/sigmoid/two_sided"]
        );
        assert_eq!(kept.len(), 8);
        let kept = ids(Profile::Standard, true, Some("^ridge/backward/f16$"));
        assert!(kept.contains(&"backward/f16/n=16777216/add/plain".to_owned()), "{kept:?}");
        assert!(kept.contains(&"arithmetic/f32/backward/sigmoid/from_y".to_owned()), "{kept:?}");
        assert!(ids(Profile::Standard, true, Some("nosuch")).is_empty());
    }
}
