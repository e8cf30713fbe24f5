//! The twins of nets on the CPU in f64, and the comparison of both.

use rand::RngExt;

use super::{Design, Init, Net, Texts, Training, kernel, normal};
use crate::claims::{as_f64, check, in_f64, matmul, random_of};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Sequence};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::activations::sigmoid::sigmoid;

/// Of the norm of a tensor, what it may differ by from f64 at the size that is validated: WGSL
/// allows exp(x) (3 + 2|x|) ULP, which with a division is 20 for the x there are; three layers
/// there and back, and a product in each, make that 8 times as much, 2e-5. Faults are off by 1e-2
/// and more.
const ALLOWED: f64 = 3e-5;

/// The nets in f64.
#[derive(Clone)]
pub struct Twin {
    /// Their shape.
    pub design: Design,
    /// As of [`Net`].
    pub weights: Vec<Vec<f64>>,
    /// As of [`Net`].
    pub biases: Vec<Vec<f64>>,
}

impl Twin {
    /// Nets of these weights, which were drawn in f32.
    pub fn new(design: Design, weights: &[Vec<f32>]) -> Self {
        let of_layer = |units: &u32| vec![0.0; (design.nets * units) as usize];
        Self {
            biases: design.widths[1..].iter().map(of_layer).collect(),
            weights: weights.iter().map(|layer| in_f64(layer)).collect(),
            design,
        }
    }

    /// z of a layer, from the y below it.
    fn sums(&self, layer: usize, below: &[f64]) -> Vec<f64> {
        let (sizes, layouts) = self.design.forward(layer);
        let mut z = matmul::product(sizes, layouts, below, &self.weights[layer]);
        let units = sizes.columns as usize;
        for (sample, z) in z.chunks_exact_mut(units).enumerate() {
            let net = sample / self.design.batch as usize;
            z.iter_mut().zip(&self.biases[layer][net * units..]).for_each(|(z, bias)| *z += bias);
        }
        z
    }

    /// The inputs, then what each layer makes of them.
    pub fn forward(&self, inputs: &[f32]) -> Vec<Vec<f64>> {
        let forward = self.design.activation.forward().expect("an activation");
        let mut y = vec![in_f64(inputs)];
        for layer in 0..self.design.layers() {
            let z = self.sums(layer, &y[layer]);
            let mut made = z.clone();
            if layer + 1 < self.design.layers() {
                forward.references(&z, &[], &mut made);
            }
            y.push(made);
        }
        y
    }

    /// By layer, the gradient of its z, given that of the last.
    pub fn backward(&self, y: &[Vec<f64>], last: Vec<f64>) -> Vec<Vec<f64>> {
        let backward = kernel(self.design.activation, Direction::Backward).variant.pass;
        let mut from_the_last = vec![last];
        for layer in (1..self.design.layers()).rev() {
            let (sizes, layouts) = self.design.backward(layer);
            let dz = from_the_last.last().expect("the last at least");
            let dy = matmul::product(sizes, layouts, dz, &self.weights[layer]);
            let mut below = vec![0.0; dy.len()];
            backward.references(&y[layer], &dy, &mut below);
            from_the_last.push(below);
        }
        from_the_last.reverse();
        from_the_last
    }

    /// dW of a layer.
    fn gradient(&self, layer: usize, y: &[Vec<f64>], dz: &[Vec<f64>]) -> Vec<f64> {
        let (sizes, layouts) = self.design.gradient(layer);
        matmul::product(sizes, layouts, &dz[layer], &y[layer])
    }

    /// One step of training; returns the loss of each net before it.
    pub fn training_step(&mut self, inputs: &[f32], labels: &[f32], rates: &[f32]) -> Vec<f64> {
        let y = self.forward(inputs);
        let (batch, layers) = (self.design.batch as usize, self.design.layers());
        let logits = &y[layers];
        let loss = |(z, label): (&f64, &f32)| {
            z.max(0.0) - z * f64::from(*label) + (-z.abs()).exp().ln_1p()
        };
        let each: Vec<f64> = logits.iter().zip(labels).map(loss).collect();
        let size = as_f64(batch);
        let losses = each.chunks_exact(batch).map(|net| net.iter().sum::<f64>() / size).collect();
        let slope = |(z, label): (&f64, &f32)| (sigmoid(*z) - f64::from(*label)) / size;
        let dz = self.backward(&y, logits.iter().zip(labels).map(slope).collect());
        for layer in 0..layers {
            let gradient = self.gradient(layer, &y, &dz);
            let per_net = gradient.len() / rates.len();
            for (index, (weight, slope)) in self.weights[layer].iter_mut().zip(gradient).enumerate()
            {
                *weight -= f64::from(rates[index / per_net]) * slope;
            }
            let units = self.design.widths[layer + 1] as usize;
            for (sample, dz) in dz[layer].chunks_exact(units).enumerate() {
                let net = sample / batch;
                let biases = &mut self.biases[layer][net * units..][..units];
                let rate = f64::from(rates[net]);
                biases.iter_mut().zip(dz).for_each(|(bias, slope)| *bias -= rate * slope);
            }
        }
        losses
    }
}

/// Small nets with their data, to be compared with their twins: whatever the user's seed, the same,
/// so that no z is so close to 0 that rounding could put it on the other side of ReLU's corner.
struct Small {
    design: Design,
    weights: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
    inputs: Vec<f32>,
    labels: Vec<f32>,
    rates: [f32; 2],
    /// A gradient of the logits.
    last: Vec<f32>,
}

impl Small {
    /// Steps of training.
    const STEPS: u32 = 3;

    fn new(activation: &'static Activation) -> Self {
        let design = Design { nets: 2, batch: 71, widths: vec![3, 21, 35, 18, 1], activation };
        let mut random = random_of(3);
        let (inputs, logits) = (design.elements(0), design.elements(design.layers()));
        Self {
            inputs: normal(&mut random, inputs, 1.0),
            labels: (0..logits).map(|_| f32::from(random.random::<bool>())).collect(),
            rates: [0.5, 0.25],
            weights: design.draw(&[Init::He], &[1, 2]),
            biases: (design.widths[1..].iter())
                .map(|units| normal(&mut random, (design.nets * units) as usize, 0.5))
                .collect(),
            last: normal(&mut random, logits, 1.0),
            design,
        }
    }
}

/// Compares small nets of an activation with their twins: what each layer makes, every gradient,
/// and the losses, weights and biases of three steps of training. Sizes are odd and differ, so that
/// no two can be mistaken for one another.
pub fn validate(gpu: &Gpu, activation: &'static Activation, texts: &Texts) -> Result<()> {
    let Small { design, weights, biases, inputs, labels, rates, last } = Small::new(activation);
    let net = Net::new(gpu, design.clone(), texts)?;
    net.set_weights(&weights)?;
    gpu.store(&net.y[0], &inputs)?;
    let mut twin = Twin::new(design.clone(), &weights);
    for (layer, biases) in biases.iter().enumerate() {
        gpu.store(&net.biases[layer], biases)?;
        twin.biases[layer] = in_f64(biases);
    }
    validate_passes(gpu, &net, &twin, &inputs, &last)?;

    let steps = Small::STEPS;
    let training = Training::new(gpu, steps, &labels, &rates)?;
    gpu.run_sequence(&net.training_step(&training)?, steps)?;
    let losses = training.losses(gpu)?;
    for step in 0..steps as usize {
        let expected = twin.training_step(&inputs, &labels, &rates);
        let actual: Vec<f32> = losses.iter().map(|losses| losses[step]).collect();
        let what = format!("{}: the loss of step {step}", activation.name);
        check::within_norm(&what, &actual, &expected, ALLOWED)?;
    }
    for layer in 0..design.layers() {
        let compare = |what: &str, buffer: &Buffer, expected: &[f64], allowed| {
            let what = format!("{}: {what} of layer {layer} after {steps} steps", activation.name);
            check::within_norm(&what, &gpu.load(buffer)?, expected, allowed)
        };
        compare("weights", &net.weights[layer], &twin.weights[layer], ALLOWED)?;
        compare("biases", &net.biases[layer], &twin.biases[layer], 10.0 * ALLOWED)?;
    }
    Ok(())
}

/// What each layer makes, and every gradient, given that of the logits.
fn validate_passes(
    gpu: &Gpu,
    net: &Net<'_>,
    twin: &Twin,
    inputs: &[f32],
    last: &[f32],
) -> Result<()> {
    let layers = net.design.layers();
    let name = net.design.activation.name;
    gpu.store(&net.dz[layers - 1], last)?;
    let mut steps = net.forward()?;
    steps.extend(net.backward()?);
    let gradients: Vec<Buffer> =
        net.weights.iter().map(|weights| gpu.buffer("dW", weights.words)).collect::<Result<_>>()?;
    // From 0, and up: what is there then is the gradient.
    let rates = gpu.buffer_of("rates", &vec![-1.0f32; net.design.nets as usize])?;
    for (layer, into) in gradients.iter().enumerate() {
        steps.push(net.descend(layer, into, &rates)?);
    }
    gpu.run_sequence(&Sequence::new(format!("a net with {name}"), steps), 1)?;
    let y = twin.forward(inputs);
    let dz = twin.backward(&y, in_f64(last));
    for layer in 0..layers {
        let compare = |what: &str, buffer: &Buffer, expected: &[f64]| {
            let what = format!("{name}: {what} of layer {layer}");
            check::within_norm(&what, &gpu.load(buffer)?, expected, ALLOWED)
        };
        compare("y", &net.y[layer + 1], &y[layer + 1])?;
        compare("dz", &net.dz[layer], &dz[layer])?;
        compare("dW", &gradients[layer], &twin.gradient(layer, &y, &dz))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::gpu::Choice;
    use crate::gpu::ShaderChecks;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    fn both() -> [&'static Activation; 2] {
        ["relu", "sigmoid"].map(|name| Activation::named(name).expect("in the table"))
    }

    #[test]
    fn nets_are_as_in_f64() {
        let gpu = gpu();
        for activation in both() {
            validate(&gpu, activation, &Texts::of(activation)).expect("within bounds");
        }
    }

    #[test]
    fn no_z_of_the_small_nets_is_near_relus_corner() {
        let relu = both()[0];
        let small = Small::new(relu);
        let mut twin = Twin::new(small.design.clone(), &small.weights);
        twin.biases = small.biases.iter().map(|biases| in_f64(biases)).collect();
        for step in 0..Small::STEPS {
            let y = twin.forward(&small.inputs);
            for (layer, below) in y[..small.design.layers() - 1].iter().enumerate() {
                let least = twin
                    .sums(layer, below)
                    .into_iter()
                    .fold(f64::INFINITY, |least, z| least.min(z.abs()));
                // Sums of 35 terms of size 1 are off by 1e-6 at most.
                assert!(least > 1e-5, "step {step}, layer {layer}: {least:e}");
            }
            twin.training_step(&small.inputs, &small.labels, &small.rates);
        }
    }

    #[test]
    fn a_net_that_is_wrong_is_found() {
        type Text = fn(&mut Texts) -> &mut String;
        let gpu = gpu();
        let plants: [(Text, &str, &str); 12] = [
            (|texts| &mut texts.forward, "return forward(sum + ", "return forward(sum - "),
            (|texts| &mut texts.forward, "matrix * params.columns + columns", "columns"),
            (|texts| &mut texts.logits, "_plain(x)", "_plain(abs(x))"),
            // The backward pass: its mask, its operands, the places it reads.
            (|texts| &mut texts.backward, "return backward(", "return sum + 0.0 * backward("),
            (|texts| &mut texts.backward, "y[at.w]), sum)", "y[at.w]), abs(sum))"),
            (|texts| &mut texts.backward, "y[at.x], y[at.y]", "y[at.y], y[at.x]"),
            (|texts| &mut texts.descent, "* sum", "* 2.0 * sum"),
            (|texts| &mut texts.descent, "- rates[matrix]", "+ rates[matrix]"),
            (|texts| &mut texts.descent, "rates[matrix]", "rates[0]"),
            (
                |texts| &mut texts.bias_descent,
                "sample < params.batch",
                "sample < params.batch - 1u",
            ),
            (|texts| &mut texts.loss, "sample += LANES", "sample += LANES + 1u"),
            (|texts| &mut texts.loss, "p - labels[at]", "labels[at] - p"),
        ];
        for activation in both() {
            for (text, find, replace) in plants {
                let mut texts = Texts { checks: ShaderChecks::Checked, ..Texts::of(activation) };
                let planted = text(&mut texts).replacen(find, replace, 1);
                assert_ne!(planted, *text(&mut texts), "{find} is not there");
                *text(&mut texts) = planted;
                let error = validate(&gpu, activation, &texts).err();
                assert!(
                    matches!(error, Some(Error::Mismatch(_))),
                    "{}: {find}: {error:?}",
                    activation.name
                );
            }
        }
    }

    #[test]
    fn the_gradients_of_the_twin_are_those_of_its_loss() {
        for activation in both() {
            let design = Design { nets: 1, batch: 5, widths: vec![2, 4, 3, 1], activation };
            let mut random = random_of(9);
            let inputs = normal(&mut random, 10, 1.0);
            let labels = [1.0, 0.0, 0.0, 1.0, 1.0];
            let mut twin = Twin::new(design.clone(), &design.draw(&[Init::He], &[4]));
            // With biases of zero, samples that no unit lets through would stand at ReLU's corner.
            for biases in &mut twin.biases {
                *biases = in_f64(&normal(&mut random, biases.len(), 0.5));
            }
            let loss = |twin: &Twin| twin.clone().training_step(&inputs, &labels, &[0.0])[0];
            // A step of rate 1 moves each weight and bias by its gradient.
            let mut moved = twin.clone();
            moved.training_step(&inputs, &labels, &[1.0]);
            let h = 1e-5;
            for layer in 0..design.layers() {
                type Part = fn(&mut Twin, usize) -> &mut Vec<f64>;
                let parts: [Part; 2] =
                    [|twin, layer| &mut twin.weights[layer], |twin, layer| &mut twin.biases[layer]];
                for part in parts {
                    let (mut before, mut after) = (twin.clone(), moved.clone());
                    for index in 0..part(&mut before, layer).len() {
                        let gradient =
                            part(&mut before, layer)[index] - part(&mut after, layer)[index];
                        let at = |by: f64| {
                            let mut shifted = twin.clone();
                            part(&mut shifted, layer)[index] += by;
                            loss(&shifted)
                        };
                        let slope = (at(h) - at(-h)) / (2.0 * h);
                        assert!(
                            (gradient - slope).abs() < 1e-8,
                            "{} {layer} {index}: {gradient} {slope}",
                            activation.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn training_repeats_bit_by_bit() {
        let gpu = gpu();
        let activation = both()[0];
        let design = Design { nets: 2, batch: 100, widths: vec![2, 32, 32, 1], activation };
        let mut random = random_of(5);
        let inputs = normal(&mut random, 400, 1.0);
        let labels: Vec<f32> = (0..200).map(|_| f32::from(random.random::<bool>())).collect();
        let losses = || {
            let net = Net::new(&gpu, design.clone(), &Texts::of(activation)).expect("room");
            net.set_weights(&design.draw(&[Init::He], &[1, 2])).expect("the device works");
            gpu.store(&net.y[0], &inputs).expect("the device works");
            let training = Training::new(&gpu, 50, &labels, &[0.1, 0.2]).expect("room");
            gpu.run_sequence(&net.training_step(&training).expect("few workgroups"), 50)
                .expect("the device works");
            let bits = |losses: Vec<f32>| losses.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            training
                .losses(&gpu)
                .expect("the device works")
                .into_iter()
                .map(bits)
                .collect::<Vec<_>>()
        };
        let first = losses();
        assert!(f32::from_bits(first[0][49]) < f32::from_bits(first[0][0]), "it does not learn");
        assert!((0..3).all(|_| losses() == first));
    }
}
