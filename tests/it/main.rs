//! Everything that is tested from outside: one binary, so that it is linked once.

mod architecture;
mod cli;
mod delivering;
mod lanes;
mod lasting;
mod pages;
mod smtp;
mod telling;
mod world;
