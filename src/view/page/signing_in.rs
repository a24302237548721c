//! The page where somebody signs in, or out again.

use askama::Template;

use super::{Frame, render};
use crate::view::words::Moment;

/// What the page says.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// Where to go on; empty for the health history.
    pub to: &'a str,
    /// What was wrong with the token that was given.
    pub wrong: Option<&'a str>,
    /// Whether somebody can sign in from here.
    pub can_sign_in: bool,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    asked: SignIn<'a>,
}

/// The page.
pub fn sign_in(frame: &Frame, asked: &SignIn<'_>) -> String {
    render(&Page {
        frame,
        title: "Sign in",
        made: frame.moment(frame.now),
        asked: *asked,
    })
}
