//! Sparsity: how many activations ReLU makes zero, and from how many zeros on it pays to skip them,
//! forward and backward.

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::matmul::{self, Layout, Sizes};
use super::net::{self, Design, Init, Net, Texts};
use super::{Context, Experiment, Findings, Group, as_f64, check, over_seeds};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Shape};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::{self, Kernel};
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
    Vectors::validate(context.gpu, &Sources::own())?;
    let seeds = context.seeds(SEEDS);
    let width = context.either(32, 256);
    (context.progress)(&format!("zeros in {DEPTH} layers of {width} units"));
    let zeros = zeros_by_layer(context, relu, width, &seeds)?;
    (context.progress)("backward from one bit an element");
    let from_mask = speed_from_mask(context)?;
    // Full: 256 MiB, of which half is more than caches hold, where a buffer may be as large.
    let fits = |size: &u32| 4 * u64::from(*size).pow(2) <= context.gpu.max_buffer_bytes();
    let size = context.either(1024, if fits(&8192) { 8192 } else { 4096 });
    (context.progress)(&format!(
        "a matrix of {size} by {size}, with {} shares of zeros",
        SPARSITIES.len()
    ));
    let products =
        [speeds(context, Direction::Forward, size)?, speeds(context, Direction::Backward, size)?];
    Ok(findings(seeds, &zeros, from_mask, &products, size, width))
}

/// By layer and seed, the share of zeros among the activations.
fn zeros_by_layer(
    context: &Context<'_>,
    activation: &'static Activation,
    width: u32,
    seeds: &[u64],
) -> Result<Vec<Vec<f64>>> {
    let nets = u32::try_from(seeds.len()).expect("a handful");
    let design = Design { nets, batch: BATCH, widths: vec![width; DEPTH + 2], activation };
    let net = Net::new(context.gpu, design.clone(), &Texts::of(activation))?;
    net.set_weights(&design.draw(&[Init::He], seeds))?;
    let elements = (BATCH * width) as usize;
    let draw = |seed: &u64| {
        net::normal(
            &mut Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(1 << 32)),
            elements,
            1.0,
        )
    };
    context.gpu.store(&net.y[0], &seeds.iter().flat_map(draw).collect::<Vec<f32>>())?;
    context.gpu.run_sequence(&Sequence::new("zeros by layer", net.forward()?), 1)?;
    let share = |activations: &[f32]| {
        as_f64(activations.iter().filter(|y| **y == 0.0).count()) / as_f64(activations.len())
    };
    (1..=DEPTH)
        .map(|layer| {
            let y: Vec<f32> = context.gpu.load(&net.y[layer])?;
            Ok(y.chunks_exact(elements).map(share).collect())
        })
        .collect()
}

/// The speed of ReLU's backward pass from a bit an element, that from y being 1: elementwise, on so
/// many elements. In quick that is 12 MB, which is in the reach of caches.
fn speed_from_mask(context: &Context<'_>) -> Result<(Estimate, u64)> {
    let elements = context.either(1 << 20, 1 << 24);
    let named = |variant: &str| {
        let is_it = |kernel: &Kernel| {
            kernel.activation.name == "relu"
                && kernel.variant.name == variant
                && kernel.dtype == Dtype::F32
        };
        kernel::all().find(is_it).expect("in the table")
    };
    let mut tensors = SharedTensors::new(context.gpu, Dtype::F32, elements, context.seed)?;
    let mut workload = |variant| {
        let checked =
            tensors.checked_workload(named(variant), Shape::default(), ShaderChecks::Trusted);
        Ok(checked?.0)
    };
    let (from_y, from_mask) = (workload("from_y")?, workload("from_mask")?);
    Ok((Group::timed(context, &[&from_y, &from_mask])?.over(0, 1), elements))
}

/// The texts of products with one vector.
#[derive(Clone)]
struct Sources {
    forward: String,
    sum: String,
    backward: String,
    checks: ShaderChecks,
}

impl Sources {
    fn own() -> Self {
        Self {
            forward: include_str!("../../shaders/claims/sparse_forward.wgsl").to_owned(),
            sum: include_str!("../../shaders/claims/sparse_sum.wgsl").to_owned(),
            backward: include_str!("../../shaders/claims/sparse_backward.wgsl").to_owned(),
            checks: ShaderChecks::Trusted,
        }
    }
}

/// Products of a matrix with one vector, of every row or skipping those of zeros.
struct Vectors<'gpu> {
    gpu: &'gpu Gpu,
    rows: u32,
    columns: u32,
    /// Dense, skipping.
    forward: [Program; 2],
    sum: Program,
    backward: [Program; 2],
    w: Buffer,
    dy: Buffer,
    sums: Buffer,
    y: Buffer,
    dz: Buffer,
}

/// Whether rows of zeros are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Dense,
    Skipping,
}

impl<'gpu> Vectors<'gpu> {
    fn new(
        gpu: &'gpu Gpu,
        sources: &Sources,
        [rows, columns]: [u32; 2],
        w: &[f32],
        dy: &[f32],
    ) -> Result<Self> {
        let checks = sources.checks;
        let both = |name: &str, text: &str| -> Result<[Program; 2]> {
            Ok([
                gpu.program(&format!("{name}, dense"), text, &[("skips", 0.0)], checks)?,
                gpu.program(&format!("{name}, skipping"), text, &[("skips", 1.0)], checks)?,
            ])
        };
        let chunks = rows.div_ceil(ROWS_PER_CHUNK);
        Ok(Self {
            gpu,
            rows,
            columns,
            forward: both("a sparse vector forward", &sources.forward)?,
            sum: gpu.program("the sum of chunks", &sources.sum, &[], checks)?,
            backward: both("a sparse vector backward", &sources.backward)?,
            w: gpu.buffer_of("w", w)?,
            dy: gpu.buffer_of("dy", dy)?,
            sums: gpu.buffer("chunks", (chunks * columns) as usize)?,
            y: gpu.buffer("y", columns as usize)?,
            dz: gpu.buffer("dz", rows as usize)?,
        })
    }

    /// The product with x.
    fn sequence(&self, direction: Direction, way: Way, x: &Buffer) -> Result<Sequence> {
        let (rows, columns) = (self.rows, self.columns);
        let which = usize::from(way == Way::Skipping);
        let name = format!("a sparse vector {}, {way:?}", direction.name());
        let steps = match direction {
            Direction::Forward => {
                let (groups, chunks) = (columns.div_ceil(64), rows.div_ceil(ROWS_PER_CHUNK));
                let params = [rows, columns, ROWS_PER_CHUNK];
                let product = &self.forward[which];
                vec![
                    self.gpu.step(
                        product,
                        &[&self.sums, x, &self.w],
                        &params,
                        [groups, chunks, 1],
                    )?,
                    self.gpu.step(
                        &self.sum,
                        &[&self.y, &self.sums],
                        &[chunks, columns],
                        [groups, 1, 1],
                    )?,
                ]
            }
            Direction::Backward => {
                let buffers = [&self.dz, x, &self.w, &self.dy];
                // In two dimensions, since one may hold no more than 65,535.
                let groups = [rows.min(1 << 15), rows.div_ceil(1 << 15), 1];
                vec![self.gpu.step(&self.backward[which], &buffers, &[rows, columns], groups)?]
            }
        };
        Ok(Sequence::new(name, steps))
    }

    /// Both products of a small matrix, either way, against f64.
    fn validate(gpu: &Gpu, sources: &Sources) -> Result<()> {
        // More than one chunk, and no multiple of anything.
        let [rows, columns] = [ROWS_PER_CHUNK + 45, 101];
        let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
        let (w, dy) = (
            net::normal(&mut random, (rows * columns) as usize, 1.0),
            net::normal(&mut random, columns as usize, 1.0),
        );
        let x = sparse(&mut random, rows, 60);
        let vectors = Vectors::new(gpu, sources, [rows, columns], &w, &dy)?;
        let on_device = gpu.buffer_of("x", &x)?;
        let [w, dy, x] =
            [w, dy, x].map(|values| values.into_iter().map(f64::from).collect::<Vec<f64>>());
        let absolute =
            |values: &[f64]| values.iter().map(|value| value.abs()).collect::<Vec<f64>>();
        for direction in Direction::ALL {
            let sizes = match direction {
                Direction::Forward => Sizes { matrices: 1, rows: 1, columns, terms: rows },
                Direction::Backward => Sizes { matrices: 1, rows, columns: 1, terms: columns },
            };
            let product = |x: &[f64], w: &[f64], dy: &[f64]| match direction {
                Direction::Forward => matmul::product(sizes, [Layout::Plain; 2], x, w),
                Direction::Backward => {
                    let dense = matmul::product(sizes, [Layout::Plain; 2], w, dy);
                    dense
                        .iter()
                        .zip(x)
                        .map(|(dz, x)| crate::kernels::reference::relu_backward(*x, *dz))
                        .collect()
                }
            };
            let (expected, size) =
                (product(&x, &w, &dy), product(&absolute(&x), &absolute(&w), &absolute(&dy)));
            for way in [Way::Dense, Way::Skipping] {
                let result = if direction == Direction::Forward { &vectors.y } else { &vectors.dz };
                gpu.store(result, &vec![f32::NAN; result.words])?;
                gpu.store(&vectors.sums, &vec![f32::NAN; vectors.sums.words])?;
                let sequence = vectors.sequence(direction, way, &on_device)?;
                gpu.run_sequence(&sequence, 1)?;
                let actual: Vec<f32> = gpu.load(result)?;
                check::within(&sequence.path, &actual, &expected, |index| {
                    matmul::bound(sizes.terms, size[index])
                })?;
            }
        }
        Ok(())
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
    /// The time of the dense product, in ns.
    dense_ns: Estimate,
    /// By share of zeros, the speed of the product that skips, that of the dense one being 1.
    skipping: Vec<Estimate>,
}

fn speeds(context: &Context<'_>, direction: Direction, size: u32) -> Result<Speeds> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(context.seed);
    let w = net::normal(&mut random, (size * size) as usize, 1.0);
    let dy = net::normal(&mut random, size as usize, 1.0);
    let vectors = Vectors::new(context.gpu, &Sources::own(), [size; 2], &w, &dy)?;
    let x =
        SPARSITIES.map(|percent| context.gpu.buffer_of("x", &sparse(&mut random, size, percent)));
    let x: Vec<Buffer> = x.into_iter().collect::<Result<_>>()?;
    // What the dense product takes does not depend on x.
    let mut sequences = vec![vectors.sequence(direction, Way::Dense, &x[0])?];
    for x in &x {
        sequences.push(vectors.sequence(direction, Way::Skipping, x)?);
    }
    let group = Group::timed(context, &sequences.iter().collect::<Vec<_>>())?;
    let base = usize::from(group.over(0, 1).median > 1.0);
    let skipping = (1..sequences.len()).map(|member| group.over(base, member)).collect();
    Ok(Speeds { dense_ns: group.ns(base), skipping })
}

/// The smallest share of zeros, in percent, from which on skipping is faster, as far as its
/// interval says; none if it never is.
fn break_even(speeds: &[Estimate]) -> Option<u32> {
    let faster = speeds.iter().rev().take_while(|speed| speed.low > 1.0).count();
    SPARSITIES[SPARSITIES.len() - faster..].first().copied()
}

fn findings(
    seeds: Vec<u64>,
    zeros: &[Vec<f64>],
    (from_mask, mask_elements): (Estimate, u64),
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
    let distance = |percent: u32| (f64::from(percent) / 100.0 - all.median).abs();
    let nearest = (0..SPARSITIES.len())
        .min_by(|a, b| distance(SPARSITIES[*a]).total_cmp(&distance(SPARSITIES[*b])));
    let here = nearest.expect("shares");
    let names = ["forward", "backward"];
    let pays = |product: &Speeds| product.skipping[here].low > 1.0;
    let outcome = match Outcome::of(products.iter().map(pays)) {
        Outcome::DoesNotHold
            if products.iter().any(|product| break_even(&product.skipping).is_some()) =>
        {
            Outcome::HoldsOnlyWhen
        }
        outcome => outcome,
    };
    let told = |(name, Speeds { skipping: speeds, .. }): (&str, &Speeds)| {
        let from = break_even(speeds)
            .map_or_else(|| "never".to_owned(), |percent| format!("from {percent} % on"));
        let most = speeds.last().expect("shares").median;
        format!(
            "{name} {} times as fast as the dense product at {} % zeros, {} times at 99 %, faster {from}",
            ratio(speeds[here]),
            SPARSITIES[here],
            number(most)
        )
    };
    let layers =
        |which: fn(f64, f64) -> f64, from: f64| zeros.iter().flatten().copied().fold(from, which);
    let conclusion = format!(
        "{} of ReLU's activations are zero, by layer and seed {} to {} %; skipping their rows is {}",
        percent(all),
        number(100.0 * layers(f64::min, f64::INFINITY)),
        number(100.0 * layers(f64::max, 0.0)),
        names.into_iter().zip(products).map(told).collect::<Vec<_>>().join("; ")
    );
    let mut figures =
        vec![Figure::estimated("zeros", "%", all.times(100.0)).noted("all layers, by seed")];
    for (layer, shares) in (1..).zip(zeros) {
        let share = over_seeds(shares).expect("seeds").times(100.0);
        figures.push(Figure::estimated(format!("zeros in layer {layer} of {DEPTH}"), "%", share));
    }
    for (name, Speeds { dense_ns, skipping }) in names.into_iter().zip(products) {
        let mut figure = |figure: Figure| {
            figures.push(Figure { name: format!("{name}{}", figure.name), ..figure });
        };
        figure(Figure::estimated(", dense", "us", dense_ns.times(1e-3)));
        let throughput = dense_ns.rate_of(4.0 * f64::from(size) * f64::from(size));
        figure(Figure::estimated(", dense: throughput", "GB/s", throughput).noted("W alone"));
        for (percent, speed) in SPARSITIES.into_iter().zip(skipping) {
            let told = format!(", {percent} % zeros: speed of skipping");
            figure(Figure::estimated(told, "x dense", *speed));
        }
        let (told, unit) = (": skipping is faster from", "% zeros");
        figure(match break_even(skipping) {
            Some(percent) => Figure::new(told, unit, percent.into()),
            None => Figure::none(told, unit, "at no share that was tried"),
        });
    }
    let mask = format!(
        "elementwise: a bit instead of 4 bytes for each saved activation, {mask_elements} elements, {} bytes from y",
        12 * mask_elements
    );
    figures
        .push(Figure::estimated("backward from a mask: speed", "x from y", from_mask).noted(mask));
    let series = |(name, product): (&str, &Speeds)| Series {
        label: name.to_owned(),
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
            series: names.into_iter().zip(products).map(series).collect(),
        }],
        notes: vec![
            format!(
                "zeros are counted before training, in nets of {DEPTH} layers of {width} units with He's weights, over {BATCH} normal samples; \
                 sigmoid makes none"
            ),
            "the dense speed is that of the program that does not skip, or of the one that does at 0 % zeros where that is faster".to_owned(),
            format!(
                "one sample and a matrix of {size} by {size}, {} MiB, of which {} are read at 50 % zeros: what fits a cache is not read from memory \
                 again; a batch shares no zeros between its samples, so a product of matrices skips nothing this way",
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
    use crate::error::Error;
    use crate::gpu::Choice;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn products_that_skip_are_those_that_do_not() {
        Vectors::validate(&gpu(), &Sources::own()).expect("within bounds");
    }

    #[test]
    fn a_product_that_skips_too_much_or_sums_too_little_is_found() {
        type Text = fn(&mut Sources) -> &mut String;
        let gpu = gpu();
        let plants: [(Text, &str, &str); 7] = [
            (|sources| &mut sources.forward, "own != 0.0", "own > 0.2"),
            (|sources| &mut sources.forward, "row < end; row", "row + 4u < end; row"),
            (|sources| &mut sources.forward, "own.z * weights.z", "weights.z"),
            (|sources| &mut sources.sum, "chunk < params.chunks", "chunk < 1u"),
            (|sources| &mut sources.backward, "column += LANES", "column += LANES + 1u"),
            (|sources| &mut sources.backward, "lanes[0], is_active", "lanes[0], true"),
            (|sources| &mut sources.backward, "half > 0u", "half > 1u"),
        ];
        for (text, find, replace) in plants {
            let mut sources = Sources { checks: ShaderChecks::Checked, ..Sources::own() };
            let planted = text(&mut sources).replacen(find, replace, 1);
            assert_ne!(planted, *text(&mut sources), "{find} is not there");
            *text(&mut sources) = planted;
            let error = Vectors::validate(&gpu, &sources).err();
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
        assert_eq!(
            break_even(&speeds_of([1.0, 1.0, 1.2, 1.05, 1.5, 2.0, 3.0, 4.0, 5.0])),
            Some(75)
        );
        assert_eq!(break_even(&speeds_of([0.5; 9])), None);
        assert_eq!(break_even(&speeds_of([2.0; 9])), Some(0));
    }

    #[test]
    fn the_claim_holds_where_it_pays_at_the_zeros_that_relu_makes() {
        let zeros = [vec![0.52, 0.5, 0.55], vec![0.42, 0.44, 0.65]];
        let [never, at_half, late] = [
            speeds_of([0.9; 9]),
            speeds_of([0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0]),
            speeds_of([0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 1.5, 2.0, 3.0]),
        ];
        let from_mask = (Estimate { median: 1.0, low: 1.0, high: 1.0 }, 1 << 20);
        let found = |forward: &[Estimate], backward: &[Estimate]| {
            let dense_ns = Estimate { median: 1e6, low: 1e6, high: 1e6 };
            let products =
                [forward, backward].map(|speeds| Speeds { dense_ns, skipping: speeds.to_vec() });
            findings(vec![1], &zeros, from_mask, &products, 64, 32)
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
