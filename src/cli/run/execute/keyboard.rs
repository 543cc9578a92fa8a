//! The keys of the dashboard: what they ask of the run that goes on.
//!
//! They are read on a thread of their own, and followed on the thread of control between its seconds: no load waits for
//! either. Not here: how the dashboard looks (`report`), and how a load changes (`engine`).

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::engine::{AdjustableLoad, LoadControl};
use crate::report::live::{Keys, LiveDisplay};

/// How long the thread reads on after the run, at most.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// How long the end of the thread is waited for: until it has seen that the run is over, and no longer, should the
/// library that reads keys hang.
const END: Duration = Duration::from_millis(500);

/// What somebody at the terminal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// So many users more, or tenths of the rate.
    Step(i64),
    Pause,
    Reorder,
    Help,
    /// What Ctrl-C and Ctrl-\ do where the terminal has not been taken over.
    Signal(Signal),
    /// The terminal has another size.
    Redraw,
}

impl Wish {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Self::of_key(key),
            Event::Resize(..) => Some(Self::Redraw),
            _ => None,
        }
    }

    fn of_key(key: &KeyEvent) -> Option<Self> {
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        Some(match key.code {
            KeyCode::Char('c') if has_control => Self::Signal(Signal::INT),
            // Ctrl-\ is sent as what Ctrl-4 is.
            KeyCode::Char('4' | '\\') if has_control => Self::Signal(Signal::QUIT),
            KeyCode::Char('l') if has_control => Self::Redraw,
            _ if has_control => return None,
            KeyCode::Char('w') => Self::Step(1),
            KeyCode::Char('W') => Self::Step(10),
            KeyCode::Char('s') => Self::Step(-1),
            KeyCode::Char('S') => Self::Step(-10),
            KeyCode::Char('p') => Self::Pause,
            KeyCode::Char('e') => Self::Reorder,
            KeyCode::Char('q') => Self::Signal(Signal::INT),
            KeyCode::Char('?') => Self::Help,
            _ => return None,
        })
    }
}

/// What the keys change of this load.
pub(super) fn keys_of(control: &LoadControl) -> Keys {
    match control.adjustable() {
        AdjustableLoad::Users => Keys::Users,
        AdjustableLoad::FewerUsers(why) => Keys::FewerUsers(why),
        AdjustableLoad::Rate => Keys::Rate,
        AdjustableLoad::Pauses(why) => Keys::Nothing(why),
    }
}

/// Reads keys until it is dropped.
pub(super) struct Keyboard {
    wishes: Option<UnboundedReceiver<Wish>>,
    reading: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Reads from now on. Without a thread, there are no keys.
    pub(super) fn new() -> Self {
        let (sender, wishes) = unbounded_channel();
        let reading = thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || read(&sender));
        Self {
            wishes: Some(wishes),
            reading: reading.ok(),
        }
    }

    /// Does what the keys ask for, for as long as it is polled. What has been typed meanwhile is drawn in one go.
    pub(super) async fn obey(&mut self, control: &LoadControl, display: &Rc<RefCell<LiveDisplay>>) {
        let Some(wishes) = &mut self.wishes else {
            return;
        };
        while let Some(first) = wishes.recv().await {
            let mut display = display.borrow_mut();
            let mut is_changed = follow(first, control, &mut display);
            while let Ok(next) = wishes.try_recv() {
                is_changed |= follow(next, control, &mut display);
            }
            if is_changed {
                display.adjusted(control.level_now(), control.current());
            }
            display.draw();
        }
    }
}

/// Does what a key asks for. Returns whether the load is now another one.
fn follow(wish: Wish, control: &LoadControl, display: &mut LiveDisplay) -> bool {
    match wish {
        Wish::Step(steps) => return control.step(steps),
        Wish::Pause => return control.toggle_pause(),
        Wish::Reorder => display.reorder(),
        Wish::Help => display.toggle_help(),
        Wish::Redraw => display.forget(),
        // To the thread that also hears those of others.
        Wish::Signal(signal) => drop(kill_process(getpid(), signal)),
    }
    false
}

impl Drop for Keyboard {
    /// What is typed from now on is for others.
    fn drop(&mut self) {
        self.wishes = None;
        if let Some(reading) = self.reading.take() {
            let since = Instant::now();
            while !reading.is_finished() && since.elapsed() < END {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Reads until nobody listens, or the terminal is gone.
fn read(wishes: &UnboundedSender<Wish>) {
    // There is no dashboard where this is not the terminal.
    let terminal = io::stdin();
    while !wishes.is_closed() {
        // Before crossterm reads, which would read for ever where nobody can write any more.
        let mut state = [PollFd::new(&terminal, PollFlags::IN)];
        match poll(&mut state, Some(&PATIENCE)) {
            Ok(_)
                if state[0]
                    .revents()
                    .intersects(PollFlags::HUP | PollFlags::ERR) =>
            {
                return;
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        // It says when the size changes, too.
        while let Ok(true) = event::poll(Duration::ZERO) {
            let Ok(event) = event::read() else { return };
            if let Some(wish) = Wish::of(&event)
                && wishes.send(wish).is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_locust_and_control_c_stays_what_it_is() {
        let wish = |code, modifiers| Wish::of(&Event::Key(KeyEvent::new(code, modifiers)));
        let plain = |c| wish(KeyCode::Char(c), KeyModifiers::NONE);
        let steps = ['w', 'W', 's', 'S'].map(plain);
        assert_eq!(steps, [1, 10, -1, -10].map(|n| Some(Wish::Step(n))));
        assert_eq!(
            wish(KeyCode::Char('c'), KeyModifiers::CONTROL),
            Some(Wish::Signal(Signal::INT))
        );
        assert_eq!(plain('q'), Some(Wish::Signal(Signal::INT)));
        assert_eq!(wish(KeyCode::Char('s'), KeyModifiers::CONTROL), None);
        assert_eq!(plain('x'), None);
        assert_eq!(Wish::of(&Event::Resize(80, 24)), Some(Wish::Redraw));
    }
}
