//! Left operands: rows of activations in the form a scheme multiplies.

use super::aligned::Aligned;
use super::isa::Isa;
use super::linear::Scheme;
use super::math;

/// Rows of activations, quantised or not, each padded to whole groups.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    scheme: Scheme,
    k: usize,
    stride: usize,
    pub(super) f32: Aligned<f32>,
    pub(super) i16: Aligned<i16>,
    pub(super) u8: Aligned<u8>,
    pub(super) bf16: Aligned<u16>,
    pub(super) scale: Vec<f32>,
}

impl Acts {
    /// Makes room for `rows` rows of `k` values; contents are undefined afterwards.
    pub(crate) fn shape(&mut self, scheme: Scheme, rows: usize, k: usize) {
        // One cache line more than the row: rows at a power-of-two distance would share cache sets.
        let width = k.next_multiple_of(4);
        match scheme {
            Scheme::F32 | Scheme::Bf16Wide => {
                self.stride = width.next_multiple_of(16) + 16;
                self.f32.grow(rows * self.stride);
            }
            Scheme::Int8 => {
                self.stride = width.next_multiple_of(32) + 32;
                self.i16.grow(rows * self.stride);
            }
            Scheme::Int8Byte => {
                self.stride = width.next_multiple_of(64) + 64;
                self.u8.grow(rows * self.stride);
            }
            Scheme::Bf16 => {
                self.stride = width.next_multiple_of(32) + 32;
                self.bf16.grow(rows * self.stride);
            }
        }
        if self.scale.len() < rows {
            self.scale.resize(rows, 1.0);
        }
        (self.scheme, self.k) = (scheme, k);
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Distance between rows, in values.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Stores row `r`. A value that is not finite makes the row's results NaN in every scheme.
    pub(crate) fn put(&mut self, isa: Isa, r: usize, x: &mut [f32]) {
        let peak = if self.scheme.is_int8() { math::peak(isa, x) } else { 0.0 };
        self.put_with_peak(isa, r, x, peak);
    }

    /// As [`Acts::put`], for a row whose [`math::peak`] is known.
    pub(crate) fn put_with_peak(&mut self, isa: Isa, r: usize, x: &[f32], peak: f32) {
        let (k, from) = (self.k, r * self.stride);
        debug_assert_eq!(x.len(), k);
        let padded = k.next_multiple_of(4);
        self.scale[r] = 1.0;
        match self.scheme {
            Scheme::F32 | Scheme::Bf16Wide => {
                self.f32[from..from + k].copy_from_slice(x);
                self.f32[from + k..from + padded].fill(0.0);
            }
            Scheme::Int8 => {
                let limit = int8_limit(k) as f32;
                let out = &mut self.i16[from..from + padded];
                self.scale[r] = quantise(peak, limit, |factor| math::to_i16(isa, x, factor, &mut out[..k]));
                out[k..].fill(0);
            }
            Scheme::Int8Byte => {
                let out = &mut self.u8[from..from + padded];
                self.scale[r] = quantise(peak, 127.0, |factor| math::to_u8(isa, x, factor, &mut out[..k]));
                out[k..].fill(0);
            }
            Scheme::Bf16 => {
                let out = &mut self.bf16[from..from + padded];
                math::to_bf16(isa, x, &mut out[..k]);
                out[k..].fill(0);
            }
        }
    }

    /// Copies row `from` of `other`, which has the same scheme and width, to row `to`.
    pub(crate) fn copy(&mut self, to: usize, other: &Self, from: usize) {
        debug_assert!(self.scheme == other.scheme && self.stride == other.stride);
        let (n, s) = (self.stride, other.stride);
        match self.scheme {
            Scheme::F32 | Scheme::Bf16Wide => {
                self.f32[to * n..][..n].copy_from_slice(&other.f32[from * s..][..n]);
            }
            Scheme::Int8 => self.i16[to * n..][..n].copy_from_slice(&other.i16[from * s..][..n]),
            Scheme::Int8Byte => self.u8[to * n..][..n].copy_from_slice(&other.u8[from * s..][..n]),
            Scheme::Bf16 => self.bf16[to * n..][..n].copy_from_slice(&other.bf16[from * s..][..n]),
        }
        self.scale[to] = other.scale[from];
    }
}

/// The largest activation of the `Int8` scheme: as many of 16 bits as leave every 32-bit sum of `k` products exact.
pub(crate) fn int8_limit(k: usize) -> i32 {
    (i32::MAX / (127 * k.max(1) as i32)).min(i32::from(i16::MAX))
}

/// Chooses the scale that maps the row's peak to `limit`, has `store` round the row, and returns the scale to undo it.
fn quantise(peak: f32, limit: f32, store: impl FnOnce(f32)) -> f32 {
    // Below this the factor would overflow; such rows are zero for every purpose.
    if peak < 1e-30 {
        store(0.0);
        return 0.0;
    }
    store(if peak.is_finite() { limit / peak } else { 0.0 });
    peak / limit
}
