//! A terminal, its clerk and the people who come.
