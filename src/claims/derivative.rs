//! Derivative: that of sigmoid is said to be at most a quarter, that of ReLU 1 or 0. Every input is
//! counted, and where the first falls under each power of two is looked for, above 0 and below.

use super::census::{self, Census, Half, QUICK_STRIDE, Tally, Which};
use super::range::percent;
use super::{Context, Experiment, Findings};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::Result;
use crate::kernels::activations::{relu, sigmoid};
use crate::kernels::dtype::Dtype;
use crate::kernels::tolerance::{Allowed, Case};

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "derivative",
    statement: "the derivative of sigmoid is at most 0.25 and vanishes for large |x|, that of ReLU is 1 or 0",
    run,
};

/// The largest a derivative of sigmoid may be.
const QUARTER: f32 = 0.25;

/// Of f32 it is told how far out the derivative stays under these 2^-k; the plot has every k.
const TOLD: [i32; 6] = [3, 4, 8, 12, 16, 24];

/// A derivative.
struct Way {
    name: &'static str,
    /// What gives it, for a dy of 1, in WGSL.
    wgsl: &'static str,
    /// What the bound is of.
    reference: fn(f64) -> f64,
    allowed: fn(&Case) -> Allowed,
}

const WAYS: [Way; 3] = [
    Way {
        name: "sigmoid from x",
        wgsl: "sigmoid_from_x(x, T(1.0))",
        reference: sigmoid::sigmoid_derivative,
        allowed: |case| sigmoid::SIGMOID.variant("from_x").allowed(case),
    },
    Way {
        name: "sigmoid from y",
        wgsl: "sigmoid_from_y(T(as_stored(sigmoid_two_sided(x))), T(1.0))",
        reference: sigmoid::sigmoid,
        allowed: from_rounded_y,
    },
    Way {
        name: "ReLU",
        wgsl: "relu_from_x(x, T(1.0))",
        reference: |x| relu::relu_backward(x, 1.0),
        allowed: |case| relu::RELU.variant("from_y").allowed(case),
    },
];

/// What a way gave in a dtype.
struct Found {
    way: &'static Way,
    dtype: Dtype,
    all: Tally,
    largest_at: Option<f64>,
    /// Of sigmoid's derivative, above 0 and below; none of ReLU's.
    ends: Option<[End; 2]>,
}

/// Where a derivative vanishes on one side of 0.
struct End {
    /// The x nearest to 0 beyond which it stays under 2^-k, by k.
    under: Vec<(i32, f64)>,
    /// The x nearest to 0 beyond which it is 0.
    zero_from: Option<f64>,
}

/// How an end is told, above 0 and below.
const SIDES: [&str; 2] = ["x >=", "x <="];

impl End {
    fn of(census: &Census<'_>, half: &Half) -> Result<Self> {
        let dtype = census.dtype;
        // The x behind the last one whose derivative is such, away from 0; none if all are.
        let behind = |is_such: &dyn Fn(f64) -> bool| -> Result<Option<f64>> {
            let last = census.find(Which::Last, half, |tally| is_such(tally.highest))?;
            let next = last.map(|x| dtype.value(dtype.bits(x) + 1));
            Ok(next.filter(|x| x.is_finite()))
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most 149")]
        let most = -dtype.memory().smallest().log2() as i32;
        let mut under = Vec::new();
        for k in 2..=most {
            let level = f64::powi(2.0, -k);
            under.extend(behind(&|highest| highest >= level)?.map(|x| (k, x)));
        }
        Ok(Self { under, zero_from: behind(&|highest| highest > 0.0)? })
    }
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let (dtypes, mut notes) = census::scope(context);
    let mut found = Vec::new();
    for dtype in dtypes {
        for way in &WAYS {
            (context.progress)(&format!("{} in {}", way.name, dtype.name()));
            found.push(Found::of(context, way, dtype)?);
        }
    }
    notes.push(
        "From y: 1 - y of the y that is stored, so that its digits are those that y has left."
            .to_owned(),
    );
    Ok(Findings {
        outcome: Outcome::of(found.iter().map(Found::holds)),
        conclusion: conclusion(&found),
        seeds: Vec::new(),
        figures: found.iter().flat_map(Found::figures).collect(),
        plots: vec![plot(&found)],
        notes,
    })
}

impl Found {
    fn of(context: &Context<'_>, way: &'static Way, dtype: Dtype) -> Result<Self> {
        let census = Census::new(context.gpu, dtype, "", way.wgsl, QUARTER)?;
        census.check(|case| {
            let reference = (way.reference)(case.first);
            (way.allowed)(&Case { dy: 1.0, reference, ..case })
        })?;
        let halves = census.halves(context.either(QUICK_STRIDE, 1))?;
        let all = Half::sum_of(&halves);
        let [positive, negative] = &halves;
        let largest_in =
            |half| census.find(Which::First, half, |tally| tally.highest >= all.highest);
        let largest_at = match largest_in(positive)? {
            None => largest_in(negative)?,
            found => found,
        };
        let ends = match way.name {
            "ReLU" => None,
            _ => Some([End::of(&census, positive)?, End::of(&census, negative)?]),
        };
        Ok(Self { way, dtype, all, largest_at, ends })
    }

    fn holds(&self) -> bool {
        match &self.ends {
            None => self.neither() == 0,
            Some(ends) => self.all.outside() == 0 && ends.iter().all(|end| end.zero_from.is_some()),
        }
    }

    /// Inputs whose derivative is neither 1 nor 0.
    fn neither(&self) -> u64 {
        self.all.inputs - self.all.zeros - self.all.ones
    }

    /// Whether some sigmoid' exceeds a quarter.
    fn is_over(&self) -> bool {
        self.ends.is_some() && self.all.above > 0
    }

    fn path(&self) -> String {
        format!("{} in {}", self.way.name, self.dtype.name())
    }

    fn figures(&self) -> Vec<Figure> {
        let Self { all, ends, .. } = self;
        let name = |what: &str| format!("{}: {what}", self.path());
        let share = |what: &str, part: u64| Figure::new(name(what), "%", percent(part, all.inputs));
        let Some(ends) = ends else {
            return vec![
                share("inputs whose derivative is 1", all.ones),
                share("inputs whose derivative is neither 1 nor 0", self.neither()),
            ];
        };
        let at = self.largest_at.map(|x| format!("first at {x:.3e}")).unwrap_or_default();
        let mut figures = vec![
            Figure::new(name("largest"), "", all.highest)
                .noted(format!("{:.9}, {at}", all.highest)),
            share("inputs above 0.25", all.above).noted(format!("{} of {}", all.above, all.inputs)),
        ];
        for ((end, side), sign) in ends.iter().zip(SIDES).zip([1.0, -1.0]) {
            let is_told = |k: i32| self.dtype == Dtype::F32 && TOLD.contains(&k);
            for (k, x) in end.under.iter().filter(|(k, _)| is_told(*k)) {
                let figure = Figure::new(name(&format!("under 2^-{k} for {side}")), "", *x);
                figures.push(figure.noted(format!("exactly: {:.3}", sign * exact(*k))));
            }
            let name = name(&format!("0 for {side}"));
            figures.push(match end.zero_from {
                Some(x) => Figure::new(name, "", x),
                None => Figure::none(name, "", "it never is"),
            });
        }
        figures
    }

    /// What it is at most and where it vanishes, in words.
    fn told(&self) -> String {
        let Self { all, ends, .. } = self;
        let Some(ends) = ends else {
            return match self.neither() {
                0 => "ReLU's is 1 or 0 everywhere".to_owned(),
                other => format!("ReLU's is neither 1 nor 0 for {other} inputs"),
            };
        };
        let largest = all.highest;
        let most = if self.is_over() {
            let share = percent(all.above, all.inputs);
            format!("{largest:.9} (over a quarter for {share:.2} % of the inputs)")
        } else {
            largest.to_string()
        };
        let places = |place: fn(&End) -> Option<f64>| {
            let told = |(end, side): (&End, &str)| place(end).map(|x| format!("{side} {x:.2}"));
            let told: Vec<String> = ends.iter().zip(SIDES).filter_map(told).collect();
            if told.is_empty() { "no x".to_owned() } else { told.join(" and ") }
        };
        let under = places(|end| end.under.iter().find(|(k, _)| *k == 24).map(|(_, x)| *x));
        let zero = places(|end| end.zero_from);
        format!("{} at most {most}, under 2^-24 for {under}, exactly 0 for {zero}", self.way.name)
    }
}

/// y (1 - y) of any y that sigmoid may give.
fn from_rounded_y(case: &Case) -> Allowed {
    let Allowed::Within { lowest, highest } =
        sigmoid::SIGMOID.variant("two_sided").allowed(&Case { dy: 0.0, ..*case })
    else {
        return Allowed::Anything;
    };
    let ends = [lowest.max(0.0), highest];
    let mut all = (f64::INFINITY, f64::NEG_INFINITY);
    // It rises until y = 1/2 and falls behind it.
    let top = (ends[0] <= 0.5 && 0.5 <= ends[1]).then_some(0.5);
    for y in ends.into_iter().chain(top) {
        let of_y = Case { first: y, reference: sigmoid::from_y(y, 1.0), ..*case };
        let Allowed::Within { lowest, highest } = sigmoid::SIGMOID.variant("from_y").allowed(&of_y)
        else {
            return Allowed::Anything;
        };
        all = (all.0.min(lowest), all.1.max(highest));
    }
    Allowed::Within { lowest: all.0, highest: all.1 }
}

/// The x > 0 where sigmoid' is 2^-k: 1 / (4 cosh(x/2)^2) = 2^-k.
fn exact(k: i32) -> f64 {
    2.0 * f64::powf(2.0, f64::from(k) / 2.0 - 1.0).acosh()
}

fn conclusion(found: &[Found]) -> String {
    let is_over = found.iter().any(Found::is_over);
    let condition = if is_over { "a rounding is allowed for; " } else { "" };
    let of_f32 = found.iter().filter(|found| found.dtype == Dtype::F32).map(Found::told);
    format!("{condition}in f32: {}", of_f32.collect::<Vec<_>>().join("; "))
}

fn plot(found: &[Found]) -> Plot {
    // From left to right: up on the side below 0, and down on the other.
    let line = |label: String, [above, below]: [&[(i32, f64)]; 2]| Series {
        label,
        points: (below.iter().rev().chain(above))
            .map(|(k, x)| Point::new(*x, f64::powi(2.0, -k)))
            .collect(),
    };
    let exact = [1.0, -1.0].map(|sign| (2..=149).map(|k| (k, sign * exact(k))).collect::<Vec<_>>());
    let exact = line("exact".to_owned(), exact.each_ref().map(Vec::as_slice));
    let measured = found.iter().filter_map(|found| {
        let ends = found.ends.as_ref()?;
        Some(line(found.path(), ends.each_ref().map(|end| &end.under[..])))
    });
    Plot {
        title: "How far out the derivative of sigmoid falls under a level".to_owned(),
        x: Axis::linear("x"),
        y: Axis::log2("level"),
        series: std::iter::once(exact).chain(measured).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::{Choice, Gpu};
    use crate::kernels::built_ins::BuiltIns;
    use crate::report::Status;

    #[test]
    fn levels_are_where_the_derivative_has_them() {
        assert_eq!(exact(2), 0.0);
        for k in 3..150 {
            let derivative = sigmoid::sigmoid_derivative(exact(k));
            assert!((derivative * f64::powi(2.0, k) - 1.0).abs() < 1e-12, "{k}: {derivative:e}");
        }
    }

    #[test]
    fn what_is_allowed_from_a_rounded_y_holds_the_truth_and_no_more_than_it_must() {
        for x in [-80.0, -5.0, -0.1, 0.0, 1e-3, 2.0, 8.0, 16.0, 17.0, 40.0] {
            let case = Case {
                dtype: Dtype::F32,
                first: x,
                first_bits: Dtype::F32.bits(x),
                dy: 1.0,
                reference: sigmoid::sigmoid(x),
                built_ins: BuiltIns::default(),
            };
            let Allowed::Within { lowest, highest } = from_rounded_y(&case) else { panic!("{x}") };
            let reference = sigmoid::sigmoid_derivative(x);
            assert!(
                lowest <= reference && reference <= highest,
                "{x}: {lowest:e} {reference:e} {highest:e}"
            );
            // The digits of 1 - y are those that y has left.
            let step = if x > 0.0 { 4.0 * f64::from(f32::EPSILON) } else { 1e-4 * reference };
            assert!(
                highest - lowest < 12.0 * step + 1e-5 * reference,
                "{x}: {lowest:e} {highest:e}"
            );
        }
    }

    #[test]
    fn on_the_adapter_it_falls_under_each_level_where_it_should() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        let value = |name: &str| {
            let figure = claim.figures.iter().find(|figure| figure.name == name);
            figure
                .and_then(|figure| figure.value)
                .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
        };
        for way in ["sigmoid from x in f32", "sigmoid from y in f32"] {
            let largest = value(&format!("{way}: largest"));
            assert!((0.25..0.250_001).contains(&largest), "{way}: {largest}");
            for k in [3, 4, 8, 12] {
                for (side, sign) in SIDES.into_iter().zip([1.0, -1.0]) {
                    let x = sign * value(&format!("{way}: under 2^-{k} for {side}"));
                    // From y, 1 - y is a multiple of 2^-24.
                    assert!((x - exact(k)).abs() < 2e-3, "{way}, {k}: {x}, {}", exact(k));
                }
            }
            // Below 0 both keep their digits as long as f32 holds exp(x): its smallest normal
            // number, or its smallest at all.
            let under = -value(&format!("{way}: under 2^-24 for x <="));
            assert!((under - exact(24)).abs() < 2e-3, "{way}: {under}");
            let zero = value(&format!("{way}: 0 for x <="));
            assert!((-104.0..-86.9).contains(&zero), "{way}: {zero}");
        }
        // y is 1 from there on, and so 1 - y is 0; from x the derivative is there as long as below
        // 0.
        let zero = value("sigmoid from y in f32: 0 for x >=");
        assert!((16.6..17.4).contains(&zero), "{zero}");
        let zero = value("sigmoid from x in f32: 0 for x >=");
        assert!((86.9..104.0).contains(&zero), "{zero}");
        let told = claim.conclusion.as_deref().unwrap_or_default();
        let (_, from_y) = told.split_once("sigmoid from y").unwrap_or_else(|| panic!("{told}"));
        assert!(
            from_y.contains("exactly 0 for x >= 1") && from_y.contains(" and x <= -"),
            "{told}"
        );
        // Lines go from left to right.
        for series in &claim.plots[0].series {
            let xs: Vec<f64> = series.points.iter().map(|point| point.x).collect();
            assert!(
                xs.is_sorted() && xs[0] < -16.0 && xs[xs.len() - 1] > 7.0,
                "{}: {xs:?}",
                series.label
            );
        }
        assert_eq!(value("ReLU in f32: inputs whose derivative is neither 1 nor 0"), 0.0);
        let (again, _) = CLAIM.examine(&context);
        assert_eq!(
            (&again.figures, &again.plots),
            (&claim.figures, &claim.plots),
            "the same every time"
        );
    }
}
