//! Generates the Rust types of the wire schema. The compiler of the schema is a Rust library (protox), so the build needs no `protoc`.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = ["entry", "audit", "sync", "operator"].map(|name| format!("wire/sinergi/v1/{name}.proto"));
    for file in &schema {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&schema, ["wire"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".sinergi.v1.Item.signed_entry")
        .bytes(".sinergi.v1.Content.data")
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
