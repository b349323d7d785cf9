//! What a user can ask for. Names are those of `assets/keys.toml`; the order is that of `?`.

/// A user's intent, whichever key, click or script it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Play, pause, or replay at the end.
    Play,
    /// One step back in time.
    StepBack,
    /// One step on; at the newest frame, compute the next.
    StepForward,
    /// To the noise.
    First,
    /// To the newest frame.
    Last,
    /// To the step of a digit: that step, or its share of a budget above nine.
    Digit(u8),
    /// Play slower.
    Slower,
    /// Play faster.
    Faster,
    /// Start over at the end, or stop there.
    Loop,
    /// Twice the budget.
    BudgetDouble,
    /// Half the budget.
    BudgetHalve,
    /// One step more.
    BudgetMore,
    /// One step less.
    BudgetLess,
    /// The next solver.
    Solver,
    /// Another seed.
    Reroll,
    /// The same run again, from the noise.
    Restart,
    /// Edit the prompt.
    Prompt,
    /// The run before this one.
    RunBefore,
    /// The run after this one.
    RunAfter,
    /// Cursor one token left.
    CursorLeft,
    /// Cursor one line down.
    CursorDown,
    /// Cursor one line up.
    CursorUp,
    /// Cursor one token right.
    CursorRight,
    /// Scroll the text up a page.
    PageUp,
    /// Scroll the text down a page.
    PageDown,
    /// The next overlay.
    Overlay,
    /// Show or hide the convergence map.
    Map,
    /// Show or hide the inspector.
    Inspector,
    /// Show or hide the jump view.
    Jumps,
    /// Show or hide the charts.
    Charts,
    /// The next panel.
    Panel,
    /// The cursor to the word before.
    WordBefore,
    /// The cursor to the word after.
    WordAfter,
    /// The cursor to the token before that changed in this step.
    ChangedBefore,
    /// The cursor to the token after that changed in this step.
    ChangedAfter,
    /// The cursor to the token before that came to rest late.
    LateBefore,
    /// The cursor to the token after that came to rest late.
    LateAfter,
    /// Search the text.
    Search,
    /// The next place that was searched for.
    SearchAfter,
    /// The place before that was searched for.
    SearchBefore,
    /// What the text would be if the sampler stopped here.
    Ghost,
    /// Underline what differs from the run this one branched off, or from the run before.
    Diff,
    /// Pin the token under the cursor.
    Pin,
    /// Put noise in place of the token under the cursor.
    Noise,
    /// Another of the likely tokens in place of the one under the cursor.
    Swap,
    /// Another token, typed, in place of the one under the cursor.
    Replace,
    /// The step on screen again, with other noise.
    StepReroll,
    /// What to change before going on as a branch.
    WhatIf,
    /// Go on from here as a branch.
    Branch,
    /// The list of runs.
    RunList,
    /// The editor of the steps' times.
    Grid,
    /// Copy the text.
    Copy,
    /// Save the trace.
    Save,
    /// Start or stop recording the screen.
    Record,
    /// Show or hide the help.
    Help,
    /// Close what is open.
    Close,
    /// Suspend to the shell.
    Suspend,
    /// Leave.
    Quit,
    /// Start a run with the edited prompt.
    PromptAccept,
    /// A line break in the prompt.
    PromptNewline,
    /// The prompt before.
    PromptOlder,
    /// The prompt after.
    PromptNewer,
    /// In a window: the row above.
    RowUp,
    /// In a window: the row below.
    RowDown,
    /// In a window: less, or to the left.
    Less,
    /// In a window: more, or to the right.
    More,
    /// In a window: use it.
    Accept,
    /// In the editor of times: the next preset.
    Preset,
    /// In the editor of times: half the step size told to the network.
    ToldHalf,
    /// In the editor of times: twice the step size told to the network.
    ToldDouble,
}

/// Every action with its name; digits share one.
const NAMES: &[(&str, Action)] = &[
    ("play", Action::Play),
    ("step-back", Action::StepBack),
    ("step-forward", Action::StepForward),
    ("first", Action::First),
    ("last", Action::Last),
    ("slower", Action::Slower),
    ("faster", Action::Faster),
    ("loop", Action::Loop),
    ("budget-double", Action::BudgetDouble),
    ("budget-halve", Action::BudgetHalve),
    ("budget-more", Action::BudgetMore),
    ("budget-less", Action::BudgetLess),
    ("solver", Action::Solver),
    ("reroll", Action::Reroll),
    ("restart", Action::Restart),
    ("prompt", Action::Prompt),
    ("run-before", Action::RunBefore),
    ("run-after", Action::RunAfter),
    ("cursor-left", Action::CursorLeft),
    ("cursor-down", Action::CursorDown),
    ("cursor-up", Action::CursorUp),
    ("cursor-right", Action::CursorRight),
    ("page-up", Action::PageUp),
    ("page-down", Action::PageDown),
    ("overlay", Action::Overlay),
    ("map", Action::Map),
    ("inspector", Action::Inspector),
    ("jumps", Action::Jumps),
    ("charts", Action::Charts),
    ("panel", Action::Panel),
    ("word-before", Action::WordBefore),
    ("word-after", Action::WordAfter),
    ("changed-before", Action::ChangedBefore),
    ("changed-after", Action::ChangedAfter),
    ("late-before", Action::LateBefore),
    ("late-after", Action::LateAfter),
    ("search", Action::Search),
    ("search-after", Action::SearchAfter),
    ("search-before", Action::SearchBefore),
    ("ghost", Action::Ghost),
    ("diff", Action::Diff),
    ("pin", Action::Pin),
    ("noise", Action::Noise),
    ("swap", Action::Swap),
    ("replace", Action::Replace),
    ("step-reroll", Action::StepReroll),
    ("what-if", Action::WhatIf),
    ("branch", Action::Branch),
    ("run-list", Action::RunList),
    ("grid", Action::Grid),
    ("copy", Action::Copy),
    ("save", Action::Save),
    ("record", Action::Record),
    ("help", Action::Help),
    ("close", Action::Close),
    ("suspend", Action::Suspend),
    ("quit", Action::Quit),
    ("prompt-accept", Action::PromptAccept),
    ("prompt-newline", Action::PromptNewline),
    ("prompt-older", Action::PromptOlder),
    ("prompt-newer", Action::PromptNewer),
    ("row-up", Action::RowUp),
    ("row-down", Action::RowDown),
    ("less", Action::Less),
    ("more", Action::More),
    ("accept", Action::Accept),
    ("preset", Action::Preset),
    ("told-half", Action::ToldHalf),
    ("told-double", Action::ToldDouble),
    ("digit-0", Action::Digit(0)),
    ("digit-1", Action::Digit(1)),
    ("digit-2", Action::Digit(2)),
    ("digit-3", Action::Digit(3)),
    ("digit-4", Action::Digit(4)),
    ("digit-5", Action::Digit(5)),
    ("digit-6", Action::Digit(6)),
    ("digit-7", Action::Digit(7)),
    ("digit-8", Action::Digit(8)),
    ("digit-9", Action::Digit(9)),
];

impl Action {
    /// The action of a name.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, a)| *a == self).map_or("", |(n, _)| n)
    }

    /// Every action.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(_, a)| *a)
    }
}
