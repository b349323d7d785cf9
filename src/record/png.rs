//! A screen as a PNG: indexed where its colours allow, else true colour.

use std::io::Write;

use ratatui::buffer::Buffer;

use super::palette::Palette;
use super::raster::Raster;
use super::{Look, RecordError};

/// Background around a picture, in pixels, for a font of `px` pixels.
pub fn margin(px: u16) -> u16 {
    px / 2
}

/// Writes a picture of a screen, with a font of `px` pixels.
pub fn write(out: impl Write, screen: &Buffer, look: &Look, px: u16) -> Result<(), RecordError> {
    let mut raster = Raster::new(look.clone(), px, margin(px), (screen.area.width, screen.area.height))?;
    raster.draw(screen);
    let (w, h) = raster.size();
    let counts = raster.colours(raster.whole());
    let failed = |error: ::png::EncodingError| match error {
        ::png::EncodingError::IoError(error) => RecordError::Io(error),
        other => RecordError::Size(other.to_string()),
    };
    let mut encoder = ::png::Encoder::new(out, w as u32, h as u32);
    encoder.set_depth(::png::BitDepth::Eight);
    let data = if counts.len() <= 256 {
        let palette = Palette::new(&counts, 256);
        encoder.set_color(::png::ColorType::Indexed);
        encoder.set_palette(palette.bytes());
        palette.indices(raster.pixels().iter().copied())
    } else {
        encoder.set_color(::png::ColorType::Rgb);
        raster.pixels().iter().flat_map(|&pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, pixel as u8]).collect()
    };
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&data).map_err(failed)?;
    writer.finish().map_err(failed)
}
