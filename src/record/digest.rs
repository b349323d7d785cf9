//! A number for everything a recording showed: two recordings of the same screens at the same times have the same.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::{RecordError, Recorder, screen};

/// FNV-1a over symbols, colours, modifiers and times. Not against forgery: it tells that something changed.
#[derive(Clone, Debug)]
pub struct Digest {
    hash: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add(bytes);
        digest
    }

    /// The number so far, in hex.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.hash)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn color(&mut self, color: Color) {
        match color {
            Color::Rgb(r, g, b) => self.add(&[1, r, g, b]),
            Color::Indexed(index) => self.add(&[2, index]),
            named => self.add(&[3, super::look::ansi_index(named).unwrap_or(16)]),
        }
    }
}

impl Recorder for Digest {
    fn frame(&mut self, at: Duration, buffer: &Buffer) -> Result<(), RecordError> {
        self.add(&at.as_millis().to_le_bytes());
        self.add(&buffer.area.width.to_le_bytes());
        for y in 0..buffer.area.height {
            for spot in screen::row(buffer, y) {
                self.add(screen::symbol(spot.cell).as_bytes());
                self.color(spot.cell.fg);
                self.color(spot.cell.bg);
                self.add(&spot.cell.modifier.bits().to_le_bytes());
            }
        }
        Ok(())
    }

    fn finish(&mut self, at: Duration) -> Result<(), RecordError> {
        self.add(&at.as_millis().to_le_bytes());
        Ok(())
    }
}
