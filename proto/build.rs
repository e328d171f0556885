// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generates the API's code from its protobuf, without `protoc`.

use std::{env, error::Error, fs, path::Path};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=bgpd");
    let descriptors = protox::compile(["bgpd/v1/bgpd.proto"], ["."])?;
    let directory = env::var("OUT_DIR")?;
    // Server reflection answers from this.
    fs::write(
        Path::new(&directory).join("descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
