//! The ladder: what a rung of each op takes, in ps and in rungs of the fma ladder.

use std::collections::HashMap;
use std::time::Instant;

use regex::Regex;

use crate::climb::Climb;
use crate::dump::{self, Dump};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Workload};
use crate::kernel::Kernel;
use crate::ladder::{FLIGHT, Ladder};
use crate::measure::{self, Fixed, Plan, Stopwatch as _};
use crate::ops::{self, OPS, Op};
use crate::report::{Climbs, Profile, Rate, Spent, Status};
use crate::stats;
use crate::storage::Storage;
use crate::witness::Witness;

/// A climb of k rungs takes at least so many times as long as one of none, so that loading and launching are a small part of it.
const LEAST_CLIMB: f64 = 8.0;

/// The most rungs that are tried for k.
const MOST_RUNGS: u32 = 1 << 18;

/// Elements: enough lanes to fill the adapter, few enough to stay in its caches.
const FEWEST_ELEMENTS: u64 = 1 << 14;
const MOST_ELEMENTS: u64 = 1 << 22;
const MOST_ELEMENTS_ON_CPU: u64 = 1 << 15;

/// The time of a rung of an element settles when twice the elements change it by less.
const SETTLED: f64 = 0.02;

/// Words that a lane climbs with: 1, 2 and 4 are tried.
const WORDS: [u32; 3] = [1, 2, 4];

/// A shader that took so long to compile is not tried with more words.
const LONG_COMPILATION_S: f64 = 0.5;

/// A slope is a difference: beside another process, samples of a ladder have to be so many times longer.
const PATIENCE: u32 = 8;

/// Rounds that numbers of words are compared by.
const RANKING_ROUNDS: u32 = 9;

/// How far the time may be from growing in proportion with the rungs.
const LINEAR_WITHIN: f64 = 0.03;

/// The ops that are timed together, with the fma ladder before them.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What all compute in.
    pub storage: Storage,
    /// Without fma itself.
    pub ops: Vec<&'static Op>,
}

/// What the first device finds for a ladder, and those after it take over.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    elements: u64,
    words: u32,
    rungs: u32,
}

/// The panels of a profile: the headline, both activations forward with exp2, both backward; then every other op.
#[must_use]
pub fn panels(profile: Profile, filter: Option<&Regex>) -> Vec<Panel> {
    let mut panels = all_panels(profile);
    if let Some(filter) = filter {
        let is_wanted = |storage: Storage, op: &'static Op| filter.is_match(&Ladder::new(op, storage, 1).path());
        for panel in &mut panels {
            panel.ops.retain(|op| is_wanted(panel.storage, op));
        }
        panels.retain(|panel| !panel.ops.is_empty());
    }
    panels
}

fn all_panels(profile: Profile) -> Vec<Panel> {
    let named = |names: &[&str]| names.iter().map(|name| Op::named(name).expect("in the table")).collect();
    let mut panels = vec![Panel { storage: Storage::F32, ops: named(&["relu/plain", "exp2", "sigmoid/two_sided"]) }];
    if profile == Profile::Quick {
        return panels;
    }
    let backward = || named(&["backward/relu/from_y", "backward/sigmoid/from_y"]);
    panels.push(Panel { storage: Storage::F32, ops: backward() });
    panels.push(Panel { storage: Storage::F16Native, ..panels[0].clone() });
    panels.push(Panel { storage: Storage::F16Native, ops: backward() });
    for storage in [Storage::F32, Storage::F16Native] {
        for op in OPS.iter().filter(|op| op.name != ops::FMA.name && op.storages.contains(&storage)) {
            let is_there = |panel: &Panel| panel.storage == storage && panel.ops.iter().any(|own| own.name == op.name);
            if !panels.iter().any(is_there) {
                panels.push(Panel { storage, ops: vec![op] });
            }
        }
    }
    panels
}

impl Panel {
    /// What it is called in progress.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.ops.iter().map(|op| op.name).collect();
        format!("ladder/{}: {}", self.storage.name(), names.join(", "))
    }

    /// The kernels whose forms its ops are.
    pub fn kernels(&self) -> impl Iterator<Item = Kernel> {
        let forms = self.ops.iter().filter_map(|op| op.activation());
        forms.map(|(activation, form)| Kernel { activation, form, storage: self.storage })
    }
}

/// The rows of all panels, none of them reached; that of fma itself stands in the first panel of its storage.
#[must_use]
pub fn rows(panels: &[Panel]) -> Vec<Rate> {
    let mut rows: Vec<Rate> = Vec::new();
    for (index, panel) in panels.iter().enumerate() {
        let has_fma = rows.iter().any(|row| row.storage == panel.storage.name());
        let fma = (!has_fma).then_some(&ops::FMA);
        let row = |op: &'static Op| Rate::new(&Ladder::new(op, panel.storage, 1), index);
        rows.extend(fma.into_iter().chain(panel.ops.iter().copied()).map(row));
    }
    rows
}

/// What a panel is measured with.
pub struct Climbing<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// How much.
    pub plan: &'a Plan,
    /// The witness of its clock.
    pub witness: Option<&'a Witness>,
    /// Of x.
    pub seed: u64,
    /// Where shaders are written down.
    pub dump: Option<&'a Dump>,
}

impl<'gpu> Climbing<'gpu> {
    /// Times a panel and writes what was found into its rows. What can't be done and what is wrong stands there; the first that was wrong is
    /// returned.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(
        &self,
        panel: &Panel,
        found: &mut HashMap<String, Found>,
        fixed: &mut Option<Fixed>,
        mut rows: Vec<&mut Rate>,
        spent: &mut Spent,
    ) -> Result<Option<Error>> {
        let began = Instant::now();
        let mut wrong = None;
        let mut ladders: Vec<(Climb<'gpu>, u32)> = Vec::new();
        for op in std::iter::once(&ops::FMA).chain(panel.ops.iter().copied()) {
            let error = match self.prepare(Ladder::new(op, panel.storage, 1), found) {
                Ok(ladder) => {
                    ladders.push(ladder);
                    continue;
                }
                Err(error) => error,
            };
            let status = match error {
                Error::Unsupported(_) => Status::Unsupported,
                Error::Mismatch(_) | Error::Compile { .. } => Status::Failed,
                _ => return Err(error),
            };
            // Without its unit no rung of the panel has a meaning.
            let is_unit = op.name == ops::FMA.name;
            for row in rows.iter_mut().filter(|row| is_unit || row.op == op.name) {
                row.status = status;
                row.reason = Some(error.to_string());
            }
            if status == Status::Failed {
                wrong.get_or_insert(error);
            }
            if is_unit {
                return Ok(wrong);
            }
        }
        let mut workloads: Vec<Workload> = Vec::new();
        for (climb, rungs) in &ladders {
            for rungs in [*rungs, 2 * rungs, 4 * rungs] {
                workloads.push(climb.checked_at(rungs)?);
            }
        }
        spent.prepare_s += began.elapsed().as_secs_f64();
        let members: Vec<&Workload> = workloads.iter().collect();
        let witness = self.witness.map(|witness| &witness.workload);
        let plan = Plan { patience: PATIENCE, ..*self.plan };
        let samples = measure::measure(self.gpu, &members, witness, &plan, *fixed)?;
        *fixed = Some(samples.fixed);
        spent.warm_up_s += samples.warm_up.as_secs_f64();
        spent.measure_s += samples.measure.as_secs_f64();
        let climbs: Vec<Climbs> = (samples.members.chunks_exact(3).zip(&ladders))
            .map(|(climbs, (_, rungs))| Climbs {
                rungs: *rungs,
                once_ns: climbs[0].ns.clone(),
                twice_ns: climbs[1].ns.clone(),
                fourfold_ns: climbs[2].ns.clone(),
            })
            .collect();
        for ((climb, _), own) in ladders.iter().zip(&climbs) {
            let Some(row) = rows.iter_mut().find(|row| row.op == climb.ladder.op.name) else { continue };
            row.take(own, &climbs[0]);
            row.elements = workloads[0].elements;
            row.chains = climb.ladder.words * 4;
            row.shape = Some(climb.shape());
            row.wgsl_sha256 = Some(dump::wgsl_sha256(&climb.ladder.wgsl()));
            if let Some(dump) = self.dump {
                climb.dump(dump, &row.id)?;
            }
            row.dispatches_per_sample = samples.fixed.dispatches;
            row.rounds_per_device = samples.fixed.rounds;
            judge(row, self.gpu.facts.is_software);
        }
        Ok(wrong)
    }

    /// Compiles a ladder with the number of words for which its rungs are fastest, and finds its k.
    fn prepare(&self, ladder: Ladder, found: &mut HashMap<String, Found>) -> Result<(Climb<'gpu>, u32)> {
        if let Some(Found { elements, words, rungs }) = found.get(&ladder.path()).copied() {
            return Ok((Climb::new(self.gpu, Ladder { words, ..ladder }, elements, self.seed)?, rungs));
        }
        let elements = match found.get(&Ladder::new(&ops::FMA, ladder.storage, 1).path()) {
            Some(of_fma) => of_fma.elements,
            None => self.settled_elements(ladder)?,
        };
        let mut tried: Vec<(Climb<'gpu>, u32)> = Vec::new();
        for words in WORDS {
            let began = Instant::now();
            let climb = Climb::new(self.gpu, Ladder { words, ..ladder }, elements, self.seed)?;
            climb.checked_at(FLIGHT + 1)?;
            let compilation = began.elapsed().as_secs_f64();
            let (rungs, _) = self.rungs_of(&climb)?;
            tried.push((climb, rungs));
            if compilation > LONG_COMPILATION_S {
                break;
            }
        }
        let (climb, rungs) = tried.swap_remove(self.fastest(&tried)?);
        found.insert(ladder.path(), Found { elements, words: climb.ladder.words, rungs });
        Ok((climb, rungs))
    }

    /// Which of several ladders has the fastest rung, by rounds in which all are timed: apart, one may meet a busy moment that the others do not.
    fn fastest(&self, tried: &[(Climb<'_>, u32)]) -> Result<usize> {
        let workload = |(climb, rungs): &(Climb<'_>, u32)| Ok([climb.at(*rungs)?, climb.at(4 * rungs)?]);
        let workloads: Vec<[Workload; 2]> = tried.iter().map(workload).collect::<Result<_>>()?;
        let members: Vec<&Workload> = workloads.iter().flatten().collect();
        let samples = measure::rounds(self.gpu, &members, &self.plan.briefly(), RANKING_ROUNDS)?;
        let rung_ns = |(pair, (_, rungs)): (&[measure::Member], &(Climb<'_>, u32))| {
            let rounds = pair[1].ns.iter().zip(&pair[0].ns).filter_map(|(far, near)| Some((*far)? - (*near)?));
            let mut slopes: Vec<f64> = rounds.map(|ns| ns / (3.0 * f64::from(*rungs))).collect();
            slopes.sort_by(f64::total_cmp);
            stats::quantile(&slopes, 0.5).unwrap_or(f64::INFINITY)
        };
        let slopes = samples.chunks_exact(2).zip(tried).map(rung_ns).enumerate();
        Ok(slopes.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index))
    }

    /// The elements from which on the time of a rung of an element no longer falls.
    fn settled_elements(&self, ladder: Ladder) -> Result<u64> {
        let most = if self.gpu.facts.is_software { MOST_ELEMENTS_ON_CPU } else { MOST_ELEMENTS };
        let mut elements = FEWEST_ELEMENTS;
        let mut before: Option<f64> = None;
        loop {
            let climb = Climb::new(self.gpu, ladder, elements, self.seed)?;
            let (_, rung_ns) = self.rungs_of(&climb)?;
            #[expect(clippy::cast_precision_loss, reason = "elements of a cache")]
            let of_element = rung_ns / elements as f64;
            if before.is_some_and(|before| (of_element / before - 1.0).abs() < SETTLED) || elements >= most {
                return Ok(elements);
            }
            before = Some(of_element);
            elements *= 2;
        }
    }

    /// The first power of two from one flight on for which a climb of k takes long enough beside one of no rung, and the time of a rung in ns.
    fn rungs_of(&self, climb: &Climb<'_>) -> Result<(u32, f64)> {
        let plan = self.plan.briefly();
        let none = climb.at(0)?;
        let mut rungs = FLIGHT;
        loop {
            let (once, twice) = (climb.at(rungs)?, climb.at(2 * rungs)?);
            let samples = measure::rounds(self.gpu, &[&none, &once, &twice], &plan, RANKING_ROUNDS)?;
            let fastest = |index: usize| {
                let mut ns: Vec<f64> = samples[index].ns.iter().flatten().copied().collect();
                ns.sort_by(f64::total_cmp);
                stats::quantile(&ns, 0.25)
            };
            let (Some(none), Some(once), Some(twice)) = (fastest(0), fastest(1), fastest(2)) else {
                let (name, path) = (self.gpu.name(), climb.ladder.path());
                return Err(Error::Machine(format!("{name}: its clock gave no time for {path}")));
            };
            let rung = (twice - once) / f64::from(rungs);
            if once >= LEAST_CLIMB * none || rungs >= MOST_RUNGS {
                return Ok((rungs, rung));
            }
            // As far as this slope tells, and no more than sixteen times as far: it may be that of noise.
            let missing = (LEAST_CLIMB * none - once) / rung.max(f64::MIN_POSITIVE);
            let wanted = f64::from(rungs) + missing.clamp(1.0, 15.0 * f64::from(rungs));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^22")]
            let wanted = wanted.ceil() as u32;
            rungs = wanted.next_power_of_two().clamp(2 * rungs, MOST_RUNGS);
        }
    }
}

/// The gates of a ladder: rungs that do not grow were folded, and a time that does not grow in proportion is no time a rung.
fn judge(row: &mut Rate, is_software: bool) {
    row.status = Status::Ok;
    row.reason = None;
    let Some(derived) = row.derived() else {
        row.status = Status::Invalid;
        row.reason = Some("too few samples are left for an interval".to_owned());
        return;
    };
    let linearity = derived.linearity;
    if derived.rung_ps.low <= 0.0 {
        row.status = Status::Invalid;
        row.reason = Some("its time does not grow with its rungs: the compiler folded them".to_owned());
    } else if linearity.low > 1.0 + LINEAR_WITHIN || linearity.high < 1.0 - LINEAR_WITHIN {
        let complaint = format!(
            "from 2 k to 4 k rungs its time grows {:.2} [{:.2}, {:.2}] times as fast as from k to 2 k",
            linearity.median, linearity.low, linearity.high
        );
        if is_software {
            row.notes.push(complaint);
        } else {
            row.status = Status::Invalid;
            row.reason = Some(complaint);
        }
    }
}
