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
