//! A firmware image's ELF file: the bytes that end up in flash, and where its functions are.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{LittleEndian, Object, ObjectSymbol, SymbolKind};

/// What tests need to know of an image.
#[derive(Debug, Clone)]
pub struct Image {
    flash: Vec<u8>,
    functions: Vec<(String, u32)>,
    stack: Range<u32>,
    variables: Range<u32>,
}

impl Image {
    /// Reads the ELF file.
    ///
    /// # Errors
    /// When it is no 32-bit little-endian ELF file, or its parts overlap.
    pub fn open(path: &Path) -> Result<Self> {
        let file = fs::read(path).with_context(|| format!("image {}", path.display()))?;
        let elf = ElfFile32::<LittleEndian, &[u8]>::parse(&*file)?;
        let mut flash = Vec::new();
        for segment in elf.elf_program_headers() {
            let bytes = segment.data(LittleEndian, &*file).unwrap_or_default();
            if segment.p_type(LittleEndian) != object::elf::PT_LOAD || bytes.is_empty() {
                continue;
            }
            let start = segment.p_paddr(LittleEndian) as usize;
            ensure!(start >= flash.len(), "segments of {} overlap", path.display());
            flash.resize(start, 0);
            flash.extend_from_slice(bytes);
        }
        let place = |name| {
            let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(name));
            let symbol = symbol.with_context(|| format!("{} has no symbol {name}", path.display()));
            symbol.map(|symbol| address(symbol.address()))
        };
        // The linker fills up the last segment, behind the note.
        flash.truncate(place("__image_end")? as usize);
        let functions = elf
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text)
            .filter_map(|symbol| Some((readable(symbol.name().ok()?), address(symbol.address()))))
            .collect();
        Ok(Self {
            flash,
            functions,
            stack: place("_stack_end")?..place("_stack_start")?,
            variables: place("__sdata")?..place("__euninit")?,
        })
    }

    /// The image as it lies in flash, from address 0 to the end of its note.
    #[must_use]
    pub fn flash(&self) -> &[u8] {
        &self.flash
    }

    /// The memory that the stack may take; it grows from the end towards the start.
    #[must_use]
    pub fn stack(&self) -> Range<u32> {
        self.stack.clone()
    }

    /// The memory of everything else: what the linker has placed.
    #[must_use]
    pub fn variables(&self) -> Range<u32> {
        self.variables.clone()
    }

    /// The addresses of all functions whose demangled name contains `part`.
    ///
    /// # Errors
    /// When there is none: it was renamed, or the compiler has inlined it everywhere.
    pub fn functions(&self, part: &str) -> Result<Vec<u32>> {
        let found = self.functions.iter().filter(|(name, _)| name.contains(part));
        let addresses: Vec<u32> = found.map(|(_, address)| *address).collect();
        ensure!(!addresses.is_empty(), "the image has no function {part:?}");
        Ok(addresses)
    }
}

fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Bit 0 of a function's address says "Thumb" and is not part of where it is.
fn address(symbol: u64) -> u32 {
    u32::try_from(symbol).unwrap_or_default() & !1
}
