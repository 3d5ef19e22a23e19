"""What language models represent: isotropy and dependencies between positions."""
