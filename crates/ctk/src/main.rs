//! The program; everything is in the library beside it.

/// SQLite and the AWS SDK allocate for each text and each record; this one is quicker at it (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ctk::main()
}
