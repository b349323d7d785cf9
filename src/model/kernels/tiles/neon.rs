//! NEON: 6 rows by 16 columns, 24 accumulators of 4 lanes. Neither compiled nor run on a 64-bit Arm machine yet.

use std::arch::aarch64::{
    vaddq_s32, vdupq_n_f32, vdupq_n_s32, vfmaq_n_f32, vget_high_s16, vget_low_s16, vld1q_f32, vld1q_s32, vld2q_s16,
    vmlal_n_s16, vst1q_f32, vst1q_s32,
};

use super::{Panel, tiles};

pub(super) const NR: usize = 16;

#[target_feature(enable = "neon")]
pub(super) fn f32(panel: Panel<'_, f32, f32, f32>) {
    tiles!(panel, NR, f32_tile, [1, 2, 3, 4, 5, 6], 6);
}

#[target_feature(enable = "neon")]
pub(super) fn i16(panel: Panel<'_, i16, i16, i32>) {
    tiles!(panel, NR, i16_tile, [1, 2, 3, 4, 5, 6], 6);
}

/// # Safety
/// `a`: `R` rows of `groups` values, `lda` apart; `b`: `groups × 16` values; `c`: `R × 16` values.
#[target_feature(enable = "neon")]
unsafe fn f32_tile<const R: usize>(a: *const f32, lda: usize, b: *const f32, groups: usize, c: *mut f32, fresh: bool) {
    // SAFETY: offsets stay within the lengths demanded above.
    unsafe {
        let mut acc = [[vdupq_n_f32(0.0); 4]; R];
        if !fresh {
            for (r, acc) in acc.iter_mut().enumerate() {
                for (j, acc) in acc.iter_mut().enumerate() {
                    *acc = vld1q_f32(c.add(r * NR + 4 * j));
                }
            }
        }
        for g in 0..groups {
            let b: [_; 4] = std::array::from_fn(|j| vld1q_f32(b.add(g * NR + 4 * j)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let a = *a.add(r * lda + g);
                for (acc, &b) in acc.iter_mut().zip(&b) {
                    *acc = vfmaq_n_f32(*acc, b, a);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            for (j, &acc) in acc.iter().enumerate() {
                vst1q_f32(c.add(r * NR + 4 * j), acc);
            }
        }
    }
}

/// # Safety
/// `a`: `R` rows of `groups` pairs, `lda` apart; `b`: `groups × 16` pairs; `c`: `R × 16` values.
#[target_feature(enable = "neon")]
unsafe fn i16_tile<const R: usize>(a: *const i16, lda: usize, b: *const i16, groups: usize, c: *mut i32, fresh: bool) {
    // SAFETY: offsets stay within the lengths demanded above.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); 4]; R];
        for g in 0..groups {
            // `vld2q` parts the pairs again: first values of eight columns, then second ones.
            let lo = vld2q_s16(b.add(g * 2 * NR));
            let hi = vld2q_s16(b.add(g * 2 * NR + 16));
            for (r, acc) in acc.iter_mut().enumerate() {
                let (a0, a1) = (*a.add(r * lda + 2 * g), *a.add(r * lda + 2 * g + 1));
                acc[0] = vmlal_n_s16(acc[0], vget_low_s16(lo.0), a0);
                acc[0] = vmlal_n_s16(acc[0], vget_low_s16(lo.1), a1);
                acc[1] = vmlal_n_s16(acc[1], vget_high_s16(lo.0), a0);
                acc[1] = vmlal_n_s16(acc[1], vget_high_s16(lo.1), a1);
                acc[2] = vmlal_n_s16(acc[2], vget_low_s16(hi.0), a0);
                acc[2] = vmlal_n_s16(acc[2], vget_low_s16(hi.1), a1);
                acc[3] = vmlal_n_s16(acc[3], vget_high_s16(hi.0), a0);
                acc[3] = vmlal_n_s16(acc[3], vget_high_s16(hi.1), a1);
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            for (j, &acc) in acc.iter().enumerate() {
                let c = c.add(r * NR + 4 * j);
                vst1q_s32(c, if fresh { acc } else { vaddq_s32(vld1q_s32(c), acc) });
            }
        }
    }
}
