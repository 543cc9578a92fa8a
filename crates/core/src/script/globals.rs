//! The functions that perfctl gives the prelude, by which scripts reach what is outside of their engine.

use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use rand::Rng as _;
use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, IntoJs, Object, Result, Value};
use sha2::{Digest, Sha256, Sha512};

use super::error::ScriptError;
use super::files::Sources;
use super::operation::{Operation, OperationKind, RequestSpec};
use super::shared::{CallEnd, ScriptState, ScriptStop, is_heard, log};
use super::value::{from_script, to_script};

/// Most operations of a user at once.
const MAX_AT_ONCE: usize = 1_000;
/// The largest value of a variable, as JSON; bytes. Each user keeps its own values.
const MAX_VALUE: usize = 1_000_000;

/// The object with all functions.
pub(super) fn natives<'js>(
    ctx: &Ctx<'js>,
    shared: &Rc<ScriptState>,
    sources: impl Fn() -> Sources + 'static,
) -> Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    macro_rules! native {
        ($name:literal, [$($shared:ident)?] $function:expr) => {{
            $(let $shared = shared.clone();)?
            natives.set($name, Function::new(ctx.clone(), $function)?)?;
        }};
    }
    native!("random", [shared] move |id: u64| shared.random(id));
    native!("current", [shared] move || shared.current.get());
    native!("listens", [] is_heard);
    native!("log", [] |text: String| log(&text));
    native!("number", [shared] move |id: u64| shared
        .with(id, |slot| slot.number));
    native!("iteration", [shared] move |id: u64| shared
        .with(id, |slot| slot.iteration));
    native!("unmet", [shared] move |id: u64, name: String| {
        shared.with(id, |slot| {
            slot.unmet.get_or_insert(name);
        });
    });
    native!("uuid", [shared] move || uuid(&shared));
    native!("queue", [shared] move |ctx: Ctx<'js>,
                                    id: u64,
                                    number: u64,
                                    kind: String,
                                    what: String,
                                    body: Opt<Option<String>>| {
        queue(&ctx, &shared, id, number, (&kind, &what, body.0.flatten()))
    });
    native!("end", [shared] move |id: u64, how: String, value: Value<'js>| {
        let text = || {
            let text = value.as_string().and_then(|text| text.to_string().ok());
            text.unwrap_or_default()
        };
        let end = match how.as_str() {
            "done" => CallEnd::Done,
            "fail" => CallEnd::Failed(text()),
            "stop" => CallEnd::Stopped(match text().as_str() {
                "flow" => ScriptStop::Flow,
                "run" => ScriptStop::Run,
                _ => ScriptStop::User,
            }),
            _ => CallEnd::Error(ScriptError::thrown(&value, &sources())),
        };
        shared.tell(id, |slot| {
            slot.end.get_or_insert(end);
        });
    });
    native!("variable", [shared] move |ctx: Ctx<'js>, id: u64, name: String| {
        variable(&ctx, &shared, id, &name)
    });
    native!("setVariable", [shared] move |ctx: Ctx<'js>,
                                          id: u64,
                                          name: String,
                                          value: Value<'js>| {
        set_variable(&ctx, &shared, id, &name, value)
    });
    native!("hash", [] |ctx: Ctx<'js>, algorithm: String, text: String, encoding: String| {
        let bytes = match algorithm.as_str() {
            "md5" => Md5::digest(&text).to_vec(),
            "sha256" => Sha256::digest(&text).to_vec(),
            "sha512" => Sha512::digest(&text).to_vec(),
            _ => return Err(unknown_algorithm(&ctx, &algorithm, "`md5`, `sha256` or `sha512`")),
        };
        written(&ctx, &bytes, &encoding)
    });
    native!("hmac", [] |ctx: Ctx<'js>,
                        algorithm: String,
                        key: String,
                        text: String,
                        encoding: String| {
        let bytes = match algorithm.as_str() {
            "sha256" => mac::<Hmac<Sha256>>(&key, &text),
            "sha512" => mac::<Hmac<Sha512>>(&key, &text),
            _ => return Err(unknown_algorithm(&ctx, &algorithm, "`sha256` or `sha512`")),
        };
        written(&ctx, &bytes, &encoding)
    });
    native!("toBase64", [] |ctx: Ctx<'js>, text: String| {
        let bytes: std::result::Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        match bytes {
            Ok(bytes) => Ok(STANDARD.encode(bytes)),
            Err(_) => Err(Exception::throw_type(
                &ctx,
                "`btoa` takes characters up to U+00FF",
            )),
        }
    });
    native!("fromBase64", [] |ctx: Ctx<'js>, text: String| {
        match STANDARD.decode(text.trim()) {
            Ok(bytes) => Ok(bytes.into_iter().map(char::from).collect::<String>()),
            Err(_) => Err(Exception::throw_type(&ctx, "`atob`: it is not base64")),
        }
    });
    Ok(natives)
}

fn mac<M: Mac + KeyInit>(key: &str, text: &str) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key.as_bytes()).expect("a key has any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn unknown_algorithm(ctx: &Ctx<'_>, algorithm: &str, known: &str) -> rquickjs::Error {
    Exception::throw_type(
        ctx,
        &format!("unknown algorithm `{algorithm}`: use {known}"),
    )
}

fn written(ctx: &Ctx<'_>, bytes: &[u8], encoding: &str) -> Result<String> {
    match encoding {
        "hex" => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Ok(STANDARD.encode(bytes)),
        _ => Err(Exception::throw_type(
            ctx,
            &format!("unknown encoding `{encoding}`: use `hex` or `base64`"),
        )),
    }
}

fn uuid(shared: &ScriptState) -> String {
    let bytes = shared.draw(0, |rng| {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        bytes
    });
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    uuid.to_string()
}

fn queue(
    ctx: &Ctx<'_>,
    shared: &ScriptState,
    id: u64,
    number: u64,
    (kind, what, body): (&str, &str, Option<String>),
) -> Result<()> {
    let refuse = |why: &str| Exception::throw_type(ctx, why);
    let kind = match kind {
        "think" => {
            let seconds = what.parse().ok();
            let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            OperationKind::Think(wait.unwrap_or_default())
        }
        _ => {
            let spec: RequestSpec =
                serde_json::from_str(what).map_err(|error| refuse(&error.to_string()))?;
            OperationKind::Request(Box::new(RequestSpec { body, ..spec }))
        }
    };
    let queued = shared.tell(id, |slot| {
        if slot.outstanding.len() == MAX_AT_ONCE {
            return Err(refuse("a user can wait for at most 1000 things at once"));
        }
        slot.outstanding.push(number);
        slot.operations.push(Operation { number, kind });
        Ok(())
    });
    queued.unwrap_or_else(|| {
        Err(refuse(
            "there is no user here: requests and waits are for functions that `run` names",
        ))
    })
}

fn variable<'js>(ctx: &Ctx<'js>, shared: &ScriptState, id: u64, name: &str) -> Result<Value<'js>> {
    let position = shared.variables.borrow().get(name).copied();
    let value = position.and_then(|position| {
        let read =
            |slot: &mut super::shared::Slot| slot.lent.as_ref()?.variables.get(position)?.clone();
        shared.with(id, read).flatten()
    });
    match value {
        Some(value) => to_script(ctx, &value),
        None => rquickjs::Undefined.into_js(ctx),
    }
}

fn set_variable<'js>(
    ctx: &Ctx<'js>,
    shared: &ScriptState,
    id: u64,
    name: &str,
    value: Value<'js>,
) -> Result<()> {
    let Some(position) = shared.variables.borrow().get(name).copied() else {
        let text = format!(
            "the scenario has no variable `{name}`: add it to its `variables`, or keep the value in the user: \
             `user.{name} = ...`"
        );
        return Err(Exception::throw_type(ctx, &text));
    };
    let value = from_script(ctx, value)?;
    let is_too_large = match &value {
        Some(serde_json::Value::String(text)) => text.len() > MAX_VALUE,
        Some(value @ (serde_json::Value::Array(_) | serde_json::Value::Object(_))) => {
            value.to_string().len() > MAX_VALUE
        }
        _ => false,
    };
    if is_too_large {
        let text = format!("`user.vars.{name}` is larger than 1 MB");
        return Err(Exception::throw_range(ctx, &text));
    }
    shared.with(id, |slot| {
        if let Some(lent) = &mut slot.lent
            && let Some(variable) = lent.variables.get_mut(position)
        {
            *variable = value;
        }
    });
    Ok(())
}
