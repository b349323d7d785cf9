//! The innermost loops: a few rows times one panel of columns, kept in registers.
//!
//! The right operand is packed in panels of [`Kernels::nr`] columns. Within a panel, values lie in groups of
//! consecutive `k` that one instruction multiplies and adds: 1 for `f32`, 2 for `i16` and `bf16`, 4 for `u8 × i8`.
//! So a panel is `[group][column][k within the group]`, and a row of the left operand is plain row-major with its
//! length padded to whole groups.
//!
//! Sums over `k` are never split, so a result does not depend on the tile a row falls into, nor on the thread.

mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use super::isa::{Isa, Level};

/// One product `c (+)= a · b`, `rows` by one panel.
pub(crate) struct Panel<'a, A, B, C> {
    /// Left rows, `lda` apart, each of `groups` groups.
    pub(crate) a: &'a [A],
    pub(crate) lda: usize,
    pub(crate) rows: usize,
    /// The packed panel.
    pub(crate) b: &'a [B],
    pub(crate) groups: usize,
    /// Result, rows of `nr`.
    pub(crate) c: &'a mut [C],
    /// Whether to start from zero instead of from what `c` holds.
    pub(crate) fresh: bool,
}

/// A kernel. Calling it is sound when the CPU has the kernel's instructions and the slices are as long as
/// [`Panel::check`] demands.
type PanelFn<A, B, C> = unsafe fn(Panel<'_, A, B, C>);

impl<A, B, C> Panel<'_, A, B, C> {
    fn check(&self, nr: usize, group: usize) {
        assert!(
            self.rows == 0 || self.a.len() >= (self.rows - 1) * self.lda + self.groups * group,
            "left operand too short"
        );
        assert!(self.b.len() >= self.groups * nr * group, "packed panel too short");
        assert!(self.c.len() >= self.rows * nr, "result too short");
    }
}

/// The kernels of one instruction set.
pub(crate) struct Kernels {
    isa: Isa,
    nr: usize,
    f32: PanelFn<f32, f32, f32>,
    i16: PanelFn<i16, i16, i32>,
    u8: Option<PanelFn<u8, i8, i32>>,
    bf16: Option<PanelFn<u16, u16, f32>>,
}

impl Kernels {
    pub(crate) fn new(isa: Isa) -> Self {
        match isa.level() {
            Level::Portable => Self {
                isa,
                nr: portable::NR,
                f32: portable::f32,
                i16: portable::i16,
                // Not faster than the others here, but it lets the packing of these layouts be tested anywhere.
                u8: Some(portable::u8),
                bf16: Some(portable::bf16),
            },
            #[cfg(target_arch = "aarch64")]
            Level::Neon => Self { isa, nr: neon::NR, f32: neon::f32, i16: neon::i16, u8: None, bf16: None },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Self { isa, nr: avx2::NR, f32: avx2::f32, i16: avx2::i16, u8: None, bf16: None },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => Self {
                isa,
                nr: avx512::NR,
                f32: avx512::f32,
                i16: avx512::i16,
                u8: Some(avx512::u8),
                bf16: (isa.level() == Level::Avx512Bf16).then_some(avx512::bf16 as PanelFn<_, _, _>),
            },
        }
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Columns of a panel.
    pub(crate) fn nr(&self) -> usize {
        self.nr
    }

    pub(crate) fn has_u8(&self) -> bool {
        self.u8.is_some()
    }

    pub(crate) fn has_bf16(&self) -> bool {
        self.bf16.is_some()
    }

    pub(crate) fn f32(&self, panel: Panel<'_, f32, f32, f32>) {
        panel.check(self.nr, 1);
        // SAFETY: `self.isa` proves the instructions, `check` the lengths.
        unsafe { (self.f32)(panel) }
    }

    /// Exact as long as the sums fit 32 bits, which the callers' quantisation ranges see to.
    pub(crate) fn i16(&self, panel: Panel<'_, i16, i16, i32>) {
        panel.check(self.nr, 2);
        // SAFETY: as for `f32`.
        unsafe { (self.i16)(panel) }
    }

    /// Unsigned 8-bit left, signed 8-bit right. Panics without [`Kernels::has_u8`].
    pub(crate) fn u8(&self, panel: Panel<'_, u8, i8, i32>) {
        panel.check(self.nr, 4);
        let kernel = self.u8.expect("a kernel for this format");
        // SAFETY: as for `f32`.
        unsafe { kernel(panel) }
    }

    /// Both operands bf16, sums in f32. Panics without [`Kernels::has_bf16`].
    pub(crate) fn bf16(&self, panel: Panel<'_, u16, u16, f32>) {
        panel.check(self.nr, 2);
        let kernel = self.bf16.expect("a kernel for this format");
        // SAFETY: as for `f32`.
        unsafe { kernel(panel) }
    }
}

/// Cuts `rows` into tiles of at most `$max` rows, about equally high, and calls `$tile::<HEIGHT>` for each.
macro_rules! tiles {
    ($panel:ident, $nr:expr, $tile:ident, [$($h:literal),+ $(,)?], $max:literal) => {{
        let count = $panel.rows.div_ceil($max).max(1);
        let height = $panel.rows.div_ceil(count).max(1);
        let mut row = 0;
        while row < $panel.rows {
            let h = height.min($panel.rows - row);
            let a = $panel.a.as_ptr().wrapping_add(row * $panel.lda);
            let c = $panel.c.as_mut_ptr().wrapping_add(row * $nr);
            // SAFETY: the caller vouches for the instructions; rows `row..row + h` lie within the checked slices.
            unsafe {
                match h {
                    $($h => $tile::<$h>(a, $panel.lda, $panel.b.as_ptr(), $panel.groups, c, $panel.fresh),)+
                    _ => unreachable!("tiles are at most {} rows high", $max),
                }
            }
            row += h;
        }
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use tiles;

/// Hides where a pointer came from. Kept apart like this, each row of a tile gets a register of its own; the compiler
/// would otherwise work the rows' addresses out from one another in every iteration.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn opaque<T>(mut pointer: *const T) -> *const T {
    // SAFETY: no instruction is executed and nothing is touched but the register.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, readonly, nostack, preserves_flags));
    }
    pointer
}

#[cfg(test)]
mod tests;
