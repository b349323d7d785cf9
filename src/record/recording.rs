//! A recording of the screen into a file, by the name's extension: `.cast`, `.gif` or `.txt`.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::buffer::Buffer;

use super::cast::{self, Cast};
use super::gif::{self, Gif};
use super::output::{Output, Unfinished};
use super::transcript::Transcript;
use super::{Look, RecordError, Recorder};

/// What a recording is made with, whatever its format.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours of the picture.
    pub look: Look,
    /// asciicast version.
    pub cast: cast::Version,
    /// How GIFs are made.
    pub gif: gif::Options,
    /// Said in the file's header, where it has one.
    pub title: Option<String>,
    /// When it was made, seconds since 1970; none if it is to be the same every time.
    pub timestamp: Option<u64>,
    /// Whether a file that exists is replaced.
    pub force: bool,
    /// What becomes of it when it is not finished.
    pub unfinished: Unfinished,
}

impl Options {
    /// The defaults for a screen with these colours: a live recording, kept if the program dies.
    pub fn new(look: Look) -> Self {
        Self {
            look,
            cast: cast::Version::default(),
            gif: gif::Options::default(),
            title: None,
            timestamp: None,
            force: false,
            unfinished: Unfinished::Keep,
        }
    }
}

/// A recording in progress. [`Recorder::finish`] gives the file its name.
pub struct Recording {
    recorder: Box<dyn Recorder>,
    output: Option<Output>,
    path: PathBuf,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Recording {
    /// Starts a recording into `path`; nothing is written to that name before the end.
    pub fn start(path: &Path, options: Options) -> Result<Self, RecordError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        if !["cast", "gif", "txt"].contains(&extension.as_str()) {
            return Err(RecordError::File {
                path: path.to_owned(),
                problem: "its extension names no recording".to_owned(),
                fix: "end the name in .cast, .gif or .txt".to_owned(),
            });
        }
        let output = Output::create(path, options.force, options.unfinished)?;
        let file: BufWriter<File> = BufWriter::new(output.handle()?);
        let Options { look, cast, gif, title, timestamp, .. } = options;
        let recorder: Box<dyn Recorder> = match extension.as_str() {
            "cast" => {
                let header = cast::Header { title, timestamp, idle_limit: None };
                Box::new(Cast::new(file, cast, header, look))
            }
            "gif" => Box::new(Gif::new(file, gif::Options { comment: title, ..gif }, look)),
            _ => Box::new(Transcript::new(file, title)),
        };
        Ok(Self { recorder, output: Some(output), path: path.to_owned() })
    }

    /// The name it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name it has until it is finished, and keeps if it never is.
    pub fn partial(&self) -> Option<&Path> {
        self.output.as_ref().map(Output::partial)
    }

    fn named(&self, done: Result<(), RecordError>) -> Result<(), RecordError> {
        done.map_err(|error| error.at(&self.path))
    }
}

impl Recorder for Recording {
    fn frame(&mut self, at: Duration, screen: &Buffer) -> Result<(), RecordError> {
        let done = self.recorder.frame(at, screen);
        self.named(done)
    }

    fn marker(&mut self, at: Duration, label: &str) -> Result<(), RecordError> {
        let done = self.recorder.marker(at, label);
        self.named(done)
    }

    fn finish(&mut self, at: Duration) -> Result<(), RecordError> {
        let done = self.recorder.finish(at);
        self.named(done)?;
        self.output.take().map_or(Ok(()), Output::commit)
    }
}

/// A recorder that works on a thread of its own, so that drawing never waits for the compression of a picture.
pub struct Background {
    sender: Option<SyncSender<Job>>,
    worker: Option<JoinHandle<Result<(), RecordError>>>,
}

enum Job {
    Frame(Duration, Buffer),
    Marker(Duration, String),
    Finish(Duration),
}

/// Screens that may wait to be recorded; about ten seconds of a busy screen, and a few megabytes.
const QUEUE: usize = 256;

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Background {
    /// Starts a recording on a thread; the file is made, or refused, before this returns.
    pub fn start(path: &Path, options: Options) -> Result<Self, RecordError> {
        // Names are settled here, where errors can be shown; the recorder itself is made where it works.
        let (sender, receiver) = sync_channel::<Job>(QUEUE);
        let (tell, told) = sync_channel(1);
        let path = path.to_owned();
        let work = move || {
            let mut recording = match Recording::start(&path, options) {
                Ok(recording) => {
                    let _ = tell.send(Ok(()));
                    recording
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return Ok(());
                }
            };
            for job in receiver {
                match job {
                    Job::Frame(at, screen) => recording.frame(at, &screen)?,
                    Job::Marker(at, label) => recording.marker(at, &label)?,
                    Job::Finish(at) => return recording.finish(at),
                }
            }
            Ok(())
        };
        let worker = std::thread::Builder::new().name("recorder".into()).spawn(work)?;
        match told.recv() {
            Ok(Ok(())) => Ok(Self { sender: Some(sender), worker: Some(worker) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(RecordError::Request("the recorder ended before it began".to_owned())),
        }
    }

    fn send(&mut self, job: Job) -> Result<(), RecordError> {
        let sent = self.sender.as_ref().map(|sender| sender.send(job));
        // The worker went away, so it has something to say.
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { self.join() }
    }

    fn join(&mut self) -> Result<(), RecordError> {
        self.sender = None;
        match self.worker.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(RecordError::Request("the recorder failed; what it wrote is kept".to_owned())),
        }
    }
}

impl Recorder for Background {
    fn frame(&mut self, at: Duration, screen: &Buffer) -> Result<(), RecordError> {
        self.send(Job::Frame(at, screen.clone()))
    }

    fn marker(&mut self, at: Duration, label: &str) -> Result<(), RecordError> {
        self.send(Job::Marker(at, label.to_owned()))
    }

    fn finish(&mut self, at: Duration) -> Result<(), RecordError> {
        self.send(Job::Finish(at))?;
        self.join()
    }
}
