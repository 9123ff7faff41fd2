//! The binary: see [`curbwatch::cli`].

fn main() -> std::process::ExitCode {
    curbwatch::cli::main()
}
