"""Configuration and desired state: files, environment and flags into values, with precise errors."""
