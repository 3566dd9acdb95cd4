"""What scores an example's outputs: plain functions, expressions, registered code, and models."""
