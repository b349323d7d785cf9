//! The program on a real pseudo-terminal, with the tiny model.
#![cfg(unix)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a busy machine before it counts as never.
const PATIENCE: Duration = Duration::from_secs(120);

/// What ends a frame.
const END: &[u8] = b"\x1b[?2026l";

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    bytes: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
    pending: Vec<u8>,
}

fn tiny(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "tiny", name].iter().collect()
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    fn start(cols: u16, rows: u16, args: &[&str]) -> Self {
        let pair = native_pty_system().openpty(size(cols, rows)).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fewstep"));
        command.args(["--model", &tiny("uniform").display().to_string()]);
        command.args(["--judge", &tiny("judge").display().to_string(), "--tokens", "48", "--threads", "1"]);
        command.args(args);
        command.cwd(std::env::temp_dir());
        for name in ["NO_COLOR", "LC_ALL", "LC_CTYPE", "COLORFGBG"] {
            command.env_remove(name);
        }
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")] {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, bytes) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 1 << 14];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        let screen = vt100::Parser::new(rows, cols, 0);
        Self { master: pair.master, child, keys, bytes, screen, raw: Vec::new(), pending: Vec::new() }
    }

    fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("a terminal to type into");
    }

    /// Takes in what was written; the screen follows frame by frame, so that no test sees half of one.
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.pending.extend_from_slice(bytes);
        if let Some(at) = self.pending.windows(END.len()).rposition(|window| window == END) {
            let frame: Vec<u8> = self.pending.drain(..at + END.len()).collect();
            self.screen.process(&frame);
        }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads until the screen satisfies `good`.
    fn until(&mut self, what: &str, good: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !good(&self.text()) {
            match self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => panic!("{what}: {error}; the screen is\n{}", self.text()),
            }
        }
    }

    fn until_shows(&mut self, text: &str) {
        self.until(text, |screen| screen.contains(text));
    }

    /// Reads until the program ends.
    fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while let Ok(bytes) = self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.take(&bytes);
        }
        self.screen.process(&std::mem::take(&mut self.pending));
        self.child.wait().expect("the program ends")
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.screen.screen_mut().set_size(rows, cols);
        self.master.resize(size(cols, rows)).expect("another size");
    }

    fn signal(&self, signal: i32) {
        let pid = self.child.process_id().expect("a process") as i32;
        // SAFETY: `kill` takes no pointers, and the process is a child of ours that has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// What every way out leaves: the main screen, a cursor, no mouse reports, no bracketed paste.
    fn assert_given_back(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }
}

#[test]
fn plays_to_the_end_scrubs_and_leaves() {
    let mut terminal = Terminal::start(120, 36, &["--steps", "4"]);
    terminal.until_shows("step 0/4");
    assert!(terminal.screen.screen().alternate_screen() && terminal.screen.screen().hide_cursor());
    terminal.until_shows("step 4/4");
    terminal.send("2");
    terminal.until_shows("step 2/4");
    terminal.send("\x1b[D");
    terminal.until_shows("step 1/4");
    terminal.send("?");
    terminal.until_shows("play or pause");
    terminal.send("\x1b");
    terminal.until("help closes", |screen| !screen.contains("play or pause"));
    terminal.send("q");
    assert!(terminal.end().success());
    terminal.assert_given_back();
}

#[test]
fn another_budget_a_prompt_and_the_mouse() {
    let mut terminal = Terminal::start(120, 36, &["--steps", "2"]);
    terminal.until_shows("step 2/2");
    terminal.send("+");
    terminal.until("the new run", |screen| screen.contains("run 2 of 2") && screen.contains("step 4/4"));
    // A paste is text, whatever keys it would be; the tiny tokenizer knows every byte.
    terminal.send("e\x1b[200~qq\x1b[201~");
    terminal.until("the pasted prompt", |screen| screen.contains("qq"));
    terminal.send("\r");
    terminal.until("the new run", |screen| screen.contains("run 3 of 3") && screen.contains("step 4/4"));
    // A click on the first step of the timeline.
    terminal.send("\x1b[<0;4;35M\x1b[<0;4;35m");
    terminal.until_shows("step 1/4");
    terminal.send("\x03");
    assert!(terminal.end().success());
    terminal.assert_given_back();
}

#[test]
fn resizing_shows_what_fits() {
    let mut terminal = Terminal::start(120, 36, &["--steps", "2"]);
    terminal.until_shows("step 2/2");
    terminal.resize(30, 8);
    terminal.until_shows("fewstep needs 40×10");
    terminal.resize(40, 10);
    terminal.until("the least screen", |screen| screen.contains("2/2") && screen.contains("ppl"));
    terminal.resize(100, 30);
    terminal.until_shows("convergence map");
    terminal.send("q");
    assert!(terminal.end().success());
    terminal.assert_given_back();
}

#[test]
fn signals_give_the_terminal_back_and_end_the_program_as_they_should() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut terminal = Terminal::start(100, 30, &["--steps", "2"]);
        terminal.until_shows("step 0/2");
        terminal.signal(signal);
        let status = terminal.end();
        assert!(!status.success(), "{status:?}");
        assert!(status.signal().is_some(), "ended by a signal: {status:?}");
        terminal.assert_given_back();
    }
}

#[test]
fn being_continued_takes_the_terminal_again() {
    let mut terminal = Terminal::start(100, 30, &["--steps", "2"]);
    terminal.until_shows("step 2/2");
    terminal.raw.clear();
    terminal.signal(libc::SIGSTOP);
    terminal.signal(libc::SIGCONT);
    let end = Instant::now() + PATIENCE;
    while !terminal.raw.windows(8).any(|bytes| bytes == b"\x1b[?1049h") {
        let bytes = terminal.bytes.recv_timeout(end.saturating_duration_since(Instant::now())).expect("a new screen");
        terminal.take(&bytes);
    }
    terminal.until_shows("step 2/2");
    terminal.send("q");
    assert!(terminal.end().success());
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let mut terminal = Terminal::start(100, 30, &["--steps", "2"]);
    terminal.until("scored and done", |screen| screen.contains("■") && !screen.contains("scoring"));
    // Whatever was under way is drawn by now, or within this.
    while terminal.bytes.recv_timeout(Duration::from_millis(300)).is_ok() {}
    let before = switches(&terminal);
    let quiet = terminal.bytes.recv_timeout(Duration::from_millis(700));
    assert!(matches!(quiet, Err(RecvTimeoutError::Timeout)), "something was drawn: {quiet:?}");
    assert_eq!(switches(&terminal), before, "the screen's thread woke up");
    terminal.send("q");
    assert!(terminal.end().success());
}

/// How often the main thread has gone to sleep; where the system does not say, always 0.
fn switches(terminal: &Terminal) -> u64 {
    let pid = terminal.child.process_id().expect("a process");
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
    line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or(0)
}

#[test]
fn bad_input_leaves_the_terminal_alone() {
    for args in [["--steps", "0"], ["--theme", "/no/such/theme.toml"], ["--keys", "/no/such/keys.toml"]] {
        let mut terminal = Terminal::start(100, 30, &args);
        assert_eq!(terminal.end().exit_code(), 2, "{args:?}");
        assert!(!terminal.raw.windows(8).any(|bytes| bytes == b"\x1b[?1049h"), "{args:?}");
    }
}
