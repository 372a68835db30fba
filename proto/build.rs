//! Compiles the wire schema in Rust (protox), so that a clone builds without `protoc`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = ["entry", "audit", "sync", "operator"].map(|name| format!("wire/sinergi/v1/{name}.proto"));
    for file in &schema {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&schema, ["wire"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost_bytes(&descriptors))?;
    tonic_prost_build::configure()
        .bytes(".sinergi.v1.Item.signed_entry")
        .bytes(".sinergi.v1.Content.data")
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}

fn prost_bytes(descriptors: &impl prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
