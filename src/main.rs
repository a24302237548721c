//! The `bellwether` binary.

use std::process::ExitCode;

/// sled makes and drops small pieces without end, on several threads: the system's allocator takes longer for it, and
/// keeps more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bellwether::cli::main()
}
