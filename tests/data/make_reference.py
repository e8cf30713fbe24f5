#!/usr/bin/env python3
"""Writes reference.csv and activations.csv: sigmoid and its derivative, and the other activations and theirs, in multiprecision.
The tests check the f64 references against them.

    python3 -m venv venv && venv/bin/pip install mpmath==1.4.1
    venv/bin/python tests/data/make_reference.py            # writes the files beside this script
    venv/bin/python tests/data/make_reference.py --check    # exits 1 where a file differs

Columns, all in hexadecimal bits: x_bits, an f32; then a function and its derivative each, as the f64 nearest to the true value
(ties to even), subnormals and 0 included. The same seed and version give the same files.
"""

import pathlib
import random
import struct
import sys

import mpmath

BITS = 200
SEED = 20260


def f32_bits(x):
    """The bits of the f32 nearest to x."""
    return struct.unpack("<I", struct.pack("<f", x))[0]


def f32_value(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def is_finite(bits):
    return bits & 0x7F800000 != 0x7F800000


def edge_values():
    """Both signs of every value at which something in f32 or f64 begins or ends, and its neighbours."""
    magnitudes = [0x00000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF]  # 0, subnormals, FLT_MIN, FLT_MAX
    magnitudes += [f32_bits(x) for x in (0.5, 1.0, 2.0)]
    magnitudes += [
        f32_bits(x)
        for x in (
            16.6355,  # sigmoid is 1 in f32 above
            17.32868,  # exp(-x) is 2**-25
            36.7368,  # exp(-x) is 2**-53: sigmoid is 1 in f64 above
            87.33654,  # exp(-x) is FLT_MIN
            88.7228,  # exp(x) is FLT_MAX
            103.972,  # exp(-x) is f32's smallest subnormal
            104.0,
            150.0,
            700.0,
            708.3964,  # exp(-x) is DBL_MIN
            709.7827,  # exp(x) is DBL_MAX
            744.0,
            745.1332,  # exp(-x) is half of f64's smallest subnormal
            745.2,
            750.0,
        )
    ]
    for magnitude in magnitudes:
        for neighbour in (magnitude, magnitude + 1, magnitude - 1):
            if neighbour >= 0 and is_finite(neighbour):
                yield neighbour
                yield neighbour | 0x80000000


def inputs():
    generator = random.Random(SEED)
    yield from edge_values()
    for _ in range(900):
        bits = generator.getrandbits(32)
        if is_finite(bits):
            yield bits
    for low, high, count in ((-20, 20, 1000), (-110, -20, 250), (20, 110, 100), (-750, -110, 250), (-746, -708, 60)):
        for _ in range(count):
            yield f32_bits(low + (high - low) * generator.random())
    for _ in range(400):
        magnitude = 10 ** -(4 + 4 * generator.random())
        yield f32_bits(magnitude) | generator.getrandbits(1) << 31


def f64_bits(value):
    """The bits of the f64 nearest to value, ties to even."""
    if value == 0:
        return 0
    if value < 0:
        return 1 << 63 | f64_bits(-value)
    _, mantissa, exponent, width = value._mpf_
    leading = int(exponent) + width - 1
    if leading < -1076:
        return 0
    last = max(leading - 52, -1074)  # the exponent of the last place that f64 has here
    shift = last - int(exponent)
    mantissa = int(mantissa)
    if shift > 0:
        quotient, rest = mantissa >> shift, mantissa & ((1 << shift) - 1)
        half = 1 << (shift - 1)
        quotient += rest > half or (rest == half and quotient & 1)
    else:
        quotient = mantissa << -shift
    # Subnormals and the numbers above them are consecutive as bits, and so a carry into the next power of two needs no case.
    return quotient + ((last + 1074) << 52)


def rounded(function, x):
    """function(x) as the bits of the nearest f64. Two precisions must agree, or the first was too close to a tie."""
    results = []
    for bits in (BITS, BITS + 100):
        with mpmath.workprec(bits):
            results.append(f64_bits(function(mpmath.mpf(x))))
    assert results[0] == results[1], x
    return results[0]


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def sigmoid_derivative(x):
    return sigmoid(x) * sigmoid(-x)


def phi(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def density(x):
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


# The constants of PyTorch and ONNX, which are decimal fractions.
def inner(x):
    return 2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)


def inner_derivative(x):
    return 2 * mpmath.sqrt(2 / mpmath.pi) * (1 + 3 * mpmath.mpf("0.044715") * x**2)


SLOPE = "0.01"

ACTIVATIONS = {
    "leaky_relu": (
        lambda x: x if x > 0 else mpmath.mpf(SLOPE) * x,
        lambda x: mpmath.mpf(1) if x > 0 else mpmath.mpf(SLOPE),
    ),
    "elu": (lambda x: x if x > 0 else mpmath.expm1(x), lambda x: mpmath.mpf(1) if x > 0 else mpmath.exp(x)),
    "tanh": (mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), sigmoid),
    "gelu": (lambda x: x * phi(x), lambda x: phi(x) + x * density(x)),
    "gelu_tanh": (
        lambda x: x * sigmoid(inner(x)),
        lambda x: sigmoid(inner(x)) * (1 + x * inner_derivative(x) * sigmoid(-inner(x))),
    ),
}


def activation_inputs():
    """Where f32 results are neither 0 nor x, zeros of derivatives, and a few beyond."""
    generator = random.Random(SEED)
    for x in (0.0, 1.17549435e-38, 1e-40, 1.0, -1.0, -1.2784645, -0.7517916, -0.7524614, 9.0, -9.0, 40.0, -40.0):
        yield f32_bits(x)
    for low, high, count in ((-2, 2, 120), (-15, 15, 150), (-100, 100, 60)):
        for _ in range(count):
            yield f32_bits(low + (high - low) * generator.random())
    for _ in range(60):
        yield f32_bits(10 ** -(8 * generator.random())) | generator.getrandbits(1) << 31


def table(functions, inputs):
    yield f"# Made by tests/data/make_reference.py with mpmath {mpmath.__version__}, {BITS} bits, seed {SEED}."
    names = [f"{name},{name}_derivative" for name in functions]
    yield ",".join(["x_bits", *names])
    for bits in dict.fromkeys(inputs):
        x = f32_value(bits)
        columns = [f"{rounded(function, x):016x}" for pair in functions.values() for function in pair]
        yield ",".join([f"{bits:08x}", *columns])


def main():
    of_sigmoid = {"sigmoid": (sigmoid, sigmoid_derivative)}
    for name, rows in (
        ("reference.csv", table(of_sigmoid, inputs())),
        ("activations.csv", table(ACTIVATIONS, activation_inputs())),
    ):
        path = pathlib.Path(__file__).with_name(name)
        text = "".join(line + "\n" for line in rows)
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="ascii", newline="\n")
        elif path.read_text(encoding="ascii") != text:
            sys.exit(f"{path} is not what this script makes.")


if __name__ == "__main__":
    main()
