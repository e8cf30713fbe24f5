//! What an activation costs in a layer: a product with its bias and nothing, ReLU or sigmoid behind
//! it, in the product's own kernel or in one of its own; beside them that kernel alone.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::matmul::{self, Layout, Matmul, Sizes};
use super::net::{self, Texts};
use super::{Context, Experiment, Findings, Group, check, to_f32};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Shape};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;
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

/// All that is checked, nothing first. What is alone is timed by itself: beside a layer it would
/// get the number of dispatches that suits a layer, and the caches as a layer leaves them.
const MEMBERS: [(&str, Way); 7] = [
    ("copy", Way::Fused),
    ("relu", Way::Fused),
    ("sigmoid", Way::Fused),
    ("relu", Way::Apart),
    ("sigmoid", Way::Apart),
    ("relu", Way::Alone),
    ("sigmoid", Way::Alone),
];

/// How many of them are layers.
const LAYERS: usize = 5;

/// The ways, as they are told and as their ratios stand in [`Cost`].
const WAYS: [&str; 3] = ["alone", "apart", "fused"];

/// What a difference has to exceed for certain, as in `compare`.
const WORTH: f64 = 1.02;

fn run(context: &Context<'_>) -> Result<Findings> {
    for (name, _) in &MEMBERS[1..3] {
        let activation = Activation::named(name).expect("in the table");
        net::validate(context.gpu, activation, &Texts::of(activation))?;
    }
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
    /// Fused with nothing, ReLU, sigmoid.
    layers: [Matmul; 3],
    /// Kernels of the table: ReLU, sigmoid.
    elementwise: [Program; 2],
}

/// The tensors of a layer of equal inputs and units.
struct Layer {
    batch: u32,
    width: u32,
    x: Buffer,
    w: Buffer,
    bias: Buffer,
    z: Buffer,
    y: Buffer,
}

impl Programs {
    fn compile(gpu: &Gpu) -> Result<Self> {
        let named = |name: &str| Activation::named(name).expect("in the table");
        let layer = |name: &str| {
            let wgsl = net::layer(named(name));
            Matmul::of(
                gpu,
                Layout::Plain,
                Layout::Transposed,
                &format!("a layer with {name}"),
                &wgsl,
                ShaderChecks::Trusted,
            )
        };
        let elementwise = |name: &str| {
            let kernel = Kernel::default_variant(named(name), Direction::Forward, Dtype::F32)
                .expect("a variant");
            gpu.program(
                &kernel.path(),
                &kernel.wgsl(),
                &Shape::default().constants(1),
                ShaderChecks::Trusted,
            )
        };
        Ok(Self {
            layers: [layer("copy")?, layer("relu")?, layer("sigmoid")?],
            elementwise: [elementwise("relu")?, elementwise("sigmoid")?],
        })
    }

    /// A layer on its tensors, or what comes behind z; the result is in y.
    fn sequence(&self, gpu: &Gpu, layer: &Layer, (name, way): (&str, Way)) -> Result<Sequence> {
        let sizes = layer.sizes();
        let which = ["copy", "relu", "sigmoid"]
            .iter()
            .position(|other| *other == name)
            .expect("one of them");
        let product = |program: &Matmul, into: &Buffer| {
            program.step(gpu, sizes, [&layer.x, &layer.w, into], &[&layer.bias])
        };
        let elementwise = || {
            let words = layer.batch * layer.width / 4;
            let workgroups = [words.div_ceil(Shape::default().workgroup_size), 1, 1];
            gpu.step(
                &self.elementwise[which - 1],
                &[&layer.y, &layer.z],
                &[words, 0, 0, 0],
                workgroups,
            )
        };
        let steps = match way {
            Way::Fused => vec![product(&self.layers[which], &layer.y)?],
            Way::Apart => vec![product(&self.layers[0], &layer.z)?, elementwise()?],
            Way::Alone => vec![elementwise()?],
        };
        Ok(Sequence::new(format!("a layer of {} units with {name}, {way:?}", layer.width), steps))
    }

    /// Every member of a small layer against f64, element by element.
    fn validate(&self, gpu: &Gpu) -> Result<()> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(21);
        let layer = Layer::new(gpu, CHECKED_BATCH, 36, &mut random)?;
        let in_f64 = |buffer: &Buffer| -> Result<Vec<f64>> {
            Ok(gpu.load::<f32>(buffer)?.into_iter().map(f64::from).collect())
        };
        let sizes = layer.sizes();
        let [x, w, bias] = [in_f64(&layer.x)?, in_f64(&layer.w)?, in_f64(&layer.bias)?];
        let sums = |x: &[f64], w: &[f64], bias: &[f64]| {
            let mut z = matmul::product(sizes, [Layout::Plain, Layout::Transposed], x, w);
            z.iter_mut().zip(bias.iter().cycle()).for_each(|(z, bias)| *z += bias);
            z
        };
        let absolute =
            |values: &[f64]| values.iter().map(|value| value.abs()).collect::<Vec<f64>>();
        let (z, size) = (sums(&x, &w, &bias), sums(&absolute(&x), &absolute(&w), &absolute(&bias)));
        for member in MEMBERS {
            gpu.store(&layer.y, &vec![f32::NAN; layer.y.words])?;
            // Made by the product, unless there is none.
            let is_made = member.1 != Way::Alone;
            gpu.store(
                &layer.z,
                &z.iter().map(|z| if is_made { f32::NAN } else { to_f32(*z) }).collect::<Vec<_>>(),
            )?;
            let sequence = self.sequence(gpu, &layer, member)?;
            gpu.run_sequence(&sequence, 1)?;
            let mut expected = vec![0.0; z.len()];
            let forward =
                Activation::named(member.0).and_then(Activation::forward).expect("in the table");
            forward.references(&z, &[], &mut expected);
            // The bias is one more term. ReLU leaves a difference as it is or takes it away.
            let of_sum = |index: usize| matmul::bound(sizes.terms + 1, size[index]);
            let bound = |index: usize| {
                if member.0 == "sigmoid" { of_sum(index) / 4.0 + ALLOWED } else { of_sum(index) }
            };
            check::within(&sequence.path, &gpu.load(&layer.y)?, &expected, bound)?;
        }
        Ok(())
    }
}

impl Layer {
    fn new(gpu: &Gpu, batch: u32, width: u32, random: &mut Xoshiro256PlusPlus) -> Result<Self> {
        let [units, all] = [width as usize, (batch * width) as usize];
        let deviation = f64::from(width).sqrt().recip();
        Ok(Self {
            batch,
            width,
            x: gpu.buffer_of("x", &net::normal(random, all, 1.0))?,
            w: gpu.buffer_of("w", &net::normal(random, units * units, deviation))?,
            bias: gpu.buffer_of("bias", &net::normal(random, units, 1.0))?,
            z: gpu.buffer("z", all)?,
            y: gpu.buffer("y", all)?,
        })
    }

    fn sizes(&self) -> Sizes {
        Sizes { matrices: 1, rows: self.batch, columns: self.width, terms: self.width }
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
    /// The share of ReLU and sigmoid in the time of a fused layer.
    shares: [Estimate; 2],
    /// The time apart over the fused: ReLU, sigmoid.
    apart: [Estimate; 2],
}

impl Cost {
    fn measured(context: &Context<'_>, programs: &Programs, width: u32) -> Result<Self> {
        let layer = Layer::new(
            context.gpu,
            BATCH,
            width,
            &mut Xoshiro256PlusPlus::seed_from_u64(context.seed),
        )?;
        let sequences: Vec<Sequence> = MEMBERS
            .iter()
            .map(|member| programs.sequence(context.gpu, &layer, *member))
            .collect::<Result<_>>()?;
        let all: Vec<&Sequence> = sequences.iter().collect();
        let (layers, alone) = all.split_at(LAYERS);
        let (layers, alone) = (Group::timed(context, layers)?, Group::timed(context, alone)?);
        let at = |name, way| {
            MEMBERS.iter().position(|member| *member == (name, way)).expect("one of them")
        };
        let nothing = at("copy", Way::Fused);
        let share = |name| {
            layers.of_both(nothing, at(name, Way::Fused), |nothing, own| 1.0 - nothing / own)
        };
        let apart = |name| layers.over(at(name, Way::Apart), at(name, Way::Fused));
        let ratio = |way| layers.over(at("sigmoid", way), at("relu", way));
        let [relu, sigmoid] = ["relu", "sigmoid"].map(|name| at(name, Way::Alone) - LAYERS);
        Ok(Self {
            width,
            ns: layers.ns(nothing),
            gflops: layers.ns(nothing).rate_of(layer.sizes().operations()),
            ratios: [alone.over(sigmoid, relu), ratio(Way::Apart), ratio(Way::Fused)],
            alone_ns: alone.ns(relu),
            shares: [share("relu"), share("sigmoid")],
            apart: [apart("relu"), apart("sigmoid")],
        })
    }
}

fn findings(seed: u64, costs: &[Cost]) -> Findings {
    let of_ways = |cost: &Cost| {
        let case =
            |(way, ratio): (&&str, &Estimate)| (format!("{way} at {} units", cost.width), *ratio);
        WAYS.iter().zip(&cost.ratios).map(case).collect::<Vec<_>>()
    };
    let cases: Vec<(String, Estimate)> = costs.iter().flat_map(of_ways).collect();
    let (felt, others): (Vec<_>, Vec<_>) = cases.iter().partition(|(_, ratio)| ratio.low > WORTH);
    let told = |cases: &[&(String, Estimate)]| {
        let told = |(name, of_case): &&(String, Estimate)| format!("{name} {}", ratio(*of_case));
        if cases.is_empty() {
            "nowhere".to_owned()
        } else {
            cases.iter().map(told).collect::<Vec<_>>().join(", ")
        }
    };
    let rest = if others.is_empty() {
        String::new()
    } else {
        format!("; not above it for certain: {}", told(&others))
    };
    let mut figures = Vec::new();
    for cost in costs {
        let of = |what: &str| format!("{} units: {what}", cost.width);
        figures.push(Figure::estimated(
            of("a layer without activation"),
            "us",
            cost.ns.times(1e-3),
        ));
        figures.push(Figure::estimated(
            of("a layer without activation: throughput"),
            "GFLOP/s",
            cost.gflops,
        ));
        figures.push(Figure::estimated(of("relu alone"), "us", cost.alone_ns.times(1e-3)));
        for (way, ratio) in WAYS.iter().zip(cost.ratios) {
            figures.push(Figure::estimated(of(&format!("sigmoid : relu, {way}")), "", ratio));
        }
        for (index, name) in ["relu", "sigmoid"].into_iter().enumerate() {
            figures.push(Figure::estimated(
                of(&format!("share of {name} in a fused layer")),
                "%",
                cost.shares[index].times(100.0),
            ));
            figures.push(Figure::estimated(
                of(&format!("{name} apart : fused")),
                "",
                cost.apart[index],
            ));
        }
    }
    let line = |label: &str, of: &dyn Fn(&Cost) -> Estimate| Series {
        label: label.to_owned(),
        points: costs
            .iter()
            .map(|cost| Point::estimated(cost.width.into(), Some(of(cost))))
            .collect(),
    };
    Findings {
        outcome: Outcome::of(cases.iter().map(|(_, ratio)| ratio.low > WORTH)),
        conclusion: format!("time of sigmoid : ReLU is above {WORTH}: {}{rest}", told(&felt)),
        seeds: vec![seed],
        figures,
        plots: vec![
            Plot {
                title: format!("A layer with sigmoid over one with ReLU, batch {BATCH}"),
                x: Axis::log2("units"),
                y: Axis::linear("time of sigmoid : time of ReLU"),
                series: (WAYS.iter().enumerate())
                    .map(|(index, way)| line(way, &|cost| cost.ratios[index]))
                    .collect(),
            },
            Plot {
                title: format!(
                    "Share of the activation in the time of a fused layer, batch {BATCH}"
                ),
                x: Axis::log2("units"),
                y: Axis::linear("share (%)"),
                series: vec![
                    line("relu", &|cost| cost.shares[0].times(100.0)),
                    line("sigmoid", &|cost| cost.shares[1].times(100.0)),
                ],
            },
        ],
        notes: vec![
            format!(
                "a batch of {BATCH}, f32, as many inputs as units, a tiled product of our own; fused is in the product's kernel, apart a kernel of \
                 its own behind a product that adds the bias, alone that kernel without the product; a share may be negative, and sigmoid the faster, where the activation \
                 costs less than the noise, or than what a compiler makes of another text"
            ),
            format!(
                "a case counts if the whole interval of 95 % is above {WORTH}; it is that of one device, and the product is no vendor's: a faster one \
                 leaves a larger share to the activation"
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
        let own = net::layer(Activation::named("copy").expect("in the table"));
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
            programs.layers[0] =
                Matmul::planted(&gpu, Layout::Plain, Layout::Transposed, "planted", &planted)
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
