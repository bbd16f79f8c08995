//! The fake Tomcats keep their word: what a fault's name says is what happens on the wire.

mod behaviours;
mod faults;
mod life;
mod managers;
mod sessions;
