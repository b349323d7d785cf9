//! The program on a real terminal: what it draws, how it leaves, and what it leaves behind.
#![cfg(unix)]

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Long enough for a loaded machine; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

struct Terminal {
    screen: vt100::Parser,
    bytes: Vec<u8>,
    output: Receiver<Vec<u8>>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn start(args: &[&str], cols: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fewstep"));
        command.args(args);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let input = pair.master.take_writer().expect("a writer");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let screen = vt100::Parser::new(rows, cols, 0);
        Self { screen, bytes: Vec::new(), output, input, child, master: pair.master }
    }

    fn tiny(cols: u16, rows: u16, more: &[&str]) -> Self {
        let args = ["--model", "tests/tiny/uniform", "--judge", "tests/tiny/judge", "--tokens", "32"];
        Self::start(&[&args[..], more].concat(), cols, rows)
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads until the screen satisfies `wanted`.
    fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !wanted(&self.text()) {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("waited for {what}; the screen is\n{}", self.text())
            };
            self.screen.process(&bytes);
            self.bytes.extend(bytes);
        }
    }

    fn keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("keys arrive");
        self.input.flush().expect("keys arrive");
    }

    /// Waits for the end; the exit code, and whether the terminal is as it was.
    fn end(mut self) -> (u32, bool) {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.screen.process(&bytes);
            self.bytes.extend(bytes);
        }
        let status = self.child.wait().expect("the program ends");
        let screen = self.screen.screen();
        let restored = !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None;
        (status.exit_code(), restored)
    }
}

#[test]
fn a_run_plays_by_itself_and_q_leaves() {
    let mut terminal = Terminal::tiny(100, 30, &["--steps", "2"]);
    terminal.until("the last step", |text| text.contains("step 2/2"));
    assert!(terminal.screen.screen().alternate_screen());
    terminal.keys("q");
    assert_eq!(terminal.end(), (0, true));
}

#[test]
fn keys_answer_after_others_have_come() {
    let mut terminal = Terminal::tiny(100, 30, &["--steps", "2"]);
    terminal.until("the last step", |text| text.contains("step 2/2"));
    terminal.keys("\x1b[D");
    terminal.until("the step before", |text| text.contains("step 1/2"));
    terminal.keys("?");
    terminal.until("help", |text| text.contains("twice the steps"));
    terminal.keys("\x1b");
    terminal.until("no help", |text| !text.contains("twice the steps"));
    terminal.keys("+");
    terminal.until("a larger budget", |text| text.contains("/4"));
    terminal.keys("\x03");
    assert_eq!(terminal.end(), (0, true));
}

#[test]
fn a_resized_terminal_is_drawn_anew() {
    let mut terminal = Terminal::tiny(100, 30, &["--steps", "1"]);
    terminal.until("the last step", |text| text.contains("step 1/1"));
    let size = PtySize { rows: 10, cols: 40, pixel_width: 0, pixel_height: 0 };
    terminal.screen.screen_mut().set_size(10, 40);
    terminal.master.resize(size).expect("a resize");
    terminal.until("a small screen", |text| text.contains("1/1") && !text.contains("quality"));
    let size = PtySize { rows: 3, cols: 12, pixel_width: 0, pixel_height: 0 };
    terminal.screen.screen_mut().set_size(3, 12);
    terminal.master.resize(size).expect("a resize");
    terminal.until("one line", |text| text.contains("need"));
    terminal.keys("q");
    assert_eq!(terminal.end(), (0, true));
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut terminal = Terminal::tiny(80, 24, &["--steps", "1"]);
        terminal.until("the screen", |text| text.contains("passage"));
        let pid = terminal.child.process_id().expect("a process") as i32;
        // SAFETY: a signal to the child that this test started and has not waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let (code, restored) = terminal.end();
        assert!(restored, "after signal {signal}");
        assert_ne!(code, 0, "after signal {signal}");
    }
}

#[test]
fn an_error_before_the_screen_touches_nothing() {
    let terminal = Terminal::start(&["--model", "no/such/model"], 80, 24);
    let bytes = {
        let mut terminal = terminal;
        terminal.until("the error", |text| text.contains("no/such/model"));
        terminal.bytes.clone()
    };
    assert!(!bytes.contains(&0x1b), "no escape sequence: {:?}", String::from_utf8_lossy(&bytes));
}
