// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets on which one may look and not touch: what changes anything is refused, in every service, those to come too.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use tonic::{Status, body::Body, codegen::http};
use tower::{Layer, Service};

/// Calls by the beginning of their names that change nothing, in our service and in GoBGP's; and those of health and
/// reflection. A name that nobody has thought of is refused.
const LOOKING: &[&str] = &[
    "Get",
    "List",
    "Watch",
    "Monitor",
    "Explain",
    "Check",
    "ServerReflectionInfo",
];

/// Whether a call, `/package.Service/Method`, changes nothing.
fn only_looks(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    LOOKING.iter().any(|verb| method.starts_with(verb))
}

/// Makes a server one that may be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadOnly;

impl<S> Layer<S> for ReadOnly {
    type Service = Refusing<S>;

    fn layer(&self, inner: S) -> Refusing<S> {
        Refusing(inner)
    }
}

/// Services behind a socket for looking.
#[derive(Clone, Debug)]
pub(super) struct Refusing<S>(S);

impl<S, B> Service<http::Request<B>> for Refusing<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let path = request.uri().path();
        if only_looks(path) {
            return Either::Left(self.0.call(request));
        }
        let method = path.rsplit('/').next().unwrap_or_default();
        let text = format!("{method} is refused: this socket is for looking only");
        let refusal = Status::permission_denied(text).into_http();
        Either::Right(ready(Ok(refusal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_change_nothing_is_refused() {
        for method in [
            "GetStatus",
            "ListRoutes",
            "Watch",
            "WatchEvent",
            "Explain",
            "GetBgp",
        ] {
            assert!(only_looks(&format!("/some.Service/{method}")), "{method}");
        }
        for method in [
            "AddRoutes",
            "DeleteRoutes",
            "OrderPeer",
            "Reload",
            "Plan",
            "AddPath",
            "StopBgp",
            "ResetPeer",
            "SetLogLevel",
            "EnableMrt",
            "",
        ] {
            assert!(!only_looks(&format!("/api.GobgpApi/{method}")), "{method}");
        }
    }
}
