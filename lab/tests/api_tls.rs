// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The API's TLS and its sockets for looking, as a daemon with files has them; clients are `bgpctl` and GoBGP's own.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, bail, ensure};
use bgpd_api::Message as _;
use lab::{Bgpd, Lab, Netns, Process, binary, config, until};
use nix::sys::signal::Signal;
use prost_types::FileDescriptorSet;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tonic::{Code, Request, client::Grpc, transport::Endpoint};
use tonic_prost::ProstCodec;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Two authorities, and what they certify: `server`, `client` and `new-server`, `new-client`.
fn certify(netns: &Netns) -> Result<()> {
    for prefix in ["", "new-"] {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{prefix}authority"));
        let key = KeyPair::generate()?;
        netns.write(&format!("{prefix}ca.pem"), &params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        for (name, subject) in [("server", "localhost"), ("client", "operator")] {
            let params = CertificateParams::new(vec![subject.to_owned()])?;
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer)?;
            netns.write(&format!("{prefix}{name}.pem"), &certificate.pem())?;
            netns.write(&format!("{prefix}{name}.key"), &key.serialize_pem())?;
        }
    }
    Ok(())
}

fn path(netns: &Netns, name: &str) -> String {
    netns.file(name).display().to_string()
}

/// `server` becomes what `name` is.
fn replace(netns: &Netns, name: &str) -> Result<()> {
    for end in ["pem", "key"] {
        let old = netns.file(&format!("server.{end}"));
        fs::copy(netns.file(&format!("{name}.{end}")), old)?;
    }
    Ok(())
}

fn host(lab: &Lab) -> Result<Netns> {
    let netns = lab.netns("a")?;
    netns.ip("link set lo up")?;
    certify(&netns)?;
    Ok(netns)
}

/// Keys of `[api]`.
fn keys(netns: &Netns, with_clients: bool) -> String {
    let clients = if with_clients {
        format!("tls-client-ca-file = \"{}\"\n", path(netns, "ca.pem"))
    } else {
        String::new()
    };
    format!(
        "listen = [\"127.0.0.1:50051\"]\nread-only-listen = [\"127.0.0.1:50052\"]\nread-only-unix = \"{}\"\n\
         tls-cert-file = \"{}\"\ntls-key-file = \"{}\"\n{clients}",
        path(netns, "look.sock"),
        path(netns, "server.pem"),
        path(netns, "server.key"),
    )
}

/// `bgpctl` over TCP; words that begin with `@` are files.
fn tcp(netns: &Netns, port: u16, words: &str) -> Result<String> {
    let program = binary("bgpctl")?.display().to_string();
    let target = format!("localhost:{port}");
    let mut all = vec![program, "--target".into(), target];
    all.extend(words.split(' ').map(|word| match word.strip_prefix('@') {
        Some(name) => path(netns, name),
        None => word.to_owned(),
    }));
    netns.exec(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn refused(answer: Result<String>, with: &str) -> Result<()> {
    match answer {
        Ok(text) => bail!("not refused: {text}"),
        Err(error) => ensure!(error.to_string().contains(with), "{error}"),
    }
    Ok(())
}

/// `bgpctl watch` over TLS, when it sees events.
fn watcher(netns: &Netns) -> Result<Process> {
    let mut command: Command = netns.command(binary("bgpctl")?);
    let ca = path(netns, "ca.pem");
    command.args(["--target", "localhost:50051", "--ca", &ca]);
    netns.start(command.args(["watch", "--routes"]), "watch")
}

/// A route of its own is seen by it.
fn sees(watcher: &Process, us: &Bgpd, prefix: &str) -> Result<()> {
    until(&format!("{prefix} is seen"), PATIENCE, || {
        us.add_route(&format!("{prefix} --blackhole"))?;
        std::thread::sleep(std::time::Duration::from_millis(100));
        us.ctl(&["route", "del", prefix])?;
        let log = watcher.log();
        ensure!(log.contains(prefix), "{log}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn certificates_are_read_anew_by_a_reload_and_no_connection_is_lost() -> Result<()> {
    let lab = Lab::new("tls-new")?;
    let netns = host(&lab)?;
    let us = Bgpd::start_with(&netns, &config::ours("10.0.0.1"), &keys(&netns, false), &[])?;
    let (old, new) = ("--ca @ca.pem status", "--ca @new-ca.pem status");
    tcp(&netns, 50051, old)?;
    refused(tcp(&netns, 50051, new), "UnknownIssuer")?;
    let mut watcher = watcher(&netns)?;
    sees(&watcher, &us, "10.1.0.0/16")?;
    ensure!(us.ctl(&["reload"])?.contains("Nothing has changed"));

    // A file that is wrong: what was there before stays.
    netns.write("server.pem", "garbage\n")?;
    let said = us.ctl(&["reload"])?;
    let problem = format!(
        "certificates of the API: FAILED: {}: there is no certificate in it in PEM format; those before stay",
        path(&netns, "server.pem")
    );
    ensure!(said.contains(&problem), "{said}");
    tcp(&netns, 50051, old)?;
    // The certificate of one and the key of another.
    fs::copy(netns.file("new-server.pem"), netns.file("server.pem"))?;
    let said = us.ctl(&["reload"])?;
    ensure!(
        said.contains("FAILED") && said.contains("KeyMismatch"),
        "{said}"
    );
    tcp(&netns, 50051, old)?;

    replace(&netns, "new-server")?;
    let said = us.ctl(&["reload"])?;
    ensure!(
        said.contains("certificates of the API read again"),
        "{said}"
    );
    for port in [50051, 50052] {
        tcp(&netns, port, new)?;
        refused(tcp(&netns, port, old), "UnknownIssuer")?;
    }
    // What was connected before has lost nothing.
    sees(&watcher, &us, "10.2.0.0/16")?;
    ensure!(watcher.is_running(), "{}", watcher.log());
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_hangup_reads_certificates_anew_from_other_files_too() -> Result<()> {
    let lab = Lab::new("tls-hup")?;
    let netns = host(&lab)?;
    let ours = config::ours("10.0.0.1");
    let mut us = Bgpd::start_with(&netns, &ours, &keys(&netns, false), &[])?;
    tcp(&netns, 50051, "--ca @ca.pem status")?;
    let text = fs::read_to_string(us.config())?.replace("a-server.", "a-new-server.");
    fs::write(us.config(), text)?;
    us.process().signal(Signal::SIGHUP)?;
    until("the new certificate", PATIENCE, || {
        tcp(&netns, 50051, "--ca @new-ca.pem status").map(drop)
    })?;
    netns.write("new-server.pem", "garbage\n")?;
    us.process().signal(Signal::SIGHUP)?;
    until("an error in the log", PATIENCE, || {
        let log = us.log();
        ensure!(
            log.contains("certificates of the API not read again"),
            "{log}"
        );
        Ok(())
    })?;
    tcp(&netns, 50051, "--ca @new-ca.pem status").map(drop)
}

#[test]
#[ignore = "needs netns"]
fn clients_need_a_certificate_where_one_is_asked_for() -> Result<()> {
    let lab = Lab::new("tls-both")?;
    let netns = host(&lab)?;
    let us = Bgpd::start_with(&netns, &config::ours("10.0.0.1"), &keys(&netns, true), &[])?;
    let known = "--ca @ca.pem --cert @client.pem --key @client.key status";
    let stranger = "--ca @ca.pem --cert @new-client.pem --key @new-client.key status";
    for port in [50051, 50052] {
        tcp(&netns, port, known)?;
        refused(tcp(&netns, port, "--ca @ca.pem status"), "ertificate")?;
        refused(tcp(&netns, port, stranger), "")?;
        refused(tcp(&netns, port, "status"), "")?;
    }
    // Whose certificates are believed may change, too.
    fs::copy(netns.file("new-ca.pem"), netns.file("ca.pem"))?;
    us.ctl(&["reload"])?;
    replace(&netns, "new-server")?;
    us.ctl(&["reload"])?;
    tcp(&netns, 50051, stranger)?;
    refused(tcp(&netns, 50051, known), "")
}

/// The client of GoBGP, with TLS.
fn gobgp(netns: &Netns, ca: &str, words: &str) -> Result<String> {
    let ca = path(netns, ca);
    let fixed = ["gobgp", "--tls", "--tls-ca-file", &ca, "-u", "localhost"];
    let words = fixed.into_iter().chain(words.split(' '));
    netns.exec(&words.collect::<Vec<_>>())
}

#[test]
#[ignore = "needs netns"]
fn gobgps_own_client_talks_tls_to_a_daemon_with_gobgpds_options() -> Result<()> {
    let lab = Lab::new("tls-gobgp")?;
    let netns = host(&lab)?;
    let files = ["server.pem", "server.key", "ca.pem"].map(|name| path(&netns, name));
    let listen = "listen = [\"127.0.0.1:50051\"]\n";
    let arguments = [
        "--tls",
        "--tls-cert-file",
        &files[0],
        "--tls-key-file",
        &files[1],
    ];
    {
        let _us = Bgpd::start_with(&netns, &config::ours("10.0.0.1"), listen, &arguments)?;
        until("gobgp is answered", PATIENCE, || {
            gobgp(&netns, "ca.pem", "global rib add 10.3.0.0/16").map(drop)
        })?;
        let table = gobgp(&netns, "ca.pem", "global rib")?;
        ensure!(table.contains("10.3.0.0/16"), "{table}");
        refused(gobgp(&netns, "new-ca.pem", "global rib"), "")?;
        refused(
            netns.exec(&["gobgp", "-u", "localhost", "global", "rib"]),
            "",
        )?;
    }
    // With another option it wants to see certificates, and gobgp 3.10 has none to show.
    let arguments = [&arguments[..], &["--tls-client-ca-file", &files[2]]].concat();
    let _us = Bgpd::start_with(&netns, &config::ours("10.0.0.1"), listen, &arguments)?;
    let known = "--ca @ca.pem --cert @client.pem --key @client.key status";
    until("bgpctl is answered", PATIENCE, || {
        tcp(&netns, 50051, known).map(drop)
    })?;
    refused(gobgp(&netns, "ca.pem", "global rib"), "")
}

/// Calls of all services that change nothing.
const LOOKING: &[&str] = &["Get", "List", "Watch", "Explain"];

#[test]
#[ignore = "needs netns"]
fn a_socket_for_looking_refuses_every_call_that_changes_something() -> Result<()> {
    let lab = Lab::new("tls-look")?;
    let netns = host(&lab)?;
    let us = Bgpd::start_with(&netns, &config::ours("10.0.0.1"), &keys(&netns, false), &[])?;
    us.add_route("10.4.0.0/16 --blackhole")?;
    let before = us.ctl(&["route"])?;
    let socket: PathBuf = netns.file("look.sock");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut looked, mut refused_calls) = (0, 0);
    runtime.block_on(async {
        let target = format!("unix://{}", socket.display());
        let channel = Endpoint::from_shared(target)?.connect().await?;
        let all = FileDescriptorSet::decode(bgpd_api::DESCRIPTORS)?;
        for file in &all.file {
            for service in &file.service {
                for method in &service.method {
                    let call = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let mut client = Grpc::new(channel.clone());
                    client.ready().await?;
                    let codec = ProstCodec::<(), ()>::default();
                    let mut request = Request::new(());
                    request.set_timeout(std::time::Duration::from_secs(2));
                    let answer = client.unary(request, call.parse()?, codec).await;
                    let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
                    let looks = LOOKING.iter().any(|verb| method.name().starts_with(verb));
                    ensure!(
                        looks != (code == Code::PermissionDenied),
                        "{call}: {code:?}"
                    );
                    looked += u32::from(looks);
                    refused_calls += u32::from(!looks);
                }
            }
        }
        Ok(())
    })?;
    ensure!(
        looked > 20 && refused_calls > 60,
        "{looked} and {refused_calls}"
    );
    ensure!(us.ctl(&["route"])? == before);
    // Over TCP and TLS it is the same.
    refused(
        tcp(
            &netns,
            50052,
            "--ca @ca.pem route add 10.5.0.0/16 --blackhole",
        ),
        "AddRoutes is refused: this socket is for looking only",
    )
}
