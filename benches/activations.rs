//! `cargo bench`: criterion over the default variants, by the device's own timestamps, then the
//! suite's table.
//!
//! `main` is written by hand, as criterion's macro would open the device for `--list`. The device
//! is opened when a benchmark first needs it, and tensors are uploaded when one first reads them.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::Duration;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{Choice, Gpu, ShaderChecks, Shape, Workload};
use actbench::kernels::activation::Direction;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::inputs::DEFAULT_SEED;
use actbench::kernels::kernel::{self, Kernel};
use actbench::measure;
use actbench::render::table;
use actbench::report::{Destination, Pair, Profile, Report, expand};
use actbench::suite::{self, Settings, SharedTensors, Watch};
use criterion::{Criterion, SamplingMode, Throughput};
use regex::Regex;

/// Elements: launch-bound, cache-resident, and far from small on every adapter.
const SIZES: [u64; 3] = [1 << 16, 1 << 20, 1 << 24];

/// A pass of dispatches is cut where it would get longer: drivers end what runs for seconds.
const LONGEST_PASS: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let report = panic::take_hook();
    panic::set_hook(Box::new(refuse));
    // Flags replace what is set before; a group's own settings would replace the flags. Those
    // that it does not know end the program with status 2.
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    panic::set_hook(Box::new(move |panic| match panic.payload_as_str() {
        Some(message) if message.starts_with("Baseline '") => refuse(panic),
        // Whoever read the output has stopped to.
        Some(message)
            if message.starts_with("failed printing to ") && message.contains("Broken pipe") =>
        {
            process::exit(Exit::Fine as i32)
        }
        _ => report(panic),
    }));
    let request = Request::from_arguments(std::env::args().skip(1));
    match run(&mut criterion, &request) {
        Ok(()) => Exit::Fine.into(),
        Err(error) => fail(&error).into(),
    }
}

fn run(criterion: &mut Criterion, request: &Request) -> Result<()> {
    if request.mode == Mode::NoKernels {
        list(criterion);
        return Ok(());
    }
    let choice = Choice::from_environment(Choice::Default);
    let gpu = Gpu::open(&choice)?;
    let clock = if gpu.facts.timestamps {
        "gpu timestamps"
    } else {
        "wall clock (the adapter has no timestamps)"
    };
    eprintln!("{}; timed by {clock}", gpu.facts.summary());
    let wrong = benchmarks(criterion, request, &gpu)?;
    if request.mode == Mode::Everything {
        criterion.final_summary();
        drop(gpu);
        summary(&choice)?;
    }
    wrong.map_or(Ok(()), Err)
}

/// Criterion panics over arguments that it can't use: a filter that is no regular expression, a
/// baseline that is not there. Its message is said, but no backtrace, and the status is that of
/// wrong use.
fn refuse(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("the arguments can't be used");
    let _ = writeln!(std::io::stderr(), "error: {message}");
    process::exit(Exit::Usage as i32);
}

fn fail(error: &Error) -> Exit {
    eprintln!("error: {error}");
    error.exit()
}

/// The suite, in the profile that ACTBENCH_PROFILE names: what criterion's lines can't say, since
/// they are not timed together.
fn summary(choice: &Choice) -> Result<()> {
    let profile = match std::env::var("ACTBENCH_PROFILE") {
        Ok(name) if !name.is_empty() => name.parse().map_err(Error::Usage)?,
        _ => Profile::Quick,
    };
    let facts = choice.facts()?;
    let path = expand(REPORT, &facts.name, None, jiff::Timestamp::now())?;
    let path = target_folder().join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| {
            Error::Machine(format!("{} can't be made: {error}", folder.display()))
        })?;
    }
    let destination = Destination::prepare(&path)?;
    eprintln!();
    let mut keeper = Keeper(destination);
    let (report, error) =
        suite::run(&mut || Gpu::open(choice), &Settings::of(profile), None, &mut keeper)?;
    println!("\n{}", table::text(&report));
    println!("report: {}", path.display());
    error.map_or(Ok(()), Err)
}

/// Where reports go, in cargo's target folder.
const REPORT: &str = "actbench/{adapter}-{time}.json";

/// Cargo's target folder: that of this program, which lies in `release/deps` of it.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().ok();
    let target = program.as_deref().and_then(|program| program.ancestors().nth(3));
    target.map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

/// Keeps the report as it grows.
struct Keeper(Destination);

impl Watch for Keeper {
    fn step(&mut self, what: &str, done: usize, of: usize) -> bool {
        if std::io::stderr().is_terminal() {
            // Over the line before.
            eprint!("\r\x1b[K{}/{of} {what}{}", done + 1, if done + 1 == of { "\n" } else { "" });
        }
        true
    }

    fn keep(&mut self, report: &Report, _is_last: bool) -> Result<()> {
        self.0.write(report)
    }
}

/// What the arguments ask of criterion, as far as this program has to know it.
struct Request {
    mode: Mode,
    /// What criterion takes for its filter; it has refused what is no regular expression.
    filter: Option<String>,
    /// Whether ids have to be equal to the filter.
    exact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// List, or compare what is stored: no kernel runs.
    NoKernels,
    /// Run each benchmark once, or profile some, or measure those that match a filter.
    Part,
    /// Measure every benchmark.
    Everything,
}

impl Request {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let (mut no_kernels, mut part, mut bench, mut exact) = (false, false, false, false);
        let mut filter = None;
        while let Some(argument) = arguments.next() {
            let (flag, value) = argument
                .split_once('=')
                .map_or((&*argument, None), |(flag, value)| (flag, Some(value)));
            match flag {
                "--list" | "--load-baseline" => no_kernels = true,
                "--test" | "--profile-time" => part = true,
                // What cargo adds for `cargo bench`, but not for `cargo test --benches`.
                "--bench" => bench = true,
                "--exact" => exact = true,
                _ => {}
            }
            if value.is_none() && FLAGS_WITH_VALUE.contains(&flag) {
                arguments.next();
            }
            if !argument.starts_with('-') {
                filter = Some(argument);
            }
        }
        let mode = match (no_kernels, bench && !part && filter.is_none()) {
            (true, _) => Mode::NoKernels,
            (false, true) => Mode::Everything,
            (false, false) => Mode::Part,
        };
        Self { mode, filter, exact }
    }

    /// Whether criterion will run the benchmark of that id.
    fn wants(&self, id: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| {
            if self.exact {
                filter == id
            } else {
                Regex::new(filter).is_ok_and(|filter| filter.is_match(id))
            }
        })
    }
}

/// Flags of criterion 0.8 whose value may be the next argument, which then is no filter.
const FLAGS_WITH_VALUE: &[&str] = &[
    "-c",
    "--color",
    "-s",
    "--save-baseline",
    "-b",
    "--baseline",
    "--baseline-lenient",
    "--format",
    "--profile-time",
    "--load-baseline",
    "--sample-size",
    "--warm-up-time",
    "--measurement-time",
    "--nresamples",
    "--noise-threshold",
    "--confidence-level",
    "--significance-level",
    "--plotting-backend",
    "--output-format",
];

/// The dtypes and sizes of benchmarks: those that share tensors.
fn groups() -> impl Iterator<Item = (Dtype, u64)> {
    // Those that every adapter has.
    let dtypes = Dtype::ALL.into_iter().filter(|dtype| dtype.computed_in() == Dtype::F32);
    dtypes.flat_map(|dtype| SIZES.map(|elements| (dtype, elements)))
}

/// Hands criterion the ids of all benchmarks, none of which it will run.
fn list(criterion: &mut Criterion) {
    for (dtype, elements) in groups() {
        for direction in Direction::ALL {
            let mut group = criterion.benchmark_group(kernel::group_id(direction, dtype, elements));
            for kernel in suite::default_kernels(&[Pair::default()], direction, dtype) {
                group.bench_function(kernel.member_id(), |_| {
                    unreachable!("criterion was not asked to run anything")
                });
            }
            group.finish();
        }
    }
}

/// Runs the benchmarks that are wanted. What this adapter can't do and kernels that are wrong are
/// left out with their reason, and the first of the wrong ones is returned.
fn benchmarks(criterion: &mut Criterion, request: &Request, gpu: &Gpu) -> Result<Option<Error>> {
    let (mut matched, mut wrong) = (0, None);
    for (dtype, elements) in groups() {
        let mut tensors = None;
        for direction in Direction::ALL {
            let mut group = criterion.benchmark_group(kernel::group_id(direction, dtype, elements));
            group.sampling_mode(SamplingMode::Flat);
            for kernel in suite::default_kernels(&[Pair::default()], direction, dtype) {
                let id = kernel.id(elements);
                if !request.wants(&id) {
                    continue;
                }
                matched += 1;
                let timed = match Timed::new(gpu, &mut tensors, kernel, elements) {
                    Ok(timed) => timed,
                    Err(Error::Unsupported(reason)) => {
                        eprintln!("{id} is skipped: {reason}");
                        continue;
                    }
                    Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                        eprintln!("{id} is not timed: {error}");
                        wrong.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                group.throughput(Throughput::BytesDecimal(kernel.bytes(elements)));
                group.bench_function(kernel.member_id(), |bencher| {
                    bencher.iter_custom(|dispatches| timed.time(gpu, dispatches));
                });
            }
            group.finish();
        }
    }
    if matched == 0 {
        return Err(Error::Usage(
            "no benchmark matches the filter; `cargo bench -- --list` prints all".to_owned(),
        ));
    }
    Ok(wrong)
}

/// A checked kernel, and how many dispatches a pass of it has at most.
struct Timed {
    workload: Workload,
    dispatches_per_pass: u64,
}

impl Timed {
    /// Uploads the tensors of the kernel's tensors that are not yet there, checks the kernel on
    /// them, and times one dispatch.
    fn new<'gpu>(
        gpu: &'gpu Gpu,
        tensors: &mut Option<SharedTensors<'gpu>>,
        kernel: Kernel,
        elements: u64,
    ) -> Result<Self> {
        gpu.supports(&kernel)?;
        let tensors = match tensors {
            Some(tensors) => tensors,
            None => tensors.insert(SharedTensors::new(gpu, kernel.dtype, elements, DEFAULT_SEED)?),
        };
        let (workload, _) =
            tensors.checked_workload(kernel, Shape::default(), ShaderChecks::Trusted)?;
        let once = measure::time_once(gpu, &workload, 1)?;
        Ok(Self {
            workload,
            dispatches_per_pass: u64::from(measure::dispatches_for(LONGEST_PASS, once)),
        })
    }

    /// The time that so many dispatches took on the device. Criterion's closures return no errors:
    /// a failure ends the program, and the lines printed so far stand.
    fn time(&self, gpu: &Gpu, dispatches: u64) -> Duration {
        let mut ns = 0.0;
        let mut rest = dispatches;
        while rest > 0 {
            let pass = rest.min(self.dispatches_per_pass);
            ns += measure::time_once(
                gpu,
                &self.workload,
                u32::try_from(pass).expect("at most a pass"),
            )
            .unwrap_or_else(|error| process::exit(fail(&error) as i32));
            rest -= pass;
        }
        Duration::from_secs_f64(ns / 1e9)
    }
}
