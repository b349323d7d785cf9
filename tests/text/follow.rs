//! Following a trace while it is written.

use std::io::Write as _;
use std::sync::mpsc;

use fewstep::trace::Trace;
use fewstep::trace::io::{Follower, follow_stream};

const TRACE: &str = include_str!("../trace/good/python.fstrace");

#[test]
fn lines_are_seen_when_they_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fstrace");
    // The file is waited for, and then for its first line.
    let mut follower = Follower::open(&path).unwrap();
    assert!(follower.look().unwrap().is_empty());
    let mut file = std::fs::File::create(&path).unwrap();
    assert!(follower.look().unwrap().is_empty());
    let mut trace = Trace::empty();
    let mut seen = Vec::new();
    for piece in TRACE.as_bytes().chunks(97) {
        file.write_all(piece).unwrap();
        for item in follower.look().unwrap() {
            if trace.apply(item).unwrap().is_some() {
                seen.push(trace.runs[0].newest());
            }
        }
        assert!(follower.look().unwrap().is_empty());
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert!(trace.runs[0].is_complete());

    file.write_all(b"{\"type\":\"frame\",\"run\":0,\"ids\":[1]}\n").unwrap();
    let error = follower.look().unwrap_err().to_string();
    assert!(error.contains("a.fstrace, line 8, step: "), "{error}");
    file.set_len(10).unwrap();
    assert!(follower.look().unwrap_err().to_string().contains("became shorter"));
}

#[test]
fn the_part_file_is_followed_through_its_renaming() {
    let dir = tempfile::tempdir().unwrap();
    let (path, part) = (dir.path().join("a.fstrace"), dir.path().join("a.fstrace.part"));
    let half = TRACE.find("\"step\": 2").unwrap();
    std::fs::write(&part, &TRACE[..half]).unwrap();
    let mut follower = Follower::open(&path).unwrap();
    let before = follower.look().unwrap().len();
    let mut file = std::fs::OpenOptions::new().append(true).open(&part).unwrap();
    file.write_all(&TRACE.as_bytes()[half..]).unwrap();
    std::fs::rename(&part, &path).unwrap();
    assert_eq!(before + follower.look().unwrap().len(), 8);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Follower::open(dir.path()).err().unwrap().to_string().contains("cannot be followed"));
    let path = dir.path().join("a.zst");
    std::fs::write(&path, [0x28, 0xB5, 0x2F, 0xFD, 0]).unwrap();
    assert!(Follower::open(&path).err().unwrap().to_string().contains("compressed"));
    // Also where its first bytes come one by one.
    let path = dir.path().join("b.zst");
    let mut follower = Follower::open(&path).unwrap();
    for byte in [0x28, 0xB5, 0x2F] {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(&[byte]).unwrap();
        assert!(follower.look().unwrap().is_empty());
    }
    std::fs::write(&path, [0x28, 0xB5, 0x2F, 0xFD]).unwrap();
    assert!(follower.look().err().unwrap().to_string().contains("compressed"));
    let nowhere = dir.path().join("no/such/folder.fstrace");
    assert!(Follower::open(&nowhere).err().unwrap().to_string().contains("folder does not exist"));
}

#[test]
fn a_stream_is_followed_on_a_thread() {
    let (send, items) = mpsc::channel();
    follow_stream(TRACE.as_bytes(), move |item| send.send(item.is_ok()).is_ok()).join().unwrap();
    assert_eq!(items.iter().collect::<Vec<_>>(), [true; 8]);

    let (send, items) = mpsc::channel();
    follow_stream(b"nonsense\n".as_slice(), move |item| send.send(item.is_ok()).is_ok()).join().unwrap();
    assert_eq!(items.iter().collect::<Vec<_>>(), [false]);

    // A follower whose reader has gone stops.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fstrace");
    std::fs::write(&path, TRACE).unwrap();
    let mut left = 3;
    let sink = move |_| {
        left -= 1;
        left > 0
    };
    Follower::open(&path).unwrap().spawn(sink).join().unwrap();
}
