"""What encoders and language models represent: isotropy, drift, and dependencies between positions."""
