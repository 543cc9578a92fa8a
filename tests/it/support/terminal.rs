//! A pseudoterminal to run a program in.

use std::fs::File;
use std::io::Read;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal: the window that shows it, and the file that programs in it use.
pub struct Terminal {
    /// Dropping it closes the terminal.
    pub window: File,
    /// What programs read from and write to.
    pub programs: File,
}

impl Terminal {
    /// A terminal of this width.
    pub fn new(columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let window = openpt(flags).unwrap();
        grantpt(&window).unwrap();
        unlockpt(&window).unwrap();
        let size = Winsize {
            ws_row: 50,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&window, size).unwrap();
        let name = ptsname(&window, Vec::new()).unwrap();
        let mut options = File::options();
        let options = options.read(true).write(true);
        let programs = options.open(name.to_str().unwrap()).unwrap();
        Self {
            window: window.into(),
            programs,
        }
    }

    /// What programs that have ended wrote to it, without colors.
    pub fn read(self) -> String {
        anstream::adapter::strip_str(&self.read_colored()).to_string()
    }

    /// The same as it was written.
    pub fn read_colored(self) -> String {
        let Self {
            mut window,
            programs,
        } = self;
        drop(programs);
        let mut text = Vec::new();
        // Once no program has it open, the end is an error.
        let _ = window.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }
}
