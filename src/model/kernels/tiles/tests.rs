//! Every kernel of this CPU against plain sums, on odd shapes.

use super::super::isa::Isa;
use super::{Kernels, Panel};

/// A small counter-based generator: tests need variety, not quality.
fn noise(i: usize) -> u64 {
    let mut z = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const SHAPES: [(usize, usize); 12] =
    [(1, 1), (1, 64), (2, 3), (5, 17), (6, 8), (7, 97), (11, 128), (12, 33), (13, 255), (25, 16), (47, 61), (64, 256)];

/// Runs `kernel` on packed operands; `a` and `b` give plain (row, k) and (k, column) entries.
fn run<A: Copy + Default, B: Copy + Default, C: Copy + Default>(
    nr: usize,
    group: usize,
    (rows, groups): (usize, usize),
    a: impl Fn(usize, usize) -> A,
    b: impl Fn(usize, usize) -> B,
    c: &mut [C],
    fresh: bool,
    kernel: impl Fn(Panel<'_, A, B, C>),
) {
    let k = groups * group;
    let lda = k + 3;
    let mut left = vec![A::default(); rows * lda];
    for r in 0..rows {
        for i in 0..k {
            left[r * lda + i] = a(r, i);
        }
    }
    let mut right = vec![B::default(); k * nr];
    for i in 0..k {
        for n in 0..nr {
            right[(i / group * nr + n) * group + i % group] = b(i, n);
        }
    }
    kernel(Panel { a: &left, lda, rows, b: &right, groups, c, fresh });
}

#[test]
fn integer_kernels_are_exact() {
    for isa in Isa::available() {
        let kernels = Kernels::new(isa);
        let nr = kernels.nr();
        for shape @ (rows, groups) in SHAPES {
            for fresh in [true, false] {
                let start: Vec<i32> = (0..rows * nr).map(|i| noise(i) as i32 >> 8).collect();
                let from = |i: usize| if fresh { 0 } else { start[i] };

                // Extremes included: 16-bit values whose sums still fit 32 bits.
                let a = |r: usize, i: usize| (noise(r * 1000 + i) % 8191) as i16 - 4095;
                let b = |i: usize, n: usize| (noise(i * 77 + n + 5) % 255) as i16 - 127;
                let mut c = start.clone();
                run(nr, 2, shape, a, b, &mut c, fresh, |p| kernels.i16(p));
                for r in 0..rows {
                    for n in 0..nr {
                        let want = from(r * nr + n)
                            + (0..2 * groups).map(|i| i32::from(a(r, i)) * i32::from(b(i, n))).sum::<i32>();
                        assert_eq!(c[r * nr + n], want, "{isa:?} i16 {shape:?} row {r} column {n}");
                    }
                }

                if kernels.has_u8() {
                    let a = |r: usize, i: usize| [255, 0, 1, noise(r * 999 + i) as u8][(i % 4) ^ (r % 2)];
                    let b = |i: usize, n: usize| [127, -128, noise(i * 31 + n) as i8][(i + n) % 3];
                    let mut c = start.clone();
                    run(nr, 4, shape, a, b, &mut c, fresh, |p| kernels.u8(p));
                    for r in 0..rows {
                        for n in 0..nr {
                            let want = from(r * nr + n)
                                + (0..4 * groups).map(|i| i32::from(a(r, i)) * i32::from(b(i, n))).sum::<i32>();
                            assert_eq!(c[r * nr + n], want, "{isa:?} u8 {shape:?} row {r} column {n}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn float_kernels_agree_with_plain_sums() {
    let unit = |seed: usize| (noise(seed) % 2001) as f32 / 1000.0 - 1.0;
    let bf16 = |x: f32| (x.to_bits() >> 16) as u16;
    let wide = |x: u16| f32::from_bits(u32::from(x) << 16);
    for isa in Isa::available() {
        let kernels = Kernels::new(isa);
        let nr = kernels.nr();
        for shape @ (rows, groups) in SHAPES {
            for fresh in [true, false] {
                let start: Vec<f32> = (0..rows * nr).map(|i| unit(i + 9)).collect();
                let from = |i: usize| if fresh { 0.0 } else { f64::from(start[i]) };
                let a = |r: usize, i: usize| unit(r * 1000 + i);
                let b = |i: usize, n: usize| unit(i * 77 + n + 5);

                let mut c = start.clone();
                run(nr, 1, shape, a, b, &mut c, fresh, |p| kernels.f32(p));
                for r in 0..rows {
                    for n in 0..nr {
                        let want = from(r * nr + n)
                            + (0..groups).map(|i| f64::from(a(r, i)) * f64::from(b(i, n))).sum::<f64>();
                        let error = (f64::from(c[r * nr + n]) - want).abs();
                        assert!(error < 1e-5 * (groups as f64 + 1.0).sqrt(), "{isa:?} f32 {shape:?}: {error}");
                    }
                }

                if kernels.has_bf16() {
                    let a = |r: usize, i: usize| bf16(unit(r * 1000 + i));
                    let b = |i: usize, n: usize| bf16(unit(i * 77 + n + 5));
                    let mut c = start.clone();
                    run(nr, 2, shape, a, b, &mut c, fresh, |p| kernels.bf16(p));
                    for r in 0..rows {
                        for n in 0..nr {
                            let want = from(r * nr + n)
                                + (0..2 * groups)
                                    .map(|i| f64::from(wide(a(r, i))) * f64::from(wide(b(i, n))))
                                    .sum::<f64>();
                            let error = (f64::from(c[r * nr + n]) - want).abs();
                            assert!(error < 1e-5 * (groups as f64 + 1.0).sqrt(), "{isa:?} bf16 {shape:?}: {error}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_tile() {
    for isa in Isa::available() {
        let kernels = Kernels::new(isa);
        let nr = kernels.nr();
        let value = |r: usize, i: usize| (noise(r * 31 + i) % 2001) as f32 / 1000.0 - 1.0;
        let b: Vec<f32> = (0..97 * nr).map(|i| value(7, i)).collect();
        let a: Vec<f32> = (0..30 * 97).map(|i| value(i / 97, i % 97)).collect();
        let product = |first: usize, rows: usize| {
            let mut c = vec![0.0; rows * nr];
            kernels.f32(Panel { a: &a[first * 97..], lda: 97, rows, b: &b, groups: 97, c: &mut c, fresh: true });
            c
        };
        let whole = product(0, 30);
        for rows in 1..14 {
            assert_eq!(product(9, rows), whole[9 * nr..(9 + rows) * nr], "{isa:?}");
        }
    }
}

#[test]
#[should_panic(expected = "left operand too short")]
fn short_operands_are_refused() {
    let kernels = Kernels::new(Isa::PORTABLE);
    kernels.f32(Panel { a: &[0.0; 7], lda: 4, rows: 2, b: &[0.0; 64], groups: 4, c: &mut [0.0; 32], fresh: true });
}
