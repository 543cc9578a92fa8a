//! Streamed bodies: those with a file that is too large to be held in memory.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

use crate::plan::FileContent;

/// The largest body that is sent together with its head; bytes. A larger one is streamed.
pub(crate) const MAX_JOINED: usize = 64 << 10;
/// How much is sent at once; bytes.
const CHUNK: usize = 64 << 10;

/// The length of a body in bytes, for its `content-length`.
pub(crate) fn length(contents: &[FileContent]) -> u64 {
    contents.iter().map(FileContent::length).sum()
}

/// A body of these contents, with its files open; and a counter of the bytes sent so far.
///
/// # Errors
/// When a file cannot be opened, or is no longer as long as it was when the run began.
pub(crate) async fn open(
    contents: &[FileContent],
) -> Result<(StreamedBody, Arc<AtomicU64>), FileError> {
    let mut sources = VecDeque::with_capacity(contents.len());
    for content in contents {
        sources.push_back(match content {
            FileContent::Bytes(bytes) => BodySource::Bytes(bytes.clone()),
            FileContent::OnDisk { path, length } => {
                let error = |error| FileError::new(path, error);
                let file = File::open(path).await.map_err(error)?;
                let now = file.metadata().await.map_err(error)?.len();
                if now != *length {
                    return Err(FileError::changed(path, *length, now));
                }
                BodySource::File {
                    path: path.clone(),
                    file,
                    left: *length,
                }
            }
        });
    }
    let sent = Arc::new(AtomicU64::new(0));
    let body = StreamedBody {
        sources,
        left: length(contents),
        sent: sent.clone(),
    };
    Ok((body, sent))
}

/// A body file that cannot be read, or was changed.
#[derive(Debug)]
pub(crate) struct FileError {
    text: String,
    /// The error of the system; not a `source`, because it is not about the connection.
    pub(crate) error: Option<std::io::Error>,
}

impl FileError {
    fn new(path: &std::path::Path, error: std::io::Error) -> Self {
        Self {
            text: format!("cannot read the body file `{}`: {error}", path.display()),
            error: Some(error),
        }
    }

    fn changed(path: &std::path::Path, from: u64, to: u64) -> Self {
        Self {
            text: format!(
                "the body file `{}` had {from} bytes when the run began, and has {to} now",
                path.display()
            ),
            error: None,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for FileError {}

/// What remains to be sent of a body.
pub(crate) struct StreamedBody {
    sources: VecDeque<BodySource>,
    /// Bytes.
    left: u64,
    sent: Arc<AtomicU64>,
}

/// Where the next bytes of a body come from.
enum BodySource {
    Bytes(Bytes),
    File {
        path: PathBuf,
        file: File,
        /// Bytes not read yet.
        left: u64,
    },
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = FileError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FileError>>> {
        let chunk = loop {
            match self.sources.front_mut() {
                None => return Poll::Ready(None),
                Some(BodySource::Bytes(bytes)) => {
                    if bytes.is_empty() {
                        self.sources.pop_front();
                        continue;
                    }
                    break bytes.split_to(bytes.len().min(CHUNK));
                }
                Some(BodySource::File { left: 0, .. }) => {
                    self.sources.pop_front();
                }
                Some(BodySource::File { path, file, left }) => {
                    // Never more than was announced, though the file may have grown.
                    let most = usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK);
                    let mut chunk = BytesMut::zeroed(most);
                    let mut buffer = ReadBuf::new(&mut chunk);
                    ready!(Pin::new(file).poll_read(cx, &mut buffer))
                        .map_err(|error| FileError::new(path, error))?;
                    let read = buffer.filled().len();
                    if read == 0 {
                        let error = std::io::Error::other(
                            "the file ended early; it was changed during the run",
                        );
                        return Poll::Ready(Some(Err(FileError::new(path, error))));
                    }
                    *left -= read as u64;
                    chunk.truncate(read);
                    break chunk.freeze();
                }
            }
        };
        self.left -= chunk.len() as u64;
        self.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(mut body: StreamedBody) -> Result<Vec<u8>, FileError> {
        let mut read = Vec::new();
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            match frame {
                None => return Ok(read),
                Some(frame) => read.extend_from_slice(&frame?.into_data().unwrap()),
            }
        }
    }

    #[tokio::test]
    async fn files_and_texts_are_read_in_their_order_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let content: Vec<u8> = (0..3 * CHUNK + 7).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let length = content.len() as u64;
        let file = FileContent::OnDisk { path, length };
        let text = |text: &'static str| FileContent::Bytes(Bytes::from_static(text.as_bytes()));
        let contents = [text("a"), file.clone(), text(""), file, text("z")];
        let (body, sent) = open(&contents).await.unwrap();
        assert_eq!(body.size_hint().exact(), Some(2 * length + 2));
        let expected = [b"a", &content[..], &content[..], b"z"].concat();
        assert_eq!(read_all(body).await.unwrap(), expected);
        assert_eq!(sent.load(Ordering::Relaxed), 2 * length + 2);
    }

    #[tokio::test]
    async fn a_file_that_changes_is_an_error_and_never_sent_short_or_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [7; 2 * CHUNK]).unwrap();
        let length = 2 * CHUNK as u64;
        let contents = [FileContent::OnDisk {
            path: path.clone(),
            length,
        }];
        let resize = |length| {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(length).unwrap();
        };
        let (body, _) = open(&contents).await.unwrap();
        resize(length + 5);
        assert_eq!(read_all(body).await.unwrap().len() as u64, length);
        assert!(open(&contents).await.is_err());
        resize(length);
        let (body, _) = open(&contents).await.unwrap();
        resize(length - 5);
        assert!(read_all(body).await.is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(open(&contents).await.is_err());
    }
}
