//! Zstandard, in frames of a bounded size.
//!
//! A stream may hold many frames one after the other, which every decoder accepts. Cutting the text into frames at the
//! ends of lines keeps memory bounded while a run goes on, puts on disk what there is of it, and loses no more than the
//! last frame when it is cut off.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Write};
use std::rc::Rc;

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How every zstd frame begins.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Most text that waits for the end of its line.
const BLOCK: usize = 1 << 20;
/// Text that makes a frame of its own once its last line is whole; less would undo the compression.
const ENOUGH: usize = 64 << 10;

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

    /// Lines are flushed: here a frame ends, if there is enough for one.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.len() < ENOUGH {
            return Ok(());
        }
        self.frame()?;
        self.out.flush()
    }
}

/// Decompresses frame after frame.
pub(super) struct ZstdReader<R: BufRead> {
    /// Between frames.
    input: Option<Source<R>>,
    /// Within a frame.
    frame: Option<Box<StreamingDecoder<Source<R>, FrameDecoder>>>,
    /// Whether the input has come to its end; the decoder may have the input when it fails.
    ended: Rc<Cell<bool>>,
    /// Whether it failed: what comes after cannot be read either.
    failed: Option<io::ErrorKind>,
}

impl<R: BufRead> ZstdReader<R> {
    pub(super) fn new(input: R) -> Self {
        let ended = Rc::new(Cell::new(false));
        let input = Source { input, ended: Rc::clone(&ended) };
        Self { input: Some(input), frame: None, ended, failed: None }
    }

    /// An input that ends within a frame was cut off; any other problem is damage.
    fn failure(&mut self, problem: impl std::fmt::Display) -> io::Error {
        let (kind, problem) = if self.ended.get() {
            (io::ErrorKind::UnexpectedEof, "cut off within a zstd frame".to_owned())
        } else {
            (io::ErrorKind::InvalidData, format!("damaged zstd data: {problem}"))
        };
        self.failed = Some(kind);
        io::Error::new(kind, problem)
    }
}

/// The compressed bytes, and whether all were taken.
struct Source<R> {
    input: R,
    ended: Rc<Cell<bool>>,
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        if n == 0 && !out.is_empty() {
            self.ended.set(true);
        }
        Ok(n)
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(frame) = &mut self.frame {
                let n = match frame.read(out) {
                    Ok(n) => n,
                    Err(error) => return Err(self.failure(error)),
                };
                if n > 0 {
                    return Ok(n);
                }
                let (told, found) = (frame.decoder.get_checksum_from_data(), frame.decoder.get_calculated_checksum());
                if told.is_some() && told != found {
                    return Err(self.failure("wrong checksum"));
                }
                self.input = self.frame.take().map(|frame| frame.into_inner());
            }
            let Some(mut source) = self.input.take() else { return Ok(0) };
            if source.input.fill_buf()?.is_empty() {
                self.input = Some(source);
                return Ok(0);
            }
            match StreamingDecoder::new(source) {
                Ok(frame) => self.frame = Some(Box::new(frame)),
                Err(error) => return Err(self.failure(error)),
            }
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

    #[test]
    fn flushed_text_is_on_its_way_once_there_is_enough() {
        let mut writer = ZstdWriter::new(Vec::new());
        let line = vec![b'x'; ENOUGH / 2];
        writer.write_all(&line).unwrap();
        writer.flush().unwrap();
        assert!(writer.out.is_empty());
        writer.write_all(&line).unwrap();
        writer.flush().unwrap();
        let mut back = Vec::new();
        ZstdReader::new(writer.out.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back.len(), ENOUGH);
    }

    #[test]
    fn a_cut_is_told_from_damage() {
        let text: Vec<u8> = (0..5_000_u32).flat_map(|i| (i * i).to_string().into_bytes()).collect();
        let mut writer = ZstdWriter::new(Vec::new());
        writer.write_all(&text).unwrap();
        let packed = writer.finish().unwrap();
        let kind = |bytes: &[u8]| {
            let mut reader = ZstdReader::new(bytes);
            let kind = reader.read_to_end(&mut Vec::new()).unwrap_err().kind();
            assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), kind, "it stays so");
            kind
        };
        for end in 1..packed.len() {
            assert_eq!(kind(&packed[..end]), io::ErrorKind::UnexpectedEof, "at {end}");
        }
        let mut harmed = packed.clone();
        harmed.extend(*b"something else");
        assert_eq!(kind(&harmed), io::ErrorKind::InvalidData);
    }
}
