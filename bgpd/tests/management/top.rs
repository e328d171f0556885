// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The live view: what is on the screen, what keys do, and that the terminal is as before when it is over.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bgpd::{
    api::Control as _,
    cli::{Press, Snapshot, Terminal, Top, run},
};
use ratatui::backend::TestBackend;

use crate::{data::peers, fake::Fake};

/// Two looks, two seconds apart: in between the first neighbour has sent 100 UPDATEs and 3000 routes.
async fn top() -> Top {
    let status = Fake::default().status().await.expect("answers");
    let mut top = Top::default();
    let mut later = peers();
    later[0].received.update += 100;
    later[0].sent.keepalive += 1;
    later[0].families[0].received += 3000;
    let mut more = status.clone();
    more.paths += 3000;
    for (at, status, peers) in [(1, status, peers()), (3, more, later)] {
        top.update(Snapshot {
            at: Duration::from_secs(at),
            status,
            peers,
        });
    }
    top
}

fn screen(top: &Top, width: u16, height: u16) -> String {
    let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal
        .draw(|frame| top.draw(frame, false))
        .expect("drawn");
    let text = terminal.backend().to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn the_screen_is_what_its_golden_says() {
    let mut top = top().await;
    let mut all = vec![screen(&top, 80, 14)];
    let mut after = |what: &str, keys: &[Press], top: &mut Top| {
        for key in keys {
            top.press(*key, 8);
        }
        all.push(format!("--- {what}\n{}", screen(top, 80, 14)));
    };
    after("most routes first", &[Press::Letter('r')], &mut top);
    after("fewest first", &[Press::Letter('r')], &mut top);
    let typed = ['/', '6', '5', '0'].map(Press::Letter);
    after("a filter is typed", &typed, &mut top);
    after("it holds", &[Press::Enter], &mut top);
    after("not any more", &[Press::Escape], &mut top);
    after("one line further", &[Press::Down], &mut top);
    all.push(format!("--- a wide one\n{}", screen(&top, 120, 14)));
    let empty = Top::default();
    all.push(format!("--- nothing known yet\n{}", screen(&empty, 80, 8)));
    crate::cli::compare("top.txt", &all.join("\n"));
}

#[tokio::test]
async fn no_screen_is_too_small() {
    let top = top().await;
    for (width, height) in [(1, 1), (10, 3), (40, 5), (300, 100)] {
        screen(&top, width, height);
    }
}

#[tokio::test]
async fn for_programs_there_is_a_line_each_time() {
    let served = Fake::default().serve().await;
    for (json, expected) in [("--json", 0), ("--color=never", 2)] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            target: Some(format!("unix:{}", served.socket.display())),
            ..Terminal::new(&mut out, &mut err)
        };
        let words = ["bgpctl", json, "top", "-n", "2", "-i", "0.1"];
        let status = run(words.map(Into::into), &mut terminal).await;
        let err = String::from_utf8(err).expect("text");
        assert_eq!(status, expected, "{err}");
        let out = String::from_utf8(out).expect("text");
        let lines = out.lines().map(serde_json::from_str::<serde_json::Value>);
        let lines = lines.collect::<Result<Vec<_>, _>>().expect("JSON");
        assert_eq!(lines.len(), if expected == 0 { 2 } else { 0 });
        assert!(
            lines.iter().all(|line| line["neighbors"][0]["as"].is_u64()),
            "{out}"
        );
    }
}

/// The program on a terminal of its own, which `script` makes.
#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_as_before_when_it_is_over() {
    let served = Fake::default().serve().await;
    let line = format!(
        "stty cols 80 rows 24; stty -a | head -4; {} top; echo status $?; stty -a | head -4",
        env!("CARGO_BIN_EXE_bgpctl")
    );
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("BGPD_TARGET", format!("unix:{}", served.socket.display()))
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script");
    let mut keyboard = child.stdin.take().expect("piped");
    let mut output = child.stdout.take().expect("piped");
    let said: Arc<Mutex<Vec<u8>>> = Arc::default();
    let writer = Arc::clone(&said);
    let reading = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            let mut said = writer.lock().expect("unpoisoned");
            said.extend_from_slice(&buffer[..count]);
        }
    });
    let text = || String::from_utf8_lossy(&said.lock().expect("unpoisoned")).into_owned();
    let begun = Instant::now();
    while !text().contains("Established") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    keyboard.write_all(b"q").expect("typed");
    while !text().contains("status") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(keyboard);
    child.wait().expect("ends");
    reading.join().expect("read");
    let text = text();
    let (before, rest) = text.split_once("\u{1b}[?1049h").expect("another screen");
    let (_, after) = rest
        .split_once("\u{1b}[?1049l")
        .expect("the first screen again");
    let settings = |text: &str| {
        let at = text.find("speed").unwrap_or_default();
        text[at..].trim().to_owned()
    };
    assert!(after.contains("status 0"), "{after:?}");
    assert_eq!(settings(before), settings(after));
}
