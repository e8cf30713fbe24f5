// What the behaviour card asks of arithmetic. Every operand comes from a buffer: of a literal, a compiler would compute the answer.
fn copied(x: T) -> T {
    return x;
}

fn maximum(a: T, b: T) -> T {
    return max(a, b);
}

// ReLU by two selects, which differ at NaN.
fn where_positive(x: T) -> T {
    return select(T(0.0), x, x > T(0.0));
}

fn unless_at_most_zero(x: T) -> T {
    return select(x, T(0.0), x <= T(0.0));
}

fn is_positive(x: T) -> T {
    return select(T(0.0), T(1.0), x > T(0.0));
}

fn differs_from_itself(x: T) -> T {
    return select(T(0.0), T(1.0), x != x);
}

fn sum(a: T, b: T) -> T {
    return a + b;
}

fn product(a: T, b: T) -> T {
    return a * b;
}

fn quotient(a: T, b: T) -> T {
    return a / b;
}

fn exp_of(x: T) -> T {
    return exp(x);
}

fn exp2_of(x: T) -> T {
    return exp2(x);
}

fn tanh_of(x: T) -> T {
    return tanh(x);
}

fn fma_of_square(a: T, c: T) -> T {
    return fma(a, a, c);
}

// The same without fma: a compiler may fuse it.
fn square_plus(a: T, c: T) -> T {
    return a * a + c;
}

// 0 where big absorbs x, unless a compiler cancels big against itself.
fn there_and_back(x: T, big: T) -> T {
    return (x + big) - big;
}

// The rounding error of a product, which fma can give exactly.
fn product_error(a: T, b: T) -> T {
    let p = a * b;
    return fma(a, b, -p);
}

// The reduction of an exponential: ln(2) in two parts, of which the first has few bits. Merged, they are ln(2) in one.
fn reduced_in_two_steps(n: T, x: T) -> T {
    return fma(n, T(-1.4286068e-6), fma(n, T(-0.69314575), x));
}
