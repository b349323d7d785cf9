//! Which instructions this CPU offers, found out once at run time.

use std::sync::OnceLock;

/// Instruction sets the kernels are written for, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Plain Rust.
    Portable,
    /// 64-bit Arm; neither compiled nor run on such a machine yet.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with the 8-bit dot products (VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The above and the bf16 dot products.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

/// An instruction set that this CPU has.
///
/// Values are only made by [`Isa::available`], after detection: holding one is the proof that its instructions may be
/// executed, which every `unsafe` call of a kernel in this module relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Level);

impl Isa {
    /// Plain Rust, on any machine.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// Everything this CPU can run, slowest first, [`Isa::PORTABLE`] included.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::PORTABLE];
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self(Level::Neon));
        }
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") {
                found.push(Self(Level::Avx2));
                if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") && has!("avx512vnni") {
                    found.push(Self(Level::Avx512));
                    if has!("avx512bf16") {
                        found.push(Self(Level::Avx512Bf16));
                    }
                }
            }
        }
        found
    }

    /// The fastest this CPU can run.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(Self::PORTABLE))
    }

    /// The available instruction set of this name (see [`Isa::name`]).
    pub fn named(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// Name as in `int8-avx2`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "vnni",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => "avx512",
        }
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }
}

/// Compiles one plain Rust body once for every instruction set and picks the copy at run time.
///
/// The body is an `#[inline(always)]` function whose first constant parameter says whether a fused multiply-add is one
/// instruction there (where it is not, `f32::mul_add` is a slow library call). The compiler vectorises each copy for
/// its own registers.
macro_rules! multiversion {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident $(<$($g:ty),+>)?;)+) => {$(
        $(#[$meta])*
        $vis fn $name(isa: $crate::model::kernels::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::model::kernels::isa::Level;
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body::<true $($(, $g)+)?>($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body::<true $($(, $g)+)?>($($arg),*)
                }
                match isa.level() {
                    Level::Portable => {}
                    // SAFETY: an `Isa` of this level exists only where detection found these features.
                    Level::Avx2 => return unsafe { avx2($($arg),*) },
                    // SAFETY: as above.
                    Level::Avx512 | Level::Avx512Bf16 => return unsafe { avx512($($arg),*) },
                }
            }
            let _ = isa;
            $body::<{ cfg!(target_arch = "aarch64") } $($(, $g)+)?>($($arg),*)
        }
    )+};
}
pub(crate) use multiversion;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_there_and_best_comes_last() {
        let all = Isa::available();
        assert_eq!(all[0], Isa::PORTABLE);
        assert_eq!(all.last(), Some(&Isa::best()));
        for isa in all {
            assert_eq!(Isa::named(isa.name()), Some(isa));
        }
        assert_eq!(Isa::named("abacus"), None);
    }
}
