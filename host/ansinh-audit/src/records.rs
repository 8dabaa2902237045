//! Data objects of a file one after the other, in bounded memory, going on behind bytes that are none.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use card_spec::tlv::{Error, length_of_first_object};

/// Bytes asked of the file at a time.
const CHUNK: usize = 64 * 1024;

/// What stands next in a file.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// A whole object that the caller's test accepted.
    Whole { offset: u64, bytes: &'a [u8] },
    /// Bytes up to the next object (or the end) that are none, and why the first of them is not one.
    Damaged { offset: u64, length: u64, reason: Error },
}

/// A file of concatenated data objects, each at most `longest` bytes.
#[derive(Debug)]
pub(crate) struct Records<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
    longest: usize,
    ended: bool,
}

impl Records<File> {
    pub(crate) fn open(path: &Path, longest: usize) -> io::Result<Self> {
        Ok(Self::new(File::open(path)?, longest))
    }
}

impl<R: Read> Records<R> {
    pub(crate) fn new(source: R, longest: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            longest,
            ended: false,
        }
    }

    /// The next object that passes `test`; what does not pass is skipped up to the next one that does.
    pub(crate) fn next_record(
        &mut self,
        test: impl Fn(&[u8]) -> Result<(), Error>,
    ) -> io::Result<Option<Record<'_>>> {
        self.fill()?;
        if self.window().is_empty() {
            return Ok(None);
        }
        let offset = self.offset;
        let reason = match self.first_object(&test) {
            Ok(total) => {
                let start = self.start;
                self.advance(total);
                let bytes = self.buffer.get(start..start + total).unwrap_or_default();
                return Ok(Some(Record::Whole { offset, bytes }));
            }
            Err(reason) => reason,
        };
        loop {
            self.advance(1);
            self.fill()?;
            if self.window().is_empty() || self.first_object(&test).is_ok() {
                let length = self.offset - offset;
                return Ok(Some(Record::Damaged {
                    offset,
                    length,
                    reason,
                }));
            }
        }
    }

    fn first_object(&self, test: &impl Fn(&[u8]) -> Result<(), Error>) -> Result<usize, Error> {
        let window = self.window();
        let extent = length_of_first_object(window)?.ok_or(Error::Encoding)?;
        if extent.total > self.longest {
            return Err(Error::Encoding);
        }
        test(window.get(..extent.total).ok_or(Error::Encoding)?)?;
        Ok(extent.total)
    }

    fn window(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Makes the next `longest` bytes available, or all that are left.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.window().len() >= self.longest {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = (CHUNK.max(self.longest)) as u64;
        let got = (&mut self.source).take(wanted).read_to_end(&mut self.buffer)?;
        self.ended = (got as u64) < wanted;
        Ok(())
    }
}

/// Reads a file that holds one small object; a longer one is no such object.
pub(crate) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    const LONGEST: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use card_spec::tlv::DataObject;

    fn walk(bytes: &[u8]) -> Vec<(u64, Result<usize, u64>)> {
        let mut records = Records::new(bytes, 16);
        let mut seen = Vec::new();
        let test = |bytes: &[u8]| {
            DataObject::parse(bytes).and_then(|object| match object.tag() {
                0x81 => Ok(()),
                _ => Err(Error::Expected(0x81)),
            })
        };
        while let Some(record) = records.next_record(test).unwrap() {
            seen.push(match record {
                Record::Whole { offset, bytes } => (offset, Ok(bytes.len())),
                Record::Damaged { offset, length, .. } => (offset, Err(length)),
            });
        }
        seen
    }

    #[test]
    fn goes_on_behind_damage() {
        assert_eq!(walk(&[]), []);
        assert_eq!(walk(&[0x81, 1, 7, 0x81, 0]), [(0, Ok(3)), (3, Ok(2))]);
        assert_eq!(
            walk(&[0x81, 1, 7, 0x82, 1, 7, 0x81, 0]),
            [(0, Ok(3)), (3, Err(3)), (6, Ok(2))]
        );
        assert_eq!(walk(&[0x81, 9, 7]), [(0, Err(3))], "cut short");
        assert_eq!(
            walk(&[0x81, 0x7F, 1, 0x81, 0]),
            [(0, Err(3)), (3, Ok(2))],
            "longer than any object"
        );
    }

    #[test]
    fn a_long_file_is_read_in_pieces() {
        let bytes: Vec<u8> = [0x81, 2, 1, 1].repeat(CHUNK);
        assert_eq!(walk(&bytes).len(), CHUNK);
        let mut damaged = bytes;
        damaged[2 * CHUNK + 1] = 0x80;
        assert_eq!(walk(&damaged).len(), CHUNK);
    }
}
