// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The gRPC services, and serving them on all listeners.

use std::{pin::Pin, time::Duration};

use anyhow::Context as _;
use bgpd_api::{
    Message,
    v1::{self, bgpd_server::Bgpd, bgpd_server::BgpdServer},
    v3::gobgp_api_server::GobgpApiServer,
    v4::go_bgp_service_server::GoBgpServiceServer,
};
use futures_util::{Stream, StreamExt as _, future::try_join_all, stream};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tower::util::option_layer;

use super::{
    Control, Listeners, MAX_REPLY, MAX_REQUEST, ServerTls,
    access::ReadOnly,
    convert::{self, BadMessage, Protobuf},
    handshake::secured,
    listen::Sockets,
};
use crate::{
    config::{DefinedSet, PolicyDefinition},
    control::{
        BfdStatus, ControlError, FibRoute, NewRoute, NextHopStatus, PeerStatus, PlanRequest, Route,
        WatchFilter,
    },
    gobgp::{self, Gobgp, Streams},
};

/// Serves `control` on `listeners` until `shutdown`. Calls that are under way may end; streams are cut with
/// UNAVAILABLE, so that no client takes half a list for a whole one.
///
/// # Errors
///
/// If a listener breaks.
pub async fn serve_on<C: Control>(
    control: C,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let routes = routes(control, shutdown.clone()).await?;
    let Listeners {
        full,
        read_only,
        tls,
    } = listeners;
    let tls = tls.as_ref();
    let all = async {
        tokio::try_join!(
            serve_sockets(full, None, tls, &routes, &shutdown),
            serve_sockets(read_only, Some(ReadOnly), tls, &routes, &shutdown),
        )
        .context("serving the API")
    };
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = all => result.map(|_| ()),
        // Somebody keeps a health or reflection stream open: that holds up nobody's shutdown.
        () = too_long => Ok(()),
    }
}

/// Serves sockets that may do the same.
async fn serve_sockets(
    sockets: Sockets,
    limit: Option<ReadOnly>,
    tls: Option<&ServerTls>,
    routes: &Routes,
    shutdown: &CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let Sockets { tcp, unix } = sockets;
    let (unix, _removed_at_the_end) = unix.map(super::listen::UnixDoor::open).unzip();
    let tcp = tcp.into_iter().map(async |listener| {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = server()
            .layer(option_layer(limit))
            .add_routes(routes.clone());
        let shutdown = shutdown.clone().cancelled_owned();
        match tls.cloned() {
            Some(tls) => {
                let incoming = secured(incoming, tls);
                server
                    .serve_with_incoming_shutdown(incoming, shutdown)
                    .await
            }
            None => {
                server
                    .serve_with_incoming_shutdown(incoming, shutdown)
                    .await
            }
        }
    });
    let unix = unix.flatten().map(|listener| {
        let incoming = UnixListenerStream::new(listener);
        server()
            .layer(option_layer(limit))
            .add_routes(routes.clone())
            .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned())
    });
    tokio::try_join!(try_join_all(tcp), try_join_all(unix)).map(|_| ())
}

fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
}

async fn routes<C: Control>(control: C, shutdown: CancellationToken) -> anyhow::Result<Routes> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter
        .set_serving::<BgpdServer<Service<C>>>()
        .await;
    health_reporter
        .set_serving::<GoBgpServiceServer<Gobgp<C>>>()
        .await;
    health_reporter
        .set_serving::<GobgpApiServer<Gobgp<C>>>()
        .await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(bgpd_api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let gobgp = Gobgp::new(control.clone(), shutdown.clone());
    let bgpd = BgpdServer::new(Service { control, shutdown })
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_REPLY);
    let version_3 = GobgpApiServer::new(gobgp.clone())
        .max_decoding_message_size(gobgp::MAX_MESSAGE)
        .max_encoding_message_size(gobgp::MAX_MESSAGE);
    let version_4 = GoBgpServiceServer::new(gobgp.clone())
        .max_decoding_message_size(gobgp::MAX_MESSAGE)
        .max_encoding_message_size(gobgp::MAX_MESSAGE);
    Ok(Routes::new(bgpd)
        .add_service(Streams::version_3(version_3, gobgp.clone()))
        .add_service(Streams::version_4(version_4, gobgp))
        .add_service(health)
        .add_service(reflection().build_v1().context("reflection")?)
        .add_service(reflection().build_v1alpha().context("reflection")?))
}

/// How long calls may go on after shutdown.
const DRAIN: Duration = Duration::from_secs(2);

/// A client whose host has vanished is found out after twice this time.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Calls at the same time on one connection; more wait at the client.
const STREAMS_PER_CONNECTION: u32 = 64;

struct Service<C> {
    control: C,
    shutdown: CancellationToken,
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl<C> Service<C> {
    /// A stream of replies that ends with an error, not quietly, when the daemon goes down.
    fn replies<T: Send + 'static>(
        &self,
        replies: impl Stream<Item = T> + Send + 'static,
    ) -> Response<Replies<T>> {
        let shutdown = self.shutdown.clone();
        let cut = stream::once(async move { shutdown.is_cancelled() })
            .filter_map(async |cut| cut.then(|| Err(ControlError::ShuttingDown.into())));
        let replies = replies
            .map(Ok)
            .take_until(self.shutdown.clone().cancelled_owned());
        Response::new(Box::pin(replies.chain(cut)))
    }
}

#[tonic::async_trait]
impl<C: Control> Bgpd for Service<C> {
    type ListPeersStream = Replies<v1::ListPeersResponse>;
    type ListRoutesStream = Replies<v1::ListRoutesResponse>;
    type ListBfdStream = Replies<v1::ListBfdResponse>;
    type ListFibStream = Replies<v1::ListFibResponse>;
    type ListPolicySetsStream = Replies<v1::ListPolicySetsResponse>;
    type ListPoliciesStream = Replies<v1::ListPoliciesResponse>;
    type ListNextHopsStream = Replies<v1::ListNextHopsResponse>;
    type WatchStream = Replies<v1::WatchResponse>;

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let status = self.control.status().await?.to_protobuf();
        Ok(Response::new(v1::GetStatusResponse {
            status: Some(status),
        }))
    }

    async fn list_peers(
        &self,
        request: Request<v1::ListPeersRequest>,
    ) -> Result<Response<Self::ListPeersStream>, Status> {
        let address = request
            .into_inner()
            .address
            .as_deref()
            .map(|text| convert::peer_name("address", text));
        let peers = self.control.peers(address.transpose()?).await?;
        let pages = pages(peers.iter().map(PeerStatus::to_protobuf));
        Ok(self.replies(stream::iter(pages).map(|peers| v1::ListPeersResponse { peers })))
    }

    async fn order_peer(
        &self,
        request: Request<v1::OrderPeerRequest>,
    ) -> Result<Response<v1::OrderPeerResponse>, Status> {
        let (peer, order) = convert::order(request.into_inner())?;
        self.control.order(peer, order).await?;
        Ok(Response::new(v1::OrderPeerResponse {}))
    }

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<Self::ListRoutesStream>, Status> {
        let query = convert::query(request.into_inner())?;
        let found = ReceiverStream::new(self.control.routes(query).await?);
        let pages = found.flat_map(|page| stream::iter(pages(page.iter().map(Route::to_protobuf))));
        Ok(self.replies(pages.map(|routes| v1::ListRoutesResponse { routes })))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let (prefix, matching) = convert::explain_request(&request.into_inner())?;
        Ok(Response::new(
            self.control.explain(prefix, matching).await?.to_protobuf(),
        ))
    }

    async fn list_bfd(
        &self,
        request: Request<v1::ListBfdRequest>,
    ) -> Result<Response<Self::ListBfdStream>, Status> {
        let address = request.into_inner().address;
        let address = address
            .map(|text| convert::address("address", &text))
            .transpose()?;
        let sessions = self.control.bfd(address).await?;
        let pages = pages(sessions.iter().map(BfdStatus::to_protobuf));
        Ok(self.replies(stream::iter(
            pages
                .into_iter()
                .map(|sessions| v1::ListBfdResponse { sessions }),
        )))
    }

    async fn list_fib(
        &self,
        _: Request<v1::ListFibRequest>,
    ) -> Result<Response<Self::ListFibStream>, Status> {
        let routes = self.control.fib().await?;
        let mut rest = routes.into_iter().peekable();
        // Converted as the client reads: a million kernel routes are not held twice.
        let pages = stream::iter(std::iter::from_fn(move || {
            rest.peek()?;
            Some(pages(
                rest.by_ref()
                    .take(FIB_ROUTES_AT_A_TIME)
                    .map(|route: FibRoute| route.to_protobuf()),
            ))
        }));
        let pages = pages.flat_map(stream::iter);
        Ok(self.replies(pages.map(|routes| v1::ListFibResponse { routes })))
    }

    async fn list_policy_sets(
        &self,
        _: Request<v1::ListPolicySetsRequest>,
    ) -> Result<Response<Self::ListPolicySetsStream>, Status> {
        let found = self.control.policies().await?;
        let pages = pages(found.sets.iter().map(DefinedSet::to_protobuf));
        let replies = |sets| v1::ListPolicySetsResponse { sets };
        Ok(self.replies(stream::iter(pages).map(replies)))
    }

    async fn list_policies(
        &self,
        _: Request<v1::ListPoliciesRequest>,
    ) -> Result<Response<Self::ListPoliciesStream>, Status> {
        let found = self.control.policies().await?;
        let pages = pages(found.definitions.iter().map(PolicyDefinition::to_protobuf));
        let replies = |policies| v1::ListPoliciesResponse { policies };
        Ok(self.replies(stream::iter(pages).map(replies)))
    }

    async fn list_next_hops(
        &self,
        _: Request<v1::ListNextHopsRequest>,
    ) -> Result<Response<Self::ListNextHopsStream>, Status> {
        let found = self.control.next_hops().await?;
        let pages = pages(found.iter().map(NextHopStatus::to_protobuf));
        let replies = |next_hops| v1::ListNextHopsResponse { next_hops };
        Ok(self.replies(stream::iter(pages).map(replies)))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let v1::WatchRequest { peers, routes, fib } = request.into_inner();
        if !(peers || routes || fib) {
            return Err(Status::invalid_argument(
                "nothing to watch: set `peers`, `routes` or `fib`",
            ));
        }
        let events = ReceiverStream::new(
            self.control
                .watch(WatchFilter { peers, routes, fib })
                .await?,
        );
        let ready = stream::once(async { v1::WatchResponse { event: None } });
        Ok(self.replies(ready.chain(events.map(|event| event.to_protobuf()))))
    }

    async fn add_routes(
        &self,
        request: Request<v1::AddRoutesRequest>,
    ) -> Result<Response<v1::AddRoutesResponse>, Status> {
        let routes = convert::list(
            "routes",
            request.into_inner().routes,
            NewRoute::from_protobuf,
        )?;
        self.control.add_routes(routes).await?;
        Ok(Response::new(v1::AddRoutesResponse {}))
    }

    async fn delete_routes(
        &self,
        request: Request<v1::DeleteRoutesRequest>,
    ) -> Result<Response<v1::DeleteRoutesResponse>, Status> {
        let routes = convert::list("routes", request.into_inner().routes, |key| {
            Ok((convert::prefix("prefix", &key.prefix)?, key.path_id))
        })?;
        let deleted = self.control.delete_routes(routes).await?;
        Ok(Response::new(v1::DeleteRoutesResponse { deleted }))
    }

    async fn reload(
        &self,
        _: Request<v1::ReloadRequest>,
    ) -> Result<Response<v1::ReloadResponse>, Status> {
        let changes = self.control.reload().await?;
        Ok(Response::new(v1::ReloadResponse { changes }))
    }

    async fn plan(
        &self,
        request: Request<v1::PlanRequest>,
    ) -> Result<Response<v1::PlanResponse>, Status> {
        let request = PlanRequest::from_protobuf(request.into_inner())?;
        Ok(Response::new(
            self.control.plan(request).await?.to_protobuf(),
        ))
    }
}

/// Groups messages so that each group encodes to at most [`PAGE`] octets, or is a single message.
fn pages<M: Message>(messages: impl Iterator<Item = M>) -> Vec<Vec<M>> {
    let mut pages = Vec::new();
    let mut page = Vec::new();
    let mut octets = 0;
    for message in messages {
        let length = message.encoded_len();
        if octets + length > PAGE && !page.is_empty() {
            pages.push(std::mem::take(&mut page));
            octets = 0;
        }
        octets += length;
        page.push(message);
    }
    if !page.is_empty() {
        pages.push(page);
    }
    pages
}

/// What one message of a list may measure: well below the 4 MiB that gRPC clients accept unless told otherwise.
const PAGE: usize = 1 << 20;

const FIB_ROUTES_AT_A_TIME: usize = 1024;

impl From<ControlError> for Status {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotFound(text) => Self::not_found(text),
            ControlError::Exists(text) => Self::already_exists(text),
            ControlError::Invalid(text) => Self::invalid_argument(text),
            ControlError::NotPossible(text) => Self::failed_precondition(text),
            ControlError::ShuttingDown => Self::unavailable(error.to_string()),
        }
    }
}

impl From<BadMessage> for Status {
    fn from(error: BadMessage) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stays_below_its_bound_unless_one_message_is_larger() {
        let message = |octets: usize| v1::FibRoute {
            detail: "x".repeat(octets),
            ..v1::FibRoute::default()
        };
        let lengths: Vec<_> = pages(
            [PAGE / 2, PAGE / 3, PAGE / 3, 3 * PAGE, 1, 1]
                .into_iter()
                .map(message),
        )
        .iter()
        .map(Vec::len)
        .collect();
        assert_eq!(lengths, [2, 1, 1, 2]);
        assert!(pages(std::iter::empty::<v1::FibRoute>()).is_empty());
    }
}
