//! A file on a slow disk, for tests.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

/// How much is read at once; bytes.
const PAGE: usize = 64;

/// A text of which nothing is in memory until it was waited for, which its worker must not do.
#[derive(Debug)]
pub(crate) struct SlowText {
    text: Vec<u8>,
    /// The thread that must never wait.
    worker: Mutex<Option<ThreadId>>,
    /// The bytes that were waited for.
    read: Mutex<BTreeSet<u64>>,
    waits: AtomicUsize,
}

impl SlowText {
    pub(super) fn new(text: Vec<u8>) -> Self {
        Self {
            text,
            worker: Mutex::default(),
            read: Mutex::default(),
            waits: AtomicUsize::new(0),
        }
    }

    /// From now on, this thread must not wait for the text, and nothing of it is in memory.
    pub(super) fn start(&self) {
        *self.worker.lock().unwrap() = Some(thread::current().id());
        self.read.lock().unwrap().clear();
        self.waits.store(0, Ordering::Relaxed);
    }

    /// How often somebody waited since the start.
    pub(super) fn waits(&self) -> usize {
        self.waits.load(Ordering::Relaxed)
    }

    pub(super) fn read_at(
        &self,
        place: u64,
        buffer: &mut [u8],
        may_wait: bool,
    ) -> io::Result<usize> {
        let start = usize::try_from(place).unwrap().min(self.text.len());
        let length = buffer.len().min(self.text.len() - start).min(PAGE);
        let mut read = self.read.lock().unwrap();
        if may_wait {
            let is_worker = *self.worker.lock().unwrap() == Some(thread::current().id());
            assert!(!is_worker, "the worker waits for the disk");
            self.waits.fetch_add(1, Ordering::Relaxed);
            read.extend(place..place + length as u64);
        } else if length > 0 && !read.contains(&place) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..length].copy_from_slice(&self.text[start..start + length]);
        Ok(length)
    }
}
