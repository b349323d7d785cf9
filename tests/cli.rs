//! The command line: what is printed, where, and with which exit code.

/// Every file in `tests/cli` is a session; `TRYCMD=overwrite cargo test --test cli` writes what the program says now.
#[test]
fn sessions() {
    let cases = trycmd::TestCases::new();
    for name in ["NO_COLOR", "COLORTERM", "TERM", "FEWSTEP_LOG"] {
        cases.env(name, "");
    }
    cases.env("COLUMNS", "100");
    cases.case("tests/cli/*.trycmd");
}
