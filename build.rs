//! Compiles the CUDA kernels to PTX where the `cuda` feature asks for them; nothing else needs building.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

const KERNELS: &str = "src/model/cuda/kernels.cu";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo::rerun-if-changed=src/model/cuda");
    let homes = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"];
    for name in homes {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let nvcc = homes
        .into_iter()
        .filter_map(env::var_os)
        .map(|home| PathBuf::from(home).join("bin/nvcc"))
        .find(|path| path.exists())
        .unwrap_or_else(|| "nvcc".into());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("kernels.ptx");
    // The driver compiles PTX for the GPU it finds, so this suits every generation from Ampere on.
    let done = Command::new(&nvcc)
        .args(["-ptx", "-O3", "-std=c++17", "-arch=compute_80", "-o"])
        .arg(&out)
        .arg(KERNELS)
        .status();
    let made = done.is_ok_and(|status| status.success()) && fs::metadata(&out).is_ok();
    assert!(made, "{} could not compile {KERNELS}: install the CUDA toolkit, or set CUDA_HOME to it", nvcc.display());
}
