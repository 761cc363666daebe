//! Compiles the BPF programs and generates their skeletons.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libbpf_cargo::SkeletonBuilder;

/// Where clang is looked for, best first. clang 15 is the first with all the CO-RE built-ins that
/// the programs use; 19 is what they are tested with.
const CLANGS: [&str; 7] = [
    "clang-19", "clang-20", "clang-21", "clang-18", "clang-17", "clang-16", "clang",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    println!("cargo::rerun-if-env-changed=BPF_CFLAGS");

    // v3 has atomics that return a value, and 32-bit jumps; every kernel since 5.12 takes it.
    let mut arguments: Vec<String> = vec![
        "-mcpu=v3".into(),
        "-fno-strict-aliasing".into(),
        "-Wall".into(),
        "-Wextra".into(),
    ];
    // Warnings are errors where this project is checked, not where somebody has another clang.
    let more = env::var("BPF_CFLAGS").unwrap_or_default();
    arguments.extend(more.split_whitespace().map(str::to_owned));
    // Debian and Ubuntu keep <asm/types.h> in a folder per architecture.
    let multiarch = format!(
        "/usr/include/{}-linux-gnu",
        env::var("CARGO_CFG_TARGET_ARCH")?
    );
    if Path::new(&multiarch).is_dir() {
        arguments.push(format!("-I{multiarch}"));
    }
    // The second is for tests, which cannot be told apart here from what is to be run.
    let mut objects = vec!["capture", "arithmetic"];
    for (feature, object) in [("YARDSTICK", "yardstick"), ("LONGER_LAYOUT", "longer")] {
        if env::var_os(format!("CARGO_FEATURE_{feature}")).is_some() {
            objects.push(object);
        }
    }
    for object in objects {
        let source = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("src/bpf");
        let skeleton = PathBuf::from(env::var("OUT_DIR")?);
        SkeletonBuilder::new()
            .source(source.join(format!("{object}.bpf.c")))
            .obj(skeleton.join(format!("{object}.bpf.o")))
            .clang(clang()?)
            .clang_args(&arguments)
            .build_and_generate(skeleton.join(format!("{object}.skel.rs")))?;
    }
    Ok(())
}

fn clang() -> Result<String, Box<dyn Error>> {
    if let Ok(clang) = env::var("CLANG") {
        return Ok(clang);
    }
    let runs = |clang: &&str| {
        let mut version = Command::new(clang);
        version
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    let found = CLANGS.into_iter().find(runs).ok_or(
        "no clang found to compile the BPF programs: install one (Debian: apt-get install \
         clang-19), or name it in CLANG",
    )?;
    Ok(found.to_owned())
}
