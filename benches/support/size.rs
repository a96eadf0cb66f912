//! How large the program is that this is a part of, and whether that is within its budget.

use std::{env, fs, io, process::Command};

/// With a URL as its argument the program sends a request there; otherwise it measures itself, without symbols.
///
/// So it is one program whose request the linker cannot leave out.
pub(crate) fn request_or_measure(name: &str, budget: u64, request: impl FnOnce(String)) {
    let argument = env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    if let Some(url) = argument {
        return request(url);
    }
    let size = size().expect("`strip` of binutils");
    println!("{name}: {size} bytes, of {budget}");
    assert!(size <= budget, "{name}: {size} bytes, more than {budget}");
}

fn size() -> io::Result<u64> {
    let program = env::current_exe()?;
    let stripped = program.with_extension("stripped");
    let strip = Command::new("strip").arg("-o").args([&stripped, &program]).status()?;
    if !strip.success() {
        return Err(io::Error::other(strip.to_string()));
    }
    let size = fs::metadata(&stripped)?.len();
    fs::remove_file(&stripped)?;
    Ok(size)
}
