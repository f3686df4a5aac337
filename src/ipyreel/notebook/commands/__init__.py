"""What is typed: options, prompts, cells and verbs."""
