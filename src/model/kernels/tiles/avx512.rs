//! AVX-512 with VNNI (and, where there, BF16): 12 rows by 32 columns, 24 accumulators of 16 lanes.
//!
//! `vpdpbusd` and `vpdpwssd` add four 8-bit or two 16-bit products to a 32-bit lane without saturating.
//! `vdpbf16ps` adds two bf16 products to an f32 lane, flushing denormals.

#![expect(clippy::cast_ptr_alignment, reason = "all reads through these pointers are unaligned ones")]

use std::arch::x86_64::{
    __m512bh, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
    _mm512_storeu_si512,
};

use super::{Panel, tiles};

pub(super) const NR: usize = 32;

#[target_feature(enable = "avx512f")]
pub(super) fn f32(panel: Panel<'_, f32, f32, f32>) {
    tiles!(panel, NR, f32_tile, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 12);
}

#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn i16(panel: Panel<'_, i16, i16, i32>) {
    tiles!(panel, NR, i16_tile, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 12);
}

#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn u8(panel: Panel<'_, u8, i8, i32>) {
    tiles!(panel, NR, u8_tile, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 12);
}

#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn bf16(panel: Panel<'_, u16, u16, f32>) {
    tiles!(panel, NR, bf16_tile, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 12);
}

/// # Safety
/// `a`: `R` rows of `groups` values, `lda` apart; `b`: `groups × 32` values; `c`: `R × 32` values.
#[target_feature(enable = "avx512f")]
unsafe fn f32_tile<const R: usize>(a: *const f32, lda: usize, b: *const f32, groups: usize, c: *mut f32, fresh: bool) {
    // SAFETY: offsets stay within the lengths demanded above.
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; R];
        if !fresh {
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = [_mm512_loadu_ps(c.add(r * NR)), _mm512_loadu_ps(c.add(r * NR + 16))];
            }
        }
        for g in 0..groups {
            let b0 = _mm512_loadu_ps(b.add(g * NR));
            let b1 = _mm512_loadu_ps(b.add(g * NR + 16));
            for (r, acc) in acc.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*a.add(r * lda + g));
                acc[0] = _mm512_fmadd_ps(a, b0, acc[0]);
                acc[1] = _mm512_fmadd_ps(a, b1, acc[1]);
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            _mm512_storeu_ps(c.add(r * NR), acc[0]);
            _mm512_storeu_ps(c.add(r * NR + 16), acc[1]);
        }
    }
}

/// A tile of 32-bit lanes: every group is 4 bytes of the left row, broadcast, times 32 lanes of the panel.
macro_rules! integer_tile {
    ($name:ident, $a:ty, $b:ty, $group:literal, $dot:ident) => {
        /// # Safety
        /// `a`: `R` rows of `groups` groups, `lda` values apart; `b`: `groups × 32` groups; `c`: `R × 32` values.
        #[target_feature(enable = "avx512f,avx512vnni")]
        unsafe fn $name<const R: usize>(
            a: *const $a,
            lda: usize,
            b: *const $b,
            groups: usize,
            c: *mut i32,
            fresh: bool,
        ) {
            // SAFETY: offsets stay within the lengths demanded above; loads and stores need no alignment.
            unsafe {
                let mut acc = [[_mm512_setzero_si512(); 2]; R];
                if !fresh {
                    for (r, acc) in acc.iter_mut().enumerate() {
                        *acc =
                            [_mm512_loadu_si512(c.add(r * NR).cast()), _mm512_loadu_si512(c.add(r * NR + 16).cast())];
                    }
                }
                for g in 0..groups {
                    let b0 = _mm512_loadu_si512(b.add(g * $group * NR).cast());
                    let b1 = _mm512_loadu_si512(b.add(g * $group * NR + $group * 16).cast());
                    for (r, acc) in acc.iter_mut().enumerate() {
                        let a = a.add(r * lda + $group * g).cast::<i32>();
                        let a = _mm512_set1_epi32(a.read_unaligned());
                        acc[0] = $dot(acc[0], a, b0);
                        acc[1] = $dot(acc[1], a, b1);
                    }
                }
                for (r, acc) in acc.iter().enumerate() {
                    _mm512_storeu_si512(c.add(r * NR).cast(), acc[0]);
                    _mm512_storeu_si512(c.add(r * NR + 16).cast(), acc[1]);
                }
            }
        }
    };
}

integer_tile!(i16_tile, i16, i16, 2, _mm512_dpwssd_epi32);
integer_tile!(u8_tile, u8, i8, 4, _mm512_dpbusd_epi32);

/// # Safety
/// `a`: `R` rows of `groups` pairs, `lda` apart; `b`: `groups × 32` pairs; `c`: `R × 32` values.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn bf16_tile<const R: usize>(a: *const u16, lda: usize, b: *const u16, groups: usize, c: *mut f32, fresh: bool) {
    // SAFETY: offsets stay within the lengths demanded above; loads and stores need no alignment; all bit patterns are
    // valid vectors of bf16.
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; R];
        if !fresh {
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = [_mm512_loadu_ps(c.add(r * NR)), _mm512_loadu_ps(c.add(r * NR + 16))];
            }
        }
        for g in 0..groups {
            let b0: __m512bh = std::mem::transmute(_mm512_loadu_si512(b.add(g * 2 * NR).cast()));
            let b1: __m512bh = std::mem::transmute(_mm512_loadu_si512(b.add(g * 2 * NR + 32).cast()));
            for (r, acc) in acc.iter_mut().enumerate() {
                let a = a.add(r * lda + 2 * g).cast::<i32>().read_unaligned();
                let a: __m512bh = std::mem::transmute(_mm512_set1_epi32(a));
                acc[0] = _mm512_dpbf16_ps(acc[0], a, b0);
                acc[1] = _mm512_dpbf16_ps(acc[1], a, b1);
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            _mm512_storeu_ps(c.add(r * NR), acc[0]);
            _mm512_storeu_ps(c.add(r * NR + 16), acc[1]);
        }
    }
}
