//! The page of a run: its data rebuilt without its script, its markup searched for what should not be there, and the
//! page itself in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use fewstep::record::html::{Scheme, write};
use fewstep::text::{Kind, Piece, Vocab, pieces, token_label};
use fewstep::trace::Timeline;
use serde_json::Value;

use crate::runs;

fn page(vocab: &Vocab, timelines: &[&Timeline]) -> String {
    let mut out = Vec::new();
    write(&mut out, vocab, timelines, (timelines.len() - 1, None), Scheme::Auto, &mut ()).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// The page without the contents of its scripts and styles, and those contents.
fn split(page: &str) -> (String, Vec<String>) {
    let (mut markup, mut raw) = (String::new(), Vec::new());
    let mut rest = page;
    while let Some((start, name)) = ["<script", "<style"].into_iter().filter_map(|t| Some((rest.find(t)?, t))).min() {
        let open = start + rest[start..].find('>').expect("a whole tag") + 1;
        markup.push_str(&rest[..open]);
        let close = format!("</{}", &name[1..]);
        // As browsers do: the element ends at the first closing tag, whatever stands around it.
        let end = open + rest[open..].to_lowercase().find(&close).expect("it ends");
        raw.push(rest[open..end].to_owned());
        rest = &rest[end..];
    }
    markup.push_str(rest);
    (markup, raw)
}

fn data(page: &str) -> Value {
    let (_, raw) = split(page);
    serde_json::from_str(&raw[1]).expect("the data are JSON")
}

/// What the page shows at each position of a frame: texts with "stands for something else" and "line ends".
type Shown = Vec<Vec<(String, bool, bool)>>;

fn wanted(pieces: &[Piece], tokens: usize) -> Shown {
    let mut shown = vec![Vec::new(); tokens];
    for piece in pieces {
        shown[piece.first as usize].push((piece.text.clone(), piece.kind != Kind::Text, piece.breaks));
    }
    shown
}

#[test]
fn the_data_rebuild_every_frame() {
    let (vocab, run) = (runs::vocab(), runs::hostile(60, 9));
    let data = data(&page(&vocab, &[&run]));
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let list = |value: &Value| value.as_array().expect("a list").iter().map(number).collect::<Vec<_>>();
    let mut shown: Vec<Option<usize>> = vec![None; 60];
    let mut labels = vec![String::new(); 60];
    for (step, frame) in data["runs"][0]["frames"].as_array().expect("frames").iter().enumerate() {
        for group in list(&frame["groups"]).chunks(3) {
            shown[group[0]..group[0] + group[1]].fill(None);
            shown[group[0]] = Some(group[2]);
        }
        for pair in list(&frame["ids"]).chunks(2) {
            labels[pair[0]] = data["labels"][pair[1]].as_str().expect("a label").to_owned();
        }
        let ids = run.ids(step as u32);
        let got: Shown = shown
            .iter()
            .map(|show| {
                let parts = show.map_or(&[][..], |show| data["shows"][show].as_array().expect("parts"));
                let part = |part: &Value| (part[0].as_str().expect("text").to_owned(), part[1] == 1, part[2] == 1);
                parts.iter().map(part).collect()
            })
            .collect();
        assert_eq!(got, wanted(&pieces(&vocab, &ids), 60), "step {step}");
        for (position, &id) in ids.iter().enumerate() {
            assert_eq!(labels[position], token_label(&vocab, id));
        }
        assert_eq!(
            frame["ids"].as_array().expect("ids").len() / 2,
            if step == 0 { 60 } else { run.changed_count(step as u32) }
        );
        assert_eq!(frame["ppl"].as_f64().is_some(), step > 0 && step % 2 == 0);
    }
    assert_eq!(data["runs"][0]["levels"].as_array().map(Vec::len), Some(9));
}

#[test]
fn hostile_texts_stay_texts() {
    let page = page(&runs::vocab(), &[&runs::hostile(300, 12), &runs::plain(20, 3)]);
    let (markup, raw) = split(&page);
    assert_eq!(raw.len(), 3, "one style, the data, one script");
    assert!(raw[1].chars().all(|c| !matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{1b}' | '\u{202e}')));
    // Every tag of the markup is one of the page's own.
    let ours = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "header", "h1", "p", "button", "nav", "main",
        "section", "aside", "footer", "div", "input", "output", "span", "kbd", "noscript", "br", "script",
    ];
    for tag in markup.split('<').skip(1) {
        let name =
            tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric() && c != '!').next().unwrap_or("");
        assert!(ours.contains(&name), "an element that is not ours: <{}", &tag[..tag.len().min(40)]);
        let inside = tag.split('>').next().unwrap_or("");
        assert!(!inside.contains("onerror") && !inside.contains("onload"), "{inside}");
    }
    assert!(!markup.contains('\u{202e}') && !markup.contains('\u{1b}'));
}

#[test]
fn nothing_is_fetched() {
    let page = page(&runs::vocab(), &[&runs::plain(20, 3)]);
    assert!(page.contains("default-src 'none'"));
    let (markup, raw) = split(&page);
    for text in raw.iter().chain([&markup]) {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for word in ["http:", "https:", "src=", "href=", "@import", "url(", "fetch(", "XMLHttp"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

/// A browser, where there is one.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

/// Opens a page and returns its document after its scripts ran.
fn dump(browser: &Path, folder: &Path, page: &str, fragment: &str) -> String {
    let file = folder.join("page.html");
    std::fs::write(&file, page).expect("written");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"])
        .args(["--disable-background-networking", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}#{fragment}", file.display()))
        .output()
        .expect("the browser starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Presses keys on the page and writes down what it shows after each.
const DRIVER: &str = r#"<script>
const log = [], errors = [];
addEventListener('error', e => errors.push(e.message));
const look = what => log.push([what, document.getElementById('step').textContent,
  document.getElementById('passage').textContent, +document.getElementById('scrub').value,
  document.getElementById('gauges').textContent]);
const press = key => { document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })); look(key); };
look('start');
['Home', 'ArrowRight', 'ArrowRight', 'ArrowLeft', 'End', 'ArrowRight', '3', '0', 'x'].forEach(press);
const scrub = document.getElementById('scrub');
scrub.value = 2; scrub.dispatchEvent(new Event('input')); look('scrub');
press('Home'); press(' ');
setTimeout(() => {
  look('played');
  const span = document.querySelector('#passage span[data-p="5"]');
  span.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
  log.push(['hover', document.getElementById('card').innerText]);
  press('t');
  log.push(['theme', document.documentElement.dataset.theme || '']);
  const pre = document.createElement('pre');
  pre.id = 'log';
  pre.textContent = JSON.stringify({ log, errors, alerts: window.alerts || 0, scripts: document.scripts.length });
  document.body.append(pre);
}, 9000);
</script></body>"#;

#[test]
fn keys_scrub_play_and_hover_in_a_real_browser() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium on the PATH (Debian: apt-get install chromium)");
        return;
    };
    let (vocab, run) = (runs::vocab(), runs::hostile(60, 8));
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(&vocab, &[&run]).replace("</body>", DRIVER);
    let document = dump(&browser, folder.path(), &page, "step=5");
    let log = document.split("<pre id=\"log\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let log = log.unwrap_or_else(|| panic!("the page did not run: {}", &document[..document.len().min(2000)]));
    let log = log.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let result: Value = serde_json::from_str(&log).expect("a log");
    assert_eq!(result["errors"], serde_json::json!([]));
    assert_eq!(result["alerts"], 0);
    let log = result["log"].as_array().expect("a log");
    let text_at = |step: u32| pieces(&vocab, &run.ids(step)).into_iter().map(|p| p.text).collect::<String>();
    let steps = [
        ("start", 5),
        ("Home", 0),
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 8),
        ("ArrowRight", 8),
        ("3", 3),
        ("0", 0),
        ("x", 0),
        ("scrub", 2),
        ("Home", 0),
        (" ", 0),
        ("played", 8),
    ];
    for (entry, (what, step)) in log.iter().zip(steps) {
        assert_eq!(entry[0], what);
        let shown = entry[1].as_str().expect("the step line");
        assert!(shown.starts_with(&format!("step {step}/8")), "{what}: {shown}");
        assert_eq!(entry[2].as_str().expect("the passage"), text_at(step), "{what}");
        assert_eq!(entry[3], step, "{what}: the scrub bar");
        let gauges = entry[4].as_str().expect("the gauges");
        assert!(gauges.contains(&format!("{:.2} bits", run.entropy(step))), "{what}: {gauges}");
        assert_eq!(gauges.contains("perplexityn/a"), step % 2 == 1 || step == 0, "{what}: {gauges}");
    }
    let card = log[steps.len()][1].as_str().expect("the card");
    assert!(card.contains("token 5") && card.contains("noise"), "{card}");
    let changes = run.history(5).len() - 1;
    assert!(card.contains(&format!("{changes} change")), "{card}");
    assert!(["light", "dark"].contains(&log.last().expect("the theme")[1].as_str().expect("a theme")));
}

#[test]
fn several_runs_can_be_switched_by_address() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium on the PATH (Debian: apt-get install chromium)");
        return;
    };
    let (plain, hostile) = (runs::plain(20, 3), runs::hostile(60, 8));
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(&runs::vocab(), &[&plain, &hostile]);
    let document = dump(&browser, folder.path(), &page, "run=1&step=2");
    assert!(document.contains(">step 2/3 · t 0.667<"), "the first run is open at step 2");
    assert!(document.contains("aria-pressed=\"true\">run 1 · 3 steps<"));
    let document = dump(&browser, folder.path(), &page, "");
    assert!(document.contains(">step 8/8 · t 1.000<"), "the chosen run is open at its end");
}
