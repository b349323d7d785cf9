//! Left operands: rows of activations in the form a scheme multiplies.

use super::aligned::Aligned;
use super::isa::Isa;
use super::linear::Scheme;
use super::math::{self, Range, RowScale};

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
    pub(super) scale: Vec<RowScale>,
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
            self.scale.resize(rows, RowScale::default());
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
        let range = if self.scheme.is_int8() { math::range(isa, x) } else { Range::default() };
        self.put_with_range(isa, r, x, range);
    }

    /// As [`Acts::put`], for a row whose [`math::range`] is known.
    pub(crate) fn put_with_range(&mut self, isa: Isa, r: usize, x: &[f32], range: Range) {
        let (k, from) = (self.k, r * self.stride);
        debug_assert_eq!(x.len(), k);
        let padded = k.next_multiple_of(4);
        self.scale[r] = RowScale { scale: 1.0, zero: 0 };
        match self.scheme {
            Scheme::F32 | Scheme::Bf16Wide => {
                self.f32[from..from + k].copy_from_slice(x);
                self.f32[from + k..from + padded].fill(0.0);
            }
            Scheme::Int8 => {
                let limit = int8_limit(k) as f32;
                let out = &mut self.i16[from..from + padded];
                let (scale, factor) = scales(range.peak(), limit);
                math::to_i16(isa, x, factor, &mut out[..k]);
                self.scale[r].scale = scale;
                out[k..].fill(0);
            }
            Scheme::Int8Byte => {
                let out = &mut self.u8[from..from + padded];
                // Where zero falls depends on the row: after GELU, hardly anything is negative. Both ends may round
                // away from it, so one step of the 255 is kept back.
                let (scale, factor) = scales(range.high - range.low, 254.0);
                let zero = (-range.low * factor).round() as i32;
                math::to_u8(isa, x, factor, zero, &mut out[..k]);
                self.scale[r] = RowScale { scale, zero };
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

/// The scale of values that are rounded to `limit` steps over their `span`, and the factor to round them with; NaN and
/// 0 where the span is not finite.
fn scales(span: f32, limit: f32) -> (f32, f32) {
    // Below this the factor would overflow; such rows are zero for every purpose.
    if span < 1e-30 {
        return (0.0, 0.0);
    }
    (span / limit, if span.is_finite() { limit / span } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_hold_any_range_and_its_zero() {
        for isa in Isa::available() {
            for (low, high) in [(-1.0, 1.0), (0.0, 3.0), (-0.17, 9.0), (-5.0, 0.0), (-1.0, 1.003), (0.0, 0.0)] {
                let mut x: Vec<f32> = (0..101).map(|i| low + (high - low) * i as f32 / 100.0).collect();
                x.extend([0.0, low, high]);
                let mut acts = Acts::default();
                acts.shape(Scheme::Int8Byte, 1, x.len());
                acts.put(isa, 0, &mut x);
                let RowScale { scale, zero } = acts.scale[0];
                for (&q, &x) in acts.u8.iter().zip(&x) {
                    let back = (i32::from(q) - zero) as f32 * scale;
                    assert!((back - x).abs() <= 0.501 * (high - low) / 254.0, "{isa:?} {low}..{high}: {x} -> {back}");
                }
            }
        }
    }
}
