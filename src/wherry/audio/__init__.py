"""Audio files to samples, samples to log-mel."""
