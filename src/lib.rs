//! Bellwether: service-health events in; the right people told, in time, and nothing lost.
