//! `actbench validate --exhaustive`, and the file that keeps its position.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

use actbench::error::{Error, Exit, Result};
use actbench::gpu::Gpu;
use actbench::kernels::kernel::Kernel;
use actbench::validate::exhaustive::{self, Domain, Position};
use serde::{Deserialize, Serialize};

use super::progress::{Progress, catch_interrupts, is_interrupted};
use super::say;
use super::validate::{Arguments, Row};

/// How often the position is written, or a line where there is no bar.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// The file of an exhaustive run.
#[derive(Serialize, Deserialize)]
struct PositionFile {
    schema: String,
    version: String,
    /// A hash of the program, which has shaders, bounds and reference in it. What another program
    /// found right says nothing of this one.
    program: String,
    adapter: String,
    seed: u64,
    positions: Vec<Position>,
}

const SCHEMA: &str = "actbench.sweep";

pub fn run(gpu: &Gpu, kernels: &[Kernel], arguments: &Arguments) -> Result<(Vec<Row>, Exit)> {
    let (able, unable): (Vec<Kernel>, Vec<Kernel>) =
        kernels.iter().partition(|kernel| gpu.supports(kernel).is_ok());
    let domains = exhaustive::domains(&able);
    let mut file = PositionFile {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        program: hash_of_program()?,
        adapter: gpu.facts.summary(),
        seed: arguments.seed,
        positions: domains.iter().map(Domain::start).collect(),
    };
    if let Some(path) = arguments.progress.as_deref() {
        file.resume_from(path)?;
        // Better now than after minutes; and then it is the path that is wrong.
        file.keep(path).map_err(|error| Error::Usage(error.to_string()))?;
    }
    catch_interrupts()?;
    let outcome = sweep_all(gpu, &domains, &mut file, arguments);
    if let Some(path) = arguments.progress.as_deref() {
        file.keep(path)?;
    }
    let stopped = is_interrupted();
    if stopped {
        say("interrupted: the table is of the inputs that were done");
    }
    if stopped || outcome.is_err() {
        match arguments.progress.as_deref() {
            Some(path) => say(&format!(
                "the position is kept: the same command goes on from {}",
                path.display()
            )),
            None => say("the position is lost; --progress FILE would keep it"),
        }
    }
    outcome?;

    let mut rows = Vec::new();
    for (domain, position) in domains.iter().zip(&file.positions) {
        for (kernel, found) in domain.kernels.iter().zip(&position.found) {
            // The ends of a part are not those of the whole.
            let extremes = (position.done == domain.inputs).then_some(found.extremes);
            rows.push(Row::new(gpu, kernel, Ok((found.accuracy.clone(), extremes)))?);
        }
    }
    for kernel in &unable {
        rows.push(Row::new(
            gpu,
            kernel,
            gpu.supports(kernel).map(|()| unreachable!("it is unable")),
        )?);
    }
    for kernel in able.iter().filter(|kernel| !domains.iter().any(|domain| domain.contains(kernel)))
    {
        say(&format!(
            "{} reads one bit beside dy: `actbench validate` without --exhaustive covers it",
            kernel.path()
        ));
    }
    Ok((rows, if stopped { Exit::Interrupted } else { Exit::Fine }))
}

fn sweep_all(
    gpu: &Gpu,
    domains: &[Domain],
    file: &mut PositionFile,
    arguments: &Arguments,
) -> Result<()> {
    let total: u64 = domains.iter().map(|domain| domain.inputs * domain.kernels.len() as u64).sum();
    let done = |positions: &[Position]| -> u64 {
        positions.iter().map(|position| position.done * position.found.len() as u64).sum()
    };
    let began = Instant::now();
    let done_before = done(&file.positions);
    let mut kept = Instant::now();
    let mut progress = Progress::new(done_before, KEEP_EVERY);
    for (index, domain) in domains.iter().enumerate() {
        let mut position = file.positions[index].clone();
        let outcome = exhaustive::run(gpu, domain, file.seed, &mut position, |position| {
            file.positions[index] = position.clone();
            let done = done(&file.positions);
            let rate = per_second(done - done_before, began);
            progress.show(done, total, &format!("{} M inputs/s", rate / 1_000_000));
            if let Some(path) =
                arguments.progress.as_deref().filter(|_| kept.elapsed() >= KEEP_EVERY)
            {
                // A position that can't be written now may be later; the last attempt reports.
                let _ = file.keep(path);
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
    let inputs = done(&file.positions) - done_before;
    let seconds = began.elapsed().as_secs_f64();
    say(&format!(
        "{inputs} inputs in {seconds:.1} s: {} M inputs/s",
        per_second(inputs, began) / 1_000_000
    ));
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

fn per_second(inputs: u64, since: Instant) -> u64 {
    u64::try_from(u128::from(inputs) * 1000 / since.elapsed().as_millis().max(1))
        .unwrap_or(u64::MAX)
}

impl PositionFile {
    /// Takes over the positions of an earlier run of the same kernels on the same adapter.
    fn resume_from(&mut self, path: &Path) -> Result<()> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Error::Usage(format!("{} can't be read: {error}", path.display())));
            }
        };
        let earlier: Self = serde_json::from_str(&text).map_err(|error| {
            Error::Usage(format!("{} is not the position of a sweep: {error}", path.display()))
        })?;
        let same_kernels = earlier.positions.len() == self.positions.len()
            && earlier
                .positions
                .iter()
                .zip(&self.positions)
                .all(|(a, b)| a.kernels == b.kernels && a.found.len() == b.found.len());
        let differs = [
            ("with another schema", earlier.schema != self.schema),
            ("by another version of actbench", earlier.version != self.version),
            (
                "by another build of actbench, whose shaders may differ",
                earlier.program != self.program,
            ),
            ("on another adapter", earlier.adapter != self.adapter),
            ("with another seed", earlier.seed != self.seed),
            ("of other kernels (another --filter?)", !same_kernels),
        ];
        if let Some((how, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            let path = path.display();
            return Err(Error::Usage(format!(
                "{path} is the position of a sweep {how}; name another file or delete it"
            )));
        }
        *self = earlier;
        Ok(())
    }

    /// Writes the file whole or not at all.
    fn keep(&self, path: &Path) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::Machine(format!("{} can't be written: {error}", path.display()))
        };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        fs::write(&temporary, serde_json::to_vec(self).expect("string keys")).map_err(failed)?;
        fs::rename(&temporary, path).map_err(failed)
    }
}
