// C = finish(A B), for as many matrices of each as the grid is deep. A workgroup makes a tile of C:
// it fetches a strip of A and one of B, PANEL steps of the sum long, into workgroup memory, and
// each invocation adds their products to 4 by 4 elements. Every element is summed by one invocation
// in the order of the sum: the same bits each time.
//
// Strides say how A and B lie in memory, so that a transposed matrix is one with its strides
// exchanged.
struct Params {
    rows: u32,
    columns: u32,
    // Terms of each sum.
    terms: u32,
    // How far apart in A: the next row, the next term; in B: the next term, the next column; in all
    // three: the next matrix.
    a_row: u32,
    a_term: u32,
    b_term: u32,
    b_column: u32,
    a_matrix: u32,
    b_matrix: u32,
}

// A workgroup has side by side invocations and makes a tile of 4 side by 4 side elements.
override side: u32 = 8u;
// Which way neighbouring invocations fetch, so that they read neighbouring words: along the sum, or
// across it.
override a_along_terms: bool = true;
override b_along_terms: bool = false;

const PANEL: u32 = 16u;

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> c: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;

// [term][four rows], [term][four columns].
var<workgroup> a_strip: array<vec4<f32>, side * PANEL>;
var<workgroup> b_strip: array<vec4<f32>, side * PANEL>;

fn a_at(matrix: u32, row: u32, term: u32) -> f32 {
    let first = matrix * params.a_matrix;
    if row < params.rows && term < params.terms {
        return a[first + row * params.a_row + term * params.a_term];
    }
    return 0.0;
}

fn b_at(matrix: u32, term: u32, column: u32) -> f32 {
    let first = matrix * params.b_matrix;
    if column < params.columns && term < params.terms {
        return b[first + term * params.b_term + column * params.b_column];
    }
    return 0.0;
}

// Which four of a strip, and which term of it, an invocation fetches.
fn fetched(index: u32, along_terms: bool) -> vec2<u32> {
    if along_terms {
        return vec2<u32>(index / PANEL, index % PANEL);
    }
    return vec2<u32>(index % side, index / side);
}

fn store(sum: vec4<f32>, matrix: u32, row: u32, first_column: u32) {
    if row >= params.rows || first_column >= params.columns {
        return;
    }
    // Elements beyond the last column are finished as that one, and not stored.
    let columns = min(vec4<u32>(first_column) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.columns - 1u));
    let at = (matrix * params.rows + row) * params.columns + columns;
    let result = finish(sum, at, columns, matrix);
    c[at.x] = result.x;
    if columns.y > columns.x {
        c[at.y] = result.y;
    }
    if columns.z > columns.y {
        c[at.z] = result.z;
    }
    if columns.w > columns.z {
        c[at.w] = result.w;
    }
}

@compute @workgroup_size(side, side)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let matrix = workgroup.z;
    let first_row = workgroup.y * side * 4u;
    let first_column = workgroup.x * side * 4u;
    let lane = local.y * side + local.x;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var first_term = 0u; first_term < params.terms; first_term += PANEL) {
        for (var index = lane; index < side * PANEL; index += side * side) {
            let of_a = fetched(index, a_along_terms);
            let row = first_row + of_a.x * 4u;
            let a_term = first_term + of_a.y;
            a_strip[of_a.y * side + of_a.x] = vec4<f32>(
                a_at(matrix, row, a_term), a_at(matrix, row + 1u, a_term), a_at(matrix, row + 2u, a_term), a_at(matrix, row + 3u, a_term),
            );
            let of_b = fetched(index, b_along_terms);
            let column = first_column + of_b.x * 4u;
            let b_term = first_term + of_b.y;
            b_strip[of_b.y * side + of_b.x] = vec4<f32>(
                b_at(matrix, b_term, column), b_at(matrix, b_term, column + 1u), b_at(matrix, b_term, column + 2u), b_at(matrix, b_term, column + 3u),
            );
        }
        workgroupBarrier();
        for (var term = 0u; term < PANEL; term++) {
            let rows = a_strip[term * side + local.y];
            let columns = b_strip[term * side + local.x];
            sum0 += rows.x * columns;
            sum1 += rows.y * columns;
            sum2 += rows.z * columns;
            sum3 += rows.w * columns;
        }
        workgroupBarrier();
    }
    let row = first_row + local.y * 4u;
    let column = first_column + local.x * 4u;
    store(sum0, matrix, row, column);
    store(sum1, matrix, row + 1u, column);
    store(sum2, matrix, row + 2u, column);
    store(sum3, matrix, row + 3u, column);
}
