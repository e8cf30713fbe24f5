//! `actbench validate`

use std::path::PathBuf;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::Gpu;
use actbench::kernels::inputs::{DEFAULT_SEED, Inputs};
use actbench::kernels::kernel::Kernel;
use actbench::render::numbers::significant;
use actbench::validate::exhaustive::{At, Extremes};
use actbench::validate::{self, Accuracy, Extreme, Trial};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

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
    pub seed: u64,
    /// Every input there is: all f32 or f16 of each kernel's x, and every y for kernels that read
    /// y, with random dy.
    #[arg(long)]
    exhaustive: bool,
    /// Keep the position of an exhaustive run here, and go on from it if the file is there.
    #[arg(long, value_name = "FILE", requires = "exhaustive")]
    pub progress: Option<PathBuf>,
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
    parsed.map_err(|error| {
        format!("the bits of a float are wanted, such as 0xc2b00000 for -88 in f32: {error}")
    })
}

/// What became of one kernel.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// Compared with the reference.
    Compared(Box<Compared>),
    /// The adapter can't.
    Unsupported {
        /// Why.
        reason: String,
    },
    /// It does not compile.
    Failed {
        /// The compiler's message.
        reason: String,
    },
}

/// What a comparison says, with units and places resolved.
#[derive(Serialize)]
pub struct Compared {
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
pub struct Row {
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
    let (rows, exit) = if arguments.exhaustive {
        exhaustive::run(&gpu, &kernels, arguments)?
    } else {
        (sample(&gpu, &kernels, arguments)?, Exit::Fine)
    };
    match arguments.format {
        TableFormat::Json => print_json(&Document {
            schema: "actbench.validation",
            schema_version: "1.0",
            adapter: &gpu.facts,
            seed: arguments.seed,
            exhaustive: arguments.exhaustive,
            kernels: &rows,
        })?,
        TableFormat::Text => print(&table(&rows, presets::NOTHING))?,
        TableFormat::Md => {
            print(&format!(
                "{}\n\n{}",
                gpu.facts.summary(),
                table(&rows, presets::ASCII_MARKDOWN)
            ))?;
        }
    }
    let wrong: Vec<&Row> = rows.iter().filter(|row| row.outcome.is_wrong()).collect();
    for row in &wrong {
        say(&row.complaint(arguments.seed));
    }
    if exit == Exit::Fine && !wrong.is_empty() {
        return Ok(Exit::Failed);
    }
    Ok(exit)
}

fn sample(gpu: &Gpu, kernels: &[Kernel], arguments: &Arguments) -> Result<Vec<Row>> {
    let validate = |kernel: &Kernel| {
        let trial = Trial::new(gpu, *kernel, Inputs::patterns(arguments.seed), arguments.elements);
        Row::new(gpu, kernel, trial.run(gpu).map(|found| (found, None)))
    };
    kernels.iter().map(validate).collect()
}

impl Row {
    /// The row of a kernel; errors that concern it alone are rows too.
    pub fn new(
        gpu: &Gpu,
        kernel: &Kernel,
        found: Result<(Accuracy, Option<Extremes>)>,
    ) -> Result<Self> {
        let outcome = match found {
            Ok((accuracy, extremes)) => Outcome::Compared(Box::new(Compared::new(
                &gpu.facts.name,
                kernel,
                &accuracy,
                extremes,
            ))),
            Err(Error::Unsupported(reason)) => Outcome::Unsupported { reason },
            Err(Error::Compile { message, .. }) => Outcome::Failed { reason: message },
            Err(error) => return Err(error),
        };
        Ok(Self {
            kernel: kernel.path(),
            bound: kernel.variant.bound,
            domain: kernel.variant.domain,
            outcome,
        })
    }

    /// What is wrong, and how to see it again.
    fn complaint(&self, seed: u64) -> String {
        match &self.outcome {
            Outcome::Compared(compared) => match &compared.first_violation {
                Some(Complaint { sentence, reproduce }) => {
                    let (kernel, wrong, inputs) =
                        (&self.kernel, compared.violations, compared.inputs);
                    format!(
                        "{kernel}: {wrong} wrong results over {inputs} inputs of seed {seed}. \
                         {sentence}\n  {reproduce}"
                    )
                }
                None => format!("{} writes past the end of its result", self.kernel),
            },
            Outcome::Unsupported { reason } | Outcome::Failed { reason } => {
                format!("{}: {reason}", self.kernel)
            }
        }
    }
}

impl Outcome {
    fn is_wrong(&self) -> bool {
        match self {
            Self::Compared(compared) => !compared.right,
            Self::Unsupported { .. } => false,
            Self::Failed { .. } => true,
        }
    }
}

impl Compared {
    fn new(
        adapter: &str,
        kernel: &Kernel,
        accuracy: &Accuracy,
        extremes: Option<Extremes>,
    ) -> Self {
        let Extreme { value: max_ulp, first_bits, .. } = accuracy.max_ulp;
        let first_violation = accuracy.first_violation.map(|violation| {
            let digits = kernel.dtype.element_size() * 2;
            let dy = violation.dy_bits.map(|dy| format!(" --dy 0x{dy:0digits$x}"));
            let dy = dy.unwrap_or_default();
            Complaint {
                sentence: violation.sentence(kernel),
                reproduce: format!(
                    "actbench validate --adapter '{adapter}' --filter '^{}$' \
                     --input 0x{:0digits$x}{dy}",
                    kernel.path(),
                    violation.first_bits
                ),
            }
        });
        Self {
            right: accuracy.is_right(),
            inputs: accuracy.inputs,
            violations: accuracy.violations,
            max_ulp,
            max_ulp_at: Place::new(kernel, first_bits),
            mean_ulp: accuracy.mean_ulp(),
            max_share_of_bound: accuracy.max_share.value,
            tier: accuracy.tier(),
            wrote_past_the_end: accuracy.guard_broken,
            extremes,
            first_violation,
        }
    }
}

impl Place {
    fn new(kernel: &Kernel, bits: u32) -> Self {
        let digits = kernel.dtype.element_size() * 2;
        let value = Some(kernel.dtype.value(bits)).filter(|value| value.is_finite());
        Self { value, bits: format!("0x{bits:0digits$x}") }
    }
}

fn table(rows: &[Row], style: comfy_table::TableStyle) -> String {
    let has_borders = style != presets::NOTHING;
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["kernel", "inputs", "wrong", "max ULP", "at", "mean", "bound", "tier"]);
    let mut reasons = String::new();
    let mut extremes = String::new();
    for row in rows {
        match &row.outcome {
            Outcome::Compared(found) => {
                let exact = found.max_ulp == 0.0;
                table.add_row([
                    row.kernel.clone(),
                    found.inputs.to_string(),
                    found.violations.to_string(),
                    if exact { "0".to_owned() } else { significant(found.max_ulp, 3) },
                    if exact {
                        String::new()
                    } else {
                        found.max_ulp_at.value.map(short).unwrap_or_default()
                    },
                    if exact { "0".to_owned() } else { significant(found.mean_ulp, 2) },
                    if found.max_share_of_bound == 0.0 {
                        String::new()
                    } else {
                        format!("{:.2}", found.max_share_of_bound)
                    },
                    found.tier.map_or_else(|| "WRONG".to_owned(), String::from),
                ]);
                extremes += &found
                    .extremes
                    .map(|extremes| describe(&row.kernel, &extremes))
                    .unwrap_or_default();
            }
            Outcome::Unsupported { reason } => {
                table.add_row([row.kernel.as_str(), "", "", "", "", "", "", "n/a"]);
                reasons += &format!("\n{}: unsupported: {reason}", row.kernel);
            }
            Outcome::Failed { .. } => {
                table.add_row([row.kernel.as_str(), "", "", "", "", "", "", "FAILED"]);
            }
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(first) = table.column_mut(0).filter(|_| !has_borders) {
        first.set_padding((0, 1));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + &reasons + &extremes
}

/// The ends of a kernel's results, a line each.
fn describe(kernel: &str, extremes: &Extremes) -> String {
    let line = |what: &str, at: Option<At>| match at {
        Some(At { value, input }) => format!("\n{kernel}: {what} {value:e} at {input:e}"),
        None => String::new(),
    };
    line("smallest", extremes.smallest)
        + &line("largest", extremes.largest)
        + &line("first 0 below 0:", extremes.first_zero)
        + &line("first 1 above 0:", extremes.first_one)
}

/// A number in at most ten characters.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        significant(value, 6)
    } else {
        format!("{value:.3e}")
    }
}

fn one(gpu: &Gpu, kernels: &[Kernel], first: u32, dy: Option<u32>) -> Result<Exit> {
    let mut exit = Exit::Fine;
    for kernel in kernels {
        let dy = dy.unwrap_or_else(|| kernel.dtype.bits(1.0));
        if kernel.dtype.element_size() == 2 && first.max(dy) > u32::from(u16::MAX) {
            let path = kernel.path();
            return Err(Error::Usage(format!(
                "0x{:x} is wider than the 16 bits of {path}; narrow the filter",
                first.max(dy)
            )));
        }
        match validate::one(gpu, *kernel, first, dy) {
            Ok((judged, right)) => {
                let verdict = if right { "right" } else { "WRONG" };
                print(&format!("{}: {verdict}. {}", kernel.path(), judged.sentence(kernel)))?;
                if !right {
                    exit = Exit::Failed;
                }
            }
            Err(Error::Unsupported(reason)) => {
                print(&format!("{}: unsupported: {reason}", kernel.path()))?;
            }
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
        Inputs::normal(7).fill(kernel.activation, Role::X, kernel.dtype, 0, &mut x);
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
        let outcome =
            Outcome::Compared(Box::new(Compared::new("some adapter", &kernel, &accuracy, None)));
        Row {
            kernel: kernel.path(),
            bound: kernel.variant.bound,
            domain: kernel.variant.domain,
            outcome,
        }
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
        let text = table(&[row_with_a_fault(), unsupported, failed], presets::NOTHING);
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
