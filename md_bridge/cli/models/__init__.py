"""Commands about models: export, info, check, evaluate."""
