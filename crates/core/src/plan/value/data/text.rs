//! Where the text of the rows is: in memory, or in a file that is read during the run.
//!
//! Here: reading from a position, also without waiting for the disk. Not here: what is read (`records`,
//! `rows`).

use std::fs::File;
use std::io::{self, BufReader, IoSliceMut, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::records::Records;

/// How much is read at once; bytes.
const BUFFER: usize = 16 << 10;

/// Where the text of the rows is.
#[derive(Debug, Clone)]
pub(super) enum RowText {
    Memory(Arc<[u8]>),
    File(Arc<File>),
    /// A file on a disk that has to be waited for once for each position.
    #[cfg(test)]
    Slow(Arc<super::slow::SlowText>),
}

/// Whether a reader may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// It takes as long as it takes.
    Waits,
    /// What is not in memory is [`io::ErrorKind::WouldBlock`].
    None,
}

impl RowText {
    /// The records from this place on.
    pub(super) fn records(&self, place: u64) -> Records<BufReader<TextReader<'_>>> {
        self.records_with(place, Patience::Waits)
    }

    /// The records from this place on, as far as they can be had.
    pub(super) fn records_with(
        &self,
        place: u64,
        patience: Patience,
    ) -> Records<BufReader<TextReader<'_>>> {
        let reader = TextReader {
            content: self,
            at: place,
            patience,
        };
        Records::new(BufReader::with_capacity(BUFFER, reader), place)
    }

    /// Whether it is always in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Whether the byte at this place can be read without waiting.
    pub(super) fn is_at_hand(&self, place: u64) -> bool {
        self.read_at(place, &mut [0], Patience::None).is_ok()
    }

    /// Reads at this place, without moving the position of the file, which others share.
    fn read_at(&self, place: u64, buffer: &mut [u8], patience: Patience) -> io::Result<usize> {
        match self {
            Self::Memory(text) => {
                let start = usize::try_from(place).unwrap_or(usize::MAX).min(text.len());
                let length = buffer.len().min(text.len() - start);
                buffer[..length].copy_from_slice(&text[start..start + length]);
                Ok(length)
            }
            Self::File(file) if patience == Patience::Waits => file.read_at(buffer, place),
            Self::File(file) => {
                let mut buffers = [IoSliceMut::new(buffer)];
                preadv2(file, &mut buffers, place, ReadWriteFlags::NOWAIT).map_err(|error| {
                    match error {
                        // Not every file system can say beforehand.
                        Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL => {
                            io::ErrorKind::WouldBlock.into()
                        }
                        other => other.into(),
                    }
                })
            }
            #[cfg(test)]
            Self::Slow(text) => text.read_at(place, buffer, patience == Patience::Waits),
        }
    }
}

/// Reads from a position on.
pub(super) struct TextReader<'a> {
    content: &'a RowText,
    at: u64,
    patience: Patience,
}

impl Read for TextReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read_at(self.at, buffer, self.patience)?;
        self.at += length as u64;
        Ok(length)
    }
}
