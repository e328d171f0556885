// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two embedded speakers talk to each other over loopback.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// A speaker that is ended with the test.
struct Speaker(Child, mpsc::Receiver<String>);

impl Speaker {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_speaker"));
        let mut child = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self(child, receiver)
    }

    fn says(&self, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(10);
        let mut said = Vec::new();
        while let Ok(line) = self
            .1
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            if line == wanted {
                return;
            }
            said.push(line);
        }
        panic!("not said: {wanted}; but {said:?}");
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn two_speakers_learn_each_others_prefix() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let address = port.to_string();
    let listening = Speaker::start(&[
        "listen",
        &address,
        "64512",
        "64513",
        "10.1.0.0/16",
        "192.0.2.1",
    ]);
    let until = Instant::now() + Duration::from_secs(10);
    let dialling = loop {
        let mut speaker = Speaker::start(&[
            "dial",
            &address,
            "64513",
            "64512",
            "10.2.0.0/16",
            "192.0.2.2",
        ]);
        thread::sleep(Duration::from_millis(100));
        // It ends at once where nobody listens yet.
        if speaker.0.try_wait().unwrap().is_none() {
            break speaker;
        }
        assert!(Instant::now() < until, "nobody listens on {address}");
    };
    listening.says("10.1.0.0/16 blackhole");
    listening.says("session OpenConfirm -> Established");
    listening.says("10.2.0.0/16 via 192.0.2.2");
    dialling.says("10.1.0.0/16 via 192.0.2.1");
    drop(dialling);
}

#[test]
fn the_example_is_shorter_than_a_hundred_lines() {
    assert!(include_str!("../src/bin/speaker.rs").lines().count() < 100);
}
