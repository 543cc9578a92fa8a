//! Responses as scripts see them.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
use rquickjs::{Ctx, Exception, Function, Result, Value};

thread_local! {
    /// That of the check or extraction this thread evaluates.
    static CURRENT: RefCell<Option<Rc<ResponseData>>> = const { RefCell::new(None) };
}

/// A response. Its body is decoded when a script asks for it.
pub struct ResponseData {
    /// The status; 0 if no response came.
    pub status: u16,
    /// Path and query, or URL, of the request.
    pub url: String,
    /// How long it took, from when it was due.
    pub elapsed: Duration,
    /// The header fields.
    pub headers: HeaderMap,
    /// Reads the body as text.
    pub body: Box<dyn Fn() -> std::result::Result<String, String>>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl fmt::Debug for ResponseData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseData")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl ResponseData {
    /// Lends it to the scripts that `evaluate` calls.
    pub fn during<T>(self: &Rc<Self>, evaluate: impl FnOnce() -> T) -> T {
        CURRENT.set(Some(self.clone()));
        let result = evaluate();
        CURRENT.set(None);
        result
    }

    /// The response that is lent now.
    pub(super) fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }
}

/// The object for a response, by the function of the prelude that makes it.
pub(super) fn to_script<'js>(
    ctx: &Ctx<'js>,
    make: &Function<'js>,
    response: Rc<ResponseData>,
) -> Result<Value<'js>> {
    let (status, url) = (response.status, response.url.clone());
    let elapsed_ms = response.elapsed.as_secs_f64() * 1e3;
    let error = response.error.clone();
    // Reads nothing before the script asks.
    let load = Function::new(ctx.clone(), move |ctx: Ctx<'js>, what: String| {
        load(&ctx, &response, &what)
    })?;
    make.call((status, url, elapsed_ms, error, load))
}

/// The body, or names and values of the headers in turn.
fn load<'js>(ctx: &Ctx<'js>, response: &ResponseData, what: &str) -> Result<Value<'js>> {
    use rquickjs::IntoJs;
    if what == "body" {
        return match (response.body)() {
            Ok(text) => text.into_js(ctx),
            Err(why) => Err(Exception::throw_type(ctx, &why)),
        };
    }
    let mut flat = Vec::with_capacity(response.headers.len() * 2);
    for (name, value) in &response.headers {
        flat.push(name.as_str().to_owned());
        flat.push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    flat.into_js(ctx)
}
