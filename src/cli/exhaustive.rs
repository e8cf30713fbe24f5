//! `actbench validate --exhaustive`: progress, Ctrl-C, and the file that keeps the position.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

use actbench::error::{Error, Result};
use actbench::gpu::Gpu;
use actbench::kernels::kernel::{Kernel, Role};
use actbench::report::{Destination, read};
use actbench::validate::Accuracy;
use actbench::validate::exhaustive::{self, Domain, Extremes, Position};
use serde::{Deserialize, Serialize};

use super::progress::{Progress, catch_interrupts, is_interrupted};
use super::say;

/// How often the position is written, and told where there is no terminal.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// The file of an exhaustive run.
#[derive(Serialize, Deserialize)]
struct PositionFile {
    /// None where the user named no file.
    #[serde(skip)]
    kept_in: Option<Destination>,
    schema: String,
    /// A hash of the program, which holds shaders, bounds and reference: what another one found
    /// says nothing about this one.
    program: String,
    adapter: String,
    seed: u64,
    positions: Vec<Position>,
}

/// A kernel, and what is known of it or why nothing is.
pub type Finding = (Kernel, Result<(Accuracy, Option<Extremes>)>);

/// Sweeps all inputs of the kernels, from the position in `file` on where there is one.
pub fn run(gpu: &Gpu, kernels: &[Kernel], seed: u64, path: Option<&Path>) -> Result<Vec<Finding>> {
    let able = kernels.iter().copied().filter(|kernel| gpu.supports(kernel).is_ok());
    let domains = exhaustive::domains(&able.collect::<Vec<_>>());
    let mut file = PositionFile {
        // Whether it can be written is better known now than after minutes.
        kept_in: path.map(Destination::prepare).transpose()?,
        schema: "actbench.sweep".to_owned(),
        program: hash_of_program()?,
        adapter: gpu.facts.summary(),
        seed,
        positions: domains.iter().map(Domain::start).collect(),
    };
    if let Some(path) = path.filter(|path| path.exists()) {
        file.resume_from(path)?;
    }
    catch_interrupts()?;
    let outcome = sweep_all(gpu, &domains, &mut file);
    file.keep()?;
    if is_interrupted() {
        say("interrupted: the table is of the inputs that were done");
    }
    if is_interrupted() || outcome.is_err() {
        say(&match path {
            Some(path) => format!("run the same command again to go on from {}", path.display()),
            None => "the position is lost; --progress FILE would keep it".to_owned(),
        });
    }
    outcome?;

    let mut found = Vec::new();
    for (domain, position) in domains.iter().zip(&file.positions) {
        for (kernel, of_kernel) in domain.kernels.iter().zip(&position.found) {
            // The ends of a part are not those of the whole.
            let extremes = (position.done == domain.inputs).then_some(of_kernel.extremes);
            found.push((*kernel, Ok((of_kernel.accuracy.clone(), extremes))));
        }
    }
    for kernel in kernels {
        if let Err(why) = gpu.supports(kernel) {
            found.push((*kernel, Err(why)));
        } else if kernel.inputs().any(Role::is_mask) {
            let what =
                "reads one bit beside dy: `actbench validate` without --exhaustive covers it";
            say(&format!("{} {what}", kernel.path()));
        }
    }
    Ok(found)
}

fn sweep_all(gpu: &Gpu, domains: &[Domain], file: &mut PositionFile) -> Result<()> {
    let total: u64 = domains.iter().map(|domain| domain.inputs * domain.kernels.len() as u64).sum();
    let done_before = file.done();
    let began = Instant::now();
    let millions_per_second = |done: u64| {
        let us = began.elapsed().as_micros().max(1);
        format!("{} M inputs/s", u128::from(done - done_before) / us)
    };
    let mut progress = Progress::new(done_before, KEEP_EVERY);
    let mut kept = Instant::now();
    for (index, domain) in domains.iter().enumerate() {
        let mut position = file.positions[index].clone();
        let outcome = exhaustive::run(gpu, domain, file.seed, &mut position, |position| {
            file.positions[index] = position.clone();
            let done = file.done();
            progress.show(done, total, &millions_per_second(done));
            if kept.elapsed() >= KEEP_EVERY {
                // A position that can't be written now may be later; the last attempt reports.
                let _ = file.keep();
                kept = Instant::now();
            }
            !is_interrupted()
        });
        file.positions[index] = position;
        outcome?;
        if is_interrupted() {
            break;
        }
    }
    drop(progress);
    let (done, seconds) = (file.done(), began.elapsed().as_secs_f64());
    let inputs = done - done_before;
    say(&format!("{inputs} inputs in {seconds:.1} s: {}", millions_per_second(done)));
    Ok(())
}

fn hash_of_program() -> Result<String> {
    let read = std::env::current_exe().and_then(fs::read);
    let program =
        read.map_err(|error| Error::Machine(format!("the program can't read itself: {error}")))?;
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

impl PositionFile {
    /// Inputs that are done, over all kernels.
    fn done(&self) -> u64 {
        self.positions.iter().map(|position| position.done * position.found.len() as u64).sum()
    }

    /// Takes over the positions of an earlier run of the same kernels on the same adapter.
    fn resume_from(&mut self, path: &Path) -> Result<()> {
        let refuse = |why: &str| Error::Usage(read::complaint(path, why));
        let earlier: Self = serde_json::from_slice(&read::bytes(path)?)
            .map_err(|error| refuse(&format!("is not the position of a sweep: {error}")))?;
        if earlier.sweep() != self.sweep() {
            return Err(refuse(
                "is of another sweep: another build, adapter, seed or filter; name another file \
                 or delete it",
            ));
        }
        self.positions = earlier.positions;
        Ok(())
    }

    fn keep(&self) -> Result<()> {
        self.kept_in.as_ref().map_or(Ok(()), |destination| destination.write(self))
    }

    /// What it is the position of.
    fn sweep(&self) -> impl PartialEq {
        let kernels = self.positions.iter().map(|at| (&at.kernels, at.found.len()));
        (&self.schema, &self.program, &self.adapter, self.seed, kernels.collect::<Vec<_>>())
    }
}
