//! What is typed: one file per command.

pub mod demo;
