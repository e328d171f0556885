// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The client's side of the API, in `control` types.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use bgp_proto::Prefix;
use bgpd_api::{
    v1::{self, bgpd_client::BgpdClient},
    v4::{self, go_bgp_service_client::GoBgpServiceClient},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tonic::{
    Code, Streaming,
    transport::{Channel, ClientTlsConfig, Endpoint, Uri},
};

use super::Failure;
use crate::{
    api::{
        self, TlsFiles,
        convert::{self, Protobuf},
    },
    config::{DefinedSet, PeerName, Policies, PolicyDefinition},
    control::{
        BfdStatus, Explanation, FibRoute, NewRoute, NextHopStatus, PeerOrder, PeerStatus, Plan,
        PlanRequest, PrefixMatch, Route, RouteQuery, Status, WatchEvent, WatchFilter,
    },
};

/// Where a daemon may listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A Unix socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl Target {
    /// Where to look: at what the user named, else at the defaults in their order.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if what was named is neither.
    pub fn candidates(named: Option<&str>) -> Result<Vec<Self>, Failure> {
        match named {
            Some(text) => Ok(vec![text.parse().map_err(Failure::Usage)?]),
            None => Ok(vec![
                Self::Unix(api::DEFAULT_SOCKET.into()),
                Self::Tcp(api::DEFAULT_ADDRESS.to_string()),
            ]),
        }
    }
}

impl std::str::FromStr for Target {
    type Err = String;

    /// `unix:/path`, `/path`, `host:port`, `[2001:db8::1]:port`, `host`.
    fn from_str(text: &str) -> Result<Self, String> {
        let unix = text
            .strip_prefix("unix://")
            .or_else(|| text.strip_prefix("unix:"));
        if let Some(path) = unix.or_else(|| text.starts_with(['/', '.']).then_some(text)) {
            return Ok(Self::Unix(path.into()));
        }
        let port = api::DEFAULT_ADDRESS.port();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Tcp(
                std::net::SocketAddr::from((address, port)).to_string(),
            ));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            None if !text.is_empty() => Ok(Self::Tcp(format!("{text}:{port}"))),
            _ => Err(format!("`{text}` is not a target: unix:/path or host:port")),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(address) => formatter.write_str(address),
        }
    }
}

/// A connection to a daemon.
#[derive(Clone, Debug)]
pub struct Client {
    rpc: BgpdClient<Channel>,
    /// Changes of the configuration are GoBGP's calls.
    changes: GoBgpServiceClient<Channel>,
    target: String,
}

impl Client {
    /// Connects to the first target that answers.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreachable`] with what each of them said.
    pub async fn connect(targets: &[Target]) -> Result<Self, Failure> {
        Self::connect_with(targets, None).await
    }

    /// The same, over TCP with TLS.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreachable`] with what each of them said.
    pub async fn connect_with(targets: &[Target], tls: Option<&Tls>) -> Result<Self, Failure> {
        let mut tried = Vec::new();
        for target in targets {
            match open(target, tls).await {
                Ok(channel) => {
                    let changes = GoBgpServiceClient::new(channel.clone());
                    let rpc = BgpdClient::new(channel)
                        .max_decoding_message_size(api::MAX_REPLY)
                        .max_encoding_message_size(api::MAX_REQUEST);
                    return Ok(Self {
                        rpc,
                        changes,
                        target: target.to_string(),
                    });
                }
                Err(error) => tried.push((target.to_string(), error)),
            }
        }
        Err(Failure::Unreachable(tried))
    }

    /// The daemon as a whole.
    ///
    /// # Errors
    ///
    /// Like all calls here: [`Failure`], as the daemon or the connection has it.
    pub async fn status(&mut self) -> Result<Status, Failure> {
        let answer = self.rpc.get_status(v1::GetStatusRequest {}).await;
        Ok(Status::from_protobuf(
            self.failed(answer)?.status.unwrap_or_default(),
        )?)
    }

    /// All neighbours, or one.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn peers(&mut self, address: Option<PeerName>) -> Result<Vec<PeerStatus>, Failure> {
        let request = v1::ListPeersRequest {
            address: address.map(|address| address.to_string()),
        };
        let answer = self.rpc.list_peers(request).await;
        let mut pages = self.failed(answer)?;
        let mut peers = Vec::new();
        while let Some(page) = self.next(&mut pages).await? {
            peers.extend(convert::list(
                "peers",
                page.peers,
                PeerStatus::from_protobuf,
            )?);
        }
        Ok(peers)
    }

    /// An order to one neighbour, or to all.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn order(
        &mut self,
        peer: Option<PeerName>,
        order: &PeerOrder,
    ) -> Result<(), Failure> {
        let answer = self
            .rpc
            .order_peer(convert::order_request(peer, order))
            .await;
        self.failed(answer).map(|_| ())
    }

    /// Adds a neighbour.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn add_neighbor(&mut self, peer: v4::Peer) -> Result<(), Failure> {
        let request = v4::AddPeerRequest { peer: Some(peer) };
        let answer = self.changes.add_peer(request).await;
        self.failed(answer).map(drop)
    }

    /// A neighbour as it is configured and how it is.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] if there is none; else [`Failure`].
    pub async fn neighbor(&mut self, name: PeerName) -> Result<v4::Peer, Failure> {
        let request = v4::ListPeerRequest {
            address: name.to_string(),
            ..v4::ListPeerRequest::default()
        };
        let answer = self.changes.list_peer(request).await;
        let mut replies = self.failed(answer)?;
        let found = self.next(&mut replies).await?;
        found
            .and_then(|reply| reply.peer)
            .ok_or_else(|| Failure::NotFound(format!("there is no neighbor {name}")))
    }

    /// Makes a neighbour as it was listed, changed.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn update_neighbor(&mut self, peer: v4::Peer) -> Result<(), Failure> {
        let request = v4::UpdatePeerRequest {
            peer: Some(peer),
            ..v4::UpdatePeerRequest::default()
        };
        let answer = self.changes.update_peer(request).await;
        self.failed(answer).map(drop)
    }

    /// Removes a neighbour.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn delete_neighbor(&mut self, name: PeerName) -> Result<(), Failure> {
        let request = v4::DeletePeerRequest {
            address: name.to_string(),
            ..v4::DeletePeerRequest::default()
        };
        let answer = self.changes.delete_peer(request).await;
        self.failed(answer).map(drop)
    }

    /// Routes, a page at a time, handed to `each` as they come.
    ///
    /// # Errors
    ///
    /// [`Failure`], also from `each`.
    pub async fn routes(
        &mut self,
        query: &RouteQuery,
        mut each: impl FnMut(Vec<Route>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let answer = self.rpc.list_routes(convert::query_request(query)).await;
        let mut pages = self.failed(answer)?;
        while let Some(page) = self.next(&mut pages).await? {
            each(convert::list("routes", page.routes, Route::from_protobuf)?)?;
        }
        Ok(())
    }

    /// Routes, a page at a time, as they are asked for.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn route_pages(&mut self, query: &RouteQuery) -> Result<RoutePages, Failure> {
        let answer = self.rpc.list_routes(convert::query_request(query)).await;
        Ok(RoutePages {
            pages: self.failed(answer)?,
            client: self.clone(),
        })
    }

    /// One prefix with the reasons.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn explain(
        &mut self,
        prefix: Prefix,
        matching: PrefixMatch,
    ) -> Result<Explanation, Failure> {
        let request = v1::ExplainRequest {
            prefix: prefix.to_string(),
            r#match: matching.to_protobuf().into(),
        };
        let answer = self.rpc.explain(request).await;
        Ok(Explanation::from_protobuf(self.failed(answer)?)?)
    }

    /// BFD sessions, or that with one neighbour.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn bfd(&mut self, address: Option<IpAddr>) -> Result<Vec<BfdStatus>, Failure> {
        let request = v1::ListBfdRequest {
            address: address.map(|address| address.to_string()),
        };
        let answer = self.rpc.list_bfd(request).await;
        let mut pages = self.failed(answer)?;
        let mut sessions = Vec::new();
        while let Some(page) = self.next(&mut pages).await? {
            sessions.extend(convert::list(
                "sessions",
                page.sessions,
                BfdStatus::from_protobuf,
            )?);
        }
        Ok(sessions)
    }

    /// Kernel routes, a page at a time, handed to `each` as they come.
    ///
    /// # Errors
    ///
    /// [`Failure`], also from `each`.
    pub async fn fib(
        &mut self,
        mut each: impl FnMut(Vec<FibRoute>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let answer = self.rpc.list_fib(v1::ListFibRequest {}).await;
        let mut pages = self.failed(answer)?;
        while let Some(page) = self.next(&mut pages).await? {
            each(convert::list(
                "routes",
                page.routes,
                FibRoute::from_protobuf,
            )?)?;
        }
        Ok(())
    }

    /// Policies and the sets they ask.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn policies(&mut self) -> Result<Policies, Failure> {
        let mut found = Policies::default();
        let answer = self
            .rpc
            .list_policy_sets(v1::ListPolicySetsRequest {})
            .await;
        let mut pages = self.failed(answer)?;
        while let Some(page) = self.next(&mut pages).await? {
            let sets = convert::list("sets", page.sets, DefinedSet::from_protobuf)?;
            found.sets.extend(sets);
        }
        let answer = self.rpc.list_policies(v1::ListPoliciesRequest {}).await;
        let mut pages = self.failed(answer)?;
        while let Some(page) = self.next(&mut pages).await? {
            let policies =
                convert::list("policies", page.policies, PolicyDefinition::from_protobuf)?;
            found.definitions.extend(policies);
        }
        Ok(found)
    }

    /// Next hops in use.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn next_hops(&mut self) -> Result<Vec<NextHopStatus>, Failure> {
        let answer = self.rpc.list_next_hops(v1::ListNextHopsRequest {}).await;
        let mut pages = self.failed(answer)?;
        let mut found = Vec::new();
        while let Some(page) = self.next(&mut pages).await? {
            found.extend(convert::list(
                "next_hops",
                page.next_hops,
                NextHopStatus::from_protobuf,
            )?);
        }
        Ok(found)
    }

    /// Events, handed to `each` as they come, until the daemon ends the stream. When `ready` is called nothing is
    /// missed any more.
    ///
    /// # Errors
    ///
    /// [`Failure`], also from `each`.
    pub async fn watch(
        &mut self,
        filter: WatchFilter,
        ready: impl FnOnce(),
        mut each: impl FnMut(WatchEvent) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let WatchFilter { peers, routes, fib } = filter;
        let answer = self
            .rpc
            .watch(v1::WatchRequest { peers, routes, fib })
            .await;
        let mut events = self.failed(answer)?;
        let mut ready = Some(ready);
        while let Some(message) = self.next(&mut events).await? {
            match message.event {
                None => ready.take().map_or((), |ready| ready()),
                Some(_) => each(WatchEvent::from_protobuf(message)?)?,
            }
        }
        Ok(())
    }

    /// Adds routes of source `api`.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn add_routes(&mut self, routes: &[NewRoute]) -> Result<(), Failure> {
        let routes = routes.iter().map(NewRoute::to_protobuf).collect();
        let answer = self.rpc.add_routes(v1::AddRoutesRequest { routes }).await;
        self.failed(answer).map(|_| ())
    }

    /// Deletes routes of source `api`; how many of them were there.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn delete_routes(&mut self, routes: &[(Prefix, u32)]) -> Result<u64, Failure> {
        let key = |&(prefix, path_id): &(Prefix, u32)| v1::RouteKey {
            prefix: prefix.to_string(),
            path_id,
        };
        let request = v1::DeleteRoutesRequest {
            routes: routes.iter().map(key).collect(),
        };
        let answer = self.rpc.delete_routes(request).await;
        Ok(self.failed(answer)?.deleted)
    }

    /// Reads the configuration again; what changed.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn reload(&mut self) -> Result<Vec<String>, Failure> {
        let answer = self.rpc.reload(v1::ReloadRequest {}).await;
        Ok(self.failed(answer)?.changes)
    }

    /// What a configuration would change.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn plan(&mut self, request: &PlanRequest) -> Result<Plan, Failure> {
        let answer = self.rpc.plan(request.to_protobuf()).await;
        Ok(Plan::from_protobuf(self.failed(answer)?)?)
    }

    async fn next<T>(&self, pages: &mut Streaming<T>) -> Result<Option<T>, Failure> {
        pages.message().await.map_err(|status| self.failure(status))
    }

    fn failed<T>(&self, answer: Result<tonic::Response<T>, tonic::Status>) -> Result<T, Failure> {
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.failure(status))
    }

    fn failure(&self, status: tonic::Status) -> Failure {
        // What comes from the connection and not from the daemon has a cause.
        if let Some(cause) = std::error::Error::source(&status) {
            return Failure::Lost(self.target.clone(), deepest(cause));
        }
        match status.code() {
            Code::NotFound => Failure::NotFound(status.message().to_owned()),
            Code::Unimplemented => Failure::NotBgpd(self.target.clone()),
            _ => Failure::Refused(Box::new(status)),
        }
    }
}

/// A list of routes that is being read.
#[derive(Debug)]
pub struct RoutePages {
    client: Client,
    pages: Streaming<v1::ListRoutesResponse>,
}

impl RoutePages {
    /// The next page; `None` behind the last.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn next(&mut self) -> Result<Option<Vec<Route>>, Failure> {
        match self.client.next(&mut self.pages).await? {
            Some(page) => Ok(Some(convert::list(
                "routes",
                page.routes,
                Route::from_protobuf,
            )?)),
            None => Ok(None),
        }
    }
}

/// The first cause: the others say "transport error".
fn deepest(mut error: &dyn std::error::Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// How a client knows the server, and what it shows it.
#[derive(Clone, Debug)]
pub struct Tls {
    config: ClientTlsConfig,
    /// The name in the server's certificate; else that of the target.
    name: Option<String>,
}

impl Tls {
    /// Servers are believed whose certificates come from `ca`; `files` say who we are.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`]: which file is wrong, and how.
    pub fn new(ca: &Path, files: Option<&TlsFiles>, name: Option<String>) -> Result<Self, Failure> {
        let config = api::client_tls(ca, files);
        let config = config.map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self { config, name })
    }
}

/// A connection of its own first, so that a failure is the system's own word.
async fn open(target: &Target, tls: Option<&Tls>) -> io::Result<Channel> {
    match target {
        Target::Unix(path) => channel(UnixStream::connect(path).await?, plain()).await,
        Target::Tcp(address) => {
            let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address));
            let late = |_| {
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no answer within {PATIENCE:?}"),
                )
            };
            let stream = stream.await.map_err(late)??;
            stream.set_nodelay(true)?;
            let endpoint = match tls {
                Some(tls) => secure(address, tls)?,
                None => plain(),
            };
            channel(stream, endpoint).await
        }
    }
}

fn plain() -> Endpoint {
    Endpoint::from_static("http://bgpd")
}

fn secure(address: &str, tls: &Tls) -> io::Result<Endpoint> {
    let config = match &tls.name {
        Some(name) => tls.config.clone().domain_name(name),
        None => tls.config.clone(),
    };
    let endpoint = Endpoint::from_shared(format!("https://{address}"));
    endpoint
        .and_then(|endpoint| endpoint.tls_config(config))
        .map_err(|error| io::Error::other(deepest(&error)))
}

async fn channel<S>(stream: S, endpoint: Endpoint) -> io::Result<Channel>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let once = Mutex::new(Some(TokioIo::new(stream)));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.lock().ok().and_then(|mut once| once.take());
        std::future::ready(stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)))
    });
    let endpoint = endpoint.timeout(PATIENCE);
    let connected = endpoint.connect_with_connector(connector);
    let late = |_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {PATIENCE:?}"),
        )
    };
    let connected = tokio::time::timeout(PATIENCE, connected)
        .await
        .map_err(late)?;
    connected.map_err(|error| io::Error::other(deepest(&error)))
}

/// For a connection, and for the beginning of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_in_every_usual_form() {
        let unix = |path: &str| Ok(Target::Unix(path.into()));
        let tcp = |address: &str| Ok(Target::Tcp(address.to_owned()));
        assert_eq!("unix:/run/x.sock".parse(), unix("/run/x.sock"));
        assert_eq!("unix:///run/x.sock".parse(), unix("/run/x.sock"));
        assert_eq!("./x.sock".parse(), unix("./x.sock"));
        assert_eq!("192.0.2.1".parse(), tcp("192.0.2.1:50051"));
        assert_eq!("2001:db8::1".parse(), tcp("[2001:db8::1]:50051"));
        assert_eq!("[2001:db8::1]:7".parse(), tcp("[2001:db8::1]:7"));
        assert_eq!("node1".parse(), tcp("node1:50051"));
        assert_eq!("node1:7".parse(), tcp("node1:7"));
        for wrong in ["", ":7", "node1:x", "node1:70000"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
