//! Trace files, good and bad: what is written is read back, what is broken is refused or cut short, nothing panics.

use std::fmt::Write as _;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fewstep::model::Source;
use fewstep::text::Vocab;
use fewstep::trace::io::{Header, diffusers, save};
use fewstep::trace::{Parent, Score, Timeline, Trace, TraceReader, TraceWriter, WriteOptions};
use proptest::prelude::*;

use crate::support::{Lcg, byte_vocab, frame, meta};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace").join(name)
}

fn header(tokens: usize) -> Header {
    Header {
        tool: "fewstep test".into(),
        model: meta(1, 1).model,
        judge: Some("judge".into()),
        precision: "f32".into(),
        prompt: "é \u{1b}[2J".into(),
        tokens,
    }
}

fn bytes_of(runs: &[Timeline], options: WriteOptions) -> Vec<u8> {
    let tokens = runs.first().map_or(0, Timeline::tokens);
    let mut writer = TraceWriter::new(Vec::new(), &header(tokens), Arc::new(byte_vocab()), options).unwrap();
    for run in runs {
        writer.timeline(run).unwrap();
    }
    writer.into_inner()
}

fn random_run(number: u32, seed: u64, tokens: usize, steps: usize, detail: bool) -> Timeline {
    let mut random = Lcg(seed);
    let mut ids: Vec<u32> = (0..tokens).map(|_| random.below(256)).collect();
    let mut about = meta(steps, tokens);
    about.run = number;
    about.config.seed = u64::MAX - seed;
    about.config.frozen = vec![(0, ids[0])];
    about.config.salts = vec![0, seed];
    let mut run = Timeline::new(about, frame(0, steps as u32, &ids, detail)).unwrap();
    for step in 1..=steps as u32 {
        for id in ids.iter_mut().skip(1) {
            if random.below(3) == 0 {
                *id = random.below(256);
            }
        }
        run.push(frame(step, steps as u32, &ids, detail)).unwrap();
        if random.below(2) == 0 {
            let nll = detail.then(|| (1..tokens).map(|i| i as f32 * 0.25).collect());
            run.set_score(step, Score { perplexity: Some(f64::from(random.below(1000)) / 8.0), nll });
        }
    }
    run
}

fn assert_same(a: &Timeline, b: &Timeline) {
    assert_eq!(a.meta(), b.meta());
    assert_eq!(a.len(), b.len());
    for step in 0..=a.newest() {
        assert_eq!(a.frame(step), b.frame(step));
        assert_eq!(a.score(step), b.score(step), "step {step}");
        assert_eq!(a.ghost_perplexity(step), b.ghost_perplexity(step), "step {step}");
        assert_eq!(a.state(step), b.state(step));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        seed in any::<u64>(), tokens in 2usize..20, steps in 1usize..12, detail: bool, text: bool, deltas: bool,
    ) {
        let mut runs: Vec<Timeline> = (0..2).map(|n| random_run(n, seed / 2 + u64::from(n), tokens, steps, detail)).collect();
        (0..steps as u32).step_by(2).for_each(|step| runs[1].set_ghost_perplexity(step, f64::from(step) + 1.25));
        let bytes = bytes_of(&runs, WriteOptions { detail, text, deltas });
        prop_assert!(bytes.iter().all(|b| *b == b'\n' || (0x20..0x7f).contains(b)));
        let trace = Trace::read(bytes.as_slice()).unwrap();
        prop_assert_eq!(&trace.header, &header(tokens));
        prop_assert_eq!(trace.notice, None);
        prop_assert_eq!(trace.runs.len(), 2);
        for (a, b) in runs.iter().zip(&trace.runs) {
            assert_same(a, b);
        }
        let vocab = byte_vocab();
        for id in trace.runs[0].ids(0).iter() {
            prop_assert_eq!(trace.vocab.bytes(*id), vocab.bytes(*id));
        }
    }

    #[test]
    fn damaged_traces_never_panic(
        seed in any::<u64>(),
        harm in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = bytes_of(&[random_run(0, seed, 3, 2, true)], WriteOptions::STREAM.with_detail(true));
        for (at, byte) in harm {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(error) = Trace::read(bytes.as_slice()) {
            let error = error.to_string();
            prop_assert!(!error.contains('\n') && error.starts_with("line "), "{}", error);
        }
    }
}

#[test]
fn the_lines_are_those_of_the_documentation() {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trace.md")).unwrap();
    let example = docs.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let trace = Trace::read(example.as_bytes()).unwrap();
    let run = &trace.runs[0];
    let mut writer = TraceWriter::new(Vec::new(), &trace.header, trace.vocab.clone(), WriteOptions::STREAM).unwrap();
    writer.run(run.meta()).unwrap();
    writer.frame(0, &run.frame(0), None).unwrap();
    writer.frame(0, &run.frame(1), None).unwrap();
    writer.score(0, 1, run.score(1).unwrap()).unwrap();
    writer.frame(0, &run.frame(2), run.score(2)).unwrap();
    assert_eq!(String::from_utf8(writer.into_inner()).unwrap(), example);
}

#[test]
fn unknown_things_are_ignored() {
    for text in [
        std::fs::read_to_string(data("good/tolerant.fstrace")).unwrap(),
        std::fs::read_to_string(data("good/tolerant.fstrace")).unwrap().replace('\n', "\r\n"),
        format!("\u{feff}{}", std::fs::read_to_string(data("good/tolerant.fstrace")).unwrap().trim_end()),
    ] {
        let trace = Trace::read(text.as_bytes()).unwrap();
        assert_eq!(trace.notice, None);
        let [a, b] = &trace.runs[..] else { panic!("two runs") };
        assert_eq!((a.meta().run, a.meta().solver_label(), a.steps(), a.newest()), (7, "ddim", 3, 2));
        assert_eq!((&*a.ids(2), a.perplexity(1), a.perplexity(2)), ([1, 1].as_slice(), Some(3.5), Some(2.25)));
        assert_eq!(a.changed(2), [0, 1]);
        let detail = a.detail(2).unwrap().get(1).unwrap();
        assert!(detail.jumped && detail.prob == 0.25);
        assert_eq!(b.meta().config.frozen, [(0, 0), (2, 1)]);
        assert_eq!(b.meta().parent, Some(Parent { run: 7, step: 0 }));
        assert_eq!((b.tokens(), b.perplexity(1), b.ms(1)), (3, None, Some(12.0)));
        assert_eq!(trace.vocab.bytes(2), Some(b"\xE2\x80".as_slice()));
        assert_eq!(trace.vocab.len(), 4);
    }
}

#[test]
fn bad_traces_are_one_line_errors() {
    let mut seen = String::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(data("bad")).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "fstrace"));
    files.sort();
    assert!(files.len() > 50);
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let error = Trace::open(&file).err().unwrap_or_else(|| panic!("{name} was read")).to_string();
        let error = error.strip_prefix(&*file.to_string_lossy()).unwrap_or_else(|| panic!("{error}"));
        assert!(error.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{error:?}");
        writeln!(seen, "{name}{error}").unwrap();
    }
    let expected = std::fs::read_to_string(data("bad/errors.txt")).unwrap_or_default();
    assert!(seen == expected, "tests/trace/bad/errors.txt should be:\n{seen}");
}

#[test]
fn a_cut_off_trace_opens_up_to_its_last_whole_frame() {
    let run = random_run(0, 5, 4, 3, false);
    let bytes = bytes_of(std::slice::from_ref(&run), WriteOptions::FILE);
    let first = bytes.windows(8).position(|w| w == b"\"step\":0").unwrap();
    let first = first + bytes[first..].iter().position(|b| *b == b'\n').unwrap();
    let mut longest = 0;
    for end in 0..bytes.len() {
        match Trace::read(&bytes[..end]) {
            Ok(trace) => {
                let newest = trace.runs[0].newest();
                assert!(newest >= longest);
                longest = newest;
                for step in 0..=newest {
                    assert_eq!(trace.runs[0].ids(step), run.ids(step));
                }
                let whole = bytes[end - 1] == b'\n' || bytes[end] == b'\n';
                assert_eq!(trace.notice.is_none(), whole, "at {end}");
            }
            Err(error) => assert!(end < first, "at {end}: {error}"),
        }
    }
    assert_eq!(longest, 3);
    // A crash may leave zero bytes where text was to come.
    let mut zeros = bytes.clone();
    zeros.extend([0; 100]);
    assert!(Trace::read(zeros.as_slice()).unwrap().notice.unwrap().contains("cut off in line"));
}

#[test]
fn a_line_without_end_is_given_up() {
    let header = b"{\"type\":\"header\",\"format\":\"fewstep-trace\",\"version\":1}\n".as_slice();
    let error = Trace::read(BufReader::new(header.chain(std::io::repeat(b' ')))).unwrap_err().to_string();
    assert!(error.starts_with("line 2: longer than"), "{error}");
}

#[test]
fn files_appear_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fstrace");
    let part = dir.path().join("a.fstrace.part");
    let run = random_run(0, 1, 4, 3, true);
    let vocab = || Arc::new(byte_vocab());
    let create = |force| {
        fewstep::trace::io::TraceFile::create(&path, force, &header(4), vocab(), WriteOptions::FILE.with_detail(true))
    };
    let mut file = create(false).unwrap();
    file.writer().run(run.meta()).unwrap();
    file.writer().frame(0, &run.frame(0), None).unwrap();
    // Every line is there at once, and readable by the final name.
    assert!(part.exists() && !path.exists());
    assert_eq!(Trace::open(&path).unwrap().runs[0].len(), 1);
    assert!(create(false).err().unwrap().to_string().contains("a.fstrace.part: exists"));
    (1..4).for_each(|step| file.writer().frame(0, &run.frame(step), run.score(step)).unwrap());
    file.finish().unwrap();
    assert!(path.exists() && !part.exists());
    assert_same(&Trace::open(&path).unwrap().runs[0], &run);

    // What has the name is kept, unless forced, and until the end even then.
    assert!(create(false).err().unwrap().to_string().contains("--force"));
    let file = create(true).unwrap();
    assert_eq!(Trace::open(&path).unwrap().runs[0].len(), 4);
    file.abandon();
    assert!(path.exists() && !part.exists());

    for bad in [dir.path().to_owned(), dir.path().join("no/such/folder.fstrace")] {
        let saved = save(&bad, false, &header(4), vocab(), [&run], WriteOptions::FILE);
        assert!(saved.unwrap_err().to_string().starts_with(&*bad.to_string_lossy()));
    }
    if Path::new("/dev/full").exists() {
        let full = save(Path::new("/dev/full"), false, &header(4), vocab(), [&run], WriteOptions::FILE);
        assert!(full.unwrap_err().to_string().starts_with("/dev/full: "));
        save(Path::new("/dev/null"), false, &header(4), vocab(), [&run], WriteOptions::FILE).unwrap();
    }
}

#[test]
fn compressed_traces_are_small_and_can_be_cut_off_too() {
    let dir = tempfile::tempdir().unwrap();
    let run = random_run(0, 2, 256, 64, true);
    let sizes = ["a.fstrace", "a.fstrace.zst"].map(|name| {
        let path = dir.path().join(name);
        save(&path, false, &header(256), Arc::new(byte_vocab()), [&run], WriteOptions::STREAM.with_detail(true))
            .unwrap();
        assert_same(&Trace::open(&path).unwrap().runs[0], &run);
        std::fs::metadata(&path).unwrap().len()
    });
    assert!(sizes[1] * 3 < sizes[0], "{sizes:?}");
    let packed = std::fs::read(dir.path().join("a.fstrace.zst")).unwrap();
    let cut = dir.path().join("cut.zst");
    for part in 1..20 {
        std::fs::write(&cut, &packed[..packed.len() * part / 20]).unwrap();
        let trace = match Trace::open(&cut) {
            Ok(trace) => trace,
            // Nothing can be read before the first zstd frame is whole.
            Err(error) if part == 1 && error.to_string().contains("cut.zst, line 1: cut off") => continue,
            Err(error) => panic!("at {part}/20: {error}"),
        };
        assert!(trace.notice.unwrap().contains("cut off in line"));
        // No more is lost than the zstd frame that was cut, a few lines.
        let newest = trace.runs[0].newest();
        assert!((part * 64 / 20).abs_diff(newest as usize) <= 5, "{newest} at {part}/20");
        assert_eq!(trace.runs[0].ids(newest), run.ids(newest));
    }
    std::fs::write(&cut, &packed[..100]).unwrap();
    let error = Trace::open(&cut).unwrap_err().to_string();
    assert!(error.contains("cut.zst, line 1: cut off"), "{error}");
    let mut harmed = packed;
    let middle = harmed.len() / 2;
    harmed[middle] ^= 0x55;
    std::fs::write(&cut, &harmed).unwrap();
    drop(Trace::open(&cut));
}

#[test]
fn a_compressed_run_is_on_disk_while_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fstrace.zst");
    let run = random_run(0, 3, 256, 32, true);
    let options = WriteOptions::FILE.with_detail(true);
    let create = fewstep::trace::io::TraceFile::create(&path, false, &header(256), Arc::new(byte_vocab()), options);
    let mut file = create.unwrap();
    file.writer().run(run.meta()).unwrap();
    for step in 0..16 {
        file.writer().frame(0, &run.frame(step), run.score(step)).unwrap();
    }
    let newest = Trace::open(&path).unwrap().runs[0].newest();
    assert!((8..16).contains(&newest), "{newest}");
}

#[test]
fn the_python_writer_writes_a_trace() {
    let golden = data("good/python.fstrace");
    let trace = Trace::open(&golden).unwrap();
    let run = &trace.runs[0];
    assert_eq!((trace.header.tool.as_str(), run.meta().solver_label()), ("write_trace.py", "my sampler"));
    assert_eq!((run.is_complete(), run.perplexity(4)), (true, Some(8.0)));
    assert_eq!((trace.vocab.mask(), trace.header.model.source), (Some(8), Source::Mask));
    assert_eq!(fewstep::text::plain(&trace.vocab, &run.ids(4)), "Once upon a time, a trace grew");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/write_trace.py");
    assert!(std::fs::read_to_string(&script).unwrap().lines().count() <= 30);
    match std::process::Command::new("python3").arg(&script).output() {
        Ok(run) => assert_eq!(String::from_utf8_lossy(&run.stdout), std::fs::read_to_string(golden).unwrap()),
        Err(error) => eprintln!("skipped: python3 does not start ({error})"),
    }
}

#[test]
fn animations_of_diffusers_come_and_go() {
    let trace = Trace::open(&data("good/diffusers.json")).unwrap();
    let run = &trace.runs[0];
    assert_eq!((run.steps(), run.is_complete(), run.tokens()), (3, true, 4));
    assert_eq!(&*run.ids(0), [9, 9, 9, 9]);
    assert_eq!(fewstep::text::plain(&trace.vocab, &run.ids(3)), "Light scatters␛Light");
    assert_eq!(fewstep::text::plain(&trace.vocab, &run.ids(1)), "Light░░░");
    assert_eq!(trace.header.prompt, "Why is the sky blue?");
    assert_eq!(run.meta().solver_label(), "LLaDA2 · masked diffusion");

    let mut out = Vec::new();
    diffusers::export(&mut out, run, &trace.vocab).unwrap();
    let again = diffusers::import(out.as_slice(), None).unwrap();
    for step in 0..=3 {
        assert_eq!(again.runs[0].ids(step), run.ids(step));
    }
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["vocab"]["3"], "atters\u{1b}");
    assert_eq!((&json["mask_token_id"], &json["gen_length"]), (&9.into(), &4.into()));

    // A frozen prompt is no part of the generated ids.
    let run = random_run(0, 3, 5, 2, false);
    let mut out = Vec::new();
    diffusers::export(&mut out, &run, &byte_vocab()).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&json["gen_length"], &json["mask_token_id"]), (&4.into(), &serde_json::Value::Null));
    assert_eq!(json["frames"].as_array().unwrap().len(), 3);
}

#[test]
fn a_run_may_begin_late() {
    let run = random_run(3, 8, 4, 5, false);
    let mut writer = TraceWriter::new(Vec::new(), &header(4), Arc::new(byte_vocab()), WriteOptions::FILE).unwrap();
    writer.run(run.meta()).unwrap();
    for step in 4..6 {
        writer.frame(3, &run.frame(step), Some(&Score { perplexity: Some(f64::from(step)), nll: None })).unwrap();
    }
    let trace = Trace::read(writer.into_inner().as_slice()).unwrap();
    let late = &trace.runs[0];
    assert_eq!((late.steps(), late.newest(), late.is_complete(), late.t(0)), (1, 1, true, run.t(4)));
    assert_eq!((late.ids(0), late.ids(1)), (run.ids(4), run.ids(5)));
    assert_eq!((late.perplexity(0), late.perplexity(1)), (Some(4.0), Some(5.0)));
}

#[test]
fn a_reader_streams() {
    let run = random_run(0, 9, 4, 5, false);
    let bytes = bytes_of(&[run], WriteOptions::STREAM);
    let mut reader = TraceReader::new(bytes.as_slice(), None);
    let mut count = 0;
    while reader.next_item().unwrap().is_some() {
        count += 1;
    }
    assert!(count >= 8 && reader.notice().is_none());
    assert!(reader.next_item().unwrap().is_none());
}

#[test]
fn a_vocabulary_without_texts_shows_numbers() {
    let mut writer = TraceWriter::new(Vec::new(), &header(4), Arc::new(Vocab::empty()), WriteOptions::STREAM).unwrap();
    writer.timeline(&random_run(0, 4, 4, 1, false)).unwrap();
    let bytes = writer.into_inner();
    let trace = Trace::read(bytes.as_slice()).unwrap();
    assert!(fewstep::text::plain(&trace.vocab, &trace.runs[0].ids(0)).contains('⟨'));
}

#[test]
fn what_was_not_told_is_not_told_again() {
    let text = "{\"type\":\"header\",\"format\":\"fewstep-trace\",\"version\":1}\n\
                {\"type\":\"run\",\"steps\":1}\n{\"type\":\"frame\",\"ids\":[0]}\n\
                {\"type\":\"frame\",\"ids\":[1]}\n";
    let run = &Trace::read(text.as_bytes()).unwrap().runs[0];
    assert_eq!((run.meta().seed(), run.ms(1), run.mean_ms()), (None, None, None));
    let again = String::from_utf8(bytes_of(std::slice::from_ref(run), WriteOptions::FILE)).unwrap();
    assert!(!again.contains("\"seed\"") && !again.contains("\"ms\""), "{again}");
    assert_same(&Trace::read(again.as_bytes()).unwrap().runs[0], &{
        let mut about = run.meta().clone();
        about.model = header(1).model;
        let mut same = Timeline::new(about, run.frame(0)).unwrap();
        same.push(run.frame(1)).unwrap();
        same
    });
}
