//! PC/SC readers: one thread and one context per reader, insertions and removals as a stream of events.
