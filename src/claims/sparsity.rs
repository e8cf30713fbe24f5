//! Sparsity: how many activations ReLU makes zero, and from how many zeros on it pays to skip them,
//! forward and backward.

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::matmul::{self, Layout, Sizes};
use super::net::{self, Design, Init, Net, Texts};
use super::{Context, Experiment, Findings, Group, as_f64, check, count, over_seeds};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Shape};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::activations::relu;
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel;
use crate::measure::stats::Estimate;
use crate::render::numbers::{number, percent, ratio};
use crate::suite::SharedTensors;

pub(super) const CLAIM: Experiment = Experiment {
    name: "sparsity",
    statement: "ReLU's activations are sparse, and sparse activations speed up both passes",
    run,
};

/// Seeds of the share of zeros.
const SEEDS: u64 = 5;

/// Layers whose zeros are counted.
const DEPTH: usize = 8;

/// Samples that zeros are counted over.
const BATCH: u32 = 64;

/// Shares of zeros that are tried, in percent.
const SPARSITIES: [u32; 9] = [0, 10, 25, 50, 75, 90, 95, 98, 99];

/// Rows of W that a workgroup of the forward pass sums, four at a time.
const ROWS_PER_CHUNK: u32 = 128;
const _: () = assert!(ROWS_PER_CHUNK.is_multiple_of(4));

fn run(context: &Context<'_>) -> Result<Findings> {
    let relu = Activation::named("relu").expect("in the table");
    net::validate(context.gpu, relu, &Texts::of(relu))?;
    let programs = Programs::compile(context.gpu, TEXTS, ShaderChecks::Trusted)?;
    programs.validate()?;
    let seeds = context.seeds(SEEDS);
    let width = context.either(32, 256);
    (context.progress)(&format!("zeros in {DEPTH} layers of {width} units"));
    let zeros = zeros_by_layer(context, relu, width, &seeds)?;
    (context.progress)("backward from one bit an element");
    let from_mask = from_mask(context)?;
    // Full: 256 MiB, of which half is more than caches hold, where a buffer may be as large.
    let fits = |size: &u32| 4 * u64::from(*size).pow(2) <= context.gpu.max_buffer_bytes();
    let size = context.either(1024, if fits(&8192) { 8192 } else { 4096 });
    let shares = SPARSITIES.len();
    (context.progress)(&format!("a matrix of {size} by {size}, with {shares} shares of zeros"));
    let product = |direction| programs.speeds(context, direction, size);
    let products = [product(Direction::Forward)?, product(Direction::Backward)?];
    Ok(findings(seeds, &zeros, from_mask, &products, size, width))
}

/// By layer and seed, the share of zeros among the activations.
fn zeros_by_layer(
    context: &Context<'_>,
    activation: &'static Activation,
    width: u32,
    seeds: &[u64],
) -> Result<Vec<Vec<f64>>> {
    let gpu = context.gpu;
    let (nets, widths) = (count(seeds.len()), vec![width; DEPTH + 2]);
    let design = Design { nets, batch: BATCH, widths, activation };
    let net = Net::new(gpu, design.clone(), &Texts::of(activation))?;
    net.set_weights(&design.draw(&[Init::He], seeds))?;
    let elements = (BATCH * width) as usize;
    let draw = |seed: &u64| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(1 << 32));
        net::normal(&mut random, elements, 1.0)
    };
    gpu.store(&net.y[0], &seeds.iter().flat_map(draw).collect::<Vec<f32>>())?;
    gpu.run_sequence(&Sequence::new("zeros by layer", net.forward()?), 1)?;
    let share = |activations: &[f32]| {
        as_f64(activations.iter().filter(|y| **y == 0.0).count()) / as_f64(elements)
    };
    let by_seed = |y: &Buffer| {
        let y: Vec<f32> = gpu.load(y)?;
        Ok(y.chunks_exact(elements).map(share).collect())
    };
    net.y[1..=DEPTH].iter().map(by_seed).collect()
}

/// The speed of ReLU's backward pass from a bit an element, that from y being 1: elementwise. In
/// quick that is 12 MB, which is in the reach of caches.
fn from_mask(context: &Context<'_>) -> Result<Figure> {
    let elements = context.either(1 << 20, 1 << 24);
    let mut tensors = SharedTensors::new(context.gpu, Dtype::F32, elements, context.seed)?;
    let mut workload = |path: &str| {
        let kernel = kernel::all().find(|kernel| kernel.path() == path).expect("in the table");
        let checks = ShaderChecks::Trusted;
        Ok::<_, Error>(tensors.checked_workload(kernel, Shape::default(), checks)?.0)
    };
    let from_y = workload("backward/f32/relu/from_y")?;
    let from_mask = workload("backward/f32/relu/from_mask")?;
    let speed = Group::timed(context, &[&from_y, &from_mask])?.over(0, 1);
    Ok(Figure::estimated("backward from a mask: speed", "x from y", speed).noted(format!(
        "elementwise: a bit instead of 4 bytes for each saved activation, {elements} elements, {} bytes from y",
        12 * elements
    )))
}

/// The texts of products with one vector: forward, the sum of its chunks, backward.
const TEXTS: [&str; 3] = [
    include_str!("../../shaders/claims/sparse_forward.wgsl"),
    include_str!("../../shaders/claims/sparse_sum.wgsl"),
    include_str!("../../shaders/claims/sparse_backward.wgsl"),
];

/// Compiled texts.
struct Programs<'gpu> {
    gpu: &'gpu Gpu,
    /// By direction: of every row, and skipping those of zeros.
    products: [[Program; 2]; 2],
    sum: Program,
}

impl<'gpu> Programs<'gpu> {
    fn compile(gpu: &'gpu Gpu, texts: [&str; 3], checks: ShaderChecks) -> Result<Self> {
        let product = |name: &str, text| -> Result<[Program; 2]> {
            let program = |way: &str, skips| {
                let name = format!("a sparse vector {name}, {way}");
                gpu.program(&name, text, &[("skips", skips)], checks)
            };
            Ok([program("dense", 0.0)?, program("skipping", 1.0)?])
        };
        let [forward, sum, backward] = texts;
        Ok(Self {
            gpu,
            products: [product("forward", forward)?, product("backward", backward)?],
            sum: gpu.program("the sum of chunks", sum, &[], checks)?,
        })
    }

    /// Both products of a small matrix, either way, against f64.
    fn validate(&self) -> Result<()> {
        let gpu = self.gpu;
        // More than one chunk, and no multiple of anything.
        let (rows, columns) = (ROWS_PER_CHUNK + 45, 101);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
        let w = net::normal(&mut random, (rows * columns) as usize, 1.0);
        let dy = net::normal(&mut random, columns as usize, 1.0);
        let x = sparse(&mut random, rows, 60);
        let vectors = Vectors::new(self, &w, &dy)?;
        let on_device = gpu.buffer_of("x", &x)?;
        for direction in Direction::ALL {
            let ([rows, columns, terms], result) = match direction {
                Direction::Forward => ([1, columns, rows], &vectors.y),
                Direction::Backward => ([rows, 1, columns], &vectors.dz),
            };
            let sizes = Sizes { matrices: 1, rows, columns, terms };
            // Of the numbers, or of their sizes.
            let product = |of: fn(f64) -> f64| -> Vec<f64> {
                let [w, dy, x] = [&w, &dy, &x].map(|values| {
                    values.iter().map(|value| of(f64::from(*value))).collect::<Vec<f64>>()
                });
                match direction {
                    Direction::Forward => matmul::product(sizes, [Layout::Plain; 2], &x, &w),
                    Direction::Backward => {
                        let dz = matmul::product(sizes, [Layout::Plain; 2], &w, &dy);
                        let both = x.iter().zip(dz);
                        both.map(|(x, dz)| relu::relu_backward(*x, dz)).collect()
                    }
                }
            };
            let (expected, size) = (product(|value| value), product(f64::abs));
            for program in &self.products[direction as usize] {
                for buffer in [result, &vectors.sums] {
                    gpu.store(buffer, &vec![f32::NAN; buffer.words])?;
                }
                gpu.run_sequence(&vectors.sequence(direction, program, &on_device)?, 1)?;
                let bound = |index: usize| matmul::bound(terms, size[index]);
                check::within(&program.path, &gpu.load(result)?, &expected, bound)?;
            }
        }
        Ok(())
    }

    /// What skipping is worth for a square matrix of that size.
    fn speeds(&self, context: &Context<'_>, direction: Direction, size: u32) -> Result<Speeds> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(context.seed);
        let w = net::normal(&mut random, (size * size) as usize, 1.0);
        let dy = net::normal(&mut random, size as usize, 1.0);
        let vectors = Vectors::new(self, &w, &dy)?;
        let [dense, skipping] = &self.products[direction as usize];
        let mut sequences = Vec::new();
        for percent in SPARSITIES {
            let x = self.gpu.buffer_of("x", &sparse(&mut random, size, percent))?;
            if sequences.is_empty() {
                // What the dense product takes does not depend on x.
                sequences.push(vectors.sequence(direction, dense, &x)?);
            }
            sequences.push(vectors.sequence(direction, skipping, &x)?);
        }
        let group = Group::timed(context, &sequences.iter().collect::<Vec<_>>())?;
        let base = usize::from(group.over(0, 1).median > 1.0);
        let skipping = (1..sequences.len()).map(|member| group.over(base, member)).collect();
        Ok(Speeds { direction, dense_ns: group.ns(base), skipping })
    }
}

/// A matrix, and room for its products with one vector, of every row or skipping those of zeros.
struct Vectors<'a> {
    programs: &'a Programs<'a>,
    rows: u32,
    columns: u32,
    w: Buffer,
    dy: Buffer,
    sums: Buffer,
    y: Buffer,
    dz: Buffer,
}

impl<'a> Vectors<'a> {
    fn new(programs: &'a Programs<'a>, w: &[f32], dy: &[f32]) -> Result<Self> {
        let gpu = programs.gpu;
        let (rows, columns) = (w.len() / dy.len(), dy.len());
        let chunks = rows.div_ceil(ROWS_PER_CHUNK as usize);
        Ok(Self {
            programs,
            rows: count(rows),
            columns: count(columns),
            w: gpu.buffer_of("w", w)?,
            dy: gpu.buffer_of("dy", dy)?,
            sums: gpu.buffer("chunks", chunks * columns)?,
            y: gpu.buffer("y", columns)?,
            dz: gpu.buffer("dz", rows)?,
        })
    }

    /// The product with x.
    fn sequence(&self, direction: Direction, product: &Program, x: &Buffer) -> Result<Sequence> {
        let Self { programs: Programs { gpu, sum, .. }, w, dy, sums, y, dz, .. } = self;
        let (rows, columns) = (self.rows, self.columns);
        let steps = match direction {
            Direction::Forward => {
                let (groups, chunks) = (columns.div_ceil(64), rows.div_ceil(ROWS_PER_CHUNK));
                let params = [rows, columns, ROWS_PER_CHUNK];
                vec![
                    gpu.step(product, &[sums, x, w], &params, [groups, chunks, 1])?,
                    gpu.step(sum, &[y, sums], &[chunks, columns], [groups, 1, 1])?,
                ]
            }
            Direction::Backward => {
                // In two dimensions, since one may hold no more than 65,535.
                let groups = [rows.min(1 << 15), rows.div_ceil(1 << 15), 1];
                vec![gpu.step(product, &[dz, x, w, dy], &[rows, columns], groups)?]
            }
        };
        Ok(Sequence::new(&product.path, steps))
    }
}

/// Positive numbers with exactly so many percent of zeros among them, in random places: activations
/// of ReLU.
fn sparse(random: &mut Xoshiro256PlusPlus, count: u32, percent: u32) -> Vec<f32> {
    let zeros = (count * percent / 100) as usize;
    let mut x: Vec<f32> = (0..count).map(|_| random.random_range(0.1..2.0)).collect();
    x[..zeros].fill(0.0);
    x.shuffle(random);
    x
}

/// What skipping is worth. The dense product is the one that does not skip, or the one that does
/// where there is nothing to skip, whichever is faster: a compiler may make something better of a
/// text with a branch, which is no merit of zeros.
struct Speeds {
    direction: Direction,
    /// The time of the dense product, in ns.
    dense_ns: Estimate,
    /// By share of zeros, the speed of the product that skips, that of the dense one being 1.
    skipping: Vec<Estimate>,
}

impl Speeds {
    /// The smallest share of zeros, in percent, from which on skipping is faster, as far as its
    /// interval says; none if it never is.
    fn break_even(&self) -> Option<u32> {
        let faster = self.skipping.iter().rev().take_while(|speed| speed.low > 1.0).count();
        SPARSITIES[SPARSITIES.len() - faster..].first().copied()
    }

    /// At the share of that index, and at most.
    fn told(&self, here: usize) -> String {
        let from = self
            .break_even()
            .map_or_else(|| "never".to_owned(), |percent| format!("from {percent} % on"));
        format!(
            "{} {} times as fast as the dense product at {} % zeros, {} times at 99 %, faster {from}",
            self.direction.name(),
            ratio(self.skipping[here]),
            SPARSITIES[here],
            number(self.skipping.last().expect("shares").median)
        )
    }

    fn figures(&self, size: u32) -> Vec<Figure> {
        let name = |what: &str| format!("{}{what}", self.direction.name());
        let throughput = self.dense_ns.rate_of(4.0 * f64::from(size) * f64::from(size));
        let mut figures = vec![
            Figure::estimated(name(", dense"), "us", self.dense_ns.times(1e-3)),
            Figure::estimated(name(", dense: throughput"), "GB/s", throughput).noted("W alone"),
        ];
        for (percent, speed) in SPARSITIES.into_iter().zip(&self.skipping) {
            let name = name(&format!(", {percent} % zeros: speed of skipping"));
            figures.push(Figure::estimated(name, "x dense", *speed));
        }
        let (name, unit) = (name(": skipping is faster from"), "% zeros");
        figures.push(match self.break_even() {
            Some(percent) => Figure::new(name, unit, percent.into()),
            None => Figure::none(name, unit, "at no share that was tried"),
        });
        figures
    }
}

fn findings(
    seeds: Vec<u64>,
    zeros: &[Vec<f64>],
    from_mask: Figure,
    products: &[Speeds; 2],
    size: u32,
    width: u32,
) -> Findings {
    // Of a seed, the mean of its layers, which are equally wide.
    let of_seed = |seed: usize| {
        zeros.iter().map(|of_layer| of_layer[seed]).sum::<f64>() / as_f64(zeros.len())
    };
    let all = over_seeds((0..zeros[0].len()).map(of_seed)).expect("seeds");
    // The share nearest to what ReLU made.
    let distance = |index: &usize| (f64::from(SPARSITIES[*index]) / 100.0 - all.median).abs();
    let nearest =
        (0..SPARSITIES.len()).min_by(|one, other| distance(one).total_cmp(&distance(other)));
    let here = nearest.expect("shares");
    let outcome = match Outcome::of(products.iter().map(|product| product.skipping[here].low > 1.0))
    {
        Outcome::DoesNotHold if products.iter().any(|product| product.break_even().is_some()) => {
            Outcome::HoldsOnlyWhen
        }
        outcome => outcome,
    };
    let shares = || zeros.iter().flatten().map(|share| 100.0 * share);
    let conclusion = format!(
        "{} of ReLU's activations are zero, by layer and seed {} to {} %; skipping their rows is {}",
        percent(all),
        number(shares().fold(f64::INFINITY, f64::min)),
        number(shares().fold(0.0, f64::max)),
        products.each_ref().map(|product| product.told(here)).join("; ")
    );
    let mut figures =
        vec![Figure::estimated("zeros", "%", all.times(100.0)).noted("all layers, by seed")];
    for (layer, shares) in (1..).zip(zeros) {
        let share = over_seeds(shares).expect("seeds").times(100.0);
        figures.push(Figure::estimated(format!("zeros in layer {layer} of {DEPTH}"), "%", share));
    }
    figures.extend(products.iter().flat_map(|product| product.figures(size)));
    figures.push(from_mask);
    let series = |product: &Speeds| Series {
        label: product.direction.name().to_owned(),
        points: (SPARSITIES.into_iter().zip(&product.skipping))
            .map(|(percent, speed)| Point::estimated(percent.into(), Some(*speed)))
            .collect(),
    };
    Findings {
        outcome,
        conclusion,
        seeds,
        figures,
        plots: vec![Plot {
            title: format!("Skipping the rows of zero activations, {size} by {size}"),
            x: Axis::linear("activations that are zero (%)"),
            y: Axis::log2("speed, the dense product's being 1"),
            series: products.iter().map(series).collect(),
        }],
        notes: vec![
            format!(
                "zeros are counted before training, in nets of {DEPTH} layers of {width} units with He's weights, over {BATCH} normal samples; \
                 sigmoid makes none"
            ),
            "the dense speed is that of the program that does not skip, or of the one that does at 0 % zeros where that is faster".to_owned(),
            format!(
                "one sample; of the matrix's {} MiB, {} are read at 50 % zeros, from a cache where they fit; samples of a batch share no zeros, so a product of \
                 matrices skips nothing this way",
                (4 * size * size) >> 20,
                (2 * size * size) >> 20
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::Choice;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn products_that_skip_are_those_that_do_not() {
        let gpu = gpu();
        let programs = Programs::compile(&gpu, TEXTS, ShaderChecks::Trusted).expect("they compile");
        programs.validate().expect("within bounds");
    }

    #[test]
    fn a_product_that_skips_too_much_or_sums_too_little_is_found() {
        let gpu = gpu();
        for (text, find, replace) in [
            (0, "own != 0.0", "own > 0.2"),
            (0, "row < end; row", "row + 4u < end; row"),
            (0, "own.z * weights.z", "weights.z"),
            (1, "chunk < params.chunks", "chunk < 1u"),
            (2, "column += LANES", "column += LANES + 1u"),
            (2, "lanes[0], is_active", "lanes[0], true"),
            (2, "half > 0u", "half > 1u"),
        ] {
            let planted = TEXTS[text].replacen(find, replace, 1);
            assert_ne!(planted, TEXTS[text], "{find} is not there");
            let mut texts: [&str; 3] = TEXTS;
            texts[text] = &planted;
            let programs = Programs::compile(&gpu, texts, ShaderChecks::Checked);
            let error = programs.expect("they compile").validate().err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find}: {error:?}");
        }
    }

    #[test]
    fn zeros_are_as_many_as_asked_for_and_in_other_places_by_seed() {
        let of = |seed| sparse(&mut Xoshiro256PlusPlus::seed_from_u64(seed), 1000, 95);
        assert_eq!(of(1).iter().filter(|x| **x == 0.0).count(), 950);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).iter().all(|x| *x >= 0.0));
    }

    fn speeds_of(medians: [f64; 9]) -> Vec<Estimate> {
        medians.map(|median| Estimate { median, low: median - 0.1, high: median + 0.1 }).to_vec()
    }

    #[test]
    fn skipping_pays_from_the_share_on_above_which_it_always_does() {
        let of = |medians| {
            let dense_ns = Estimate { median: 1e6, low: 1e6, high: 1e6 };
            Speeds { direction: Direction::Forward, dense_ns, skipping: speeds_of(medians) }
                .break_even()
        };
        assert_eq!(of([1.0, 1.0, 1.2, 1.05, 1.5, 2.0, 3.0, 4.0, 5.0]), Some(75));
        assert_eq!(of([0.5; 9]), None);
        assert_eq!(of([2.0; 9]), Some(0));
    }

    #[test]
    fn the_claim_holds_where_it_pays_at_the_zeros_that_relu_makes() {
        let zeros = [vec![0.52, 0.5, 0.55], vec![0.42, 0.44, 0.65]];
        let [never, at_half, late] = [
            speeds_of([0.9; 9]),
            speeds_of([0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0]),
            speeds_of([0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 1.5, 2.0, 3.0]),
        ];
        let from_mask = Figure::new("backward from a mask: speed", "x from y", 1.0);
        let found = |forward: &[Estimate], backward: &[Estimate]| {
            let dense_ns = Estimate { median: 1e6, low: 1e6, high: 1e6 };
            let products = [(Direction::Forward, forward), (Direction::Backward, backward)].map(
                |(direction, speeds)| Speeds { direction, dense_ns, skipping: speeds.to_vec() },
            );
            findings(vec![1], &zeros, from_mask.clone(), &products, 64, 32)
        };
        let of = |forward: &[Estimate], backward: &[Estimate]| found(forward, backward).outcome;
        assert_eq!(of(&at_half, &at_half), Outcome::Holds);
        assert_eq!(of(&at_half, &never), Outcome::HoldsOnlyWhen);
        assert_eq!(of(&late, &never), Outcome::HoldsOnlyWhen);
        assert_eq!(of(&never, &never), Outcome::DoesNotHold);
        let told = found(&late, &never).conclusion;
        assert!(told.contains("faster from 95 % on") && told.contains("faster never"), "{told}");
        // The interval is that of the seeds, and the range that of each layer of each seed.
        assert!(
            told.starts_with(
                "47 % [47, 60] of ReLU's activations are zero, by layer and seed 42 to 65 %"
            ),
            "{told}"
        );
    }

    #[test]
    fn half_of_relus_activations_are_zero_and_none_of_sigmoids() {
        let gpu = gpu();
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let of = |name| {
            let activation = Activation::named(name).expect("in the table");
            zeros_by_layer(&context, activation, 32, &[1, 2]).expect("the device works")
        };
        let relu = of("relu");
        assert!(relu.iter().flatten().all(|share| (0.3..0.7).contains(share)), "{relu:?}");
        assert!(of("sigmoid").iter().flatten().all(|share| *share == 0.0));
        assert_eq!(of("relu"), relu, "the same seed gives the same result");
        let other =
            zeros_by_layer(&context, Activation::named("relu").expect("in the table"), 32, &[3, 4]);
        assert_ne!(other.expect("the device works"), relu);
    }
}
