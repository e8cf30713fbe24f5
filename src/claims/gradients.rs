//! Gradients through depth: what a layer leaves of a gradient's norm on its way back, with sigmoid
//! and with ReLU.

use super::check::norm;
use super::net::{self, Design, Init, Net, Texts, Twin};
use super::{
    Context, Experiment, Findings, as_f64, count, in_f64, infinite_if_nan, over_seeds, random_of,
};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Sequence};
use crate::kernels::activation::Activation;
use crate::measure::stats::Estimate;
use crate::render::numbers::{interval, number, ratio};

pub(super) const CLAIM: Experiment = Experiment {
    name: "gradients",
    statement: "through many layers gradients vanish with sigmoid, and ReLU preserves them better",
    run,
};

/// Seeds of each case.
const SEEDS: u64 = 5;

/// Samples that gradients are taken of.
const BATCH: u32 = 64;

/// What a norm may differ by from f64: rounding puts some z on the other side of ReLU's corner, and
/// each takes a term of the norm with it.
const ALLOWED: f64 = 0.01;

/// Norms below this are no basis for a ratio: their elements come near the smallest normal f32,
/// 1.2e-38.
const LEAST_NORM: f64 = 1e-30;

/// Nets of one activation, initialisation and depth, as many as there are seeds.
struct Case {
    activation: &'static str,
    init: Init,
    depth: usize,
    /// By seed, and by layer from the input on.
    norms: Vec<Vec<f64>>,
    /// The largest difference of a norm from f64, as a share of it.
    off: f64,
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let [sigmoid, relu] = net::validated(context.gpu)?;
    let width = context.either(32, 256);
    let depths = context.either(&[2, 8, 16][..], &[2, 4, 8, 16, 32, 64]);
    let seeds = context.seeds(SEEDS);
    let mut cases = Vec::new();
    for depth in depths {
        (context.progress)(&format!("{depth} layers of {width} units"));
        for (activation, init) in [
            (sigmoid, Init::Xavier),
            (relu, Init::Xavier),
            (sigmoid, Init::He),
            (relu, Init::He),
            (sigmoid, Init::XavierTimes4),
        ] {
            cases.push(Case::measured(context.gpu, activation, init, width, *depth, &seeds)?);
        }
    }
    let deepest = cases.last_chunk().expect("a depth");
    Ok(Findings {
        outcome: Outcome::of(
            pairs(&cases).map(|[sigmoid, relu]| sigmoid.kept().high < relu.kept().low),
        ),
        conclusion: conclusion(deepest),
        seeds,
        figures: figures(&cases),
        plots: vec![plot(deepest, width)],
        notes: vec![format!(
            "nets of equal layers of {width} units, {BATCH} normal samples, a normal gradient at the last layer; the norm is that of the \
             gradient of a layer's sums, before its activation, all samples together; intervals are the range of {SEEDS} seeds"
        )],
    })
}

impl Case {
    fn measured(
        gpu: &Gpu,
        activation: &'static Activation,
        init: Init,
        width: u32,
        depth: usize,
        seeds: &[u64],
    ) -> Result<Self> {
        // The layers whose gradients are looked at, and a last one, without activation, that they
        // come from.
        let design = Design {
            nets: count(seeds.len()),
            batch: BATCH,
            widths: vec![width; depth + 2],
            activation,
        };
        let weights = design.draw(&[init], seeds);
        let elements = (BATCH * width) as usize;
        let (mut inputs, mut last) = (Vec::new(), Vec::new());
        for seed in seeds {
            let mut random = random_of(seed.wrapping_add(1 << 32));
            inputs.extend(net::normal(&mut random, elements, 1.0));
            last.extend(net::normal(&mut random, elements, 1.0));
        }

        let net = Net::new(gpu, design.clone(), &Texts::of(activation))?;
        net.set_weights(&weights)?;
        gpu.store(&net.y[0], &inputs)?;
        gpu.store(&net.dz[depth], &last)?;
        let mut steps = net.forward()?;
        steps.extend(net.backward()?);
        gpu.run_sequence(&Sequence::new("gradients through depth", steps), 1)?;

        let twin = Twin::new(design, &weights);
        let references = twin.backward(&twin.forward(&inputs), in_f64(&last));
        let norms = vec![Vec::new(); seeds.len()];
        let mut case = Self { activation: activation.name, init, depth, norms, off: 0.0 };
        let norms_of = |dz: &[f64]| -> Vec<f64> {
            dz.chunks_exact(elements).map(|of_net| norm(of_net.iter().copied())).collect()
        };
        for (buffer, reference) in net.dz.iter().zip(&references).take(depth) {
            let both = norms_of(&in_f64(&gpu.load(buffer)?)).into_iter().zip(norms_of(reference));
            for ((own, reference), norms) in both.zip(&mut case.norms) {
                norms.push(own);
                if reference > LEAST_NORM {
                    // f64::max would pass NaN over.
                    case.off = case.off.max(infinite_if_nan((own / reference - 1.0).abs()));
                }
            }
        }
        if case.off <= ALLOWED {
            return Ok(case);
        }
        let (name, off) = (case.name(), case.off);
        Err(Error::Mismatch(format!("{name}: a norm is off by {off:e} of that in f64")))
    }

    fn name(&self) -> String {
        format!("{}, {}, {} layers", self.activation, self.init.name(), self.depth)
    }

    /// What a layer leaves of the norm, in the geometric mean over the layers from the last one to
    /// the lowest whose norm f32 still holds.
    fn kept(&self) -> Estimate {
        let kept = |norms: &Vec<f64>| {
            let last = norms.len() - 1;
            let lowest = norms.iter().position(|norm| *norm > LEAST_NORM).unwrap_or(last);
            let layers = last - lowest;
            // A gradient that is gone behind the first layer leaves nothing.
            let left = norms[lowest] / norms[last];
            if layers == 0 { 0.0 } else { left.powf(1.0 / as_f64(layers)) }
        };
        over_seeds(self.norms.iter().map(kept)).expect("seeds")
    }

    /// The norm at a layer over that at the last: at the lowest, what all layers leave.
    fn share(&self, layer: usize) -> Estimate {
        over_seeds(self.norms.iter().map(|norms| norms[layer] / norms[norms.len() - 1]))
            .expect("seeds")
    }

    /// Layers, from the input on, whose gradient is zero in f32 in some seed.
    fn gone(&self) -> usize {
        let gone = |norms: &Vec<f64>| norms.iter().filter(|norm| **norm == 0.0).count();
        self.norms.iter().map(gone).max().unwrap_or(0)
    }
}

/// Of a depth, in the order in which they are measured: sigmoid and ReLU, with Xavier's and with
/// He's weights, and sigmoid with 4 times Xavier's.
type OfDepth = [Case; 5];

/// Sigmoid and ReLU of the same depth and initialisation; against that which is meant for sigmoid,
/// the one that is meant for ReLU.
fn pairs(cases: &[Case]) -> impl Iterator<Item = [&Case; 2]> {
    let of_depth = cases.chunks_exact(5);
    of_depth.flat_map(|cases| [[0, 1], [2, 3], [4, 3]].map(|pair| pair.map(|at| &cases[at])))
}

fn conclusion([xavier, relu_of_xavier, he, relu, best]: &OfDepth) -> String {
    let kept = |case: &Case| ratio(case.kept());
    let deepest = relu.depth;
    let times = relu.share(0).median / best.share(0).median;
    let against = if times.is_finite() {
        format!("{} times as much is left", number(times))
    } else {
        "f32 holds nothing of sigmoid's".to_owned()
    };
    format!(
        "a layer keeps {} of the gradient's norm with sigmoid and {} with ReLU (He; Xavier: {} and {}), and {} with sigmoid and 4 times Xavier's weights, \
         which are meant for it: against these after {deepest} layers {against}",
        kept(he),
        kept(relu),
        kept(xavier),
        kept(relu_of_xavier),
        kept(best)
    )
}

fn figures(cases: &[Case]) -> Vec<Figure> {
    let kept = |case: &Case| {
        let mut note = format!("all {} leave {}", case.depth, interval(case.share(0)));
        if case.gone() > 0 {
            note += &format!("; the lowest {} are zero in f32", case.gone());
        }
        let name = format!("{}: a layer keeps", case.name());
        Figure::estimated(name, "", case.kept()).noted(note)
    };
    let mut figures: Vec<Figure> = cases.iter().map(kept).collect();
    let off = cases.iter().map(|case| case.off).fold(0.0, f64::max);
    figures.push(Figure::new("largest difference of a norm from f64", "%", 100.0 * off));
    figures
}

fn plot(cases: &OfDepth, width: u32) -> Plot {
    let deepest = cases[0].depth;
    // A logarithmic axis has no zero.
    let share = |case: &Case, layer| Some(case.share(layer)).filter(|share| share.low > 0.0);
    let series = |case: &Case| Series {
        label: format!("{}, {}", case.activation, case.init.name()),
        points: (0..deepest)
            .map(|layer| Point::estimated(as_f64(layer + 1), share(case, layer)))
            .collect(),
    };
    Plot {
        title: format!("Gradient by layer, {deepest} layers of {width} units"),
        x: Axis::linear("layer, from the input"),
        y: Axis::log10("norm of the gradient, over that at the last layer"),
        series: cases.iter().map(series).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::Choice;
    use crate::report::Status;

    fn case(norms: &[&[f64]]) -> Case {
        let norms: Vec<Vec<f64>> = norms.iter().map(|norms| norms.to_vec()).collect();
        Case { activation: "relu", init: Init::He, depth: norms[0].len(), norms, off: 0.0 }
    }

    #[test]
    fn a_layer_keeps_the_geometric_mean() {
        let halves = case(&[&[1.0, 2.0, 4.0, 8.0], &[1.0, 1.0, 1.0, 1.0], &[27.0, 9.0, 3.0, 1.0]]);
        let kept = halves.kept();
        assert!(
            (kept.low - 0.5).abs() < 1e-12 && kept.median == 1.0 && (kept.high - 3.0).abs() < 1e-12,
            "{kept:?}"
        );
        assert_eq!(halves.share(0), Estimate { median: 1.0, low: 0.125, high: 27.0 });
    }

    #[test]
    fn what_f32_no_longer_holds_is_counted_and_left_out_of_the_mean() {
        let gone = case(&[&[0.0, 0.0, 1e-36, 1e-20, 1e-10, 1.0]]);
        assert!((gone.kept().median / 1e-10 - 1.0).abs() < 1e-9, "{:?}", gone.kept());
        assert_eq!((gone.gone(), gone.share(0).median), (2, 0.0));
        assert_eq!(case(&[&[0.0, 0.0, 1.0]]).kept().median, 0.0);
    }

    #[test]
    fn sigmoid_loses_a_factor_of_four_and_relu_nothing() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 3, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        let kept = |name: &str| {
            let figure =
                claim.figures.iter().find(|figure| figure.name == format!("{name}: a layer keeps"));
            figure
                .and_then(|figure| figure.value)
                .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
        };
        // sigma' is at most 1/4; a product with Xavier's weights of equal widths keeps the norm,
        // one with He's makes it sqrt(2) times as large; ReLU passes half of the squares.
        assert!((0.15..0.25).contains(&kept("sigmoid, Xavier, 16 layers")));
        assert!((0.2..0.36).contains(&kept("sigmoid, He, 16 layers")));
        assert!((0.6..0.8).contains(&kept("relu, Xavier, 16 layers")));
        // At slope 1/4 these weights make up for it; where the sums are large, the slope is less.
        assert!((0.5..0.75).contains(&kept("sigmoid, 4 times Xavier, 16 layers")));
        assert!((0.85..1.15).contains(&kept("relu, He, 16 layers")));
        let (again, _) = CLAIM.examine(&context);
        assert_eq!(again.figures, claim.figures, "the same seed gives the same result");
        let other = Context { seed: 4, ..context };
        assert_ne!(CLAIM.examine(&other).0.figures, claim.figures);
    }
}
