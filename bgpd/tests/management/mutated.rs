// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Thousands of requests that are almost right: each gets an answer that says what kind of wrong it is, none costs a
//! connection, and the server goes on.

use bgpd_api::{Message, v3, v4};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

use crate::{fake::Fake, gobgp::old_path};

const ROUNDS: usize = 400;

#[tokio::test]
async fn mutated_requests_are_answered_and_harm_nobody() {
    let served = Fake::default().serve().await;
    let address = format!("http://{}", served.address);
    let channel = Channel::from_shared(address)
        .expect("an address")
        .connect()
        .await
        .expect("connected");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (path, request) in requests() {
        for _ in 0..ROUNDS {
            let mutated = random.mutate(&request);
            let answer = call(&channel, path, mutated.clone()).await;
            let code = answer.as_ref().map_or_else(Status::code, |()| Code::Ok);
            let text = answer.map_or_else(|status| status.message().to_owned(), |()| String::new());
            let is_no_protobuf = code == Code::Internal && text.contains("decode");
            let is_an_answer = matches!(
                code,
                Code::Ok
                    | Code::InvalidArgument
                    | Code::NotFound
                    | Code::FailedPrecondition
                    | Code::Unimplemented
            );
            assert!(
                is_an_answer || is_no_protobuf,
                "{path}: {code:?} {text} for {mutated:x?}"
            );
        }
    }
}

fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let family = Some(v4::Family { afi: 1, safi: 1 });
    let lookup = v4::TableLookupPrefix {
        prefix: "10.244.1.0/26".into(),
        r#type: 2,
        ..Default::default()
    };
    let new_path = v4::Path::try_from(old_path("10.9.0.0", 16)).expect("converted");
    let octets = v4::Path {
        nlri_binary: vec![16, 10, 9],
        pattrs_binary: vec![
            vec![0x40, 1, 1, 0],
            vec![0x40, 3, 4, 192, 0, 2, 9],
            vec![0x40, 2, 6, 2, 1, 0, 0, 0xfb, 0xf0],
        ],
        ..new_path.clone()
    };
    let add = |path| {
        v4::AddPathRequest {
            table_type: 1,
            path: Some(path),
            ..Default::default()
        }
        .encode_to_vec()
    };
    let list = v4::ListPathRequest {
        table_type: 1,
        family,
        prefixes: vec![lookup],
        enable_attribute_binary: true,
        ..Default::default()
    };
    let adj_in = v4::GetTableRequest {
        table_type: 3,
        family,
        name: "192.0.2.1".into(),
    };
    let reset = v4::ResetPeerRequest {
        address: "192.0.2.1".into(),
        soft: true,
        direction: 1,
        ..Default::default()
    };
    let delete = v4::DeletePathRequest {
        table_type: 1,
        path: Some(new_path.clone()),
        family,
        ..Default::default()
    };
    let old = v3::AddPathRequest {
        path: Some(old_path("10.9.0.0", 16)),
        ..Default::default()
    };
    let many = v3::AddPathStreamRequest {
        paths: vec![old_path("10.9.0.0", 16); 3],
        ..Default::default()
    };
    vec![
        ("/apipb.GobgpApi/AddPath", old.encode_to_vec()),
        ("/apipb.GobgpApi/AddPathStream", many.encode_to_vec()),
        ("/api.GoBgpService/AddPath", add(new_path)),
        ("/api.GoBgpService/AddPath", add(octets)),
        ("/api.GoBgpService/DeletePath", delete.encode_to_vec()),
        ("/api.GoBgpService/ListPath", list.encode_to_vec()),
        ("/api.GoBgpService/GetTable", adj_in.encode_to_vec()),
        (
            "/api.GoBgpService/ListPeer",
            v4::ListPeerRequest {
                address: "192.0.2.1".into(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        ("/api.GoBgpService/ResetPeer", reset.encode_to_vec()),
        ("/api.GoBgpService/SetPolicies", Vec::new()),
    ]
}

/// Sends octets as a request and reads the replies to their end.
pub(crate) async fn call(
    channel: &Channel,
    path: &'static str,
    octets: Vec<u8>,
) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("the connection stands");
    let path = PathAndQuery::from_static(path);
    let mut replies = grpc
        .server_streaming(Request::new(octets), path, Octets)
        .await?
        .into_inner();
    while replies.message().await?.is_some() {}
    Ok(())
}

/// Messages as they are.
#[derive(Default)]
struct Octets;

impl Codec for Octets {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Octets {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(out, &item);
        Ok(())
    }
}

impl Decoder for Octets {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(from);
        Ok(Some(bytes::Buf::copy_to_bytes(from, length).to_vec()))
    }
}

/// The same mistakes every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound.max(1)
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("an octet")
    }

    /// One to four mistakes.
    fn mutate(&mut self, original: &[u8]) -> Vec<u8> {
        let mut octets = original.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(octets.len());
            match self.below(5) {
                0 => octets.insert(place, self.octet()),
                1 => octets.truncate(place),
                2 if !octets.is_empty() => drop(octets.remove(place)),
                _ => {
                    if let Some(octet) = octets.get_mut(place) {
                        *octet ^= 1 << (self.0 % 8);
                    }
                }
            }
        }
        octets
    }
}
