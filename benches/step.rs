//! One step of the sampler, ids to next ids, beside PyTorch where that is installed: medians, minima, ratios.
//!
//! `cargo bench --bench step` prints the whole table; `-- --help` says what can be left out. All variants take turns,
//! so that what else the machine does falls on all of them alike: compare within a table only.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fewstep::model::kernels::{FastDit, Isa};
use fewstep::model::{ModelSpec, Network, Precision, synthetic};
use fewstep::run::bench;

/// A shape of the table: hidden, blocks, heads, vocabulary, tokens.
#[derive(Clone, Copy)]
struct Shape(usize, usize, usize, usize, usize);

const TABLE: [Shape; 3] = [Shape(512, 8, 8, 4096, 256), Shape(512, 8, 8, 4096, 1024), Shape(768, 12, 12, 50_257, 1024)];

const HELP: &str = "\
options:
  --isa NAME       portable, avx2, vnni, avx512, neon: kernels to use (default: the best here)
  --threads N      threads of every variant (default 2)
  --rounds N       rounds a table (default 15)
  --seconds N      stop a table after about so long (default 40)
  --shape D/L/H/V/T  this shape only (may be repeated)
  --precision P    f32, bf16, int8: these only (may be repeated)
  --reference      candle's reference path too
  --python PATH    Python with PyTorch (default python3); none: leave PyTorch out
  --modes A,B      PyTorch modes: f32, bf16, autocast, compiled, compiled-f32
  --cpus A,B       run on these processors only, once everything is compiled (needs taskset)
  --no-growth      leave out how cost grows with tokens
";

struct Options {
    isa: Isa,
    threads: usize,
    rounds: usize,
    limit: Duration,
    shapes: Vec<Shape>,
    precisions: Vec<Precision>,
    reference: bool,
    python: String,
    modes: Vec<String>,
    cpus: Option<String>,
    growth: bool,
}

fn main() {
    let mut options = Options {
        isa: Isa::best(),
        threads: 2,
        rounds: 15,
        limit: Duration::from_secs(40),
        shapes: Vec::new(),
        precisions: Vec::new(),
        reference: false,
        python: "python3".to_owned(),
        modes: ["f32", "bf16", "autocast", "compiled"].map(str::to_owned).to_vec(),
        cpus: None,
        growth: true,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| stop(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--isa" => {
                let name = value();
                options.isa = Isa::named(&name).unwrap_or_else(|| stop(&format!("this CPU cannot run {name}")));
            }
            "--threads" => options.threads = number(&value()),
            "--rounds" => options.rounds = number(&value()),
            "--seconds" => options.limit = Duration::from_secs(number(&value()) as u64),
            "--shape" => {
                let text = value();
                let n: Vec<usize> = text.split('/').map(number).collect();
                let &[d, l, h, v, t] = &n[..] else { stop("a shape is hidden/blocks/heads/vocabulary/tokens") };
                options.shapes.push(Shape(d, l, h, v, t));
            }
            "--precision" => options.precisions.push(match value().as_str() {
                "f32" => Precision::F32,
                "bf16" => Precision::Bf16,
                "int8" => Precision::Int8,
                other => stop(&format!("no precision {other}")),
            }),
            "--reference" => options.reference = true,
            "--python" => options.python = value(),
            "--modes" => options.modes = value().split(',').map(str::to_owned).collect(),
            "--cpus" => options.cpus = Some(value()),
            "--no-growth" => options.growth = false,
            "--bench" => {}
            "--help" => {
                print!("{HELP}");
                return;
            }
            other => stop(&format!("no option {other}; see --help")),
        }
    }
    if options.shapes.is_empty() {
        options.shapes = TABLE.to_vec();
    }
    if options.precisions.is_empty() {
        options.precisions = vec![Precision::F32, Precision::Bf16, Precision::Int8];
    }
    // All at once, as compiling takes PyTorch a minute; then all wait while one is measured.
    let mut torches: Vec<Option<Torch>> = options.shapes.iter().map(|&shape| Torch::start(&options, shape)).collect();
    for torch in &mut torches {
        *torch = torch.take().and_then(Torch::ready);
    }
    if let Some(cpus) = &options.cpus {
        pin(cpus, std::process::id());
        for torch in torches.iter().flatten() {
            pin(cpus, torch.child.id());
        }
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global()
        .unwrap_or_else(|e| stop(&e.to_string()));
    println!("kernels here: {}", Isa::available().iter().map(|i| i.name()).collect::<Vec<_>>().join(" "));
    let peak = peak();
    println!("plain f32 GEMM (gemm crate, 1536³): {peak:.0} GFLOP/s on {} threads\n", options.threads);
    for (&shape, torch) in options.shapes.iter().zip(torches) {
        table(&options, shape, torch, peak);
    }
    if options.growth {
        growth(&options);
    }
}

/// Keeps all threads of a process on some processors.
fn pin(cpus: &str, process: u32) {
    let done = Command::new("taskset").args(["-acp", cpus, &process.to_string()]).stdout(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("(taskset could not pin process {process} to {cpus})");
    }
}

fn stop(message: &str) -> ! {
    println!("{message}");
    std::process::exit(2)
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| stop(&format!("{text} is not a number")))
}

/// Best of several plain products, GFLOP/s.
fn peak() -> f64 {
    const N: usize = 1536;
    let (a, b, mut c) = (vec![0.5f32; N * N], vec![0.25f32; N * N], vec![0.0f32; N * N]);
    let best = (0..6)
        .map(|_| {
            let began = Instant::now();
            let (n, one) = (N as isize, 1);
            // SAFETY: all three are N × N, row-major.
            unsafe {
                gemm::gemm(
                    N,
                    N,
                    N,
                    c.as_mut_ptr(),
                    one,
                    n,
                    false,
                    a.as_ptr(),
                    one,
                    n,
                    b.as_ptr(),
                    one,
                    n,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::Rayon(0),
                );
            }
            began.elapsed()
        })
        .min()
        .unwrap_or_default();
    2.0 * (N as f64).powi(3) / best.as_secs_f64() / 1e9
}

fn spec(Shape(hidden, blocks, heads, vocab, tokens): Shape) -> ModelSpec {
    let made_up =
        bench::made_up(&format!("{hidden}/{blocks}/{heads}/{vocab}")).unwrap_or_else(|e| stop(&e.to_string()));
    ModelSpec { length: tokens.max(made_up.length), ..made_up }
}

/// Floating-point operations of one step.
fn operations(Shape(d, l, _, v, t): Shape) -> f64 {
    (l * (24 * t * d * d + 4 * t * t * d) + 2 * t * d * v) as f64
}

/// One of the things that take turns.
enum Runner {
    Ours(Box<dyn Network>),
    Torch(usize),
}

/// Times of one variant: whole steps, and the network alone.
struct Variant {
    name: String,
    runner: Runner,
    step: Vec<f64>,
    network: Vec<f64>,
}

fn table(options: &Options, shape: Shape, mut torch: Option<Torch>, peak: f64) {
    let Shape(d, l, h, v, t) = shape;
    println!("hidden {d}, {l} blocks, {h} heads, V {v}, {t} tokens, {} threads", options.threads);
    let ids: Vec<u32> = (0..t).map(|i| (i * 2_654_435_761 % v) as u32).collect();
    let checkpoint = synthetic::model(spec(shape), 1, true);
    let mut variants = Vec::new();
    let mut add = |name: String, runner| {
        variants.push(Variant { name, runner, step: Vec::new(), network: Vec::new() });
    };
    for &precision in &options.precisions {
        let net = FastDit::load_for(options.isa, &checkpoint, precision, options.threads, &|_| {})
            .unwrap_or_else(|e| stop(&e.to_string()));
        add(net.precision(), Runner::Ours(Box::new(net)));
    }
    if options.reference {
        let net =
            fewstep::model::network(&checkpoint, Precision::F32, fewstep::model::Place::Cpu, options.threads, &|_| {})
                .unwrap_or_else(|e| stop(&e.to_string()));
        add("reference f32".to_owned(), Runner::Ours(net));
    }
    if let Some(torch) = &torch {
        for (i, mode) in torch.modes.iter().enumerate() {
            add(format!("torch {mode}"), Runner::Torch(i));
        }
    }
    let began = Instant::now();
    for round in 0..=options.rounds {
        if round > 2 && began.elapsed() > options.limit {
            break;
        }
        for variant in &mut variants {
            let (step, network) = match &mut variant.runner {
                Runner::Ours(net) => step(&mut **net, &ids, round),
                Runner::Torch(mode) => torch.as_mut().map_or((f64::NAN, f64::NAN), |torch| torch.step(*mode)),
            };
            // The first round warms up.
            if round > 0 {
                variant.step.push(step);
                variant.network.push(network);
            }
        }
    }
    let best_torch = variants
        .iter()
        .filter(|v| matches!(v.runner, Runner::Torch(_)))
        .map(|v| median(&v.step))
        .fold(f64::INFINITY, f64::min);
    println!(
        "  {:<22}{:>9}{:>9}{:>9}{:>10}{:>9}{:>12}",
        "", "min ms", "median", "network", "GOP/s", "of f32", "best torch"
    );
    for variant in &variants {
        let (low, mid) = (minimum(&variant.step), median(&variant.step));
        let network = median(&variant.network);
        let rate = operations(shape) / minimum(&variant.network) / 1e6;
        let ratio = if best_torch.is_finite() { format!("{:.2}x", mid / best_torch) } else { "-".to_owned() };
        println!(
            "  {:<22}{low:>9.1}{mid:>9.1}{network:>9.1}{rate:>10.0}{:>8.0}%{ratio:>12}",
            variant.name,
            100.0 * rate / peak
        );
    }
    println!(
        "  ({} rounds; ratio of medians to PyTorch's fastest mode)\n",
        variants.first().map_or(0, |v| v.step.len())
    );
}

/// One step as the sampler takes it: milliseconds of all of it, and of forward pass and head alone.
fn step(net: &mut dyn Network, ids: &[u32], round: usize) -> (f64, f64) {
    let step = bench::step(net, ids, round).unwrap_or_else(|e| stop(&e.to_string()));
    (step.total(), step.body + step.head)
}

/// How a step's cost grows with tokens, and a run's with its budget, at the default model's size.
fn growth(options: &Options) {
    println!("default size, ms a step (and us a token) by tokens:");
    let checkpoint = synthetic::model(spec(Shape(512, 8, 8, 4096, 1024)), 1, true);
    let mut net = FastDit::load_for(options.isa, &checkpoint, Precision::Auto, options.threads, &|_| {})
        .unwrap_or_else(|e| stop(&e.to_string()));
    for tokens in [64_usize, 128, 256, 512, 1024] {
        let ids: Vec<u32> = (0..tokens).map(|i| (i * 2_654_435_761 % 4096) as u32).collect();
        let times: Vec<f64> = (0..8).map(|round| step(&mut net, &ids, round).0).skip(1).collect();
        println!("  {tokens:>5} {:>8.1} {:>7.0}", minimum(&times), 1e3 * minimum(&times) / tokens as f64);
    }
    println!("a run's cost is that times its budget, 1 to 1,024; at 256 tokens:");
    let ids: Vec<u32> = (0..256).collect();
    for budget in [1, 4, 16, 64] {
        let began = Instant::now();
        for round in 0..budget {
            step(&mut net, &ids, round);
        }
        println!("  {budget:>5} {:>8.2} s", began.elapsed().as_secs_f64());
    }
}

/// A Python process that times PyTorch's steps on request.
struct Torch {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    modes: Vec<String>,
}

impl Torch {
    fn start(options: &Options, Shape(d, l, h, v, t): Shape) -> Option<Self> {
        if options.python == "none" {
            return None;
        }
        let script = std::env::var("STEP_SCRIPT")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/benches/torch_step.py").to_owned());
        let mut child = Command::new(&options.python)
            .arg(script)
            .args([d, l, h, v, t].map(|n| n.to_string()))
            .args(&options.modes)
            .env("OMP_NUM_THREADS", options.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let ask = child.stdin.take()?;
        let answers = BufReader::new(child.stdout.take()?);
        Some(Self { child, ask, answers, modes: Vec::new() })
    }

    /// Waits until the modes that work are known.
    fn ready(mut self) -> Option<Self> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).ok()? == 0 {
                println!("(PyTorch did not start)");
                return None;
            }
            let line = line.trim();
            if line == "go" {
                return Some(self);
            }
            println!("{line}");
            if let Some(mode) = line.strip_prefix("ready ") {
                self.modes.extend(mode.split(' ').next().map(str::to_owned));
            }
        }
    }

    /// Milliseconds of a step and of its network.
    fn step(&mut self, mode: usize) -> (f64, f64) {
        let mut line = String::new();
        let asked = writeln!(self.ask, "{}", self.modes[mode]).and_then(|()| self.ask.flush());
        if asked.and_then(|()| self.answers.read_line(&mut line)).is_err() {
            return (f64::NAN, f64::NAN);
        }
        let mut numbers = line.split_whitespace().map(|n| n.parse().unwrap_or(f64::NAN));
        (numbers.next().unwrap_or(f64::NAN), numbers.next().unwrap_or(f64::NAN))
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn minimum(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
