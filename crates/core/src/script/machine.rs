//! The engine of one script in one worker: started once, called often.
//!
//! Here: calls that give a value. Not here: calls that wait (`user`).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rquickjs::function::Args;
use rquickjs::{Context, Ctx, Function, Module, Object, Persistent, Promise, Runtime, Value};

use super::budget::Budget;
use super::error::ScriptError;
use super::files::{Limits, Sources};
use super::globals::natives;
use super::modules::{FileLoader, FileResolver, Imports, Read};
use super::response::{self, ResponseData};
use super::shared::ScriptState;
use super::value::{from_script, to_script};
use crate::units::format_duration;

/// How long a script may compute while it is loaded.
const LOADING: Duration = Duration::from_secs(5);
/// The deepest stack of a script; bytes. Threads have at least 2 MiB.
const MAX_STACK: usize = 512 << 10;

const PRELUDE: &str = include_str!("prelude.js");

/// A function that is kept.
pub(super) type StoredFunction = Persistent<Function<'static>>;

/// An argument of a call.
#[derive(Debug, Clone)]
pub enum Argument {
    /// A value.
    Json(serde_json::Value),
    /// The response that is lent now.
    Response,
}

/// An engine that runs a script. What belongs to it goes away before it does.
pub(super) struct Machine {
    functions: BTreeMap<String, StoredFunction>,
    pub(super) prelude: Prelude,
    pub(super) shared: Rc<ScriptState>,
    imports: Rc<Imports>,
    limits: Limits,
    context: Context,
}

/// The functions of the prelude.
pub(super) struct Prelude {
    pub(super) begin: StoredFunction,
    pub(super) settle: StoredFunction,
    pub(super) forget: StoredFunction,
    pub(super) user: StoredFunction,
    response: StoredFunction,
}

impl Machine {
    /// Loads the script whose first file is `main`, of files that were read before.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn start(
        main: &str,
        sources: &Sources,
        limits: Limits,
    ) -> Result<Self, ScriptError> {
        Self::load(main, Imports::new(sources.clone(), None), limits)
    }

    /// The same, but reads what it imports.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(
        main: &str,
        sources: Sources,
        limits: Limits,
        read: Read,
    ) -> Result<(Self, Sources), ScriptError> {
        let imports = Imports::new(sources, Some(read));
        let machine = Self::load(main, imports.clone(), limits)?;
        let sources = imports.sources.borrow().clone();
        Ok((machine, sources))
    }

    fn load(main: &str, imports: Rc<Imports>, limits: Limits) -> Result<Self, ScriptError> {
        let failed = |error: rquickjs::Error| ScriptError::new(error.to_string());
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(limits.memory);
        runtime.set_max_stack_size(MAX_STACK);
        runtime.set_loader(FileResolver(imports.clone()), FileLoader(imports.clone()));
        let shared = Rc::new(ScriptState::new(Budget::new(LOADING)));
        let asked = shared.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || asked.budget.check())));
        let context = Context::full(&runtime).map_err(failed)?;
        let loaded = context.with(|ctx| {
            let kept_imports = imports.clone();
            let prelude = prelude(&ctx, &shared, kept_imports).map_err(failed)?;
            let functions = evaluate(&ctx, main, &imports, &shared)?;
            Ok((prelude, functions))
        });
        let (prelude, functions) =
            loaded.map_err(|error: ScriptError| limited(error, &shared, limits))?;
        Ok(Self {
            functions,
            prelude,
            shared,
            imports,
            limits,
            context,
        })
    }

    /// The names of the functions that the script exports.
    pub(super) fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// The function of this name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn function(&self, name: &str) -> Result<StoredFunction, ScriptError> {
        let function = self.functions.get(name).cloned();
        function.ok_or_else(|| ScriptError::new(format!("the script exports no function `{name}`")))
    }

    /// The value of a function, which draws from `rng`.
    ///
    /// # Errors
    /// Why it has none.
    pub(super) fn call(
        &self,
        name: &str,
        arguments: &[Argument],
        rng: &mut ChaCha12Rng,
    ) -> Result<serde_json::Value, ScriptError> {
        let function = self.function(name)?;
        std::mem::swap(&mut *self.shared.rng.borrow_mut(), rng);
        let called = self.within(|ctx| {
            let function = function.restore(ctx)?;
            let mut args = Args::new(ctx.clone(), arguments.len());
            for argument in arguments {
                args.push_arg(self.argument(ctx, argument)?)?;
            }
            let value = function.call_arg(args)?;
            from_script(ctx, settled(ctx, value, name)?)
        });
        std::mem::swap(&mut *self.shared.rng.borrow_mut(), rng);
        let missing = || ScriptError::new(format!("`js.{name}()` returned undefined"));
        let value = called.and_then(|value| value.ok_or_else(missing));
        value.map_err(ScriptError::noted)
    }

    fn argument<'js>(&self, ctx: &Ctx<'js>, argument: &Argument) -> rquickjs::Result<Value<'js>> {
        match argument {
            Argument::Json(value) => to_script(ctx, value),
            Argument::Response => match ResponseData::current() {
                Some(response) => self.response(ctx, response),
                None => Ok(Value::new_null(ctx.clone())),
            },
        }
    }

    /// The object for a response.
    pub(super) fn response<'js>(
        &self,
        ctx: &Ctx<'js>,
        response: Rc<ResponseData>,
    ) -> rquickjs::Result<Value<'js>> {
        let make = self.prelude.response.clone().restore(ctx)?;
        response::to_script(ctx, &make, response)
    }

    /// What `run` makes within the limits of one call.
    ///
    /// # Errors
    /// What was thrown, or that a limit was exceeded.
    pub(super) fn within<T>(
        &self,
        run: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<T>,
    ) -> Result<T, ScriptError> {
        self.shared.budget.begin(self.limits.time);
        let result = self.context.with(|ctx| {
            let sources = self.imports.sources.borrow();
            run(&ctx).map_err(|error| ScriptError::caught(&ctx, error, &sources))
        });
        // One that was ended by a limit may have been caught by the script.
        match (result, self.exceeded()) {
            (Ok(_), Some(error)) => Err(error),
            (result, _) => result.map_err(|error| limited(error, &self.shared, self.limits)),
        }
    }

    /// The error of a call that took too long, if it did.
    fn exceeded(&self) -> Option<ScriptError> {
        let limit = self.shared.budget.exceeded()?;
        Some(limited(ScriptError::new(""), &self.shared, self.limits)).filter(|_| !limit.is_zero())
    }

    /// The memory that the script uses; bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> i64 {
        let runtime = self.context.runtime();
        runtime.run_gc();
        runtime.memory_usage().malloc_size
    }
}

/// Says of an error which limit caused it.
fn limited(error: ScriptError, shared: &ScriptState, limits: Limits) -> ScriptError {
    if let Some(limit) = shared.budget.exceeded() {
        let message = format!(
            "it took more than {} of processor time without waiting",
            format_duration(limit)
        );
        return ScriptError { message, ..error };
    }
    match error.message.as_str() {
        "InternalError: out of memory" | "a value of type null was thrown" => ScriptError {
            message: format!(
                "it needs more than {} MB of memory",
                limits.memory / 1_000_000
            ),
            ..error
        },
        _ => error,
    }
}

fn prelude<'js>(
    ctx: &Ctx<'js>,
    shared: &Rc<ScriptState>,
    imports: Rc<Imports>,
) -> rquickjs::Result<Prelude> {
    let natives = natives(ctx, shared, move || imports.sources.borrow().clone())?;
    let make: Function = ctx.eval(PRELUDE)?;
    let parts: Object = make.call((natives,))?;
    let kept = |name: &str| -> rquickjs::Result<StoredFunction> {
        Ok(Persistent::save(ctx, parts.get::<_, Function>(name)?))
    };
    Ok(Prelude {
        begin: kept("begin")?,
        settle: kept("settle")?,
        forget: kept("forget")?,
        user: kept("user")?,
        response: kept("response")?,
    })
}

/// Runs the files of a script, and finds the functions it exports.
fn evaluate(
    ctx: &Ctx<'_>,
    main: &str,
    imports: &Imports,
    shared: &ScriptState,
) -> Result<BTreeMap<String, StoredFunction>, ScriptError> {
    shared.budget.begin(LOADING);
    let text = imports.sources.borrow().text(main).unwrap_or_default();
    let run = || {
        let module = Module::declare(ctx.clone(), main, text.as_bytes())?;
        let (module, loaded) = module.eval()?;
        while ctx.execute_pending_job() {}
        match loaded.result::<Value>() {
            Some(result) => result.map(|_| Some(module)),
            None => Ok(None),
        }
    };
    let module = run().map_err(|error| {
        let caught = ScriptError::caught(ctx, error, &imports.sources.borrow());
        imports.failed.borrow_mut().take().unwrap_or(caught)
    })?;
    let Some(module) = module else {
        let mut error =
            ScriptError::new("the script waits while it is loaded, for nothing that can end");
        error.help = Some("wait in functions that `run` names".to_owned());
        return Err(error);
    };
    let caught = |error| ScriptError::caught(ctx, error, &imports.sources.borrow());
    let exports = module.namespace().map_err(caught)?;
    let mut functions = BTreeMap::new();
    for export in exports.props::<String, Value>() {
        let (name, value) = export.map_err(caught)?;
        if let Some(function) = value.into_function() {
            functions.insert(name, Persistent::save(ctx, function));
        }
    }
    Ok(functions)
}

/// What an asynchronous function has given, which must not wait.
fn settled<'js>(ctx: &Ctx<'js>, value: Value<'js>, name: &str) -> rquickjs::Result<Value<'js>> {
    let Some(promise) = value.as_promise().cloned() else {
        return Ok(value);
    };
    while promise.result::<Value>().is_none() && ctx.execute_pending_job() {}
    let promise: Promise = promise;
    promise.result().unwrap_or_else(|| {
        let text = format!("`{name}` waits, and has no value yet: only steps `run` can wait");
        Err(rquickjs::Exception::throw_type(ctx, &text))
    })
}
