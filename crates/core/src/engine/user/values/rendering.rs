//! The templates of a request, filled in with a user's values.
//!
//! Not here: what the values are (`values`), which request is filled in (`user`).

use super::RenderError;
use crate::plan::{Body, Endpoint, Scope, Template};

/// The values of the headers of an endpoint; `None` for one that is left out.
#[inline]
pub(crate) fn fill_headers(
    endpoint: &Endpoint,
    scope: &mut Scope<'_>,
) -> Result<Vec<Option<String>>, RenderError> {
    let headers = endpoint.headers.iter();
    headers
        .map(|header| fill_value(&header.value, scope))
        .collect()
}

/// A body of one template.
#[inline]
pub(crate) fn fill_body(body: &Body, scope: &mut Scope<'_>) -> Result<Option<String>, RenderError> {
    match body {
        Body::Template(t) if t.as_constant().is_none() => fill(t, scope).map(Some),
        _ => Ok(None),
    }
}

/// The templates of a body of several pieces.
#[inline]
pub(crate) fn fill_pieces(body: &Body, scope: &mut Scope<'_>) -> Result<Vec<String>, RenderError> {
    match body {
        Body::Pieces(_) => {
            let texts = body.templates();
            texts.map(|template| fill(template, scope)).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// The templates of credentials.
#[inline]
pub(crate) fn fill_auth(
    endpoint: &Endpoint,
    scope: &mut Scope<'_>,
) -> Result<Vec<String>, RenderError> {
    match &endpoint.auth {
        Some(auth) => {
            let templates = auth.templates().into_iter();
            templates.map(|template| fill(template, scope)).collect()
        }
        None => Ok(Vec::new()),
    }
}

/// The values of headers and of credentials.
pub(crate) type RenderedDefaults = (Vec<Option<String>>, Vec<String>);

/// A template with its slots filled in; nothing for one that is known.
#[inline]
pub(crate) fn fill(template: &Template, scope: &mut Scope<'_>) -> Result<String, RenderError> {
    if template.as_constant().is_some() {
        return Ok(String::new());
    }
    // What is filled in is seldom longer than its placeholder. One allocation costs less than growing
    // step by step.
    let mut text = String::with_capacity(template.source().len());
    template.render(scope, &mut text)?;
    Ok(text)
}

/// The same; `None` for one that is nothing but one slot without a value.
#[inline]
pub(crate) fn fill_value(
    template: &Template,
    scope: &mut Scope<'_>,
) -> Result<Option<String>, RenderError> {
    if template.as_constant().is_some() {
        return Ok(Some(String::new()));
    }
    let mut text = String::with_capacity(template.source().len());
    let is_there = template.render_value(scope, &mut text)?;
    Ok(is_there.then_some(text))
}
