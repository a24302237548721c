//! Everything that is tested from outside: one binary, so that it is linked once.

mod architecture;
mod cli;
mod closed;
mod delivering;
mod folders;
mod full;
mod kill;
mod lanes;
mod lasting;
mod limits;
mod livestreams;
mod neighbours;
mod order;
mod pages;
mod process;
mod proxy;
mod reasons;
mod relays;
mod secrets;
mod smtp;
mod strangers;
mod starts;
mod unknown;
mod telling;
mod testing;
mod world;
