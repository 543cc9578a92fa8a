//! The way from a server to the run that it has started: a socket on which the run is asked to change its load.
//!
//! The socket belongs to the run and has a place that its name tells, so a later server finds it as well. Each request is
//! a line of JSON, and so is the response to it. Here: the two lines, and both ends. Not here: how a load changes
//! (`engine`), and who may ask for it (`operations`).

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::metrics::LoadSetting;
use crate::units::as_us;

/// The longest line; bytes.
const MAX_LINE: u64 = 16 << 10;
/// How long the other end is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a load is now, and what of it can be changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadNow {
    /// Closed model: how many users there are.
    pub users: Option<u32>,
    /// Open model: arrivals per second; in a pause, those after it.
    pub rate: Option<f64>,
    pub paused: bool,
    /// Whether it is another load than planned, or was.
    pub adjusted: bool,
    /// The most users or arrivals per second that can be set; `None` where neither can.
    pub most: Option<f64>,
    /// Why there can be no more than planned, or why neither can be set.
    pub why: Option<String>,
}

/// A line to a run.
#[derive(Serialize, Deserialize)]
struct ControlRequest {
    change: LoadSetting,
    /// Afterwards nobody waits for it any more, and it must not be done: by the [clock](now_us) of all processes; us.
    until_us: u64,
}

/// A clock that all processes of the machine share, and that nobody sets; us.
fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}

/// What a run says to a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ControlReply {
    /// It is made.
    Load(LoadNow),
    /// It is not, since no load goes on: it has not begun, or is over.
    NoLoad,
    /// It cannot be made, for this reason.
    Refused(String),
}

/// A short name of a socket for the time that the folder is open, whose own name may be longer than one may be (108
/// bytes).
fn address(folder: &File, name: &OsString) -> PathBuf {
    let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Path::new(&folder).join(name)
}

fn open_folder(path: &Path) -> io::Result<(File, OsString)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    Ok((
        File::open(folder.unwrap_or(Path::new(".")))?,
        name.to_owned(),
    ))
}

/// What a socket is called before it can be found.
pub(super) fn unfinished(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Asks the run whose socket this is. A change of nothing asks what the load is.
///
/// # Errors
/// When it is not there, or does not respond.
pub(super) fn ask(socket: &Path, change: LoadSetting) -> io::Result<ControlReply> {
    ask_for(socket, change, PATIENCE)
}

fn ask_for(socket: &Path, change: LoadSetting, patience: Duration) -> io::Result<ControlReply> {
    let (folder, name) = open_folder(socket)?;
    let mut stream = net::UnixStream::connect(address(&folder, &name))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // The rest is for the response.
    let until_us = now_us() + as_us(patience) * 4 / 5;
    stream.write_all(line(&ControlRequest { change, until_us })?.as_bytes())?;
    let mut said = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut said)?;
    Ok(serde_json::from_str(&said)?)
}

fn line(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// The end of the run. Its socket is gone when it is.
pub(crate) struct ControlListener {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlListener {
    /// Makes the socket, which only this user can open. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let (folder, name) = open_folder(path)?;
        let new = unfinished(&address(&folder, &name));
        let listener = net::UnixListener::bind(&new)?;
        let made = (|| {
            listener.set_nonblocking(true)?;
            fs::set_permissions(&new, Permissions::from_mode(0o600))?;
            // Nobody finds it before that.
            fs::rename(&new, path)?;
            UnixListener::from_std(listener)
        })();
        if made.is_err() {
            let _ = fs::remove_file(&new);
        }
        Ok(Self {
            listener: made?,
            path: path.to_owned(),
        })
    }

    /// Responds to whoever asks, one after the other, for as long as it is polled.
    pub async fn serve(&self, mut respond: impl FnMut(LoadSetting) -> ControlReply) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    // Whoever asks and does not listen, or asks and says nothing, is none of the others' business.
                    let _ = timeout(PATIENCE, exchange(stream, &mut respond)).await;
                }
                // Such as too many open files.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn exchange(
    mut stream: UnixStream,
    respond: &mut impl FnMut(LoadSetting) -> ControlReply,
) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut asked = String::new();
    let mut reading = tokio::io::BufReader::new(reading.take(MAX_LINE));
    reading.read_line(&mut asked).await?;
    let reply = match serde_json::from_str::<ControlRequest>(&asked) {
        Ok(asked) if asked.until_us < now_us() => {
            ControlReply::Refused("it was asked for too long ago".to_owned())
        }
        Ok(asked) => respond(asked.change),
        Err(error) => ControlReply::Refused(format!("the line cannot be read: {error}")),
    };
    writing.write_all(line(&reply)?.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_asked_over_a_socket_that_only_its_user_can_open_wherever_it_lies() {
        let directory = tempfile::tempdir().unwrap();
        // Longer than the name of a socket may be.
        let folder = directory.path().join("x".repeat(150));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("run.sock");
        let listener = ControlListener::bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 1);
        let asked = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                let change = LoadSetting {
                    users: Some(40),
                    ..LoadSetting::default()
                };
                [LoadSetting::default(), change].map(|change| ask(&path, change).unwrap())
            })
        };
        let respond = |change: LoadSetting| match change.users {
            Some(users) => ControlReply::Refused(format!("{users}")),
            None => ControlReply::Load(LoadNow {
                rate: Some(2.5),
                ..LoadNow::default()
            }),
        };
        let replies = tokio::select! {
            () = listener.serve(respond) => unreachable!(),
            replies = asked => replies.unwrap(),
        };
        let now = LoadNow {
            rate: Some(2.5),
            ..LoadNow::default()
        };
        assert_eq!(replies[0], ControlReply::Load(now));
        assert_eq!(replies[1], ControlReply::Refused("40".to_owned()));
        drop(listener);
        assert!(!path.exists());
        assert!(ask(&path, LoadSetting::default()).is_err());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.sock");
        let listener = ControlListener::bind(&path).unwrap();
        // The run stands still meanwhile.
        let given_up = {
            let path = path.clone();
            let ask = move || ask_for(&path, LoadSetting::default(), Duration::from_millis(50));
            tokio::task::spawn_blocking(ask).await.unwrap()
        };
        assert!(given_up.is_err(), "{given_up:?}");
        let later = tokio::task::spawn_blocking(move || ask(&path, LoadSetting::default()));
        let mut count = 0;
        let respond = |_| {
            count += 1;
            ControlReply::NoLoad
        };
        tokio::select! {
            () = listener.serve(respond) => unreachable!(),
            reply = later => assert_eq!(reply.unwrap().unwrap(), ControlReply::NoLoad),
        }
        assert_eq!(count, 1, "only the one that was waited for");
    }
}
