"""Commands for i-PI: ipi-input, ipi-run, ipi-client, ipi-driver."""
