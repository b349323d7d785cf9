//! Zstandard, in frames of a bounded size.
//!
//! A stream may hold many frames one after the other, which every decoder accepts. Cutting the text into frames keeps
//! memory bounded while a run goes on, and loses no more than the last frame when it is cut off.

use std::io::{self, BufRead, Read, Write};

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How every zstd frame begins.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Text that goes into one frame.
const BLOCK: usize = 1 << 20;

/// Compresses what is written.
pub(super) struct ZstdWriter<W: Write> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> ZstdWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, buffer: Vec::new() }
    }

    /// Writes what is left and gives the output back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.frame()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn frame(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let frame = compress_to_vec(self.buffer.as_slice(), CompressionLevel::Fastest);
            self.buffer.clear();
            self.out.write_all(&frame)?;
        }
        Ok(())
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= BLOCK {
            self.frame()?;
        }
        Ok(data.len())
    }

    /// Does nothing until a frame is full: a frame a line would undo the compression.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses frame after frame.
pub(super) struct ZstdReader<R: BufRead> {
    /// Between frames.
    input: Option<R>,
    /// Within a frame.
    frame: Option<Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>>,
}

impl<R: BufRead> ZstdReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: Some(input), frame: None }
    }
}

/// Damage is told from failures to read by its kind.
fn damaged(problem: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("damaged zstd data: {problem}"))
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(frame) = &mut self.frame {
                let n = frame.read(out).map_err(damaged)?;
                if n > 0 {
                    return Ok(n);
                }
                let (told, found) = (frame.decoder.get_checksum_from_data(), frame.decoder.get_calculated_checksum());
                if told.is_some() && told != found {
                    return Err(damaged("wrong checksum"));
                }
                self.input = self.frame.take().map(|frame| frame.into_inner());
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            if input.fill_buf()?.is_empty() {
                self.input = Some(input);
                return Ok(0);
            }
            let frame = StreamingDecoder::new(input).map_err(damaged)?;
            self.frame = Some(Box::new(frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_frames_come_back_as_they_were() {
        let text: Vec<u8> = (0..3 * BLOCK + 17).map(|i| (i * i / 97 % 61) as u8 + b'0').collect();
        let mut writer = ZstdWriter::new(Vec::new());
        text.chunks(700_001).for_each(|part| writer.write_all(part).unwrap());
        let packed = writer.finish().unwrap();
        assert!(packed.starts_with(&MAGIC));
        let mut back = Vec::new();
        ZstdReader::new(packed.as_slice()).read_to_end(&mut back).unwrap();
        assert!(back == text);
    }
}
