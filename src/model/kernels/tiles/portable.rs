//! Plain Rust, for any machine, and the meaning the other kernels are tested against.

use super::Panel;

pub(super) const NR: usize = 16;

/// `c (+)= a · b` for groups of `G` values, each product made by `mul`.
#[inline(always)]
fn product<A: Copy, B: Copy, C: Copy + Default, const G: usize>(panel: Panel<'_, A, B, C>, mul: impl Fn(C, A, B) -> C) {
    for row in 0..panel.rows {
        let a = &panel.a[row * panel.lda..][..panel.groups * G];
        let c = &mut panel.c[row * NR..][..NR];
        let mut sums = [C::default(); NR];
        if !panel.fresh {
            sums.copy_from_slice(c);
        }
        for (a, b) in a.chunks_exact(G).zip(panel.b.chunks_exact(NR * G)) {
            for (sum, b) in sums.iter_mut().zip(b.chunks_exact(G)) {
                for (&a, &b) in a.iter().zip(b) {
                    *sum = mul(*sum, a, b);
                }
            }
        }
        c.copy_from_slice(&sums);
    }
}

pub(super) fn f32(panel: Panel<'_, f32, f32, f32>) {
    product::<_, _, _, 1>(panel, |sum, a, b| sum + a * b);
}

pub(super) fn i16(panel: Panel<'_, i16, i16, i32>) {
    product::<_, _, _, 2>(panel, |sum, a, b| sum + i32::from(a) * i32::from(b));
}

pub(super) fn u8(panel: Panel<'_, u8, i8, i32>) {
    product::<_, _, _, 4>(panel, |sum, a, b| sum + i32::from(a) * i32::from(b));
}

pub(super) fn bf16(panel: Panel<'_, u16, u16, f32>) {
    let wide = |x: u16| f32::from_bits(u32::from(x) << 16);
    product::<_, _, _, 2>(panel, |sum, a, b| sum + wide(a) * wide(b));
}
