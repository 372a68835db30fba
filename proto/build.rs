//! Generates the Rust types of the schema: the peer protocol, and apart from it the operator API, which no module of this crate uses.
//!
//! The compiler of the schema is a Rust library (protox), so the build needs no `protoc`.

use std::fs;
use std::io;
use std::path::PathBuf;

use prost::Message;

/// The schema of the peer protocol.
const PEER_PROTOCOL: [&str; 4] = ["receipt", "entry", "audit", "sync"];
/// The schema of the operator API. It uses messages of the peer protocol.
const OPERATOR_API: &str = "operator";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let schema: Vec<String> = PEER_PROTOCOL.iter().chain([&OPERATOR_API]).map(|name| file_of(name)).collect();
    for file in &schema {
        println!("cargo::rerun-if-changed=wire/{file}");
    }
    let mut all = protox::compile(&schema, ["wire"])?;
    fs::write(out.join("descriptors.bin"), all.encode_to_vec())?;

    let mut peer_protocol = all.clone();
    peer_protocol.file.retain(|file| file.name() != file_of(OPERATOR_API));
    tonic_prost_build::configure()
        .bytes(".sinergi.v2.Item.signed_entry")
        .bytes(".sinergi.v2.SignedEntry")
        .bytes(".sinergi.v2.Envelope")
        .bytes(".sinergi.v2.Content.data")
        .build_transport(false)
        .out_dir(folder(&out, "wire")?)
        .compile_fds(peer_protocol.clone())?;

    let mut operator_api = tonic_prost_build::configure().build_transport(false).out_dir(folder(&out, "operator_api")?);
    for file in &peer_protocol.file {
        let messages = file.message_type.iter().map(|message| message.name());
        for name in messages.chain(file.enum_type.iter().map(|numbers| numbers.name())) {
            operator_api =
                operator_api.extern_path(format!(".{}.{name}", file.package()), format!("crate::wire::{name}"));
        }
    }
    all.file.iter_mut().filter(|file| file.name() != file_of(OPERATOR_API)).for_each(|file| file.service.clear());
    operator_api.compile_fds(all)?;
    Ok(())
}

fn file_of(name: &str) -> String {
    format!("sinergi/v2/{name}.proto")
}

fn folder(out: &std::path::Path, name: &str) -> io::Result<PathBuf> {
    let folder = out.join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
