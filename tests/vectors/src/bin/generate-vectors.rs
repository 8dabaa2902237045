//! Writes `card-applet-spec/vectors` anew: `cargo run -p vectors --bin generate-vectors -- card-applet-spec/vectors`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .ok_or(std::io::ErrorKind::InvalidInput)?,
    );
    for (name, content) in vectors::vectors::all() {
        let text = serde_json::to_string_pretty(&content)?;
        std::fs::write(folder.join(format!("{name}.json")), text + "\n")?;
    }
    Ok(())
}
