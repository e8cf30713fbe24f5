//! The run: from an adapter to a report, in one repeat or several.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::bench::Bench;
use super::plan::{self, Group, OpGroup, Planned, PlannedRidge};
use super::probe::Probe;
use super::settings::{Settings, Watch};
use super::stream::{Stream, lacks};
use super::{accuracy, arithmetic, memory, ridge, shapes};
use crate::error::{Error, Result};
use crate::gpu::dump::Dump;
use crate::gpu::{Gpu, ShaderChecks, Shape};
use crate::kernels::activation::Direction;
use crate::measure::Fixed;
use crate::report::provenance::Tool;
use crate::report::system::System;
use crate::report::{self, ClockKind, Measurement, Reason, Report, Run, RunStatus, Spent, Status};

/// Measures on what `open` opens, once for each repeat. There is a report as soon as there is a
/// device: of a run that ended early it holds what was done. The error is what ended the run, or,
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
    let outcome = suite.repeats(gpu, open);
    let error = suite.end(outcome);
    Ok((suite.report, error))
}

/// A run on its way.
struct Suite<'a> {
    settings: &'a Settings,
    dump: Option<&'a Dump>,
    began: Instant,
    watch: &'a mut dyn Watch,
    report: Report,
    /// What is measured, each with what the first repeat has fixed or found for it.
    groups: Vec<(Group, Option<Fixed>)>,
    chains: Vec<(OpGroup, Option<Fixed>)>,
    found: HashMap<String, arithmetic::Found>,
    ridges: Vec<(PlannedRidge, Option<ridge::Found>)>,
    /// What each direction is measured in.
    shapes: HashMap<Direction, Shape>,
    /// By path of a kernel, what was wrong with it on inputs chosen to find it so.
    unsound: HashMap<String, Reason>,
    /// The first kernel that was wrong.
    wrong: Option<Error>,
    /// Repeats before this one.
    repeat: u32,
    done: usize,
    steps: usize,
}

/// Steps that are made in the first repeat alone: accuracy, shapes, overhead, memory.
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

type Step = std::result::Result<(), Stop>;

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
        let Planned { groups, chains, ridges } = plan;
        let each_repeat = 1 + groups.len() + chains.len() + ridges.len();
        Self {
            settings,
            dump,
            began,
            steps: STEPS_ONCE + settings.repeats as usize * each_repeat,
            watch,
            report,
            groups: groups.into_iter().map(|group| (group, None)).collect(),
            chains: chains.into_iter().map(|group| (group, None)).collect(),
            found: HashMap::new(),
            ridges: ridges.into_iter().map(|ridge| (ridge, None)).collect(),
            shapes: HashMap::new(),
            unsound: HashMap::new(),
            wrong: None,
            repeat: 0,
            done: 0,
        }
    }

    fn repeats(&mut self, first: Gpu, open: &mut dyn FnMut() -> Result<Gpu>) -> Step {
        let mut gpu = first;
        self.repeat(&gpu)?;
        for _ in 1..self.settings.repeats {
            drop(gpu);
            let began = Instant::now();
            gpu = open()?;
            self.report.run.spent.open_s += began.elapsed().as_secs_f64();
            self.repeat(&gpu)?;
        }
        Ok(())
    }

    fn repeat(&mut self, gpu: &Gpu) -> Step {
        let plan = self.settings.plan;
        let plan = if gpu.facts.is_software { plan.on_software() } else { plan };
        let (seed, dump, repeat) = (self.settings.seed, self.dump, self.repeat);
        self.step("clock probe")?;
        let probe = self.probe(gpu)?;
        let bench = Bench { gpu, plan, probe: probe.as_ref(), seed, dump, repeat };
        if repeat == 0 {
            self.validate(&bench)?;
            self.prepare(&bench)?;
        }
        self.streams(&bench)?;
        self.arithmetic(&bench)?;
        self.ridges(&bench)?;
        self.repeat += 1;
        Ok(())
    }

    fn probe(&mut self, gpu: &Gpu) -> Result<Option<Probe>> {
        match Probe::new(gpu, self.settings.seed, self.report.clock.probe_steps) {
            Ok(probe) => {
                self.report.clock.probe_steps = Some(probe.steps);
                Ok(Some(probe))
            }
            Err(Error::Unsupported(message) | Error::Mismatch(message)) => {
                self.report.run.notes.push(Reason::NoProbe { message });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Compares every kernel of the run, those of chains included, over inputs chosen to find it
    /// wrong.
    fn validate(&mut self, bench: &Bench<'_>) -> Step {
        self.step("accuracy")?;
        let began = Instant::now();
        let streamed = self.groups.iter().flat_map(|(group, _)| group.members.iter().copied());
        let in_chains = self.chains.iter().flat_map(|(group, _)| group.kernels());
        let mut compared = HashSet::new();
        for kernel in streamed.chain(in_chains) {
            if !compared.insert(kernel.path()) {
                continue;
            }
            match accuracy::of(bench.gpu, kernel, self.settings.profile, self.settings.seed) {
                Ok((accuracy, wrong)) => {
                    self.report.accuracy.push(accuracy);
                    if let Some(wrong) = wrong {
                        self.unsound.insert(kernel.path(), Reason::from(&wrong));
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

    /// What is found once, in the first repeat: shapes, dispatch overhead, memory-bound sizes.
    fn prepare(&mut self, bench: &Bench<'_>) -> Step {
        let (gpu, seed, plan) = (bench.gpu, bench.seed, bench.plan.briefly());
        let most = self.settings.most_prepared;
        self.step("shapes")?;
        let began = Instant::now();
        for direction in Direction::ALL {
            if let Some(shape) = self.settings.shapes.get(&direction) {
                let direction_name = direction.name().to_owned();
                self.report
                    .run
                    .notes
                    .push(Reason::ShapeGiven { direction: direction_name, shape: *shape });
                self.shapes.insert(direction, *shape);
            } else if self.groups.iter().any(|(group, _)| group.direction == direction) {
                let (shape, trials) = shapes::choose(gpu, direction, most, &plan, seed)?;
                self.shapes.insert(direction, shape);
                self.report.shapes.extend(trials);
            }
        }
        self.step("dispatch overhead")?;
        self.report.dispatch_overhead = memory::overhead(gpu, &plan, seed)?;
        self.step("memory-bound sizes")?;
        let any = self.shapes.values().next().copied().unwrap_or_default();
        let shape = self.shapes.get(&Direction::Forward).copied().unwrap_or(any);
        self.report.memory_scan = memory::scan(gpu, shape, most, &plan, seed)?;
        self.report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        Ok(())
    }

    fn streams(&mut self, bench: &Bench<'_>) -> Step {
        let largest = self.groups.iter().map(|(group, _)| group.elements).max();
        let mut first = 0;
        for index in 0..self.groups.len() {
            self.step(&self.groups[index].0.name())?;
            let (group, fixed) = &mut self.groups[index];
            let stream = Stream {
                group,
                shape: self.shapes.get(&group.direction).copied().unwrap_or_default(),
                checks: self.settings.checks,
                is_largest: largest == Some(group.elements),
            };
            let unsound = |path: &str| self.unsound.get(path).cloned();
            match stream.measure(bench, fixed, &mut self.report, first, unsound) {
                Ok(Some(wrong)) => {
                    self.wrong.get_or_insert(wrong);
                }
                Ok(None) => {}
                Err(error) => {
                    let is_room = matches!(error, Error::Unsupported(_));
                    let status = if is_room { Status::Skipped } else { Status::Failed };
                    let rows = first..first + group.members.len();
                    for row in &mut self.report.measurements[rows] {
                        lacks(row, bench.repeat, status, &Reason::from(&error));
                    }
                    if !is_room {
                        return Err(error.into());
                    }
                }
            }
            first += group.members.len();
            self.keep_repeat(bench)?;
        }
        Ok(())
    }

    fn arithmetic(&mut self, bench: &Bench<'_>) -> Step {
        for index in 0..self.chains.len() {
            self.step(&self.chains[index].0.name())?;
            let (group, fixed) = &mut self.chains[index];
            let (found, report) = (&mut self.found, &mut self.report);
            let wrong = arithmetic::measure(bench, index, group, found, fixed, report)?;
            self.wrong = self.wrong.take().or(wrong);
            self.keep_repeat(bench)?;
        }
        Ok(())
    }

    /// Behind streams and arithmetic, of which ridges take the memory-bound size and the step.
    fn ridges(&mut self, bench: &Bench<'_>) -> Step {
        for index in 0..self.ridges.len() {
            let mut row = self.report.ridges[index].clone();
            self.step(&row.id)?;
            let (planned, found) = &mut self.ridges[index];
            let shape = self.shapes.get(&planned.direction).copied().unwrap_or_default();
            let report = &mut self.report;
            let wrong = ridge::measure(bench, *planned, shape, found, &mut row, report);
            self.report.ridges[index] = row;
            self.wrong = self.wrong.take().or(wrong?);
            self.keep_repeat(bench)?;
        }
        Ok(())
    }

    fn step(&mut self, what: &str) -> Step {
        if self.settings.max_time.is_some_and(|most| self.began.elapsed() >= most) {
            return Err(Stop::OutOfTime);
        }
        let goes_on = self.watch.step(what, self.done, self.steps);
        self.done += 1;
        if goes_on { Ok(()) } else { Err(Stop::Interrupted) }
    }

    fn keep_repeat(&mut self, bench: &Bench<'_>) -> Result<()> {
        self.report.run.repeats = bench.repeat + 1;
        self.report.clock.quantum_ns = bench.gpu.quantum_ns();
        self.keep(false)
    }

    fn keep(&mut self, is_last: bool) -> Result<()> {
        self.report.run.duration_s = self.began.elapsed().as_secs_f64();
        self.report.derive();
        self.watch.keep(&self.report, is_last)
    }

    /// Writes down how it ended, and returns what is to be told of it.
    fn end(&mut self, outcome: Step) -> Option<Error> {
        let (status, reason, error) = match outcome {
            Ok(()) => (RunStatus::Complete, None, None),
            Err(Stop::Interrupted) => (RunStatus::Interrupted, Some(Reason::Interrupted), None),
            Err(Stop::OutOfTime) => (RunStatus::Interrupted, Some(Reason::OutOfTime), None),
            Err(Stop::Failed(error)) => {
                (RunStatus::Failed, Some(Reason::from(&error)), Some(error))
            }
        };
        let ended = Box::new(reason.clone().unwrap_or(Reason::Unknown));
        let Report { measurements, arithmetic, ridges, .. } = &mut self.report;
        let rows = (measurements.iter_mut().map(|row| (row.status, &mut row.reason)))
            .chain(arithmetic.iter_mut().map(|row| (row.status, &mut row.reason)))
            .chain(ridges.iter_mut().map(|row| (row.status, &mut row.reason)));
        for (_, reason) in rows.filter(|(status, _)| *status == Status::Skipped) {
            reason.get_or_insert_with(|| Reason::NotReached { ended: ended.clone() });
        }
        self.report.run.status = status;
        self.report.run.reason = reason;
        let kept = self.keep(true);
        error.or(kept.err()).or(self.wrong.take())
    }
}

/// A report of every row that is planned, none of them reached.
fn empty_report(gpu: &Gpu, settings: &Settings, plan: &Planned) -> Report {
    let period_ns = gpu.period_ns();
    let kind = if period_ns.is_some() { ClockKind::GpuTimestamps } else { ClockKind::Wall };
    let rows = |group: &Group| {
        let row = |kernel| Measurement::new(kernel, group.elements);
        group.members.iter().map(row).collect::<Vec<_>>()
    };
    Report {
        schema: report::SCHEMA.to_owned(),
        schema_version: report::SCHEMA_VERSION.to_owned(),
        tool: Tool::this(),
        run: run_of(settings),
        system: System::of_this_machine(),
        adapter: gpu.facts.clone(),
        clock: report::Clock { kind, period_ns, quantum_ns: None, probe_steps: None },
        dispatch_overhead: None,
        memory_scan: None,
        shapes: Vec::new(),
        measurements: plan.groups.iter().flat_map(rows).collect(),
        arithmetic: plan::arithmetic_rows(&plan.chains),
        ridges: plan.ridges.iter().map(|ridge| ridge.row()).collect(),
        accuracy: Vec::new(),
        ratios: Vec::new(),
        fastest: Vec::new(),
    }
}

/// What a run is asked for, before anything was done.
pub fn run_of(settings: &Settings) -> Run {
    Run {
        status: RunStatus::Interrupted,
        reason: Some(Reason::Unknown),
        notes: Vec::new(),
        started_at: jiff::Timestamp::now(),
        duration_s: 0.0,
        argv: std::env::args().collect(),
        profile: settings.profile,
        seed: settings.seed,
        labels: settings.labels.clone(),
        filter: settings.filter.as_ref().map(|filter| filter.as_str().to_owned()),
        max_time_s: settings.max_time.map(|time| time.as_secs_f64()),
        shader_checks: settings.checks == ShaderChecks::Checked,
        repeats: 0,
        spent: Spent::default(),
    }
}
