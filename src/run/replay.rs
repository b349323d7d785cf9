//! `fewstep replay`, `follow` and `demo`: runs that were made elsewhere, on the same screen, without a model.

use std::io::{self, Cursor, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::looks::looks;
use super::tui::{Feed, show};
use crate::app::{Level, Msg, State};
use crate::cli::ScreenArgs;
use crate::engine::Event;
use crate::error::Error;
use crate::text::{Vocab, safe};
use crate::trace::TraceError;
use crate::trace::io::{Follower, Item, Trace, follow_stream};

/// Traces that come with the program: name, what it shows, and the file.
const DEMOS: &[(&str, &str, &[u8])] = &[
    (
        "eight-steps",
        "noise becomes a story in the paper's budget",
        include_bytes!("../../assets/traces/eight-steps.fstrace.zst"),
    ),
    (
        "thirty-two-steps",
        "the same noise, four times the budget",
        include_bytes!("../../assets/traces/thirty-two-steps.fstrace.zst"),
    ),
    (
        "plain-euler",
        "the same noise under the rule that overshoots",
        include_bytes!("../../assets/traces/plain-euler.fstrace.zst"),
    ),
];

/// Shows the runs of a trace file.
pub(super) fn replay(path: &Path, screen: &ScreenArgs) -> Result<(), Error> {
    needs_terminal("replay", "fewstep export makes pages, pictures and text of a trace")?;
    open(&Trace::open(path).map_err(Error::input)?, screen)
}

/// Shows a trace that comes with the program.
pub(super) fn demo(name: Option<&str>, screen: &ScreenArgs) -> Result<(), Error> {
    let list = || {
        let lines: Vec<String> = DEMOS.iter().map(|(name, what, _)| format!("{name} ({what})")).collect();
        lines.join(", ")
    };
    let found = match name {
        None => DEMOS.first(),
        Some(name) => DEMOS.iter().find(|(own, ..)| *own == name),
    };
    let Some((_, _, bytes)) = found else {
        return Err(Error::input(format!("no such demo; there are {}", list())));
    };
    needs_terminal("demo", "run it in one")?;
    open(&Trace::read(Cursor::new(*bytes)).map_err(Error::run)?, screen)
}

/// Shows a trace while another program writes it.
pub(super) fn follow(path: &Path, screen: &ScreenArgs) -> Result<(), Error> {
    needs_terminal("follow", "run it in one")?;
    let looks = looks(screen)?;
    let (sender, messages) = unbounded_channel();
    let mut live = Live { trace: Trace::empty(), sender };
    let sink = move |item| live.take(item);
    // The thread ends with the stream, or when the screen is gone and the next item finds nobody.
    let _reader: JoinHandle<()> = if path.as_os_str() == "-" {
        follow_stream(io::stdin(), sink)
    } else {
        Follower::open(path).map_err(Error::input)?.spawn(sink)
    };
    let mut state = State::replay(looks, String::new(), Arc::new(Vocab::empty()));
    let stream = path.as_os_str() == "-";
    state.waiting = Some(if stream { "standard input".to_owned() } else { path.display().to_string() });
    show(state, Vec::new(), Feed::Messages(messages), screen)
}

fn open(trace: &Trace, screen: &ScreenArgs) -> Result<(), Error> {
    let (sender, messages) = unbounded_channel();
    for run in &trace.runs {
        // The receiver is at hand: sending cannot fail.
        let _ = sender.send(Msg::Run(Box::new(run.clone())));
    }
    if let Some(notice) = &trace.notice {
        let _ = sender.send(Msg::Notice(Level::Error, notice.clone()));
    }
    drop(sender);
    let model = safe(&trace.header.model.name).into_owned();
    let state = State::replay(looks(screen)?, model, Arc::clone(&trace.vocab));
    show(state, Vec::new(), Feed::Messages(messages), screen)
}

fn needs_terminal(verb: &str, instead: &str) -> Result<(), Error> {
    if io::stdout().is_terminal() {
        Ok(())
    } else {
        Err(Error::input(format!("{verb} draws on a terminal, and standard output is none; {instead}")))
    }
}

/// Turns the items of a growing trace into messages for the screen.
struct Live {
    trace: Trace,
    sender: UnboundedSender<Msg>,
}

impl Live {
    /// Takes an item in; whether more are wanted.
    fn take(&mut self, item: Result<Item, TraceError>) -> bool {
        let known = self.trace.runs.len();
        let taken = item.and_then(|item| {
            let kind = Kind::of(&item);
            self.trace.apply(item).map(|index| (kind, index))
        });
        let (kind, index) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                let title = "the trace cannot be followed further".to_owned();
                let _ = self.sender.send(Msg::Message { title, text: error.to_string() });
                return false;
            }
        };
        let msgs = match (kind, index) {
            (Kind::About, _) => {
                let model = safe(&self.trace.header.model.name).into_owned();
                vec![Msg::About { model, vocab: Arc::clone(&self.trace.vocab) }]
            }
            (_, Some(index)) if index >= known => vec![Msg::Run(Box::new(self.trace.runs[index].clone()))],
            (Kind::Frame, Some(index)) => {
                let timeline = &self.trace.runs[index];
                let step = timeline.newest();
                let frame = Event::Frame { run: id(index), frame: timeline.frame(step) };
                let mut msgs = vec![Msg::Engine(frame)];
                msgs.extend(self.score(index, step));
                msgs
            }
            (Kind::Score(step), Some(index)) => {
                let ghost = self.trace.runs[index].ghost_perplexity(step).map(|perplexity| {
                    Msg::Engine(Event::GhostScore { run: id(index), step, perplexity: Some(perplexity) })
                });
                self.score(index, step).into_iter().chain(ghost).collect()
            }
            (_, None) => Vec::new(),
        };
        msgs.into_iter().all(|msg| self.sender.send(msg).is_ok())
    }

    fn score(&self, index: usize, step: u32) -> Option<Msg> {
        let score = self.trace.runs[index].score(step)?;
        let (perplexity, nll) = (score.perplexity, score.nll.clone().unwrap_or_default());
        Some(Msg::Engine(Event::Score { run: id(index), step, perplexity, nll }))
    }
}

/// The screen numbers the runs that it is given.
fn id(index: usize) -> u32 {
    index as u32
}

#[derive(Clone, Copy)]
enum Kind {
    About,
    Frame,
    Score(u32),
}

impl Kind {
    fn of(item: &Item) -> Self {
        match item {
            Item::Header(_) | Item::Vocab(_) => Self::About,
            Item::Run(_) | Item::Frame(_) => Self::Frame,
            Item::Score { step, .. } => Self::Score(*step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_following_stays_on_screen() {
        let (sender, mut messages) = unbounded_channel();
        let mut live = Live { trace: Trace::empty(), sender };
        assert!(!live.take(Err(TraceError::Frame("line 3: broken".to_owned()))));
        assert!(matches!(messages.try_recv(), Ok(Msg::Message { text, .. }) if text == "line 3: broken"));
    }

    #[test]
    fn every_bundled_trace_opens_whole_with_its_numbers() {
        for (name, _, bytes) in DEMOS {
            let trace = Trace::read(Cursor::new(*bytes)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(trace.notice, None, "{name}");
            let run = &trace.runs[0];
            assert!(run.is_complete() && run.detail(1).is_some() && run.perplexity(run.newest()).is_some(), "{name}");
        }
    }
}
