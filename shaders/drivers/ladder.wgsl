// y = where x is after params.flights * 16 rungs, climbed in registers: v = fma(f(v), a, x). a is read at run time and x is the lane's own
// element, so that no rung can be folded into another; unrolled, so that the loop's counter costs a sixteenth.
@group(0) @binding(1) var<storage, read_write> y: array<W>;
@group(0) @binding(2) var<storage, read> x: array<W>;

fn rung(v: T, a: T, x: T) -> T {
    return fma(forward(v), a, x);
}

fn flight(v: T, a: T, x: T) -> T {
    var w = v;
    w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x);
    w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x);
    w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x);
    w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x); w = rung(w, a, x);
    return w;
}

fn climb(x: T) -> T {
    let a = T(vec4<f32>(params.factor));
    var v = x;
    for (var n = 0u; n < params.flights; n++) {
        v = flight(v, a, x);
    }
    return v;
}

@compute @workgroup_size(workgroup_size)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var i = first_unit(workgroup, grid, lane);
    for (var k = 0u; k < units_per_invocation; k++) {
        if i < params.words {
            let word = x[i];
            var result: W;
            for (var p = 0u; p < PARTS; p++) {
                put(&result, p, climb(part(word, p)));
            }
            y[i] = result;
        }
        i += workgroup_size;
    }
}
