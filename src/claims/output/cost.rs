//! What loss and gradient take: from the logit in one kernel, or a layer a kernel.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::allowed::{self, Input};
use super::{Pairs, RESULTS, Rule, program, step};
use crate::claims::report::Figure;
use crate::claims::{Context, Group, as_f64, check, net};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Sequence, ShaderChecks};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;
use crate::measure::stats::Estimate;

/// What loss and gradient take.
pub struct Cost {
    elements: usize,
    /// Fused, the same with the built-in log, sigmoid and log in one kernel, and in three.
    group: Group,
}

impl Cost {
    pub fn measured(context: &Context<'_>) -> Result<Self> {
        let gpu = context.gpu;
        let elements: usize = if gpu.facts.is_software { 1 << 20 } else { 1 << 24 };
        let layers = Layers::new(context, elements)?;
        let one = |function| layers.pairs.sequence(gpu, function);
        let sequences = [
            one("output_fused")?,
            one("output_fused_log")?,
            one("output_apart")?,
            layers.three(gpu)?,
        ];
        let allowed: [Rule; 4] =
            [allowed::fused, allowed::fused_log, allowed::apart, allowed::apart];
        for (sequence, allowed) in sequences.iter().zip(allowed) {
            layers.check(gpu, sequence, allowed)?;
        }
        Ok(Self { elements, group: Group::timed(context, &sequences.each_ref())? })
    }

    /// Sigmoid and log, in three kernels and in one, over fused.
    pub fn over_fused(&self) -> [Estimate; 2] {
        [self.group.over(3, 0), self.group.over(2, 0)]
    }

    pub fn figures(&self) -> Vec<Figure> {
        let (n, elements) = (self.elements, as_f64(self.elements));
        let mut figures = Vec::new();
        // Logit, label, loss, gradient; apart, y is written and read twice and dy once besides.
        for (member, name, bytes) in [
            (0, "fused", 16.0),
            (1, "fused, built-in log", 16.0),
            (3, "sigmoid, log, in three kernels", 36.0),
        ] {
            let time = self.group.ns(member);
            let (of_one, rate) = (time.times(1.0 / elements), time.rate_of(bytes * elements));
            figures.push(Figure::estimated(format!("{name}: time"), "ns/element", of_one));
            let rate = Figure::estimated(format!("{name}: throughput"), "GB/s", rate);
            figures.push(rate.noted(format!("{bytes} bytes an element, {n} elements")));
        }
        for (kernels, ratio) in ["three kernels", "one kernel"].into_iter().zip(self.over_fused()) {
            let name = format!("sigmoid, log, in {kernels} : fused");
            figures.push(Figure::estimated(name, "x", ratio));
        }
        figures
    }
}

/// Logits and labels, with what layers keep between them.
struct Layers {
    pairs: Pairs,
    logits: Vec<f32>,
    labels: Vec<f32>,
    y: Buffer,
    dy: Buffer,
}

/// Elements that are compared before they are timed.
const CHECKED: usize = 1 << 14;

/// What is there before a kernel runs: no loss is below 0 by more than rounding, and no gradient
/// beyond 1.
const UNWRITTEN: f32 = -1e30;

impl Layers {
    fn new(context: &Context<'_>, elements: usize) -> Result<Self> {
        let gpu = context.gpu;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(context.seed);
        let logits = net::normal(&mut random, elements, 2.0);
        let labels: Vec<f32> = (0..elements).map(|_| f32::from(random.random::<bool>())).collect();
        let pairs = Pairs::new(gpu, elements)?;
        gpu.store(&pairs.first, &logits)?;
        gpu.store(&pairs.label, &labels)?;
        let [y, dy] = [gpu.buffer("y", elements)?, gpu.buffer("dy", elements)?];
        Ok(Self { pairs, logits, labels, y, dy })
    }

    /// A layer a kernel: y from the logit, loss and dy from y, the gradient from y and dy.
    fn three(&self, gpu: &Gpu) -> Result<Sequence> {
        let Self { pairs: Pairs { first, label, loss, gradient }, y, dy, .. } = self;
        let sigmoid = Activation::named("sigmoid").expect("in the table");
        let kernel = |direction, buffers: &[&Buffer]| {
            let kernel =
                Kernel::default_variant(sigmoid, direction, Dtype::F32).expect("a default variant");
            let checks = ShaderChecks::Trusted;
            step(gpu, &gpu.program(&kernel.path(), &kernel.wgsl(), &[], checks)?, buffers)
        };
        Ok(Sequence::new(
            "sigmoid, cross-entropy and the gradient of sigmoid",
            vec![
                kernel(Direction::Forward, &[y, first])?,
                step(gpu, &program(gpu, "cross_entropy")?, &[loss, dy, y, label])?,
                kernel(Direction::Backward, &[gradient, y, dy])?,
            ],
        ))
    }

    /// Runs it once and compares the first results with what is allowed.
    fn check(&self, gpu: &Gpu, sequence: &Sequence, allowed: Rule) -> Result<()> {
        let buffers = [&self.pairs.loss, &self.pairs.gradient];
        for buffer in buffers {
            gpu.store(buffer, &vec![UNWRITTEN; buffer.words])?;
        }
        gpu.run_sequence(sequence, 1)?;
        let made: [Vec<f32>; 2] = [gpu.load(buffers[0])?, gpu.load(buffers[1])?];
        let path = &sequence.path;
        for (index, (x, label)) in self.logits.iter().zip(&self.labels).enumerate() {
            let made = made.each_ref().map(|made| made[index]);
            check::ensure(!made.contains(&UNWRITTEN), || {
                format!("{path}: element {index} was not computed")
            })?;
            if index >= CHECKED {
                continue;
            }
            let allowed = allowed(&Input { x: f64::from(*x), is_one: *label == 1.0 });
            for ((what, actual), allowed) in RESULTS.into_iter().zip(made).zip(allowed) {
                check::ensure(allowed.contains(actual.into(), actual.to_bits()), || {
                    format!(
                        "{path}: the {what} of logit {x:e} with label {label} is {actual:e}, which is none of {allowed:?}"
                    )
                })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::allowed::{apart, fused};
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::Choice;
    use crate::kernels::inputs::DEFAULT_SEED;

    #[test]
    fn layers_are_compared_before_they_are_timed() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context =
            Context { gpu: &gpu, extent: Extent::Quick, seed: DEFAULT_SEED, progress: &|_| () };
        // No multiple of a workgroup's elements.
        let layers = Layers::new(&context, 5 * 4 * super::super::WORKGROUP + 12).expect("room");
        let sequence = |function| layers.pairs.sequence(&gpu, function).expect("it compiles");
        layers.check(&gpu, &sequence("output_fused"), fused).expect("right");
        layers.check(&gpu, &sequence("output_apart"), apart).expect("right");
        layers.check(&gpu, &layers.three(&gpu).expect("it compiles"), apart).expect("right");
        assert!(layers.check(&gpu, &sequence("output_relu"), fused).is_err());
        let wrong = Layers { logits: layers.logits.iter().map(|x| x + 0.001).collect(), ..layers };
        let fused_again = wrong.pairs.sequence(&gpu, "output_fused").expect("it compiles");
        assert!(wrong.check(&gpu, &fused_again, fused).is_err());
    }
}
