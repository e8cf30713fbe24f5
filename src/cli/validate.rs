//! `actbench validate`

use std::path::PathBuf;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::Gpu;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::inputs::{DEFAULT_SEED, Inputs};
use actbench::kernels::kernel::Kernel;
use actbench::render::grid::Grid;
use actbench::render::numbers::significant;
use actbench::validate::exhaustive::{At, Extremes};
use actbench::validate::{self, Accuracy, Trial, behaviour};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::exhaustive::Finding;
use super::progress::is_interrupted;
use super::{Adapter, Filter, exhaustive, print, print_json, say};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub adapter: Adapter,
    #[command(flatten)]
    filter: Filter,
    /// Elements of each tensor.
    #[arg(long, default_value_t = 1 << 20, conflicts_with = "exhaustive")]
    elements: u64,
    /// Seed of the inputs.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Every input there is: each f32 or f16 as x, or every y for kernels that read y, with random
    /// dy.
    #[arg(long)]
    exhaustive: bool,
    /// Keep the position of an exhaustive run here, and go on from it if the file is there.
    #[arg(long, value_name = "FILE", requires = "exhaustive")]
    progress: Option<PathBuf>,
    /// One input alone, by the bits of x or of the saved tensor, such as 0xc2b00000.
    #[arg(
        long,
        value_name = "BITS",
        value_parser = bits,
        allow_hyphen_values = true,
        conflicts_with = "exhaustive"
    )]
    input: Option<u32>,
    /// The bits of dy for that input; default: those of 1.
    #[arg(
        long,
        value_name = "BITS",
        value_parser = bits,
        allow_hyphen_values = true,
        requires = "input"
    )]
    dy: Option<u32>,
    /// text, json or md.
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

/// How to print a table.
#[derive(Clone, Copy, ValueEnum)]
enum TableFormat {
    /// For people.
    Text,
    /// One JSON value.
    Json,
    /// A Markdown table, for a job summary or a pull request.
    Md,
}

/// What is said of a kernel that is not right.
const WRONG: &str = "WRONG";

fn bits(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("give the bits of a float, such as 0xc2b00000 for -88: {error}"))
}

/// The outcome of one kernel.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Outcome {
    /// Compared with the reference.
    Compared(Box<Compared>),
    /// The adapter can't run it.
    Unsupported { reason: String },
    /// It does not compile; with the compiler's message.
    Failed { reason: String },
}

/// What a comparison says, with units and places resolved.
#[derive(Serialize)]
struct Compared {
    right: bool,
    inputs: u64,
    violations: u64,
    max_ulp: f64,
    max_ulp_at: Place,
    mean_ulp: f64,
    max_share_of_bound: f64,
    tier: Option<char>,
    wrote_past_the_end: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    extremes: Option<Extremes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_violation: Option<Complaint>,
}

#[derive(Serialize)]
struct Place {
    value: Option<f64>,
    bits: String,
}

#[derive(Serialize)]
struct Complaint {
    sentence: String,
    reproduce: String,
}

/// A kernel and its outcome.
#[derive(Serialize)]
struct Row {
    kernel: String,
    bound: &'static str,
    domain: String,
    #[serde(flatten)]
    outcome: Outcome,
    /// What is wrong, and how to see it again; none where all is right or can't be tried.
    #[serde(skip)]
    complaint: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    schema_version: &'static str,
    adapter: &'a actbench::gpu::AdapterFacts,
    seed: u64,
    exhaustive: bool,
    /// Which built-in functions are off by more than WGSL allows, and what follows.
    built_ins: Option<&'a str>,
    kernels: &'a [Row],
}

/// What a kernel makes of one input.
#[derive(Serialize)]
struct OneRow {
    kernel: String,
    /// right, WRONG or unsupported.
    result: &'static str,
    /// The input, what is expected and what is there; or why it is not tried.
    sentence: String,
}

#[derive(Serialize)]
struct OneDocument<'a> {
    schema: &'static str,
    schema_version: &'static str,
    adapter: &'a actbench::gpu::AdapterFacts,
    kernels: &'a [OneRow],
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let kernels = arguments.filter.kernels()?;
    if let Some(first) = arguments.input {
        fits(&kernels, first.max(arguments.dy.unwrap_or_default()))?;
        return one(&arguments.adapter.open()?, &kernels, first, arguments);
    }
    let gpu = arguments.adapter.open()?;
    let row = |found| Row::new(&gpu.facts.name, arguments.seed, found);
    let rows: Result<Vec<Row>> = if arguments.exhaustive {
        let file = arguments.progress.as_deref();
        exhaustive::run(&gpu, &kernels, arguments.seed, file)?.into_iter().map(row).collect()
    } else {
        let inputs = Inputs::patterns(arguments.seed);
        let sample = |kernel: &Kernel| {
            let trial = Trial::new(&gpu, *kernel, inputs, arguments.elements);
            (*kernel, trial.run(&gpu).map(|found| (found, None)))
        };
        // Ends with the first error that concerns more than its kernel.
        kernels.iter().map(sample).map(row).collect()
    };
    let rows = rows?;
    let built_ins = behaviour::note(&gpu, &kernels)?;
    let grid = || {
        let mut grid = grid(&rows);
        grid.notes.extend(built_ins.clone());
        grid
    };
    match arguments.format {
        TableFormat::Json => print_json(&Document {
            schema: "actbench.validation",
            schema_version: "1.0",
            adapter: &gpu.facts,
            seed: arguments.seed,
            exhaustive: arguments.exhaustive,
            built_ins: built_ins.as_deref(),
            kernels: &rows,
        })?,
        TableFormat::Text => print(&grid().text())?,
        TableFormat::Md => print(&[gpu.facts.summary(), grid().markdown()].join("\n\n"))?,
    };
    let mut exit = if is_interrupted() { Exit::Interrupted } else { Exit::Fine };
    for complaint in rows.iter().filter_map(|row| row.complaint.as_ref()) {
        say(complaint);
        exit = exit.or(Exit::Failed);
    }
    Ok(exit)
}

impl Row {
    /// The row of a kernel; errors that concern it alone are rows too.
    fn new(adapter: &str, seed: u64, (kernel, found): Finding) -> Result<Self> {
        let path = kernel.path();
        let (outcome, complaint) = match found {
            Ok((accuracy, extremes)) => {
                let compared = Compared { extremes, ..Compared::new(adapter, &kernel, &accuracy) };
                let complaint = accuracy.complaint(&kernel, seed);
                let complaint = complaint.map(|what| match &compared.first_violation {
                    Some(Complaint { reproduce, .. }) => format!("{what}\n  {reproduce}"),
                    None => what,
                });
                (Outcome::Compared(Box::new(compared)), complaint)
            }
            Err(Error::Unsupported(reason)) => (Outcome::Unsupported { reason }, None),
            Err(Error::Compile { message: reason, .. }) => {
                let complaint = format!("{path}: {reason}");
                (Outcome::Failed { reason }, Some(complaint))
            }
            Err(error) => return Err(error),
        };
        let (bound, domain) = (kernel.variant.bound, kernel.variant.domain());
        Ok(Self { kernel: path, bound, domain, outcome, complaint })
    }

    fn cells(&self) -> [String; 8] {
        let without_figures = match &self.outcome {
            Outcome::Compared(found) => return found.cells(&self.kernel),
            Outcome::Unsupported { .. } => "n/a",
            Outcome::Failed { .. } => "FAILED",
        };
        [self.kernel.as_str(), "", "", "", "", "", "", without_figures].map(str::to_owned)
    }

    /// The ends of the results, a line each.
    fn extremes(&self) -> Vec<String> {
        let Outcome::Compared(found) = &self.outcome else { return Vec::new() };
        let Some(extremes) = &found.extremes else { return Vec::new() };
        let ends = [("smallest", extremes.smallest), ("largest", extremes.largest)];
        let line = |(what, at): (&str, Option<At>)| {
            at.map(|At { value, input }| format!("{}: {what} {value:e} at {input:e}", self.kernel))
        };
        ends.into_iter().filter_map(line).collect()
    }
}

impl Compared {
    fn new(adapter: &str, kernel: &Kernel, accuracy: &Accuracy) -> Self {
        let dtype = kernel.dtype;
        let first_violation = accuracy.first_violation.map(|violation| {
            let (path, input) = (kernel.path(), hex(dtype, violation.first_bits));
            let dy = violation.dy_bits.map(|dy| format!(" --dy {}", hex(dtype, dy)));
            let dy = dy.unwrap_or_default();
            Complaint {
                sentence: violation.sentence(kernel),
                reproduce: format!(
                    "actbench validate --adapter '{adapter}' --filter '^{path}$' --input {input}{dy}"
                ),
            }
        });
        let bits = accuracy.max_ulp_at;
        let value = Some(dtype.value(bits)).filter(|value| value.is_finite());
        Self {
            right: accuracy.is_right(),
            inputs: accuracy.inputs,
            violations: accuracy.violations,
            max_ulp: accuracy.max_ulp,
            max_ulp_at: Place { value, bits: hex(dtype, bits) },
            mean_ulp: accuracy.mean_ulp(),
            max_share_of_bound: accuracy.max_share,
            tier: accuracy.tier(kernel.dtype),
            wrote_past_the_end: accuracy.guard_broken,
            extremes: None,
            first_violation,
        }
    }

    fn cells(&self, kernel: &str) -> [String; 8] {
        let unless_0 = |value: f64, text: String| if value == 0.0 { String::new() } else { text };
        let share = self.max_share_of_bound;
        [
            kernel.to_owned(),
            self.inputs.to_string(),
            self.violations.to_string(),
            significant(self.max_ulp, 3),
            unless_0(self.max_ulp, self.max_ulp_at.value.map(short).unwrap_or_default()),
            significant(self.mean_ulp, 2),
            unless_0(share, format!("{share:.2}")),
            self.tier.map_or_else(|| WRONG.to_owned(), String::from),
        ]
    }
}

/// The bits of an element, in all their digits.
fn hex(dtype: Dtype, bits: u32) -> String {
    format!("0x{bits:0digits$x}", digits = dtype.element_size() * 2)
}

fn grid(rows: &[Row]) -> Grid {
    let header = ["kernel", "inputs", "wrong", "max ULP", "at", "mean", "bound", "tier"];
    let mut grid = Grid::of(header, rows.iter().map(Row::cells));
    grid.notes.extend(rows.iter().filter_map(|row| match &row.outcome {
        Outcome::Unsupported { reason } => Some(format!("{}: unsupported: {reason}", row.kernel)),
        _ => None,
    }));
    grid.notes.extend(rows.iter().flat_map(Row::extremes));
    grid
}

/// A number in at most ten characters.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        significant(value, 6)
    } else {
        format!("{value:.3e}")
    }
}

/// Whether the bits are those of an element of every kernel.
fn fits(kernels: &[Kernel], bits: u32) -> Result<()> {
    let is_narrow = |kernel: &&Kernel| kernel.dtype.element_size() == 2;
    let narrow = kernels.iter().find(is_narrow).filter(|_| bits > u32::from(u16::MAX));
    narrow.map_or(Ok(()), |kernel| {
        let path = kernel.path();
        let why = format!("0x{bits:x} is wider than the 16 bits of {path}; narrow the filter");
        Err(Error::Usage(why))
    })
}

/// One input, given by its bits.
fn one(gpu: &Gpu, kernels: &[Kernel], first: u32, arguments: &Arguments) -> Result<Exit> {
    let row = |kernel: &Kernel| {
        let dy = arguments.dy.unwrap_or_else(|| kernel.dtype.bits(1.0));
        let (result, sentence) = match validate::one(gpu, *kernel, first, dy) {
            Ok((judged, true)) => ("right", judged.sentence(kernel)),
            Ok((judged, false)) => (WRONG, judged.sentence(kernel)),
            Err(Error::Unsupported(reason)) => ("unsupported", reason),
            Err(error) => return Err(error),
        };
        Ok(OneRow { kernel: kernel.path(), result, sentence })
    };
    let rows = kernels.iter().map(row).collect::<Result<Vec<OneRow>>>()?;
    match arguments.format {
        TableFormat::Json => print_json(&OneDocument {
            schema: "actbench.validation_of_one",
            schema_version: "1.0",
            adapter: &gpu.facts,
            kernels: &rows,
        })?,
        TableFormat::Text => {
            let line = |OneRow { kernel, result, sentence }: &OneRow| {
                format!("{kernel}: {result}. {sentence}")
            };
            print(&rows.iter().map(line).collect::<Vec<_>>().join("\n"))?
        }
        TableFormat::Md => {
            let cells = rows.iter().map(|OneRow { kernel, result, sentence }| {
                [kernel.clone(), (*result).to_owned(), sentence.clone()]
            });
            let grid = Grid::of(["kernel", "result", "element"], cells).with_words(2);
            print(&[gpu.facts.summary(), grid.markdown()].join("\n\n"))?
        }
    };
    let is_wrong = rows.iter().any(|row| row.result == WRONG);
    Ok(if is_wrong { Exit::Failed } else { Exit::Fine })
}

#[cfg(test)]
mod tests {
    use actbench::kernels::inputs::Inputs;
    use actbench::kernels::kernel::{self, Role};

    use super::*;

    /// The row of a kernel whose results are those of the reference but for one element.
    fn row_with_a_fault() -> Row {
        let kernel = kernel::all()
            .find(|kernel| kernel.path() == "forward/f32/sigmoid/two_sided")
            .expect("in the table");
        let mut x = vec![0; 4000];
        Inputs::normal(7).fill(&kernel, Role::X, 0, &mut x);
        let mut y = Vec::new();
        for index in 0..1000 {
            let x = kernel.dtype.value(kernel.dtype.element(&x, index));
            let y_of_x = kernel.variant.pass.reference(x, 0.0);
            kernel.dtype.push(
                &mut y,
                kernel.dtype.bits(if index == 500 { y_of_x * 1.00001 } else { y_of_x }),
            );
        }
        let accuracy = validate::compare(&kernel, 0, &x, &[], &y);
        Row::new("some adapter", 7, (kernel, Ok((accuracy, None)))).expect("a row")
    }

    #[test]
    fn a_wrong_element_is_told_with_all_that_is_needed_to_see_it_again() {
        let text = row_with_a_fault().complaint.expect("it is wrong");
        for part in [
            "1 wrong results over 1000 inputs",
            "seed 7",
            "Element 500",
            "x ",
            "(0x",
            "allowed [",
            "actual",
            "--input 0x",
        ] {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
        assert!(
            text.contains("--adapter 'some adapter' --filter '^forward/f32/sigmoid/two_sided$'"),
            "{text}"
        );
    }

    #[test]
    fn tables_fit_and_name_every_row() {
        let row = |path: &str, error: Error| {
            let kernel = kernel::all().find(|kernel| kernel.path() == path).expect("in the table");
            Row::new("some adapter", 7, (kernel, Err(error))).expect("of this kernel alone")
        };
        let path = "forward/f16_native/sigmoid/two_sided";
        let unsupported = row(path, Error::Unsupported("it has no shader-f16".to_owned()));
        let path = "forward/f32/relu/plain";
        let (kernel, message) = (path.to_owned(), "line 3: no".to_owned());
        let failed = row(path, Error::Compile { kernel, message });
        assert_eq!(unsupported.complaint, None);
        assert_eq!(failed.complaint.as_deref(), Some("forward/f32/relu/plain: line 3: no"));
        let text = grid(&[row_with_a_fault(), unsupported, failed]).text();
        for part in ["WRONG", "n/a", "unsupported: it has no shader-f16", "FAILED"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn bits_are_read_in_either_base() {
        assert_eq!(bits("0x3f800000"), Ok(0x3f80_0000));
        assert_eq!(bits("17"), Ok(17));
        assert!(bits("0x1ffffffff").is_err() && bits("one").is_err());
    }
}
