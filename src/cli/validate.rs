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
use actbench::validate::{self, Accuracy, Trial};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::exhaustive::Finding;
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

fn bits(text: &str) -> std::result::Result<u32, String> {
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
    domain: &'static str,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    schema_version: &'static str,
    adapter: &'a actbench::gpu::AdapterFacts,
    seed: u64,
    exhaustive: bool,
    kernels: &'a [Row],
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let kernels = arguments.filter.kernels()?;
    let gpu = arguments.adapter.open()?;
    if let Some(first) = arguments.input {
        return one(&gpu, &kernels, first, arguments.dy);
    }
    let row = |found| Row::new(&gpu.facts.name, found);
    let (rows, exit): (Result<Vec<Row>>, Exit) = if arguments.exhaustive {
        let file = arguments.progress.as_deref();
        let (found, exit) = exhaustive::run(&gpu, &kernels, arguments.seed, file)?;
        (found.into_iter().map(row).collect(), exit)
    } else {
        let inputs = Inputs::patterns(arguments.seed);
        let sample = |kernel: &Kernel| {
            let trial = Trial::new(&gpu, *kernel, inputs, arguments.elements);
            (*kernel, trial.run(&gpu).map(|found| (found, None)))
        };
        // Ends with the first error that concerns more than its kernel.
        (kernels.iter().map(sample).map(row).collect(), Exit::Fine)
    };
    let rows = rows?;
    match arguments.format {
        TableFormat::Json => print_json(&Document {
            schema: "actbench.validation",
            schema_version: "1.0",
            adapter: &gpu.facts,
            seed: arguments.seed,
            exhaustive: arguments.exhaustive,
            kernels: &rows,
        })?,
        TableFormat::Text => print(&grid(&rows).text())?,
        TableFormat::Md => print(&[gpu.facts.summary(), grid(&rows).markdown()].join("\n\n"))?,
    }
    let wrong: Vec<&Row> = rows.iter().filter(|row| row.outcome.is_wrong()).collect();
    for row in &wrong {
        say(&row.complaint(arguments.seed));
    }
    Ok(if exit == Exit::Fine && !wrong.is_empty() { Exit::Failed } else { exit })
}

impl Row {
    /// The row of a kernel; errors that concern it alone are rows too.
    fn new(adapter: &str, (kernel, found): Finding) -> Result<Self> {
        let outcome = match found {
            Ok((accuracy, extremes)) => Outcome::compared(adapter, &kernel, &accuracy, extremes),
            Err(Error::Unsupported(reason)) => Outcome::Unsupported { reason },
            Err(Error::Compile { message, .. }) => Outcome::Failed { reason: message },
            Err(error) => return Err(error),
        };
        Ok(Self::of(&kernel, outcome))
    }

    fn of(kernel: &Kernel, outcome: Outcome) -> Self {
        let (bound, domain) = (kernel.variant.bound, kernel.variant.domain);
        Self { kernel: kernel.path(), bound, domain, outcome }
    }

    /// What is wrong, and how to see it again.
    fn complaint(&self, seed: u64) -> String {
        let kernel = &self.kernel;
        match &self.outcome {
            Outcome::Compared(compared) => match &compared.first_violation {
                Some(Complaint { sentence, reproduce }) => format!(
                    "{kernel}: {} wrong results over {} inputs of seed {seed}. \
                     {sentence}\n  {reproduce}",
                    compared.violations, compared.inputs
                ),
                None => format!("{kernel} writes past the end of its result"),
            },
            Outcome::Unsupported { reason } | Outcome::Failed { reason } => {
                format!("{kernel}: {reason}")
            }
        }
    }

    fn cells(&self) -> [String; 8] {
        let kernel = self.kernel.clone();
        let found = match &self.outcome {
            Outcome::Compared(found) => found,
            Outcome::Unsupported { .. } => return last_of(kernel, "n/a"),
            Outcome::Failed { .. } => return last_of(kernel, "FAILED"),
        };
        let unless = |empty: bool, text: String| if empty { String::new() } else { text };
        let is_exact = found.max_ulp == 0.0;
        let at = found.max_ulp_at.value.map(short).unwrap_or_default();
        let share = found.max_share_of_bound;
        [
            kernel,
            found.inputs.to_string(),
            found.violations.to_string(),
            if is_exact { "0".to_owned() } else { significant(found.max_ulp, 3) },
            unless(is_exact, at),
            if is_exact { "0".to_owned() } else { significant(found.mean_ulp, 2) },
            unless(share == 0.0, format!("{share:.2}")),
            found.tier.map_or_else(|| "WRONG".to_owned(), String::from),
        ]
    }

    /// The ends of the results, a line each.
    fn extremes(&self) -> Vec<String> {
        let Outcome::Compared(found) = &self.outcome else { return Vec::new() };
        let Some(extremes) = &found.extremes else { return Vec::new() };
        let ends = [
            ("smallest", extremes.smallest),
            ("largest", extremes.largest),
            ("first 0 below 0:", extremes.first_zero),
            ("first 1 above 0:", extremes.first_one),
        ];
        let line = |(what, at): (&str, Option<At>)| {
            at.map(|At { value, input }| format!("{}: {what} {value:e} at {input:e}", self.kernel))
        };
        ends.into_iter().filter_map(line).collect()
    }
}

/// Cells of a row without figures.
fn last_of(kernel: String, last: &str) -> [String; 8] {
    let mut cells = <[String; 8]>::default();
    (cells[0], cells[7]) = (kernel, last.to_owned());
    cells
}

impl Outcome {
    fn compared(
        adapter: &str,
        kernel: &Kernel,
        accuracy: &Accuracy,
        extremes: Option<Extremes>,
    ) -> Self {
        let dtype = kernel.dtype;
        let first_violation = accuracy.first_violation.map(|violation| {
            let (path, input) = (kernel.path(), hex(dtype, violation.first_bits));
            let dy = violation.dy_bits.map(|dy| format!(" --dy {}", hex(dtype, dy)));
            Complaint {
                sentence: violation.sentence(kernel),
                reproduce: format!(
                    "actbench validate --adapter '{adapter}' --filter '^{path}$' --input {input}{}",
                    dy.unwrap_or_default()
                ),
            }
        });
        let bits = accuracy.max_ulp_at;
        let value = Some(dtype.value(bits)).filter(|value| value.is_finite());
        Self::Compared(Box::new(Compared {
            right: accuracy.is_right(),
            inputs: accuracy.inputs,
            violations: accuracy.violations,
            max_ulp: accuracy.max_ulp,
            max_ulp_at: Place { value, bits: hex(dtype, bits) },
            mean_ulp: accuracy.mean_ulp(),
            max_share_of_bound: accuracy.max_share,
            tier: accuracy.tier(),
            wrote_past_the_end: accuracy.guard_broken,
            extremes,
            first_violation,
        }))
    }

    fn is_wrong(&self) -> bool {
        match self {
            Self::Compared(compared) => !compared.right,
            Self::Unsupported { .. } => false,
            Self::Failed { .. } => true,
        }
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

/// One input, given by its bits.
fn one(gpu: &Gpu, kernels: &[Kernel], first: u32, dy: Option<u32>) -> Result<Exit> {
    let mut exit = Exit::Fine;
    for kernel in kernels {
        let path = kernel.path();
        let dy = dy.unwrap_or_else(|| kernel.dtype.bits(1.0));
        let widest = first.max(dy);
        if kernel.dtype.element_size() == 2 && widest > u32::from(u16::MAX) {
            return Err(Error::Usage(format!(
                "0x{widest:x} is wider than the 16 bits of {path}; narrow the filter"
            )));
        }
        match validate::one(gpu, *kernel, first, dy) {
            Ok((judged, right)) => {
                let word = if right { "right" } else { "WRONG" };
                print(&format!("{path}: {word}. {}", judged.sentence(kernel)))?;
                if !right {
                    exit = Exit::Failed;
                }
            }
            Err(Error::Unsupported(reason)) => print(&format!("{path}: unsupported: {reason}"))?,
            Err(error) => return Err(error),
        }
    }
    Ok(exit)
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
        Row::of(&kernel, Outcome::compared("some adapter", &kernel, &accuracy, None))
    }

    #[test]
    fn a_wrong_element_is_told_with_all_that_is_needed_to_see_it_again() {
        let row = row_with_a_fault();
        assert!(row.outcome.is_wrong());
        let text = row.complaint(7);
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
        let unsupported = Row {
            kernel: "forward/f16_native/sigmoid/two_sided".to_owned(),
            bound: "",
            domain: "",
            outcome: Outcome::Unsupported { reason: "it has no shader-f16".to_owned() },
        };
        let failed = Row {
            kernel: "forward/f32/relu/plain".to_owned(),
            bound: "",
            domain: "",
            outcome: Outcome::Failed { reason: "line 3: no".to_owned() },
        };
        assert!(!unsupported.outcome.is_wrong() && failed.outcome.is_wrong());
        assert!(failed.complaint(0).contains("line 3: no"));
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
