//! Dialogues on the pure session.
