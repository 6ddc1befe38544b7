//! What the two wasm builds have in common, worker and widget: cargo, wasm-opt, esbuild, and putting a finished
//! directory into place.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::npm::Tools;
use crate::repo;
use crate::wasm_order;
use crate::wasm_target::{TARGET, Toolchain};

/// What a build is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Profile {
    /// What is deployed, tested and measured.
    Shipped,
    /// Quick to build; several times larger and slower.
    Dev,
}

/// How the standard library is compiled along, for size.
struct Smaller {
    /// As `-Zbuild-std` takes them.
    crates: &'static str,
    /// A folder in `target` of its own: the crates of one do not fit the other.
    target: &'static str,
}

const WITH_STD: Smaller = Smaller { crates: "std,panic_abort", target: "wasm" };
const WITHOUT_STD: Smaller = Smaller { crates: "core,alloc", target: "widget" };

/// A panic is a trap without words, and neither where it was nor what a value looks like to a programmer is kept:
/// kilobytes that say nothing to anybody at the edge.
const WITHOUT_WORDS: [&str; 4] =
    ["-Zunstable-options", "-Cpanic=immediate-abort", "-Zlocation-detail=none", "-Zfmt-debug=none"];

/// Compiles a package, and says where its wasm is. `shipped` is the cargo profile of what is deployed.
pub fn cargo_build(toolchain: &Toolchain, package: &str, shipped: &str, profile: Profile) -> Result<PathBuf> {
    build(toolchain, package, shipped, profile, &WITH_STD)
}

/// The same for a `no_std` package, whose size matters most: a fifth smaller than with the precompiled crates.
pub fn cargo_build_smallest(toolchain: &Toolchain, package: &str, shipped: &str, profile: Profile) -> Result<PathBuf> {
    build(toolchain, package, shipped, profile, &WITHOUT_STD)
}

/// What is shipped compiles the standard library along. Where the toolchain has no source of it, or refuses, the ordinary
/// build does: it works as well and weighs more.
fn build(toolchain: &Toolchain, package: &str, shipped: &str, profile: Profile, smaller: &Smaller) -> Result<PathBuf> {
    let (name, folder) = match profile {
        Profile::Shipped => (shipped, shipped),
        Profile::Dev => ("dev", "debug"),
    };
    let cargo = || toolchain.cargo(&["build", "--package", package, "--target", TARGET, "--profile", name]);
    if profile == Profile::Shipped && toolchain.has_source() {
        let mut flags = remap_flags(toolchain);
        for flag in WITHOUT_WORDS {
            flags.push("\x1f");
            flags.push(flag);
        }
        let mut cargo = cargo();
        cargo.args([&format!("-Zbuild-std={}", smaller.crates), "-Zbuild-std-features=optimize_for_size"]);
        // These options are not stable; what they make is the same program, and the tests run on it.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", flags);
        cargo.env("CARGO_TARGET_DIR", repo::target().join(smaller.target));
        match repo::run(&mut cargo) {
            Ok(()) => return Ok(built(smaller.target, folder, package)),
            Err(error) => eprintln!("xtask: {error:#}; building {package} in the ordinary way, which makes it larger"),
        }
    }
    repo::run(cargo().env("CARGO_ENCODED_RUSTFLAGS", remap_flags(toolchain)))?;
    Ok(built("wasm", folder, package))
}

fn built(target: &str, folder: &str, package: &str) -> PathBuf {
    repo::target().join(target).join(TARGET).join(folder).join(format!("{}.wasm", package.replace('-', "_")))
}

/// Panic messages carry file names: they must not tell where and by whom the worker was built.
fn remap_flags(toolchain: &Toolchain) -> OsString {
    let mut flags = OsString::new();
    let mut remap = |from: &Path, to: &str| {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push(format!("={to}"));
    };
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cargo")));
    if let Some(home) = home {
        remap(&home, "cargo");
    }
    // The standard library's own names, when its source is installed.
    if let Some(sysroot) = toolchain.sysroot() {
        remap(&sysroot, "rust");
    }
    remap(&repo::root(), "satstile");
    flags
}

/// With esbuild, which comes with wrangler. The shim is readable where it is written.
pub fn minify(tools: &Tools, module: &Path) -> Result<()> {
    let mut esbuild = tools.node();
    esbuild.arg("node_modules/esbuild/bin/esbuild").arg(module).args([
        "--minify",
        "--format=esm",
        "--log-level=warning",
    ]);
    repo::run(esbuild.arg("--allow-overwrite").arg(format!("--outfile={}", module.display())))
}

/// As small as wasm-opt makes it, and then as small as it gets on the wire.
pub fn optimise(tools: &Tools, wasm: &Path) -> Result<()> {
    const FEATURES: [&str; 7] = [
        "mutable-globals",
        "sign-ext",
        "nontrapping-float-to-int",
        "bulk-memory",
        "multivalue",
        "reference-types",
        "exception-handling",
    ];
    // Twice: what the first pass leaves, the second one folds, and in an order that packs better. The lowest kilobyte is
    // the stack's last: nothing of ours has an address in it, so an offset may be folded into each load and store.
    const FIRST: &[&str] = &["-Oz", "--strip-debug", "--gufa", "-Oz", "--converge"];
    const SECOND: &[&str] = &["--low-memory-unused", "-Oz", "--strip-producers", "--strip-target-features"];
    for passes in [FIRST, SECOND] {
        let mut command = tools.wasm_opt();
        command.args(passes).args(FEATURES.map(|f| format!("--enable-{f}")));
        repo::run(command.arg(wasm).arg("-o").arg(wasm))?;
    }
    let bytes = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let bytes = wasm_order::reorder(&bytes).with_context(|| wasm.display().to_string())?;
    fs::write(wasm, bytes).with_context(|| format!("cannot write {}", wasm.display()))
}

/// A directory that is built beside the one in use, and then takes its place as a whole: whoever reads it sees the old
/// one or the new one. Only one build at a time has it; another waits.
pub struct Staged {
    out: PathBuf,
    /// Where to build.
    pub new: PathBuf,
    _lock: fs::File,
}

impl Staged {
    /// Waits for its turn.
    pub fn of(out: PathBuf) -> Result<Self> {
        let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parent = out.parent().context("a directory without a parent")?;
        fs::create_dir_all(parent)?;
        let lock = fs::File::create(parent.join(format!(".{name}.lock")))?;
        lock.lock().context("cannot wait for another build")?;
        Ok(Self { new: parent.join(format!(".{name}.new")), out, _lock: lock })
    }

    /// Whether what is in use was made of these inputs.
    pub fn is_made_of(&self, inputs: &str) -> bool {
        fs::read_to_string(self.out.join(".inputs")).is_ok_and(|have| have == inputs)
    }

    /// An empty directory to build in.
    pub fn begin(&self) -> Result<()> {
        remove(&self.new)?;
        fs::create_dir_all(&self.new).with_context(|| format!("cannot make {}", self.new.display()))
    }

    /// One rename that exchanges the two, where the system has that; else two, with the old one out of the way in between.
    pub fn finish(&self, inputs: &str) -> Result<()> {
        fs::write(self.new.join(".inputs"), inputs)?;
        if self.out.exists() {
            if exchange(&self.new, &self.out) {
                return remove(&self.new);
            }
            let old = self.new.with_extension("old");
            remove(&old)?;
            fs::rename(&self.out, &old).with_context(|| format!("cannot move the old {} away", self.out.display()))?;
            fs::rename(&self.new, &self.out)
                .with_context(|| format!("cannot put {} into place", self.out.display()))?;
            return remove(&old);
        }
        fs::rename(&self.new, &self.out).with_context(|| format!("cannot put {} into place", self.out.display()))
    }
}

/// Whether each of the two now has the other's name: at no moment is there nothing under either.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn exchange(one: &Path, other: &Path) -> bool {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).is_ok()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn exchange(_: &Path, _: &Path) -> bool {
    false
}

/// Removes a directory that may not be there.
pub fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// What reads the directory while it is replaced, as `wrangler dev` does, sees the old one or the new one.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn a_rebuild_is_never_seen_half_c14() {
        let parent = std::env::temp_dir().join(format!("satstile-staged-{}", std::process::id()));
        let staged = Staged::of(parent.join("worker")).unwrap();
        let build = |n: u32| {
            staged.begin().unwrap();
            fs::write(staged.new.join("index.js"), n.to_string()).unwrap();
            staged.finish(&n.to_string()).unwrap();
        };
        build(0);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    fs::read(parent.join("worker/index.js")).unwrap();
                }
            });
            (1..200).for_each(build);
            is_over.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert_eq!(fs::read_to_string(parent.join("worker/index.js")).unwrap(), "199");
        assert!(staged.is_made_of("199") && !staged.new.exists());
        remove(&parent).unwrap();
    }
}
