//! A large body on its way through hyper: how far it has come, and an end to it where nobody waits
//! for the rest.
//!
//! Not here: where its bytes come from (`request::payload`).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::plan::FileContent;
use crate::protocol::http::request::payload::{self, FileError, StreamedBody};
use crate::protocol::http::transport::STALLED;

/// A body that hyper sends.
pub(super) struct Upload {
    body: StreamedBody,
    is_stopped: Arc<AtomicBool>,
    /// What the next piece waits for; nothing before the first.
    pause: Option<Arc<Pause>>,
    /// Goes away when hyper is done with the body.
    _done: oneshot::Sender<()>,
}

/// What the request knows of its body.
pub(super) struct UploadProgress {
    sent: Arc<AtomicU64>,
    is_stopped: Arc<AtomicBool>,
    done: oneshot::Receiver<()>,
}

/// A body of these contents, with its files open.
///
/// # Errors
/// When a file cannot be opened, or is no longer as long as it was when the run began.
pub(super) async fn open(contents: &[FileContent]) -> Result<(Upload, UploadProgress), FileError> {
    let (body, sent) = payload::open(contents).await?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let (sender, done) = oneshot::channel();
    let upload = Upload {
        body,
        is_stopped: is_stopped.clone(),
        pause: None,
        _done: sender,
    };
    let progress = UploadProgress {
        sent,
        is_stopped,
        done,
    };
    Ok((upload, progress))
}

impl UploadProgress {
    /// Bytes sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until all is sent, the connection is closed, the service stops reading, or `deadline`.
    pub(super) async fn finish(&mut self, deadline: Instant) {
        while Instant::now() < deadline {
            let before = self.sent();
            let until = (Instant::now() + STALLED).min(deadline);
            if timeout_at(until, &mut self.done).await.is_ok() {
                return;
            }
            if self.sent() == before {
                break;
            }
        }
        self.stop();
    }

    /// Sends no more of it; the connection is closed.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    /// Pauses after each piece. Otherwise hyper would write as long as the connection
    /// takes more, and find it closed before it reads the response that explains why.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return Poll::Ready(Some(Err(UploadError::Stopped)));
        }
        if let Some(pause) = &self.pause
            && !pause.is_over(cx)
        {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.pause = Some(Pause::begin());
        }
        polled.map_err(UploadError::File)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A pause until tokio has looked at what came over the connections, however often hyper asks in the
/// meantime.
struct Pause {
    is_over: AtomicBool,
    /// Who asked last: over HTTP/2, hyper hands a body from one task to another.
    task: AtomicWaker,
}

impl Pause {
    fn begin() -> Arc<Self> {
        let pause = Arc::new(Self {
            is_over: AtomicBool::new(false),
            task: AtomicWaker::new(),
        });
        let waker = Waker::from(pause.clone());
        let turn = std::pin::pin!(tokio::task::yield_now());
        if turn.poll(&mut Context::from_waker(&waker)).is_ready() {
            pause.is_over.store(true, Ordering::Release);
        }
        pause
    }

    /// If it is not, `cx` is woken when it is.
    fn is_over(&self, cx: &Context<'_>) -> bool {
        self.task.register(cx.waker());
        self.is_over.load(Ordering::Acquire)
    }
}

impl Wake for Pause {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Why a body ends early.
#[derive(Debug)]
pub(super) enum UploadError {
    File(FileError),
    /// The response came first, and nobody waits for the rest.
    Stopped,
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Stopped => f.write_str("the response came before the request was sent"),
        }
    }
}

impl std::error::Error for UploadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Stopped => None,
        }
    }
}
