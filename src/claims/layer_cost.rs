//! What an activation costs in a layer: a product with its bias and nothing, ReLU or sigmoid behind
//! it, in the product's own kernel or in one of its own; beside them that kernel alone.

use super::matmul::{self, Layout, Matmul, Sizes};
use super::net;
use super::{Context, Experiment, Findings, Group, check, in_f64, named, random_of, to_f32};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Shape};
use crate::kernels::activation::Direction;
use crate::measure::stats::Estimate;
use crate::render::numbers::ratio;

pub(super) const CLAIM: Experiment = Experiment {
    name: "layer_cost",
    statement: "ReLU's comparison is cheaper than sigmoid's exponential, and so is a layer that has it",
    run,
};

/// Samples of a batch.
const BATCH: u32 = 128;

/// Samples of the layer that is checked: no multiple of a tile.
const CHECKED_BATCH: u32 = 37;

/// What WGSL allows sigmoid of the z there are, 20 ULP, beside what it makes of the product's
/// error, a quarter at most.
const ALLOWED: f64 = 20.0 * f32::EPSILON as f64;

/// How x and W lie.
const LAYOUTS: [Layout; 2] = [Layout::Plain, Layout::Transposed];

/// How an activation is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In the product's epilogue.
    Fused,
    /// By a kernel of its own behind the product, as the table has it.
    Apart,
    /// That kernel without a product.
    Alone,
}

/// What is behind a layer, by its place in [`Programs::layers`].
const NAMES: [&str; 3] = ["copy", "relu", "sigmoid"];
const COPY: usize = 0;
const RELU: usize = 1;
const SIGMOID: usize = 2;

/// All that is checked. What is alone is timed by itself: beside a layer it would get the number of
/// dispatches that suits a layer, and the caches as a layer leaves them.
const LAYERS: [(usize, Way); 5] = [
    (COPY, Way::Fused),
    (RELU, Way::Fused),
    (SIGMOID, Way::Fused),
    (RELU, Way::Apart),
    (SIGMOID, Way::Apart),
];
const ALONE: [(usize, Way); 2] = [(RELU, Way::Alone), (SIGMOID, Way::Alone)];

/// The ways, as they are told and as their ratios stand in [`Cost`].
const WAYS: [&str; 3] = ["alone", "apart", "fused"];

/// What a difference has to exceed for certain, as in `compare`.
const WORTH: f64 = 1.02;

fn run(context: &Context<'_>) -> Result<Findings> {
    net::validated(context.gpu)?;
    let programs = Programs::compile(context.gpu)?;
    programs.validate(context.gpu)?;
    let widths = context.either(&[32, 128, 512][..], &[64, 256, 1024, 4096]);
    let mut costs = Vec::new();
    for width in widths {
        (context.progress)(&format!("layers of {width} units"));
        costs.push(Cost::measured(context, &programs, *width)?);
    }
    Ok(findings(context.seed, &costs))
}

/// Every program that the members are made of.
struct Programs {
    /// Fused, by [`NAMES`].
    layers: [Matmul; 3],
    /// Kernels of the table: ReLU, sigmoid.
    elementwise: [Program; 2],
}

/// The tensors of a layer of equal inputs and units.
struct Layer {
    sizes: Sizes,
    x: Buffer,
    w: Buffer,
    bias: Buffer,
    z: Buffer,
    y: Buffer,
}

impl Programs {
    fn compile(gpu: &Gpu) -> Result<Self> {
        let layer = |name: &str| {
            let (told, wgsl) = (format!("a layer with {name}"), net::layer(named(name)));
            Matmul::new(gpu, LAYOUTS, &told, &wgsl, ShaderChecks::Trusted)
        };
        let elementwise = |name: &str| {
            let kernel = net::kernel(named(name), Direction::Forward);
            let constants = Shape::default().constants(1);
            gpu.program(&kernel.path(), &kernel.wgsl(), &constants, ShaderChecks::Trusted)
        };
        let [copy, relu, sigmoid] = NAMES;
        Ok(Self {
            layers: [layer(copy)?, layer(relu)?, layer(sigmoid)?],
            elementwise: [elementwise(relu)?, elementwise(sigmoid)?],
        })
    }

    /// A layer on its tensors, or what comes behind z; the result is in y.
    fn sequence(&self, gpu: &Gpu, layer: &Layer, (which, way): (usize, Way)) -> Result<Sequence> {
        let Layer { sizes, x, w, bias, z, y } = layer;
        let product =
            |which: usize, into| self.layers[which].step(gpu, *sizes, [x, w, into], &[bias]);
        let elementwise = || {
            let words = sizes.rows * sizes.columns / 4;
            let workgroups = [words.div_ceil(Shape::default().workgroup_size), 1, 1];
            gpu.step(&self.elementwise[which - 1], &[y, z], &[words, 0, 0, 0], workgroups)
        };
        let steps = match way {
            Way::Fused => vec![product(which, y)?],
            Way::Apart => vec![product(COPY, z)?, elementwise()?],
            Way::Alone => vec![elementwise()?],
        };
        let (units, name) = (sizes.columns, NAMES[which]);
        Ok(Sequence::new(format!("a layer of {units} units with {name}, {way:?}"), steps))
    }

    /// Every member of a small layer against f64, element by element.
    fn validate(&self, gpu: &Gpu) -> Result<()> {
        let layer = Layer::new(gpu, CHECKED_BATCH, 36, 21)?;
        let sums = |of: fn(f64) -> f64| -> Result<Vec<f64>> {
            let load = |buffer: &Buffer| -> Result<Vec<f64>> {
                Ok(in_f64(&gpu.load(buffer)?).into_iter().map(of).collect())
            };
            let mut z = matmul::product(layer.sizes, LAYOUTS, &load(&layer.x)?, &load(&layer.w)?);
            let bias = load(&layer.bias)?;
            z.iter_mut().zip(bias.iter().cycle()).for_each(|(z, bias)| *z += bias);
            Ok(z)
        };
        let (z, size) = (sums(|value| value)?, sums(f64::abs)?);
        for (which, way) in LAYERS.into_iter().chain(ALONE) {
            gpu.store(&layer.y, &vec![f32::NAN; z.len()])?;
            // Made by the product, unless there is none.
            let is_made = way != Way::Alone;
            let before = z.iter().map(|z| if is_made { f32::NAN } else { to_f32(*z) });
            gpu.store(&layer.z, &before.collect::<Vec<_>>())?;
            let sequence = self.sequence(gpu, &layer, (which, way))?;
            gpu.run_sequence(&sequence, 1)?;
            let mut expected = vec![0.0; z.len()];
            let forward = named(NAMES[which]).forward().expect("in the table");
            forward.references(&z, &[], &mut expected);
            // The bias is one more term. ReLU leaves a difference as it is or takes it away.
            let of_sum = |index: usize| matmul::bound(layer.sizes.terms + 1, size[index]);
            let bound = |index: usize| {
                if which == SIGMOID { of_sum(index) / 4.0 + ALLOWED } else { of_sum(index) }
            };
            check::within(&sequence.path, &gpu.load(&layer.y)?, &expected, bound)?;
        }
        Ok(())
    }
}

impl Layer {
    fn new(gpu: &Gpu, batch: u32, width: u32, seed: u64) -> Result<Self> {
        let mut random = random_of(seed);
        let mut normal = |count, deviation| net::normal(&mut random, count, deviation);
        let [units, all] = [width as usize, (batch * width) as usize];
        let deviation = f64::from(width).sqrt().recip();
        Ok(Self {
            sizes: Sizes { matrices: 1, rows: batch, columns: width, terms: width },
            x: gpu.buffer_of("x", &normal(all, 1.0))?,
            w: gpu.buffer_of("w", &normal(units * units, deviation))?,
            bias: gpu.buffer_of("bias", &normal(units, 1.0))?,
            z: gpu.buffer("z", all)?,
            y: gpu.buffer("y", all)?,
        })
    }
}

/// What a layer costs at a width.
struct Cost {
    width: u32,
    /// Of the layer without activation.
    ns: Estimate,
    gflops: Estimate,
    /// Sigmoid's time over ReLU's, by [`WAYS`].
    ratios: [Estimate; 3],
    /// Of ReLU's kernel alone.
    alone_ns: Estimate,
    /// The share of ReLU and sigmoid in the time of a fused layer, in percent.
    shares: [Estimate; 2],
    /// The time apart over the fused: ReLU, sigmoid.
    apart: [Estimate; 2],
}

impl Cost {
    fn measured(context: &Context<'_>, programs: &Programs, width: u32) -> Result<Self> {
        let layer = Layer::new(context.gpu, BATCH, width, context.seed)?;
        let timed = |members: &[(usize, Way)]| {
            let sequence = |member: &_| programs.sequence(context.gpu, &layer, *member);
            let sequences = members.iter().map(sequence).collect::<Result<Vec<_>>>()?;
            Group::timed(context, &sequences.iter().collect::<Vec<_>>())
        };
        let (layers, alone) = (timed(&LAYERS)?, timed(&ALONE)?);
        let at = |which, way| {
            LAYERS.iter().position(|member| *member == (which, way)).expect("one of them")
        };
        let ratio = |way| layers.over(at(SIGMOID, way), at(RELU, way));
        let nothing = at(COPY, Way::Fused);
        let share = |which| {
            layers.of_both(nothing, at(which, Way::Fused), |nothing, own| {
                100.0 * (1.0 - nothing / own)
            })
        };
        let apart = |which| layers.over(at(which, Way::Apart), at(which, Way::Fused));
        Ok(Self {
            width,
            ns: layers.ns(nothing),
            gflops: layers.ns(nothing).rate_of(layer.sizes.operations()),
            ratios: [alone.over(1, 0), ratio(Way::Apart), ratio(Way::Fused)],
            alone_ns: alone.ns(0),
            shares: [RELU, SIGMOID].map(share),
            apart: [RELU, SIGMOID].map(apart),
        })
    }
}

fn findings(seed: u64, costs: &[Cost]) -> Findings {
    let of_ways = |cost: &Cost| {
        let named = WAYS.map(|way| format!("{way} at {} units", cost.width));
        named.into_iter().zip(cost.ratios)
    };
    let cases: Vec<(String, Estimate)> = costs.iter().flat_map(of_ways).collect();
    let (felt, others): (Vec<_>, Vec<_>) = cases.iter().partition(|(_, ratio)| ratio.low > WORTH);
    let told = |cases: &[&(String, Estimate)]| {
        let told = cases.iter().map(|(name, of_case)| format!("{name} {}", ratio(*of_case)));
        told.collect::<Vec<_>>().join(", ")
    };
    let where_felt = if felt.is_empty() { "nowhere".to_owned() } else { told(&felt) };
    let mut conclusion = format!("time of sigmoid : ReLU is above {WORTH}: {where_felt}");
    if !others.is_empty() {
        conclusion += &format!("; not above it for certain: {}", told(&others));
    }
    let mut figures = Vec::new();
    for cost in costs {
        let mut figure = |what: &str, unit: &str, estimate: Estimate| {
            let name = format!("{} units: {what}", cost.width);
            figures.push(Figure::estimated(name, unit, estimate));
        };
        figure("a layer without activation", "us", cost.ns.times(1e-3));
        figure("a layer without activation: throughput", "GFLOP/s", cost.gflops);
        figure("relu alone", "us", cost.alone_ns.times(1e-3));
        for (way, ratio) in WAYS.iter().zip(cost.ratios) {
            figure(&format!("sigmoid : relu, {way}"), "", ratio);
        }
        for ((name, share), apart) in NAMES[RELU..].iter().zip(cost.shares).zip(cost.apart) {
            figure(&format!("share of {name} in a fused layer"), "%", share);
            figure(&format!("{name} apart : fused"), "", apart);
        }
    }
    let line = |label: &str, of: &dyn Fn(&Cost) -> Estimate| Series {
        label: label.to_owned(),
        points: costs.iter().map(|cost| Point::estimated(cost.width.into(), of(cost))).collect(),
    };
    let plot = |title: &str, y: &str, series: Vec<Series>| Plot {
        title: format!("{title}, batch {BATCH}"),
        x: Axis::log2("units"),
        y: Axis::linear(y),
        series,
    };
    let of_way = |(index, way): (usize, &&str)| line(way, &|cost| cost.ratios[index]);
    Findings {
        outcome: Outcome::of(cases.iter().map(|(_, ratio)| ratio.low > WORTH)),
        conclusion,
        seeds: vec![seed],
        figures,
        plots: vec![
            plot(
                "A layer with sigmoid over one with ReLU",
                "time of sigmoid : time of ReLU",
                WAYS.iter().enumerate().map(of_way).collect(),
            ),
            plot(
                "Share of the activation in the time of a fused layer",
                "share (%)",
                vec![line("relu", &|cost| cost.shares[0]), line("sigmoid", &|cost| cost.shares[1])],
            ),
        ],
        notes: vec![
            format!(
                "batch {BATCH}, f32, as many inputs as units, a tiled product of our own; fused: in the product's kernel; apart: in a kernel of its own behind a \
                 product with bias; alone: that kernel without the product; where the activation costs less than the noise, or than what a compiler makes of \
                 another text, a share may be negative and sigmoid the faster"
            ),
            format!(
                "a case counts if its whole 95 % interval is above {WORTH}; all is measured once; the product is our own, and a faster one leaves a larger \
                 share to the activation"
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::gpu::Choice;

    fn cost(width: u32, ratios: [f64; 3]) -> Cost {
        let estimate = |median: f64| Estimate { median, low: median - 0.01, high: median + 0.01 };
        Cost {
            width,
            ns: estimate(1e4),
            gflops: estimate(100.0),
            ratios: ratios.map(estimate),
            alone_ns: estimate(1e3),
            shares: [estimate(0.01); 2],
            apart: [estimate(1.2); 2],
        }
    }

    #[test]
    fn layers_are_as_in_f64_fused_and_apart() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        Programs::compile(&gpu)
            .and_then(|programs| programs.validate(&gpu))
            .expect("within bounds");
    }

    #[test]
    fn a_layer_that_is_wrong_is_found_by_its_elements() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let own = net::layer(named("copy"));
        for (find, replace) in [
            ("sum3 += rows.w * columns;", "sum3 += rows.z * columns;"),
            // Too little for any norm of the whole.
            (
                "return forward(sum + ",
                "return forward(sum + select(vec4<f32>(), vec4<f32>(1e-4), at == vec4<u32>(700u)) + ",
            ),
        ] {
            let planted = own.replacen(find, replace, 1);
            assert_ne!(planted, own, "{find} is not there");
            let mut programs = Programs::compile(&gpu).expect("it compiles");
            programs.layers[0] = Matmul::new(&gpu, LAYOUTS, find, &planted, ShaderChecks::Checked)
                .expect("it compiles");
            let error = programs.validate(&gpu).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find}: {error:?}");
        }
        let mut programs = Programs::compile(&gpu).expect("it compiles");
        programs.layers.swap(1, 2);
        assert!(matches!(programs.validate(&gpu), Err(Error::Mismatch(_))));
    }

    #[test]
    fn a_case_counts_where_the_interval_is_above_the_threshold() {
        let of = |costs: &[Cost]| findings(1, costs).outcome;
        assert_eq!(of(&[cost(32, [1.3, 1.2, 1.1]), cost(512, [1.3, 1.05, 1.04])]), Outcome::Holds);
        assert_eq!(
            of(&[cost(32, [1.3, 1.2, 1.1]), cost(512, [1.3, 1.05, 1.025])]),
            Outcome::HoldsOnlyWhen
        );
        assert_eq!(of(&[cost(32, [1.3, 1.0, 1.0])]), Outcome::HoldsOnlyWhen);
        assert_eq!(
            of(&[cost(32, [1.0, 1.0, 1.0]), cost(512, [1.02, 1.0, 0.9])]),
            Outcome::DoesNotHold
        );
        let found = findings(1, &[cost(32, [1.3, 1.2, 1.1]), cost(512, [1.25, 1.05, 0.9])]);
        let told = found.conclusion;
        assert!(
            told.contains("above 1.02: alone at 32 units 1.30 [1.29, 1.31], apart at 32 units 1.20 [1.19, 1.21]"),
            "{told}"
        );
        assert!(
            told.ends_with("not above it for certain: fused at 512 units 0.90 [0.89, 0.91]"),
            "{told}"
        );
        let value = |name: &str| {
            found.figures.iter().find(|figure| figure.name == name).and_then(|figure| figure.value)
        };
        let ratios = ["alone", "apart", "fused"]
            .map(|way| value(&format!("512 units: sigmoid : relu, {way}")));
        assert_eq!(ratios, [Some(1.25), Some(1.05), Some(0.9)]);
    }
}
