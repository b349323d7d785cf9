//! Palettes of at most 256 colours: exact where that is enough, otherwise the nearest are merged.

use std::collections::HashMap;

use super::look::Rgb;

/// Colours of a picture, and the place of every colour that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    colours: Vec<u32>,
    places: HashMap<u32, u8>,
}

impl Palette {
    /// A palette of at most `most` (≤ 256) of these colours, given with their number of pixels, most frequent first.
    ///
    /// Where they do not all fit, colours closer to each other than some distance share the more frequent one's entry,
    /// with the smallest distance that is enough: no pixel is further off than that, however rare its colour.
    pub fn new(counts: &[(u32, usize)], most: usize) -> Self {
        let most = most.clamp(1, 256);
        if counts.len() <= most {
            let colours: Vec<u32> = counts.iter().map(|&(colour, _)| colour).collect();
            let places = colours.iter().enumerate().map(|(place, &colour)| (colour, place as u8)).collect();
            return Self { colours, places };
        }
        let mut near = 0;
        let mut far = distance(0, 0x00ff_ffff) + 1;
        while near + 1 < far {
            let middle = u32::midpoint(near, far);
            if apart(counts, middle, most).is_some() { far = middle } else { near = middle }
        }
        let colours = apart(counts, far, most).unwrap_or_else(|| vec![counts[0].0]);
        let places = counts
            .iter()
            .map(|&(colour, _)| {
                let nearest = (0..colours.len()).min_by_key(|&place| distance(colour, colours[place]));
                (colour, nearest.unwrap_or(0) as u8)
            })
            .collect();
        Self { colours, places }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.colours.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.colours.is_empty()
    }

    /// The entry for a colour, if the palette was made for it.
    pub fn place(&self, colour: u32) -> Option<u8> {
        self.places.get(&colour).copied()
    }

    /// Red, green and blue of each entry.
    pub fn bytes(&self) -> Vec<u8> {
        self.colours.iter().flat_map(|&colour| [(colour >> 16) as u8, (colour >> 8) as u8, colour as u8]).collect()
    }

    /// Indices of the pixels, which must all be of colours that the palette was made for (others become entry 0).
    pub fn indices(&self, pixels: impl IntoIterator<Item = u32>) -> Vec<u8> {
        let mut last = None;
        pixels
            .into_iter()
            .map(|colour| match last {
                Some((known, place)) if known == colour => place,
                _ => {
                    let place = self.place(colour).unwrap_or(0);
                    last = Some((colour, place));
                    place
                }
            })
            .collect()
    }
}

/// The colours that are at least `least` from every more frequent one kept; none if that is more than `most`.
fn apart(counts: &[(u32, usize)], least: u32, most: usize) -> Option<Vec<u32>> {
    let mut kept: Vec<u32> = Vec::new();
    for &(colour, _) in counts {
        if kept.iter().all(|&other| distance(colour, other) >= least) {
            if kept.len() == most {
                return None;
            }
            kept.push(colour);
        }
    }
    Some(kept)
}

/// Squared distance, weighted as eyes are.
fn distance(a: u32, b: u32) -> u32 {
    let (a, b) = (Rgb::unpack(a), Rgb::unpack(b));
    let square = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    3 * square(a.0, b.0) + 4 * square(a.1, b.1) + 2 * square(a.2, b.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greys(n: u32) -> Vec<(u32, usize)> {
        (0..n).map(|i| (Rgb((i % 256) as u8, (i / 256 * 40) as u8, 7).pack(), 1)).collect()
    }

    #[test]
    fn up_to_256_colours_are_exact() {
        let counts = greys(256);
        let palette = Palette::new(&counts, 256);
        let bytes = palette.bytes();
        for (colour, _) in counts {
            let place = usize::from(palette.place(colour).expect("kept"));
            assert_eq!(Rgb::unpack(colour), Rgb(bytes[3 * place], bytes[3 * place + 1], bytes[3 * place + 2]));
        }
    }

    #[test]
    fn more_are_merged_with_their_neighbours_and_rare_outliers_survive() {
        let mut counts = greys(700);
        counts.push((0x00ff_ffff, 1));
        let palette = Palette::new(&counts, 255);
        assert!(palette.len() <= 255 && palette.len() > 100, "{}", palette.len());
        let bytes = palette.bytes();
        for (colour, _) in counts {
            let place = usize::from(palette.place(colour).expect("mapped"));
            let entry = Rgb(bytes[3 * place], bytes[3 * place + 1], bytes[3 * place + 2]).pack();
            assert!(distance(colour, entry) < 3 * 16 * 16, "{colour:06x} became {entry:06x}");
        }
    }
}
