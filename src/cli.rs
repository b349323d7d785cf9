//! Command line: flags and verbs. Help, completions and the manual page are made from these definitions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::flow::SolverKind;
use crate::model::{Entry, ModelPlace, OpenOptions, Place, Precision};
use crate::run::export::ExportArgs;
use crate::run::tape::TapeArgs;

const EXAMPLES: &str = "\
Examples:
  fewstep                                         watch eight steps turn noise into a story
  fewstep --steps 16 --prompt 'Once upon a time'  another budget, a frozen beginning
  fewstep sample --steps 8 --seed 7 --json        the same run as JSON Lines
  fewstep sample --trace run.fstrace              keep a run
  fewstep replay run.fstrace                      scrub through it later, without a model

Press ? on the screen for the keys.";

/// Watch few-step diffusion language models write, one iteration at a time.
#[derive(Debug, Parser)]
#[command(name = "fewstep", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
pub struct Cli {
    /// What to do; without a verb, the screen.
    #[command(subcommand)]
    pub verb: Option<Verb>,

    /// The run to show.
    #[command(flatten)]
    pub run: RunArgs,

    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write text without a screen: plain, coloured, or as a trace
    Sample(SampleArgs),
    /// Show a trace on the screen, without a model
    Replay(ReplayArgs),
    /// Show a trace while another program writes it
    Follow(ReplayArgs),
    /// Show a trace that comes with the program
    Demo(DemoArgs),
    /// Make a page, picture, recording, figure or text of a trace
    Export(ExportArgs),
    /// Perform a script of keys and waits, and record it
    Tape(TapeArgs),
    /// Compute logits for given states, for checking against other implementations
    Probe(ProbeArgs),
    /// Measure what a step costs here, part by part
    Bench(BenchArgs),
    /// Print shell completions
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// Which models to use, and how to run them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A model folder or .pth checkpoint [default: the bundled model]
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,

    /// Which network of a .pth checkpoint [default: the best one it has]
    #[arg(long, value_name = "ENTRY", value_enum)]
    pub entry: Option<Entry>,

    /// Tokenizer for a checkpoint without one: tokenizer.json, or a folder with vocab.json and merges.txt
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,

    /// A GPT-2 folder that scores perplexity, or `none` [default: the bundled judge where vocabularies agree]
    #[arg(long, value_name = "PATH")]
    pub judge: Option<PathBuf>,

    /// Arithmetic of the network
    #[arg(long, value_enum, default_value_t)]
    pub precision: Precision,

    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: Place,

    /// Threads that compute [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

impl ModelArgs {
    /// Where the network is.
    pub fn place(&self) -> ModelPlace {
        self.model.clone().map_or(ModelPlace::Bundled, ModelPlace::Path)
    }

    /// What is said about it beyond its place.
    pub fn options(&self) -> OpenOptions {
        OpenOptions { entry: self.entry, tokenizer: self.tokenizer.clone(), ..OpenOptions::default() }
    }
}

/// What makes a run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Budget: how many steps to take, 1 to 1024 [default: 8]
    #[arg(long, short = 'n', value_name = "N")]
    pub steps: Option<u32>,

    /// Seed of all noise
    #[arg(long, value_name = "N", default_value_t = 7, allow_negative_numbers = true)]
    pub seed: u64,

    /// Length in tokens [default: 256, or the model's length if shorter]
    #[arg(long, value_name = "N")]
    pub tokens: Option<usize>,

    /// Text to begin with; it stays frozen (`-` reads standard input)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,

    /// A text with gaps to fill: `[[20]]` is a gap of 20 tokens, `[[]]` shares what --tokens leaves
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub infill: Option<PathBuf>,

    /// Jump rule
    #[arg(long, value_enum, default_value_t)]
    pub solver: SolverKind,

    /// Softmax temperature; 1 is the paper's rule
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    pub temperature: f64,

    /// Nucleus mass to draw from; 1 is the paper's rule
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    pub top_p: f64,

    /// Times of the steps, `0,…,1`, or uniform, halving, cosine, late-dense [default: uniform]
    #[arg(long, value_name = "T0,T1,…")]
    pub grid: Option<String>,

    /// Exponent n of the schedule κ = tⁿ [default: the model's]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub exponent: Option<f64>,

    /// Weight of the divergence-free corrector (dfm-euler)
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub eta: f64,

    /// Mask source, euler: only the most certain tokens are unmasked
    #[arg(long)]
    pub controlled_unmasking: bool,

    /// Mask source: tokens may change after they were unmasked
    #[arg(long)]
    pub unmask_change: bool,

    /// Mask source: only positions still masked may jump, whatever the solver
    #[arg(long)]
    pub only_masked: bool,

    /// Models; last, since the headings of what follows would be theirs.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// As many as the terminal has
    #[default]
    Auto,
    /// 24-bit colours
    Truecolor,
    /// 256 colours
    #[value(name = "256")]
    Indexed,
    /// 16 colours
    #[value(name = "16")]
    Ansi,
    /// None; styles and digits instead
    Never,
}

/// How the screen looks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Screen")]
pub struct ScreenArgs {
    /// Colours
    #[arg(long, value_enum, default_value_t)]
    pub color: ColorChoice,

    /// `dark`, `light`, or a file like assets/themes/dark.toml [default: what the terminal's background asks for]
    #[arg(long, value_name = "THEME")]
    pub theme: Option<String>,

    /// Key bindings that replace some of the built-in ones: a file with `[keys]` and lines such as `play = ["p"]`
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,

    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,

    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,

    /// Record the screen from the start; the name ends in .cast, .gif or .txt (the key g does it later)
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Overwrite the file of --record
    #[arg(long, requires = "record")]
    pub force: bool,
}

/// `--score`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScoreChoice {
    /// Every frame
    All,
    /// The last frame of each run
    Final,
    /// Nothing
    None,
}

/// `fewstep sample`.
#[derive(Clone, Debug, Args)]
pub struct SampleArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,

    /// Step size told to the network at every step, 0 to 1 [default: that of the step, or the least the model takes]
    #[arg(long, value_name = "DT", allow_negative_numbers = true, help_heading = "Run")]
    pub told_dt: Option<f64>,

    /// JSON Lines: the trace format, one line a frame
    #[arg(long, help_heading = "Output", group = "format")]
    pub json: bool,

    /// The final text alone [default where output is not a terminal]
    #[arg(long, help_heading = "Output", group = "format")]
    pub plain: bool,

    /// The final text coloured by step of last change [default on a terminal]
    #[arg(long, help_heading = "Output", group = "format")]
    pub ansi: bool,

    /// Runs to make: seeds SEED, SEED+1, …
    #[arg(long, value_name = "K", default_value_t = 1, help_heading = "Output")]
    pub samples: u32,

    /// Only the last frame of each run
    #[arg(long = "final", help_heading = "Output")]
    pub final_only: bool,

    /// Per-position numbers in the trace: entropy, probabilities, candidates, jump probability
    #[arg(long, help_heading = "Output")]
    pub detail: bool,

    /// Which frames the judge scores [default: all that are written]
    #[arg(long, value_enum, help_heading = "Output")]
    pub score: Option<ScoreChoice>,

    /// Count the prompt's tokens in perplexity too
    #[arg(long, help_heading = "Output")]
    pub score_prompt: bool,

    /// Also write the trace to a file (.zst compresses it)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub trace: Option<PathBuf>,

    /// Overwrite files that exist
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// `fewstep replay` and `fewstep follow`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The trace; for follow, `-` reads standard input
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,

    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// `fewstep demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// eight-steps, thirty-two-steps or plain-euler [default: the first]
    pub name: Option<String>,

    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// `fewstep bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Models.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Lengths to measure
    #[arg(long, value_name = "T", value_delimiter = ',')]
    pub tokens: Vec<usize>,

    /// Made-up weights of this shape instead of a model: hidden/blocks/heads/vocabulary
    #[arg(long, value_name = "D/L/H/V", conflicts_with_all = ["model", "judge"])]
    pub shape: Option<String>,

    /// Steps a length; the best counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
}

/// `fewstep probe`.
#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// Models.
    #[command(flatten)]
    pub model: ModelArgs,

    /// A safetensors file with x (B,T), t (B) and, for students, dt (B)
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,

    /// Where to write logits (B,T,R)
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
}
