//! The run: from an adapter to a report. Which kernels at which sizes, each checked on the data it is timed on, timed in groups, on
//! one device or several that are opened afresh.

mod accuracy;
mod arithmetic;
mod groups;
mod memory;
pub mod probe;
pub mod quality;
mod ridge;
mod shapes;
mod tensors;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use regex::Regex;

pub use groups::{Group, Member, default_kernels, groups};
pub use memory::{dispatch_overhead, scan};
pub use ridge::PlannedRidge;
pub use tensors::SharedTensors;

use crate::claims::{self, CLAIMS, Experiment};
use crate::error::{Error, Result};
use crate::gpu::dump::{self, Dump};
use crate::gpu::{AdapterFacts, Clock, Gpu, ShaderChecks, Shape, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::inputs::{DEFAULT_SEED, Distribution, Inputs};
use crate::kernels::kernel::Kernel;
use crate::measure::{self, Fixed, Plan, Stopwatch as _};
use crate::render::table;
use crate::report::provenance::Tool;
use crate::report::system::System;
use crate::report::{
    self, BoundBy, ClockKind, DispatchOverhead, Measurement, MemoryScan, Profile, Report, Run,
    RunStatus, ShapeTrial, Spent, Status, Validation,
};
use crate::suite::probe::Probe;
use crate::validate::Accuracy;
use quality::Circumstances;

/// A dispatch of which launching takes more than this share is bound by it.
const LAUNCH_SHARE: f64 = 0.2;

/// A shape of a kernel's own is worth a note if it is so much faster than the common one.
const WORTH_A_NOTE: f64 = 1.02;

/// What a run covers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which rows.
    pub profile: Profile,
    /// How much to measure; what suits hardware is adapted to a software adapter.
    pub plan: Plan,
    /// How many devices are opened afresh and measured on.
    pub repeats: u32,
    /// The seed of all inputs.
    pub seed: u64,
    /// Only the rows whose id it matches, and their copies.
    pub filter: Option<Regex>,
    /// The time after which nothing new is begun.
    pub max_time: Option<Duration>,
    /// Elements, at most, that shapes and the memory bound_by are looked for with; none where the adapter's memory is the limit.
    pub most_prepared: Option<u64>,
    /// The shapes that directions are measured in; those of the others are found by measuring.
    pub shapes: HashMap<Direction, Shape>,
    /// Whether the shapes of every kernel are ranked, not the copies' alone.
    pub ranks_all_shapes: bool,
    /// What the user says about the run.
    pub labels: BTreeMap<String, String>,
}

impl Settings {
    /// What a profile covers where nothing else is said.
    pub fn of(profile: Profile) -> Self {
        let is_quick = profile == Profile::Quick;
        Self {
            profile,
            plan: if is_quick { Plan::QUICK } else { Plan::STANDARD },
            repeats: if is_quick { 1 } else { 3 },
            seed: DEFAULT_SEED,
            filter: None,
            max_time: None,
            // A scan to 2^28 would take a quick run longer than its samples.
            most_prepared: is_quick.then_some(1 << 26),
            shapes: HashMap::new(),
            ranks_all_shapes: !is_quick,
            labels: BTreeMap::new(),
        }
    }

    /// With the shapes of a report, if it was measured on this adapter: the best shape is found by measuring, and two that are nearly as good give
    /// other ratios.
    pub fn in_shapes_of(mut self, report: &Report, facts: &AdapterFacts) -> Self {
        if report.adapter.is_like(facts) {
            for direction in Direction::ALL {
                let rows =
                    report.measurements.iter().filter(|row| row.direction == direction.name());
                let fits = |size: u32| (1..=facts.max_workgroup_size).contains(&size);
                let shape =
                    rows.filter_map(|row| row.shape).find(|shape| fits(shape.workgroup_size));
                self.shapes.extend(shape.map(|shape| (direction, shape)));
            }
        }
        self
    }
}

/// Who watches a run.
pub trait Watch {
    /// Before each step: what it is, how many are done and how many there are. False ends the run with a report of what was done.
    fn step(&mut self, what: &str, done: usize, of: usize) -> bool;

    /// After each group, with the report so far, and once more at the end.
    fn keep(&mut self, report: &Report, is_last: bool) -> Result<()>;
}

/// Nobody watches, and nothing is kept.
impl Watch for () {
    fn step(&mut self, _what: &str, _done: usize, _of: usize) -> bool {
        true
    }

    fn keep(&mut self, _report: &Report, _is_last: bool) -> Result<()> {
        Ok(())
    }
}

/// Measures on what `open` opens, once for each device of the settings. There is a report as soon as there is a device: of an interrupted run, or of
/// one that the machine ended, it holds what was done, and the rows that were not reached say so. The error is what ended the run, or,
/// when all is done, the first kernel that was wrong or did not compile.
pub fn run(
    open: &mut dyn FnMut() -> Result<Gpu>,
    settings: &Settings,
    dump: Option<&Dump>,
    watch: &mut dyn Watch,
) -> Result<(Report, Option<Error>)> {
    let began = Instant::now();
    let gpu = open()?;
    let plan = Planned::new(settings.profile, gpu.facts.is_software, settings.filter.as_ref());
    if plan.is_empty() {
        return Err(Error::Usage(
            "the filter matches no row of this profile; `--list` prints them".to_owned(),
        ));
    }
    let mut suite = Suite::new(&gpu, settings, dump, watch, plan, began);
    let outcome = suite.on_all_repeats(gpu, open);
    let error = suite.end(outcome);
    Ok((suite.report, error))
}

/// The ids of all rows of a profile that a filter matches, with the copies beside them.
pub fn ids(profile: Profile, is_software: bool, filter: Option<&Regex>) -> Vec<String> {
    let Planned { groups, chains, planned_ridges } = Planned::new(profile, is_software, filter);
    let measured = groups
        .iter()
        .flat_map(|group| group.members.iter().map(|member| member.id(group.elements)));
    let run = arithmetic::rows(&chains).into_iter().map(|row| row.id);
    let crossed = planned_ridges.iter().map(|planned| planned.row().id);
    measured.chain(run).chain(crossed).collect()
}

/// What a run is going to measure.
struct Planned {
    groups: Vec<Group>,
    chains: Vec<arithmetic::Group>,
    planned_ridges: Vec<PlannedRidge>,
}

impl Planned {
    const NOTHING: Self =
        Self { groups: Vec::new(), chains: Vec::new(), planned_ridges: Vec::new() };

    fn new(profile: Profile, is_software: bool, filter: Option<&Regex>) -> Self {
        let planned_ridges = ridge::planned_ridges(profile, filter);
        Self {
            groups: groups(profile, is_software, filter, &planned_ridges),
            chains: arithmetic::groups(profile, filter, &planned_ridges),
            planned_ridges,
        }
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.chains.is_empty() && self.planned_ridges.is_empty()
    }
}

/// A run on its way.
struct Suite<'a> {
    settings: &'a Settings,
    dump: Option<&'a Dump>,
    began: Instant,
    groups: Vec<Group>,
    watch: &'a mut dyn Watch,
    report: Report,
    /// By group, what the first device fixed.
    fixed: HashMap<usize, Fixed>,
    /// What each direction is measured in.
    shapes: HashMap<Direction, Shape>,
    /// What is measured on chains, and what the first device fixed of it.
    chains: Chains,
    /// What is streamed with steps on the way, and what the first device found for it.
    planned_ridges: Vec<(PlannedRidge, Option<ridge::Found>)>,
    /// By path of a kernel, what was wrong with it on inputs chosen to find it so.
    unsound: HashMap<String, String>,
    /// The first kernel that was wrong.
    wrong: Option<Error>,
    /// Devices before this one.
    repeat: u32,
    done: usize,
    steps: usize,
}

/// The groups of chains.
#[derive(Default)]
struct Chains {
    groups: Vec<arithmetic::Group>,
    found: HashMap<String, arithmetic::Found>,
    fixed: HashMap<usize, Fixed>,
}

/// Steps that are made on the first device alone: accuracy, shapes, dispatch_overhead, memory bound_by.
const STEPS_ONCE: usize = 4;

/// Why a run ends early.
enum Stop {
    Interrupted,
    OutOfTime,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Suite<'a> {
    fn new(
        gpu: &Gpu,
        settings: &'a Settings,
        dump: Option<&'a Dump>,
        watch: &'a mut dyn Watch,
        plan: Planned,
        began: Instant,
    ) -> Self {
        let mut report = empty_report(gpu, settings, &plan);
        report.run.spent.open_s = began.elapsed().as_secs_f64();
        let Planned { groups, chains, planned_ridges } = plan;
        Self {
            settings,
            dump,
            began,
            steps: STEPS_ONCE
                + settings.repeats as usize
                    * (1 + groups.len() + chains.len() + planned_ridges.len())
                + report.claims.len(),
            groups,
            watch,
            report,
            fixed: HashMap::new(),
            shapes: HashMap::new(),
            chains: Chains { groups: chains, ..Chains::default() },
            planned_ridges: planned_ridges.into_iter().map(|planned| (planned, None)).collect(),
            unsound: HashMap::new(),
            wrong: None,
            repeat: 0,
            done: 0,
        }
    }

    fn on_all_repeats(
        &mut self,
        first: Gpu,
        open: &mut dyn FnMut() -> Result<Gpu>,
    ) -> std::result::Result<(), Stop> {
        let mut gpu = first;
        self.on_repeat(&gpu)?;
        for _ in 1..self.settings.repeats {
            drop(gpu);
            let began = Instant::now();
            gpu = open()?;
            self.report.run.spent.open_s += began.elapsed().as_secs_f64();
            self.on_repeat(&gpu)?;
        }
        self.test_claims(&gpu, CLAIMS)
    }

    /// The claims that were planned, on the last device.
    fn test_claims(
        &mut self,
        gpu: &Gpu,
        experiments: &[Experiment],
    ) -> std::result::Result<(), Stop> {
        for (index, experiment) in experiments.iter().enumerate().take(self.report.claims.len()) {
            self.step(&format!("claim: {}", experiment.name))?;
            let context = claims::Context {
                gpu,
                extent: claims::Extent::on(gpu),
                seed: self.settings.seed,
                progress: &|_| (),
            };
            let (claim, error) = experiment.examine(&context);
            if claim.status == Status::Failed && error.is_none() {
                let reason = claim.reason.as_deref().unwrap_or_default();
                self.wrong.get_or_insert_with(|| {
                    Error::Mismatch(format!("the claim {}: {reason}", claim.name))
                });
            }
            self.report.claims[index] = claim;
            if let Some(error) = error {
                return Err(error.into());
            }
            self.keep(false)?;
        }
        Ok(())
    }

    fn on_repeat(&mut self, gpu: &Gpu) -> std::result::Result<(), Stop> {
        let plan = self.settings.plan;
        let plan = if gpu.facts.is_software { plan.on_software() } else { plan };
        self.step("the probe of the clock")?;
        let probe = match Probe::new(gpu, self.settings.seed, self.report.clock.probe_steps) {
            Ok(probe) => {
                self.report.clock.probe_steps = Some(probe.steps);
                Some(probe)
            }
            Err(Error::Unsupported(reason) | Error::Mismatch(reason)) => {
                self.report.run.notes.push(format!("there is no probe of the clock: {reason}"));
                None
            }
            Err(error) => return Err(error.into()),
        };
        if self.repeat == 0 {
            self.compare(gpu)?;
            self.prepare(gpu, &plan.briefly())?;
        }
        let mut first_row = 0;
        for index in 0..self.groups.len() {
            let rows = first_row..first_row + self.groups[index].members.len();
            first_row = rows.end;
            self.step(&self.groups[index].name())?;
            let measured = self.group(gpu, &plan, probe.as_ref(), index, rows.clone());
            if let Err(error) = measured {
                let status = if matches!(error, Error::Unsupported(_)) {
                    Status::Skipped
                } else {
                    Status::Failed
                };
                for row in &mut self.report.measurements[rows] {
                    lacks(row, self.repeat, status, &error.to_string());
                }
                if status == Status::Failed {
                    return Err(error.into());
                }
            }
            self.report.run.repeats = self.repeat + 1;
            self.report.clock.quantum_ns = gpu.quantum_ns();
            self.keep(false)?;
        }
        self.measure_chains(gpu, &plan, probe.as_ref())?;
        self.cross(gpu, &plan, probe.as_ref())?;
        self.repeat += 1;
        Ok(())
    }

    /// The chains of one device.
    fn measure_chains(
        &mut self,
        gpu: &Gpu,
        plan: &Plan,
        probe: Option<&Probe>,
    ) -> std::result::Result<(), Stop> {
        for index in 0..self.chains.groups.len() {
            self.step(&self.chains.groups[index].name())?;
            let group = &self.chains.groups[index];
            let number = u32::try_from(index).expect("a few groups");
            let rows =
                self.report.arithmetic.iter_mut().filter(|row| row.group == number).collect();
            let mut fixed = self.chains.fixed.get(&index).copied();
            let (seed, dump) = (self.settings.seed, self.dump);
            let arithmetic =
                arithmetic::Measuring { gpu, plan, probe, seed, dump, device: self.repeat };
            let wrong = arithmetic.measure(
                group,
                &mut self.chains.found,
                &mut fixed,
                rows,
                &mut self.report.run.spent,
            )?;
            if let Some(wrong) = wrong {
                self.wrong.get_or_insert(wrong);
            }
            fixed.map(|fixed| self.chains.fixed.insert(index, fixed));
            self.report.run.repeats = self.repeat + 1;
            self.report.clock.quantum_ns = gpu.quantum_ns();
            self.keep(false)?;
        }
        Ok(())
    }

    /// The ridges of one device: behind groups and chains, of which they take the memory bound_by and the step.
    fn cross(
        &mut self,
        gpu: &Gpu,
        plan: &Plan,
        probe: Option<&Probe>,
    ) -> std::result::Result<(), Stop> {
        for index in 0..self.planned_ridges.len() {
            let mut row = self.report.ridges[index].clone();
            self.step(&row.id)?;
            let (planned, found) = &mut self.planned_ridges[index];
            let shape = self.shapes.get(&planned.direction).copied().unwrap_or_default();
            let (seed, dump) = (self.settings.seed, self.dump);
            let setting =
                ridge::Setting { gpu, plan, probe, seed, shape, dump, device: self.repeat };
            let wrong = setting.measure(*planned, found, &mut row, &mut self.report);
            self.report.ridges[index] = row;
            if let Some(wrong) = wrong? {
                self.wrong.get_or_insert(wrong);
            }
            self.keep(false)?;
        }
        Ok(())
    }

    /// Compares every kernel of the run, those of chains included, over inputs chosen to find it wrong.
    fn compare(&mut self, gpu: &Gpu) -> std::result::Result<(), Stop> {
        self.step("accuracy")?;
        let began = Instant::now();
        let timed =
            self.groups.iter().flat_map(|group| group.members.iter().map(|member| member.kernel));
        let run = self.chains.groups.iter().flat_map(arithmetic::Group::kernels);
        let mut compared = HashSet::new();
        for kernel in timed.chain(run) {
            if !compared.insert(kernel.path()) {
                continue;
            }
            match accuracy::of(gpu, kernel, self.settings.profile, self.settings.seed) {
                Ok((accuracy, wrong)) => {
                    self.report.accuracy.push(accuracy);
                    if let Some(wrong) = wrong {
                        self.unsound.insert(kernel.path(), wrong.to_string());
                        self.wrong.get_or_insert(wrong);
                    }
                }
                // Its rows will say so.
                Err(Error::Unsupported(_) | Error::Compile { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.report.run.spent.validate_s += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// What is found once, on the first device: shapes, dispatch_overhead, memory bound_by.
    fn prepare(&mut self, gpu: &Gpu, plan: &Plan) -> std::result::Result<(), Stop> {
        let seed = self.settings.seed;
        let most = self.settings.most_prepared.unwrap_or(u64::MAX);
        self.step("shapes")?;
        let began = Instant::now();
        for direction in Direction::ALL {
            if let Some(shape) = self.settings.shapes.get(&direction) {
                let Shape { workgroup_size, words_per_invocation } = shape;
                self.report.run.notes.push(format!(
                    "shape of {} given beforehand: workgroups of {workgroup_size}, words an invocation: {words_per_invocation}",
                    direction.name()
                ));
                self.shapes.insert(direction, *shape);
            } else if self.groups.iter().any(|group| group.direction == direction) {
                let (shape, trials) = shapes::choose(gpu, direction, most, plan, seed)?;
                self.shapes.insert(direction, shape);
                self.report.shapes.extend(trials);
            }
        }
        self.step("dispatch overhead")?;
        self.report.dispatch_overhead = dispatch_overhead(gpu, plan, seed)?;
        self.step("the memory bound_by")?;
        let shape = self.shapes.values().next().copied().unwrap_or_default();
        self.report.memory_scan = scan(
            gpu,
            self.shapes.get(&Direction::Forward).copied().unwrap_or(shape),
            most,
            plan,
            seed,
        )?;
        self.report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        Ok(())
    }

    fn step(&mut self, what: &str) -> std::result::Result<(), Stop> {
        if self.settings.max_time.is_some_and(|most| self.began.elapsed() >= most) {
            return Err(Stop::OutOfTime);
        }
        let go_on = self.watch.step(what, self.done, self.steps);
        self.done += 1;
        if go_on { Ok(()) } else { Err(Stop::Interrupted) }
    }

    fn keep(&mut self, is_last: bool) -> Result<()> {
        self.report.run.duration_s = self.began.elapsed().as_secs_f64();
        self.report.derive();
        self.watch.keep(&self.report, is_last)
    }

    /// Writes down how it ended, and returns what is to be told of it.
    fn end(&mut self, outcome: std::result::Result<(), Stop>) -> Option<Error> {
        let (status, reason, error) = match outcome {
            Ok(()) => (RunStatus::Complete, None, None),
            Err(Stop::Interrupted) => {
                (RunStatus::Interrupted, Some("interrupted".to_owned()), None)
            }
            Err(Stop::OutOfTime) => {
                (RunStatus::Interrupted, Some("the time allowed was over".to_owned()), None)
            }
            Err(Stop::Failed(error)) => (RunStatus::Failed, Some(error.to_string()), Some(error)),
        };
        let unreached =
            format!("not reached: {}", reason.as_deref().unwrap_or("no device took it"));
        for row in self.report.measurements.iter_mut().filter(|row| is_untouched(row)) {
            row.reason = Some(unreached.clone());
        }
        let arithmetic = self.report.arithmetic.iter_mut().map(|row| (row.status, &mut row.reason));
        let ridges = self.report.ridges.iter_mut().map(|row| (row.status, &mut row.reason));
        for (_, reason) in arithmetic.chain(ridges).filter(|(status, _)| *status == Status::Skipped)
        {
            reason.get_or_insert_with(|| unreached.clone());
        }
        for claim in self.report.claims.iter_mut().filter(|claim| claim.is_pending()) {
            claim.reason = Some(unreached.clone());
        }
        self.report.run.status = status;
        self.report.run.reason = reason;
        let kept = self.keep(true);
        error.or(kept.err()).or(self.wrong.take())
    }

    /// Checks and times the members of a group, and writes what was found in their rows.
    fn group(
        &mut self,
        gpu: &Gpu,
        plan: &Plan,
        probe: Option<&Probe>,
        index: usize,
        rows: Range<usize>,
    ) -> Result<()> {
        let group = &self.groups[index];
        let shape = self.shapes.get(&group.direction).copied().unwrap_or_default();
        let mut tensors = SharedTensors::new(gpu, group.dtype, group.elements, self.settings.seed)?;
        let mut workloads: Vec<(usize, Workload)> = Vec::new();
        for (member, at) in group.members.iter().zip(rows.clone()) {
            let row = &mut self.report.measurements[at];
            if !is_next(row, self.repeat) {
                continue;
            }
            if let Some(reason) = self.unsound.get(&member.kernel.path()) {
                row.status = Status::Failed;
                row.reason = Some(reason.clone());
                continue;
            }
            match tensors.checked_workload(member.kernel, shape, member.checks, member.distribution)
            {
                Ok((workload, accuracy)) => {
                    row.shape = Some(shape);
                    row.validation = Some(validation(&accuracy));
                    workloads.push((at, workload));
                }
                Err(Error::Unsupported(reason)) => {
                    let is_able = gpu.supports(&member.kernel).is_ok();
                    let status = if is_able { Status::Skipped } else { Status::Unsupported };
                    lacks(row, self.repeat, status, &reason);
                }
                Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                    row.status = Status::Failed;
                    row.reason = Some(error.to_string());
                    self.wrong.get_or_insert(error);
                }
                Err(error) => {
                    self.report.run.spent += tensors.spent;
                    return Err(error);
                }
            }
            if let Some(dump) = self.dump.filter(|_| row.shape.is_some()) {
                let kernel = &member.kernel;
                dump.write(
                    &kernel.path(),
                    &kernel.wgsl(),
                    &shape.constants(kernel.words_per_unit()),
                    member.checks,
                )?;
            }
        }
        if !workloads.is_empty() {
            let works: Vec<&Workload> = workloads.iter().map(|(_, workload)| workload).collect();
            let probe = probe.map(|probe| &probe.workload);
            let samples =
                measure::measure(gpu, &works, probe, plan, self.fixed.get(&index).copied())?;
            self.fixed.insert(index, samples.fixed);
            self.report.run.spent.warm_up_s += samples.warm_up.as_secs_f64();
            self.report.run.spent.measure_s += samples.measure.as_secs_f64();
            for ((at, _), member) in workloads.iter().zip(samples.members) {
                let row = &mut self.report.measurements[*at];
                row.dispatches_per_sample = samples.fixed.dispatches;
                row.rounds_per_repeat = samples.fixed.rounds;
                // The gates judge anew, all samples together.
                row.status = Status::Ok;
                row.reason = None;
                row.take(member);
            }
        }
        self.report.run.spent += tensors.spent;
        self.judge(gpu, plan, index, rows)
    }

    /// Puts a group's rows before the gates, finds what bounds them, and ranks shapes where that is wanted.
    fn judge(&mut self, gpu: &Gpu, plan: &Plan, index: usize, rows: Range<usize>) -> Result<()> {
        let group = &self.groups[index];
        let circumstances =
            Circumstances { quantum_ns: gpu.quantum_ns(), is_software: gpu.facts.is_software };
        let rows = &mut self.report.measurements[rows];
        let largest = self.groups.iter().map(|group| group.elements).max() == Some(group.elements);
        let bound_by = bound_by(
            &rows[0],
            largest,
            self.report.dispatch_overhead.as_ref(),
            self.report.memory_scan.as_ref(),
        );
        for row in rows.iter_mut().filter(|row| !row.samples_ns.is_empty()) {
            row.bound_by = bound_by;
        }
        quality::judge(rows, &circumstances);
        for (member, row) in group.members.iter().zip(rows.iter_mut()) {
            if member.distribution == Distribution::Normal && row.status == Status::Ok {
                let share = distinct_share(member, group.elements, self.settings.seed);
                if let Some(complaint) = quality::compressible(share) {
                    quality::invalidate(row, complaint);
                }
            }
        }
        if self.settings.ranks_all_shapes && self.repeat == 0 && bound_by == Some(BoundBy::Memory) {
            let began = Instant::now();
            let most = self.settings.most_prepared.unwrap_or(u64::MAX).min(group.elements);
            let ranking = shapes::Ranking::new(gpu, group.dtype, most, self.settings.seed)?;
            rank_shapes(ranking, plan, group, rows, &mut self.report.shapes)?;
            self.report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        }
        Ok(())
    }
}

/// Whether nothing is known of a row yet.
fn is_untouched(row: &Measurement) -> bool {
    row.status == Status::Skipped && row.reason.is_none()
}

/// Whether a row with so many samples is measured on a device that comes after so many: if it was measured on all of them, since rounds are compared
/// by their place.
fn takes_part(status: Status, samples: usize, rounds_per_repeat: u32, device: u32) -> bool {
    device == 0
        || matches!(status, Status::Ok | Status::Invalid)
            && samples == device as usize * rounds_per_repeat as usize
}

fn is_next(row: &Measurement, device: u32) -> bool {
    takes_part(row.status, row.samples_ns.len(), row.rounds_per_repeat, device)
}

/// Writes down why a row gets no samples on a device that comes after so many; those that it has stay.
fn lacks(row: &mut Measurement, device: u32, status: Status, reason: &str) {
    if is_untouched(row) {
        row.status = status;
        row.reason = Some(reason.to_owned());
    } else if is_next(row, device) && device > 0 {
        row.notes
            .push(format!("measured on {device} of the devices, and not on the next: {reason}"));
    }
}

/// The least share of distinct words in what a member reads.
fn distinct_share(member: &Member, elements: u64, seed: u64) -> f64 {
    let inputs = Inputs { distribution: member.distribution, seed };
    let Kernel { activation, dtype, .. } = member.kernel;
    member
        .kernel
        .inputs()
        .map(|role| inputs.distinct_share(activation, role, dtype, elements))
        .fold(1.0, f64::min)
}

/// What bounds a group, by its copy. Where the throughput never stood still, memory is what the largest group measures.
fn bound_by(
    copy: &Measurement,
    is_largest: bool,
    dispatch_overhead: Option<&DispatchOverhead>,
    memory: Option<&MemoryScan>,
) -> Option<BoundBy> {
    let time = copy.time_ns()?.median;
    if dispatch_overhead?.dispatch_ns.median > LAUNCH_SHARE * time {
        return Some(BoundBy::Launch);
    }
    let memory = memory?;
    let is_past = copy.bytes >= memory.from_bytes || is_largest && !memory.settled;
    Some(if is_past { BoundBy::Memory } else { BoundBy::Cache })
}

/// Ranks the shapes of every default member, and notes where one is faster in another than the common one.
fn rank_shapes(
    mut ranking: shapes::Ranking<'_>,
    plan: &Plan,
    group: &Group,
    rows: &mut [Measurement],
    shapes: &mut Vec<ShapeTrial>,
) -> Result<()> {
    for (member, row) in group.members.iter().zip(rows) {
        let path = member.kernel.path();
        let is_ranked = shapes.iter().any(|trial| trial.kernel == path);
        if row.status != Status::Ok || is_ranked || member.checks == ShaderChecks::Checked {
            continue;
        }
        let mut trials = ranking.rank(member.kernel, row.shape, &plan.briefly())?;
        // Those of the larger size stand first.
        let compared = trials.first().map(|trial| trial.elements);
        let at_size = trials.iter().filter(|trial| Some(trial.elements) == compared);
        let time = |wanted: Shape| {
            at_size.clone().find(|trial| trial.shape == wanted).map(|trial| trial.ns)
        };
        let own = trials.iter().find(|trial| trial.chosen).map(|trial| trial.shape);
        if let Some((shape, own)) = row.shape.zip(own)
            && let Some((common_ns, own_ns)) = time(shape).zip(time(own))
            && common_ns.low > WORTH_A_NOTE * own_ns.high
        {
            row.notes.push(format!(
                "{:.0} % faster in workgroups of {} with {} an invocation",
                100.0 * (common_ns.median / own_ns.median - 1.0),
                own.workgroup_size,
                table::counted(own.words_per_invocation.into(), "word")
            ));
        }
        for trial in &mut trials {
            trial.chosen = Some(trial.shape) == row.shape && Some(trial.elements) == compared;
        }
        shapes.extend(trials);
    }
    Ok(())
}

fn validation(accuracy: &Accuracy) -> Validation {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    Validation {
        elements: accuracy.inputs,
        violations: accuracy.violations,
        max_ulp: finite(accuracy.max_ulp.value),
        max_share_of_bound: finite(accuracy.max_share.value),
    }
}

/// A report without a row, for claims.
pub fn report_of_claims(gpu: &Gpu, profile: Profile, seed: u64) -> Report {
    let settings = Settings { seed, ..Settings::of(profile) };
    Report { claims: Vec::new(), ..empty_report(gpu, &settings, &Planned::NOTHING) }
}

/// A report of every row that is planned, none of them reached.
fn empty_report(gpu: &Gpu, settings: &Settings, plan: &Planned) -> Report {
    let clock = match gpu.clock() {
        Clock::GpuTimestamps { period_ns } => report::Clock {
            kind: ClockKind::GpuTimestamps,
            period_ns: Some(period_ns),
            quantum_ns: None,
            probe_steps: None,
        },
        Clock::Wall => report::Clock {
            kind: ClockKind::Wall,
            period_ns: None,
            quantum_ns: None,
            probe_steps: None,
        },
    };
    let row = |(group, member): (&Group, &Member)| {
        let mut row = Measurement::new(&member.kernel, group.elements);
        row.id = member.id(group.elements);
        row.shader_checks = member.checks == ShaderChecks::Checked;
        row.inputs = match member.distribution {
            Distribution::Constant => report::Inputs::Constant,
            Distribution::Zeros => report::Inputs::Zeros,
            _ => report::Inputs::Normal,
        };
        row.wgsl_sha256 = Some(dump::wgsl_sha256(&member.kernel.wgsl()));
        row
    };
    Report {
        arithmetic: arithmetic::rows(&plan.chains),
        ridges: plan.planned_ridges.iter().map(|planned| planned.row()).collect(),
        accuracy: Vec::new(),
        ratios: Vec::new(),
        summary: None,
        schema: report::SCHEMA.to_owned(),
        schema_version: report::SCHEMA_VERSION.to_owned(),
        tool: Tool::this(),
        run: Run {
            status: RunStatus::Interrupted,
            reason: Some("the program ended without a word".to_owned()),
            notes: Vec::new(),
            started_at: jiff::Timestamp::now(),
            duration_s: 0.0,
            argv: std::env::args().collect(),
            profile: settings.profile,
            seed: settings.seed,
            labels: settings.labels.clone(),
            filter: settings.filter.as_ref().map(|filter| filter.as_str().to_owned()),
            max_time_s: settings.max_time.map(|time| time.as_secs_f64()),
            repeats: 0,
            spent: Spent::default(),
        },
        system: System::of_this_machine(),
        adapter: gpu.facts.clone(),
        clock,
        dispatch_overhead: None,
        memory_scan: None,
        shapes: Vec::new(),
        claims: if settings.profile == Profile::Full && settings.filter.is_none() {
            CLAIMS.iter().map(Experiment::pending).collect()
        } else {
            Vec::new()
        },
        measurements: plan
            .groups
            .iter()
            .flat_map(|group| group.members.iter().map(move |member| (group, member)))
            .map(row)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::gpu::Choice;
    use crate::report::{Outcome, measured};

    /// Who looks on.
    struct Onlooker;

    impl Watch for Onlooker {
        fn step(&mut self, _: &str, _: usize, _: usize) -> bool {
            true
        }

        fn keep(&mut self, _: &Report, _: bool) -> Result<()> {
            Ok(())
        }
    }

    /// What a run of nothing but these experiments ends with.
    fn ended_after(experiments: &[Experiment]) -> (Report, Option<Error>) {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let (settings, mut watch) = (Settings::of(Profile::Quick), Onlooker);
        let mut suite =
            Suite::new(&gpu, &settings, None, &mut watch, Planned::NOTHING, Instant::now());
        suite.report.claims = experiments.iter().map(Experiment::pending).collect();
        let outcome = suite.test_claims(&gpu, experiments);
        let error = suite.end(outcome);
        (suite.report, error)
    }

    #[test]
    fn a_claim_whose_own_validation_fails_makes_the_run_wrong() {
        let fine = |_: &claims::Context<'_>| {
            let conclusion = "it does".to_owned();
            let (seeds, figures, plots, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            Ok(claims::Findings {
                outcome: Outcome::DoesNotHold,
                conclusion,
                seeds,
                figures,
                plots,
                notes,
            })
        };
        let experiment = |name, run| Experiment { name, statement: "it is so", run };
        let wrong = experiment("wrong", |_| Err(Error::Mismatch("element 3 is off".to_owned())));
        let lacking = experiment("lacking", |_| Err(Error::Unsupported("no f16".to_owned())));
        let broken = experiment("broken", |_| Err(Error::Machine("the device is lost".to_owned())));

        // That a claim does not hold, or can't be put to the test, is nothing wrong.
        let (report, error) = ended_after(&[experiment("fine", fine), lacking]);
        assert!(error.is_none() && report.run.status == RunStatus::Complete);
        let (report, error) = ended_after(&[wrong, experiment("fine", fine)]);
        assert_eq!(error.as_ref().map(Error::exit), Some(Exit::Failed));
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some("the claim wrong: element 3 is off")
        );
        // What comes behind is put to the test all the same.
        let statuses: Vec<Status> = report.claims.iter().map(|claim| claim.status).collect();
        assert_eq!(
            (report.run.status, &statuses[..]),
            (RunStatus::Complete, &[Status::Failed, Status::Ok][..])
        );
        let (report, error) = ended_after(&[broken, experiment("fine", fine)]);
        assert_eq!(error.map(|error| error.exit()), Some(Exit::Machine));
        assert_eq!(report.claims[1].reason.as_deref(), Some("not reached: the device is lost"));
    }

    #[test]
    fn a_row_that_one_device_lacks_has_the_samples_of_those_before() {
        let mut row = measured("relu", &[Some(1.0); 20]);
        row.rounds_per_repeat = 10;
        assert!(is_next(&row, 2));
        lacks(&mut row, 2, Status::Skipped, "no room");
        assert_eq!((row.status, row.notes.len()), (Status::Ok, 1));
        // Not on the third device, so not on the fourth: its samples would be compared with those of another device.
        assert!(!is_next(&row, 3));
        lacks(&mut row, 3, Status::Skipped, "no room");
        assert_eq!(row.notes, ["measured on 2 of the devices, and not on the next: no room"]);
        row.status = Status::Invalid;
        assert!(is_next(&row, 2));
        for status in [Status::Failed, Status::Skipped, Status::Unsupported] {
            row.status = status;
            assert!(!is_next(&row, 2), "{status:?}");
        }
        let mut untouched = measured("relu", &[]);
        untouched.status = Status::Skipped;
        assert!(is_next(&untouched, 0) && !is_next(&untouched, 1));
        lacks(&mut untouched, 0, Status::Unsupported, "no feature");
        assert_eq!(
            (untouched.status, untouched.reason.as_deref()),
            (Status::Unsupported, Some("no feature"))
        );
    }
}
