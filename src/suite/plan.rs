//! Which rows a run has: groups of kernels by size, groups of ops, and ridges, by profile.

use std::collections::HashSet;

use regex::Regex;

use crate::kernels::activation::{Activation, Direction};
use crate::kernels::chain::{Chain, Start};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::{self, Kernel};
use crate::kernels::ops::{self, OPS, Op};
use crate::report::{
    Arithmetic, Measurement, Pair, Profile, Reason, Ridge, default_kernel, default_op,
};
use crate::suite::Settings;

/// Elements of the tensors, fixed so that machines compare.
const SIZES: [u64; 4] = [1 << 12, 1 << 16, 1 << 20, 1 << 24];

/// On hardware, whose caches may hold 2^24 elements, as well.
const ON_HARDWARE: u64 = 1 << 26;

/// Beyond the quick profile, on hardware, for the default variants.
const LARGE: [u64; 2] = [1 << 28, 1 << 30];

/// Ops in a group with one fma beside them: in more, a round is too long to see one machine.
const TOGETHER: usize = 4;

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
#[derive(Clone, Debug)]
pub struct PlannedRidge {
    /// Of which activations.
    pair: Pair,
    /// Which pass.
    pub direction: Direction,
    /// How elements are stored.
    pub dtype: Dtype,
}

impl Planned {
    /// The rows of a profile that the filter matches, with what they are measured against.
    pub fn new(settings: &Settings, is_software: bool) -> Self {
        let all = Regex::new("").expect("a pattern");
        let filter = settings.filter.as_ref().unwrap_or(&all);
        Self {
            groups: groups(settings, is_software, filter),
            chains: op_groups(settings, is_software, filter),
            ridges: ridges(settings, filter),
        }
    }

    /// Whether tensors are streamed in that direction.
    pub fn streams(&self, direction: Direction) -> bool {
        self.groups.iter().any(|group| group.direction == direction)
            || self.ridges.iter().any(|ridge| ridge.direction == direction)
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

/// The default variants of a direction: copy or add first, then the activations of pairs in the
/// order of their list.
pub fn default_kernels(pairs: &[Pair], direction: Direction, dtype: Dtype) -> Vec<Kernel> {
    let of_pairs = |name| pairs.iter().flat_map(Pair::names).any(|it| it == name);
    let mut kernels: Vec<Kernel> = Activation::all()
        .filter(|activation| activation.name == direction.copy() || of_pairs(activation.name))
        .filter_map(|activation| Kernel::default_variant(activation, direction, dtype))
        .collect();
    kernels.sort_by_key(|kernel| kernel.activation.name != direction.copy());
    kernels
}

/// Every variant of the same activations, or of all, the default ones of pairs first.
fn all_kernels(
    pairs: &[Pair],
    direction: Direction,
    dtype: Dtype,
    of_every_activation: bool,
) -> Vec<Kernel> {
    let mut kernels = default_kernels(pairs, direction, dtype);
    let of_pairs: HashSet<&str> = kernels.iter().map(|kernel| kernel.activation.name).collect();
    let others = kernel::all()
        .filter(|kernel| (kernel.direction(), kernel.dtype) == (direction, dtype))
        .filter(|kernel| of_every_activation || of_pairs.contains(kernel.activation.name))
        .filter(|kernel| kernels.iter().all(|known| known.path() != kernel.path()));
    let others: Vec<Kernel> = others.collect();
    kernels.extend(others);
    kernels
}

/// In the order in which they are measured. A filter keeps the kernels whose id it matches, and
/// copy or add beside them.
fn groups(settings: &Settings, is_software: bool, filter: &Regex) -> Vec<Group> {
    let Settings { profile, pairs, .. } = settings;
    let is_quick = *profile == Profile::Quick;
    // What a variant costs in memory is asked of every activation, at one size.
    let costs_at = if is_software { SIZES[SIZES.len() - 1] } else { ON_HARDWARE };
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
                    all_kernels(pairs, direction, dtype, elements == costs_at)
                };
                let is_wanted = |kernel: &Kernel| filter.is_match(&kernel.id(elements));
                if members.iter().any(is_wanted) {
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

/// The pairs forward, the pairs backward, then every other op, a few in a group. A filter keeps the
/// ops whose id it matches.
fn op_groups(settings: &Settings, is_software: bool, filter: &Regex) -> Vec<OpGroup> {
    let mut groups = all_op_groups(settings, is_software);
    for OpGroup { dtype, ops } in &mut groups {
        ops.retain(|op| filter.is_match(&Chain::new(op, *dtype, 1).path()));
    }
    groups.retain(|group| !group.ops.is_empty());
    groups
}

fn all_op_groups(settings: &Settings, is_software: bool) -> Vec<OpGroup> {
    let Settings { profile, pairs, .. } = settings;
    // Denominators first.
    let of_pairs = |direction, dtype| {
        let names: [fn(&Pair) -> &str; 2] = [|pair| &pair.denominator, |pair| &pair.numerator];
        let names = names.into_iter().flat_map(|name| pairs.iter().map(name));
        let mut seen = HashSet::new();
        let ops = names.filter_map(|name| default_op(name, direction, dtype).ok());
        OpGroup { dtype, ops: ops.filter(|op| seen.insert(&op.name)).collect() }
    };
    if *profile == Profile::Quick {
        return vec![of_pairs(Direction::Forward, Dtype::F32)];
    }
    let mut groups = Vec::new();
    for dtype in Dtype::ALL.into_iter().filter(|dtype| dtype.computed_in() == *dtype) {
        let own = Direction::ALL.map(|direction| of_pairs(direction, dtype));
        let is_other = |op: &&Op| {
            let mut known = own.iter().flat_map(|group| &group.ops).map(|op| &op.name);
            let is_known = op.name == ops::fma().name || known.any(|name| *name == op.name);
            // Software adapters compile long chains of f16 for minutes.
            let is_of_pairs = |(activation, _): (&Activation, _)| {
                pairs.iter().flat_map(Pair::names).any(|name| name == activation.name)
            };
            let is_quick_to_compile = dtype == Dtype::F32 || op.variant().is_none_or(is_of_pairs);
            op.dtypes.contains(&dtype) && !is_known && (is_quick_to_compile || !is_software)
        };
        let others: Vec<&'static Op> = OPS.iter().filter(is_other).collect();
        let others = others.chunks(TOGETHER).map(|ops| OpGroup { dtype, ops: ops.to_vec() });
        groups.extend(own.clone());
        groups.extend(others);
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

/// Each pair over tensors that memory bounds; a quick run takes f32.
fn ridges(settings: &Settings, filter: &Regex) -> Vec<PlannedRidge> {
    let is_quick = settings.profile == Profile::Quick;
    let dtypes = Dtype::ALL.into_iter().filter(|dtype| !is_quick || *dtype == Dtype::F32);
    let mut ridges = Vec::new();
    for pair in &settings.pairs {
        for (dtype, direction) in
            dtypes.clone().flat_map(|dtype| Direction::ALL.map(|it| (dtype, it)))
        {
            ridges.push(PlannedRidge { pair: pair.clone(), direction, dtype });
        }
    }
    ridges.retain(|ridge| filter.is_match(&ridge.row().id));
    ridges
}

impl PlannedRidge {
    /// Its row, not reached yet.
    pub fn row(&self) -> Ridge {
        Ridge::new(&self.pair, self.direction.name(), self.dtype.name())
    }

    /// Copy or add, the numerator and the denominator, or what a member of the pair lacks.
    pub fn kernels(&self) -> Result<[Kernel; 3], Reason> {
        let [numerator, denominator] = self.pair.names();
        let kernel = |activation| default_kernel(activation, self.direction, self.dtype);
        Ok([kernel(self.direction.copy())?, kernel(numerator)?, kernel(denominator)?])
    }

    /// The chains of both, of one word a lane, or what a member lacks.
    pub fn chains(&self) -> Result<[Chain; 2], Reason> {
        let start = match self.direction {
            Direction::Forward => Start::X,
            Direction::Backward => Start::Saved,
        };
        let computed_in = self.dtype.computed_in();
        let [numerator, denominator] =
            self.pair.names().map(|activation| default_op(activation, self.direction, computed_in));
        // A long shader costs some drivers more than a large tensor does.
        let chain = |op| Chain { start, unroll: 4, ..Chain::new(op, self.dtype, 1) };
        Ok([chain(numerator?), chain(denominator?)])
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
        assert_eq!(ops, ["relu/plain", "silu/two_sided", "gelu/erfc"]);
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
        assert_eq!(quick.iter().filter(is_ridge).count(), 2);
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
        let kept = ids(Profile::Standard, true, Some("^ridge/.*/backward/f16$"));
        assert_eq!(kept, ["ridge/sigmoid:relu/backward/f16"]);
        assert!(ids(Profile::Standard, true, Some("nosuch")).is_empty());
    }
}
