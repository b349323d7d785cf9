//! Animated GIFs of the screen.
//!
//! A frame is written when the next one comes, because only then its delay is known. Equal screens count as one, and
//! screens that would be shown for less than the frame rate allows give way to the next. Each frame is cut to the
//! rectangle that changed and written either as it is or with unchanged pixels transparent, whichever is smaller: the
//! first wins on noise, the second on a moving cursor.

use std::io::{self, Write};
use std::time::Duration;

use gif::{DisposalMethod, Encoder, EncodingError, Extension, Frame, Repeat};
use ratatui::buffer::Buffer;

use super::palette::Palette;
use super::raster::{Dirty, Raster};
use super::{Look, RecordError, Recorder};

/// How a GIF is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Font size in pixels.
    pub px: u16,
    /// Background around the screen, in pixels.
    pub margin: u16,
    /// Most frames a second; players slow down anything above 50.
    pub fps: u16,
    /// How long the last frame stays before the loop starts again.
    pub hold: Duration,
    /// Longest time any other frame stays.
    pub idle: Duration,
    /// Columns and rows of the picture; the size of the first screen if none. Larger screens are cut off.
    pub canvas: Option<(u16, u16)>,
    /// Frames that would begin after this many bytes are left out.
    pub max_bytes: u64,
    /// Said in a comment of the file; players ignore it.
    pub comment: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            px: 16,
            margin: 8,
            fps: 25,
            hold: Duration::from_secs(3),
            idle: Duration::from_secs(5),
            canvas: None,
            max_bytes: 256 << 20,
            comment: None,
        }
    }
}

/// Writes a GIF; the file begins with the first screen, whose size it needs.
pub struct Gif<W: Write> {
    options: Options,
    look: Look,
    stage: Stage<W>,
    /// The newest screen and when it appeared, in 1/100 s.
    pending: Option<(Buffer, u64)>,
    /// Pixels as the frames written so far show them.
    shown: Vec<u32>,
    global: Palette,
    full: bool,
}

enum Stage<W: Write> {
    Waiting(Option<W>),
    Writing(Box<Raster>, Encoder<Counting<W>>),
    Ended(Option<W>),
}

impl<W: Write> std::fmt::Debug for Gif<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gif").field("options", &self.options).field("full", &self.full).finish_non_exhaustive()
    }
}

impl<W: Write> Gif<W> {
    /// A GIF that will be written to `out`.
    pub fn new(out: W, options: Options, look: Look) -> Self {
        Self {
            options,
            look,
            stage: Stage::Waiting(Some(out)),
            pending: None,
            shown: Vec::new(),
            global: Palette::default(),
            full: false,
        }
    }

    /// Whether the size limit was reached, so that later frames are missing.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Gives the writer back after [`Recorder::finish`].
    pub fn into_inner(self) -> Option<W> {
        match self.stage {
            Stage::Waiting(out) | Stage::Ended(out) => out,
            Stage::Writing(_, encoder) => encoder.into_inner().ok().map(|counting| counting.out),
        }
    }

    /// Least time between two frames, in 1/100 s.
    fn interval(&self) -> u64 {
        (100 / u64::from(self.options.fps.max(1))).max(2)
    }

    /// Writes the pending screen, to stay for `delay`.
    fn flush(&mut self, screen: &Buffer, delay: u64) -> Result<(), RecordError> {
        if let Stage::Waiting(out) = &mut self.stage {
            let (columns, rows) = self.options.canvas.unwrap_or((screen.area.width, screen.area.height));
            let mut raster = Raster::new(self.look.clone(), self.options.px, self.options.margin, (columns, rows))?;
            raster.draw(screen);
            let Some(out) = out.take() else { return Ok(()) };
            // One entry stays free for "transparent".
            self.global = Palette::new(&raster.colours(raster.whole()), 255);
            let (w, h) = raster.size();
            let counting = Counting { out, bytes: 0 };
            let mut encoder = Encoder::new(counting, w as u16, h as u16, &self.global.bytes()).map_err(failed)?;
            encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
            if let Some(comment) = &self.options.comment {
                // A block of a comment holds at most 255 bytes.
                let blocks: Vec<&[u8]> = comment.as_bytes().chunks(255).collect();
                encoder.write_raw_extension(Extension::Comment.into(), &blocks).map_err(failed)?;
            }
            let frame = self.encode(&raster, raster.whole(), delay);
            encoder.write_lzw_pre_encoded_frame(&frame).map_err(failed)?;
            self.shown = raster.pixels().to_vec();
            self.stage = Stage::Writing(Box::new(raster), encoder);
            return Ok(());
        }
        // Taken out so that `encode` may borrow the rest; an error leaves the recording ended.
        let Stage::Writing(mut raster, mut encoder) = std::mem::replace(&mut self.stage, Stage::Ended(None)) else {
            return Ok(());
        };
        if encoder.get_ref().bytes >= self.options.max_bytes {
            self.full = true;
        } else {
            // A screen equal to the one before still takes its time: one pixel carries the delay.
            let area = raster.draw(screen).unwrap_or(Dirty { x: 0, y: 0, w: 1, h: 1 });
            let frame = self.encode(&raster, area, delay);
            encoder.write_lzw_pre_encoded_frame(&frame).map_err(failed)?;
            let stride = raster.size().0;
            for y in area.y..area.y + area.h {
                let range = y * stride + area.x..y * stride + area.x + area.w;
                self.shown[range.clone()].copy_from_slice(&raster.pixels()[range]);
            }
        }
        self.stage = Stage::Writing(raster, encoder);
        Ok(())
    }

    /// Compresses one area of the picture in the smaller of its two forms.
    fn encode(&self, raster: &Raster, area: Dirty, delay: u64) -> Frame<'static> {
        let counts = raster.colours(area);
        let fits = counts.iter().all(|&(colour, _)| self.global.place(colour).is_some());
        let local = (!fits).then(|| Palette::new(&counts, 255));
        let palette = local.as_ref().unwrap_or(&self.global);
        let stride = raster.size().0;
        let rows = |pixels: &'_ [u32]| -> Vec<u32> {
            (area.y..area.y + area.h).flat_map(|y| &pixels[y * stride + area.x..][..area.w]).copied().collect()
        };
        let now = rows(raster.pixels());
        let opaque = palette.indices(now.iter().copied());
        let form = |buffer: Vec<u8>, transparent: Option<u8>| {
            let mut colours = palette.bytes();
            if transparent.is_some() {
                colours.extend([0, 0, 0]);
            }
            let mut frame = Frame {
                left: area.x as u16,
                top: area.y as u16,
                width: area.w as u16,
                height: area.h as u16,
                delay: delay.min(u64::from(u16::MAX)) as u16,
                dispose: DisposalMethod::Keep,
                transparent,
                palette: local.is_some().then_some(colours),
                buffer: buffer.into(),
                ..Frame::default()
            };
            frame.make_lzw_pre_encoded();
            frame
        };
        let mut best = form(opaque.clone(), None);
        if !self.shown.is_empty() {
            let before = rows(&self.shown);
            let hole = palette.len() as u8;
            let mut buffer = opaque;
            for (index, (old, new)) in buffer.iter_mut().zip(before.iter().zip(&now)) {
                if old == new {
                    *index = hole;
                }
            }
            let other = form(buffer, Some(hole));
            if other.buffer.len() < best.buffer.len() {
                best = other;
            }
        }
        best
    }
}

impl<W: Write> Recorder for Gif<W> {
    fn frame(&mut self, at: Duration, screen: &Buffer) -> Result<(), RecordError> {
        if self.full {
            return Ok(());
        }
        let now = centiseconds(at);
        match self.pending.take() {
            None => self.pending = Some((screen.clone(), now)),
            Some((before, since)) if before == *screen => self.pending = Some((before, since)),
            // Too soon to show both: the newer one takes the older one's place.
            Some((_, since)) if now < since + self.interval() => self.pending = Some((screen.clone(), since)),
            Some((before, since)) => {
                let delay = (now - since).min(centiseconds(self.options.idle).max(self.interval()));
                self.pending = Some((screen.clone(), now));
                self.flush(&before, delay)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, at: Duration) -> Result<(), RecordError> {
        if let Some((screen, since)) = self.pending.take() {
            let idle = centiseconds(self.options.idle).max(self.interval());
            let delay = centiseconds(at).saturating_sub(since).min(idle);
            self.flush(&screen, delay.max(centiseconds(self.options.hold)))?;
        }
        match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::Writing(_, encoder) => {
                // Writes the trailer; dropping the encoder would hide an error.
                let mut counting = encoder.into_inner().map_err(failed)?;
                counting.flush()?;
                self.stage = Stage::Ended(Some(counting.out));
                Ok(())
            }
            Stage::Waiting(_) => {
                Err(RecordError::Request("nothing was drawn, so there is nothing to record".to_owned()))
            }
            ended @ Stage::Ended(_) => {
                self.stage = ended;
                Ok(())
            }
        }
    }
}

fn centiseconds(time: Duration) -> u64 {
    u64::try_from((time.as_millis() + 5) / 10).unwrap_or(u64::MAX)
}

fn failed(error: EncodingError) -> RecordError {
    match error {
        EncodingError::Io(error) => RecordError::Io(error),
        other => RecordError::Size(format!("GIF: {other}")),
    }
}

/// Counts what goes through.
#[derive(Debug)]
struct Counting<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
