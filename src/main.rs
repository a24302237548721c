//! The `bellwether` binary.

use std::process::ExitCode;

/// sled makes and drops small pieces without end, on several threads: the system's allocator takes longer for it, and
/// keeps more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, which the bindings leave out: it stands before this one (mimalloc.h, `mi_option_e`).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = libmimalloc_sys::mi_option_use_numa_nodes - 1;

fn main() -> ExitCode {
    give_memory_back_at_once();
    bellwether::cli::main()
}

/// What is free goes back to the system at once. By default it waits for a second, and then for its thread to do
/// something: threads that answered a large question and have nothing more to do would keep all that it took.
/// `MIMALLOC_PURGE_DELAY` in the environment still comes first.
fn give_memory_back_at_once() {
    // SAFETY: it sets a number, before there is another thread that could read it
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds, as mimalloc 3 has it: another number would mean that the options moved.
    const DELAY_BY_DEFAULT: std::ffi::c_long = 1_000;

    #[test]
    fn memory_is_given_back_at_once() {
        // SAFETY: options are read and set by one thread, as `main` does
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), DELAY_BY_DEFAULT);
        give_memory_back_at_once();
        assert_eq!(delay(), 0);
    }
}
