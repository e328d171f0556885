// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TLS over TCP, with certificates made here and now, and sockets for looking only.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bgpd::{
    api::{Listeners, serve_on},
    cli::{Terminal, run},
    config::{Api, ApiTls},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake::Fake;

/// A directory with certificates in it; it goes when it is dropped.
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Files {
    /// Two authorities, and what they certify: `server` and `client` by the first, `stranger` by the second.
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("bgpd-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("made");
        let files = Self(directory);
        let ours = files.authority("ca");
        let theirs = files.authority("other-ca");
        files.certificate("server", "localhost", &ours);
        files.certificate("client", "operator", &ours);
        files.certificate("stranger", "operator", &theirs);
        fs::write(files.path("empty.pem"), "nothing here\n").expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        self.write(&format!("{name}.pem"), &certificate.pem());
        Issuer::new(params, key)
    }

    fn certificate(&self, name: &str, subject: &str, issuer: &Issuer<'static, KeyPair>) {
        let params = CertificateParams::new(vec![subject.to_owned()]).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, issuer).expect("signed");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn api(&self, with_clients: bool) -> Api {
        let any_port: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        Api {
            listen: vec![any_port],
            unix: Some(self.path("full.sock")),
            read_only_listen: vec![any_port],
            read_only_unix: Some(self.path("look.sock")),
            tls: Some(ApiTls {
                certificate: self.path("server.pem"),
                key: self.path("server.key"),
                client_ca: with_clients.then(|| self.path("ca.pem")),
            }),
        }
    }
}

/// Ports of a server with a fake behind it: for all, and for looking. It ends when the guard is dropped.
async fn serve(api: &Api) -> ([u16; 2], DropGuard) {
    let listeners = Listeners::open(api).await.expect("bound");
    let ports: Vec<u16> = listeners.addresses().iter().map(SocketAddr::port).collect();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve_on(Fake::default(), listeners, shutdown.clone()));
    ([ports[0], ports[1]], shutdown.drop_guard())
}

/// What `bgpctl` says, with files for words that are in capitals.
async fn bgpctl(files: &Files, target: &str, words: &str) -> (String, String, u8) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        target: Some(target.to_owned()),
        ..Terminal::new(&mut out, &mut err)
    };
    let words = words.split(' ').map(|word| match word.strip_prefix('@') {
        Some(file) => files.path(file).into_os_string(),
        None => word.into(),
    });
    let arguments = std::iter::once("bgpctl".into()).chain(words);
    let status = run(arguments, &mut terminal).await;
    let text = |octets| String::from_utf8(octets).expect("text");
    (text(out), text(err), status)
}

#[tokio::test]
async fn a_client_talks_to_whom_it_believes_only() {
    let files = Files::new("server");
    let ([port, _], _guard) = serve(&files.api(false)).await;
    let named = format!("localhost:{port}");
    let (out, err, status) = bgpctl(&files, &named, "--ca @ca.pem status").await;
    assert_eq!((err.as_str(), status), ("", 0));
    assert!(out.contains("Neighbors:"), "{out}");
    // By address, with the name that is in the certificate.
    let numbered = format!("127.0.0.1:{port}");
    let words = "--ca @ca.pem --tls-name localhost status";
    assert_eq!(bgpctl(&files, &numbered, words).await.2, 0);

    let (_, err, status) = bgpctl(&files, &numbered, "--ca @ca.pem status").await;
    assert!(status == 3 && err.contains("not valid for name"), "{err}");
    let (_, err, status) = bgpctl(&files, &named, "--ca @other-ca.pem status").await;
    assert!(status == 3 && err.contains("UnknownIssuer"), "{err}");
    let (_, err, status) = bgpctl(&files, &named, "status").await;
    assert!(status != 0, "without TLS: {err}");
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_serves_those_it_knows() {
    let files = Files::new("mutual");
    let ([port, _], _guard) = serve(&files.api(true)).await;
    let target = format!("localhost:{port}");
    let known = "--ca @ca.pem --cert @client.pem --key @client.key status";
    let (_, err, status) = bgpctl(&files, &target, known).await;
    assert_eq!((err.as_str(), status), ("", 0));
    let stranger = "--ca @ca.pem --cert @stranger.pem --key @stranger.key status";
    for words in ["--ca @ca.pem status", stranger] {
        let (out, err, status) = bgpctl(&files, &target, words).await;
        assert!(status != 0 && out.is_empty(), "{words}: {out}{err}");
        assert!(
            err.contains("ertificate") || err.contains("UnknownCA"),
            "{words}: {err}"
        );
    }
}

#[tokio::test]
async fn on_a_socket_for_looking_nothing_can_be_changed() {
    let files = Files::new("look");
    let api = files.api(false);
    let ([_, port], _guard) = serve(&api).await;
    let unix = format!("unix:{}", files.path("look.sock").display());
    for (target, tls) in [(unix, ""), (format!("localhost:{port}"), "--ca @ca.pem ")] {
        for words in [
            "status",
            "neighbor",
            "route",
            "explain 10.244.1.0/26",
            "fib",
            "policy",
        ] {
            let (_, err, status) = bgpctl(&files, &target, &format!("{tls}{words}")).await;
            assert_eq!((err.as_str(), status), ("", 0), "{target} {words}");
        }
        for (words, method) in [
            ("route add 10.244.7.0/26 --blackhole", "AddRoutes"),
            ("route del 10.244.7.0/26", "DeleteRoutes"),
            ("neighbor all reset", "OrderPeer"),
            ("reload", "Reload"),
        ] {
            let (_, err, status) = bgpctl(&files, &target, &format!("{tls}{words}")).await;
            let expected =
                format!("bgpctl: {method} is refused: this socket is for looking only\n");
            assert_eq!((err, status), (expected, 1), "{target}");
        }
        let (_, err, _) = bgpctl(&files, &target, &format!("--json {tls}reload")).await;
        assert!(err.contains("\"kind\":\"not-allowed\""), "{err}");
    }
    let full = format!("unix:{}", files.path("full.sock").display());
    assert_eq!(bgpctl(&files, &full, "reload").await.2, 0);
}

#[tokio::test]
async fn a_file_that_is_wrong_is_named_with_what_is_wrong() {
    /// Makes something wrong.
    type Wrong = fn(&Files, &mut ApiTls);
    let files = Files::new("wrong");
    let place = format!("{}/", files.0.display());
    let mut said = String::new();
    let cases: [Wrong; 6] = [
        |files, tls| tls.certificate = files.path("absent.pem"),
        |files, tls| tls.certificate = files.path("empty.pem"),
        |files, tls| tls.key = files.path("server.pem"),
        |files, tls| tls.key = files.path("client.key"),
        |files, tls| tls.client_ca = Some(files.path("server.key")),
        |_, tls| tls.key = Path::new("/dev/null").to_owned(),
    ];
    for wrong in cases {
        let mut api = files.api(false);
        if let Some(tls) = &mut api.tls {
            wrong(&files, tls);
        }
        let error = Listeners::open(&api).await.expect_err("wrong").to_string();
        said += &(error.replace(&place, "") + "\n");
    }
    for words in [
        "--ca @absent.pem status",
        "--ca @empty.pem status",
        "--ca @ca.pem --cert @client.pem status",
        "--tls-name localhost status",
        "--ca @ca.pem --target unix:/run/x.sock status",
    ] {
        let (_, err, status) = bgpctl(&files, "localhost:1", words).await;
        assert_eq!(status, 2, "{err}");
        said += &err.replace(&place, "");
    }
    crate::cli::compare("tls-errors.txt", &said);
}
