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

    /// The entry of the xterm palette that looks most like this colour.
    pub fn nearest_indexed(self) -> u8 {
        self.nearest_indexed_where(|_| true)
    }

    /// The same among the entries that are `allowed`; among all, where none is.
    pub fn nearest_indexed_where(self, allowed: impl Fn(Self) -> bool) -> u8 {
        let distance = |index: u8| self.distance(indexed(index));
        let nearest = |some: &mut dyn Iterator<Item = u8>| some.min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        nearest(&mut (16..=255).filter(|&index| allowed(indexed(index))))
            .or_else(|| nearest(&mut (16..=255)))
            .unwrap_or(231)
    }

    /// How different two colours look (squared distance in OKLab).
    fn distance(self, other: Self) -> f32 {
        let (here, there) = (self.oklab(), other.oklab());
        (0..3).map(|i| (here[i] - there[i]).powi(2)).sum()
    }
}

/// Entries of the xterm palette for a ramp of rising or falling lightness: as near as possible to `ramp` while lightness
/// keeps moving the same way by at least `step`, among the entries that are `allowed`.
pub fn indexed_ramp<const N: usize>(ramp: [Rgb; N], step: f32, allowed: impl Fn(Rgb) -> bool) -> [u8; N] {
    let rising = ramp[N - 1].oklab()[0] > ramp[0].oklab()[0];
    let entries: Vec<(u8, f32)> =
        (16..=255).filter(|&index| allowed(indexed(index))).map(|index| (index, indexed(index).oklab()[0])).collect();
    // The best way to end at each entry, for longer and longer beginnings of the ramp.
    let mut costs: Vec<f32> = entries.iter().map(|&(index, _)| ramp[0].distance(indexed(index))).collect();
    let mut from: Vec<Vec<usize>> = Vec::new();
    for colour in &ramp[1..] {
        let mut next = Vec::with_capacity(entries.len());
        let mut back = Vec::with_capacity(entries.len());
        for &(index, light) in &entries {
            let comes_before = |&i: &usize| {
                let moved = if rising { light - entries[i].1 } else { entries[i].1 - light };
                moved >= step && costs[i].is_finite()
            };
            let best = (0..entries.len()).filter(comes_before).min_by(|&a, &b| costs[a].total_cmp(&costs[b]));
            next.push(best.map_or(f32::INFINITY, |i| costs[i] + colour.distance(indexed(index))));
            back.push(best.unwrap_or(0));
        }
        costs = next;
        from.push(back);
    }
    let Some(mut at) =
        (0..entries.len()).filter(|&i| costs[i].is_finite()).min_by(|&a, &b| costs[a].total_cmp(&costs[b]))
    else {
        return ramp.map(Rgb::nearest_indexed);
    };
    let mut found = [0; N];
    for slot in (0..N).rev() {
        found[slot] = entries[at].0;
        if slot > 0 {
            at = from[slot - 1][at];
        }
    }
    found
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
