// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `WatchEvent` as octets: what is the same for all who watch is encoded once, and each is sent the same octets.
//!
//! The generated servers encode a message for each client, so this one call is answered before they see it.

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

use super::{Gobgp, MAX_MESSAGE, stream::Replies, watch::Version, wrong};
use crate::api::Control;

/// A generated server, and in front of it the call that is answered here.
#[derive(Clone)]
pub(crate) struct Watching<S, C> {
    server: S,
    gobgp: Gobgp<C>,
    version: Version,
}

impl<S, C> Watching<S, C> {
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

impl<S: NamedService, C> NamedService for Watching<S, C> {
    const NAME: &'static str = S::NAME;
}

impl<S, C: Control> Service<http::Request<Body>> for Watching<S, C>
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
        if !request.uri().path().ends_with("/WatchEvent") {
            return Box::pin(self.server.call(request));
        }
        let gobgp = self.gobgp.clone();
        match self.version {
            Version::Three => {
                let watch = Watch::<C, v3::WatchEventRequest>(gobgp, self.version, PhantomData);
                Box::pin(async move { Ok(watch.answer(request).await) })
            }
            Version::Four => {
                let watch = Watch::<C, v4::WatchEventRequest>(gobgp, self.version, PhantomData);
                Box::pin(async move { Ok(watch.answer(request).await) })
            }
        }
    }
}

/// The call, with the request of its version.
struct Watch<C, R>(Gobgp<C>, Version, PhantomData<R>);

impl<C: Control, R> Watch<C, R>
where
    R: Message + Default + TryInto<v4::WatchEventRequest> + 'static,
    R::Error: std::fmt::Display,
{
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let codec = Octets(PhantomData::<R>);
        let mut grpc =
            Grpc::new(codec).apply_max_message_size_config(Some(MAX_MESSAGE), Some(MAX_MESSAGE));
        grpc.server_streaming(self, request).await
    }
}

impl<C: Control, R> ServerStreamingService<R> for Watch<C, R>
where
    R: Message + Default + TryInto<v4::WatchEventRequest> + 'static,
    R::Error: std::fmt::Display,
{
    type Response = Bytes;
    type ResponseStream = Replies<Bytes>;
    type Future = BoxFuture<'static, Result<Response<Replies<Bytes>>, Status>>;

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let (gobgp, version) = (self.0.clone(), self.1);
        Box::pin(async move {
            let request = request.into_inner().try_into();
            let request = request.map_err(|error: R::Error| wrong(error.to_string()))?;
            Ok(Response::new(gobgp.watch_event(request, version).await?))
        })
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
