// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl`: asks and commands a running bgpd. All it does is in [`bgpd::cli`].

use std::{
    io::{BufWriter, stderr, stdout},
    process::ExitCode,
};

use bgpd::cli::{Terminal, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (mut out, mut err) = (BufWriter::new(stdout()), stderr());
    let mut terminal = Terminal {
        color: Terminal::colors_welcome(),
        columns: Terminal::columns_there(),
        progress: Terminal::progress_welcome(),
        target: std::env::var("BGPD_TARGET")
            .ok()
            .filter(|target| !target.is_empty()),
        ..Terminal::new(&mut out, &mut err)
    };
    let status = run(std::env::args_os(), &mut terminal).await;
    // What could not be written has been dealt with; a second try at exit would not do better.
    std::mem::forget(out);
    ExitCode::from(status)
}
