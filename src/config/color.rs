//! Colour arithmetic: OKLab for distances and lightness, WCAG 2 for contrast, the xterm palette for 256 colours.

/// An sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#')?;
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(hex, 16).ok()?;
        Some(Self((value >> 16) as u8, (value >> 8 & 255) as u8, (value & 255) as u8))
    }

    fn linear(self) -> [f32; 3] {
        [self.0, self.1, self.2].map(|v| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// OKLab coordinates: lightness 0…1, then the green–red and blue–yellow axes.
    pub fn oklab(self) -> [f32; 3] {
        let [r, g, b] = self.linear();
        let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        [
            0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
            1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
            0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
        ]
    }

    /// Contrast of two colours, 1…21 (WCAG 2).
    pub fn contrast(self, other: Self) -> f32 {
        let luminance = |c: Self| {
            let [r, g, b] = c.linear();
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(self), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The nearest colour of the fixed part (16…255) of the xterm palette.
    pub fn nearest_indexed(self) -> u8 {
        let here = self.oklab();
        let distance = |index: u8| {
            let there = indexed(index).oklab();
            (0..3).map(|i| (here[i] - there[i]).powi(2)).sum::<f32>()
        };
        (16..=255).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(231)
    }
}

/// The colour of entry `index` (16…255) of the xterm palette: a 6×6×6 cube, then greys. The first 16 belong to the
/// user's terminal, so they are not used for fixed colours.
pub fn indexed(index: u8) -> Rgb {
    if index >= 232 {
        let grey = 8 + 10 * (index - 232);
        return Rgb(grey, grey, grey);
    }
    let cube = index.saturating_sub(16);
    let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
    Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_six_hex_digits() {
        assert_eq!(Rgb::parse("#0a80ff"), Some(Rgb(10, 128, 255)));
        for bad in ["0a80ff", "#0a80f", "#0a80fff", "#+a80ff", "#gg0000", ""] {
            assert_eq!(Rgb::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn knows_contrast_and_lightness_of_black_and_white() {
        let (black, white) = (Rgb(0, 0, 0), Rgb(255, 255, 255));
        assert!((black.contrast(white) - 21.0).abs() < 1e-3);
        assert!((white.oklab()[0] - 1.0).abs() < 1e-3 && black.oklab()[0].abs() < 1e-6);
    }

    #[test]
    fn palette_entries_are_their_own_nearest() {
        assert_eq!(indexed(16), Rgb(0, 0, 0));
        assert_eq!(indexed(196), Rgb(255, 0, 0));
        assert_eq!(indexed(244), Rgb(128, 128, 128));
        for index in [17, 33, 100, 208, 230, 240, 250] {
            assert_eq!(indexed(indexed(index).nearest_indexed()), indexed(index));
        }
    }
}
