//! Where a body ends: by its length, by its chunks, or with its connection.
//!
//! Pure over bytes, however they are split. Not here: the head that says which it is
//! (`head`), nor what is done with the content (`response`).

/// The most bytes that a response may spend on chunk extensions and trailers; neither is used.
const MAX_OVERHEAD: usize = 16 << 10;

/// How the end of a body is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// All that comes until the connection is closed.
    UntilClose,
}

/// What comes next in a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyEvent<'a> {
    /// Content.
    Content(&'a [u8]),
    /// The body is complete; what is left of the input is not part of it.
    End,
    /// The input is used up, and the body is not complete.
    NeedMore,
}

impl Framing {
    /// Takes the next event off the front of `input`.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub(crate) fn take<'a>(&mut self, input: &mut &'a [u8]) -> Result<BodyEvent<'a>, &'static str> {
        match self {
            Self::Length(0) => Ok(BodyEvent::End),
            Self::Length(left) => Ok(content(input, left)),
            Self::Chunked(chunks) => chunks.take(input),
            Self::UntilClose => Ok(content(input, &mut { u64::MAX })),
        }
    }

    /// Takes so many bytes that nobody looked at; how many of them are content. Where chunks would have to be told from
    /// it, none is.
    pub(crate) fn count(&mut self, came: usize) -> usize {
        match self {
            Self::Length(left) => {
                let content = came.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= content as u64;
                content
            }
            Self::Chunked(_) => 0,
            Self::UntilClose => came,
        }
    }
}

/// At most `left` bytes, which it is reduced by.
fn content<'a>(input: &mut &'a [u8], left: &mut u64) -> BodyEvent<'a> {
    if input.is_empty() {
        return BodyEvent::NeedMore;
    }
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let (piece, rest) = input.split_at(input.len().min(most));
    *left -= piece.len() as u64;
    *input = rest;
    BodyEvent::Content(piece)
}

/// How far a chunked body has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: ChunkState,
    /// Of the chunk: its size while it is read, then what is left of it.
    left: u64,
    /// Bytes of extensions and trailers so far.
    overhead: usize,
}

/// What is expected next. Named after RFC 9112, section 7.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ChunkState {
    /// The first digit of a size.
    #[default]
    Size,
    /// Further digits.
    Digits,
    /// White space behind them, or an extension.
    Extension,
    /// The line end behind a size.
    SizeEnd,
    /// Content.
    Content,
    /// The line end behind it.
    ContentCr,
    ContentLf,
    /// The first byte of a trailer line, or of the last line end.
    Trailer,
    /// The rest of a trailer line.
    TrailerLine,
    TrailerEnd,
    /// The line feed of the last line end.
    LastLf,
    /// Nothing.
    End,
}

impl Chunks {
    fn take<'a>(&mut self, input: &mut &'a [u8]) -> Result<BodyEvent<'a>, &'static str> {
        loop {
            match self.state {
                ChunkState::Content if self.left == 0 => self.state = ChunkState::ContentCr,
                ChunkState::Content => return Ok(content(input, &mut self.left)),
                ChunkState::End => return Ok(BodyEvent::End),
                state => {
                    let Some((byte, rest)) = input.split_first() else {
                        return Ok(BodyEvent::NeedMore);
                    };
                    *input = rest;
                    self.state = self.next(state, *byte)?;
                }
            }
        }
    }

    /// The state after a byte.
    fn next(&mut self, state: ChunkState, byte: u8) -> Result<ChunkState, &'static str> {
        let digit = (byte as char).to_digit(16).map(u64::from);
        match (state, byte) {
            (ChunkState::Size | ChunkState::Digits, _) if let Some(digit) = digit => {
                let size = match state {
                    ChunkState::Size => Some(0),
                    _ => self.left.checked_mul(16),
                };
                let size = size.and_then(|size| size.checked_add(digit));
                self.left = size.ok_or("a chunk size is too large")?;
                Ok(ChunkState::Digits)
            }
            (ChunkState::Size, _) => Err("a chunk has no size"),
            (ChunkState::Digits, b';' | b' ' | b'\t') => Ok(ChunkState::Extension),
            (ChunkState::Digits | ChunkState::Extension, b'\r') => Ok(ChunkState::SizeEnd),
            (ChunkState::Digits, _) => Err("a chunk size is not a number"),
            (ChunkState::Extension, b'\n') => {
                Err("a chunk size does not end with a carriage return")
            }
            (ChunkState::Extension, _) => self.spend(ChunkState::Extension),
            (ChunkState::SizeEnd, b'\n') if self.left == 0 => Ok(ChunkState::Trailer),
            (ChunkState::SizeEnd, b'\n') => Ok(ChunkState::Content),
            (ChunkState::ContentCr, b'\r') => Ok(ChunkState::ContentLf),
            (ChunkState::ContentLf, b'\n') => Ok(ChunkState::Size),
            (ChunkState::Trailer, b'\r') => Ok(ChunkState::LastLf),
            (ChunkState::Trailer | ChunkState::TrailerLine, b'\n') => {
                Err("a trailer line does not end with a carriage return")
            }
            (ChunkState::TrailerLine, b'\r') => Ok(ChunkState::TrailerEnd),
            (ChunkState::Trailer | ChunkState::TrailerLine, _) => {
                self.spend(ChunkState::TrailerLine)
            }
            (ChunkState::TrailerEnd, b'\n') => Ok(ChunkState::Trailer),
            (ChunkState::LastLf, b'\n') => Ok(ChunkState::End),
            _ => Err("a chunk does not end where it should"),
        }
    }

    fn spend(&mut self, then: ChunkState) -> Result<ChunkState, &'static str> {
        self.overhead += 1;
        match self.overhead > MAX_OVERHEAD {
            true => Err("its chunk extensions and trailers are larger than 16 KiB"),
            false => Ok(then),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of a body that comes in pieces of this size; whether it ended, and what was
    /// left over.
    fn read(
        mut framing: Framing,
        bytes: &[u8],
        size: usize,
    ) -> Result<(String, bool, usize), &'static str> {
        let mut content = Vec::new();
        let mut left_over = 0;
        let mut ended = false;
        for mut input in bytes.chunks(size) {
            while !ended {
                match framing.take(&mut input)? {
                    BodyEvent::Content(piece) => content.extend_from_slice(piece),
                    BodyEvent::End => ended = true,
                    BodyEvent::NeedMore => break,
                }
            }
            left_over += input.len();
        }
        Ok((String::from_utf8(content).unwrap(), ended, left_over))
    }

    fn chunked() -> Framing {
        Framing::Chunked(Chunks::default())
    }

    #[test]
    fn each_framing_ends_where_it_should_whatever_the_pieces() {
        let cases = [
            (Framing::Length(5), "hello?", ("hello", true, 1)),
            (Framing::Length(9), "hello", ("hello", false, 0)),
            (Framing::UntilClose, "hello", ("hello", false, 0)),
            (chunked(), "5\r\nhello\r\n0\r\n\r\n??", ("hello", true, 2)),
            (
                chunked(),
                "3;a=\"b\"\r\nhel\r\n00002 \r\nlo\r\n0\r\nx: 1\r\ny: 2\r\n\r\n",
                ("hello", true, 0),
            ),
            (
                chunked(),
                "A\r\n0123456789\r\n0\r\n\r",
                ("0123456789", false, 0),
            ),
        ];
        for (framing, bytes, (content, ended, left)) in cases {
            for size in [1, 2, 3, 100] {
                let read = read(framing.clone(), bytes.as_bytes(), size);
                assert_eq!(read, Ok((content.to_owned(), ended, left)), "{bytes:?}");
            }
        }
    }

    #[test]
    fn invalid_chunks_are_refused() {
        for bad in [
            "zz\r\n",
            "\r\n",
            "-1\r\n",
            "5\nhello",
            "5\r\nhello!",
            "5\r\nhello\r!",
            "5 x\n",
            "10000000000000000\r\n",
            "0\r\nx\n",
            "0\r\n\r!",
        ] {
            assert!(read(chunked(), bad.as_bytes(), 100).is_err(), "{bad:?}");
        }
        let endless = format!("5;{}", "x".repeat(MAX_OVERHEAD + 1));
        assert!(read(chunked(), endless.as_bytes(), 1000).is_err());
        let endless = format!("0\r\n{}", "x: 1\r\n".repeat(MAX_OVERHEAD / 4 + 1));
        assert!(read(chunked(), endless.as_bytes(), 1000).is_err());
    }
}
