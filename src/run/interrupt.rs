//! Ctrl-C without a screen: asks nicely once, and ends at once the second time.

use std::thread;

use crate::model::Cancel;

/// Exit code of a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// A flag that Ctrl-C raises; a second Ctrl-C ends the program.
pub(super) fn on_ctrl_c() -> Cancel {
    let cancel = Cancel::new();
    let flag = cancel.clone();
    // Without a handler Ctrl-C still ends the program, only less politely: nothing to report.
    let _ = thread::Builder::new().name("interrupt".into()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.cancel();
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(INTERRUPTED);
            }
        });
    });
    cancel
}
