"""What a measurement found: spectra, guards, the response of an output."""
