//! Sans-IO personalization: a state machine that asks for APDUs, store writes and signatures.
