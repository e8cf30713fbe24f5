#!/usr/bin/env python3
"""Writes reference.csv: sigmoid and its derivative in multiprecision, against which the tests check the f64 reference.

    python3 -m venv venv && venv/bin/pip install mpmath==1.4.1
    venv/bin/python tests/data/make_reference.py            # writes the file beside this script
    venv/bin/python tests/data/make_reference.py --check    # exits 1 where the file differs

Columns, all in hexadecimal bits: x_bits, an f32; sigmoid, 1 / (1 + exp(-x)), and sigmoid_derivative, sigmoid(x) * sigmoid(-x), as
the f64 nearest to the true value (ties to even), subnormals and 0 included. The same seed and version give the same file.
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
    """The bits of the f64 nearest to value > 0, which has far more than 53 bits, ties to even."""
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


def table():
    yield f"# Made by tests/data/make_reference.py with mpmath {mpmath.__version__}, {BITS} bits, seed {SEED}."
    yield "x_bits,sigmoid,sigmoid_derivative"
    for bits in dict.fromkeys(inputs()):
        x = f32_value(bits)
        yield f"{bits:08x},{rounded(sigmoid, x):016x},{rounded(sigmoid_derivative, x):016x}"


def main():
    path = pathlib.Path(__file__).with_name("reference.csv")
    text = "".join(line + "\n" for line in table())
    if "--check" in sys.argv[1:]:
        if path.read_text(encoding="ascii") != text:
            sys.exit(f"{path} is not what this script makes.")
    else:
        path.write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
