//! The run: from an adapter to a report, in one repeat or several.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::bench::Bench;
use super::plan::{self, Group, OpGroup, Planned, PlannedRidge};
use super::probe::Probe;
use super::ridge::Streamed;
use super::settings::{Settings, Watch};
use super::stream::Stream;
use super::{accuracy, arithmetic, memory, shapes};
use crate::error::{Error, Result};
use crate::gpu::dump::Dump;
use crate::gpu::{Gpu, ShaderChecks, Shape};
use crate::kernels::activation::Direction;
use crate::kernels::kernel::Kernel;
use crate::report::provenance::Tool;
use crate::report::system::System;
use crate::report::{self, ClockKind, Reason, Report, Run, RunStatus, Spent, Status};
use crate::validate::behaviour;

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
    let plan = Planned::new(settings, gpu.facts.is_software);
    if plan.ids().is_empty() {
        return Err(Error::Usage(
            "the filter matches no row of this profile; `--list` prints them".to_owned(),
        ));
    }
    let mut report = empty_report(&gpu, settings, &plan);
    report.run.spent.open_s = began.elapsed().as_secs_f64();
    let mut suite = Suite {
        settings,
        dump,
        began,
        watch,
        report,
        plan: &plan,
        shapes: HashMap::new(),
        unsound: HashMap::new(),
        wrong: None,
        done: 0,
    };
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
    /// What is measured.
    plan: &'a Planned,
    /// What each direction is measured in.
    shapes: HashMap<Direction, Shape>,
    /// By path of a kernel, what was wrong with it on inputs chosen to find it so.
    unsound: HashMap<String, Reason>,
    /// The first kernel that was wrong.
    wrong: Option<Error>,
    /// Steps done.
    done: usize,
}

/// Steps that are made in the first repeat alone: accuracy, shapes, overhead, memory.
const STEPS_ONCE: usize = 4;

/// Why a run ends early.
enum Stop {
    Ended(Reason),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Step = Result<(), Stop>;

impl Suite<'_> {
    fn repeats(&mut self, first: Gpu, open: &mut dyn FnMut() -> Result<Gpu>) -> Step {
        let mut gpu = first;
        self.repeat(0, &gpu)?;
        for repeat in 1..self.settings.repeats {
            drop(gpu);
            let began = Instant::now();
            gpu = open()?;
            self.report.run.spent.open_s += began.elapsed().as_secs_f64();
            self.repeat(repeat, &gpu)?;
        }
        Ok(())
    }

    fn repeat(&mut self, repeat: u32, gpu: &Gpu) -> Step {
        let (settings, dump) = (self.settings, self.dump);
        let is_software = gpu.facts.is_software;
        let plan = if is_software { settings.plan.on_software() } else { settings.plan };
        self.step("clock probe")?;
        let probe = self.probe(gpu)?;
        let bench = Bench { gpu, settings, plan, probe: probe.as_ref(), dump, repeat };
        if repeat == 0 {
            self.validate(&bench)?;
            self.prepare(&bench)?;
        }
        self.streams(&bench)?;
        self.arithmetic(&bench)?;
        self.ridges(&bench)
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
        let streamed = self.plan.groups.iter().flat_map(|group| group.members.iter().copied());
        let in_chains = self.plan.chains.iter().flat_map(OpGroup::kernels);
        let mut compared = HashSet::new();
        let kernels = streamed.chain(in_chains).filter(|kernel| compared.insert(kernel.path()));
        let kernels: Vec<Kernel> = kernels.collect();
        let built_ins = behaviour::note(bench.gpu, &kernels)?;
        self.report.run.notes.extend(built_ins.map(|message| Reason::BuiltIns { message }));
        for kernel in kernels {
            match accuracy::of(bench, kernel) {
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
        let most = self.settings.most_prepared;
        self.step("shapes")?;
        let began = Instant::now();
        for direction in Direction::ALL {
            if let Some(&shape) = self.settings.shapes.get(&direction) {
                self.shapes.insert(direction, shape);
                let direction = direction.name().to_owned();
                self.report.run.notes.push(Reason::ShapeGiven { direction, shape });
            } else if self.plan.streams(direction) {
                let (shape, trials) = shapes::choose(bench, direction, most)?;
                self.shapes.insert(direction, shape);
                self.report.shapes.extend(trials);
            }
        }
        self.step("dispatch overhead")?;
        self.report.dispatch_overhead = memory::overhead(bench)?;
        self.step("memory-bound sizes")?;
        let shape = Direction::ALL.iter().find_map(|direction| self.shapes.get(direction));
        self.report.memory_scan = memory::scan(bench, shape.copied().unwrap_or_default(), most)?;
        self.report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        Ok(())
    }

    fn streams(&mut self, bench: &Bench<'_>) -> Step {
        let largest = self.plan.groups.iter().map(|group| group.elements).max();
        let mut first = 0;
        for group in &self.plan.groups {
            self.step(&group.name())?;
            let stream = Stream {
                group,
                shape: self.shape(group.direction),
                is_largest: largest == Some(group.elements),
                first,
                unsound: &self.unsound,
            };
            let wrong = stream.measure(bench, &mut self.report)?;
            self.measured(bench, wrong)?;
            first += group.members.len();
        }
        Ok(())
    }

    fn arithmetic(&mut self, bench: &Bench<'_>) -> Step {
        for (index, group) in self.plan.chains.iter().enumerate() {
            self.step(&group.name())?;
            let wrong = arithmetic::measure(bench, index, group, &mut self.report)?;
            self.measured(bench, wrong)?;
        }
        Ok(())
    }

    fn ridges(&mut self, bench: &Bench<'_>) -> Step {
        for (index, planned) in self.plan.ridges.iter().enumerate() {
            let mut row = self.report.ridges[index].clone();
            self.step(&row.id)?;
            let streamed = Streamed { bench, planned, shape: self.shape(planned.direction) };
            let wrong = streamed.measure(&mut row, &mut self.report);
            self.report.ridges[index] = row;
            self.measured(bench, wrong?)?;
        }
        Ok(())
    }

    fn shape(&self, direction: Direction) -> Shape {
        self.shapes.get(&direction).copied().unwrap_or_default()
    }

    fn step(&mut self, what: &str) -> Step {
        if self.settings.max_time.is_some_and(|most| self.began.elapsed() >= most) {
            return Err(Stop::Ended(Reason::OutOfTime));
        }
        let Planned { groups, chains, ridges } = self.plan;
        let each_repeat = 1 + groups.len() + chains.len() + ridges.len();
        let steps = STEPS_ONCE + self.settings.repeats as usize * each_repeat;
        let goes_on = self.watch.step(what, self.done, steps);
        self.done += 1;
        if goes_on { Ok(()) } else { Err(Stop::Ended(Reason::Interrupted)) }
    }

    /// Behind each group: the first result that is wrong stays, and the report is kept.
    fn measured(&mut self, bench: &Bench<'_>, wrong: Option<Error>) -> Result<()> {
        self.wrong = self.wrong.take().or(wrong);
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
            Err(Stop::Ended(reason)) => (RunStatus::Interrupted, Some(reason), None),
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
        measurements: plan.groups.iter().flat_map(Group::rows).collect(),
        arithmetic: plan::arithmetic_rows(&plan.chains),
        ridges: plan.ridges.iter().map(PlannedRidge::row).collect(),
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
        pairs: settings.pairs.clone(),
        seed: settings.seed,
        labels: settings.labels.clone(),
        filter: settings.filter.as_ref().map(|filter| filter.as_str().to_owned()),
        max_time_s: settings.max_time.map(|time| time.as_secs_f64()),
        shader_checks: settings.checks == ShaderChecks::Checked,
        repeats: 0,
        spent: Spent::default(),
    }
}
