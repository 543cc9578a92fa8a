//! The terminal while the dashboard is shown, and how it is left as it was.
//!
//! Whoever ends the program leaves the screen first: the display when it goes away, the thread of the signals before it
//! exits, and the hook for panics. What is to stay after the dashboard is kept until then.

use std::io::{self, BufWriter, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};
use rustix::termios::tcgetwinsize;

use crate::report::text::on_screen;

/// Nobody holds [`DRAWING`] for longer, unless it panicked while it drew.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether the screen is ours.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);
/// Held by whoever writes to the screen.
static DRAWING: Mutex<()> = Mutex::new(());
/// Lines for after the dashboard.
static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The screen of the dashboard. There is one at a time.
pub(super) struct Screen(Terminal<CrosstermBackend<TolerantStderr>>);

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When the terminal cannot be used like this; it is then left as it was.
    pub(super) fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        IS_SHOWN.store(true, Ordering::SeqCst);
        let enter = || {
            execute!(io::stderr(), EnterAlternateScreen, Hide)?;
            // In one piece, so that nothing flickers.
            let out = TolerantStderr(BufWriter::with_capacity(1 << 16, io::stderr()));
            Terminal::new(CrosstermBackend::new(out))
        };
        enter().map(Self).inspect_err(|_| leave())
    }

    /// Forgets what is on the screen, so that all of it is drawn anew: others may have written to it.
    pub(super) fn forget(&mut self) {
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        // Not by `clear`, which asks the terminal where the cursor is and waits for its reply.
        if IS_SHOWN.load(Ordering::SeqCst)
            && tcgetwinsize(io::stderr()).is_ok()
            && let Ok(size) = self.0.size()
        {
            let _ = self.0.resize(Rect::from((Position::ORIGIN, size)));
        }
    }

    /// Draws, unless the screen has been left.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) {
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the size cannot be told any more, crossterm would start programs to find it.
        if IS_SHOWN.load(Ordering::SeqCst) && tcgetwinsize(io::stderr()).is_ok() {
            let _ = self.0.draw(draw);
        }
    }
}

/// Standard error, whose failures are none: a terminal that is gone must not stop a run. Ratatui would panic on them when
/// it goes away.
struct TolerantStderr(BufWriter<Stderr>);

impl Write for TolerantStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Leaves the terminal as it was before the dashboard, and writes what was kept; does nothing without a dashboard.
pub fn leave() {
    if !IS_SHOWN.swap(false, Ordering::SeqCst) {
        return;
    }
    let _drawing = patiently();
    let _ = execute!(io::stderr(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    for line in kept.drain(..) {
        write_line(&line);
    }
}

/// The right to write to the screen, or nothing if nobody will ever give it back: this thread may have it itself.
fn patiently() -> Option<MutexGuard<'static, ()>> {
    let begun = Instant::now();
    loop {
        match DRAWING.try_lock() {
            Ok(drawing) => return Some(drawing),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Writes a line to stderr: at once, or after the dashboard. `text` is harmless.
pub fn tell(text: &str) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match IS_SHOWN.load(Ordering::SeqCst) {
        true => kept.push(text.to_owned()),
        false => write_line(text),
    }
}

/// Tells of a panic: if that of the main thread ends the program, the dashboard goes first.
pub fn tell_of_panic(text: &str) {
    if std::thread::current().name() == Some("main") {
        leave();
    }
    tell(text);
}

/// A closed stderr must not stop a run.
fn write_line(text: &str) {
    let _ = writeln!(io::stderr(), "{}", on_screen(text));
}
