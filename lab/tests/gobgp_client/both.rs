// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Our daemon and GoBGP's own, started with the same file and with the same neighbours, and `gobgp` beside each.

use std::{any::Any, cell::Cell, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, ExaBgp, GoBgp, Lab, Netns, Process, until};
use serde_json::Value;

use crate::speakers;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Two neighbours that speak, one that never comes, and a policy that takes one prefix from nobody.
const CONFIG: &str = r#"
[global.config]
  as = 64512
  router-id = "10.0.0.1"
[global.apply-policy.config]
  import-policy-list = ["no-bad"]
  default-import-policy = "accept-route"
  default-export-policy = "accept-route"
[[defined-sets.prefix-sets]]
  prefix-set-name = "bad"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "10.66.0.0/16"
    masklength-range = "16..32"
[[policy-definitions]]
  name = "no-bad"
  [[policy-definitions.statements]]
    name = "bad"
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "bad"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 64513
    description = "two"
  [neighbors.timers.config]
    connect-retry = 2
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.prefix-limit.config]
      max-prefixes = 1000
      shutdown-threshold-pct = 80
[[neighbors]]
  [neighbors.config]
    neighbor-address = "fd00::2"
    peer-as = 64513
  [neighbors.timers.config]
    connect-retry = 2
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-as = 64514
  [neighbors.timers.config]
    connect-retry = 2
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.9"
    peer-as = 64519
    remove-private-as = "all"
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.as-path-options.config]
    allow-own-as = 2
    replace-peer-as = true
"#;

/// One of the two daemons, and its neighbours.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) netns: Netns,
    _lab: Lab,
    daemon: Box<dyn Any>,
    pub(crate) bird: Bird,
    _exabgp: ExaBgp,
}

impl Side {
    fn new<D: 'static>(
        name: &'static str,
        config: &str,
        start: impl FnOnce(&Netns, &str) -> Result<D>,
    ) -> Result<Self> {
        let lab = Lab::new("gobgpcli")?;
        let hosts = lab.lan(3)?;
        let daemon = start(&hosts[0], config)?;
        let bird = Bird::start(&hosts[1], &speakers::bird())?;
        let exabgp = ExaBgp::start(&hosts[2], "10.0.0.1", speakers::EXABGP)?;
        Ok(Self {
            name,
            netns: hosts[0].clone(),
            _lab: lab,
            daemon: Box::new(daemon),
            bird,
            _exabgp: exabgp,
        })
    }

    /// Where our API is.
    pub(crate) fn target(&self) -> Result<String> {
        let ours = self.daemon.downcast_ref::<Bgpd>();
        Ok(ours.context("it is gobgpd")?.target())
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = self.netns.command("gobgp");
        command.args(words.split_whitespace());
        command
    }

    /// What `gobgp` prints, and whether it was content.
    pub(crate) fn says(&self, words: &str) -> Result<String> {
        let output = self.command(words).output()?;
        let text = [output.stdout, output.stderr].concat();
        let end = output.status.code().context("a signal")?;
        Ok(format!("{}(status {end})", String::from_utf8(text)?))
    }

    /// What it prints; it has to be content.
    pub(crate) fn tell(&self, words: &str) -> Result<String> {
        let said = self.says(words)?;
        let text = said.strip_suffix("(status 0)");
        Ok(text.with_context(|| format!("{words}: {said}"))?.to_owned())
    }

    /// The same as JSON; a text where it is none.
    pub(crate) fn json(&self, words: &str) -> Result<Value> {
        let text = self.says(&format!("-j {words}"))?;
        let body = text.strip_suffix("(status 0)").unwrap_or(&text);
        Ok(serde_json::from_str(body).unwrap_or_else(|_| text.into()))
    }

    /// Waits until both neighbours have said all they have to say.
    pub(crate) fn wait_routes(&self) -> Result<()> {
        for (neighbor, family, prefix) in [
            ("10.0.0.2", "ipv4", speakers::LAST_OF_BIRD),
            ("fd00::2", "ipv6", "2001:db8:2::/48"),
            ("10.0.0.3", "ipv4", speakers::LAST_OF_EXABGP),
            ("10.0.0.3", "ipv6", "2001:db8:3::/48"),
        ] {
            until(&format!("{prefix} is there"), SOON, || {
                let text = self.tell(&format!("neighbor {neighbor} adj-in -a {family}"))?;
                ensure!(text.contains(prefix), "{text}");
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Both, and where they differ.
pub(crate) struct Both {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    differences: Vec<String>,
    started: Cell<usize>,
}

impl Both {
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(CONFIG)
    }

    /// Neighbours are clients of a route server.
    pub(crate) fn start_route_server() -> Result<Self> {
        let client =
            "[[neighbors]]\n  [neighbors.route-server.config]\n    route-server-client = true\n";
        Self::start_with(&CONFIG.replace("[[neighbors]]\n", client))
    }

    fn start_with(config: &str) -> Result<Self> {
        let ours = Side::new("bgpd", config, |netns, text| {
            Bgpd::start_like_gobgp(netns, "gobgpd.toml", text)
        })?;
        let theirs = Side::new("gobgpd", config, GoBgp::start)?;
        ours.wait_routes().context("ours")?;
        theirs.wait_routes().context("theirs")?;
        Ok(Self {
            ours,
            theirs,
            differences: Vec::new(),
            started: Cell::new(0),
        })
    }

    pub(crate) fn sides(&self) -> [&Side; 2] {
        [&self.ours, &self.theirs]
    }

    /// Both are told the same, and are content.
    pub(crate) fn tell(&self, words: &str) -> Result<()> {
        for side in self.sides() {
            side.tell(words)?;
        }
        Ok(())
    }

    /// `gobgp` says the same of both, in text and in JSON.
    pub(crate) fn same(&mut self, words: &str) -> Result<()> {
        self.same_but(words, str::to_owned, |_| {})
    }

    /// The same, apart from what is removed from both.
    pub(crate) fn same_but(
        &mut self,
        words: &str,
        text: impl Fn(&str) -> String,
        json: impl Fn(&mut Value),
    ) -> Result<()> {
        self.same_text(words, text)?;
        self.same_json(words, json)
    }

    /// The same in JSON only.
    pub(crate) fn same_json(&mut self, words: &str, json: impl Fn(&mut Value)) -> Result<()> {
        let answers = self.sides().map(|side| -> Result<Value> {
            let mut value = side.json(words)?;
            without_times(&mut value);
            json(&mut value);
            Ok(value)
        });
        let [ours, theirs] = answers;
        let mut found = Vec::new();
        compare("", &ours?, &theirs?, &mut found);
        if !found.is_empty() {
            self.note(&format!("-j {words}"), &found.join("\n"));
        }
        Ok(())
    }

    /// The same in text only.
    pub(crate) fn same_text(&mut self, words: &str, text: impl Fn(&str) -> String) -> Result<()> {
        let answers = self.sides().map(|side| -> Result<String> {
            let said = without_codes(&without_ages(&side.says(words)?));
            Ok(text(&said))
        });
        let [ours, theirs] = answers;
        self.same_lines(words, &ours?, &theirs?);
        Ok(())
    }

    /// Notes the lines of two texts that differ.
    pub(crate) fn same_lines(&mut self, what: &str, ours: &str, theirs: &str) {
        if ours == theirs {
            return;
        }
        let only = |sign: char, a: &str, b: &str| {
            let mut other: Vec<&str> = b.lines().collect();
            let lines = a.lines().filter(|line| {
                let found = other.iter().position(|it| it == line);
                found.map(|place| other.swap_remove(place)).is_none()
            });
            lines.fold(String::new(), |text, line| format!("{text}{sign} {line}\n"))
        };
        let mut text = only('+', ours, theirs) + &only('-', theirs, ours);
        if text.is_empty() {
            text = format!("another order:\n{ours}\ninstead of\n{theirs}");
        }
        self.note(what, &text);
    }

    pub(crate) fn note(&mut self, what: &str, text: &str) {
        self.differences
            .push(format!("== {what}\n{}", text.trim_end()));
    }

    /// Starts `gobgp` with each of these words beside each daemon.
    pub(crate) fn start_on_each(&self, commands: &[&'static str]) -> Result<Monitors> {
        let mut all = Monitors::new();
        for words in commands {
            let number = self.started.get();
            self.started.set(number + 1);
            let started = self.sides().map(|side| {
                let name = format!("gobgp{number}");
                side.netns.start(&mut side.command(words), &name)
            });
            let [ours, theirs] = started;
            all.push((words, [ours?, theirs?]));
        }
        // They ask before anything happens; there is no sign of it.
        std::thread::sleep(Duration::from_millis(500));
        Ok(all)
    }

    /// They have printed the same, to the last that is said of a prefix; what comes before the first that is said of
    /// another one may come in any order.
    pub(crate) fn same_logs(&mut self, monitors: Monitors, first: &str, last: &str) -> Result<()> {
        for (words, processes) in monitors {
            let [ours, theirs] = processes.map(|mut process| -> Result<String> {
                let text = until(&format!("{last} in {words}"), SOON, || {
                    let text = process.log();
                    let mut lines = text.lines();
                    let said = lines.any(|line| {
                        let ends = ["DEL", "withdraw", "NEIGH"];
                        line.contains(last) && ends.iter().any(|it| line.contains(it))
                    });
                    ensure!(said, "{text}");
                    Ok(text)
                })?;
                ensure!(process.is_running(), "{words} has ended: {text}");
                Ok(sorted_until(first, &without_clock(&text)))
            });
            self.same_lines(words, &ours?, &theirs?);
        }
        Ok(())
    }

    /// No difference has been noted.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { differences, .. } = self;
        ensure!(
            differences.is_empty(),
            "ours (+) and theirs (-):\n{}",
            differences.join("\n")
        );
        Ok(())
    }
}

/// Commands that run beside both daemons.
type Monitors = Vec<(&'static str, [Process; 2])>;

/// Lines of a monitor without when they were printed, and of what was withdrawn only the prefix: gobgpd shows the
/// path that it was. It also prints lists of nothing.
fn without_clock(text: &str) -> String {
    let line = |line: &str| {
        if let Ok(mut value) = serde_json::from_str::<Value>(line) {
            without_times(&mut value);
            let Value::Array(paths) = &mut value else {
                return value.to_string();
            };
            for path in paths.iter_mut() {
                if path["withdrawal"] == true {
                    *path = serde_json::json!({ "withdrawal": path["nlri"] });
                }
            }
            let paths = paths.iter().map(Value::to_string);
            return paths.collect::<Vec<_>>().join("\n");
        }
        let (_, said) = line.split_once('[').unwrap_or(("", line));
        let end = said.find(" via ").filter(|_| said.starts_with("DEL"));
        let said = end.and_then(|end| said.get(..end)).unwrap_or(said);
        said.to_owned()
    };
    // On the way up each takes its own steps: gobgpd has no Connect.
    let is_step = |line: &str| {
        let is_end = ["admin: DOWN", "ESTABLISHED"];
        line.starts_with("NEIGH") && !is_end.iter().any(|it| line.contains(it))
    };
    let lines = text.lines().map(line);
    let lines = lines.filter(|line| !line.is_empty() && !is_step(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines, those before the first with that word sorted.
fn sorted_until(word: &str, text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| line.contains(word));
    let end = start.unwrap_or(lines.len());
    if let Some(before) = lines.get_mut(..end) {
        before.sort_unstable();
    }
    lines.join("\n")
}

/// Writes down where two documents differ.
fn compare(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                compare(&format!("{path}/{key}"), &ours[key], &theirs[key], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}/{number}"), a, b, found);
            }
        }
        (Value::String(a), Value::String(b)) if without_codes(a) == without_codes(b) => {}
        _ if ours == theirs => {}
        _ => found.push(format!("{path}: {ours} instead of {theirs}")),
    }
}

/// Without when something was.
fn without_times(value: &mut Value) {
    without(&["age", "uptime", "downtime"], value);
}

/// Without the fields of these names, wherever they are.
pub(crate) fn without(names: &[&str], value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            let fields = fields.values_mut();
            fields.for_each(|field| without(names, field));
        }
        Value::Array(all) => all.iter_mut().for_each(|value| without(names, value)),
        _ => {}
    }
}

/// A text without how long something has been.
pub(crate) fn without_ages(text: &str) -> String {
    let is_age = |word: &str| {
        let word = word.trim_end_matches(',');
        word.len() == 8 && word.split(':').filter(|part| part.len() == 2).count() == 3
    };
    let line = |line: &str| {
        let words = line.split(' ');
        let words = words.map(|word| if is_age(word) { "00:00:00" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Attributes by their type: where gobgpd puts them in what it tells neighbours depends on what it has changed.
pub(crate) fn sort_attributes(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(all)) = fields.get_mut("attrs") {
                all.sort_by_key(|attribute| attribute["type"].as_u64());
            }
            fields.values_mut().for_each(sort_attributes);
        }
        Value::Array(all) => all.iter_mut().for_each(sort_attributes),
        _ => {}
    }
}

/// A proper status instead of UNKNOWN is no difference.
fn without_codes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("code = ") {
        out += before;
        rest = after.split_once(" desc").map_or(after, |(_, rest)| rest);
    }
    out + rest
}
