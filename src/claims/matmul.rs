//! The matrix product that all nets here are made of: one WGSL text, tiled, over as many matrices
//! at once as there are; transposed operands, and what happens to each sum before it is stored, are
//! the caller's.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Program, ShaderChecks, Step};

/// The unit roundoff of f32, or twice that: WGSL fixes no rounding mode.
const UNIT: f64 = f32::EPSILON as f64;

/// How an operand lies in memory, for the product that it is a part of: as it is written, or with
/// rows and columns exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Plain,
    /// Column by column.
    Transposed,
}

/// The sizes of a product: C has rows and columns, and each of its elements is a sum of so many
/// terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// How many products are made at once, their matrices one behind the other.
    pub matrices: u32,
    /// Of A and C.
    pub rows: u32,
    /// Of B and C.
    pub columns: u32,
    /// Columns of A, rows of B.
    pub terms: u32,
}

impl Sizes {
    /// Elements of A, B and C, all matrices together.
    pub fn elements(&self) -> [usize; 3] {
        let of =
            |rows: u32, columns: u32| self.matrices as usize * rows as usize * columns as usize;
        [of(self.rows, self.terms), of(self.terms, self.columns), of(self.rows, self.columns)]
    }

    /// From a row and a term of A to the next, and from a term and a column of B.
    fn strides(&self, [a, b]: [Layout; 2]) -> [u32; 4] {
        let Self { rows, columns, terms, .. } = *self;
        let [a_row, a_term] = if a == Layout::Plain { [terms, 1] } else { [1, rows] };
        let [b_term, b_column] = if b == Layout::Plain { [columns, 1] } else { [1, terms] };
        [a_row, a_term, b_term, b_column]
    }

    /// Multiplications and additions.
    pub fn operations(&self) -> f64 {
        let Self { matrices, rows, columns, terms } = *self;
        2.0 * [matrices, rows, columns, terms].map(f64::from).iter().product::<f64>()
    }
}

/// Invocations a side of a workgroup, which makes a tile of four times as many elements a side: what
/// the nets here fill. All WebGPU devices have room for it.
const SIDE: u32 = 8;

/// A compiled product.
pub struct Matmul {
    program: Program,
    layouts: [Layout; 2],
}

/// The text of a product with an epilogue: the function `finish` of a sum before it is stored, for
/// four neighbours of a row, `at` being their places in C. It declares what else it reads from
/// binding 4 on; `params` and C itself, `c`, are in reach.
pub fn wgsl(epilogue: &str) -> String {
    [epilogue, include_str!("../../shaders/claims/matmul.wgsl")].join("\n")
}

impl Matmul {
    /// Compiles a product of operands that lie so.
    pub fn new(
        gpu: &Gpu,
        layouts: [Layout; 2],
        name: &str,
        wgsl: &str,
        checks: ShaderChecks,
    ) -> Result<Self> {
        let constants = [
            ("side", f64::from(SIDE)),
            ("a_along_terms", f64::from(layouts[0] == Layout::Plain)),
            ("b_along_terms", f64::from(layouts[1] == Layout::Transposed)),
        ];
        let program = gpu.program(&format!("matrix product, {name}"), wgsl, &constants, checks)?;
        Ok(Self { program, layouts })
    }

    /// C = finish(A B) over buffers of exactly these sizes, and what the epilogue reads.
    ///
    /// # Panics
    /// If A, B or C have another number of elements.
    pub fn step(
        &self,
        gpu: &Gpu,
        sizes: Sizes,
        [a, b, c]: [&Buffer; 3],
        more: &[&Buffer],
    ) -> Result<Step> {
        assert_eq!([a.words, b.words, c.words], sizes.elements(), "{sizes:?}");
        if sizes.elements().iter().any(|elements| u32::try_from(*elements).is_err()) {
            return Err(Error::Unsupported(format!(
                "matrices of {sizes:?} have more elements than a u32 counts"
            )));
        }
        let Sizes { matrices, rows, columns, terms } = sizes;
        let [a_row, a_term, b_term, b_column] = sizes.strides(self.layouts);
        let params =
            [rows, columns, terms, a_row, a_term, b_term, b_column, rows * terms, terms * columns];
        let buffers: Vec<&Buffer> = [c, a, b].into_iter().chain(more.iter().copied()).collect();
        let tile = 4 * SIDE;
        let workgroups = [columns.div_ceil(tile), rows.div_ceil(tile), matrices];
        gpu.step(&self.program, &buffers, &params, workgroups)
    }
}

/// C = A B in f64.
pub fn product(sizes: Sizes, layouts: [Layout; 2], a: &[f64], b: &[f64]) -> Vec<f64> {
    let Sizes { rows, columns, terms, .. } = sizes;
    let [rows, columns, terms] = [rows, columns, terms].map(|size| size as usize);
    let [a_row, a_term, b_term, b_column] = sizes.strides(layouts).map(|stride| stride as usize);
    let mut c = vec![0.0; sizes.elements()[2]];
    c.par_chunks_mut(columns).enumerate().for_each(|(row, c)| {
        let (matrix, row) = (row / rows, row % rows);
        let (a, b) = (&a[matrix * rows * terms..], &b[matrix * terms * columns..]);
        for term in 0..terms {
            let a = a[row * a_row + term * a_term];
            let b = b[term * b_term..].iter().step_by(b_column);
            c.iter_mut().zip(b).for_each(|(c, b)| *c += a * b);
        }
    });
    c
}

/// How far an f32 sum of products may be off, in any order, fused or not: a rounding for each term,
/// and two (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
pub fn bound(terms: u32, size_of_terms: f64) -> f64 {
    (f64::from(terms) + 2.0) * UNIT * size_of_terms + f64::from(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::claims::{check, in_f64};
    use crate::gpu::{Choice, Sequence};

    const PLAIN: &str = "fn finish(sum: vec4<f32>, at: vec4<u32>, columns: vec4<u32>, matrix: u32) \
        -> vec4<f32> { return sum; }";

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    fn uniform(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn absolute(values: &[f32]) -> Vec<f64> {
        values.iter().map(|value| f64::from(value.abs())).collect()
    }

    fn own(gpu: &Gpu, layouts: [Layout; 2]) -> Matmul {
        Matmul::new(gpu, layouts, "plain", &wgsl(PLAIN), ShaderChecks::Trusted)
            .expect("it compiles")
    }

    /// The product of random matrices on the adapter, compared with f64.
    fn compared(gpu: &Gpu, product: &Matmul, sizes: Sizes) -> Result<()> {
        let [na, nb, nc] = sizes.elements();
        let (a, b) = (uniform(na, 1), uniform(nb, 2));
        let buffers = [
            gpu.buffer_of("a", &a)?,
            gpu.buffer_of("b", &b)?,
            gpu.buffer_of("c", &vec![f32::NAN; nc])?,
        ];
        let step = product.step(gpu, sizes, buffers.each_ref(), &[])?;
        gpu.run_sequence(&Sequence::new("product", vec![step]), 1)?;
        let layouts = product.layouts;
        let (expected, sums) = (
            self::product(sizes, layouts, &in_f64(&a), &in_f64(&b)),
            self::product(sizes, layouts, &absolute(&a), &absolute(&b)),
        );
        let actual: Vec<f32> = gpu.load(&buffers[2])?;
        check::within(&format!("{sizes:?}"), &actual, &expected, |index| {
            bound(sizes.terms, sums[index])
        })
    }

    #[test]
    fn the_reference_is_the_sum_of_products() {
        let sizes = Sizes { matrices: 2, rows: 2, columns: 3, terms: 2 };
        // [1 2; 3 4] [1 0 2; 0 1 1] and [0 1; 1 0] [1 2 3; 4 5 6].
        let plain = (
            [1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0],
            [1.0, 0.0, 2.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        );
        let exchanged = (
            [1.0, 3.0, 2.0, 4.0, 0.0, 1.0, 1.0, 0.0],
            [1.0, 0.0, 0.0, 1.0, 2.0, 1.0, 1.0, 4.0, 2.0, 5.0, 3.0, 6.0],
        );
        let c = [1.0, 2.0, 4.0, 3.0, 4.0, 10.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0];
        let [p, t] = LAYOUTS;
        assert_eq!(product(sizes, [p, p], &plain.0, &plain.1), c);
        assert_eq!(product(sizes, [t, p], &exchanged.0, &plain.1), c);
        assert_eq!(product(sizes, [p, t], &plain.0, &exchanged.1), c);
        assert_eq!(product(sizes, [t, t], &exchanged.0, &exchanged.1), c);
    }

    const LAYOUTS: [Layout; 2] = [Layout::Plain, Layout::Transposed];

    #[test]
    fn products_of_odd_sizes_are_those_of_f64() {
        let gpu = gpu();
        for a in LAYOUTS {
            for b in LAYOUTS {
                let product = own(&gpu, [a, b]);
                for (matrices, rows, columns, terms) in [
                    (1, 1, 1, 1),
                    (3, 5, 7, 11),
                    (1, 32, 32, 16),
                    (2, 33, 31, 17),
                    (1, 64, 1, 200),
                    (1, 3, 100, 2),
                ] {
                    let sizes = Sizes { matrices, rows, columns, terms };
                    compared(&gpu, &product, sizes)
                        .unwrap_or_else(|error| panic!("{a:?} {b:?}: {error}"));
                }
            }
        }
    }

    #[test]
    fn a_product_that_is_wrong_is_found() {
        let gpu = gpu();
        let whole = wgsl(PLAIN);
        for (find, replace) in [
            ("sum3 += rows.w * columns;", "sum3 += rows.z * columns;"),
            ("first_term += PANEL", "first_term += PANEL + 1u"),
            ("term < PANEL; term++", "term < PANEL - 1u; term++"),
            (
                "row * params.a_row + term * params.a_term",
                "row * params.a_term + term * params.a_row",
            ),
            ("if columns.w > columns.z", "if columns.w > columns.z + 1u"),
            ("matrix * params.b_matrix", "0u"),
        ] {
            let planted = whole.replacen(find, replace, 1);
            assert_ne!(planted, whole, "{find} is not there");
            let product =
                Matmul::new(&gpu, [Layout::Plain; 2], find, &planted, ShaderChecks::Checked)
                    .expect("it compiles");
            let sizes = Sizes { matrices: 2, rows: 37, columns: 45, terms: 50 };
            let error = compared(&gpu, &product, sizes).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find}: {error:?}");
        }
    }

    #[test]
    fn an_epilogue_sees_the_places_of_its_elements() {
        let gpu = gpu();
        let epilogue = "
                @group(0) @binding(4) var<storage, read> bias: array<f32>;
                fn finish(sum: vec4<f32>, at: vec4<u32>, columns: vec4<u32>, matrix: u32) -> vec4<f32> {
                    let first = matrix * params.columns;
                    let added = vec4<f32>(bias[first + columns.x], bias[first + columns.y], bias[first + columns.z], bias[first + columns.w]);
                    return sum + added + vec4<f32>(at) * 1000.0;
                }";
        let sizes = Sizes { matrices: 2, rows: 3, columns: 6, terms: 1 };
        let name = "with a bias";
        let product =
            Matmul::new(&gpu, [Layout::Plain; 2], name, &wgsl(epilogue), ShaderChecks::Trusted)
                .expect("it compiles");
        let [na, nb, nc] = sizes.elements();
        let zeros = |count| gpu.buffer("zeros", count).expect("room");
        let bias: Vec<f32> = (0..12u8).map(f32::from).collect();
        let bias = gpu.buffer_of("bias", &bias).expect("room");
        let c = zeros(nc);
        let step =
            product.step(&gpu, sizes, [&zeros(na), &zeros(nb), &c], &[&bias]).expect("it is bound");
        gpu.run_sequence(&Sequence::new("product", vec![step]), 1).expect("the device works");
        for (index, value) in (0u32..).zip(gpu.load::<f32>(&c).expect("the device works")) {
            let bias = index / 18 * 6 + index % 6;
            assert_eq!(f64::from(value), f64::from(index * 1000 + bias), "element {index}");
        }
    }

    #[test]
    fn the_same_product_has_the_same_bits() {
        let gpu = gpu();
        let sizes = Sizes { matrices: 1, rows: 100, columns: 100, terms: 300 };
        let product = own(&gpu, [Layout::Plain, Layout::Transposed]);
        let [na, nb, nc] = sizes.elements();
        let a = gpu.buffer_of("a", &uniform(na, 1)).expect("room");
        let b = gpu.buffer_of("b", &uniform(nb, 2)).expect("room");
        let bits = || {
            let c = gpu.buffer("c", nc).expect("room");
            let step = product.step(&gpu, sizes, [&a, &b, &c], &[]).expect("it is bound");
            gpu.run_sequence(&Sequence::new("product", vec![step]), 1).expect("the device works");
            gpu.load::<u32>(&c).expect("the device works")
        };
        let first = bits();
        assert!((0..5).all(|_| bits() == first));
    }
}
