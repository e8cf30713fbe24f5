//! What the formulas of activations can get wrong.

use super::{Planted, Run};

pub(super) const ACTIVATIONS: &[Planted] = &[
    Planted {
        kernel: "forward/f32/leaky_relu/plain",
        run: Run::Usual,
        faults: &[
            ("the slope is 0.02", "T(0.01) * x", "T(0.02) * x"),
            ("the sides are exchanged", "x > T(0.0)", "x < T(0.0)"),
            ("it ends at 0", "T(0.01) * x", "T(0.0)"),
        ],
    },
    Planted {
        kernel: "backward/f32/leaky_relu/from_y",
        run: Run::Usual,
        faults: &[
            ("the gradient below 0 is 0", "T(0.01) * dy", "T(0.0)"),
            ("the gradient at 0 is dy", "saved > T(0.0)", "saved >= T(0.0)"),
            ("dy is ignored", "T(0.01) * dy", "T(0.01)"),
        ],
    },
    Planted {
        kernel: "forward/f32/elu/expm1",
        run: Run::Usual,
        faults: &[
            (
                "exp(x) - 1 cancels near 0",
                "T(expm1(min(vec4<f32>(x), vec4<f32>(0.0))))",
                "exp(min(x, T(0.0))) - T(1.0)",
            ),
            ("the factor of r^2 is off in its fourth digit", "q * r + 0.5;", "q * r + 0.4999;"),
            ("ln(2) lacks its second part", " - n * 1.4286068e-6", ""),
            ("n is not the nearest integer", "round(bounded", "trunc(bounded"),
        ],
    },
    Planted {
        kernel: "forward/f16_native/elu/expm1",
        run: Run::Usual,
        faults: &[(
            "it is twice as steep below 0",
            "min(vec4<f32>(x), vec4<f32>(0.0))",
            "min(vec4<f32>(x) * 2.0, vec4<f32>(0.0))",
        )],
    },
    Planted {
        kernel: "backward/f32/elu/from_y",
        run: Run::Usual,
        faults: &[
            ("1 is not added", "(min(saved, T(0.0)) + T(1.0))", "min(saved, T(0.0))"),
            ("dy is ignored", "dy * (min(", "(min("),
            ("the gradient above 0 grows with y", "min(saved, T(0.0)) + T(1.0)", "saved + T(1.0)"),
        ],
    },
    Planted {
        kernel: "backward/f32/elu/from_x",
        run: Run::Usual,
        faults: &[
            ("the gradient above 0 grows with x", "exp(min(saved, T(0.0)))", "exp(saved)"),
            ("exp2 stands for exp", "exp(min(saved", "exp2(min(saved"),
            (
                "x is clamped to -30",
                "exp(min(saved, T(0.0)))",
                "exp(clamp(saved, T(-30.0), T(0.0)))",
            ),
        ],
    },
    Planted {
        kernel: "forward/f32/tanh/expm1",
        run: Run::Usual,
        faults: &[
            ("the sign of x is lost", "select(y, -y, x < T(0.0))", "y"),
            ("1 stands for 2 in the denominator", "(T(2.0) + t)", "(T(1.0) + t)"),
            ("it gets half of x", "expm1(-2.0 *", "expm1(-1.0 *"),
            (
                "the factor of r^3 is off in its fourth digit",
                "0.1666654348373413",
                "0.1667654348373413",
            ),
        ],
    },
    Planted {
        kernel: "backward/f32/tanh/from_y",
        run: Run::Usual,
        faults: &[
            ("1 - y stands for 1 + y", "(T(1.0) + saved)", "(T(1.0) - saved)"),
            ("dy is ignored", "dy * ((T(1.0) - saved)", "((T(1.0) - saved)"),
            ("y stands for y^2", "(T(1.0) - saved) * (T(1.0) + saved)", "T(1.0) - saved"),
        ],
    },
    Planted {
        kernel: "backward/f32/tanh/from_x",
        run: Run::Usual,
        faults: &[
            ("the square is missing", "z / (d * d)", "z / d"),
            ("|x| lacks its bars", "abs(saved)", "saved"),
            ("it is a quarter", "T(4.0) * z", "z"),
        ],
    },
    Planted {
        kernel: "forward/f32/silu/two_sided",
        run: Run::Usual,
        faults: &[
            ("exp2 stands for exp", "exp(-abs(x))", "exp2(-abs(x))"),
            ("x is clamped to +-20", "exp(-abs(x))", "exp(-min(abs(x), T(20.0)))"),
            ("the sides are exchanged", "x >= T(0.0)", "x < T(0.0)"),
            ("it is a sigmoid", "return x * (select", "return (select"),
        ],
    },
    Planted {
        kernel: "forward/f16_native/silu/two_sided",
        run: Run::Usual,
        faults: &[("exp2 stands for exp", "exp(-abs(x))", "exp2(-abs(x))")],
    },
    Planted {
        kernel: "backward/f32/silu/from_x",
        run: Run::Usual,
        faults: &[
            ("the second term is subtracted", "T(1.0) + saved * c", "T(1.0) - saved * c"),
            ("x is missing in the second term", "saved * c", "c"),
            ("it is the derivative of a sigmoid", "s * (T(1.0) + saved * c)", "s * c"),
            ("dy is ignored", "dy * (s *", "(s *"),
        ],
    },
    Planted {
        kernel: "forward/f32/softplus/log1p",
        run: Run::Usual,
        faults: &[
            (
                "log(1 + z) loses the digits of a small z",
                "T(log1p(vec4<f32>(exp(-abs(x)))))",
                "log(T(1.0) + exp(-abs(x)))",
            ),
            ("x is not added above 0", "max(x, T(0.0)) + ", ""),
            (
                "the factor of s^3 is off in its third digit",
                "0.6666641235351562",
                "0.6676641235351562",
            ),
            ("|x| lacks its bars", "exp(-abs(x))", "exp(x)"),
        ],
    },
    Planted {
        kernel: "backward/f32/softplus/from_x",
        run: Run::Usual,
        faults: &[
            ("the sides are exchanged", "saved >= T(0.0)", "saved < T(0.0)"),
            ("dy is ignored", "dy * (select", "(select"),
            ("x is clamped to +-30", "exp(-abs(saved))", "exp(-min(abs(saved), T(30.0)))"),
        ],
    },
    Planted {
        kernel: "forward/f32/gelu/erfc",
        run: Run::Usual,
        faults: &[
            ("the root of 1/2 has four digits", "* 0.70710678", "* 0.7071"),
            ("x is clamped to 4", "min(x, vec4<f32>(15.0))", "min(x, vec4<f32>(4.0))"),
            (
                "a coefficient is off in its fourth digit",
                "0.2394973188638687",
                "0.2395973188638687",
            ),
            ("it is twice itself", "return 0.5 * erfc(", "return erfc("),
        ],
    },
    Planted {
        kernel: "backward/f32/gelu/from_x",
        run: Run::Usual,
        faults: &[
            ("the density is off in its third digit", "0.3989423", "0.3979423"),
            ("the exponent lacks its half", "exp(-0.5 * (x * x))", "exp(-(x * x))"),
            ("the terms are subtracted", "phi + x *", "phi - x *"),
            ("the second term is missing", "phi + x * (0.3989423 * exp(-0.5 * (x * x)))", "phi"),
        ],
    },
    Planted {
        kernel: "forward/f32/gelu_tanh/two_sided",
        run: Run::Usual,
        faults: &[
            ("a coefficient is off in its third digit", "T(0.044715)", "T(0.0448)"),
            (
                "the root of 2 / pi has two digits",
                "T(1.5957691) * (x + T(0.044715)",
                "T(1.6) * (x + T(0.044715)",
            ),
            ("the cube is a square", "T(0.044715) * x * x * x", "T(0.044715) * x * x"),
            ("it is SiLU of 1.702 x", "gelu_tanh_exponent(gelu_tanh_clamped(x))", "x * T(1.702)"),
        ],
    },
    Planted {
        kernel: "backward/f32/gelu_tanh/from_x",
        run: Run::Usual,
        faults: &[
            ("the cube's derivative lacks its 3", "T(0.134145)", "T(0.044715)"),
            ("the slope is missing in the second term", "slope * c", "c"),
            ("the terms are subtracted", "T(1.0) + slope * c", "T(1.0) - slope * c"),
        ],
    },
];
