//! Range: sigmoid is said to stay within (0, 1) and ReLU within [0, inf). Every input is counted,
//! and where a result reaches an end is looked for.

use super::census::{Census, Half, Tally, Which};
use super::{Context, Experiment, Findings};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::{Error, Result};
use crate::kernels::activation::{Activation, Direction, Variant};
use crate::kernels::bounds::Case;
use crate::kernels::dtype::Dtype;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "range",
    statement: "sigmoid gives values in (0, 1), ReLU values in [0, infinity)",
    run,
};

/// Of so many f32, quick looks at one.
const QUICK_STRIDE: u32 = 17;

/// The largest x of the plot.
const PLOTTED: u32 = 110;

/// What a variant gave.
struct Ends {
    path: String,
    all: Tally,
    /// The x nearest to 0 whose result is 0, and that whose result is 1.
    zero_at: Option<f64>,
    one_at: Option<f64>,
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let sigmoid = Activation::named("sigmoid").expect("in the table");
    let relu = Activation::named("relu").expect("in the table");
    let (mut figures, mut notes) = (Vec::new(), Vec::new());
    let mut of_default = Vec::new();
    let mut relu_holds = true;
    for dtype in Dtype::ALL {
        // The other variants of sigmoid differ in where they leave f32, which is told once.
        let variants =
            forward_variants(sigmoid, dtype).take(if dtype == Dtype::F32 { usize::MAX } else { 1 });
        for (index, variant) in variants.enumerate() {
            (context.progress)(&format!("sigmoid/{} in {}", variant.name, dtype.name()));
            match ends(context, sigmoid, variant, dtype) {
                Ok(ends) => {
                    figures.extend(figures_of_sigmoid(&ends));
                    if index == 0 {
                        of_default.push((dtype, ends));
                    }
                }
                Err(Error::Unsupported(reason)) => {
                    notes.push(format!("{} was not looked at: {reason}", dtype.name()));
                }
                Err(error) => return Err(error),
            }
        }
        let variant = forward_variants(relu, dtype).next().expect("a forward variant");
        match ends(context, relu, variant, dtype) {
            Ok(ends) => {
                relu_holds &= ends.all.negative == 0 && ends.all.not_finite() == 0;
                figures.extend(figures_of_relu(&ends));
            }
            Err(Error::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if context.either(true, false) {
        notes
            .push(format!("Of f32, one input in {QUICK_STRIDE} was looked at, and every one where an end is reached."));
    }
    let within = |tally: &Tally| tally.above == 0 && tally.negative == 0 && tally.not_finite() == 0;
    let sigmoid_is_open =
        of_default.iter().all(|(_, ends)| within(&ends.all) && ends.all.zeros + ends.all.ones == 0);
    let sigmoid_is_within = of_default.iter().all(|(_, ends)| within(&ends.all));
    Ok(Findings {
        outcome: Outcome::of([sigmoid_is_open, sigmoid_is_within, relu_holds]),
        conclusion: conclusion(&of_default, sigmoid_is_within, relu_holds),
        seeds: Vec::new(),
        figures,
        plots: vec![plot(context, sigmoid)?],
        notes,
    })
}

fn forward_variants(
    activation: &'static Activation,
    dtype: Dtype,
) -> impl Iterator<Item = &'static Variant> {
    let fits = move |variant: &&Variant| {
        variant.pass.direction() == Direction::Forward && (variant.is_for)(dtype)
    };
    activation.variants.iter().filter(fits)
}

fn census<'gpu>(
    context: &Context<'gpu>,
    activation: &Activation,
    variant: &Variant,
    dtype: Dtype,
) -> Result<Census<'gpu>> {
    let function = format!("{}_{}", activation.name, variant.name);
    Census::new(context.gpu, dtype, activation.wgsl, &function, 1.0)
}

fn ends(
    context: &Context<'_>,
    activation: &Activation,
    variant: &Variant,
    dtype: Dtype,
) -> Result<Ends> {
    let census = census(context, activation, variant, dtype)?;
    census.check(|x, first_bits| {
        (variant.allowed)(&Case {
            dtype,
            first: x,
            first_bits,
            dy: 0.0,
            reference: variant.pass.reference(x, 0.0),
        })
    })?;
    let stride = context.either(QUICK_STRIDE, 1);
    let (positive, negative): (Half, Half) =
        (census.half(false, stride)?, census.half(true, stride)?);
    Ok(Ends {
        path: format!("{}/{}/{}", dtype.name(), activation.name, variant.name),
        all: positive.sum().and(&negative.sum()),
        zero_at: census.find(Which::First, &negative, |tally| tally.zeros > 0)?,
        one_at: census.find(Which::First, &positive, |tally| tally.ones > 0)?,
    })
}

fn figures_of_sigmoid(ends: &Ends) -> Vec<Figure> {
    let Ends { path, all, zero_at, one_at } = ends;
    let place = |what: &str, at: Option<f64>| {
        let name = format!("{path}: {what}");
        match at {
            Some(at) => Figure::new(name, "", at),
            None => Figure::none(name, "", "no finite x does"),
        }
    };
    let outside = all.above + all.negative + all.not_finite();
    vec![
        place("largest x that gives 0", *zero_at),
        place("smallest x that gives 1", *one_at),
        ends.share("inputs that give 0 or 1", all.zeros + all.ones),
        ends.count("inputs that give what is not in [0, 1]", outside),
    ]
}

fn figures_of_relu(ends: &Ends) -> Vec<Figure> {
    let Ends { path, all, .. } = ends;
    let outside = all.negative + all.not_finite();
    vec![
        Figure::new(format!("{path}: smallest result"), "", all.lowest),
        Figure::new(format!("{path}: largest result"), "", all.highest),
        ends.share("inputs that give 0", all.zeros),
        ends.count("inputs that give what is not in [0, infinity)", outside),
    ]
}

impl Ends {
    fn share(&self, what: &str, part: u64) -> Figure {
        Figure::new(format!("{}: {what}", self.path), "%", percent(part, self.all.inputs))
    }

    fn count(&self, what: &str, inputs: u64) -> Figure {
        Figure::new(format!("{}: {what}", self.path), "", count(inputs))
            .noted(format!("of {} finite inputs", self.all.inputs))
    }
}

fn conclusion(of_default: &[(Dtype, Ends)], sigmoid_is_within: bool, relu_holds: bool) -> String {
    let interval = |(dtype, ends): &(Dtype, Ends)| {
        let end = |at: Option<f64>| at.map_or("any x".to_owned(), |at| format!("{at:.2}"));
        format!("{} < x < {} ({})", end(ends.zero_at), end(ends.one_at), dtype.name())
    };
    let intervals: Vec<String> = of_default.iter().map(interval).collect();
    let shares = of_default
        .first()
        .map(|(_, ends)| percent(ends.all.zeros + ends.all.ones, ends.all.inputs));
    let mut text = intervals.join(", ");
    if let Some(share) = shares {
        text += &format!(
            "; beyond, sigmoid is exactly 0 or 1, which {share:.1} % of all finite f32 give"
        );
    }
    if !sigmoid_is_within {
        text += "; and some results are not even in [0, 1]";
    }
    text + if relu_holds {
        "; ReLU is never below 0 nor infinite"
    } else {
        "; ReLU leaves [0, infinity)"
    }
}

/// How far sigmoid stays from its ends, against what it should.
fn plot(context: &Context<'_>, sigmoid: &'static Activation) -> Result<Plot> {
    let variant = forward_variants(sigmoid, Dtype::F32).next().expect("a forward variant");
    let census = census(context, sigmoid, variant, Dtype::F32)?;
    let distance = |sign: f64, end: f64| -> Result<Vec<Point>> {
        (0..=PLOTTED)
            .map(|x| {
                let y = census.results(Dtype::F32.bits(sign * f64::from(x)), 1)?[0];
                // A logarithmic axis has no 0.
                let distance =
                    Some((y - end).abs()).filter(|distance| *distance > 0.0).unwrap_or(f64::NAN);
                Ok(Point::new(f64::from(x), distance))
            })
            .collect()
    };
    let reference = (0..=PLOTTED)
        .map(|x| Point::new(f64::from(x), crate::kernels::reference::sigmoid(-f64::from(x))))
        .collect();
    let line = |label: &str, points| Series { label: label.to_owned(), points };
    Ok(Plot {
        title:
            "How far sigmoid in f32 stays from 0 and from 1: where there is no point, it is there"
                .to_owned(),
        x: Axis::linear("|x|"),
        y: Axis::log2("distance"),
        series: vec![
            line("exact", reference),
            line("sigmoid(-|x|), from 0", distance(-1.0, 0.0)?),
            line("sigmoid(|x|), from 1", distance(1.0, 1.0)?),
        ],
    })
}

fn count(number: u64) -> f64 {
    number as f64
}

/// A share as a percentage.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    100.0 * count(part) / count(whole.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::claims::report::Claim;
    use crate::gpu::{Choice, Gpu};
    use crate::report::Status;

    fn value(claim: &Claim, name: &str) -> f64 {
        let figure = claim.figures.iter().find(|figure| figure.name == name);
        figure
            .and_then(|figure| figure.value)
            .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
    }

    #[test]
    fn sigmoid_reaches_its_ends_where_f32_rounds_to_them_and_relu_its_own_alone() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        // 1 + z rounds to 1 from ln(2^24) on, and sigmoid itself to 1 from ln(2^25) on; exp(x) is
        // subnormal below ln(2^-126), and 0 below ln(2^-150).
        let one = value(&claim, "f32/sigmoid/two_sided: smallest x that gives 1");
        assert!((16.6..17.4).contains(&one), "{one}");
        let zero = value(&claim, "f32/sigmoid/two_sided: largest x that gives 0");
        assert!((-104.0..-87.3).contains(&zero), "{zero}");
        assert_eq!(
            value(&claim, "f32/sigmoid/two_sided: inputs that give what is not in [0, 1]"),
            0.0
        );
        assert_eq!(value(&claim, "f32/relu/plain: largest result"), f64::from(f32::MAX));
        assert_eq!(
            value(&claim, "f32/relu/plain: inputs that give what is not in [0, infinity)"),
            0.0
        );
        let (again, _) = CLAIM.examine(&context);
        assert_eq!(
            (&again.figures, &again.plots),
            (&claim.figures, &claim.plots),
            "the same every time"
        );
    }
}
