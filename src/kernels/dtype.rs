//! How an element lies in memory and in which format arithmetic sees it.

use half::f16;
use multiversion::multiversion;

/// A floating-point format, by the three figures that error bounds need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Distance from 1 to the next larger number: 2^-23 for f32, 2^-10 for f16.
    pub unit: f64,
    /// Smallest normal number: 2^-126 for f32, 2^-14 for f16.
    pub min_normal: f64,
    /// Largest finite number.
    pub max: f64,
    /// Logarithm of `min_normal`: the x at which exp(x) leaves the normal numbers.
    pub ln_min_normal: f64,
}

impl Format {
    /// IEEE binary32.
    pub const F32: Self = Self {
        unit: f32::EPSILON as f64,
        min_normal: f32::MIN_POSITIVE as f64,
        max: f32::MAX as f64,
        ln_min_normal: -126.0 * std::f64::consts::LN_2,
    };
    /// IEEE binary16.
    pub const F16: Self = Self {
        unit: 9.765_625e-4,
        min_normal: 6.103_515_625e-5,
        max: 65504.0,
        ln_min_normal: -14.0 * std::f64::consts::LN_2,
    };

    /// Whether `value` is nonzero and smaller than every normal number.
    #[inline]
    pub fn is_subnormal(&self, value: f64) -> bool {
        value != 0.0 && value.abs() < self.min_normal
    }

    /// Whether `value` is finite and neither 0 nor subnormal.
    #[inline]
    pub fn is_normal(&self, value: f64) -> bool {
        (self.min_normal..=f64::MAX).contains(&value.abs())
    }

    /// Smallest positive number, a subnormal one.
    pub fn smallest(&self) -> f64 {
        self.min_normal * self.unit
    }

    /// Distance between the neighbours around `value` (finite), as WGSL defines ULP.
    #[inline]
    pub fn ulp(&self, value: f64) -> f64 {
        let magnitude = value.abs().max(self.min_normal);
        // The power of two at or below it: its fraction cleared.
        f64::from_bits(magnitude.to_bits() & 0xfff0_0000_0000_0000) * self.unit
    }

    /// An error in ULP of `value`, exactly: multiplied with the reciprocal of a power of two, which
    /// is faster than a division.
    #[inline(always)]
    pub fn ulps(&self, error: f64, value: f64) -> f64 {
        let magnitude = value.abs().max(self.min_normal);
        let reciprocal =
            f64::from_bits(0x7fe0_0000_0000_0000 - (magnitude.to_bits() & 0x7ff0_0000_0000_0000));
        error * reciprocal * (1.0 / self.unit)
    }
}

/// How a tensor's elements are stored and computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    /// f32 in memory and in arithmetic.
    F32,
    /// f16 in memory, f32 in arithmetic; needs no feature.
    F16,
    /// f16 in memory and in arithmetic; needs the adapter's shader-f16.
    F16Native,
}

impl Dtype {
    /// Every dtype, in the order of tables.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::F16Native];

    /// The name in ids and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::F16Native => "f16_native",
        }
    }

    /// The WGSL that defines the word `W`, the type `T` of arithmetic, and how to convert.
    pub fn wgsl(self) -> &'static str {
        match self {
            Self::F32 => include_str!("../../shaders/dtypes/f32.wgsl"),
            Self::F16 => include_str!("../../shaders/dtypes/f16.wgsl"),
            Self::F16Native => include_str!("../../shaders/dtypes/f16_native.wgsl"),
        }
    }

    /// Bytes of one element.
    pub fn element_bytes(self) -> u64 {
        self.element_size() as u64
    }

    /// [`Self::element_bytes`] as a size on the host.
    pub fn element_size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::F16Native => 2,
        }
    }

    /// The format in memory.
    #[inline]
    pub fn memory(self) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 | Self::F16Native => Format::F16,
        }
    }

    /// The format that arithmetic sees.
    #[inline]
    pub fn arithmetic(self) -> Format {
        self.computed_in().memory()
    }

    /// The dtype whose elements are what arithmetic sees: f16 in memory is computed in f32.
    #[inline]
    pub fn computed_in(self) -> Self {
        match self {
            Self::F32 | Self::F16 => Self::F32,
            Self::F16Native => Self::F16Native,
        }
    }

    /// The value of an element from its bits (the low 16 of them for f16).
    pub fn value(self, bits: u32) -> f64 {
        match self {
            Self::F32 => F32Elements::value(bits),
            Self::F16 | Self::F16Native => F16Elements::value(bits),
        }
    }

    /// The bits of the element nearest to `value`.
    #[inline]
    pub fn bits(self, value: f64) -> u32 {
        match self {
            Self::F32 => F32Elements::nearest(value),
            Self::F16 | Self::F16Native => F16Elements::nearest(value),
        }
    }

    /// The bits of element `index` of a tensor, little-endian as on every WebGPU device.
    pub fn element(self, bytes: &[u8], index: usize) -> u32 {
        match self {
            Self::F32 => F32Elements::bits(bytes, index),
            Self::F16 | Self::F16Native => F16Elements::bits(bytes, index),
        }
    }

    /// Appends an element, given by its bits, to a tensor.
    pub fn push(self, bytes: &mut Vec<u8>, bits: u32) {
        bytes.extend_from_slice(&bits.to_le_bytes()[..self.element_size()]);
    }

    /// What outputs hold before a kernel runs: a NaN whose payload no arithmetic makes, so that an
    /// element that was never written shows.
    pub fn sentinel(self) -> u32 {
        match self {
            Self::F32 => 0x7fe5_a5a5,
            Self::F16 | Self::F16Native => 0x7e5a,
        }
    }
}

/// A dtype as a type, so that loops over millions of elements are compiled for each.
pub(crate) trait Elements {
    const SIZE: usize;
    const MEMORY: Format;

    fn value(bits: u32) -> f64;

    /// The bits of the element nearest to `value`.
    fn nearest(value: f64) -> u32;

    #[inline(always)]
    fn bits(bytes: &[u8], index: usize) -> u32 {
        let mut bits = [0; 4];
        bits[..Self::SIZE].copy_from_slice(&bytes[index * Self::SIZE..][..Self::SIZE]);
        u32::from_le_bytes(bits)
    }
}

/// Elements of [`Dtype::F32`].
pub(crate) enum F32Elements {}

/// Elements of [`Dtype::F16`] and [`Dtype::F16Native`].
pub(crate) enum F16Elements {}

impl Elements for F32Elements {
    const SIZE: usize = 4;
    const MEMORY: Format = Format::F32;

    #[inline(always)]
    fn value(bits: u32) -> f64 {
        f64::from(f32::from_bits(bits))
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest f32")]
    fn nearest(value: f64) -> u32 {
        (value as f32).to_bits()
    }
}

impl Elements for F16Elements {
    const SIZE: usize = 2;
    const MEMORY: Format = Format::F16;

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "an f16's bits are the low half")]
    fn value(bits: u32) -> f64 {
        f64::from(f16::from_bits(bits as u16))
    }

    #[inline]
    fn nearest(value: f64) -> u32 {
        u32::from(f16::from_f64(value).to_bits())
    }
}

/// The values of elements in a row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(crate) fn values<E: Elements>(bytes: &[u8]) -> Vec<f64> {
    let mut values = vec![0.0; bytes.len() / E::SIZE];
    for (index, value) in values.iter_mut().enumerate() {
        *value = E::value(E::bits(bytes, index));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulp_is_the_distance_between_neighbours() {
        for value in [1.0f32, 1.5, 2.0, 0.1, 3.0e-39, 1.0e30, f32::MIN_POSITIVE] {
            let next = f32::from_bits(value.to_bits() + 1);
            assert_eq!(
                Format::F32.ulp(f64::from(value)),
                f64::from(next) - f64::from(value),
                "{value}"
            );
        }
        for value in [1.0f32, 0.3, 6.0e-5, 3.0e-7, 60000.0] {
            let value = f16::from_f32(value);
            let next = f16::from_bits(value.to_bits() + 1);
            assert_eq!(
                Format::F16.ulp(f64::from(value)),
                f64::from(next) - f64::from(value),
                "{value}"
            );
        }
    }

    #[test]
    fn errors_in_ulp_are_quotients() {
        for format in [Format::F32, Format::F16] {
            for value in [1.0, -1.5, 1.999_999, 2.0, 0.1, 3.0e-39, 1.0e30, 0.0, 6.0e-5, format.max]
            {
                for error in [0.0, 1.0, 1.3e-7, 5.0e-45, 1.0e30] {
                    assert_eq!(
                        format.ulps(error, value),
                        error / format.ulp(value),
                        "{error} of {value}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_f16_survives_the_way_through_bytes_and_back() {
        for bits in 0..=u32::from(u16::MAX) {
            let value = Dtype::F16.value(bits);
            if !value.is_nan() {
                assert_eq!(Dtype::F16.bits(value), bits);
            }
            let mut bytes = Vec::new();
            Dtype::F16.push(&mut bytes, bits);
            assert_eq!(Dtype::F16.element(&bytes, 0), bits);
        }
    }

    #[test]
    fn exp_leaves_the_normal_numbers_at_the_logarithm_of_the_smallest() {
        for format in [Format::F32, Format::F16] {
            let logarithm = format.min_normal.ln();
            assert!(
                (format.ln_min_normal - logarithm).abs() <= 1e-15 * logarithm.abs(),
                "{}",
                format.ln_min_normal
            );
        }
    }

    #[test]
    fn sentinel_is_nan() {
        for dtype in Dtype::ALL {
            assert!(dtype.value(dtype.sentinel()).is_nan());
            assert_eq!(dtype.bits(dtype.value(dtype.sentinel())), dtype.sentinel());
        }
    }
}
