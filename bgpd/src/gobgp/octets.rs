// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `WatchEvent` and `ListPath` as octets: what is the same for all who watch is encoded once, and each is sent the same
//! octets; and what waits for one who lists takes no more memory than that.
//!
//! The generated servers encode a message for each client when it is to be sent, so these calls are answered before they
//! see them.

use std::{
    convert::Infallible,
    marker::PhantomData,
    task::{Context, Poll},
};

use bgpd_api::{Message, v3, v4};
use bytes::{BufMut as _, Bytes};
use futures_util::future::BoxFuture;
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{Service, http},
    server::{Grpc, NamedService, ServerStreamingService},
};

use super::{Gobgp, MAX_MESSAGE, Version, stream::Replies};
use crate::api::Control;

/// A generated server, and in front of it the calls that are answered here.
#[derive(Clone)]
pub(crate) struct Streams<S, C> {
    server: S,
    gobgp: Gobgp<C>,
    version: Version,
}

impl<S, C> Streams<S, C> {
    pub(crate) fn version_3(server: S, gobgp: Gobgp<C>) -> Self {
        let version = Version::Three;
        Self {
            server,
            gobgp,
            version,
        }
    }

    pub(crate) fn version_4(server: S, gobgp: Gobgp<C>) -> Self {
        let version = Version::Four;
        Self {
            server,
            gobgp,
            version,
        }
    }
}

impl<S: NamedService, C> NamedService for Streams<S, C> {
    const NAME: &'static str = S::NAME;
}

impl<S, C: Control> Service<http::Request<Body>> for Streams<S, C>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.server.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let call = request.uri().path().rsplit('/').next();
        let gobgp = self.gobgp.clone();
        match (call, self.version) {
            (Some("WatchEvent"), Version::Three) => {
                answer::<_, v3::WatchEventRequest>(gobgp, request)
            }
            (Some("WatchEvent"), Version::Four) => {
                answer::<_, v4::WatchEventRequest>(gobgp, request)
            }
            (Some("ListPath"), Version::Three) => answer::<_, v3::ListPathRequest>(gobgp, request),
            (Some("ListPath"), Version::Four) => answer::<_, v4::ListPathRequest>(gobgp, request),
            _ => Box::pin(self.server.call(request)),
        }
    }
}

/// A request whose replies are octets.
trait Question: Message + Default + 'static {
    fn answer<C: Control>(
        self,
        gobgp: Gobgp<C>,
    ) -> impl Future<Output = Result<Replies<Bytes>, Status>> + Send;
}

impl Question for v3::WatchEventRequest {
    async fn answer<C: Control>(self, gobgp: Gobgp<C>) -> Result<Replies<Bytes>, Status> {
        gobgp.watch_event(self.into(), Version::Three).await
    }
}

impl Question for v4::WatchEventRequest {
    async fn answer<C: Control>(self, gobgp: Gobgp<C>) -> Result<Replies<Bytes>, Status> {
        gobgp.watch_event(self, Version::Four).await
    }
}

impl Question for v3::ListPathRequest {
    async fn answer<C: Control>(self, gobgp: Gobgp<C>) -> Result<Replies<Bytes>, Status> {
        gobgp.list_path(self.into(), Version::Three).await
    }
}

impl Question for v4::ListPathRequest {
    async fn answer<C: Control>(self, gobgp: Gobgp<C>) -> Result<Replies<Bytes>, Status> {
        gobgp.list_path(self, Version::Four).await
    }
}

fn answer<C: Control, R: Question>(
    gobgp: Gobgp<C>,
    request: http::Request<Body>,
) -> BoxFuture<'static, Result<http::Response<Body>, Infallible>> {
    Box::pin(async move {
        let codec = Octets(PhantomData::<R>);
        let mut grpc =
            Grpc::new(codec).apply_max_message_size_config(Some(MAX_MESSAGE), Some(MAX_MESSAGE));
        Ok(grpc.server_streaming(Answering(gobgp), request).await)
    })
}

struct Answering<C>(Gobgp<C>);

impl<C: Control, R: Question> ServerStreamingService<R> for Answering<C> {
    type Response = Bytes;
    type ResponseStream = Replies<Bytes>;
    type Future = BoxFuture<'static, Result<Response<Replies<Bytes>>, Status>>;

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let gobgp = self.0.clone();
        Box::pin(async move { Ok(Response::new(request.into_inner().answer(gobgp).await?)) })
    }
}

/// Requests are messages, replies are octets.
struct Octets<R>(PhantomData<R>);

impl<R: Message + Default + 'static> Codec for Octets<R> {
    type Encode = Bytes;
    type Decode = R;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(PhantomData)
    }
}

impl<R> Encoder for Octets<R> {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl<R: Message + Default> Decoder for Octets<R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        let message = R::decode(from).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Some(message))
    }
}
