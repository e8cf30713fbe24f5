//! Seeded inputs. Every element is a function of (distribution, seed, role, index): tensors of any
//! size are made and checked piece by piece, and one element of a failure can be made again.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt as _, SeedableRng};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

use crate::kernels::activation::Saved;
use crate::kernels::kernel::{Kernel, Role};

/// Elements that share a random number generator: what has to be drawn to reach one of them.
const BLOCK_ELEMENTS: usize = 4096;
const BLOCK: u64 = BLOCK_ELEMENTS as u64;

/// The seed where none is given.
pub const DEFAULT_SEED: u64 = 42;

/// How inputs are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Standard normal: mixed signs, incompressible. What is timed.
    Normal,
    /// Edge values first, then by turns uniform bit patterns and normal values four times as wide.
    /// What is validated: faults in the tails or at subnormals show in bit patterns alone.
    Patterns,
    /// x rises from one end to the other, each at random within its own share; dy is 1. To see
    /// errors by x.
    Ramp {
        /// Where x begins.
        from: i32,
        /// Where it ends.
        to: i32,
        /// Elements from one end to the other.
        elements: u64,
    },
    /// The same bits in every element.
    Bits {
        /// Of x or the saved tensor; a mask's bit is whether that is positive.
        first: u32,
        /// Of dy.
        dy: u32,
    },
}

/// Where inputs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Their distribution.
    pub distribution: Distribution,
    /// Their seed.
    pub seed: u64,
}

const U: f64 = f32::EPSILON as f64;
const U_2: f64 = U / 2.0;
const U_4: f64 = U / 4.0;
const MAX: f64 = f32::MAX as f64;
const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// x where something happens, in f32 or f16: signs of zero, subnormals, where exp leaves the range,
/// where 1 / (1 + exp(-x)) rounds to 0 or 1.
const EDGES_OF_X: &[f64] = &[
    1.0, 0.0, 0.5, 2.0, 1e-3, 1e-5, 5.9e-8, 3.05e-5, 6.0e-5, 6.2e-5, 1.4e-45, 1e-40, 1.1754e-38,
    1.1755e-38, 2.4e-38, U_4, U_2, U, 8.317, 8.318, 9.703, 9.704, 9.705, 11.08, 11.09, 11.1,
    16.635, 16.636, 17.328, 17.3287, 17.329, 18.0, 30.0, 30.1, 87.33, 87.336, 87.337, 88.72,
    88.722, 88.723, 88.73, 103.97, 103.98, 104.0, 126.0, 127.0, 128.0, 150.0, 177.0, 255.0,
    65503.0, 65504.0, 1e10, 1e20, 1e38, MAX, INF, NAN,
];

/// y where something happens: the ends of the range, neighbours of 1, halves.
const EDGES_OF_Y: &[f64] = &[
    0.25, 0.0, 1.4e-45, 1e-40, 1.1755e-38, 2.4e-38, 5.9e-8, 6.0e-5, 6.2e-5, 1e-10, 1e-3,
    0.49999997, 0.49975586, 0.5, 0.50000006, 0.5004883, 0.75, 0.999, 0.9995117, 0.99999994, 1.0,
    2.0, 65504.0, MAX,
];

/// dy where something happens.
const EDGES_OF_DY: &[f64] = &[
    1.0, 0.5, 0.0, 3.0, 1.4e-45, 1e-40, 1.1755e-38, 5.9e-8, 6.0e-5, 6.2e-5, 1e-10, 1000.0, 65504.0,
    1e38, MAX, INF, NAN,
];

impl Inputs {
    /// Inputs to time kernels on.
    pub fn normal(seed: u64) -> Self {
        Self { distribution: Distribution::Normal, seed }
    }

    /// Inputs to validate kernels on.
    pub fn patterns(seed: u64) -> Self {
        Self { distribution: Distribution::Patterns, seed }
    }

    /// Writes elements from `first` on, as many as fit in `bytes`, of what the kernel reads in
    /// `role`. A mask's elements are 1 and 0.
    pub fn fill(&self, kernel: &Kernel, role: Role, first: u64, bytes: &mut [u8]) {
        let size = kernel.dtype.element_size();
        assert_eq!(bytes.len() % size, 0, "whole elements");
        // Up to the first border between blocks, then block by block.
        let before = usize::try_from(first.next_multiple_of(BLOCK) - first).expect("a block");
        let (head, rest) = bytes.split_at_mut(bytes.len().min(before * size));
        let starts = (first.next_multiple_of(BLOCK)..).step_by(BLOCK_ELEMENTS);
        let mut parts = vec![(first, head)];
        parts.extend(starts.zip(rest.chunks_mut(BLOCK_ELEMENTS * size)));
        parts.into_par_iter().for_each(|(first, part)| {
            let mut random = self.generator(role, first / BLOCK);
            for index in first - first % BLOCK..first {
                // Elements before the first one draw what they would have drawn.
                self.element(kernel, role, index, &mut random);
            }
            for (index, element) in (first..).zip(part.chunks_exact_mut(size)) {
                let bits = self.element(kernel, role, index, &mut random);
                element.copy_from_slice(&bits.to_le_bytes()[..size]);
            }
        });
    }

    fn generator(&self, role: Role, block: u64) -> Xoshiro256PlusPlus {
        // y and the mask are computed from the very x that a forward pass would have seen.
        let stream = match (role, self.distribution) {
            (Role::X | Role::Saved(Saved::X | Saved::Mask), _)
            | (Role::Saved(Saved::Y), Distribution::Normal) => 1,
            (Role::Saved(Saved::Y), _) => 2,
            (Role::Dy, _) => 3,
            (Role::Result | Role::MaskResult, _) => unreachable!("results are not inputs"),
        };
        let mut streams = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let key = (0..stream).fold(0, |_, _| streams.next_u64());
        Xoshiro256PlusPlus::seed_from_u64(key.wrapping_add(block))
    }

    /// Writes what the tensor in `role` stores, from unit `first` on: elements, or u32s of a mask.
    pub fn fill_stored(&self, kernel: &Kernel, role: Role, first: u64, bytes: &mut [u8]) {
        if !role.is_mask() {
            return self.fill(kernel, role, first, bytes);
        }
        let dtype = kernel.dtype;
        let mut elements = vec![0; bytes.len() * 8 * dtype.element_size()];
        self.fill(kernel, role, first * 32, &mut elements);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (0..8).fold(0, |byte, bit| {
                byte | u8::from(dtype.element(&elements, at * 8 + bit) != 0) << bit
            });
        }
    }

    fn element(&self, kernel: &Kernel, role: Role, index: u64, random: &mut impl Rng) -> u32 {
        let Kernel { activation, dtype, .. } = kernel;
        if role == Role::Saved(Saved::Mask) {
            let x = self.element(kernel, Role::X, index, random);
            return dtype.bits(if dtype.value(x) > 0.0 { 1.0 } else { 0.0 });
        }
        let value = match self.distribution {
            Distribution::Normal => StandardNormal.sample(random),
            Distribution::Ramp { from, to, elements } => {
                let way = (index as f64 + random.random::<f64>()) / elements as f64;
                if role == Role::Dy { 1.0 } else { f64::from(from) + f64::from(to - from) * way }
            }
            Distribution::Patterns => return pattern(kernel, role, index, random),
            Distribution::Bits { first, dy } => return if role == Role::Dy { dy } else { first },
        };
        match (role, activation.forward()) {
            // The gradient is taken at the x that lies in memory, so x is rounded first.
            (Role::Saved(Saved::Y), Some(forward)) => {
                dtype.bits(forward.reference(dtype.value(dtype.bits(value)), 0.0))
            }
            _ => dtype.bits(value),
        }
    }
}

/// Fills bytes that begin `at` bytes into a tensor that repeats a block, which may not be empty.
pub fn repeat(block: &[u8], at: u64, bytes: &mut [u8]) {
    assert!(!block.is_empty(), "nothing to repeat");
    let at = usize::try_from(at % block.len() as u64).expect("below its length");
    let (head, rest) = bytes.split_at_mut(bytes.len().min(block.len() - at));
    head.copy_from_slice(&block[at..][..head.len()]);
    for part in rest.chunks_mut(block.len()) {
        part.copy_from_slice(&block[..part.len()]);
    }
}

fn pattern(kernel: &Kernel, role: Role, index: u64, random: &mut impl Rng) -> u32 {
    let Kernel { activation, dtype, .. } = kernel;
    let word = random.next_u64();
    let normal: f64 = StandardNormal.sample(random);
    if let Some(edge) = edge(kernel, role, index) {
        return edge;
    }
    let bits = (word >> 32) as u32 & (u32::MAX >> (32 - 8 * dtype.element_size()));
    match role {
        Role::Saved(Saved::Y) => {
            let [lowest, highest] = activation.y;
            if !index.is_multiple_of(2) {
                let normal = if lowest < 0.0 { normal } else { normal.abs() };
                return dtype.bits(activation.clamp_y(normal));
            }
            // Finite values from 0 to the smallest or the largest y there is.
            let below = lowest < 0.0 && word & 1 == 1;
            let end = if below { -lowest } else { highest };
            let magnitude = bits % (dtype.bits(end.min(dtype.memory().max)) + 1);
            dtype.bits(if below { -dtype.value(magnitude) } else { dtype.value(magnitude) })
        }
        _ if index.is_multiple_of(2) => bits,
        _ => dtype.bits(4.0 * normal),
    }
}

/// The edge value at `index`, if there is one. Both tensors step through their edges, dy one
/// further each time the other starts anew: every edge of the saved tensor meets every edge of dy,
/// and a short tensor has some of both.
fn edge(kernel: &Kernel, role: Role, index: u64) -> Option<u32> {
    let index = usize::try_from(index).ok()?;
    // Positive and negative, one after the other.
    let [count_of_first, count_of_dy] = [EDGES_OF_X, EDGES_OF_DY].map(|edges| 2 * edges.len());
    if index >= count_of_first * count_of_dy {
        return None;
    }
    let at = |edges: &[f64], position: usize| {
        let value = edges[position / 2 % edges.len()];
        if position.is_multiple_of(2) { value } else { -value }
    };
    let value = match role {
        Role::Dy => at(EDGES_OF_DY, (index + index / count_of_first) % count_of_dy),
        Role::Saved(Saved::Y) => {
            let (y, activation) = (at(EDGES_OF_Y, index % count_of_first), kernel.activation);
            activation.clamp_y(if activation.y[0] < 0.0 { y } else { y.abs() })
        }
        _ => at(EDGES_OF_X, index % count_of_first),
    };
    Some(kernel.dtype.bits(value))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::kernels::activation::{Activation, Direction};
    use crate::kernels::dtype::Dtype;
    use crate::kernels::kernel;

    fn sigmoid(dtype: Dtype) -> Kernel {
        let sigmoid = Activation::named("sigmoid").expect("in the table");
        Kernel::default_variant(sigmoid, Direction::Forward, dtype).expect("a variant")
    }

    fn values(inputs: Inputs, role: Role, dtype: Dtype, first: u64, count: usize) -> Vec<f64> {
        let size = dtype.element_size();
        let mut bytes = vec![0; count * size];
        inputs.fill(&sigmoid(dtype), role, first, &mut bytes);
        (0..count).map(|index| dtype.value(dtype.element(&bytes, index))).collect()
    }

    #[test]
    fn any_piece_holds_what_the_whole_holds() {
        for inputs in [Inputs::normal(7), Inputs::patterns(7)] {
            for role in [Role::X, Role::Saved(Saved::Y), Role::Dy] {
                let whole: Vec<_> = values(inputs, role, Dtype::F16, 0, 20_000)
                    .iter()
                    .map(|v| v.to_bits())
                    .collect();
                for (first, count) in [(0, 1), (4095, 2), (4096, 4096), (5000, 9000), (19_999, 1)] {
                    let piece = values(inputs, role, Dtype::F16, first, count);
                    let at = usize::try_from(first).expect("small");
                    let piece: Vec<_> = piece.iter().map(|v| v.to_bits()).collect();
                    assert_eq!(piece, whole[at..at + count], "{inputs:?} {role:?} from {first}");
                }
            }
        }
    }

    #[test]
    fn every_edge_of_the_saved_tensor_meets_every_edge_of_dy() {
        let (of_x, of_dy) = (EDGES_OF_X.len() * 2, EDGES_OF_DY.len() * 2);
        let bits = |role: Role| {
            let edge =
                |index: usize| edge(&sigmoid(Dtype::F32), role, index as u64).expect("an edge");
            (0..of_x * of_dy).map(edge).collect::<Vec<_>>()
        };
        let pairs: HashSet<_> = bits(Role::X).into_iter().zip(bits(Role::Dy)).collect();
        assert_eq!(pairs.len(), of_x * of_dy);
        assert!(edge(&sigmoid(Dtype::F32), Role::X, (of_x * of_dy) as u64).is_none());
    }

    #[test]
    fn normal_inputs_are_standard_normal_and_differ_by_seed_and_role() {
        let x = values(Inputs::normal(1), Role::X, Dtype::F32, 0, 100_000);
        let mean = x.iter().sum::<f64>() / 1e5;
        let variance = x.iter().map(|v| v * v).sum::<f64>() / 1e5;
        assert!(
            mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02,
            "mean {mean}, variance {variance}"
        );
        assert_ne!(x, values(Inputs::normal(2), Role::X, Dtype::F32, 0, 100_000));
        assert_ne!(x, values(Inputs::normal(1), Role::Dy, Dtype::F32, 0, 100_000));
    }

    #[test]
    fn the_saved_y_is_the_forward_of_x() {
        let x = values(Inputs::normal(3), Role::X, Dtype::F32, 0, 5000);
        let y = values(Inputs::normal(3), Role::Saved(Saved::Y), Dtype::F32, 0, 5000);
        for (x, y) in x.iter().zip(y) {
            assert_eq!(
                Dtype::F32.bits(crate::kernels::activations::sigmoid::sigmoid(*x)),
                Dtype::F32.bits(y)
            );
        }
    }

    #[test]
    fn patterns_hold_the_edges_and_every_exponent() {
        let x = values(Inputs::patterns(1), Role::X, Dtype::F32, 0, 100_000);
        assert!(x.iter().any(|x| x.is_nan()) && x.contains(&f64::INFINITY) && x.contains(&-104.0));
        assert!(x.iter().any(|x| *x == 0.0 && x.is_sign_negative()));
        let exponents: HashSet<_> = x.iter().map(|x| Dtype::F32.bits(*x) >> 23 & 0xff).collect();
        assert_eq!(exponents.len(), 256);
        let y = values(Inputs::patterns(1), Role::Saved(Saved::Y), Dtype::F32, 0, 100_000);
        assert!(y.iter().all(|y| (0.0..=1.0).contains(y)) && y.contains(&0.0) && y.contains(&1.0));
    }

    /// Every tensor that some kernel reads.
    fn inputs_of_kernels() -> impl Iterator<Item = (Kernel, Role)> {
        kernel::all()
            .flat_map(|kernel| kernel.inputs().map(move |role| (kernel, role)).collect::<Vec<_>>())
    }

    /// Memory that is compressed would give another bandwidth. The least is ReLU's y in f32: one
    /// word in 16 is four zeros.
    #[test]
    fn words_of_normal_inputs_are_distinct() {
        for (kernel, role) in inputs_of_kernels().filter(|(_, role)| !role.is_mask()) {
            let mut bytes = vec![0; 1 << 18];
            Inputs::normal(1).fill(&kernel, role, 0, &mut bytes);
            let distinct: HashSet<&[u8]> = bytes.chunks_exact(16).collect();
            assert!(distinct.len() > (1 << 14) * 9 / 10, "{} {role:?}", kernel.path());
        }
    }
}
