// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a user sees, byte for byte: `tests/golden/cli/`, rewritten by `BLESS=1`.

use std::{
    io::{self, BufRead as _, Write},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};

use bgpd::{
    cli::{Terminal, run},
    control::{SessionState, WatchEvent},
};

use crate::{
    data::{ip, routes},
    fake::{Fake, Served},
};

#[tokio::test]
async fn every_command_prints_what_its_golden_says() {
    let served = Fake::default().serve().await;
    for (name, command) in COMMANDS {
        golden(name, &[transcript(&served, command).await]);
    }
}

#[tokio::test]
async fn every_question_has_a_json_answer() {
    let served = Fake::default().serve().await;
    for (name, command) in COMMANDS.iter().filter(|(name, _)| !name.contains("error")) {
        let (out, err, status) =
            bgpctl(&served, &format!("--json {command}"), &mut Vec::new()).await;
        assert_eq!((err.as_str(), status), ("", 0), "{command}");
        let parsed = serde_json::from_str::<serde_json::Value>(&out);
        assert!(parsed.is_ok(), "{command}: not one JSON document:\n{out}");
        compare(&format!("{name}.json"), &out);
    }
}

const COMMANDS: &[(&str, &str)] = &[
    ("status", "status"),
    ("neighbors", "neighbor"),
    ("neighbor-established", "neighbor 192.0.2.1"),
    ("neighbor-down", "neighbor 192.0.2.2"),
    ("neighbor-rfc8212", "neighbor 192.0.2.3"),
    ("routes", "route"),
    ("routes-best-ipv6", "route --best -6"),
    ("route-exact", "route 10.244.1.0/26"),
    ("route-longest", "route 10.244.1.9"),
    ("route-longer", "route 10.244.0.0/16 --longer"),
    ("routes-in", "neighbor 192.0.2.1 adj-in"),
    ("routes-out", "route --table out --neighbor 192.0.2.1 -4"),
    ("explain", "explain 10.244.1.0/26"),
    ("bfd", "bfd"),
    ("bfd-one", "bfd 192.0.2.1"),
    ("error-bfd", "bfd 192.0.2.99"),
    ("fib", "fib"),
    ("nexthop", "nexthop"),
    ("policy", "policy"),
    ("policy-one", "policy unused"),
    ("policy-prefix", "policy prefix"),
    ("policy-community", "policy community drain"),
    ("policy-neighbor", "neighbor 192.0.2.1 policy"),
    ("error-policy", "policy nothing"),
    ("error-policy-set", "policy as-path nothing"),
    ("error-policy-kind", "policy prefixes pods"),
    ("reload", "reload"),
    ("route-del", "route del 10.244.7.0/26"),
    ("error-unknown-neighbor", "neighbor 192.0.2.99"),
    ("error-not-in-table", "route 10.9.0.0/16"),
    ("error-explain", "explain 10.9.0.0/16"),
    ("error-host-bits", "route 10.244.1.1/26"),
    ("error-no-prefix", "explain hello"),
    ("error-table-of-whom", "route --table in"),
    ("error-not-possible", "neighbor 192.0.2.3 softresetin"),
    ("error-reason", "neighbor 192.0.2.1 enable --reason why"),
    ("error-invalid", "route add 10.244.9.0/26 --as-path 64512"),
    ("error-not-ours", "route del 10.244.1.0/26"),
];

#[tokio::test]
async fn an_empty_daemon_is_said_to_be_empty() {
    let served = Fake {
        empty: true,
        ..Fake::default()
    }
    .serve()
    .await;
    let mut all = Vec::new();
    for command in [
        "status",
        "neighbor",
        "route",
        "bfd",
        "--json bfd",
        "fib",
        "--json route",
        "--json fib",
        "nexthop",
        "--json nexthop",
        "policy",
        "policy large-community",
        "--json policy prefix",
        "--json neighbor",
        "reload",
    ] {
        all.push(transcript(&served, command).await);
    }
    golden("empty", &all);
}

#[tokio::test]
async fn words_of_other_tools_give_the_same_answers() {
    let served = Fake::default().serve().await;
    for (ours, theirs) in [
        ("neighbor", "show protocols"),
        ("neighbor", "neighbours"),
        ("neighbor 192.0.2.1", "show protocols 192.0.2.1"),
        ("route", "show route"),
        ("route", "global rib"),
        ("route 10.244.1.9", "show route for 10.244.1.9 all"),
        (
            "route 10.244.0.0/16 --longer",
            "global rib 10.244.0.0/16 longer-prefixes",
        ),
        ("route --neighbor 192.0.2.1", "neighbor 192.0.2.1 adj-in"),
        ("status", "global"),
        ("bfd", "show bfd sessions"),
        ("bfd", "show bfd peers"),
        ("fib", "show fib"),
        ("nexthop", "show nexthop"),
    ] {
        let ours = bgpctl(&served, ours, &mut Vec::new()).await;
        assert_eq!(
            ours,
            bgpctl(&served, theirs, &mut Vec::new()).await,
            "{theirs}"
        );
        assert_eq!(ours.2, 0, "{theirs}");
    }
}

#[tokio::test]
async fn orders_reach_the_daemon_as_typed() {
    let served = Fake::default().serve().await;
    for command in [
        "neighbor 192.0.2.1 reset --reason maintenance",
        "neighbor all disable",
        "neighbor 192.0.2.1 enable",
        "neighbor 192.0.2.1 softreset",
        "route add 10.244.7.0/26 --blackhole",
        "global rib add 2001:db8:7::/64 --next-hop 2001:db8::7 --local-pref 150 --med 9 --as-path 65001 --origin egp \
         --community 64512:7,no-export --large-community 1:2:3 --path-id 4",
        "route del 10.244.7.0/26",
    ] {
        assert_eq!(
            bgpctl(&served, command, &mut Vec::new()).await,
            (String::new(), String::new(), 0),
            "{command}"
        );
    }
    let orders = served.fake.orders.lock().expect("unpoisoned").join("\n") + "\n";
    compare("orders.txt", &orders);
}

#[tokio::test]
async fn without_a_daemon_the_user_learns_what_was_tried() {
    let nowhere = std::env::temp_dir().join(format!("bgpd-absent-{}.sock", std::process::id()));
    let mut err = Vec::new();
    for arguments in [vec!["bgpctl", "status"], vec!["bgpctl", "--json", "status"]] {
        let target = Some(format!("unix:{}", nowhere.display()));
        let mut out = Vec::new();
        let mut terminal = Terminal {
            width: Some(100),
            target,
            clock,
            ..Terminal::new(&mut out, &mut err)
        };
        assert_eq!(
            run(arguments.into_iter().map(Into::into), &mut terminal).await,
            3
        );
        assert!(out.is_empty());
    }
    let err = String::from_utf8(err)
        .expect("text")
        .replace(&*nowhere.to_string_lossy(), "/run/test.sock");
    compare("absent.txt", &err);
}

#[tokio::test]
async fn something_else_at_the_address_is_not_taken_for_bgpd() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bound");
    let target = listener.local_addr().expect("an address").to_string();
    let (reporter, health) = tonic_health::server::health_reporter();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(health)
            .serve_with_incoming(incoming),
    );

    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        width: Some(100),
        target: Some(target),
        clock,
        ..Terminal::new(&mut out, &mut err)
    };
    assert_eq!(
        run(["bgpctl", "status"].map(Into::into), &mut terminal).await,
        1
    );
    let err = String::from_utf8(err).expect("text");
    assert!(err.contains("is not bgpd"), "{err}");
    drop(reporter);
}

#[tokio::test]
async fn a_connection_that_breaks_is_said_to_have_broken() {
    use tokio::io::AsyncReadExt as _;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bound");
    let target = listener.local_addr().expect("an address").to_string();
    let broken = format!("bgpctl: the connection to bgpd at {target} broke: ");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        // The preface and settings of HTTP/2, and the beginning of the question.
        stream.read_exact(&mut [0; 100]).await.expect("a question");
    });

    let (mut out, mut err) = (Vec::new(), Vec::new());
    let target = Some(target);
    let mut terminal = Terminal {
        target,
        clock,
        ..Terminal::new(&mut out, &mut err)
    };
    assert_eq!(
        run(["bgpctl", "status"].map(Into::into), &mut terminal).await,
        1
    );
    let err = String::from_utf8(err).expect("text");
    assert!(err.starts_with(&broken), "{err}");
}

#[tokio::test]
async fn wrong_usage_is_wrong_without_a_daemon_too() {
    for command in [
        "route --table in",
        "route 10.0.0.1/8",
        "neighbor 192.0.2.1 enable --reason why",
    ] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let target = Some("unix:/nonexistent/bgpd.sock".to_owned());
        let mut terminal = Terminal {
            target,
            clock,
            ..Terminal::new(&mut out, &mut err)
        };
        let arguments = ["bgpctl"]
            .into_iter()
            .chain(command.split(' '))
            .map(Into::into);
        assert_eq!(run(arguments, &mut terminal).await, 2, "{command}");
    }
}

#[tokio::test]
async fn a_watcher_sees_events_as_they_come() {
    for (name, json) in [("watch", ""), ("watch.json", "--json ")] {
        let served = Fake::default().serve().await;
        let fake = served.fake.clone();
        let publish = async {
            fake.watched.notified().await;
            let mut watchers = fake.watchers.lock().expect("unpoisoned");
            for event in events() {
                watchers.publish(&event);
            }
            // The last watcher goes, and with it the stream ends.
            *watchers = bgpd::api::Watchers::default();
        };
        let command = format!("{json}watch");
        let mut out = Vec::new();
        let ((out, err, status), ()) = tokio::join!(bgpctl(&served, &command, &mut out), publish);
        assert_eq!((err.as_str(), status), ("", 0));
        compare(if json.is_empty() { "watch.txt" } else { name }, &out);
    }
}

fn events() -> Vec<WatchEvent> {
    let address = ip("192.0.2.2");
    let mut routes = routes();
    let best = routes.swap_remove(1);
    let prefix = best.prefix;
    let fib = bgpd::control::FibRoute {
        prefix,
        target: "via 192.0.2.1 dev eth0".to_owned(),
        metric: 32,
        state: bgpd::control::FibState::Installed,
    };
    vec![
        WatchEvent::Peer {
            address,
            from: SessionState::OpenConfirm,
            to: SessionState::Established,
            reason: None,
        },
        WatchEvent::Best {
            prefix,
            route: Some(Box::new(best)),
        },
        WatchEvent::Fib {
            prefix,
            route: Some(fib),
        },
        WatchEvent::Peer {
            address,
            from: SessionState::Established,
            to: SessionState::Idle,
            reason: Some("sent NOTIFICATION Hold Timer Expired (4/0)".to_owned()),
        },
        WatchEvent::Best {
            prefix,
            route: None,
        },
        WatchEvent::Fib {
            prefix,
            route: None,
        },
        WatchEvent::Lagged(17),
    ]
}

#[tokio::test]
async fn ten_thousand_routes_come_in_pages_and_whole() {
    let served = Fake {
        many: Some(10_000),
        ..Fake::default()
    }
    .serve()
    .await;
    let (text, err, status) = bgpctl(&served, "route", &mut Vec::new()).await;
    assert_eq!(
        (text.lines().count(), err.as_str(), status),
        (10_001, "", 0)
    );

    let (json, ..) = bgpctl(&served, "--json route", &mut Vec::new()).await;
    let routes: Vec<serde_json::Value> = serde_json::from_str(&json).expect("one document");
    assert_eq!(routes.len(), 10_000);
    assert_eq!(routes[9_999]["prefix"], "10.39.15.0/24");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let served = Fake {
        many: Some(usize::MAX),
        ..Fake::default()
    }
    .serve()
    .await;
    let (_, err, status) = bgpctl(&served, "route", &mut Head { octets: 1000 }).await;
    assert_eq!((err.as_str(), status), ("", 0));
    served.fake.abandoned.notified().await;
}

/// The program itself, before a real pipe that closes.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_quiet_before_a_closed_pipe() {
    let served = Fake {
        many: Some(usize::MAX),
        ..Fake::default()
    }
    .serve()
    .await;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_bgpctl"))
        .args(["route"])
        .env("BGPD_TARGET", format!("unix:{}", served.socket.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let output = tokio::task::spawn_blocking(move || {
        let mut first = String::new();
        io::BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut first)
            .expect("read");
        assert!(first.contains("Network"), "{first}");
        child.wait_with_output().expect("ends")
    });
    let output = output.await.expect("ran");
    assert_eq!(
        (
            String::from_utf8_lossy(&output.stderr).as_ref(),
            output.status.code()
        ),
        ("", Some(0))
    );
}

#[tokio::test]
async fn colors_only_when_welcome_and_never_in_columns_widths() {
    let served = Fake::default().serve().await;
    let (plain, ..) = bgpctl(&served, "neighbor", &mut Vec::new()).await;
    let (colored, ..) = bgpctl(&served, "--color always neighbor", &mut Vec::new()).await;
    assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut inside = false;
    for letter in colored.chars() {
        match letter {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if inside => {}
            _ => stripped.push(letter),
        }
    }
    assert_eq!(stripped, plain);
}

#[tokio::test]
async fn completion_needs_no_daemon() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let target = Some("unix:/nonexistent/bgpd.sock".to_owned());
    let mut terminal = Terminal {
        width: Some(100),
        target,
        clock,
        ..Terminal::new(&mut out, &mut err)
    };
    assert_eq!(
        run(
            ["bgpctl", "completions", "bash"].map(Into::into),
            &mut terminal
        )
        .await,
        0
    );
    assert!(String::from_utf8(out).expect("text").contains("_bgpctl()"));
}

/// What a shell makes of the script, where there is one: the words that begin with what was typed.
#[tokio::test]
async fn completions_complete_in_each_shell() {
    for (shell, mark) in [
        ("bash", "complete -F _bgpctl"),
        ("zsh", "#compdef bgpctl"),
        ("fish", "complete -c bgpctl"),
    ] {
        let (script, _, status) = alone(&format!("completions {shell}")).await;
        assert!(status == 0 && script.contains(mark), "{shell}: {script}");
        for command in ["explain", "neighbor", "completions"] {
            assert!(script.contains(command), "{shell}: no {command}");
        }
    }
    let (script, ..) = alone("completions bash").await;
    let script = script
        + "COMP_WORDS=(bgpctl expl) COMP_CWORD=1; _bgpctl bgpctl expl bgpctl; echo \"${COMPREPLY[@]}\"";
    let file = std::env::temp_dir().join(format!("bgpd-completions-{}", std::process::id()));
    std::fs::write(&file, script).expect("written");
    let output = std::process::Command::new("bash").arg(&file).output();
    std::fs::remove_file(&file).expect("removed");
    let output = output.expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "explain\n");
}

#[tokio::test]
async fn every_command_has_a_page_of_the_manual() {
    let directory = std::env::temp_dir().join(format!("bgpd-man-{}", std::process::id()));
    let (out, err, status) = alone(&format!("man {}", directory.display())).await;
    assert_eq!((out.as_str(), err.as_str(), status), ("", "", 0));
    for page in [
        "bgpctl.1",
        "bgpctl-explain.1",
        "bgpctl-route.1",
        "bgpctl-route-add.1",
        "bgpd.8",
    ] {
        let text = std::fs::read_to_string(directory.join(page)).expect(page);
        assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    std::fs::remove_dir_all(directory).expect("removed");
    let (_, err, status) = alone("man /dev/null/here").await;
    assert!(status == 1 && err.contains("/dev/null/here"), "{err}");
}

#[tokio::test]
async fn a_plan_says_what_would_change_and_so_does_its_status() {
    let served = Fake::default().serve().await;
    let directory = std::env::temp_dir().join(format!("bgpd-plan-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("made");
    let mut all = Vec::new();
    for (name, text) in [
        ("new.toml", "[global]\nas = 64512\n"),
        ("same.toml", ""),
        ("wrong.toml", "[global]\nasn = 64512\n"),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("written");
        all.push(transcript(&served, &format!("plan {}", path.display())).await);
    }
    let absent = directory.join("absent.toml");
    all.push(transcript(&served, &format!("plan {}", absent.display())).await);
    let place = format!("{}/", directory.display());
    let all: Vec<String> = all.iter().map(|text| text.replace(&place, "")).collect();
    golden("plan", &all);

    let command = format!("--json plan {}", directory.join("new.toml").display());
    let (out, err, status) = bgpctl(&served, &command, &mut Vec::new()).await;
    assert_eq!((err.as_str(), status), ("", 2));
    serde_json::from_str::<serde_json::Value>(&out).expect("one JSON document");
    compare("plan.json", &out);
    std::fs::remove_dir_all(directory).expect("removed");
}

#[tokio::test]
async fn two_neighbors_are_compared_prefix_by_prefix() {
    let served = Fake::default().serve().await;
    let mut all = Vec::new();
    for (command, expected) in [
        ("diff 192.0.2.1 192.0.2.2", 2),
        ("diff 192.0.2.1 192.0.2.2 --ignore as_path,next-hop,med", 2),
        ("diff 192.0.2.1 192.0.2.2 --right-table out -4", 2),
        ("diff 192.0.2.1 192.0.2.1", 0),
        ("diff 192.0.2.1 192.0.2.99", 4),
    ] {
        let (.., status) = bgpctl(&served, command, &mut Vec::new()).await;
        assert_eq!(status, expected, "{command}");
        all.push(transcript(&served, command).await);
    }
    golden("diff", &all);
    let command = "--json diff 192.0.2.1 192.0.2.2";
    let (out, err, status) = bgpctl(&served, command, &mut Vec::new()).await;
    assert_eq!((err.as_str(), status), ("", 2));
    serde_json::from_str::<serde_json::Value>(&out).expect("one JSON document");
    compare("diff.json", &out);
}

#[tokio::test]
async fn tables_fit_the_terminal_and_lose_nothing() {
    let served = Fake::default().serve().await;
    let mut all = Vec::new();
    for columns in [80, 40] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            columns: Some(columns),
            target: Some(format!("unix:{}", served.socket.display())),
            ..Terminal::new(&mut out, &mut err)
        };
        let status = run(["bgpctl", "route"].map(Into::into), &mut terminal).await;
        assert_eq!(status, 0);
        let text = String::from_utf8(out).expect("text");
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(
            columns == 40 || widest <= Some(columns),
            "{widest:?}\n{text}"
        );
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(Into::into).collect();
            words.sort();
            words
        };
        let (whole, ..) = bgpctl(&served, "route", &mut Vec::new()).await;
        assert_eq!(words(&text), words(&whole));
        all.push(text);
    }
    golden("routes-narrow", &all);
}

#[tokio::test]
async fn a_long_listing_says_how_far_it_is_and_wipes_that_away() {
    let served = Fake {
        many: Some(20_000),
        ..Fake::default()
    }
    .serve()
    .await;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        progress: true,
        target: Some(format!("unix:{}", served.socket.display())),
        ..Terminal::new(&mut out, &mut err)
    };
    let status = run(["bgpctl", "route"].map(Into::into), &mut terminal).await;
    assert_eq!(status, 0);
    let err = String::from_utf8(err).expect("text");
    assert_eq!(err, "\r8192 routes\r16384 routes\r\u{1b}[K");
}

/// What a command says that asks no daemon.
async fn alone(command: &str) -> (String, String, u8) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        target: Some("unix:/nonexistent/bgpd.sock".to_owned()),
        ..Terminal::new(&mut out, &mut err)
    };
    let arguments = ["bgpctl"].into_iter().chain(command.split(' '));
    let status = run(arguments.map(Into::into), &mut terminal).await;
    let text = |octets| String::from_utf8(octets).expect("text");
    (text(out), text(err), status)
}

#[tokio::test]
async fn help_is_what_its_golden_says() {
    let served = Fake::default().serve().await;
    let mut all = Vec::new();
    for command in [
        "--help",
        "neighbor --help",
        "route --help",
        "route add --help",
        "watch --help",
        "nonsense",
    ] {
        all.push(transcript(&served, command).await);
    }
    golden("help", &all);
}

/// What a shell session would show.
async fn transcript(served: &Served, command: &str) -> String {
    let (out, err, status) = bgpctl(served, command, &mut Vec::new()).await;
    let mut text = format!("$ bgpctl {command}\n{out}");
    if !err.is_empty() {
        text.extend(["[standard error]\n", &err]);
    }
    if status != 0 {
        text.extend(["[exit status ", &status.to_string(), "]\n"]);
    }
    text
}

/// Runs a command; what it wrote, and its exit status.
async fn bgpctl(
    served: &Served,
    command: &str,
    out: &mut (impl Write + Send + Written),
) -> (String, String, u8) {
    let mut err = Vec::new();
    let target = Some(format!("unix:{}", served.socket.display()));
    let mut terminal = Terminal {
        width: Some(100),
        target,
        clock,
        ..Terminal::new(out, &mut err)
    };
    let arguments = ["bgpctl"]
        .into_iter()
        .chain(command.split_whitespace())
        .map(Into::into);
    let ends = tokio::time::timeout(Duration::from_secs(60), run(arguments, &mut terminal));
    let status = ends
        .await
        .unwrap_or_else(|_| panic!("{command} does not end"));
    (out.written(), String::from_utf8(err).expect("text"), status)
}

trait Written {
    fn written(&self) -> String;
}

impl Written for Vec<u8> {
    fn written(&self) -> String {
        String::from_utf8(self.clone()).expect("text")
    }
}

/// A pipe to a program that reads so much and goes.
struct Head {
    octets: usize,
}

impl Write for Head {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let taken = buffer.len().min(self.octets);
        self.octets -= taken;
        if taken == 0 {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(taken)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written for Head {
    fn written(&self) -> String {
        String::new()
    }
}

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_215_185)
}

fn golden(name: &str, transcripts: &[String]) {
    compare(&format!("{name}.txt"), &transcripts.join("\n"));
}

pub(crate) fn compare(file: &str, found: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/cli")
        .join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, found).expect("written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{file} differs (BLESS=1 rewrites it)\n--- expected\n{expected}--- found\n{found}"
    );
}
