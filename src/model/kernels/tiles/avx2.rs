//! AVX2: 6 rows by 16 columns, 12 accumulators of 8 lanes, which with two columns' loads, one broadcast and one
//! product fill the 16 registers.
//!
//! Weights of 8 bits are multiplied as 16 bits (`vpmaddwd`): its pair sums are exact in 32 bits. The 8-bit product of
//! AVX2 (`vpmaddubsw`) saturates at 16 bits unless an operand is cut to 7 bits, and needs a second multiplication to
//! widen, so it would be less exact and, at one multiplication per 16 products either way, no faster.

use std::arch::x86_64::{
    _mm256_add_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_ps, _mm256_storeu_si256,
};

use super::{Panel, opaque, tiles};

pub(super) const NR: usize = 16;

#[target_feature(enable = "avx2,fma")]
pub(super) fn f32(panel: Panel<'_, f32, f32, f32>) {
    tiles!(panel, NR, f32_tile, [1, 2, 3, 4, 5, 6], 6);
}

#[target_feature(enable = "avx2")]
pub(super) fn i16(panel: Panel<'_, i16, i16, i32>) {
    tiles!(panel, NR, i16_tile, [1, 2, 3, 4, 5, 6], 6);
}

/// # Safety
/// `a`: `R` rows of `groups` values, `lda` apart; `b`: `groups × 16` values; `c`: `R × 16` values.
#[target_feature(enable = "avx2,fma")]
unsafe fn f32_tile<const R: usize>(a: *const f32, lda: usize, b: *const f32, groups: usize, c: *mut f32, fresh: bool) {
    // SAFETY: offsets stay within the lengths demanded above.
    unsafe {
        let mut acc = [[_mm256_setzero_ps(); 2]; R];
        if !fresh {
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = [_mm256_loadu_ps(c.add(r * NR)), _mm256_loadu_ps(c.add(r * NR + 8))];
            }
        }
        let rows: [_; R] = std::array::from_fn(|r| opaque(a.add(r * lda)));
        for g in 0..groups {
            let b0 = _mm256_loadu_ps(b.add(g * NR));
            let b1 = _mm256_loadu_ps(b.add(g * NR + 8));
            for (&row, acc) in rows.iter().zip(&mut acc) {
                let a = _mm256_set1_ps(*row.add(g));
                acc[0] = _mm256_fmadd_ps(a, b0, acc[0]);
                acc[1] = _mm256_fmadd_ps(a, b1, acc[1]);
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            _mm256_storeu_ps(c.add(r * NR), acc[0]);
            _mm256_storeu_ps(c.add(r * NR + 8), acc[1]);
        }
    }
}

/// # Safety
/// `a`: `R` rows of `groups` pairs, `lda` apart; `b`: `groups × 16` pairs; `c`: `R × 16` values.
#[target_feature(enable = "avx2")]
unsafe fn i16_tile<const R: usize>(a: *const i16, lda: usize, b: *const i16, groups: usize, c: *mut i32, fresh: bool) {
    // SAFETY: offsets stay within the lengths demanded above; loads and stores need no alignment.
    unsafe {
        let mut acc = [[_mm256_setzero_si256(); 2]; R];
        if !fresh {
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = [_mm256_loadu_si256(c.add(r * NR).cast()), _mm256_loadu_si256(c.add(r * NR + 8).cast())];
            }
        }
        let rows: [_; R] = std::array::from_fn(|r| opaque(a.add(r * lda)));
        for g in 0..groups {
            let b0 = _mm256_loadu_si256(b.add(g * 2 * NR).cast());
            let b1 = _mm256_loadu_si256(b.add(g * 2 * NR + 16).cast());
            for (&row, acc) in rows.iter().zip(&mut acc) {
                let a = _mm256_set1_epi32(row.add(2 * g).cast::<i32>().read_unaligned());
                acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(a, b0));
                acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(a, b1));
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            _mm256_storeu_si256(c.add(r * NR).cast(), acc[0]);
            _mm256_storeu_si256(c.add(r * NR + 8).cast(), acc[1]);
        }
    }
}
