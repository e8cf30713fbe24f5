//! Range: sigmoid is said to stay within (0, 1) and ReLU within [0, inf). Every input is counted,
//! and where a result reaches an end is looked for.

use super::census::{self, Census, Half, QUICK_STRIDE, Tally, Which};
use super::{Context, Experiment, Findings};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::kernels::activation::Direction;
use crate::kernels::activations::sigmoid;
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::{self, Kernel};
use crate::kernels::tolerance::Case;

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "range",
    statement: "sigmoid gives values in (0, 1), ReLU values in [0, infinity)",
    run,
};

/// The largest x of the plot.
const PLOTTED: u32 = 110;

/// What a variant gave.
struct Ends {
    kernel: Kernel,
    all: Tally,
    /// The x nearest to 0 whose result is 0, and that whose result is 1.
    zero_at: Option<f64>,
    one_at: Option<f64>,
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let (dtypes, notes) = census::scope(context);
    let (mut figures, mut of_default) = (Vec::new(), Vec::new());
    let mut relu_holds = true;
    for dtype in dtypes {
        // The other variants of sigmoid differ in where they leave f32, which is told once.
        let most = if dtype == Dtype::F32 { usize::MAX } else { 1 };
        for (index, kernel) in forward("sigmoid", dtype).take(most).enumerate() {
            (context.progress)(&format!("{} in {}", kernel.member_id(), dtype.name()));
            let ends = Ends::of(context, kernel)?;
            figures.extend(ends.of_sigmoid());
            if index == 0 {
                of_default.push(ends);
            }
        }
        let kernel = forward("relu", dtype).next().expect("in the table");
        let ends = Ends::of(context, kernel)?;
        relu_holds &= ends.all.negative + ends.all.not_finite() == 0;
        figures.extend(ends.of_relu());
    }
    let is_within = of_default.iter().all(|ends| ends.all.outside() == 0);
    let is_open = is_within && of_default.iter().all(|ends| ends.reached() == 0);
    Ok(Findings {
        outcome: Outcome::of([is_open, is_within, relu_holds]),
        conclusion: conclusion(&of_default, is_within, relu_holds),
        seeds: Vec::new(),
        figures,
        plots: vec![plot(context, of_default[0].kernel)?],
        notes,
    })
}

/// The forward kernels of an activation, the default first.
fn forward(activation: &str, dtype: Dtype) -> impl Iterator<Item = Kernel> {
    kernel::all().filter(move |kernel| {
        kernel.direction() == Direction::Forward
            && kernel.activation.name == activation
            && kernel.dtype == dtype
    })
}

fn census<'gpu>(context: &Context<'gpu>, kernel: Kernel) -> Result<Census<'gpu>> {
    let outcome = format!("{}_{}(x)", kernel.activation.name, kernel.variant.name);
    Census::new(context.gpu, kernel.dtype, "", &outcome, 1.0)
}

impl Ends {
    fn of(context: &Context<'_>, kernel: Kernel) -> Result<Self> {
        let variant = kernel.variant;
        let census = census(context, kernel)?;
        census.check(|case| {
            let reference = variant.pass.reference(case.first, 0.0);
            variant.allowed(&Case { reference, ..case })
        })?;
        let halves = census.halves(context.either(QUICK_STRIDE, 1))?;
        Ok(Self {
            kernel,
            all: Half::sum_of(&halves),
            zero_at: census.find(Which::First, &halves[1], |tally| tally.zeros > 0)?,
            one_at: census.find(Which::First, &halves[0], |tally| tally.ones > 0)?,
        })
    }

    /// Results that are 0 or 1.
    fn reached(&self) -> u64 {
        self.all.zeros + self.all.ones
    }

    fn name(&self, what: &str) -> String {
        format!("{}/{}: {what}", self.kernel.dtype.name(), self.kernel.member_id())
    }

    fn share(&self, what: &str, part: u64) -> Figure {
        Figure::new(self.name(what), "%", percent(part, self.all.inputs))
    }

    fn count(&self, what: &str, inputs: u64) -> Figure {
        Figure::new(self.name(what), "", inputs as f64)
            .noted(format!("of {} finite inputs", self.all.inputs))
    }

    fn of_sigmoid(&self) -> [Figure; 4] {
        let place = |what: &str, at: Option<f64>| match at {
            Some(at) => Figure::new(self.name(what), "", at),
            None => Figure::none(self.name(what), "", "no finite x does"),
        };
        [
            place("largest x that gives 0", self.zero_at),
            place("smallest x that gives 1", self.one_at),
            self.share("inputs that give 0 or 1", self.reached()),
            self.count("inputs that give what is not in [0, 1]", self.all.outside()),
        ]
    }

    fn of_relu(&self) -> [Figure; 4] {
        let outside = self.all.negative + self.all.not_finite();
        [
            Figure::new(self.name("smallest result"), "", self.all.lowest),
            Figure::new(self.name("largest result"), "", self.all.highest),
            self.share("inputs that give 0", self.all.zeros),
            self.count("inputs that give what is not in [0, infinity)", outside),
        ]
    }
}

fn conclusion(of_default: &[Ends], is_within: bool, relu_holds: bool) -> String {
    let interval = |ends: &Ends| {
        let end = |at: Option<f64>| at.map_or("any x".to_owned(), |at| format!("{at:.2}"));
        format!("{} < x < {} ({})", end(ends.zero_at), end(ends.one_at), ends.kernel.dtype.name())
    };
    let all = &of_default[0].all;
    let mut text = format!(
        "{}; beyond, sigmoid is exactly 0 or 1, which {:.1} % of all finite f32 give",
        of_default.iter().map(interval).collect::<Vec<_>>().join(", "),
        percent(all.zeros + all.ones, all.inputs)
    );
    if !is_within {
        text += "; and some results are not even in [0, 1]";
    }
    text + if relu_holds {
        "; ReLU is never below 0 nor infinite"
    } else {
        "; ReLU leaves [0, infinity)"
    }
}

/// How far sigmoid stays from its ends, against what it should.
fn plot(context: &Context<'_>, sigmoid: Kernel) -> Result<Plot> {
    let census = census(context, sigmoid)?;
    let line = |label: &str, distance: &dyn Fn(f64) -> Result<f64>| -> Result<Series> {
        let point = |x: u32| {
            let distance = distance(x.into())?;
            // A logarithmic axis has no 0.
            Ok(Point::new(x.into(), if distance > 0.0 { distance } else { f64::NAN }))
        };
        let points = (0..=PLOTTED).map(point).collect::<Result<_>>()?;
        Ok(Series { label: label.to_owned(), points })
    };
    Ok(Plot {
        title:
            "How far sigmoid in f32 stays from 0 and from 1: where there is no point, it is there"
                .to_owned(),
        x: Axis::linear("|x|"),
        y: Axis::log2("distance"),
        series: vec![
            line("exact", &|x| Ok(sigmoid::sigmoid(-x)))?,
            line("sigmoid(-|x|), from 0", &|x| Ok(census.result(-x)?.abs()))?,
            line("sigmoid(|x|), from 1", &|x| Ok((census.result(x)? - 1.0).abs()))?,
        ],
    })
}

/// A share as a percentage.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
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
